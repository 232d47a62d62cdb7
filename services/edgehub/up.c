// SPDX-License-Identifier: Apache-2.0
// From the node to the cloud.
#include <string.h>

#include "common/base/mem.h"
#include "hub.h"
#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/show.h"
#include "proto/status.h"
#include "relay.h"

static const struct px_kubeedge_way TO_CLOUD = {.from = "edgehub", .to = "cloudhub", .sent = true};

bool up_send(struct hub *hub, const struct px_kubeedge_out *out)
{
    char id[COR_UUID_LEN + 1];
    struct px_kubeedge_out whole = *out;
    if (whole.id == NULL) {
        uint64_t cause = cor_bus_cause(hub->service->bus);
        px_kubeedge_id_to_uuid(cause != 0 ? cause : cor_bus_next_id(hub->service->bus),
                               hub->nonce++, id);
        whole.id = id;
    }
    whole.timestamp = cor_wall_now().us / 1000;
    px_kubeedge_show_out(hub->service->bus, &TO_CLOUD, &whole);
    enum cor_code code = link_send(hub->link, &whole);
    hub->stats.up += code == COR_OK;
    return code == COR_OK;
}

bool up_ack(struct hub *hub, const char *parent, const char *source, const char *resource)
{
    struct px_kubeedge_out out = {.parent = parent,
                                  .source = source,
                                  .group = "resource",
                                  .operation = "response",
                                  .resource = resource,
                                  .content = COR_VIEW("\"OK\"")};
    bool sent = up_send(hub, &out);
    hub->stats.acked += sent;
    return sent;
}

/* edge/pkg/edgehub/process.go */
void up_keepalive(struct hub *hub)
{
    struct px_kubeedge_out out = {.source = "websocket",
                                  .group = "resource",
                                  .operation = "keepalive",
                                  .resource = "node",
                                  .content = COR_VIEW("\"ping\"")};
    (void)up_send(hub, &out);
}

/* ---- questions ---- */

static void fail(const struct ask *ask, enum cor_code code, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, code, "%s", text);
    cor_ticket_fail(&ask->ticket, &err);
}

static struct cor_ledger_counts *books_of(const struct hub *hub, enum ask_kind kind)
{
    return kind == ASK_REPORT ? hub->books.reports : hub->books.calls;
}

void up_answered(struct hub *hub, const struct ask *ask, bool well)
{
    struct cor_ledger_counts *books = books_of(hub, ask->kind);
    if (well) {
        cor_ledger_accept(books, 1, &books->delivered);
    } else {
        cor_ledger_refuse(books, 1);
    }
}

void up_link_lost(struct hub *hub)
{
    struct ask *ask = NULL;
    while ((ask = asks_expired(hub->asks, (struct cor_mono){0}, true)) != NULL) {
        fail(ask, COR_GONE, "the link to the cloud went down");
        up_answered(hub, ask, false);
        ask_free(&ask);
    }
    acks_clear(hub->acks);
}

void up_sweep(struct hub *hub)
{
    struct ask *ask = NULL;
    struct cor_mono now = cor_loop_now(hub->service->loop);
    while ((ask = asks_expired(hub->asks, now, false)) != NULL) {
        fail(ask, COR_TIMEOUT, "the cloud does not answer");
        up_answered(hub, ask, false);
        ask_free(&ask);
    }
    if (asks_count(hub->asks) == 0) {
        cor_timer_stop(hub->sweep);
    }
}

void up_remember(struct hub *hub, struct cor_in *in, enum ask_kind kind, struct cor_view key,
                 const char *id)
{
    struct cor_ticket ticket = cor_defer(in);
    if (!asks_add(hub->asks, id, kind, key, &ticket)) {
        struct ask refused = {.kind = kind, .ticket = ticket};
        fail(&refused, COR_BUSY, "too many questions to the cloud");
        up_answered(hub, &refused, false);
    } else if (!cor_timer_running(hub->sweep)) {
        cor_timer_repeat(hub->sweep, COR_SEC(1));
    }
}

/* Remembers the question under the message's id, and sends it. */
static enum cor_code ask(struct hub *hub, struct cor_in *in, enum ask_kind kind,
                         struct cor_view key, const struct px_kubeedge_out *out,
                         struct cor_err *err)
{
    char id[COR_UUID_LEN + 1];
    struct px_kubeedge_out asked = *out;
    px_kubeedge_id_to_uuid(in->head->id, hub->nonce++, id);
    asked.id = id;
    if (!up_send(hub, &asked)) {
        cor_ledger_refuse(books_of(hub, kind), 1);
        return cor_err_set(err, link_is_up(hub->link) ? COR_BUSY : COR_GONE,
                           link_is_up(hub->link) ? "too much waits to be sent to the cloud"
                                                 : "the link to the cloud is down");
    }
    up_remember(hub, in, kind, key, id);
    return COR_OK;
}

