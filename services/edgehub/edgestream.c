// SPDX-License-Identifier: Apache-2.0
#include "edgestream.h"

#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/backoff.h"
#include "common/pki/digest.h"
#include "common/ws/resolve.h"
#include "proto/kubeedge/tunnel.h"

enum {
    DIAL_S = 10,
    PING_S = 30,          /* a cloud that is silent for three of them is dead */
    STUCK_S = 30,         /* a program that reads nothing holds up all requests */
    WINDOW = 32 << 10,    /* that edged may be ahead of the tunnel, a request */
    OWED_MIN = 8 << 10,   /* credit is given in pieces of so much */
    QUEUE_LOW = 64 << 10, /* with more in the tunnel's queue none is given */
    HELD_HIGH = 64 << 10, /* with more for one request the tunnel is not read */
    HELD_MAX = 4 << 20,   /* what was on its way then */
    REQUESTS_MAX = PX_STREAMS_MAX
};

struct edgestream {
    struct edgestream_spec spec;
    struct cor_timer *dial;
    struct cor_timer *stuck; /* runs while the tunnel is not read */
    struct cor_backoff backoff;
    struct cor_resolve *resolve;
    struct cor_ws_conn *conn; /* dialling or up */
    struct cor_map *requests; /* 8 bytes of id -> struct request, borrowed */
    size_t full;              /* requests with much that edged does not take */
    struct cor_mono since;
    bool wanted;
    bool up;
    bool broken;
    bool troubled; /* logged that it fails */
};

struct request {
    struct edgestream *stream;
    uint64_t id;
    uint64_t asked; /* number of its stream */
    bool raw;       /* EXEC, ATTACH: HTTP's own words go up */
    bool headed;    /* they have begun */
    bool chunked;   /* the answer has no length */
    bool full;
    struct cor_mono full_at;
    struct px_credit credit; /* of edged */
    struct cor_buf held;     /* for it */
    uint64_t owed;           /* credit that it is to get */
};

static struct cor_view key_of(const uint64_t *id)
{
    return (struct cor_view){(const char *)id, sizeof(*id)};
}

static struct request *find(const struct edgestream *stream, uint64_t id)
{
    return cor_map_get(stream->requests, key_of(&id));
}

/* ---- up ---- */

static void say(struct edgestream *stream, uint64_t id, enum px_tunnel_type type,
                struct cor_view data)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    struct px_tunnel_frame frame = {id, type, data};
    if (!stream->up) {
        return;
    }
    px_tunnel_write(&frame, &out);
    if (cor_ws_send(stream->conn, cor_buf_as_view(&out)) == COR_BUSY) {
        stream->broken = true; /* closed when nobody is at work in it */
        cor_timer_start(stream->stuck, 0);
    }
}

static void say_over(struct edgestream *stream, uint64_t id)
{
    say(stream, id, PX_TUNNEL_REMOVE, (struct cor_view){0});
}

/* An answer of our own to an EXEC or ATTACH. */
static void say_fault(struct edgestream *stream, uint64_t id, const char *text)
{
    auto_(cor_freep) char *answer =
        cor_sprintf("HTTP/1.1 503 Error\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                    "Content-Length: %zu\r\n\r\n%s",
                    strlen(text), text);
    say(stream, id, PX_TUNNEL_DATA, cor_view_of(answer));
}

/* ---- when edged is slow: TCP holds the cloud back, and so all that it says ---- */

static void set_full(struct request *request, bool full)
{
    struct edgestream *stream = request->stream;
    if (request->full == full) {
        return;
    }
    request->full = full;
    request->full_at = cor_loop_now(stream->spec.loop);
    stream->full = full ? stream->full + 1 : stream->full - 1;
    if (stream->up && stream->full == (full ? 1 : 0)) {
        cor_ws_pause(stream->conn, full);
        cor_ws_ping(stream->conn, full ? 0 : COR_SEC(PING_S)); /* nothing is heard meanwhile */
    }
    if (stream->full == 0 && !stream->broken) {
        cor_timer_stop(stream->stuck);
    } else if (!cor_timer_running(stream->stuck)) {
        cor_timer_start(stream->stuck, COR_SEC(STUCK_S));
    }
}

/* ---- the end of a request ---- */

static void forget(struct request *request)
{
    set_full(request, false);
    (void)cor_map_del(request->stream->requests, key_of(&request->id));
    cor_buf_free(&request->held);
    cor_free(request);
}

/* edged is told. */
static void give_up(struct request *request, const char *why)
{
    streams_give_up(request->stream->spec.streams, request->asked, why);
    forget(request);
}

