// SPDX-License-Identifier: Apache-2.0
// Requests that come from the cloud: each is a stream of hub-edged (STREAM_OPEN and what follows).
#include "api.h"
#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "proto/stream/say.h"

enum { HEADERS_MAX = 64 };

struct api_tunnel {
    struct agent *agent;
    struct cor_port *port;
    struct cor_map *streams; /* 8 bytes of id -> struct stream, borrowed */
    struct px_mouth mouth;
};

/* One request. */
struct stream {
    struct api_tunnel *tunnel;
    uint64_t id;
    struct api_call *call; /* NULL before it has begun */
    struct px_credit credit;
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

static enum cor_code send(void *self, uint16_t number, struct cor_view raw)
{
    struct api_tunnel *tunnel = self;
    return cor_send_raw(tunnel->port, number, raw);
}

static void free_stream(struct stream *stream)
{
    (void)cor_map_del(stream->tunnel->streams, key_of(&stream->id));
    cor_free(stream);
}

/* ---- what the handler says ---- */

static void on_head(void *self, int status, const struct api_header *headers, size_t count)
{
    struct stream *stream = self;
    struct px_header list[HEADERS_MAX];
    struct px_stream_head head = {
        .id = stream->id, .status = (uint64_t)status, .headers = {.items = list}};
    for (size_t i = 0; i < count && i < HEADERS_MAX; i++) {
        list[i] = (struct px_header){cor_view_of(headers[i].name), cor_view_of(headers[i].value)};
        head.headers.count++;
    }
    if (status == 101) {
        head.credit = PX_STREAM_WINDOW;
        stream->credit.hear = PX_STREAM_WINDOW;
    }
    px_say(&stream->tunnel->mouth, PX_stream_head, &head);
}

static void on_data(void *self, struct cor_view bytes, bool last)
{
    struct stream *stream = self;
    px_say_data(&stream->tunnel->mouth, stream->id, &stream->credit, bytes, last);
}

static void on_took(void *self, size_t bytes)
{
    struct stream *stream = self;
    px_say_took(&stream->tunnel->mouth, stream->id, &stream->credit, bytes);
}

static void on_end(void *self, const char *error)
{
    struct stream *stream = self;
    px_say_end(&stream->tunnel->mouth, stream->id, error);
    free_stream(stream);
}

static const struct api_front FRONT = {on_head, on_data, on_took, on_end};

/* ---- what the cloud says ---- */

static struct stream *find(const struct api_tunnel *tunnel, uint64_t id)
{
    return cor_map_get(tunnel->streams, key_of(&id));
}

/* The stream ends here, by us; error is told. */
static void break_off(struct stream *stream, const char *error)
{
    struct api_call *call = stream->call;
    px_say_end(&stream->tunnel->mouth, stream->id, error);
    free_stream(stream);
    api_gone(call);
}

static void begin(struct api_tunnel *tunnel, const struct px_stream_open *open)
{
    struct api_header headers[HEADERS_MAX];
    struct api_request request = {.method = open->method, .target = open->target};
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(sizeof(headers) * 16384);
    for (size_t i = 0; i < open->headers.count && i < HEADERS_MAX; i++) {
        const struct px_header *header = (const struct px_header *)open->headers.items + i;
        headers[request.header_count++] = (struct api_header){cor_arena_dup(arena, header->name),
                                                              cor_arena_dup(arena, header->value)};
    }
    request.headers = headers;
    struct stream *stream = cor_alloc(sizeof(*stream));
    stream->tunnel = tunnel;
    stream->id = open->id;
    px_credit_gain(&stream->credit, open->credit);
    cor_map_set(tunnel->streams, key_of(&stream->id), stream);
    struct api_call *call = api_begin(tunnel->agent, &request, &FRONT, stream, stream->credit.send);
    if (call != NULL) { /* else the stream is gone */
        stream->call = call;
    }
}

static enum cor_code on_open(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct api_tunnel *tunnel = self;
    const struct px_stream_open *open = body;
    (void)in;
    (void)err;
    if (find(tunnel, open->id) != NULL || cor_map_count(tunnel->streams) >= PX_STREAMS_MAX) {
        px_say_end(&tunnel->mouth, open->id, "too many streams");
    } else {
        begin(tunnel, open);
    }
    return COR_OK;
}

static enum cor_code on_bytes(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_data *data = body;
    struct stream *stream = find(self, data->id);
    (void)in;
    (void)err;
    if (stream != NULL && !px_credit_heard(&stream->credit, data->bytes.len)) {
        break_off(stream, "more than there is credit for");
    } else if (stream != NULL) {
        api_data(stream->call, data->bytes, data->last);
    }
    return COR_OK;
}

static enum cor_code on_credit(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_credit *credit = body;
    struct stream *stream = find(self, credit->id);
    (void)in;
    (void)err;
    if (stream != NULL) {
        uint64_t before = stream->credit.send;
        px_credit_gain(&stream->credit, credit->bytes);
        api_gain(stream->call, stream->credit.send - before);
    }
    return COR_OK;
}

static enum cor_code on_over(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_end *end = body;
    struct stream *stream = find(self, end->id);
    (void)in;
    (void)err;
    if (stream != NULL) {
        struct api_call *call = stream->call;
        free_stream(stream);
        api_gone(call);
    }
    return COR_OK;
}

static void on_room(void *self, struct cor_port *port)
{
    struct api_tunnel *tunnel = self;
    (void)port;
    (void)px_mouth_go_on(&tunnel->mouth);
}

/* edgehub has gone, and with it all who asked. */
static void on_down(void *self, struct cor_port *port)
{
    struct api_tunnel *tunnel = self;
    size_t at = 0;
    void *value = NULL;
    (void)port;
    while (cor_map_next(tunnel->streams, &at, NULL, &value)) {
        struct stream *stream = value;
        struct api_call *call = stream->call;
        free_stream(stream);
        api_gone(call);
    }
    px_mouth_clear(&tunnel->mouth);
}

enum cor_code api_tunnel_open(struct agent *agent, struct api_tunnel **tunnel_r,
                              struct cor_err *err)
{
    static const struct cor_handler HANDLERS[] = {{PX_stream_open, on_open},
                                                  {PX_stream_data, on_bytes},
                                                  {PX_stream_credit, on_credit},
                                                  {PX_stream_end, on_over}};
    static const struct cor_port_ops OPS = {.down = on_down,
                                            .room = on_room,
                                            .handlers = HANDLERS,
                                            .handler_count = COR_COUNT(HANDLERS)};
    struct api_tunnel *tunnel = cor_alloc(sizeof(*tunnel));
    tunnel->agent = agent;
    tunnel->streams = cor_map_new(NULL);
    px_mouth_init(&tunnel->mouth, send, tunnel);
    *tunnel_r = tunnel;
    return cor_port_open(agent->service->bus, px_endpoint(PX_ENDPOINT_HUB_EDGED), &OPS, tunnel,
                         &tunnel->port, err);
}

void api_tunnel_close(struct api_tunnel **tunnel)
{
    if (*tunnel != NULL) {
        on_down(*tunnel, NULL);
        cor_port_close(&(*tunnel)->port);
        cor_map_free(&(*tunnel)->streams);
        cor_freep(tunnel);
    }
}
