// SPDX-License-Identifier: Apache-2.0
#include "cloudstream.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/kubeedge/tunnel.h"
#include "proto/stream/credit.h"
#include "reply.h"

enum {
    ANSWER_S = 30, /* an EdgeCore that cannot reach its own API says nothing at all */
    STUCK_S = 30,  /* a client that takes nothing holds up all others of the node */
    RETRY_S = 5,
    QUEUE_MAX = 256 << 10
};

struct cloudstream {
    struct hub *hub;
    struct hub_address at;
    struct cor_ws_server *server; /* NULL: not yet */
    struct cor_timer *retry;
    bool complained;
    struct cor_map *tunnels; /* node -> struct ke_tunnel, borrowed */
    size_t requests;
};

/* Of a node. */
struct ke_tunnel {
    struct cloudstream *stream;
    struct cor_ws_conn *conn; /* NULL before and after the connection is open */
    char *node;
    struct cor_map *asks; /* 8 bytes of id -> struct ask, borrowed */
    uint64_t last_id;
    struct cor_timer *stuck; /* runs while the node is not read */
    size_t full;             /* requests whose clients are slow */
    bool broken;             /* to be closed as soon as nobody is at work in it */
    unsigned inside;
    bool over;
};

/* A request; what has come of its answer. */
struct ask {
    struct ke_tunnel *tunnel;
    uint64_t id;
    const struct way_ops *ops;
    void *self;
    struct cor_timer *patience; /* for the head */
    struct reply reply;
    bool full;
    struct cor_mono full_at;
    size_t held; /* bytes that the client has not taken */
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

/* ---- what keeps a tunnel while it is worked on ---- */

static void tunnel_free(struct ke_tunnel *tunnel)
{
    cor_timer_free(&tunnel->stuck);
    cor_map_free(&tunnel->asks);
    cor_free(tunnel->node);
    cor_free(tunnel);
}

static void enter(struct ke_tunnel *tunnel)
{
    tunnel->inside++;
}

static void leave(struct ke_tunnel *tunnel)
{
    if (--tunnel->inside == 0 && tunnel->over) {
        tunnel_free(tunnel);
    }
}

static void close_tunnel(struct ke_tunnel *tunnel, const char *why)
{
    if (tunnel->conn != NULL) {
        cor_ws_close(tunnel->conn, 0, why); /* frees the tunnel */
    }
}

static void put(struct ke_tunnel *tunnel, const struct cor_buf *frame)
{
    if (tunnel->conn != NULL && cor_ws_send(tunnel->conn, cor_buf_as_view(frame)) == COR_BUSY) {
        tunnel->broken = true;
        cor_timer_start(tunnel->stuck, 0);
    }
}

static void say(struct ke_tunnel *tunnel, uint64_t id, enum px_tunnel_type type,
                struct cor_view data)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    struct px_tunnel_frame frame = {id, type, data};
    px_tunnel_write(&frame, &out);
    put(tunnel, &out);
}

/* ---- slow clients: TCP holds the node back, and so all that it says ---- */

static void set_full(struct ask *ask, bool full)
{
    struct ke_tunnel *tunnel = ask->tunnel;
    if (ask->full == full) {
        return;
    }
    ask->full = full;
    ask->full_at = cor_loop_now(tunnel->stream->hub->service->loop);
    tunnel->full = full ? tunnel->full + 1 : tunnel->full - 1;
    if (tunnel->full == (full ? 1 : 0) && tunnel->conn != NULL) {
        cor_ws_pause(tunnel->conn, full);
    }
    if (tunnel->broken) {
        return;
    }
    if (tunnel->full == 0) {
        cor_timer_stop(tunnel->stuck);
    } else if (!cor_timer_running(tunnel->stuck)) {
        cor_timer_start(tunnel->stuck, COR_SEC(STUCK_S));
    }
}

/* ---- the end of a request ---- */

static void forget(struct ask *ask)
{
    set_full(ask, false);
    (void)cor_map_del(ask->tunnel->asks, key_of(&ask->id));
    ask->tunnel->stream->requests--;
    cor_timer_free(&ask->patience);
    reply_free(&ask->reply);
    cor_free(ask);
}

/* Who asks is told. */
static void end(struct ask *ask, const char *error)
{
    const struct way_ops *ops = ask->ops;
    void *self = ask->self;
    forget(ask);
    ops->end(self, error);
}