static void reply_status(struct cor_in *in, uint64_t status, const char *reason, const char *text)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    px_status(status, reason, text, &body);
    struct px_api_reply reply = {.status = status, .body = cor_buf_as_view(&body)};
    cor_reply(in, &reply);
}

/* A CloudCore that has our tunnel has written its own port into the Node, once: what edged reports
 * later is not to take it away. Appends the patch without; false: there is nothing to leave out. */
static bool leave_port(const struct hub *hub, const struct px_api_call *call, struct cor_buf *out)
{
    struct px_key key;
    auto_(cor_json_free) struct cor_json *patch = NULL;
    if (hub->edgestream == NULL || (enum px_verb)call->verb != PX_VERB_PATCH ||
        !px_key_parse(call->key, &key) ||
        !cor_view_starts(key.type, "node") || /* node, nodepatch */
        cor_json_parse(call->body, PX_KUBEEDGE_MAX, 0, &patch, NULL) != COR_OK ||
        cor_json_at(patch, "status.daemonEndpoints") == NULL) {
        return false;
    }
    cor_json_del(cor_json_get(patch, "status"), "daemonEndpoints");
    cor_json_write(patch, out);
    return true;
}

static enum cor_code on_api_call(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_api_call *call = body;
    const char *operation = NULL;
    auto_(cor_freep) char *resource = NULL;
    auto_(cor_buf_free) struct cor_buf content = {0};
    if (link_is_coracle(hub->link)) {
        return relay_lease(hub, in, call) ? COR_OK : relay_ask(hub, in, ASK_CALL, call->key, err);
    }
    auto_(cor_buf_free) struct cor_buf changed = {0};
    struct cor_view said = leave_port(hub, call, &changed) ? cor_buf_as_view(&changed) : call->body;
    if (!px_kubeedge_ask((enum px_verb)call->verb, call->key, said, &operation, &resource,
                         &content)) {
        reply_status(in, 501, "NotImplemented", "KubeEdge's link cannot ask this");
        return COR_OK;
    }
    struct px_kubeedge_out out = {.source = "edged",
                                  .group = "meta",
                                  .operation = operation,
                                  .resource = resource,
                                  .content = cor_buf_as_view(&content)};
    if (px_kubeedge_is_answered(call->key)) {
        return ask(hub, in, ASK_CALL, call->key, &out, err);
    }
    char id[COR_UUID_LEN + 1];
    px_kubeedge_id_to_uuid(in->head->id, hub->nonce++, id);
    out.id = id;
    if (!up_send(hub, &out)) {
        cor_ledger_refuse(hub->books.calls, 1);
        return cor_err_set(err, COR_GONE, "the link to the cloud is down");
    }
    struct px_api_reply reply = {.status = 200}; /* the cloud says nothing about events */
    cor_ledger_accept(hub->books.calls, 1, &hub->books.calls->delivered);
    cor_reply(in, &reply);
    return COR_OK;
}

/* Twins go as objects, states as strings: as EdgeCore does. */
static enum cor_code on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_device_report *report = body;
    if (link_is_coracle(hub->link)) {
        return relay_ask(hub, in, ASK_REPORT, report->device, err);
    }
    auto_(cor_buf_free) struct cor_buf content = {0};
    bool is_state = report->kind == PX_REPORT_STATE;
    auto_(cor_freep) char *resource = cor_sprintf("device/%.*s/%s", COR_VIEW_ARG(report->device),
                                                  is_state ? "state/update" : "twin/edge_updated");
    if (is_state) {
        px_kubeedge_quote(report->body, &content);
    } else {
        cor_buf_view(&content, report->body);
    }
    struct px_kubeedge_out out = {.source = "twin",
                                  .group = "resource",
                                  .operation = "update",
                                  .resource = resource,
                                  .content = cor_buf_as_view(&content)};
    return ask(hub, in, ASK_REPORT, report->device, &out, err);
}

/* ---- acknowledgements ---- */

struct confirmed {
    struct hub *hub;
    uint64_t sent;
};

static void send_ack(void *self, const struct ack *ack)
{
    struct confirmed *confirmed = self;
    confirmed->sent += up_ack(confirmed->hub, ack->id, ack->source, ack->key);
}

struct refusal {
    struct hub *hub;
    struct cor_view text;
};

