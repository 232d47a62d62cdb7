// SPDX-License-Identifier: Apache-2.0
// The REST entrance: POST /NODE/NAMESPACE/PATH publishes on the node's broker by a rule from rest
// to eventbus. The client is the origin of the message: it hears 200 only when the broker has
// acknowledged it, so what has failed or is uncertain is repeated by the client, with the same
// Idempotency-Key. (KubeEdge says 200 as soon as the message is queued.)
#include <string.h>

#include "common/base/mem.h"
#include "match.h"
#include "router.h"

enum {
    OK = 200,
    BAD = 400,
    NOT_FOUND = 404,
    METHOD = 405,
    URI_LONG = 414,
    TOO_MANY = 429,
    UNAVAILABLE = 503,
    TIMEOUT = 504,
    BODY_MAX = 1 << 20, /* of proto's NODE_PUBLISH */
    KEY_MAX = 128,
    CONNECTIONS_MAX = 1000,
    IDLE_S = 60,
};

/* A publication under way. */
struct publication {
    struct ec_router *router;
    struct cor_exchange *exchange;
    char *node; /* owned */
    char *rule; /* owned: "ns/name" */
};

static void answer(struct cor_exchange *exchange, int status, const char *text)
{
    struct cor_buf body = {0};
    cor_buf_str(&body, text);
    if (status == METHOD) {
        cor_exchange_add_header(exchange, "Allow", "POST, PUT");
    } else if (status == TOO_MANY || status == UNAVAILABLE) {
        cor_exchange_add_header(exchange, "Retry-After", "1");
    }
    cor_exchange_reply(exchange, status, "text/plain; charset=utf-8", &body);
}

/* ---- how many are under way ---------------------------------------------------------------------
 */

struct count {
    unsigned running;
};

static struct count *count_of(struct ec_router *router, const char *node)
{
    struct count *count = cor_map_get(router->busy_nodes, cor_view_of(node));
    if (count == NULL) {
        count = cor_alloc(sizeof(*count));
        cor_map_set(router->busy_nodes, cor_view_of(node), count);
    }
    return count;
}

static bool is_busy(struct ec_router *router, const char *node)
{
    const struct ec_cfg *cfg = router->ec->cfg;
    const struct count *count = cor_map_get(router->busy_nodes, cor_view_of(node));
    return router->publishing >= (size_t)cfg->entrance_all ||
           (count != NULL && count->running >= (unsigned)cfg->entrance_per_node);
}

void ec_entrance_begin_one(struct ec_router *router, const char *node)
{
    router->publishing++;
    count_of(router, node)->running++;
}

void ec_entrance_end_one(struct ec_router *router, const char *node)
{
    struct count *count = count_of(router, node);
    router->publishing--;
    if (--count->running == 0) {
        (void)cor_map_del(router->busy_nodes, cor_view_of(node));
    }
}

/* ---- answers ------------------------------------------------------------------------------------
 */

static int status_of(enum cor_code code)
{
    static const struct {
        enum cor_code code;
        int status;
    } ROWS[] = {
        {COR_OK, OK},
        {COR_BUSY, TOO_MANY},
        {COR_NOTFOUND, UNAVAILABLE}, /* the node went meanwhile */
        {COR_RETRY, UNAVAILABLE},
        {COR_INVALID, BAD},
        {COR_TOOBIG, BAD},
        {COR_UNSUPPORTED, BAD},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].code == code) {
            return ROWS[i].status;
        }
    }
    return TIMEOUT; /* nobody knows whether it was published */
}

static void on_done(void *self, const void *body, const struct cor_err *err)
{
    struct publication *p = self;
    struct ec_router *router = p->router;
    const struct px_done *done = body;
    enum cor_code code = body == NULL ? err->code : done->dropped ? COR_INVALID : COR_OK;
    int status = status_of(code);
    struct ec_rule_entry *entry = cor_map_get(router->rules, cor_view_of(p->rule));
    auto_(cor_freep) char *why = cor_sprintf(
        "node %s: %s%s", p->node, body == NULL ? err->text : "its broker does not take it",
        status == TIMEOUT ? "; it may have been published: repeat it with the same Idempotency-Key"
                          : "");
    struct cor_ledger_counts *books = cor_ledger_account(router->ec->ledger, "rest-publications",
                                                         COR_LEDGER_ORIGIN, cor_view_of(p->node));
    ec_entrance_end_one(router, p->node);
    books->offered++;
    if (code == COR_OK) {
        books->accepted++;
        books->delivered++;
        router->stats.published++;
        answer(p->exchange, OK, "message delivered");
    } else {
        books->refused++;
        router->stats.publish_failed++;
        answer(p->exchange, status, why);
    }
    if (entry != NULL && code == COR_OK) {
        ec_rule_succeeded(entry, 1);
    } else if (entry != NULL && !router->stopping) {
        ec_rule_failed(entry, why);
    }
    cor_free(p->node);
    cor_free(p->rule);
    cor_free(p);
}

/* ---- requests -----------------------------------------------------------------------------------
 */

static const struct ec_rule_entry *rule_for(const struct ec_router *router, struct cor_view target)
{
    const struct ec_rule_entry *best = NULL;
    auto_(cor_freep) char *best_pattern = NULL;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(router->rules, &at, NULL, &value)) {
        const struct ec_rule_entry *entry = value;
        if (entry->rule.kind != EC_RULE_PUBLISH) {
            continue;
        }
        auto_(cor_freep) char *pattern = cor_sprintf("/%s/%s", entry->ns, entry->rule.path);
        if (ec_match(pattern, target) &&
            (best == NULL || ec_match_order(pattern, best_pattern) > 0)) {
            best = entry;
            cor_free(best_pattern);
            best_pattern = take(&pattern);
        }
    }
    return best;
}