/* So is the node. */
static void break_off(struct ask *ask, const char *error)
{
    struct ke_tunnel *tunnel = ask->tunnel;
    uint64_t id = ask->id;
    enter(tunnel);
    end(ask, error);
    say(tunnel, id, PX_TUNNEL_REMOVE, (struct cor_view){0});
    leave(tunnel);
}

static void on_impatient(void *self)
{
    break_off(self, "the node does not answer");
}

static void on_stuck(void *self)
{
    struct ke_tunnel *tunnel = self;
    struct cor_mono now = cor_loop_now(tunnel->stream->hub->service->loop);
    size_t at = 0;
    void *value = NULL;
    if (tunnel->broken) {
        close_tunnel(tunnel, "the node does not take what is sent");
        return;
    }
    enter(tunnel);
    while (cor_map_next(tunnel->asks, &at, NULL, &value)) {
        const struct ask *ask = value;
        if (ask->full && cor_mono_since(now, ask->full_at) >= COR_SEC(STUCK_S)) {
            break_off(value, "the client does not take it");
        }
    }
    if (tunnel->full > 0) {
        cor_timer_start(tunnel->stuck, COR_SEC(STUCK_S));
    }
    leave(tunnel);
}

/* ---- answers ---- */

/* The request, unless what was told last has ended it. */
static struct ask *find(const struct ke_tunnel *tunnel, uint64_t id)
{
    return cor_map_get(tunnel->asks, key_of(&id));
}

static void give(struct ask *ask, struct cor_view bytes)
{
    struct ke_tunnel *tunnel = ask->tunnel;
    uint64_t id = ask->id;
    ask->held += bytes.len;
    ask->ops->data(ask->self, bytes, false);
    ask = find(tunnel, id);
    if (ask != NULL) {
        set_full(ask, ask->held > PX_STREAM_WINDOW);
    }
}

static void tell_head(struct ask *ask)
{
    struct px_header headers[REPLY_HEADERS_MAX];
    struct px_stream_head head = reply_head(&ask->reply, headers);
    cor_timer_stop(ask->patience);
    ask->ops->head(ask->self, &head);
}

static void take_data(struct ask *ask, struct cor_view bytes)
{
    struct ke_tunnel *tunnel = ask->tunnel;
    uint64_t id = ask->id;
    while (ask != NULL) {
        struct cor_view part;
        enum reply_event event = reply_next(&ask->reply, &bytes, &part);
        if (event == REPLY_HEAD) {
            tell_head(ask);
        } else if (event == REPLY_PART) {
            give(ask, part);
        } else if (event != REPLY_MORE) {
            break_off(ask, event == REPLY_DONE ? NULL : "the node's answer is no HTTP");
            return;
        } else {
            return;
        }
        ask = find(tunnel, id);
    }
}

static void take_end(struct ask *ask, struct cor_view bytes)
{
    (void)bytes;
    end(ask, reply_may_end(&ask->reply) ? NULL : "the node has broken it off");
}

static void take_frame(struct ke_tunnel *tunnel, const struct px_tunnel_frame *frame)
{
    static const struct {
        uint64_t type;
        void (*fn)(struct ask *ask, struct cor_view bytes);
    } ROWS[] = {{PX_TUNNEL_DATA, take_data}, {PX_TUNNEL_REMOVE, take_end}};
    struct ask *ask = find(tunnel, frame->id);
    for (size_t i = 0; ask != NULL && i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].type == frame->type) {
            ROWS[i].fn(ask, frame->data);
            return;
        }
    } /* else it is over, or of a kind that says nothing to us */
}

/* ---- the connection ---- */

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct ke_tunnel *tunnel = self;
    struct cloudstream *stream = tunnel->stream;
    tunnel->conn = conn;
    cloudstream_drop(stream, tunnel->node, "replaced by a new one");
    cor_map_set(stream->tunnels, cor_view_of(tunnel->node), tunnel);
    LOGI(stream->hub->service->log, "hub.tunnel.up", "node=%s", tunnel->node);
}

static void on_message(void *self, struct cor_view bytes)
{
    struct ke_tunnel *tunnel = self;
    struct px_tunnel_frame frame;
    struct cor_err err = COR_ERR_NONE;
    enter(tunnel);
    if (px_tunnel_read(bytes, &frame, &err) != COR_OK) {
        close_tunnel(tunnel, err.text);
    } else {
        take_frame(tunnel, &frame);
    }
    leave(tunnel);
}

