// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "common/ws/resolve.h"

/* A connection that lasted so long was a good one: the next try begins with the first delay. */
enum { GOOD_US = 10 * 1000 * 1000 };

struct link {
    struct link_spec spec;
    struct cor_timer *dial;
    struct cor_timer *keepalive;
    struct cor_backoff backoff;
    struct cor_ws_conn *conn;    /* dialling or up */
    struct cor_resolve *resolve; /* under way */
    char *path;
    bool up;
    bool troubled; /* logged that it fails */
    struct cor_mono since;
    uint64_t epoch;
};

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

/* A link that was good is most likely lost because the cloud's end restarts: soon, but not all
 * nodes at once. After that the delays double. */
static int64_t next_delay(struct link *link)
{
    if (link->backoff.now_us == 0) {
        (void)cor_backoff_next(&link->backoff, 0);
        return (int64_t)((double)link->spec.first_us * random_number());
    }
    return cor_backoff_next(&link->backoff, random_number());
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct link *link = self;
    link->conn = conn;
    link->up = true;
    link->troubled = false;
    link->epoch++;
    link->since = cor_loop_now(link->spec.loop);
    LOGI(link->spec.log, "link.up", "host=%s port=%d", link->spec.host, link->spec.port);
    link->spec.keepalive(link->spec.self);
    cor_timer_repeat(link->keepalive, link->spec.keepalive_us);
    link->spec.up(link->spec.self);
}

static void on_message(void *self, struct cor_view text)
{
    struct link *link = self;
    link->spec.message(link->spec.self, text);
}

static void note_failure(struct link *link, bool was_up, const char *reason)
{
    if (was_up) {
        LOGW(link->spec.log, "link.down", "reason=%s", cor_log_esc(cor_view_of(reason)));
    } else if (!link->troubled) {
        LOGW(link->spec.log, "link.fails", "host=%s port=%d reason=%s", link->spec.host,
             link->spec.port, cor_log_esc(cor_view_of(reason)));
        link->troubled = true;
    }
}

static void on_closed(void *self, const char *reason)
{
    struct link *link = self;
    bool was_up = link->up;
    link->conn = NULL;
    link->up = false;
    cor_timer_stop(link->keepalive);
    note_failure(link, was_up, reason);
    if (was_up && cor_mono_since(cor_loop_now(link->spec.loop), link->since) >= GOOD_US) {
        cor_backoff_reset(&link->backoff);
    }
    cor_timer_start(link->dial, next_delay(link));
    if (was_up) {
        link->spec.down(link->spec.self);
    }
}

static const struct cor_ws_events EVENTS = {
    .opened = on_opened,
    .message = on_message,
    .closed = on_closed,
};

static void try_later(struct link *link, const char *reason)
{
    note_failure(link, false, reason);
    cor_timer_start(link->dial, next_delay(link));
}

/* Headers as KubeEdge's client sends them (edge/pkg/edgehub/clients/wsclient). */
static void dial(struct link *link, const char *address)
{
    const struct cor_ws_header headers[] = {{"Connectionuse", "msg"},
                                            {"Node_id", link->spec.identity->node},
                                            {"Project_id", link->spec.project},
                                            {NULL, NULL}};
    struct cor_ws_target target = {.host = link->spec.host,
                                   .address = address,
                                   .port = link->spec.port,
                                   .path = link->path,
                                   .headers = headers,
                                   .tls = identity_tls(link->spec.identity),
                                   .timeout_us = COR_SEC(30)};
    link->conn = cor_ws_dial(link->spec.ws, &target, link->spec.keepalive_us, &EVENTS, link);
}

static void on_resolved(void *self, const char *address, const char *text)
{
    struct link *link = self;
    cor_resolve_free(&link->resolve);
    if (address == NULL) {
        try_later(link, text);
    } else {
        dial(link, address);
    }
}

/* The name is looked up each time: the cloud may have moved. */
static void begin(void *self)
{
    struct link *link = self;
    if (link->conn == NULL && link->resolve == NULL && link->spec.identity->cert != NULL) {
        link->resolve = cor_resolve_new(link->spec.loop, link->spec.host, on_resolved, link);
    }
}

static void on_keepalive(void *self)
{
    struct link *link = self;
    link->spec.keepalive(link->spec.self);
}

struct link *link_new(const struct link_spec *spec)
{
    struct link *link = cor_alloc(sizeof(*link));
    link->spec = *spec;
    link->backoff = (struct cor_backoff){.first_us = spec->first_us, .last_us = spec->last_us};
    link->dial = cor_timer_new(spec->loop, begin, link);
    link->keepalive = cor_timer_new(spec->loop, on_keepalive, link);
    link->path = cor_sprintf("/%s/%s/events", spec->project, spec->identity->node);
    return link;
}

void link_free(struct link **link)
{
    if (*link != NULL) {
        cor_timer_free(&(*link)->dial);
        cor_timer_free(&(*link)->keepalive);
        cor_resolve_free(&(*link)->resolve);
        cor_free((*link)->path);
        cor_freep(link);
    }
}

void link_start(struct link *link)
{
    if (link->conn == NULL) {
        cor_timer_start(link->dial, 0);
    }
}

void link_restart(struct link *link, const char *reason)
{
    if (link->conn != NULL) {
        cor_ws_close(link->conn, 0, reason); /* on_closed sets the timer */
        cor_backoff_reset(&link->backoff);
        cor_timer_start(link->dial, COR_MS(100));
    }
}

bool link_is_up(const struct link *link)
{
    return link->up;
}

uint64_t link_epoch(const struct link *link)
{
    return link->epoch;
}

enum cor_code link_send(struct link *link, const struct px_kubeedge_out *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (!link->up) {
        return COR_CLOSED;
    }
    px_kubeedge_write(out, &text);
    return cor_ws_send(link->conn, cor_buf_as_view(&text));
}
