// SPDX-License-Identifier: Apache-2.0
#include "schedule.h"

#include <string.h>

#include "common/base/mem.h"
#include "quantity.h"

static bool is_ready(const struct cor_json *node)
{
    const struct cor_json *list = cor_json_at(node, "status.conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "type", ""), "Ready") == 0) {
            return strcmp(cor_json_str_at(one, "status", ""), "True") == 0;
        }
    }
    return false;
}

static bool selector_fits(const struct cor_json *selector, const struct cor_json *labels)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(selector, &at, &key, &value)) {
        if (!cor_json_equal(value, cor_json_get(labels, key)) ||
            cor_json_get(labels, key) == NULL) {
            return false;
        }
    }
    return true;
}

static bool among(const struct cor_json *values, const struct cor_json *value)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        if (cor_json_equal(cor_json_item(values, i), value)) {
            return true;
        }
    }
    return false;
}

static int64_t number(const struct cor_json *value)
{
    int64_t number = 0;
    (void)cor_view_i64(cor_json_as_view(value), &number);
    return number;
}

static bool requirement_fits(const struct cor_json *requirement, const struct cor_json *object)
{
    const char *op = cor_json_str_at(requirement, "operator", "");
    const struct cor_json *values = cor_json_get(requirement, "values");
    const struct cor_json *is = cor_json_get(object, cor_json_str_at(requirement, "key", ""));
    if (strcmp(op, "In") == 0) {
        return is != NULL && among(values, is);
    }
    if (strcmp(op, "NotIn") == 0) {
        return is == NULL || !among(values, is);
    }
    if (strcmp(op, "Exists") == 0) {
        return is != NULL;
    }
    if (strcmp(op, "DoesNotExist") == 0) {
        return is == NULL;
    }
    int64_t wanted = number(cor_json_item(values, 0));
    return is != NULL && (strcmp(op, "Gt") == 0 ? number(is) > wanted : number(is) < wanted);
}

static bool all_fit(const struct cor_json *list, const struct cor_json *object)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (!requirement_fits(cor_json_item(list, i), object)) {
            return false;
        }
    }
    return true;
}

bool kl_terms_fit(const struct cor_json *terms, const struct cor_json *node)
{
    auto_(cor_json_free) struct cor_json *fields = cor_json_object();
    cor_json_set(fields, "metadata.name", cor_json_str(cor_json_str_at(node, "metadata.name", "")));
    for (size_t i = 0; i < cor_json_count(terms); i++) {
        const struct cor_json *term = cor_json_item(terms, i);
        const struct cor_json *expressions = cor_json_get(term, "matchExpressions");
        const struct cor_json *by_field = cor_json_get(term, "matchFields");
        bool any = cor_json_count(expressions) + cor_json_count(by_field) > 0;
        if (any && all_fit(expressions, cor_json_at(node, "metadata.labels")) &&
            all_fit(by_field, fields)) {
            return true;
        }
    }
    return false;
}

static bool affinity_fits(const struct cor_json *pod, const struct cor_json *node)
{
    const struct cor_json *terms = cor_json_at(
        pod, "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution."
             "nodeSelectorTerms");
    return terms == NULL || kl_terms_fit(terms, node);
}

/* The first that tolerates the taint; NULL: none. */
static const struct cor_json *toleration_of(const struct cor_json *taint,
                                            const struct cor_json *tolerations)
{
    for (size_t i = 0; i < cor_json_count(tolerations); i++) {
        const struct cor_json *one = cor_json_item(tolerations, i);
        const char *effect = cor_json_str_at(one, "effect", "");
        const char *key = cor_json_str_at(one, "key", "");
        bool exists = strcmp(cor_json_str_at(one, "operator", ""), "Exists") == 0;
        bool effect_fits =
            effect[0] == '\0' || strcmp(effect, cor_json_str_at(taint, "effect", "")) == 0;
        bool key_fits = key[0] == '\0' || strcmp(key, cor_json_str_at(taint, "key", "")) == 0;
        bool value_fits = exists || strcmp(cor_json_str_at(one, "value", ""),
                                           cor_json_str_at(taint, "value", "")) == 0;
        if (effect_fits && key_fits && value_fits) {
            return one;
        }
    }
    return NULL;
}

