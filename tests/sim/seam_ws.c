// SPDX-License-Identifier: Apache-2.0
// In place of common/ws: WebSocket connections over a network that delays, breaks at any point and
// falls silent. TLS is reduced to its verdicts: certificates are verified, bytes are not encrypted;
// a byte that is corrupted ends the connection, as it does under TLS.
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"
#include "seam_ws.h"

/* Of each direction; and how long unacknowledged bytes may be under way (TCP_USER_TIMEOUT). */
enum { BYTES_PER_MS = 2000, USER_TIMEOUT_US = 30 * 1000 * 1000, HANDSHAKE_TRIPS = 4 };

/* A connection, which outlives its ends: never freed while the world lives. */
struct wire {
    struct cor_link link;
    struct cor_ws_conn *end[2]; /* client, server */
    struct sim_core *core[2];
    int64_t busy_until[2][COR_WS_LANES]; /* messages arrive in order */
    bool broken;                         /* nothing that is under way arrives */
    bool silent;                         /* and nobody is told */
};

struct cor_ws_conn {
    struct cor_ws *ws;
    struct wire *wire;
    int side;
    struct cor_ws_events events;
    void *self;
    size_t queued;
    int64_t tx_free; /* when the last queued byte has left */
    int64_t stuck;   /* since when a silent wire has swallowed bytes; 0: it has not */
    struct cor_timer *timer;
    int64_t ping_us;
    int64_t heard;
    bool open;
    bool gone;
    bool paused;
    struct cor_link held; /* struct letter that came meanwhile */
    const char *subprotocol;
    int inside;
};

struct letter {
    struct cor_link link;
    struct wire *wire;
    int from;
    bool binary;
    size_t len;
    char bytes[];
};

/* ---- ends ---- */

static void gone(struct cor_ws_conn *conn, const char *reason)
{
    if (conn->gone) {
        return;
    }
    conn->gone = true;
    conn->open = false;
    conn->wire->end[conn->side] = NULL;
    cor_timer_free(&conn->timer);
    conn->events.closed(conn->self, reason);
}

static void on_peer_closed(void *self)
{
    struct cor_ws_conn *conn = self;
    gone(conn, "closed by the peer");
}

/* Behind what was sent before in its own lane and in more urgent ones; what is less urgent it may
 * overtake. */
static int64_t in_order(struct wire *wire, int side, unsigned lane, int64_t at)
{
    for (unsigned i = 0; i <= lane; i++) {
        int64_t busy = wire->busy_until[side][i];
        at = at > busy ? at : busy + 1;
    }
    wire->busy_until[side][lane] = at;
    return at;
}

/* Tells the other end, if the network does, after what is under way. */
static void tell_end(struct wire *wire, int to)
{
    struct cor_ws_conn *conn = wire->end[to];
    if (conn == NULL || wire->silent) {
        return;
    }
    int64_t delay = sim_net_delay(wire->core[1 - to], wire->core[to]);
    if (delay < 0) {
        wire->silent = true; /* the end cannot be told */
        return;
    }
    int64_t at = sim_now() + delay;
    at = in_order(wire, 1 - to, COR_WS_LANES - 1, at);
    sim_post(wire->core[to], at - sim_now(), on_peer_closed, conn);
}

void cor_ws_close(struct cor_ws_conn *conn, int status, const char *reason)
{
    (void)status;
    if (conn->gone) {
        return;
    }
    struct wire *wire = conn->wire;
    int to = 1 - conn->side;
    gone(conn, reason);
    tell_end(wire, to);
}

void sim_ws_died(struct sim_core *core)
{
    struct sim_world *w = sim_world();
    COR_LIST_EACH (node, &w->wires) {
        struct wire *wire = COR_LIST_OBJECT(node, struct wire, link);
        for (int side = 0; side < 2; side++) {
            if (wire->core[side] == core && wire->end[side] != NULL) {
                wire->end[side] = NULL;
                wire->broken = wire->broken || sim_chance(SIM_NET, 500000);
                tell_end(wire, 1 - side);
            }
        }
        if (wire->broken && wire->end[0] == NULL && wire->end[1] == NULL) {
            cor_list_del(node); /* it is over; what is under way may still point to it */
        }
    }
    COR_LIST_EACH (node, &w->ws) {
        struct cor_ws *ws = COR_LIST_OBJECT(node, struct cor_ws, link);
        if (ws->core == core) {
            cor_list_del(node);
        }
    }
    sim_fetch_died(core);
}

