// SPDX-License-Identifier: Apache-2.0
// What the API of a node asks to read (NODE_ASK). The answer is the API server's, cut to what the
// node may read (reach.h). Lists are taken apart as they come and are bounded.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/path.h"
#include "edgecontroller.h"
#include "proto/status.h"
#include "reach.h"

enum { OK = 200, FORBIDDEN = 403, NOT_FOUND = 404, TOO_BIG = 413, BUSY = 429, UNAVAILABLE = 503 };

/* Of one answer; questions under way for all nodes; time for one (cloudhub waits 9 s). */
enum { ANSWER_MAX = 8 << 20, RUNNING_MAX = 256, ANSWER_US = 8 * 1000 * 1000 };

struct ask {
    struct ec *ec;
    struct cor_ticket ticket;
    char *node;                   /* owned */
    const struct ec_reach *reach; /* NULL: discovery */
    struct cor_buf items;         /* of a list, with commas */
    bool too_big;
};

static void ask_free(struct ask *ask)
{
    ask->ec->asking--;
    cor_buf_free(&ask->items);
    cor_free(ask->node);
    cor_free(ask);
}

/* ---- answers ---- */

static void fill_refusal(uint64_t code, const char *message, struct cor_buf *text)
{
    static const struct {
        uint64_t code;
        const char *reason;
    } REASONS[] = {{FORBIDDEN, "Forbidden"},
                   {NOT_FOUND, "NotFound"},
                   {TOO_BIG, "RequestEntityTooLarge"},
                   {BUSY, "TooManyRequests"},
                   {UNAVAILABLE, "ServiceUnavailable"}};
    const char *reason = "";
    for (size_t i = 0; i < COR_COUNT(REASONS); i++) {
        reason = REASONS[i].code == code ? REASONS[i].reason : reason;
    }
    px_status(code, reason, message, text);
}

static void refuse(struct cor_in *in, uint64_t code, const char *message)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    fill_refusal(code, message, &text);
    struct px_api_reply reply = {.status = code, .body = cor_buf_as_view(&text)};
    cor_reply(in, &reply);
}

/* Answers and ends it. */
static void end(struct ask *ask, uint64_t status, struct cor_view body)
{
    struct px_api_reply reply = {.status = status, .body = body};
    cor_ticket_reply(&ask->ticket, &reply);
    ask_free(ask);
}

static void fail(struct ask *ask, uint64_t code, const char *message)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    fill_refusal(code, message, &text);
    end(ask, code, cor_buf_as_view(&text));
}

static void end_with(struct ask *ask, uint64_t status, const struct cor_json *body)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(body, &text);
    if (text.len > ANSWER_MAX) {
        fail(ask, TOO_BIG, "the answer is too large");
    } else {
        end(ask, status, cor_buf_as_view(&text));
    }
}

/* What went wrong at the API server, in its own words if it had any. False: nothing. */
static bool failed(struct ask *ask, const struct cor_kube_response *response)
{
    if (response->code == COR_OK) {
        return false;
    }
    if (response->status == 0 || response->body == NULL) {
        fail(ask, UNAVAILABLE, response->text);
    } else {
        end_with(ask, (uint64_t)response->status, response->body);
    }
    return true;
}

/* /healthz and its like say a word, all others JSON. */
static void on_discovered(void *self, const struct cor_kube_response *response)
{
    struct ask *ask = self;
    if (failed(ask, response)) {
        return;
    }
    if (response->body == NULL) {
        end(ask, OK, COR_VIEW("ok"));
    } else {
        end_with(ask, OK, response->body);
    }
}

static void deny(struct ask *ask)
{
    ec_denied(ask->ec, cor_view_of(ask->node), cor_view_of(ask->reach->plural), "not its own");
    fail(ask, FORBIDDEN, "a node may only read what is its own");
}

static void on_got(void *self, const struct cor_kube_response *response)
{
    struct ask *ask = self;
    if (failed(ask, response)) {
        return;
    }
    if (response->body == NULL || !ec_reach_has(ask->reach, ask->ec, ask->node, response->body)) {
        deny(ask);
        return;
    }
    ec_reach_shape(ask->reach, response->body);
    end_with(ask, OK, response->body);
}

/* An item of a list. */
static void on_item(void *self, struct cor_view line)
{
    struct ask *ask = self;
    auto_(cor_json_free) struct cor_json *item = NULL;
    if (ask->too_big || cor_json_parse(line, COR_KUBE_LINE_MAX, 0, &item, NULL) != COR_OK ||
        !ec_reach_has(ask->reach, ask->ec, ask->node, item)) {
        return;
    }
    ec_reach_shape(ask->reach, item);
    cor_buf_str(&ask->items, ask->items.len == 0 ? "" : ",");
    cor_json_write(item, &ask->items);
    if (ask->items.len > ANSWER_MAX) {
        ask->too_big = true;
        cor_buf_free(&ask->items);
    }
}

static void on_listed(void *self, const struct cor_kube_response *response)
{
    struct ask *ask = self;
    if (failed(ask, response)) {
        return;
    }
    if (ask->too_big || response->body == NULL) {
        fail(ask, TOO_BIG, "the list is too large: ask for it in pages, with a limit");
        return;
    }
    auto_(cor_json_free) struct cor_json *list = cor_json_object();
    auto_(cor_buf_free) struct cor_buf head = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_set(list, "kind", cor_json_fmt("%sList", ask->reach->info.kind));
    cor_json_set(list, "apiVersion", cor_json_ref(cor_json_get(response->body, "apiVersion")));
    cor_json_set(list, "metadata", cor_json_ref(cor_json_get(response->body, "metadata")));
    cor_json_write(list, &head);
    cor_buf_add(&text, head.data, head.len - 1); /* without its closing brace */
    cor_buf_str(&text, ",\"items\":[");
    cor_buf_view(&text, cor_buf_as_view(&ask->items));
    cor_buf_str(&text, "]}");
    end(ask, OK, cor_buf_as_view(&text));
}

