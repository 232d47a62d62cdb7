// SPDX-License-Identifier: Apache-2.0
#include "tunnel.h"

#include "common/base/arena.h"
#include "common/base/mem.h"
#include "coracle.h"
#include "proto/stream/say.h"

enum { ARENA_BYTES = 65536 };

struct tunnels {
    struct session *session;
    struct cor_map *open; /* 8 bytes of id -> struct tunnel, borrowed */
    struct px_mouth mouth;
    uint64_t last_id;
};

struct tunnel {
    struct tunnels *tunnels;
    uint64_t id;
    struct px_credit credit;
    const struct way_ops *ops;
    void *self;
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

static enum cor_code send(void *self, uint16_t number, struct cor_view raw)
{
    struct session *session = ((struct tunnels *)self)->session;
    struct cor_wire_header head = {.number = number,
                                   .id = cor_bus_next_id(session->hub->service->bus)};
    return coracle_put_raw(session->coracle, &head, raw);
}

static void free_tunnel(struct tunnel *tunnel)
{
    (void)cor_map_del(tunnel->tunnels->open, key_of(&tunnel->id));
    cor_free(tunnel);
}

struct tunnels *tunnels_new(struct session *session)
{
    struct tunnels *tunnels = cor_alloc(sizeof(*tunnels));
    tunnels->session = session;
    tunnels->open = cor_map_new(NULL);
    px_mouth_init(&tunnels->mouth, send, tunnels);
    return tunnels;
}

static void tell_end(struct tunnel *tunnel, const char *error)
{
    const struct way_ops *ops = tunnel->ops;
    void *self = tunnel->self;
    free_tunnel(tunnel);
    ops->end(self, error);
}

void tunnels_free(struct tunnels **tunnels)
{
    if (*tunnels == NULL) {
        return;
    }
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next((*tunnels)->open, &at, NULL, &value)) {
        tell_end(value, "the node's link is down");
    }
    px_mouth_clear(&(*tunnels)->mouth);
    cor_map_free(&(*tunnels)->open);
    cor_freep(tunnels);
}

static enum cor_code open_one(struct session *session, struct px_stream_open *open,
                              const struct way_ops *ops, void *self, void **lane_r,
                              struct cor_err *err)
{
    if (session->coracle == NULL || coracle_minor(session->coracle) < PX_LINK_MINOR_STREAMS) {
        return cor_err_set(err, COR_UNSUPPORTED, "node %s cannot be asked: it speaks %s",
                           session->node,
                           session->coracle == NULL ? "KubeEdge's dialect" : "an older version");
    }
    if (session->tunnels == NULL) {
        session->tunnels = tunnels_new(session);
    }
    struct tunnels *tunnels = session->tunnels;
    if (cor_map_count(tunnels->open) >= PX_STREAMS_MAX) {
        return cor_err_set(err, COR_BUSY, "%d requests to node %s are under way", PX_STREAMS_MAX,
                           session->node);
    }
    struct tunnel *tunnel = cor_alloc(sizeof(*tunnel));
    *tunnel = (struct tunnel){.tunnels = tunnels,
                              .id = ++tunnels->last_id,
                              .credit = {.hear = PX_STREAM_WINDOW},
                              .ops = ops,
                              .self = self};
    cor_map_set(tunnels->open, key_of(&tunnel->id), tunnel);
    open->id = tunnel->id;
    open->credit = PX_STREAM_WINDOW;
    px_say(&tunnels->mouth, PX_stream_open, open);
    *lane_r = tunnel;
    return COR_OK;
}

static void close_one(void *lane, const char *why)
{
    struct tunnel *tunnel = lane;
    px_say_end(&tunnel->tunnels->mouth, tunnel->id, why);
    free_tunnel(tunnel);
}

static size_t room_of(const void *lane)
{
    const struct tunnel *tunnel = lane;
    return px_mouth_is_full(&tunnel->tunnels->mouth) ? 0 : (size_t)tunnel->credit.send;
}

static void send_bytes(void *lane, struct cor_view bytes, bool last)
{
    struct tunnel *tunnel = lane;
    px_say_data(&tunnel->tunnels->mouth, tunnel->id, &tunnel->credit, bytes, last);
}