static void on_reset(void *self)
{
    struct cor_ws_conn *conn = self;
    gone(conn, "connection reset");
}

void sim_ws_cut(bool silent)
{
    COR_LIST_EACH (node, &sim_world()->wires) {
        struct wire *wire = COR_LIST_OBJECT(node, struct wire, link);
        if (wire->core[0]->machine == wire->core[1]->machine || wire->broken) {
            continue;
        }
        wire->broken = true;
        wire->silent = silent;
        for (int side = 0; side < 2 && !silent; side++) {
            if (wire->end[side] != NULL) {
                sim_post(wire->core[side], (int64_t)sim_pick(SIM_NET, COR_MS(50)), on_reset,
                         wire->end[side]);
            }
        }
    }
}

/* ---- messages ---- */

static void hand_over(struct cor_ws_conn *conn, struct letter *letter)
{
    struct cor_view view = {letter->bytes, letter->len};
    sim_point();
    conn->inside++;
    if (letter->binary && conn->events.binary != NULL) {
        conn->events.binary(conn->self, view);
    } else {
        conn->events.message(conn->self, view);
    }
    conn->inside--;
    cor_free(letter);
}

static void on_letter(void *self)
{
    struct letter *letter = self;
    struct cor_ws_conn *conn = letter->wire->end[1 - letter->from];
    if (conn == NULL || !conn->open || letter->wire->broken) {
        cor_free(letter);
        return;
    }
    conn->heard = sim_now();
    if (conn->paused || !cor_list_empty(&conn->held)) {
        cor_list_add(&conn->held, &letter->link);
        return;
    }
    hand_over(conn, letter);
}

static void on_unpaused(void *self)
{
    struct cor_ws_conn *conn = self;
    while (!conn->gone && !conn->paused && !cor_list_empty(&conn->held)) {
        struct letter *letter = COR_LIST_OBJECT(conn->held.next, struct letter, link);
        cor_list_del(&letter->link);
        hand_over(conn, letter);
    }
}

void cor_ws_pause(struct cor_ws_conn *conn, bool on)
{
    conn->paused = on;
    if (!on && !cor_list_empty(&conn->held)) {
        sim_post(conn->wire->core[conn->side], 0, on_unpaused, conn);
    }
}

static void on_left(void *self)
{
    struct cor_ws_conn *conn = self;
    if (conn->gone || conn->tx_free > sim_now()) {
        return;
    }
    if (conn->wire->silent) {
        conn->stuck = conn->stuck == 0 ? sim_now() : conn->stuck;
        return; /* its buffers fill: nothing drains any more */
    }
    conn->queued = 0;
    if (conn->events.drained != NULL) {
        conn->inside++;
        conn->events.drained(conn->self);
        conn->inside--;
    }
}

enum cor_code cor_ws_fits(const struct cor_ws_conn *conn, size_t bytes)
{
    if (!conn->open) {
        return COR_CLOSED;
    }
    return conn->queued > 0 && conn->queued + bytes > conn->ws->limits.queue ? COR_BUSY : COR_OK;
}

static void send_letter(struct cor_ws_conn *conn, struct cor_view message, unsigned lane,
                        bool binary)
{
    struct wire *wire = conn->wire;
    must(message.len > 0);
    sim_point();
    int64_t from = conn->tx_free > sim_now() ? conn->tx_free : sim_now();
    conn->tx_free = from + 1 + (int64_t)(message.len * 1000 / BYTES_PER_MS);
    conn->queued += message.len;
    sim_post(wire->core[conn->side], conn->tx_free - sim_now(), on_left, conn);
    int64_t delay = sim_net_delay(wire->core[conn->side], wire->core[1 - conn->side]);
    if (wire->broken || wire->silent || delay < 0) {
        return; /* it vanishes */
    }
    struct letter *letter = cor_alloc(sizeof(*letter) + message.len);
    letter->wire = wire;
    letter->from = conn->side;
    letter->len = message.len;
    letter->binary = binary;
    cor_list_init(&letter->link);
    memcpy(letter->bytes, message.ptr, message.len);
    int64_t at = in_order(wire, conn->side, lane, conn->tx_free + delay);
    sim_trace("ws", (uint64_t)conn->side, message.len);
    sim_post(wire->core[1 - conn->side], at - sim_now(), on_letter, letter);
}

