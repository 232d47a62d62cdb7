// SPDX-License-Identifier: Apache-2.0
// What the controller's rules want of a node: publications on its broker, and topics of it. A
// KubeEdge node is told as CloudCore's router does (cloud/pkg/router/provider/eventbus).
#include "common/base/mem.h"
#include "coracle.h"
#include "proto/kubeedge/message.h"

static void say(struct session *session, const char *operation, struct cor_view topic,
                struct cor_view content)
{
    auto_(cor_freep) char *resource = cor_view_dup(topic);
    struct px_kubeedge_out out = {.source = "router_eventbus",
                                  .group = "user",
                                  .operation = operation,
                                  .resource = resource,
                                  .content = content};
    session_write(session, &out);
}

/* An EdgeCore does not answer: it is done when it is in the connection's queue. */
static void publish_kubeedge(struct session *session, struct cor_in *in,
                             const struct px_node_publish *publish)
{
    auto_(cor_buf_free) struct cor_buf content = {0};
    struct px_done done = {0};
    px_kubeedge_quote(publish->payload.ptr == NULL ? COR_VIEW("") : publish->payload, &content);
    say(session, "publish", publish->topic, cor_buf_as_view(&content));
    hub_count(session->hub->books.publications, true);
    cor_reply(in, &done);
}

enum cor_code rules_publish(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_node_publish *publish = body;
    struct session *session = cor_map_get(hub->sessions, publish->node);
    if (session == NULL) {
        hub_count(hub->books.publications, false);
        return cor_err_set(err, COR_GONE, "node %s is not connected", cor_log_esc(publish->node));
    }
    if (session->coracle == NULL) {
        publish_kubeedge(session, in, publish);
        return COR_OK;
    }
    struct px_publish down = {
        .topic = publish->topic, .payload = publish->payload, .idempotency = publish->idempotency};
    enum cor_code code = coracle_publish(session->coracle, in, &down);
    if (code != COR_OK) {
        hub_count(hub->books.publications, false);
    }
    return code == COR_OK ? COR_OK
                          : cor_err_set(err, code == COR_BUSY ? COR_BUSY : COR_GONE, "node %s: %s",
                                        cor_log_esc(publish->node), cor_code_name(code));
}

static bool wants(const struct cor_views *topics, struct cor_view topic)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (cor_view_eq(topics->items[i], topic)) {
            return true;
        }
    }
    return false;
}

/* Only what has changed: an EdgeCore keeps its topics, and loses none by itself. */
static void subscribe_kubeedge(struct session *session, const struct cor_views *topics)
{
    size_t at = 0;
    struct cor_view topic;
    if (session->topics == NULL) {
        session->topics = cor_map_new(NULL);
    }
    while (cor_map_next(session->topics, &at, &topic, NULL)) {
        if (!wants(topics, topic)) {
            say(session, "unsubscribe", topic, COR_VIEW("null"));
            (void)cor_map_del(session->topics, topic);
        }
    }
    for (size_t i = 0; i < topics->count; i++) {
        if (cor_map_get(session->topics, topics->items[i]) == NULL) {
            say(session, "subscribe", topics->items[i], COR_VIEW("null"));
            cor_map_set(session->topics, topics->items[i], session);
        }
    }
}

enum cor_code rules_subscriptions(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_node_subscriptions *wanted = body;
    struct session *session = cor_map_get(hub->sessions, wanted->node);
    if (session == NULL) {
        return COR_OK; /* the controller says it again when the node comes */
    }
    session_enter(session);
    if (session->coracle == NULL) {
        subscribe_kubeedge(session, &wanted->topics);
    } else {
        struct cor_wire_header head = {.number = PX_subscriptions, .cause = in->head->id};
        struct px_subscriptions down = {.key = COR_VIEW("all"), .topics = wanted->topics};
        if (coracle_put(session->coracle, &head, &down) != COR_OK) {
            session_close(session, "the node does not take what is sent");
        }
    }
    (void)session_leave(session);
    (void)err;
    return COR_OK;
}
