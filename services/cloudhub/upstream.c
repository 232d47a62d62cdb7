// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <string.h>

#include "apps.h"
#include "common/base/mem.h"
#include "hub.h"
#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/rules.h"
#include "proto/status.h"
#include "reports.h"

/* Calls of one node that may be under way: EdgeCore itself makes a few at once. */
enum { CALLS_MAX = 256 };

/* A question of a node that the controller answers. */
struct question {
    struct hub *hub;
    cor_handle session;
    char *id;
    char *operation;
    char *resource;
};

static struct question *question_new(struct session *session, const struct px_kubeedge_in *in)
{
    struct question *question = cor_alloc(sizeof(*question));
    question->hub = session->hub;
    question->session = session->handle;
    question->id = cor_strdup(in->id);
    question->operation = cor_strdup(in->operation);
    question->resource = cor_strdup(in->resource);
    return question;
}

static void question_free(struct question **question)
{
    if (*question != NULL) {
        cor_free((*question)->id);
        cor_free((*question)->operation);
        cor_free((*question)->resource);
        cor_freep(question);
    }
}

void upstream_denied(struct session *session, const char *event, struct cor_view what)
{
    struct hub *hub = session->hub;
    uint64_t unsaid = 0;
    hub->stats.denied++;
    if (cor_log_limit(&session->audit, cor_loop_now(hub->service->loop), &unsaid)) {
        LOGW(hub->service->log, event, "node=%s about=%s unsaid=%" PRIu64, session->node,
             cor_log_esc(what), unsaid);
    }
}

static void drop(struct session *session, const struct px_kubeedge_in *in)
{
    session->hub->stats.up_dropped++;
    LOGD(session->hub->service->log, "hub.message.dropped", "node=%s resource=%s", session->node,
         cor_log_esc(cor_view_of(in->resource)));
}

static void keepalive(struct session *session, const struct px_kubeedge_in *in)
{
    (void)in;
    session->alive = cor_loop_now(session->hub->service->loop);
}

/* The transport of KubeEdge answers these words itself (pkg/viaduct/pkg/conn/ws.go). */
static void control(struct session *session, const struct px_kubeedge_in *in)
{
    struct px_kubeedge_out out = {.parent = in->id,
                                  .source = in->source,
                                  .group = in->group,
                                  .operation = "response",
                                  .resource = in->resource,
                                  .content = COR_VIEW("\"ack\"")};
    session_write(session, &out);
}

static void ack(struct session *session, const struct px_kubeedge_in *in)
{
    const struct outbox_item *item = outbox_flying_with(session->outbox, cor_view_of(in->parent));
    if (item != NULL) {
        hub_tell_stored(session->hub, session, item);
        (void)outbox_acked(session->outbox, cor_view_of(in->parent));
        session->hub->stats.acked++;
        session_pump(session);
    }
}

static void error(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    px_kubeedge_bytes(in->content, &text);
    LOGW(session->hub->service->log, "hub.node.error", "node=%s resource=%s text=%s", session->node,
         cor_log_esc(cor_view_of(in->resource)), cor_log_esc(cor_buf_as_view(&text)));
    if (outbox_failed(session->outbox, cor_view_of(in->parent),
                      cor_loop_now(session->hub->service->loop))) {
        session_pump(session);
    }
}

static void upload(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf payload = {0};
    px_kubeedge_bytes(in->content, &payload);
    struct px_node_upload body = {.node = cor_view_of(session->node),
                                  .topic = cor_view_of(in->resource),
                                  .payload = cor_buf_as_view(&payload)};
    struct cor_ledger_counts *books = session->hub->books.uploads_kubeedge;
    session->hub->stats.uploads++;
    books->received++;
    if (cor_send(session->hub->port, PX_node_upload, &body) == COR_OK) {
        books->passed++;
        cor_ledger_accept(books, 1, &books->delivered);
    } else {
        session->hub->stats.up_dropped++; /* the dialect has no answer to an upload */
        cor_ledger_accept(books, 1, &books->dropped);
    }
}

static void api_ca(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf content = {0};
    px_kubeedge_quote(cor_view_of(session->hub->ca_pem == NULL ? "" : session->hub->ca_pem),
                      &content);
    struct px_kubeedge_out out = {.parent = in->id,
                                  .source = "cloudhub",
                                  .group = "resource",
                                  .operation = "response",
                                  .resource = in->resource,
                                  .content = cor_buf_as_view(&content)};
    session_write(session, &out);
}

static void forged(struct session *session, const struct px_kubeedge_in *in)
{
    upstream_denied(session, "hub.message.forged", cor_view_of(in->source));
    drop(session, in);
}

/* ---- devices ---- */

static bool report_of(const char *resource, struct cor_view *device_r, enum px_report *kind_r)
{
    static const struct {
        const char *end;
        enum px_report kind;
    } rows[] = {{"/twin/edge_updated", PX_REPORT_TWIN}, {"/state/update", PX_REPORT_STATE}};
    struct cor_view view = cor_view_of(resource);
    static const char start[] = "device/";
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        size_t cut = sizeof(start) - 1 + strlen(rows[i].end);
        if (cor_view_starts(view, start) && cor_view_ends(view, rows[i].end) && view.len > cut) {
            *device_r = (struct cor_view){view.ptr + sizeof(start) - 1, view.len - cut};
            *kind_r = rows[i].kind;
            return memchr(device_r->ptr, '/', device_r->len) != NULL;
        }
    }
    return false;
}