static enum cor_code send_first(struct cor_ws_conn *conn, struct cor_view message, bool binary)
{
    enum cor_code code = cor_ws_fits(conn, message.len);
    if (code == COR_OK) {
        send_letter(conn, message, 0, binary);
    }
    return code;
}

size_t cor_ws_burst(const struct cor_ws_conn *conn)
{
    (void)conn;
    return 0;
}

void cor_ws_put(struct cor_ws_conn *conn, struct cor_view message, unsigned lane)
{
    send_letter(conn, message, lane, true);
}

enum cor_code cor_ws_send(struct cor_ws_conn *conn, struct cor_view message)
{
    return send_first(conn, message, false);
}

enum cor_code cor_ws_send_binary(struct cor_ws_conn *conn, struct cor_view message)
{
    return send_first(conn, message, true);
}

const char *cor_ws_subprotocol(const struct cor_ws_conn *conn)
{
    return conn->subprotocol;
}

size_t cor_ws_queued(const struct cor_ws_conn *conn)
{
    return conn->queued;
}

/* ---- client ---- */

static struct cor_ws_conn *conn_new(struct cor_ws *ws, struct wire *wire, int side,
                                    const struct cor_ws_events *events, void *self)
{
    struct cor_ws_conn *conn = cor_alloc(sizeof(*conn));
    conn->ws = ws;
    conn->wire = wire;
    conn->side = side;
    conn->events = *events;
    conn->self = self;
    conn->heard = sim_now();
    cor_list_init(&conn->held);
    wire->end[side] = conn;
    wire->core[side] = ws->core;
    return conn;
}

/* A ping and its pong: libwebsockets of a process that is stopped does not answer. */
static void ping(struct cor_ws_conn *conn)
{
    struct wire *wire = conn->wire;
    bool answers = !wire->broken && !wire->silent && wire->end[1 - conn->side] != NULL &&
                   sim_net_get() == SIM_LINK_UP && sim_core_is_well(wire->core[1 - conn->side]);
    conn->heard = answers ? sim_now() : conn->heard;
}

static void on_timer(void *self)
{
    struct cor_ws_conn *conn = self;
    if (!conn->open) {
        cor_ws_close(conn, 0, "handshake takes too long");
    } else if (sim_now() - conn->heard > 3 * conn->ping_us) {
        cor_ws_close(conn, 0, "the peer is silent");
    } else if (conn->stuck != 0 && sim_now() - conn->stuck > USER_TIMEOUT_US) {
        cor_ws_close(conn, 0, "the peer takes nothing");
    } else {
        ping(conn);
    }
}

void cor_ws_ping(struct cor_ws_conn *conn, int64_t ping_us)
{
    conn->ping_us = ping_us;
    conn->heard = sim_now();
    if (ping_us > 0) {
        cor_timer_repeat(conn->timer, ping_us);
    } else {
        cor_timer_stop(conn->timer);
    }
}

/* RFC 6455 section 1.9: what both know. */
static void agree(struct cor_ws_conn *a, struct cor_ws_conn *b)
{
    const char *one = a->ws->limits.subprotocol;
    const char *two = b->ws->limits.subprotocol;
    bool same = one != NULL && two != NULL && strcmp(one, two) == 0;
    a->subprotocol = same ? one : NULL;
    b->subprotocol = same ? two : NULL;
}

static void on_established(void *self)
{
    struct cor_ws_conn *conn = self;
    if (conn->gone || conn->wire->broken) {
        return;
    }
    conn->open = true;
    conn->heard = sim_now();
    cor_timer_stop(conn->timer);
    if (conn->ping_us > 0) {
        cor_timer_repeat(conn->timer, conn->ping_us);
    }
    conn->inside++;
    conn->events.opened(conn->self, conn);
    conn->inside--;
}

static void on_refused(void *self)
{
    struct cor_ws_conn *conn = self;
    gone(conn, "cannot connect");
}

struct knock {
    struct sim_ask ask;
    struct wire *wire;
    int port;
};

