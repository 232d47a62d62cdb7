// SPDX-License-Identifier: Apache-2.0
// The ctl endpoint of a service: taps, stats, health, and the verbs that the service adds. Any
// number of clients; only root and the service's own user may ask.
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

/* A tap is shown at most this many bytes of a message; a watcher that does not keep up misses
 * messages and is told how many. */
enum { WATCHERS = 8, TAP_BYTES = 65536, CTL_MAX = 2 << 20, CTL_HWM = 20000, VERB_SETS = 4 };

struct watcher {
    struct cor_peer peer; /* len 0: free */
    uint64_t lost;
};

struct verb_set {
    const struct cor_ctl_verb *verbs;
    size_t count;
    void *self;
};

struct cor_ctl {
    struct cor_bus *bus;
    struct cor_zsock *z;
    struct watcher watchers[WATCHERS];
    unsigned watched;
    struct verb_set sets[VERB_SETS];
    size_t set_count;
    void (*stats_fn)(void *self, struct cor_buf *out);
    void *stats_self;
    struct cor_mono started;
    int lock_fd;
};

struct cor_ctl_in {
    struct cor_ctl *ctl;
    const struct cor_peer *peer;
    uint64_t id;
    bool deferred;
};

bool cor_ctl_watched(const struct cor_bus *bus)
{
    return bus->ctl != NULL && bus->ctl->watched > 0;
}

static bool send_to(struct cor_ctl *ctl, const struct cor_peer *peer, enum cor_wire number,
                    uint64_t re, const void *body)
{
    const struct cor_message *m = cor_message_find(cor_wire_messages(), (uint16_t)number);
    struct cor_wire_header header = {.number = number, .re = re};
    struct cor_buf frame = {0};
    cor_frame_write(&header, m->body, body, &frame);
    size_t len = frame.len;
    return cor_zsock_give(ctl->z, peer, cor_buf_take(&frame), len);
}

void cor_ctl_tap(struct cor_bus *bus, const struct cor_wire_tapped *tapped)
{
    struct cor_ctl *ctl = bus->ctl;
    struct cor_wire_tapped copy = *tapped;
    copy.frame.len = copy.frame.len > TAP_BYTES ? TAP_BYTES : copy.frame.len;
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &ctl->watchers[i];
        if (w->peer.len == 0) {
            continue;
        }
        copy.lost = w->lost;
        if (send_to(ctl, &w->peer, COR_WIRE_TAPPED, 0, &copy)) {
            w->lost = 0;
        } else {
            w->lost++;
        }
    }
}

static void watch(struct cor_ctl *ctl, const struct cor_peer *peer, bool on)
{
    struct watcher *free_slot = NULL;
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &ctl->watchers[i];
        if (w->peer.len == peer->len && memcmp(w->peer.id, peer->id, peer->len) == 0) {
            ctl->watched -= on ? 0 : 1;
            w->peer.len = on ? w->peer.len : 0;
            return;
        }
        free_slot = w->peer.len == 0 ? w : free_slot;
    }
    if (on && free_slot != NULL) {
        *free_slot = (struct watcher){.peer = *peer};
        ctl->watched++;
    }
}

/* ---- stats ------------------------------------------------------------------------------------
 */

static void add_port(struct cor_port *port, struct cor_buf *out)
{
    const struct cor_port_stats *s = &port->stats;
    cor_buf_fmt(out,
                "{\"endpoint\":\"%s\",\"peer\":\"%s\",\"up\":%s,\"sessions\":%" PRIu64
                ",\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"sentBytes\":%" PRIu64
                ",\"receivedBytes\":%" PRIu64 ",\"waiting\":%zu,\"calls\":%zu",
                port->endpoint->name, port->session.peer, cor_port_is_up(port) ? "true" : "false",
                s->sessions, s->sent, s->received, s->sent_bytes, s->received_bytes,
                cor_waiting_count(port->waiting), cor_calls_count(port->calls));
    cor_buf_fmt(out,
                ",\"superseded\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"lost\":%" PRIu64
                ",\"stale\":%" PRIu64 ",\"invalid\":%" PRIu64 ",\"duplicates\":%" PRIu64
                ",\"gaps\":%" PRIu64 ",\"timeouts\":%" PRIu64 "}",
                s->superseded, s->refused, s->lost, s->stale, s->invalid, s->duplicates, s->gaps,
                s->timeouts);
}