/* CloudHub only logs this; ours lets the object rest. It is sent again either way. */
static void send_error(void *self, const struct ack *ack)
{
    struct refusal *refusal = self;
    auto_(cor_buf_free) struct cor_buf content = {0};
    px_kubeedge_quote(refusal->text, &content);
    struct px_kubeedge_out out = {.parent = ack->id,
                                  .source = "metamanager",
                                  .group = "resource",
                                  .operation = "error",
                                  .resource = ack->key,
                                  .content = cor_buf_as_view(&content)};
    if (up_send(refusal->hub, &out)) {
        cor_ledger_refuse(refusal->hub->books.objects, 1);
    }
}

/* Of what metamanager has confirmed the last one is stored, the others were replaced by it. */
void up_confirmed(struct hub *hub, uint64_t count)
{
    struct cor_ledger_counts *books = hub->books.objects;
    if (count > 0) {
        cor_ledger_accept(books, 1, &books->delivered);
        cor_ledger_accept(books, count - 1, &books->superseded);
    }
}

static enum cor_code on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_object_stored *stored = body;
    (void)in;
    (void)err;
    if (link_is_coracle(hub->link)) {
        relay_stored(hub, stored);
    } else if (stored->error.len == 0) {
        struct confirmed confirmed = {hub, 0};
        (void)acks_take(hub->acks, stored->key, stored->version, send_ack, &confirmed);
        up_confirmed(hub, confirmed.sent);
    } else {
        struct refusal refusal = {hub, stored->error};
        (void)acks_take(hub->acks, stored->key, stored->version, send_error, &refusal);
    }
    return COR_OK;
}

/* ---- uploads ---- */

/* The dialect does not acknowledge uploads: what is in the queue of a living connection counts as
 * with the cloud (docs/kubeedge-dialect.md). */
static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_upload *upload = body;
    auto_(cor_buf_free) struct cor_buf content = {0};
    auto_(cor_freep) char *topic = cor_view_dup(upload->topic);
    (void)err;
    px_kubeedge_quote(upload->payload.ptr == NULL ? COR_VIEW("") : upload->payload, &content);
    struct px_kubeedge_out out = {.source = "bus",
                                  .group = "user",
                                  .operation = "upload",
                                  .resource = topic,
                                  .content = cor_buf_as_view(&content)};
    cor_hop_received(hub->books.uploads, in->head->stream);
    /* After one that was missed none is taken: their order is the origin's. */
    if (hub->uploads_missed || !up_send(hub, &out)) {
        hub->uploads_missed = true;
        cor_hop_refused(hub->books.uploads, in->head->stream);
        return COR_OK;
    }
    hub->stats.uploads++;
    cor_hop_passed(hub->books.uploads, in->head->stream);
    cor_hop_confirmed(hub->books.uploads, in->head->stream, in->head->seq);
    if (in->head->stream != 0) {
        cor_commit(in->port, in->head->stream, in->head->seq);
        cor_hop_told(hub->books.uploads, in->head->stream, in->head->seq);
    }
    return COR_OK;
}

/* ---- ports ---- */

static void on_port_up(void *self, struct cor_port *port)
{
    hub_tell_link(self, port);
}

static void on_meta_up(void *self, struct cor_port *port)
{
    hub_tell_link(self, port);
    down_again(self);
    hub_begin(self);
}

static void on_twin_room(void *self, struct cor_port *port)
{
    (void)port;
    down_more_memberships(self);
}

static void on_twin_up(void *self, struct cor_port *port)
{
    hub_tell_link(self, port);
    down_tell_memberships(self);
}

/* The place of a stream is not kept here: the origin knows it. */
static uint64_t nothing_committed(void *self, struct cor_port *port,
                                  const struct cor_wire_open *open)
{
    struct hub *hub = self;
    (void)port;
    cor_hop_open(hub->books.uploads, open);
    return 0;
}

const struct cor_port_ops *up_meta_ops(void)
{
    static const struct cor_handler HANDLERS[] = {{PX_api_call, on_api_call},
                                                  {PX_object_stored, on_stored}};
    static const struct cor_port_ops OPS = {
        .up = on_meta_up, .handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};
    return &OPS;
}

const struct cor_port_ops *up_twin_ops(void)
{
    static const struct cor_handler HANDLERS[] = {{PX_device_report, on_report}};
    static const struct cor_port_ops OPS = {.up = on_twin_up,
                                            .room = on_twin_room,
                                            .handlers = HANDLERS,
                                            .handler_count = COR_COUNT(HANDLERS)};
    return &OPS;
}

const struct cor_port_ops *up_bus_ops(void)
{
    static const struct cor_handler HANDLERS[] = {{PX_upload, on_upload}};
    static const struct cor_port_ops OPS = {.up = on_port_up,
                                            .committed = nothing_committed,
                                            .handlers = HANDLERS,
                                            .handler_count = COR_COUNT(HANDLERS)};
    return &OPS;
}