/* ---- questions ---- */

static struct ask *ask_new(struct ec *ec, struct cor_in *in, const struct px_node_ask *body,
                           const struct ec_reach *reach)
{
    struct ask *ask = cor_alloc(sizeof(*ask));
    ask->ec = ec;
    ask->ticket = cor_defer(in);
    ask->node = cor_view_dup(body->node);
    ask->reach = reach;
    ec->asking++;
    return ask;
}

/* "key=" and the text, percent-encoded, unless it is empty. */
static void add_query(struct cor_buf *path, const char *key, struct cor_view text)
{
    if (text.len > 0) {
        cor_buf_fmt(path, "%s%s=", memchr(path->data, '?', path->len) == NULL ? "?" : "&", key);
        cor_percent_encode(text, path);
    }
}

static void add_path(const struct px_node_ask *body, bool with_name, struct cor_buf *path)
{
    auto_(cor_freep) char *group_version = cor_view_dup(body->group_version);
    auto_(cor_freep) char *plural = cor_view_dup(body->plural);
    auto_(cor_freep) char *ns = cor_view_dup(body->ns);
    auto_(cor_freep) char *name = cor_view_dup(body->name);
    struct cor_kube_ref ref = {.group_version = group_version,
                               .ns = ns[0] == '\0' ? NULL : ns,
                               .plural = plural,
                               .name = with_name ? name : NULL};
    cor_kube_path(&ref, path);
}

static void discover(struct ec *ec, struct cor_in *in, const struct px_node_ask *body)
{
    struct ask *ask = ask_new(ec, in, body, NULL);
    auto_(cor_freep) char *path = cor_view_dup(body->path);
    struct cor_kube_request request = {.method = "GET", .path = path, .timeout_us = ANSWER_US};
    (void)cor_kube_send(ec->kube, &request, on_discovered, ask);
}

/* What a key alone says about whose it is: so that nobody learns what others have. */
static bool may_be_own(const struct ec *ec, const struct px_node_ask *body,
                       const struct ec_reach *reach)
{
    auto_(cor_json_free) struct cor_json *object = cor_json_object();
    auto_(cor_freep) char *node = cor_view_dup(body->node);
    cor_json_set_at(object, "metadata.namespace", cor_json_view(body->ns));
    cor_json_set_at(object, "metadata.name", cor_json_view(body->name));
    return !reach->by_name || ec_reach_has(reach, ec, node, object);
}

static void get(struct ec *ec, struct cor_in *in, const struct px_node_ask *body,
                const struct ec_reach *reach)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    struct ask *ask = ask_new(ec, in, body, reach);
    if (body->name.len == 0 || !may_be_own(ec, body, reach)) {
        deny(ask);
        return;
    }
    add_path(body, true, &path);
    struct cor_kube_request request = {.method = "GET", .path = path.data, .timeout_us = ANSWER_US};
    (void)cor_kube_send(ec->kube, &request, on_got, ask);
}

static void list(struct ec *ec, struct cor_in *in, const struct px_node_ask *body,
                 const struct ec_reach *reach)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf fields = {0};
    auto_(cor_buf_free) struct cor_buf limit = {0};
    struct ask *ask = ask_new(ec, in, body, reach);
    add_path(body, false, &path);
    cor_buf_view(&fields, body->fields);
    if (reach->fields != NULL) {
        cor_buf_fmt(&fields, "%s%s=%s", fields.len == 0 ? "" : ",", reach->fields, ask->node);
    }
    if (body->limit > 0 && body->limit <= INT32_MAX) {
        cor_buf_fmt(&limit, "%" PRIu64, body->limit);
    }
    add_query(&path, "labelSelector", body->labels);
    add_query(&path, "fieldSelector", cor_buf_as_view(&fields));
    add_query(&path, "limit", cor_buf_as_view(&limit));
    add_query(&path, "continue", body->more);
    struct cor_kube_request request = {.method = "GET", .path = path.data, .timeout_us = ANSWER_US};
    (void)cor_kube_list(ec->kube, &request, on_item, on_listed, ask);
}

/* Whether it may watch; then NODE_WATCHES says what. */
static void watch(struct cor_in *in)
{
    struct px_api_reply reply = {.status = OK};
    cor_reply(in, &reply);
}

enum cor_code ec_on_ask(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    const struct px_node_ask *message = body;
    const struct ec_reach *reach = ec_reach_of(message->group_version, message->plural);
    bool is_get = message->verb == PX_VERB_GET;
    ec->calls++;
    if (!is_get && message->verb != PX_VERB_LIST && message->verb != PX_VERB_WATCH) {
        return cor_err_set(err, COR_UNSUPPORTED, "verb %" PRIu64, message->verb);
    }
    if (!ec_is_synced(ec, EC_PODS)) {
        refuse(in, UNAVAILABLE, "the cloud side is still starting");
    } else if (ec->asking >= RUNNING_MAX) {
        refuse(in, BUSY, "nodes ask too much at once");
    } else if (message->path.len > 0) {
        discover(ec, in, message);
    } else if (reach == NULL || (!is_get && !reach->lists)) {
        ec_denied(ec, message->node, message->plural, "nothing that a node may read");
        refuse(in, FORBIDDEN, "a node may not read this");
    } else if (is_get) {
        get(ec, in, message, reach);
    } else if (message->verb == PX_VERB_LIST) {
        list(ec, in, message, reach);
    } else {
        watch(in);
    }
    return COR_OK;
}