static void refuse(const struct knock *knock)
{
    struct wire *wire = knock->wire;
    wire->broken = true;
    int64_t delay = sim_net_delay(wire->core[1], wire->core[0]);
    if (wire->end[0] != NULL && delay >= 0) {
        sim_post(wire->core[0], delay, on_refused, wire->end[0]);
    }
}

/* Runs on the server. */
static void on_knock(void *self)
{
    struct knock *knock = self;
    struct wire *wire = knock->wire;
    struct cor_ws_server *server = sim_ws_server(knock->port);
    void *owner = NULL;
    bool welcome = server != NULL && wire->end[0] != NULL && !wire->broken &&
                   server->listen.accept != NULL && sim_ask_is_trusted(&knock->ask, server);
    if (welcome) {
        owner = server->listen.accept(server->listen.self, (struct cor_ws_ask *)&knock->ask);
    }
    if (owner == NULL) {
        refuse(knock);
    } else {
        struct cor_ws_conn *conn = conn_new(server->ws, wire, 1, &server->listen.events, owner);
        conn->open = true;
        agree(wire->end[0], conn);
        conn->inside++;
        conn->events.opened(owner, conn);
        conn->inside--;
        int64_t delay = sim_net_delay(wire->core[1], wire->core[0]);
        if (delay >= 0 && wire->end[0] != NULL) {
            int64_t at = sim_now() + delay;
            at = in_order(wire, 1, 0, at);
            sim_post(wire->core[0], at - sim_now(), on_established, wire->end[0]);
        }
    }
    sim_ask_clear(&knock->ask);
    cor_free(knock);
}

struct cor_ws_conn *cor_ws_dial(struct cor_ws *ws, const struct cor_ws_target *target,
                                int64_t ping_us, const struct cor_ws_events *events, void *self)
{
    struct wire *wire = cor_alloc(sizeof(*wire));
    struct cor_ws_conn *conn = conn_new(ws, wire, 0, events, self);
    struct sim_core *there = sim_core(SIM_CLOUDHUB);
    wire->core[1] = there;
    cor_list_add(&sim_world()->wires, &wire->link);
    conn->ping_us = ping_us;
    conn->timer = cor_timer_new(ws->loop, on_timer, conn);
    cor_timer_start(conn->timer, target->timeout_us);
    int64_t delay = sim_net_delay(ws->core, there);
    if (delay < 0) {
        wire->broken = true;
        wire->silent = sim_net_get() == SIM_LINK_SILENT;
        if (!wire->silent) {
            sim_post(ws->core, COR_MS(1), on_refused, conn);
        }
        return conn;
    }
    if (there->loop == NULL) {
        sim_post(ws->core, 2 * delay, on_refused, conn);
        return conn;
    }
    struct knock *knock = cor_alloc(sizeof(*knock));
    knock->wire = wire;
    knock->port = target->port;
    sim_ask_fill(&knock->ask, target);
    sim_post(there, delay * HANDSHAKE_TRIPS, on_knock, knock);
    return conn;
}

/* ---- the room's object ---- */

enum cor_code cor_ws_new(struct cor_loop *loop, const struct cor_log *log,
                         const struct cor_ws_limits *limits, struct cor_ws **out_r,
                         struct cor_err *err)
{
    (void)log;
    (void)err;
    struct cor_ws *ws = cor_alloc(sizeof(*ws));
    ws->core = sim_self();
    ws->loop = loop;
    ws->limits = *limits;
    cor_list_init(&ws->servers);
    cor_list_init(&ws->requests);
    cor_list_add(&sim_world()->ws, &ws->link);
    *out_r = ws;
    return COR_OK;
}

void cor_ws_free(struct cor_ws **ws)
{
    struct cor_ws *self = take(ws);
    if (self == NULL) {
        return;
    }
    COR_LIST_EACH (node, &sim_world()->wires) {
        struct wire *wire = COR_LIST_OBJECT(node, struct wire, link);
        for (int side = 0; side < 2; side++) {
            if (wire->end[side] != NULL && wire->end[side]->ws == self) {
                cor_ws_close(wire->end[side], 0, "the service ends");
            }
        }
    }
    sim_fetch_end(self);
    cor_list_del(&self->link); /* connections still point to it */
}
