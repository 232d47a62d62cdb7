// SPDX-License-Identifier: Apache-2.0
#include "reports.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/clock/backoff.h"
#include "common/pki/digest.h"

/* Of all nodes together. */
enum { BYTES_MAX = 32 * 1024 * 1024, FIRST_US = 20 * 1000, LAST_US = 1000 * 1000 };

struct reports {
    struct hub *hub;
    struct cor_map *newest;  /* "<node>/<device>" to the last report about it (borrowed) */
    struct cor_link waiting; /* in the order in which they are sent again */
    struct cor_link sent;    /* with the controller */
    struct cor_timer *timer;
    struct cor_backoff backoff;
    size_t count;
    size_t bytes;
};

struct report {
    struct cor_link link;
    struct reports *all;
    cor_handle session;
    char *id;
    char *key;
    const char *device; /* in key */
    char *node;
    enum px_report kind;
    struct cor_buf body;
    struct cor_mono until;
    uint64_t cause;
};

bool reports_is_worth_it(enum cor_code code)
{
    return code == COR_BUSY || code == COR_RETRY || code == COR_GONE || code == COR_CLOSED ||
           code == COR_IO || code == COR_TIMEOUT || code == COR_CONFLICT;
}

void reports_confirm(struct session *session, const char *parent)
{
    struct px_kubeedge_out out = {.parent = parent,
                                  .source = "devicecontroller",
                                  .group = "twin",
                                  .operation = "response",
                                  .resource = "twin",
                                  .content = COR_VIEW("\"OK\"")};
    session_write(session, &out);
}

static struct session *session_of(const struct report *report)
{
    return cor_pool_get(report->all->hub->handles, report->session);
}

static void end(struct report *report)
{
    struct reports *all = report->all;
    struct session *session = session_of(report);
    if (session != NULL) {
        session->calls--;
    }
    if (cor_map_get(all->newest, cor_view_of(report->key)) == report) {
        (void)cor_map_take(all->newest, cor_view_of(report->key));
    }
    all->count--;
    all->bytes -= report->body.len;
    cor_list_del(&report->link);
    cor_free(report->id);
    cor_free(report->key);
    cor_free(report->node);
    cor_buf_free(&report->body);
    cor_free(report);
}

static void try_later(struct reports *all)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    if (!cor_timer_running(all->timer)) {
        cor_timer_start(all->timer, cor_backoff_next(&all->backoff, (double)n / 4294967296.0));
    }
}

/* The newest report about a device may be sent again; an older one would undo what came later. */
static bool may_wait(const struct report *report, const struct cor_err *err)
{
    const struct reports *all = report->all;
    return reports_is_worth_it(err->code) && session_of(report) != NULL &&
           cor_mono_since(report->until, cor_loop_now(all->hub->service->loop)) > 0 &&
           cor_map_get(all->newest, cor_view_of(report->key)) == report;
}

static void on_done(void *self, const void *body, const struct cor_err *err)
{
    struct report *report = self;
    struct reports *all = report->all;
    if (body == NULL && may_wait(report, err)) {
        cor_list_del(&report->link);
        cor_list_add(&all->waiting, &report->link);
        try_later(all);
        return;
    }
    hub_count(all->hub->books.reports, body != NULL && session_of(report) != NULL);
    if (body != NULL && session_of(report) != NULL) {
        reports_confirm(session_of(report), report->id);
    }
    if (body != NULL) {
        cor_backoff_reset(&all->backoff);
    }
    end(report);
}

static bool send(struct report *report)
{
    struct reports *all = report->all;
    struct hub *hub = all->hub;
    struct px_node_report body = {.node = cor_view_of(report->node),
                                  .device = cor_view_of(report->device),
                                  .kind = report->kind,
                                  .body = cor_buf_as_view(&report->body)};
    if (cor_call(hub->port, PX_node_report, &body, hub->limits.call_us, on_done, report) !=
        COR_OK) {
        return false;
    }
    cor_list_del(&report->link);
    cor_list_add(&all->sent, &report->link);
    return true;
}

static void send_waiting(void *self)
{
    struct reports *all = self;
    struct cor_bus *bus = all->hub->service->bus;
    struct cor_mono now = cor_loop_now(all->hub->service->loop);
    bool sent = true;
    while (sent && !cor_list_empty(&all->waiting)) {
        struct report *report = COR_LIST_OBJECT(all->waiting.next, struct report, link);
        if (session_of(report) == NULL || cor_mono_since(report->until, now) <= 0) {
            hub_count(all->hub->books.reports, false);
            end(report);
            continue;
        }
        cor_bus_set_cause(bus, report->cause);
        sent = send(report);
    }
    cor_bus_set_cause(bus, 0);
    if (!sent) {
        try_later(all);
    }
}

void reports_take(struct reports *reports, struct session *session, const char *id,
                  struct cor_view device, enum px_report kind, struct cor_view body)
{
    struct hub *hub = reports->hub;
    if (reports->bytes + body.len > BYTES_MAX) {
        hub->stats.up_dropped++;
        hub_count(hub->books.reports, false);
        return;
    }
    struct report *report = cor_alloc(sizeof(*report));
    report->all = reports;
    report->session = session->handle;
    report->id = cor_strdup(id);
    report->node = cor_strdup(session->node);
    report->key = cor_sprintf("%s/%.*s", session->node, COR_VIEW_ARG(device));
    report->device = report->key + strlen(session->node) + 1;
    report->kind = kind;
    report->until = cor_mono_add(cor_loop_now(hub->service->loop), hub->limits.call_us);
    report->cause = cor_bus_cause(hub->service->bus);
    cor_buf_view(&report->body, body);
    cor_list_init(&report->link);
    cor_map_set(reports->newest, cor_view_of(report->key), report);
    reports->count++;
    reports->bytes += body.len;
    session->calls++;
    bool first = cor_list_empty(&reports->waiting);
    cor_list_add(&reports->waiting, &report->link);
    if (first && !send(report)) {
        try_later(reports);
    }
}

void reports_again(struct reports *reports)
{
    cor_backoff_reset(&reports->backoff);
    cor_timer_start(reports->timer, 0);
}

size_t reports_count(const struct reports *reports)
{
    return reports->count;
}

struct reports *reports_new(struct hub *hub)
{
    struct reports *reports = cor_alloc(sizeof(*reports));
    reports->hub = hub;
    reports->newest = cor_map_new(NULL);
    reports->timer = cor_timer_new(hub->service->loop, send_waiting, reports);
    reports->backoff = (struct cor_backoff){.first_us = FIRST_US, .last_us = LAST_US};
    cor_list_init(&reports->waiting);
    cor_list_init(&reports->sent);
    return reports;
}

void reports_free(struct reports **reports)
{
    if (*reports != NULL) {
        COR_LIST_EACH (node, &(*reports)->waiting) {
            end(COR_LIST_OBJECT(node, struct report, link));
        }
        COR_LIST_EACH (node, &(*reports)->sent) {
            end(COR_LIST_OBJECT(node, struct report, link));
        }
        cor_timer_free(&(*reports)->timer);
        cor_map_free(&(*reports)->newest);
        cor_freep(reports);
    }
}