static bool is_publishable(struct cor_view topic)
{
    return topic.len > 0 && topic.len <= EC_PATTERN_MAX && cor_view_is_utf8(topic) &&
           memchr(topic.ptr, '+', topic.len) == NULL && memchr(topic.ptr, '#', topic.len) == NULL;
}

static void publish(struct ec_router *router, struct cor_exchange *exchange, const char *node,
                    const struct ec_rule_entry *entry, const char *topic)
{
    const char *key = cor_exchange_header(exchange, "Idempotency-Key");
    struct publication *p = cor_alloc(sizeof(*p));
    p->router = router;
    p->exchange = exchange;
    p->node = cor_strdup(node);
    p->rule = cor_sprintf("%s/%s", entry->ns, entry->name);
    struct px_node_publish message = {.node = cor_view_of(node),
                                      .topic = cor_view_of(topic),
                                      .payload = cor_exchange_body(exchange),
                                      .idempotency = cor_view_of(key)};
    enum cor_code code = cor_call(router->ec->hub, PX_node_publish, &message,
                                  COR_MS(router->ec->cfg->entrance_timeout_ms), on_done, p);
    if (code == COR_OK) {
        ec_entrance_begin_one(router, node);
        return;
    }
    cor_free(p->node);
    cor_free(p->rule);
    cor_free(p);
    answer(exchange, code == COR_BUSY ? TOO_MANY : UNAVAILABLE,
           code == COR_BUSY ? "too many publications are under way" : "cloudhub is not there");
}

/* The request target as the client sent it. Returns owned. */
static char *target_of(const struct cor_exchange *exchange)
{
    struct cor_view query = cor_exchange_query(exchange);
    struct cor_buf target = {0};
    cor_buf_view(&target, cor_exchange_path(exchange));
    if (query.ptr != NULL) {
        cor_buf_str(&target, "?");
        cor_buf_view(&target, query);
    }
    return cor_buf_take(&target);
}

/* Why the request cannot be; NULL: it can. */
static const char *refusal(struct ec_router *router, const struct cor_exchange *exchange,
                           int *status_r)
{
    const char *method = cor_exchange_method(exchange);
    const char *key = cor_exchange_header(exchange, "Idempotency-Key");
    if (strcmp(method, "POST") != 0 && strcmp(method, "PUT") != 0) {
        *status_r = METHOD;
        return "messages are POSTed";
    }
    if (cor_exchange_path(exchange).len + cor_exchange_query(exchange).len >= EC_TARGET_MAX) {
        *status_r = URI_LONG;
        return "the request target is too long";
    }
    if (key != NULL && (strlen(key) > KEY_MAX || !cor_view_is_utf8(cor_view_of(key)))) {
        *status_r = BAD;
        return "Idempotency-Key: expected at most 128 bytes of UTF-8";
    }
    *status_r = UNAVAILABLE;
    return router->known ? NULL : "the cloud side is still starting";
}

static void on_request(void *self, struct cor_exchange *exchange)
{
    struct ec_router *router = self;
    int status = 0;
    const char *why = refusal(router, exchange, &status);
    if (why != NULL) {
        answer(exchange, status, why);
        return;
    }
    auto_(cor_freep) char *text = target_of(exchange);
    struct cor_view rest = cor_view_of(text);
    struct cor_view part = {0};
    const struct ec_rule_entry *entry = rule_for(router, rest);
    auto_(cor_freep) char *topic =
        entry == NULL ? NULL : ec_match_topic(entry->rule.topic, entry->rule.path, rest);
    if (topic == NULL) {
        answer(exchange, NOT_FOUND, "Request error: no rule for this path");
        return;
    }
    if (!is_publishable(cor_view_of(topic))) {
        answer(exchange, BAD, "the path makes no MQTT topic: it is too long, or has + or # in it");
        return;
    }
    (void)cor_view_split(&rest, '/', &part);
    (void)cor_view_split(&rest, '/', &part);
    auto_(cor_freep) char *node = cor_view_dup(part);
    if (is_busy(router, node)) {
        answer(exchange, TOO_MANY, "too many publications are under way");
    } else if (part.len > 0 && cor_map_get(router->ec->sessions, part) != NULL) {
        publish(router, exchange, node, entry, topic);
    } else if (!ec_forward(router, exchange, node, text)) {
        auto_(cor_freep) char *gone = cor_sprintf("node %s is not connected", node);
        answer(exchange, UNAVAILABLE, gone);
    }
}

enum cor_code ec_entrance_open(struct ec_router *router, struct cor_err *err)
{
    const struct ec_cfg *cfg = router->ec->cfg;
    if (!cfg->entrance) {
        return COR_OK;
    }
    bool v6 = strchr(cfg->entrance_address, ':') != NULL;
    auto_(cor_freep) char *address =
        cor_sprintf(v6 ? "[%s]:%d" : "%s:%d", cfg->entrance_address, (int)cfg->entrance_port);
    const char *const addresses[] = {address};
    struct cor_httpd_spec spec = {
        .addresses = addresses,
        .address_count = 1,
        .max_body = BODY_MAX,
        .max_connections = CONNECTIONS_MAX,
        .idle_s = IDLE_S,
        .handler = on_request,
        .self = router,
    };
    return cor_httpd_start(router->ec->service->loop, &spec, &router->entrance, err);
}

void ec_entrance_close(struct ec_router *router)
{
    ec_forwards_end(router);
    cor_httpd_free(&router->entrance);
}