static void on_binary(void *self, struct cor_view bytes)
{
    (void)bytes;
    close_tunnel(self, "a frame that is not text"); /* as CloudCore */
}

static void on_drained(void *self)
{
    struct ke_tunnel *tunnel = self;
    size_t at = 0;
    void *value = NULL;
    enter(tunnel);
    while (cor_map_next(tunnel->asks, &at, NULL, &value)) {
        const struct ask *ask = value;
        if (ask->reply.joined) {
            ask->ops->room(ask->self);
        }
    }
    leave(tunnel);
}

static void on_closed(void *self, const char *reason)
{
    struct ke_tunnel *tunnel = self;
    struct cloudstream *stream = tunnel->stream;
    size_t at = 0;
    void *value = NULL;
    if (cor_map_get(stream->tunnels, cor_view_of(tunnel->node)) == tunnel) {
        (void)cor_map_del(stream->tunnels, cor_view_of(tunnel->node));
    }
    if (tunnel->conn != NULL) {
        LOGI(stream->hub->service->log, "hub.tunnel.down", "node=%s reason=%s", tunnel->node,
             cor_log_esc(cor_view_of(reason)));
    }
    tunnel->conn = NULL;
    enter(tunnel);
    while (cor_map_next(tunnel->asks, &at, NULL, &value)) {
        end(value, "the node's tunnel is down");
    }
    tunnel->over = true;
    leave(tunnel);
}

static void *on_accept(void *self, const struct cor_ws_ask *ask)
{
    struct cloudstream *stream = self;
    struct hub *hub = stream->hub;
    char node[256];
    char ca[ROTATION_ID_LEN + 1];
    cor_ws_ask_header(ask, "sessionhostnameoverride", node, sizeof(node));
    const char *reason = hub_doubt(hub, cor_ws_ask_cert(ask), node, ca);
    if (reason == NULL && cor_map_get(stream->tunnels, cor_view_of(node)) == NULL &&
        cor_map_count(stream->tunnels) >= hub->limits.nodes) {
        reason = "too many nodes";
    }
    if (reason != NULL) {
        LOGW(hub->service->log, "hub.tunnel.refused", "node=%s address=%s reason=%s",
             cor_log_esc(cor_view_of(node)), cor_ws_ask_address(ask), reason);
        return NULL;
    }
    struct ke_tunnel *tunnel = cor_alloc(sizeof(*tunnel));
    tunnel->stream = stream;
    tunnel->node = cor_strdup(node);
    tunnel->asks = cor_map_new(NULL);
    tunnel->stuck = cor_timer_new(hub->service->loop, on_stuck, tunnel);
    return tunnel;
}

/* ---- requests ---- */

static enum cor_code open_ask(struct session *session, struct px_stream_open *open,
                              const struct way_ops *ops, void *self, void **lane_r,
                              struct cor_err *err)
{
    struct cloudstream *stream = session->hub->cloudstream;
    struct ke_tunnel *tunnel = cor_map_get(stream->tunnels, cor_view_of(session->node));
    auto_(cor_buf_free) struct cor_buf frame = {0};
    if (tunnel == NULL) {
        return cor_err_set(err, COR_RETRY,
                           "node %s cannot be asked: it has no tunnel (EdgeCore's edgeStream)",
                           session->node);
    }
    if (cor_map_count(tunnel->asks) >= PX_STREAMS_MAX) {
        return cor_err_set(err, COR_BUSY, "%d requests to node %s are under way", PX_STREAMS_MAX,
                           session->node);
    }
    if (!px_tunnel_is_sayable(open->target)) {
        return cor_err_set(err, COR_INVALID, "the path is not percent-encoded UTF-8");
    }
    uint64_t id = ++tunnel->last_id;
    cloudstream_write_ask(id, open, &frame);
    if (cor_ws_send(tunnel->conn, cor_buf_as_view(&frame)) != COR_OK) {
        return cor_err_set(err, COR_BUSY, "node %s does not take what is sent", session->node);
    }
    struct ask *ask = cor_alloc(sizeof(*ask));
    *ask = (struct ask){.tunnel = tunnel, .id = id, .ops = ops, .self = self};
    ask->patience = cor_timer_new(session->hub->service->loop, on_impatient, ask);
    cor_timer_start(ask->patience, COR_SEC(ANSWER_S));
    cor_map_set(tunnel->asks, key_of(&ask->id), ask);
    stream->requests++;
    *lane_r = ask;
    return COR_OK;
}