static enum cor_code stats(void *self, struct cor_ctl_in *in, struct cor_view args,
                           struct cor_buf *out, struct cor_err *err)
{
    (void)in;
    (void)args;
    (void)err;
    struct cor_ctl *ctl = self;
    struct cor_bus *bus = ctl->bus;
    cor_buf_fmt(out, "{\"service\":\"%s\",\"pid\":%d,\"version\":\"%s\",\"upSeconds\":%" PRId64,
                bus->spec.service, (int)getpid(), CORACLE_VERSION,
                cor_mono_since(cor_mono_now(), ctl->started) / 1000000);
    cor_buf_str(out, ",\"ports\":[");
    const char *gap = "";
    COR_LIST_EACH (node, &bus->ports) {
        cor_buf_str(out, gap);
        add_port(COR_LIST_OBJECT(node, struct cor_port, link), out);
        gap = ",";
    }
    cor_buf_str(out, "],\"messages\":{");
    size_t at = 0;
    struct cor_view name;
    void *value = NULL;
    gap = "";
    while (cor_map_next(bus->counters, &at, &name, &value)) {
        const struct cor_counter *c = value;
        cor_buf_fmt(out, "%s\"%.*s\":{\"sent\":%" PRIu64 ",\"received\":%" PRIu64 "}", gap,
                    COR_VIEW_ARG(name), c->sent, c->received);
        gap = ",";
    }
    cor_buf_str(out, "}");
    if (ctl->stats_fn != NULL) {
        ctl->stats_fn(ctl->stats_self, out);
    }
    cor_buf_str(out, "}");
    return COR_OK;
}

static enum cor_code health(void *self, struct cor_ctl_in *in, struct cor_view args,
                            struct cor_buf *out, struct cor_err *err)
{
    (void)in;
    (void)args;
    (void)err;
    struct cor_ctl *ctl = self;
    bool all = true;
    COR_LIST_EACH (node, &ctl->bus->ports) {
        all = all && cor_port_is_up(COR_LIST_OBJECT(node, struct cor_port, link));
    }
    cor_buf_fmt(out, "{\"healthy\":%s}", all ? "true" : "false");
    return COR_OK;
}

static const struct cor_ctl_verb OWN[] = {
    {"stats", "counters of the service and its endpoints", stats},
    {"health", "whether every peer is there", health},
};

/* ---- questions --------------------------------------------------------------------------------
 */

static const struct cor_ctl_verb *verb_of(const struct cor_ctl *ctl, struct cor_view name,
                                          void **self_r)
{
    for (size_t s = 0; s < ctl->set_count; s++) {
        for (size_t i = 0; i < ctl->sets[s].count; i++) {
            if (cor_view_is(name, ctl->sets[s].verbs[i].verb)) {
                *self_r = ctl->sets[s].self;
                return &ctl->sets[s].verbs[i];
            }
        }
    }
    return NULL;
}

static void answer(struct cor_ctl *ctl, const struct cor_peer *peer, uint64_t id,
                   struct cor_view result, const struct cor_err *err)
{
    if (err != NULL && err->code != COR_OK) {
        struct cor_wire_error body = {.code = err->code, .text = cor_view_of(err->text)};
        body.text = cor_view_is_utf8(body.text) ? body.text : COR_VIEW("error");
        (void)send_to(ctl, peer, COR_WIRE_ERROR, id, &body);
        return;
    }
    struct cor_wire_ctl_reply body = {.result = result};
    (void)send_to(ctl, peer, COR_WIRE_CTL_REPLY, id, &body);
}

static void ask(struct cor_ctl *ctl, const struct cor_peer *peer, uint64_t id,
                const struct cor_wire_ctl_call *call)
{
    struct cor_err err = COR_ERR_NONE;
    void *self = NULL;
    const struct cor_ctl_verb *verb = verb_of(ctl, call->verb, &self);
    struct cor_ctl_in in = {ctl, peer, id, false};
    auto_(cor_buf_free) struct cor_buf result = {0};
    if (verb == NULL) {
        (void)cor_err_set(&err, COR_UNSUPPORTED, "%s has no verb \"%.*s\"", ctl->bus->spec.service,
                          COR_VIEW_ARG(call->verb));
    } else {
        enum cor_code code = verb->fn(self, &in, call->args, &result, &err);
        err.code = code;
    }
    if (!in.deferred) {
        answer(ctl, peer, id, cor_buf_as_view(&result), &err);
    }
}