static void device_said(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    struct cor_view device;
    enum px_report kind = PX_REPORT_TWIN;
    if (strcmp(in->resource, "membership/detail") == 0) {
        reports_confirm(session, in->id); /* ends EdgeCore's asking; all devices were sent */
        return;
    }
    if (!report_of(in->resource, &device, &kind) || session->calls >= CALLS_MAX) {
        drop(session, in);
        return;
    }
    px_kubeedge_bytes(in->content, &bytes);
    session->hub->stats.reports++;
    reports_take(session->hub->reports, session, in->id, device, kind, cor_buf_as_view(&bytes));
}

/* ---- calls ---- */

static void answer(struct session *session, const struct question *question,
                   const struct px_kubeedge_answer *given, struct cor_view version)
{
    auto_(cor_buf_free) struct cor_buf content = {0};
    auto_(cor_freep) char *text = cor_view_dup(version);
    bool is_ok = false;
    bool is_error = false;
    px_kubeedge_answer(question->operation, question->resource, given, &content, &is_ok, &is_error);
    struct px_kubeedge_out out = {.parent = question->id,
                                  .version = text,
                                  .source = "edgecontroller",
                                  .group = "resource",
                                  .operation = "response",
                                  .resource = question->resource,
                                  .content = cor_buf_as_view(&content)};
    session_write(session, &out);
}

static void answer_failure(struct session *session, const struct question *question,
                           uint64_t status, const char *reason, const char *message)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    px_status(status, reason, message, &body);
    struct px_kubeedge_answer given = {status, cor_buf_as_view(&body)};
    answer(session, question, &given, (struct cor_view){0});
}

static void on_answer(void *self, const void *body, const struct cor_err *err)
{
    auto_(question_free) struct question *question = self;
    struct session *session = cor_pool_get(question->hub->handles, question->session);
    const struct px_api_reply *reply = body;
    hub_count(question->hub->books.calls, session != NULL && reply != NULL);
    if (session == NULL) {
        return;
    }
    session->calls--;
    if (strstr(question->resource, "/event/") != NULL) {
        return; /* KubeEdge does not answer these */
    }
    if (reply != NULL) {
        struct px_kubeedge_answer given = {reply->status, reply->body};
        answer(session, question, &given, reply->version);
    } else if (err->code == COR_DENIED) {
        answer_failure(session, question, 403, "Forbidden", err->text);
    } else {
        answer_failure(session, question, 503, "ServiceUnavailable", err->text);
    }
}

bool upstream_is_foreign(const struct session *session, struct cor_view key)
{
    struct px_key parts;
    if (!px_key_parse(key, &parts)) {
        return true;
    }
    bool about_nodes = cor_view_is(parts.type, "node") || cor_view_is(parts.type, "lease");
    bool lease_elsewhere =
        cor_view_is(parts.type, "lease") && !cor_view_is(parts.ns, "kube-node-lease");
    return about_nodes && (lease_elsewhere || !cor_view_is(parts.name, session->node));
}

static void edge(struct session *session, const struct px_kubeedge_in *in)
{
    auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
    if (!px_kubeedge_asked(in, &call)) {
        drop(session, in);
        return;
    }
    auto_(question_free) struct question *question = question_new(session, in);
    if (upstream_is_foreign(session, cor_view_of(call.key))) {
        upstream_denied(session, "hub.call.forbidden", cor_view_of(call.key));
        hub_count(session->hub->books.calls, false);
        answer_failure(session, question, 403, "Forbidden", "a node may act for itself only");
        return;
    }
    struct px_node_call body = {.node = cor_view_of(session->node),
                                .verb = call.verb,
                                .key = cor_view_of(call.key),
                                .patch = call.verb == PX_VERB_PATCH ? call.patch : 0,
                                .body = cor_buf_as_view(&call.body)};
    session->hub->stats.calls++;
    if (session->calls >= CALLS_MAX ||
        cor_call(session->hub->port, PX_node_call, &body, session->hub->limits.call_us, on_answer,
                 question) != COR_OK) {
        hub_count(session->hub->books.calls, false);
        answer_failure(session, question, 503, "ServiceUnavailable", "the controller is not there");
        return;
    }
    session->calls++;
    (void)take(&question);
}

static void (*const HANDLERS[])(struct session *session, const struct px_kubeedge_in *in) = {
    [PX_UP_KEEPALIVE] = keepalive, [PX_UP_CONTROL] = control,
    [PX_UP_VOLUME] = drop,         [PX_UP_ACK] = ack,
    [PX_UP_ERROR] = error,         [PX_UP_UPLOAD] = upload,
    [PX_UP_TASK] = drop,           [PX_UP_CA] = api_ca,
    [PX_UP_FORGED] = forged,       [PX_UP_DYNAMIC] = apps_take,
    [PX_UP_DEVICE] = device_said,  [PX_UP_EDGE] = edge,
};

void upstream_take(struct session *session, const struct px_kubeedge_in *in)
{
    HANDLERS[px_kubeedge_up(in)](session, in);
}
