// SPDX-License-Identifier: Apache-2.0
#include "metrics.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "kubelet.h"
#include "meta.h"
#include "plan.h"
#include "proxy.h"
#include "sample.h"

enum {
    FRESH_US = 15 * 1000000, /* metric-resolution of metrics-server */
    OLD_US = 120 * 1000000,  /* a sample before that is no use for a rate */
    AGAIN_US = 1000000,      /* between two samples when there was none to compare with */
    TIMEOUT_US = 5 * 1000000,
    ANSWER_MAX = 4 << 20,
};

/* What is known of one node. */
struct node {
    struct cor_link link;
    struct kl_metrics *metrics;
    char *name;
    struct kl_sample before, now;
    struct cor_mono taken; /* when now was */
    struct cor_http_call *call;
    bool alone; /* now has nothing to compare with: once more */
    bool seen;  /* the Node is there */
};

/* A request that waits for the nodes. */
struct ask {
    struct cor_link link;
    struct kl_request *request;
    struct kl_selector *selector; /* owned; NULL: all */
};

struct kl_metrics {
    struct kl_api *api;
    struct cor_link nodes;
    struct cor_link asks;
    struct cor_timer *again;
    unsigned busy; /* nodes that are being asked, or will be once more */
};

/* ---- answers ------------------------------------------------------------------------------------
 */

static struct node *node_named(struct kl_metrics *metrics, const char *name)
{
    COR_LIST_EACH (at, &metrics->nodes) {
        struct node *node = COR_LIST_OBJECT(at, struct node, link);
        if (strcmp(node->name, name) == 0) {
            return node;
        }
    }
    return NULL;
}

/* The node, if what is known of it is not old; else NULL. */
static const struct node *known(struct kl_metrics *metrics, const char *name)
{
    const struct node *node = node_named(metrics, name);
    return node != NULL && cor_mono_since(cor_mono_now(), node->taken) < OLD_US ? node : NULL;
}

/* What both kinds of objects begin with. */
static struct cor_json *begin_object(const struct kl_kind *kind, const struct cor_json *of,
                                     const struct kl_use *before, const struct kl_use *now)
{
    char time[COR_RFC3339_SIZE];
    struct cor_json *object = cor_json_object();
    struct cor_json *meta = cor_json_object();
    kl_set_type(kind, object);
    cor_json_set(meta, "name", cor_json_str(kl_meta_str(of, "name")));
    if (kind->namespaced) {
        cor_json_set(meta, "namespace", cor_json_str(kl_meta_str(of, "namespace")));
    }
    cor_wall_format(cor_wall_now(), time);
    cor_json_set(meta, "creationTimestamp", cor_json_str(time));
    cor_json_set(meta, "labels", cor_json_copy(cor_json_at(of, "metadata.labels")));
    cor_json_set(object, "metadata", meta);
    cor_wall_format(now->at, time);
    cor_json_set(object, "timestamp", cor_json_str(time));
    cor_json_set(object, "window",
                 cor_json_fmt("%.3fs", (double)(now->at.us - before->at.us) / 1e6));
    return object;
}

/* NodeMetrics of a Node; NULL: not known. Returns owned. */
static struct cor_json *node_object(struct kl_metrics *metrics, const struct kl_kind *kind,
                                    const struct cor_json *of)
{
    const struct node *node = known(metrics, kl_meta_str(of, "name"));
    struct cor_json *usage = node == NULL ? NULL : kl_usage(&node->before.node, &node->now.node);
    if (usage == NULL) {
        return NULL;
    }
    struct cor_json *object = begin_object(kind, of, &node->before.node, &node->now.node);
    cor_json_set(object, "usage", usage);
    return object;
}

/* PodMetrics of a Pod; NULL: not known of all of its containers. Returns owned. */
static struct cor_json *pod_object(struct kl_metrics *metrics, const struct kl_kind *kind,
                                   const struct cor_json *of)
{
    const struct cor_json *specs = cor_json_at(of, "spec.containers");
    const struct node *node = known(metrics, cor_json_str_at(of, "spec.nodeName", ""));
    auto_(cor_json_free) struct cor_json *containers = cor_json_array();
    struct cor_json *object = NULL;
    for (size_t i = 0; node != NULL && i < cor_json_count(specs); i++) {
        const char *name = cor_json_str_at(cor_json_item(specs, i), "name", "");
        const char *ns = kl_meta_str(of, "namespace");
        const char *pod = kl_meta_str(of, "name");
        const struct kl_use *before = kl_sample_find(&node->before, ns, pod, name);
        const struct kl_use *now = kl_sample_find(&node->now, ns, pod, name);
        struct cor_json *usage = kl_usage(before, now);
        if (usage == NULL) {
            cor_json_free(&object);
            return NULL;
        }
        struct cor_json *one = cor_json_object();
        cor_json_set(one, "name", cor_json_str(name));
        cor_json_set(one, "usage", usage);
        cor_json_add(containers, one);
        if (object == NULL) {
            object = begin_object(kind, of, before, now);
        }
    }
    if (object != NULL) {
        cor_json_set(object, "containers", take(&containers));
    }
    return object;
}

