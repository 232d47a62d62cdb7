// SPDX-License-Identifier: Apache-2.0
#include "peers.h"

#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/kube/http.h"
#include "common/pipe/pipe.h"
#include "proto/stream/credit.h"
#include "reply.h"

enum { ANSWER_S = 40, HOPS_MAX = 1000 }; /* the other's own patience with the node ends first */

struct peers {
    struct hub *hub;
    struct cor_http *http;
    struct cor_link all; /* of struct hop */
    size_t count;
};

/* A request at another replica. */
struct hop {
    struct cor_link link;
    struct peers *peers;
    struct cor_pipe *pipe;
    struct cor_timer *patience; /* for the head */
    struct reply reply;
    const struct way_ops *ops;
    void *self;
    size_t held;          /* bytes that the client has not taken */
    bool opening, failed; /* while it is opened nobody is told */
    bool *gone;           /* set when it is freed; NULL: nobody waits for that */
};

static void hop_free(struct hop *hop)
{
    if (hop->gone != NULL) {
        *hop->gone = true;
    }
    cor_list_del(&hop->link);
    hop->peers->count--;
    cor_pipe_free(&hop->pipe);
    cor_timer_free(&hop->patience);
    reply_free(&hop->reply);
    cor_free(hop);
}

/* Who asks is told. */
static void end(struct hop *hop, const char *error)
{
    const struct way_ops *ops = hop->ops;
    void *self = hop->self;
    hop_free(hop);
    ops->end(self, error);
}

/* ---- the other replica ---- */

static void read_on(struct hop *hop)
{
    cor_pipe_read(hop->pipe, hop->held <= PX_STREAM_WINDOW);
}

/* What is told may have ended the hop: false. */
static bool tell(struct hop *hop, enum reply_event event, struct cor_view part)
{
    bool gone = false;
    hop->gone = &gone;
    if (event == REPLY_HEAD) {
        struct px_header headers[REPLY_HEADERS_MAX];
        struct px_stream_head head = reply_head(&hop->reply, headers);
        cor_timer_stop(hop->patience);
        hop->ops->head(hop->self, &head);
    } else {
        hop->held += part.len;
        hop->ops->data(hop->self, part, false);
    }
    if (!gone) {
        hop->gone = NULL;
    }
    return !gone;
}

static void on_bytes(void *self, struct cor_view bytes)
{
    struct hop *hop = self;
    struct cor_view part;
    enum reply_event event = reply_next(&hop->reply, &bytes, &part);
    while (event == REPLY_HEAD || event == REPLY_PART) {
        if (!tell(hop, event, part)) {
            return;
        }
        event = reply_next(&hop->reply, &bytes, &part);
    }
    if (event == REPLY_MORE) {
        read_on(hop);
    } else {
        end(hop, event == REPLY_DONE ? NULL : "the other replica's answer is no HTTP");
    }
}

static void on_room(void *self)
{
    struct hop *hop = self;
    if (hop->reply.joined) {
        hop->ops->room(hop->self);
    }
}

static void on_end(void *self)
{
    struct hop *hop = self;
    end(hop, reply_may_end(&hop->reply) ? NULL : "the other replica has broken it off");
}

static void on_closed(void *self, const struct cor_err *err)
{
    struct hop *hop = self;
    auto_(cor_freep) char *text = cor_sprintf("the other replica: %s", err->text);
    hop->failed = true;
    if (!hop->opening) {
        end(hop, text);
    }
}

static void on_impatient(void *self)
{
    end(self, "the other replica does not answer");
}

/* ---- who asks ---- */

static bool is_told(struct cor_view name)
{
    static const char *const NOT[] = {"Connection", "Keep-Alive", "Content-Length",
                                      "Transfer-Encoding", PEERS_MARK};
    for (size_t i = 0; i < COR_COUNT(NOT); i++) {
        if (name.len == strlen(NOT[i]) && strncasecmp(name.ptr, NOT[i], name.len) == 0) {
            return false;
        }
    }
    return true;
}

static bool wants_upgrade(const struct px_stream_open *open)
{
    const struct px_header *headers = open->headers.items;
    for (size_t i = 0; i < open->headers.count; i++) {
        if (headers[i].name.len == 7 && strncasecmp(headers[i].name.ptr, "Upgrade", 7) == 0) {
            return true;
        }
    }
    return false;
}

static void write_ask(const struct peers *peers, struct cor_view address, struct cor_view node,
                      const struct px_stream_open *open, struct cor_buf *out)
{
    const struct px_header *headers = open->headers.items;
    cor_buf_fmt(out, "%.*s %.*s HTTP/1.1\r\nHost: %.*s\r\nConnection: %s\r\n" PEERS_MARK ": ",
                COR_VIEW_ARG(open->method), COR_VIEW_ARG(open->target), COR_VIEW_ARG(address),
                wants_upgrade(open) ? "Upgrade" : "close");
    auto_(cor_freep) char *method = cor_view_dup(open->method);
    struct mark_of of = peers_mark(peers->hub, method, open->target);
    mark_write(&of, node, out);
    cor_buf_str(out, "\r\n");
    for (size_t i = 0; i < open->headers.count; i++) {
        if (is_told(headers[i].name)) {
            cor_buf_fmt(out, "%.*s: %.*s\r\n", COR_VIEW_ARG(headers[i].name),
                        COR_VIEW_ARG(headers[i].value));
        }
    }
    cor_buf_str(out, "Content-Length: 0\r\n\r\n");
}