static void on_stuck(void *self)
{
    struct edgestream *stream = self;
    struct cor_mono now = cor_loop_now(stream->spec.loop);
    size_t at = 0;
    void *value = NULL;
    if (stream->broken && stream->conn != NULL) {
        cor_ws_close(stream->conn, 0, "the cloud does not take what is sent");
        return;
    }
    while (cor_map_next(stream->requests, &at, NULL, &value)) {
        struct request *request = value;
        if (request->full && cor_mono_since(now, request->full_at) >= COR_SEC(STUCK_S)) {
            say_over(stream, request->id);
            give_up(request, "what comes is not read");
        }
    }
    if (stream->full > 0) {
        cor_timer_start(stream->stuck, COR_SEC(STUCK_S));
    }
}

/* ---- what edged says ---- */

static bool is_hop(struct cor_view name)
{
    static const char *const NAMES[] = {"Connection", "Keep-Alive", "Transfer-Encoding"};
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        if (name.len == strlen(NAMES[i]) && strncasecmp(name.ptr, NAMES[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool has_length(const struct px_stream_head *head)
{
    static const char NAME[] = "Content-Length";
    const struct px_header *headers = head->headers.items;
    for (size_t i = 0; i < head->headers.count; i++) {
        struct cor_view name = headers[i].name;
        if (name.len == sizeof(NAME) - 1 && strncasecmp(name.ptr, NAME, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static void write_head(const struct px_stream_head *head, bool chunked, struct cor_buf *out)
{
    const struct px_header *headers = head->headers.items;
    const char *words = head->status == 101  ? "Switching Protocols"
                        : head->status < 400 ? "OK"
                                             : "Error";
    cor_buf_fmt(out, "HTTP/1.1 %u %s\r\nConnection: %s\r\n", (unsigned)head->status, words,
                head->status == 101 ? "Upgrade" : "close");
    for (size_t i = 0; i < head->headers.count; i++) {
        if (!is_hop(headers[i].name)) {
            cor_buf_fmt(out, "%.*s: %.*s\r\n", COR_VIEW_ARG(headers[i].name),
                        COR_VIEW_ARG(headers[i].value));
        }
    }
    cor_buf_str(out, chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
}

/* Of a log or metrics nobody is told the status: what is said up is the text of an error then. */
static void on_head(void *self, const struct px_stream_head *head)
{
    struct request *request = self;
    auto_(cor_buf_free) struct cor_buf out = {0};
    px_credit_gain(&request->credit, head->credit);
    if (request->raw && !request->headed) {
        request->headed = true;
        request->chunked = head->status != 101 && !has_length(head);
        write_head(head, request->chunked, &out);
        say(request->stream, request->id, PX_TUNNEL_DATA, cor_buf_as_view(&out));
    }
}

/* edged is given as much as the tunnel has taken. */
static void settle(struct request *request)
{
    struct edgestream *stream = request->stream;
    if (request->owed >= OWED_MIN && stream->up && cor_ws_queued(stream->conn) < QUEUE_LOW) {
        streams_gain(stream->spec.streams, request->asked, request->owed);
        request->owed = 0;
    }
}

/* A CloudCore does not end the connection before who asks does: how long an answer is must be in
 * it. */
static void say_bytes(struct request *request, struct cor_view bytes)
{
    auto_(cor_buf_free) struct cor_buf chunk = {0};
    if (request->chunked) {
        cor_buf_fmt(&chunk, "%zx\r\n", bytes.len);
        cor_buf_view(&chunk, bytes);
        cor_buf_str(&chunk, "\r\n");
        bytes = cor_buf_as_view(&chunk);
    }
    say(request->stream, request->id, PX_TUNNEL_DATA, bytes);
}

static void on_data(void *self, struct cor_view bytes)
{
    struct request *request = self;
    if (bytes.len > 0) {
        say_bytes(request, bytes);
        request->owed += bytes.len;
        settle(request);
    }
}

/* As much as edged takes of what the cloud has said. */
static void pass_down(struct request *request)
{
    size_t len = request->held.len;
    len = len < request->credit.send ? len : (size_t)request->credit.send;
    if (len > 0) {
        streams_send(request->stream->spec.streams, request->asked, &request->credit,
                     (struct cor_view){request->held.data, len});
        cor_buf_drop(&request->held, len);
    }
    set_full(request, request->held.len > HELD_HIGH);
}

static void on_edged_room(void *self, uint64_t bytes)
{
    struct request *request = self;
    px_credit_gain(&request->credit, bytes);
    pass_down(request);
}

static void on_end(void *self, const char *error)
{
    struct request *request = self;
    struct edgestream *stream = request->stream;
    if (request->raw && !request->headed) {
        say_fault(stream, request->id, error == NULL ? "there was no answer" : error);
    }
    if (request->chunked && error == NULL) {
        say(stream, request->id, PX_TUNNEL_DATA, COR_VIEW("0\r\n\r\n"));
    }
    say_over(stream, request->id);
    forget(request);
}

static const struct streams_ops ASKER = {on_head, on_data, on_edged_room, on_end};

/* ---- what the cloud says ---- */

static bool is_raw(const struct px_tunnel_frame *frame)
{
    return frame->type == PX_TUNNEL_EXEC || frame->type == PX_TUNNEL_ATTACH;
}

static void refuse(struct edgestream *stream, const struct px_tunnel_frame *frame, const char *why)
{
    LOGW(stream->spec.log, "edgestream.refused", "reason=%s", cor_log_esc(cor_view_of(why)));
    if (is_raw(frame)) {
        say_fault(stream, frame->id, why);
    }
    say_over(stream, frame->id);
}

static void begin(struct edgestream *stream, const struct px_tunnel_frame *frame,
                  struct px_tunnel_asked *asked)
{
    struct request *request = cor_alloc(sizeof(*request));
    struct px_stream_open open = {
        .method = cor_view_of(asked->method),
        .target = cor_buf_as_view(&asked->target),
        .headers = {.items = asked->headers, .count = asked->header_count},
        .credit = WINDOW,
    };
    *request = (struct request){.stream = stream, .id = frame->id};
    request->raw = is_raw(frame);
    request->asked = streams_ask(stream->spec.streams, &open, &ASKER, request);
    if (request->asked == 0) {
        cor_free(request);
        refuse(stream, frame, "edged is not there");
        return;
    }
    cor_map_set(stream->requests, key_of(&request->id), request);
}

static void on_ask(struct edgestream *stream, const struct px_tunnel_frame *frame)
{
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    struct cor_err err = COR_ERR_NONE;
    struct request *older = find(stream, frame->id);
    if (older != NULL) {
        give_up(older, "its number was used again");
    }
    if (px_tunnel_ask_read(frame, &asked, &err) != COR_OK) {
        refuse(stream, frame, err.text);
    } else if (cor_map_count(stream->requests) >= REQUESTS_MAX) {
        refuse(stream, frame, "too many requests at once");
    } else {
        begin(stream, frame, &asked);
    }
}

static void on_bytes(struct edgestream *stream, const struct px_tunnel_frame *frame)
{
    struct request *request = find(stream, frame->id);
    if (request == NULL) {
        return; /* it is over */
    }
    if (request->held.len + frame->data.len > HELD_MAX) {
        say_over(stream, frame->id);
        give_up(request, "what comes is not read");
        return;
    }
    cor_buf_view(&request->held, frame->data);
    pass_down(request);
}

/* Answered at once, whatever it is about: a CloudCore repeats it without a pause until then. */
static void on_remove(struct edgestream *stream, const struct px_tunnel_frame *frame)
{
    struct request *request = find(stream, frame->id);
    if (request != NULL) {
        give_up(request, "the client is gone");
    }
    say_over(stream, frame->id);
}

static void on_close_asked(struct edgestream *stream, const struct px_tunnel_frame *frame)
{
    LOGW(stream->spec.log, "edgestream.closed", "reason=%s", cor_log_esc(frame->data));
    cor_ws_close(stream->conn, 0, "the cloud has ended it");
}

static void on_message(void *self, struct cor_view bytes)
{
    static const struct {
        uint64_t type;
        void (*fn)(struct edgestream *stream, const struct px_tunnel_frame *frame);
    } ROWS[] = {{PX_TUNNEL_LOGS, on_ask},         {PX_TUNNEL_EXEC, on_ask},
                {PX_TUNNEL_METRICS, on_ask},      {PX_TUNNEL_ATTACH, on_ask},
                {PX_TUNNEL_DATA, on_bytes},       {PX_TUNNEL_REMOVE, on_remove},
                {PX_TUNNEL_CLOSE, on_close_asked}};
    struct edgestream *stream = self;
    struct px_tunnel_frame frame;
    struct cor_err err = COR_ERR_NONE;
    if (px_tunnel_read(bytes, &frame, &err) != COR_OK) {
        cor_ws_close(stream->conn, 1002, err.text);
        return;
    }
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].type == frame.type) {
            ROWS[i].fn(stream, &frame);
            return;
        }
    }
}

/* ---- the connection ---- */

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

static void try_later(struct edgestream *stream, const char *reason)
{
    if (!stream->wanted) {
        return;
    }
    if (!stream->troubled) {
        LOGW(stream->spec.log, "edgestream.fails", "host=%s port=%d reason=%s", stream->spec.host,
             stream->spec.port, cor_log_esc(cor_view_of(reason)));
        stream->troubled = true;
    }
    cor_timer_start(stream->dial, cor_backoff_next(&stream->backoff, random_number()));
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct edgestream *stream = self;
    stream->conn = conn;
    stream->up = true;
    stream->broken = false;
    stream->troubled = false;
    stream->since = cor_loop_now(stream->spec.loop);
    LOGI(stream->spec.log, "edgestream.up", "host=%s port=%d", stream->spec.host,
         stream->spec.port);
}

static void on_drained(void *self)
{
    struct edgestream *stream = self;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(stream->requests, &at, NULL, &value)) {
        settle(value);
    }
}

static void on_closed(void *self, const char *reason)
{
    struct edgestream *stream = self;
    size_t at = 0;
    void *value = NULL;
    if (stream->up) {
        LOGI(stream->spec.log, "edgestream.down", "reason=%s", cor_log_esc(cor_view_of(reason)));
        cor_backoff_lost(&stream->backoff,
                         cor_mono_since(cor_loop_now(stream->spec.loop), stream->since));
    }
    stream->conn = NULL;
    stream->up = false;
    stream->broken = false;
    while (cor_map_next(stream->requests, &at, NULL, &value)) {
        give_up(value, "the tunnel is down");
    }
    cor_timer_stop(stream->stuck);
    try_later(stream, reason);
}

/* Headers as KubeEdge's client sends them (edge/pkg/edgestream). Without an address a CloudCore
 * takes the one that it sees. */
static void dial(struct edgestream *stream, const char *address)
{
    static const struct cor_ws_events EVENTS = {
        .opened = on_opened, .message = on_message, .drained = on_drained, .closed = on_closed};
    const struct edgestream_spec *spec = &stream->spec;
    const struct cor_ws_header headers[] = {
        {"Sessionhostnameoverride", spec->identity->node},
        {spec->node_ip[0] == '\0' ? NULL : "Sessioninternalip", spec->node_ip},
        {NULL, NULL}};
    struct cor_ws_target target = {.host = spec->host,
                                   .address = address,
                                   .port = spec->port,
                                   .path = PX_TUNNEL_PATH,
                                   .headers = headers,
                                   .tls = identity_tls(spec->identity),
                                   .timeout_us = COR_SEC(DIAL_S),
                                   .message = PX_TUNNEL_FRAME_MAX};
    stream->conn = cor_ws_dial(spec->ws, &target, COR_SEC(PING_S), &EVENTS, stream);
}

static void on_resolved(void *self, const char *address, const char *text)
{
    struct edgestream *stream = self;
    cor_resolve_free(&stream->resolve);
    if (address == NULL) {
        try_later(stream, text);
    } else {
        dial(stream, address);
    }
}

static void on_dial(void *self)
{
    struct edgestream *stream = self;
    if (stream->wanted && stream->conn == NULL && stream->resolve == NULL) {
        stream->resolve =
            cor_resolve_new(stream->spec.loop, stream->spec.host, on_resolved, stream);
    }
}

/* ---- the service ---- */

struct edgestream *edgestream_new(const struct edgestream_spec *spec)
{
    struct edgestream *stream = cor_alloc(sizeof(*stream));
    stream->spec = *spec;
    stream->backoff = (struct cor_backoff){.first_us = spec->first_us, .last_us = spec->last_us};
    stream->requests = cor_map_new(NULL);
    stream->dial = cor_timer_new(spec->loop, on_dial, stream);
    stream->stuck = cor_timer_new(spec->loop, on_stuck, stream);
    return stream;
}

void edgestream_free(struct edgestream **stream)
{
    if (*stream != NULL) {
        cor_timer_free(&(*stream)->dial);
        cor_timer_free(&(*stream)->stuck);
        cor_resolve_free(&(*stream)->resolve);
        cor_map_free(&(*stream)->requests);
        cor_freep(stream);
    }
}

void edgestream_start(struct edgestream *stream)
{
    stream->wanted = true;
    cor_backoff_reset(&stream->backoff);
    cor_timer_start(stream->dial, 0);
}

void edgestream_stop(struct edgestream *stream)
{
    stream->wanted = false;
    stream->troubled = false;
    cor_timer_stop(stream->dial);
    cor_resolve_free(&stream->resolve);
    if (stream->conn != NULL) {
        cor_ws_close(stream->conn, 0, "the link is down");
    }
}

bool edgestream_is_up(const struct edgestream *stream)
{
    return stream->up;
}

size_t edgestream_count(const struct edgestream *stream)
{
    return cor_map_count(stream->requests);
}