static void on_message(void *self, const struct cor_peer *peer, int uid, struct cor_view frame)
{
    struct cor_ctl *ctl = self;
    struct cor_wire_header head;
    struct cor_view raw;
    struct cor_err err = COR_ERR_NONE;
    if (frame.len == 0 || (uid != 0 && uid != (int)geteuid()) ||
        cor_frame_read(frame, &head, &raw, &err) != COR_OK) {
        return;
    }
    struct cor_wire_tap tap;
    struct cor_wire_ctl_call call;
    if (head.number == COR_WIRE_TAP &&
        cor_decode(&cor_wire_tap_table, raw, ctl->bus->arena, &tap, &err) == COR_OK) {
        watch(ctl, peer, tap.on);
    } else if (head.number == COR_WIRE_CTL_CALL &&
               cor_decode(&cor_wire_ctl_call_table, raw, ctl->bus->arena, &call, &err) == COR_OK) {
        ask(ctl, peer, head.id, &call);
    } else {
        (void)cor_err_set(&err, COR_INVALID, "not a ctl message");
        answer(ctl, peer, head.id, (struct cor_view){0}, &err);
    }
    cor_arena_reset(ctl->bus->arena);
}

/* A watcher has gone, nobody says which: those that a probe does not reach are forgotten. */
static void on_lost(void *self)
{
    struct cor_ctl *ctl = self;
    struct cor_wire_ack nothing = {0};
    for (size_t i = 0; i < WATCHERS; i++) {
        struct watcher *w = &ctl->watchers[i];
        if (w->peer.len > 0 && !send_to(ctl, &w->peer, COR_WIRE_ACK, 0, &nothing)) {
            w->peer.len = 0;
            ctl->watched--;
        }
    }
}

static void on_dropped(void *self)
{
    struct cor_ctl *ctl = self;
    memset(ctl->watchers, 0, sizeof(ctl->watchers));
    ctl->watched = 0;
}

enum cor_code cor_ctl_open(struct cor_bus *bus, struct cor_err *err)
{
    static const struct cor_zsock_ops OPS = {on_message, on_lost, on_dropped};
    struct cor_ctl *ctl = cor_alloc(sizeof(*ctl));
    ctl->bus = bus;
    ctl->lock_fd = -1;
    ctl->started = cor_mono_now();
    bus->ctl = ctl;
    cor_bus_ctl(bus, OWN, COR_COUNT(OWN), ctl);
    auto_(cor_freep) char *lock = cor_sprintf("ctl.%s", bus->spec.service);
    enum cor_code code = cor_bus_lock(bus, lock, &ctl->lock_fd, err);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/ctl/%s", bus->spec.run_dir, bus->spec.service);
    struct cor_zsock_spec spec = {.context = bus->context,
                                  .path = path,
                                  .binds = true,
                                  .max_bytes = CTL_MAX,
                                  .hwm = CTL_HWM,
                                  .send_hwm = CTL_HWM};
    return cor_zsock_open(bus->spec.loop, &spec, &OPS, ctl, &ctl->z, err);
}

void cor_ctl_close(struct cor_bus *bus)
{
    if (bus->ctl != NULL) {
        cor_zsock_close(&bus->ctl->z);
        cor_fd_close(&bus->ctl->lock_fd);
        cor_freep(&bus->ctl);
    }
}

void cor_bus_ctl(struct cor_bus *bus, const struct cor_ctl_verb *verbs, size_t count, void *self)
{
    struct cor_ctl *ctl = bus->ctl;
    must(ctl->set_count < VERB_SETS);
    ctl->sets[ctl->set_count++] = (struct verb_set){verbs, count, self};
}

struct cor_ctl_ticket cor_ctl_defer(struct cor_ctl_in *in)
{
    struct cor_ctl_ticket ticket = {.peer_len = (uint8_t)in->peer->len, .id = in->id};
    memcpy(ticket.peer, in->peer->id, in->peer->len);
    in->deferred = true;
    return ticket;
}

void cor_ctl_answer(struct cor_bus *bus, const struct cor_ctl_ticket *ticket,
                    struct cor_view result, const struct cor_err *err)
{
    struct cor_peer peer = {.len = ticket->peer_len};
    memcpy(peer.id, ticket->peer, ticket->peer_len);
    answer(bus->ctl, &peer, ticket->id, result, err);
}

void cor_bus_stats(struct cor_bus *bus, void (*fn)(void *self, struct cor_buf *out), void *self)
{
    bus->ctl->stats_fn = fn;
    bus->ctl->stats_self = self;
}
