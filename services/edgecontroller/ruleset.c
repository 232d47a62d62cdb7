// SPDX-License-Identifier: Apache-2.0
// The rules of the API, and which of them serves which topic. Two rules for one topic of one node:
// the one that was made last serves, as in KubeEdge, whose router has one listener per topic.
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "router.h"

struct ec_rule_entry *ec_rules_upload(const struct ec_router *router, const char *node,
                                      const char *topic)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", node, topic);
    return cor_map_get(router->uploads, cor_view_of(key));
}

void ec_rule_entry_drop(void *self)
{
    struct ec_rule_entry *entry = self;
    cor_kube_cancel(&entry->call);
    cor_json_free(&entry->errors);
    cor_json_free(&entry->wrote);
    ec_rule_clear(&entry->rule);
    cor_free(entry->ns);
    cor_free(entry->name);
    cor_free(entry->made);
    cor_free(entry);
}

/* Whether the flow rests because of what the entry's target said. */
static bool rests_for(const struct ec_flow *flow, const struct ec_rule_entry *entry)
{
    const struct ec_upload *head = ec_flow_head(&flow->queue);
    return head != NULL && flow->timer != NULL && cor_timer_running(flow->timer) &&
           ec_rules_upload(flow->router, flow->node, head->topic) == entry;
}

/* Nothing of the flows may point to an entry that changes or goes. A request that is under way is
 * broken off: what waits goes by the rules as they are now. */
static void let_go(struct ec_router *router, const struct ec_rule_entry *entry)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(router->flows, &at, NULL, &value)) {
        struct ec_flow *flow = value;
        if (flow->entry == entry || rests_for(flow, entry)) {
            ec_target_give_up(flow);
        }
    }
}

static struct ec_rule_entry *entry_of(struct ec_router *router, const struct cor_json *json)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", ec_ns(json), ec_name(json));
    struct ec_rule_entry *entry = cor_map_get(router->rules, cor_view_of(key));
    const char *made = cor_json_str_at(json, "metadata.creationTimestamp", "");
    if (entry != NULL && strcmp(entry->made, made) == 0) {
        ec_rule_status_seen(entry, json);
        return entry;
    }
    if (entry != NULL) {
        let_go(router, entry); /* another rule of that name */
    }
    entry = cor_alloc(sizeof(*entry));
    entry->router = router;
    entry->ns = cor_strdup(ec_ns(json));
    entry->name = cor_strdup(ec_name(json));
    entry->made = cor_strdup(made);
    ec_rule_status_begin(entry, json);
    cor_map_set(router->rules, cor_view_of(key), entry);
    return entry;
}

static const struct cor_json *endpoint_of(struct ec *ec, const struct cor_json *json,
                                          const char *which)
{
    const char *name = cor_json_as_str(cor_json_get(cor_json_get(json, "spec"), which), "");
    return ec_get(ec, EC_ENDPOINTS, ec_ns(json), name);
}

static void read_rule(struct ec_router *router, const struct cor_json *json)
{
    struct ec_rule_entry *entry = entry_of(router, json);
    struct ec_rule now;
    entry->here = true;
    entry->winner = NULL;
    ec_rule_read(json, endpoint_of(router->ec, json, "source"),
                 endpoint_of(router->ec, json, "target"), &now);
    if (entry->rule.why != NULL && ec_rule_same(&entry->rule, &now)) {
        ec_rule_clear(&now);
        return;
    }
    let_go(router, entry);
    ec_rule_clear(&entry->rule);
    entry->rule = now;
}

static void forget_gone(struct ec_router *router)
{
    size_t at = 0;
    void *value = NULL;
    struct cor_view key;
    while (cor_map_next(router->rules, &at, &key, &value)) {
        struct ec_rule_entry *entry = value;
        if (!entry->here) {
            let_go(router, entry);
            (void)cor_map_del(router->rules, key);
        } else {
            entry->here = false;
        }
    }
}

/* Whether a was made after b. */
static bool is_younger(const struct ec_rule_entry *a, const struct ec_rule_entry *b)
{
    int order = strcmp(a->made, b->made);
    if (order == 0) {
        order = strcmp(a->ns, b->ns);
    }
    return order > 0 || (order == 0 && strcmp(a->name, b->name) > 0);
}

static void index_one(struct ec_router *router, struct ec_rule_entry *entry)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", entry->rule.node, entry->rule.topic);
    struct ec_rule_entry *other = cor_map_get(router->uploads, cor_view_of(key));
    if (other != NULL && is_younger(other, entry)) {
        entry->winner = other;
        return;
    }
    if (other != NULL) {
        other->winner = entry;
        let_go(router, other);
    }
    cor_map_set(router->uploads, cor_view_of(key), entry);
}

