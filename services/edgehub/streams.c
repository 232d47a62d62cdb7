// SPDX-License-Identifier: Apache-2.0
#include "streams.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/stream/say.h"

/* What edged does not take: more than the credit of all streams together is not the cloud's to
 * send. */
enum { WAITING_MAX = PX_STREAMS_MAX * PX_STREAM_WINDOW };

/* Numbers of streams that are not the link's. */
#define OWN_ID ((uint64_t)1 << 63)

/* Who has asked. */
struct asker {
    const struct streams_ops *ops; /* NULL: the cloud, over the link */
    void *self;
};

struct streams {
    struct hub *hub;
    struct cor_port *port;
    struct cor_map *open; /* 8 bytes of id -> struct asker, owned */
    uint64_t last_id;
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

static struct asker *find(const struct streams *streams, uint64_t id)
{
    return cor_map_get(streams->open, key_of(&id));
}

static void add(struct streams *streams, uint64_t id, const struct streams_ops *ops, void *self)
{
    struct asker *asker = cor_alloc(sizeof(*asker));
    *asker = (struct asker){ops, self};
    cor_map_set(streams->open, key_of(&id), asker);
}

static uint64_t id_in(struct cor_view key)
{
    uint64_t id = 0;
    memcpy(&id, key.ptr, sizeof(id));
    return id;
}

/* The link is down: edged is told. */
static void end_links(struct streams *streams, const char *why)
{
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    while (cor_map_next(streams->open, &at, &key, &value)) {
        if (((struct asker *)value)->ops == NULL) {
            px_say_end(&streams->edged, id_in(key), why);
            (void)cor_map_del(streams->open, key);
        }
    }
}

/* edged has gone: whoever has asked is told. */
static void end_all(struct streams *streams, const char *why)
{
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    while (cor_map_next(streams->open, &at, &key, &value)) {
        struct asker asker = *(struct asker *)value;
        uint64_t id = id_in(key);
        (void)cor_map_del(streams->open, key);
        if (asker.ops == NULL) {
            px_say_end(&streams->cloud, id, why);
        } else {
            asker.ops->end(asker.self, why);
        }
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
    const struct asker *asker = find(streams, id);
    bool known = asker != NULL && asker->ops == NULL;
    if (number == PX_stream_open && id >= OWN_ID) {
        return cor_err_set(err, COR_INVALID, "a stream of a number that is not the cloud's");
    }
    if (number == PX_stream_open && !cor_port_is_up(streams->port)) {
        px_say_end(&streams->cloud, id, "edged is not there");
        return COR_OK;
    }
    if (number == PX_stream_open) {
        add(streams, id, NULL, NULL);
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
    end_links(streams, "the link to the cloud is down");
    pace(streams);
}

void streams_room(struct streams *streams)
{
    (void)px_mouth_go_on(&streams->cloud);
    pace(streams);
}

/* ---- from edged ---- */

/* Passes what edged says on, if the link's cloud has asked. Else who has asked, or NULL. */
static struct asker *pass_up(struct streams *streams, struct cor_in *in, uint64_t id)
{
    struct asker *asker = find(streams, id);
    if (asker == NULL || asker->ops != NULL) {
        return asker; /* NULL: it was ended meanwhile */
    }
    px_say_raw(&streams->cloud, (uint16_t)in->head->number, in->raw);
    pace(streams);
    return NULL;
}

static enum cor_code on_head(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_head *head = body;
    const struct asker *asker = pass_up(self, in, head->id);
    (void)err;
    if (asker != NULL) {
        asker->ops->head(asker->self, head);
    }
    return COR_OK;
}

static enum cor_code on_data(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_data *data = body;
    const struct asker *asker = pass_up(self, in, data->id);
    (void)err;
    if (asker != NULL) {
        asker->ops->data(asker->self, data->bytes);
    }
    return COR_OK;
}

static enum cor_code on_credit(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_credit *credit = body;
    const struct asker *asker = pass_up(self, in, credit->id);
    (void)err;
    if (asker != NULL) {
        asker->ops->room(asker->self, credit->bytes);
    }
    return COR_OK;
}

static enum cor_code on_end(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct streams *streams = self;
    const struct px_stream_end *end = body;
    uint64_t id = end->id;
    const struct asker *found = pass_up(streams, in, id);
    struct asker asker = found == NULL ? (struct asker){0} : *found;
    (void)err;
    (void)cor_map_del(streams->open, key_of(&id));
    if (asker.ops != NULL) {
        auto_(cor_freep) char *error = end->error.len == 0 ? NULL : cor_view_dup(end->error);
        asker.ops->end(asker.self, error);
    }
    return COR_OK;
}

/* ---- who else asks ---- */

uint64_t streams_ask(struct streams *streams, struct px_stream_open *open,
                     const struct streams_ops *ops, void *self)
{
    if (!cor_port_is_up(streams->port)) {
        return 0;
    }
    uint64_t id = OWN_ID + ++streams->last_id;
    add(streams, id, ops, self);
    open->id = id;
    px_say(&streams->edged, PX_stream_open, open);
    return id;
}

void streams_send(struct streams *streams, uint64_t id, struct px_credit *credit,
                  struct cor_view bytes)
{
    px_say_data(&streams->edged, id, credit, bytes, false);
}

void streams_gain(struct streams *streams, uint64_t id, uint64_t bytes)
{
    struct px_stream_credit body = {.id = id, .bytes = bytes};
    px_say(&streams->edged, PX_stream_credit, &body);
}

void streams_give_up(struct streams *streams, uint64_t id, const char *why)
{
    if (cor_map_del(streams->open, key_of(&id))) {
        px_say_end(&streams->edged, id, why);
    }
}

/* ---- the port ---- */

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
    end_all(streams, "edged has gone");
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
    streams->open = cor_map_new(cor_free);
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