static void took(void *lane, size_t bytes)
{
    struct tunnel *tunnel = lane;
    px_say_took(&tunnel->tunnels->mouth, tunnel->id, &tunnel->credit, bytes);
}

const struct way TUNNEL_WAY = {open_one, close_one, room_of, send_bytes, took};

/* ---- from the node ---- */

static struct tunnel *find(const struct tunnels *tunnels, uint64_t id)
{
    return cor_map_get(tunnels->open, key_of(&id));
}

static enum cor_code take_head(struct tunnels *tunnels, const struct px_frame *frame,
                               struct cor_err *err)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_BYTES);
    struct px_stream_head head;
    enum cor_code code = px_frame_body(frame, arena, &head, err);
    struct tunnel *tunnel = code == COR_OK ? find(tunnels, head.id) : NULL;
    if (tunnel != NULL) {
        px_credit_gain(&tunnel->credit, head.credit);
        tunnel->ops->head(tunnel->self, &head);
    }
    return code;
}

static enum cor_code take_data(struct tunnels *tunnels, const struct px_frame *frame,
                               struct cor_err *err)
{
    struct px_stream_data data;
    enum cor_code code = px_frame_body(frame, NULL, &data, err);
    struct tunnel *tunnel = code == COR_OK ? find(tunnels, data.id) : NULL;
    if (tunnel != NULL && !px_credit_heard(&tunnel->credit, data.bytes.len)) {
        return cor_err_set(err, COR_INVALID, "more of a stream than there is credit for");
    }
    if (tunnel != NULL) {
        tunnel->ops->data(tunnel->self, data.bytes, data.last);
    }
    return code;
}

static enum cor_code take_credit(struct tunnels *tunnels, const struct px_frame *frame,
                                 struct cor_err *err)
{
    struct px_stream_credit credit;
    enum cor_code code = px_frame_body(frame, NULL, &credit, err);
    struct tunnel *tunnel = code == COR_OK ? find(tunnels, credit.id) : NULL;
    if (tunnel != NULL) {
        px_credit_gain(&tunnel->credit, credit.bytes);
        tunnel->ops->room(tunnel->self);
    }
    return code;
}

static enum cor_code take_end(struct tunnels *tunnels, const struct px_frame *frame,
                              struct cor_err *err)
{
    struct px_stream_end end;
    enum cor_code code = px_frame_body(frame, NULL, &end, err);
    struct tunnel *tunnel = code == COR_OK ? find(tunnels, end.id) : NULL;
    if (tunnel != NULL) {
        auto_(cor_freep) char *error = end.error.len == 0 ? NULL : cor_view_dup(end.error);
        tell_end(tunnel, error);
    }
    return code;
}

enum cor_code tunnels_take(struct tunnels *tunnels, const struct px_frame *frame,
                           struct cor_err *err)
{
    static const struct {
        uint64_t number;
        enum cor_code (*fn)(struct tunnels *tunnels, const struct px_frame *frame,
                            struct cor_err *err);
    } ROWS[] = {{PX_stream_head, take_head},
                {PX_stream_data, take_data},
                {PX_stream_credit, take_credit},
                {PX_stream_end, take_end}};
    for (size_t i = 0; tunnels != NULL && i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].number == frame->head.number) {
            return ROWS[i].fn(tunnels, frame, err);
        }
    }
    return COR_OK; /* of a stream that has ended */
}

void tunnels_room(struct tunnels *tunnels)
{
    size_t at = 0;
    void *value = NULL;
    if (tunnels == NULL || !px_mouth_go_on(&tunnels->mouth)) {
        return;
    }
    while (cor_map_next(tunnels->open, &at, NULL, &value)) {
        struct tunnel *tunnel = value;
        if (room_of(tunnel) > 0) {
            tunnel->ops->room(tunnel->self);
        }
    }
}

size_t tunnels_count(const struct tunnels *tunnels)
{
    return tunnels == NULL ? 0 : cor_map_count(tunnels->open);
}