static void index_all(struct ec_router *router)
{
    size_t at = 0;
    void *value = NULL;
    cor_map_free(&router->uploads);
    router->uploads = cor_map_new(NULL);
    while (cor_map_next(router->rules, &at, NULL, &value)) {
        struct ec_rule_entry *entry = value;
        if (entry->rule.kind == EC_RULE_UPLOAD) {
            index_one(router, entry);
        }
    }
}

void ec_rules_rebuild(void *self)
{
    struct ec_router *router = self;
    struct ec *ec = router->ec;
    size_t at = 0;
    const struct cor_json *json = NULL;
    router->known = (ec->rules_absent || ec_is_synced(ec, EC_RULES)) &&
                    (ec->rules_absent || ec_is_synced(ec, EC_ENDPOINTS));
    if (!router->known) {
        return;
    }
    while ((json = ec_next(ec, EC_RULES, &at)) != NULL) {
        read_rule(router, json);
    }
    forget_gone(router);
    index_all(router);
    void *value = NULL;
    at = 0;
    while (cor_map_next(router->rules, &at, NULL, &value)) {
        ec_rule_status_changed(value);
    }
    ec_send_all_subscriptions(ec);
    ec_flows_look_again(router);
    ec_list_rest(ec);
}

void ec_rules_changed(struct ec_router *router)
{
    if (!cor_timer_running(router->rebuild)) {
        cor_timer_start(router->rebuild, 0);
    }
}

void ec_on_rule(void *self, enum cor_change change, struct cor_json *object, struct cor_json *old)
{
    struct ec *ec = self;
    /* Most changes of a rule are those of its status, which are our own or another replica's. */
    if (change != COR_CHANGED || ec_differs(object, old)) {
        ec_rules_changed(ec->router);
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", ec_ns(object), ec_name(object));
    struct ec_rule_entry *entry = cor_map_get(ec->router->rules, cor_view_of(key));
    if (entry != NULL) {
        ec_rule_status_seen(entry, object);
    }
}

void ec_on_endpoint(void *self, enum cor_change change, struct cor_json *object,
                    struct cor_json *old)
{
    struct ec *ec = self;
    (void)change;
    (void)object;
    (void)old;
    ec_rules_changed(ec->router);
}

void ec_on_rules_synced(void *self)
{
    ec_rules_changed(((struct ec *)self)->router);
}

/* The cluster has no such kinds: there are no rules. */
void ec_on_rules_absent(void *self)
{
    struct ec *ec = self;
    if (!ec->rules_absent) {
        ec->rules_absent = true;
        ec_rules_changed(ec->router);
    }
}

/* ---- what nodes have to subscribe to ------------------------------------------------------------
 */

static int by_text(const void *a, const void *b)
{
    const struct cor_view *x = a;
    const struct cor_view *y = b;
    return cor_view_cmp(*x, *y);
}

/* The topics of node, sorted; the array is owned, what it points to is the rules'. */
static struct cor_view *topics_of(const struct ec_router *router, const char *node, size_t *count_r)
{
    struct cor_view *topics = cor_calloc(cor_map_count(router->uploads) + 1, sizeof(*topics));
    size_t at = 0;
    void *value = NULL;
    *count_r = 0;
    while (cor_map_next(router->uploads, &at, NULL, &value)) {
        const struct ec_rule_entry *entry = value;
        if (strcmp(entry->rule.node, node) == 0) {
            topics[(*count_r)++] = cor_view_of(entry->rule.topic);
        }
    }
    qsort(topics, *count_r, sizeof(*topics), by_text);
    return topics;
}

void ec_send_subscriptions(struct ec *ec, struct ec_session *session, bool again)
{
    size_t count = 0;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (!ec->router->known) {
        return;
    }
    auto_(cor_freep) struct cor_view *topics = topics_of(ec->router, session->node, &count);
    for (size_t i = 0; i < count; i++) {
        cor_buf_fmt(&text, "%.*s\n", COR_VIEW_ARG(topics[i]));
    }
    if (!again && session->subscriptions != NULL &&
        cor_view_is(cor_buf_as_view(&text), session->subscriptions)) {
        return;
    }
    if (count > EC_TOPICS_MAX) {
        LOGE(ec->service->log, "controller.too-many-topics", "node=%s topics=%zu", session->node,
             count);
        count = EC_TOPICS_MAX;
    }
    struct px_node_subscriptions message = {.node = cor_view_of(session->node),
                                            .topics = {topics, count}};
    if (cor_send(ec->hub, PX_node_subscriptions, &message) == COR_BUSY) {
        session->behind = true;
        return;
    }
    cor_free(session->subscriptions);
    session->subscriptions = cor_buf_take(&text);
}

void ec_send_all_subscriptions(struct ec *ec)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(ec->sessions, &at, NULL, &value)) {
        ec_send_subscriptions(ec, value, false);
    }
}