/* Only taints with that effect; NULL: all that keep Pods away. */
static bool taints_of_fit(const struct cor_json *pod, const struct cor_json *node, const char *only)
{
    const struct cor_json *taints = cor_json_at(node, "spec.taints");
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        const struct cor_json *taint = cor_json_item(taints, i);
        const char *effect = cor_json_str_at(taint, "effect", "");
        bool counts =
            only != NULL ? strcmp(effect, only) == 0 : strcmp(effect, "PreferNoSchedule") != 0;
        if (counts && toleration_of(taint, cor_json_at(pod, "spec.tolerations")) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_no_execute(const struct cor_json *taint)
{
    return strcmp(cor_json_str_at(taint, "effect", ""), "NoExecute") == 0;
}

bool kl_is_evicting(const struct cor_json *node)
{
    const struct cor_json *taints = cor_json_at(node, "spec.taints");
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        if (is_no_execute(cor_json_item(taints, i))) {
            return true;
        }
    }
    return false;
}

/* Of a toleration; INT32_MAX at most. */
static int64_t seconds_of(const struct cor_json *toleration)
{
    if (cor_json_get(toleration, "tolerationSeconds") == NULL) {
        return KL_FOR_EVER;
    }
    int64_t seconds = cor_json_int_at(toleration, "tolerationSeconds", 0);
    return seconds < 0 ? 0 : seconds > INT32_MAX ? INT32_MAX : seconds;
}

int64_t kl_tolerates_for(const struct cor_json *pod, const struct cor_json *node)
{
    const struct cor_json *taints = cor_json_at(node, "spec.taints");
    int64_t least = KL_FOR_EVER;
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        const struct cor_json *taint = cor_json_item(taints, i);
        if (!is_no_execute(taint)) {
            continue;
        }
        const struct cor_json *one = toleration_of(taint, cor_json_at(pod, "spec.tolerations"));
        if (one == NULL) {
            return 0;
        }
        int64_t seconds = seconds_of(one);
        if (seconds != KL_FOR_EVER && (least == KL_FOR_EVER || seconds < least)) {
            least = seconds;
        }
    }
    return least;
}

bool kl_daemon_fits(const struct cor_json *pod, const struct cor_json *node, bool *stays_r)
{
    const char *wanted = cor_json_str_at(pod, "spec.nodeName", "");
    bool here =
        wanted[0] == '\0' || strcmp(wanted, cor_json_str_at(node, "metadata.name", "")) == 0;
    bool chosen = here &&
                  selector_fits(cor_json_at(pod, "spec.nodeSelector"),
                                cor_json_at(node, "metadata.labels")) &&
                  affinity_fits(pod, node);
    *stays_r = chosen && taints_of_fit(pod, node, "NoExecute");
    return chosen && taints_of_fit(pod, node, NULL);
}

/* Thousandths that the Pod's containers request; an init container counts if it wants more. */
static int64_t request_of(const struct cor_json *pod, const char *name)
{
    int64_t sum = 0;
    int64_t most = 0;
    const struct cor_json *list = cor_json_at(pod, "spec.containers");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *requests = cor_json_at(cor_json_item(list, i), "resources.requests");
        sum += kl_quantity_milli(cor_json_as_view(cor_json_get(requests, name)));
    }
    list = cor_json_at(pod, "spec.initContainers");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *requests = cor_json_at(cor_json_item(list, i), "resources.requests");
        int64_t one = kl_quantity_milli(cor_json_as_view(cor_json_get(requests, name)));
        most = one > most ? one : most;
    }
    const struct cor_json *overhead = cor_json_get(cor_json_at(pod, "spec.overhead"), name);
    return (sum > most ? sum : most) + kl_quantity_milli(cor_json_as_view(overhead));
}

static bool occupies(const struct cor_json *pod, const char *node)
{
    const char *phase = cor_json_str_at(pod, "status.phase", "");
    return strcmp(cor_json_str_at(pod, "spec.nodeName", ""), node) == 0 &&
           strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0;
}

static size_t pods_on(const struct cor_json *pods, const char *node)
{
    size_t count = 0;
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        count += occupies(cor_json_item(pods, i), node) ? 1 : 0;
    }
    return count;
}

static bool resource_fits(const struct cor_json *pod, const struct cor_json *node,
                          const struct cor_json *pods, const char *name)
{
    const struct cor_json *has = cor_json_get(cor_json_at(node, "status.allocatable"), name);
    int64_t wanted = request_of(pod, name);
    if (wanted == 0) {
        return true;
    }
    for (size_t i = 0; i < cor_json_count(pods); i++) {
        const struct cor_json *other = cor_json_item(pods, i);
        if (occupies(other, cor_json_str_at(node, "metadata.name", ""))) {
            wanted += request_of(other, name);
        }
    }
    return wanted <= kl_quantity_milli(cor_json_as_view(has));
}

