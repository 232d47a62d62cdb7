// SPDX-License-Identifier: Apache-2.0
#include "streams.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/stream/say.h"

/* What edged does not take: more than the credit of all streams together is not the cloud's to
 * send. */
enum { WAITING_MAX = PX_STREAMS_MAX * PX_STREAM_WINDOW };

struct streams {
    struct hub *hub;
    struct cor_port *port;
    struct cor_map *open;  /* 8 bytes of id -> hub (not used) */
    struct px_mouth edged; /* on its way down */
    struct px_mouth cloud; /* on its way up */
    bool paused;           /* edged gets no credit */
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

static enum cor_code send_down(void *self, uint16_t number, struct cor_view raw)
{
    struct streams *streams = self;
    return cor_send_raw(streams->port, number, raw);
}

static enum cor_code send_up(void *self, uint16_t number, struct cor_view raw)
{
    struct streams *streams = self;
    struct hub *hub = streams->hub;
    struct cor_wire_header head = {.number = number, .id = cor_bus_next_id(hub->service->bus)};
    return link_put(hub->link, &head, NULL, raw);
}

/* While something waits for the link edged is not given any more to say. */
static void pace(struct streams *streams)
{
    bool full = px_mouth_is_full(&streams->cloud);
    if (full != streams->paused) {
        streams->paused = full;
        cor_port_pause(streams->port, full);
    }
}

static void end_all(struct streams *streams, struct px_mouth *mouth, const char *why)
{
    size_t at = 0;
    struct cor_view key;
    while (cor_map_next(streams->open, &at, &key, NULL)) {
        uint64_t id = 0;
        memcpy(&id, key.ptr, sizeof(id));
        px_say_end(mouth, id, why);
        (void)cor_map_del(streams->open, key);
    }
}

/* ---- from the cloud ---- */

/* Reads the stream's number, which stands first in each of these messages. */
static enum cor_code id_of(struct hub *hub, const struct px_frame *frame, uint64_t *id_r,
                           struct cor_err *err)
{
    union {
        struct px_stream_open open;
        struct px_stream_data data;
        struct px_stream_credit credit;
        struct px_stream_end end;
    } body;
    enum cor_code code = px_frame_body(frame, hub->arena, &body, err);
    *id_r = code != COR_OK                           ? 0
            : frame->head.number == PX_stream_open   ? body.open.id
            : frame->head.number == PX_stream_data   ? body.data.id
            : frame->head.number == PX_stream_credit ? body.credit.id
                                                     : body.end.id;
    return code;
}

enum cor_code streams_take(struct streams *streams, const struct px_frame *frame,
                           struct cor_err *err)
{
    uint16_t number = (uint16_t)frame->head.number;
    uint64_t id = 0;
    enum cor_code code = id_of(streams->hub, frame, &id, err);
    if (code != COR_OK) {
        return code;
    }
    bool known = cor_map_get(streams->open, key_of(&id)) != NULL;
    if (number == PX_stream_open && !cor_port_is_up(streams->port)) {
        px_say_end(&streams->cloud, id, "edged is not there");
        return COR_OK;
    }
    if (number == PX_stream_open) {
        cor_map_set(streams->open, key_of(&id), streams);
    } else if (!known) {
        return COR_OK; /* it has ended meanwhile */
    }
    if (number == PX_stream_end) {
        (void)cor_map_del(streams->open, key_of(&id));
    }
    px_say_raw(&streams->edged, number, frame->raw);
    return streams->edged.bytes > WAITING_MAX
               ? cor_err_set(err, COR_TOOBIG, "more for edged than there is credit for")
               : COR_OK;
}

void streams_link_down(struct streams *streams)
{
    px_mouth_clear(&streams->cloud);
    end_all(streams, &streams->edged, "the link to the cloud is down");
    pace(streams);
}

void streams_room(struct streams *streams)
{
    (void)px_mouth_go_on(&streams->cloud);
    pace(streams);
}

/* ---- from edged ---- */

static void pass_up(struct streams *streams, struct cor_in *in, uint64_t id)
{
    if (cor_map_get(streams->open, key_of(&id)) == NULL) {
        return; /* the cloud has ended it meanwhile */
    }
    px_say_raw(&streams->cloud, (uint16_t)in->head->number, in->raw);
    pace(streams);
}

static enum cor_code on_head(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    pass_up(self, in, ((const struct px_stream_head *)body)->id);
    return COR_OK;
}

static enum cor_code on_data(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    pass_up(self, in, ((const struct px_stream_data *)body)->id);
    return COR_OK;
}

static enum cor_code on_credit(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    pass_up(self, in, ((const struct px_stream_credit *)body)->id);
    return COR_OK;
}

static enum cor_code on_end(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct streams *streams = self;
    uint64_t id = ((const struct px_stream_end *)body)->id;
    (void)err;
    pass_up(streams, in, id);
    (void)cor_map_del(streams->open, key_of(&id));
    return COR_OK;
}

static void on_room(void *self, struct cor_port *port)
{
    struct streams *streams = self;
    (void)port;
    (void)px_mouth_go_on(&streams->edged);
}

static void on_up(void *self, struct cor_port *port)
{
    struct streams *streams = self;
    (void)port;
    streams->paused = false;
    pace(streams);
}

static void on_down(void *self, struct cor_port *port)
{
    struct streams *streams = self;
    (void)port;
    px_mouth_clear(&streams->edged);
    end_all(streams, &streams->cloud, "edged has gone");
}

enum cor_code streams_new(struct hub *hub, struct streams **streams_r, struct cor_err *err)
{
    static const struct cor_handler HANDLERS[] = {{PX_stream_head, on_head},
                                                  {PX_stream_data, on_data},
                                                  {PX_stream_credit, on_credit},
                                                  {PX_stream_end, on_end}};
    static const struct cor_port_ops OPS = {.up = on_up,
                                            .down = on_down,
                                            .room = on_room,
                                            .handlers = HANDLERS,
                                            .handler_count = COR_COUNT(HANDLERS)};
    struct streams *streams = cor_alloc(sizeof(*streams));
    *streams_r = streams;
    streams->hub = hub;
    streams->open = cor_map_new(NULL);
    px_mouth_init(&streams->edged, send_down, streams);
    px_mouth_init(&streams->cloud, send_up, streams);
    return cor_port_open(hub->service->bus, px_endpoint(PX_ENDPOINT_HUB_EDGED), &OPS, streams,
                         &streams->port, err);
}

void streams_free(struct streams **streams)
{
    if (*streams != NULL) {
        cor_port_close(&(*streams)->port);
        px_mouth_clear(&(*streams)->edged);
        px_mouth_clear(&(*streams)->cloud);
        cor_map_free(&(*streams)->open);
        cor_freep(streams);
    }
}

size_t streams_count(const struct streams *streams)
{
    return cor_map_count(streams->open);
}