static struct cor_json *object_of(struct kl_metrics *metrics, const struct kl_kind *kind,
                                  const struct cor_json *of)
{
    return kind->namespaced ? pod_object(metrics, kind, of) : node_object(metrics, kind, of);
}

/* The stored kind that a kind of metrics is about. */
static const struct kl_kind *subject(const struct kl_kind *kind)
{
    return kl_builtin(kind->namespaced ? KL_POD : KL_NODE);
}

static void answer_one(struct kl_metrics *metrics, struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    auto_(cor_json_free) struct cor_json *of =
        kl_storage_look(metrics->api->storage, subject(route->kind), route->ns, route->name);
    auto_(cor_json_free) struct cor_json *object =
        of == NULL ? NULL : object_of(metrics, route->kind, of);
    if (object == NULL) {
        auto_(kl_fail_free) struct kl_fail fail = {0};
        (void)kl_fail_notfound(&fail, route->kind, route->name);
        kl_reply_fail(request, &fail);
        return;
    }
    kl_reply(request, 200, NULL, object);
}

static void answer_list(struct kl_metrics *metrics, struct ask *ask)
{
    struct kl_request *request = ask->request;
    const struct kl_kind *kind = request->route.kind;
    auto_(cor_json_free) struct cor_json *all =
        kl_storage_objects(metrics->api->storage, subject(kind), request->route.ns);
    auto_(cor_json_free) struct cor_json *list = cor_json_object();
    struct cor_json *items = cor_json_array();
    kl_set_type(kind, list);
    cor_json_set(list, "kind", cor_json_str(kind->list_kind));
    cor_json_set(list, "metadata", cor_json_object());
    cor_json_set(list, "items", items);
    for (size_t i = 0; i < cor_json_count(all); i++) {
        const struct cor_json *of = cor_json_item(all, i);
        struct cor_json *object = ask->selector != NULL && !kl_selector_matches(ask->selector, of)
                                      ? NULL
                                      : object_of(metrics, kind, of);
        if (object != NULL) {
            cor_json_add(items, object);
        }
    }
    kl_reply(request, 200, NULL, list);
}

static void ask_free(struct ask *ask)
{
    cor_list_del(&ask->link);
    kl_selector_free(&ask->selector);
    cor_free(ask);
}

static void answer_all(struct kl_metrics *metrics)
{
    COR_LIST_EACH (at, &metrics->asks) {
        struct ask *ask = COR_LIST_OBJECT(at, struct ask, link);
        if (ask->request->route.name != NULL) {
            answer_one(metrics, ask->request);
        } else {
            answer_list(metrics, ask);
        }
        ask_free(ask);
    }
}

/* ---- samples ------------------------------------------------------------------------------------
 */

static void node_over(struct node *node)
{
    struct kl_metrics *metrics = node->metrics;
    if (--metrics->busy == 0) {
        answer_all(metrics);
    }
}

static void on_sample(void *self, const struct cor_http_response *response)
{
    struct node *node = self;
    node->call = NULL;
    if (response->code != COR_OK || response->status != 200) {
        LOGD(node->metrics->api->log, "metrics.missing", "node=%s status=%d error=%s", node->name,
             response->status, cor_log_esc(cor_view_of(response->text)));
        node_over(node);
        return;
    }
    bool first = node->taken.us == 0 || cor_mono_since(cor_mono_now(), node->taken) > OLD_US;
    kl_sample_free(&node->before);
    node->before = node->now;
    node->now = (struct kl_sample){0};
    node->taken = cor_mono_now();
    kl_sample_read(&node->now, response->body, cor_wall_now());
    if (first) {
        node->alone = true;
        if (!cor_timer_running(node->metrics->again)) {
            cor_timer_start(node->metrics->again, AGAIN_US);
        }
        return;
    }
    node_over(node);
}