static bool is_extended(const char *name)
{
    return (strchr(name, '/') != NULL && strstr(name, "kubernetes.io/") == NULL) ||
           strncmp(name, "hugepages-", strlen("hugepages-")) == 0;
}

/* Devices of plug-ins, huge pages: a node that does not name them has none. */
static bool extended_fit(const struct cor_json *pod, const struct cor_json *node,
                         const struct cor_json *pods)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers"};
    for (size_t i = 0; i < COR_COUNT(lists); i++) {
        const struct cor_json *list = cor_json_at(pod, lists[i]);
        for (size_t k = 0; k < cor_json_count(list); k++) {
            void *at = NULL;
            const char *name = NULL;
            struct cor_json *amount = NULL;
            const struct cor_json *requests =
                cor_json_at(cor_json_item(list, k), "resources.requests");
            while (cor_json_each(requests, &at, &name, &amount)) {
                if (is_extended(name) && !resource_fits(pod, node, pods, name)) {
                    return false;
                }
            }
        }
    }
    return true;
}

const char *kl_misfit(const struct cor_json *pod, const struct cor_json *node,
                      const struct cor_json *pods)
{
    const char *name = cor_json_str_at(node, "metadata.name", "");
    const struct cor_json *slots = cor_json_at(node, "status.allocatable.pods");
    if (!is_ready(node)) {
        return "node(s) were not ready";
    }
    if (cor_json_bool_at(node, "spec.unschedulable", false)) {
        return "node(s) were unschedulable";
    }
    if (!selector_fits(cor_json_at(pod, "spec.nodeSelector"),
                       cor_json_at(node, "metadata.labels")) ||
        !affinity_fits(pod, node)) {
        return "node(s) didn't match Pod's node affinity";
    }
    if (!taints_of_fit(pod, node, NULL)) {
        return "node(s) had taint that the pod didn't tolerate";
    }
    if (slots != NULL &&
        (int64_t)(pods_on(pods, name) + 1) * 1000 > kl_quantity_milli(cor_json_as_view(slots))) {
        return "Too many pods";
    }
    if (!resource_fits(pod, node, pods, "cpu")) {
        return "Insufficient cpu";
    }
    if (!resource_fits(pod, node, pods, "memory")) {
        return "Insufficient memory";
    }
    return extended_fit(pod, node, pods) ? NULL : "Insufficient extended resources";
}

const struct cor_json *kl_choose_node(const struct cor_json *pod, const struct cor_json *nodes,
                                      const struct cor_json *pods, const struct kl_stock *stock,
                                      struct cor_buf *why)
{
    const struct cor_json *best = NULL;
    size_t fewest = 0;
    auto_(cor_json_free) struct cor_json *reasons = cor_json_object();
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        const struct cor_json *node = cor_json_item(nodes, i);
        const char *misfit = kl_misfit(pod, node, pods);
        if (misfit == NULL && stock != NULL) {
            misfit = kl_claims_misfit(pod, node, pods, stock);
        }
        if (misfit != NULL) {
            int64_t before = cor_json_as_int(cor_json_get(reasons, misfit), 0);
            cor_json_set(reasons, misfit, cor_json_int(before + 1));
            continue;
        }
        size_t load = pods_on(pods, cor_json_str_at(node, "metadata.name", ""));
        if (best == NULL || load < fewest) {
            best = node;
            fewest = load;
        }
    }
    if (cor_json_count(nodes) == 0) {
        cor_buf_str(why, "no nodes available to schedule pods");
        return NULL;
    }
    cor_buf_fmt(why, "0/%zu nodes are available", cor_json_count(nodes));
    if (stock != NULL) {
        auto_(cor_buf_free) struct cor_buf lack = {0};
        if (kl_claims_lack(pod, stock, &lack)) {
            cor_buf_fmt(why, ": %s.", lack.data);
            return NULL;
        }
    }
    void *at = NULL;
    const char *reason = NULL;
    struct cor_json *count = NULL;
    const char *separator = ": ";
    while (cor_json_each(reasons, &at, &reason, &count)) {
        cor_buf_fmt(why, "%s%lld %s", separator, (long long)cor_json_as_int(count, 0), reason);
        separator = ", ";
    }
    cor_buf_str(why, ".");
    return best;
}