enum cor_code peers_open(struct peers *peers, struct cor_view address, struct cor_view node,
                         const struct px_stream_open *open, const struct way_ops *ops, void *self,
                         void **lane_r, struct cor_err *err)
{
    struct cor_pipe_spec spec = {
        .bytes = on_bytes, .room = on_room, .end = on_end, .closed = on_closed};
    bool v6 = address.len > 0 && memchr(address.ptr, ':', address.len) != NULL;
    auto_(cor_freep) char *url = cor_sprintf(v6 ? "https://[%.*s]:%d" : "https://%.*s:%d",
                                             COR_VIEW_ARG(address), peers->hub->streams_port);
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (peers->count >= HOPS_MAX) {
        return cor_err_set(err, COR_BUSY, "%d requests to other replicas are under way", HOPS_MAX);
    }
    struct hop *hop = cor_alloc(sizeof(*hop));
    *hop = (struct hop){.peers = peers, .ops = ops, .self = self};
    spec.self = hop;
    hop->pipe = cor_pipe_new(peers->hub->service->loop, &spec);
    hop->patience = cor_timer_new(peers->hub->service->loop, on_impatient, hop);
    cor_timer_start(hop->patience, COR_SEC(ANSWER_S));
    cor_list_add(&peers->all, &hop->link);
    peers->count++;
    write_ask(peers, address, node, open, &text);
    if (cor_pipe_write(hop->pipe, cor_buf_as_view(&text)) != COR_OK) {
        hop_free(hop);
        return cor_err_set(err, COR_INVALID, "the request is too long");
    }
    hop->opening = true;
    cor_http_pipe(peers->http, url, hop->pipe);
    hop->opening = false;
    if (hop->failed) {
        hop_free(hop);
        return cor_err_set(err, COR_RETRY, "the other replica cannot be asked");
    }
    cor_pipe_read(hop->pipe, true);
    *lane_r = hop;
    return COR_OK;
}

static void close_hop(void *lane, const char *why)
{
    (void)why; /* the connection says it */
    hop_free(lane);
}

static size_t room_of(const void *lane)
{
    const struct hop *hop = lane;
    size_t waits = cor_pipe_waiting(hop->pipe);
    return hop->reply.joined && waits < COR_PIPE_QUEUE ? COR_PIPE_QUEUE - waits : 0;
}

static void send_bytes(void *lane, struct cor_view bytes, bool last)
{
    struct hop *hop = lane;
    (void)last;
    enum cor_code code = cor_pipe_write(hop->pipe, bytes);
    (void)code; /* it is within room_of; broken: closed() follows */
}

static void took(void *lane, size_t bytes)
{
    struct hop *hop = lane;
    hop->held -= bytes < hop->held ? bytes : hop->held;
    read_on(hop);
}

const struct way PEERS_WAY = {NULL, close_hop, room_of, send_bytes, took};

/* ---- the service ---- */

struct mark_of peers_mark(const struct hub *hub, const char *method, struct cor_view target)
{
    struct cor_view secret = {(const char *)authority_tickets(hub->authority),
                              COR_TICKET_SECRET_LEN};
    return (struct mark_of){secret, cor_wall_now(), cor_view_of(method), target};
}

static struct cor_http_spec trust_of(const struct peers *peers)
{
    return (struct cor_http_spec){.ca_pem = authority_roots_pem(peers->hub->authority).ptr};
}

enum cor_code peers_new(struct hub *hub, struct peers **peers_r, struct cor_err *err)
{
    struct peers *peers = cor_alloc(sizeof(*peers));
    peers->hub = hub;
    cor_list_init(&peers->all);
    struct cor_http_spec spec = trust_of(peers);
    enum cor_code code = cor_http_new(hub->service->loop, &spec, &peers->http, err);
    *peers_r = peers;
    if (code != COR_OK) {
        peers_free(peers_r);
    }
    return code;
}

void peers_free(struct peers **peers)
{
    struct peers *self = take(peers);
    if (self == NULL) {
        return;
    }
    while (!cor_list_empty(&self->all)) {
        end(COR_LIST_OBJECT(self->all.next, struct hop, link), "cloudhub is stopping");
    }
    cor_http_free(&self->http);
    cor_free(self);
}

void peers_renew(struct peers *peers)
{
    struct cor_http_spec spec = trust_of(peers);
    cor_http_trust(peers->http, &spec);
}