/* Asks the kubelet of a Node; false: where it is is not known. */
static bool fetch(struct node *node, const struct cor_json *of)
{
    static const char *const headers[] = {"Accept: text/plain;version=0.0.4", NULL};
    struct kl_api *api = node->metrics->api;
    auto_(cor_buf_free) struct cor_buf host = {0};
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (kl_kubelet_host(of, api->address_types, &host, &fail) != COR_OK) {
        return false;
    }
    auto_(cor_freep) char *url = cor_sprintf("https://%s/metrics/resource", host.data);
    struct cor_http_request request = {.method = "GET",
                                       .url = url,
                                       .headers = headers,
                                       .timeout_us = TIMEOUT_US,
                                       .max_answer = ANSWER_MAX,
                                       .keep = ANSWER_MAX};
    node->call = cor_http_send(kl_proxies_http(api->proxies), &request, on_sample, node);
    return true;
}

static void on_again(void *self)
{
    struct kl_metrics *metrics = self;
    COR_LIST_EACH (at, &metrics->nodes) {
        struct node *node = COR_LIST_OBJECT(at, struct node, link);
        if (!node->alone) {
            continue;
        }
        node->alone = false;
        auto_(cor_json_free) struct cor_json *of =
            kl_storage_look(metrics->api->storage, kl_builtin(KL_NODE), NULL, node->name);
        if (of == NULL || !fetch(node, of)) {
            node_over(node);
        }
    }
}

static bool is_ready(const struct cor_json *of)
{
    const struct cor_json *ready = kl_condition(of, "Ready");
    return strcmp(cor_json_str_at(ready, "status", ""), "True") == 0;
}

static void node_free(struct node *node)
{
    cor_list_del(&node->link);
    cor_http_cancel(&node->call);
    kl_sample_free(&node->before);
    kl_sample_free(&node->now);
    cor_free(node->name);
    cor_free(node);
}

static struct node *node_of(struct kl_metrics *metrics, const char *name)
{
    struct node *node = node_named(metrics, name);
    if (node == NULL) {
        node = cor_alloc(sizeof(*node));
        node->metrics = metrics;
        node->name = cor_strdup(name);
        cor_list_add(&metrics->nodes, &node->link);
    }
    node->seen = true;
    return node;
}

static void refresh_one(struct kl_metrics *metrics, const struct cor_json *of)
{
    struct node *node = node_of(metrics, kl_meta_str(of, "name"));
    bool fresh = node->taken.us != 0 && cor_mono_since(cor_mono_now(), node->taken) < FRESH_US;
    if (node->call != NULL || node->alone || fresh || !is_ready(of)) {
        return;
    }
    metrics->busy++;
    if (!fetch(node, of)) {
        metrics->busy--;
    }
}

/* Asks the nodes of which nothing new is known, and forgets those that are no more. */
static void refresh(struct kl_metrics *metrics)
{
    auto_(cor_json_free) struct cor_json *all =
        kl_storage_objects(metrics->api->storage, kl_builtin(KL_NODE), NULL);
    COR_LIST_EACH (at, &metrics->nodes) {
        COR_LIST_OBJECT(at, struct node, link)->seen = false;
    }
    for (size_t i = 0; i < cor_json_count(all); i++) {
        refresh_one(metrics, cor_json_item(all, i));
    }
    COR_LIST_EACH (at, &metrics->nodes) {
        struct node *node = COR_LIST_OBJECT(at, struct node, link);
        if (!node->seen && node->call == NULL && !node->alone) {
            node_free(node);
        }
    }
}

void kl_metrics_read(struct kl_request *request)
{
    struct kl_metrics *metrics = request->api->metrics;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_selector_free) struct kl_selector *selector = kl_read_selector(request, &fail);
    if (fail.status != 0) {
        kl_reply_fail(request, &fail);
        return;
    }
    struct ask *ask = cor_alloc(sizeof(*ask));
    ask->request = request;
    ask->selector = take(&selector);
    cor_list_add(&metrics->asks, &ask->link);
    refresh(metrics);
    if (metrics->busy == 0) {
        answer_all(metrics);
    }
}

struct kl_metrics *kl_metrics_new(struct kl_api *api)
{
    struct kl_metrics *metrics = cor_alloc(sizeof(*metrics));
    metrics->api = api;
    cor_list_init(&metrics->nodes);
    cor_list_init(&metrics->asks);
    metrics->again = cor_timer_new(api->loop, on_again, metrics);
    return metrics;
}

void kl_metrics_free(struct kl_metrics **metrics)
{
    struct kl_metrics *self = take(metrics);
    if (self == NULL) {
        return;
    }
    COR_LIST_EACH (at, &self->asks) {
        struct ask *ask = COR_LIST_OBJECT(at, struct ask, link);
        kl_request_free(&ask->request);
        ask_free(ask);
    }
    COR_LIST_EACH (at, &self->nodes) {
        node_free(COR_LIST_OBJECT(at, struct node, link));
    }
    cor_timer_free(&self->again);
    cor_free(self);
}