static void close_ask(void *lane, const char *why)
{
    struct ask *ask = lane;
    struct ke_tunnel *tunnel = ask->tunnel;
    uint64_t id = ask->id;
    (void)why;
    forget(ask);
    say(tunnel, id, PX_TUNNEL_REMOVE, (struct cor_view){0}); /* once, unlike CloudCore */
}

static size_t room_of(const void *lane)
{
    const struct ask *ask = lane;
    const struct cor_ws_conn *conn = ask->tunnel->conn;
    size_t queued = conn == NULL ? QUEUE_MAX : cor_ws_queued(conn);
    return ask->reply.joined && queued < QUEUE_MAX ? QUEUE_MAX - queued : 0;
}

static void send_bytes(void *lane, struct cor_view bytes, bool last)
{
    struct ask *ask = lane;
    (void)last; /* this dialect has no word for it */
    say(ask->tunnel, ask->id, PX_TUNNEL_DATA, bytes);
}

static void took(void *lane, size_t bytes)
{
    struct ask *ask = lane;
    ask->held -= bytes < ask->held ? bytes : ask->held;
    if (ask->held <= PX_STREAM_WINDOW) {
        set_full(ask, false);
    }
}

const struct way CLOUDSTREAM_WAY = {open_ask, close_ask, room_of, send_bytes, took};

/* ---- the service ---- */

/* Nobody is kept from the links because somebody else has the port. */
static void try_to_listen(void *self)
{
    struct cloudstream *stream = self;
    struct cor_err err = COR_ERR_NONE;
    struct cor_ws_listen listen = {
        .address = stream->at.address,
        .port = stream->at.port,
        .tls = authority_tls(stream->hub->authority),
        .client_cert = COR_WS_CERT_REQUIRED,
        .message = PX_TUNNEL_FRAME_MAX,
        .self = stream,
        .accept = on_accept,
        .events = {.opened = on_opened,
                   .message = on_message,
                   .binary = on_binary,
                   .drained = on_drained,
                   .closed = on_closed},
    };
    if (cor_ws_listen(stream->hub->ws, &listen, &stream->server, &err) == COR_OK) {
        LOGI(stream->hub->service->log, "hub.tunnel.listening", "port=%d",
             cloudstream_port(stream));
        return;
    }
    if (!stream->complained) {
        LOGW(stream->hub->service->log, "hub.tunnel.waits", "reason=%s",
             cor_log_esc(cor_view_of(err.text)));
        stream->complained = true;
    }
    cor_timer_start(stream->retry, COR_SEC(RETRY_S));
}

struct cloudstream *cloudstream_new(struct hub *hub, const struct hub_address *at)
{
    struct cloudstream *stream = cor_alloc(sizeof(*stream));
    stream->hub = hub;
    stream->at = *at;
    stream->tunnels = cor_map_new(NULL);
    stream->retry = cor_timer_new(hub->service->loop, try_to_listen, stream);
    try_to_listen(stream);
    return stream;
}

void cloudstream_free(struct cloudstream **stream)
{
    if (*stream != NULL) {
        cor_timer_free(&(*stream)->retry);
        cor_map_free(&(*stream)->tunnels);
        cor_freep(stream);
    }
}

void cloudstream_drop(struct cloudstream *stream, const char *node, const char *why)
{
    struct ke_tunnel *tunnel =
        stream == NULL ? NULL : cor_map_get(stream->tunnels, cor_view_of(node));
    if (tunnel != NULL) {
        close_tunnel(tunnel, why);
    }
}

bool cloudstream_renew(struct cloudstream *stream)
{
    struct cor_tls tls = authority_tls(stream->hub->authority);
    return stream->server == NULL || cor_ws_renew(stream->server, &tls);
}

int cloudstream_port(const struct cloudstream *stream)
{
    return stream->server == NULL ? 0 : cor_ws_port(stream->server);
}

size_t cloudstream_count(const struct cloudstream *stream)
{
    return cor_map_count(stream->tunnels);
}

size_t cloudstream_requests(const struct cloudstream *stream)
{
    return stream->requests;
}
