// SPDX-License-Identifier: Apache-2.0
// Pods and Nodes: what the tables cannot say (pkg/apis/core/v1/defaults.go,
// pkg/registry/core/pod/strategy.go).
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "podspec.h"
#include "strategy.h"

/* Tag of an image name; "latest" when it has none and no digest (pkg/util/parsers). */
static bool is_latest(const char *image)
{
    const char *slash = strrchr(image, '/');
    const char *name = slash == NULL ? image : slash + 1;
    const char *colon = strchr(name, ':');
    if (strchr(image, '@') != NULL) {
        return false;
    }
    return colon == NULL || strcmp(colon, ":latest") == 0;
}

static void fill_requests(struct cor_json *container)
{
    const struct cor_json *limits = cor_json_at(container, "resources.limits");
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(limits, &at, &key, &value)) {
        struct cor_json *resources = cor_json_get(container, "resources");
        if (cor_json_get(resources, "requests") == NULL) {
            cor_json_set(resources, "requests", cor_json_object());
        }
        struct cor_json *requests = cor_json_get(resources, "requests");
        if (cor_json_get(requests, key) == NULL) {
            cor_json_set(requests, key, cor_json_copy(value));
        }
    }
}

static void fill_container(struct cor_json *container, bool host_network)
{
    if (cor_json_get(container, "imagePullPolicy") == NULL) {
        bool latest = is_latest(cor_json_str_at(container, "image", ""));
        cor_json_set(container, "imagePullPolicy",
                     cor_json_str(latest ? "Always" : "IfNotPresent"));
    }
    const struct cor_json *ports = cor_json_get(container, "ports");
    for (size_t i = 0; host_network && i < cor_json_count(ports); i++) {
        struct cor_json *port = cor_json_item(ports, i);
        if (cor_json_get(port, "hostPort") == NULL) {
            cor_json_set(port, "hostPort", cor_json_ref(cor_json_get(port, "containerPort")));
        }
    }
}

void kl_template_fill(struct cor_json *pod)
{
    static const char *const lists[] = {"initContainers", "containers", "ephemeralContainers"};
    struct cor_json *spec = cor_json_get(pod, "spec");
    bool host_network = cor_json_bool_at(spec, "hostNetwork", false);
    for (size_t l = 0; l < COR_COUNT(lists); l++) {
        const struct cor_json *list = cor_json_get(spec, lists[l]);
        for (size_t i = 0; i < cor_json_count(list); i++) {
            fill_container(cor_json_item(list, i), host_network);
        }
    }
    const struct cor_json *volumes = cor_json_get(spec, "volumes");
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        struct cor_json *volume = cor_json_item(volumes, i);
        if (cor_json_count(volume) == 1 && cor_json_get(volume, "name") != NULL) {
            cor_json_set(volume, "emptyDir", cor_json_object());
        }
    }
    /* The two names of one field (pkg/apis/core/v1/conversion.go). */
    const char *account = cor_json_str_at(spec, "serviceAccountName", "");
    if (account[0] == '\0') {
        account = cor_json_str_at(spec, "serviceAccount", "");
    }
    if (account[0] != '\0') {
        cor_json_set(spec, "serviceAccountName", cor_json_str(account));
        cor_json_set(spec, "serviceAccount", cor_json_str(account));
    }
}

/* What only Pods get, not templates (SetDefaults_Pod). */
void kl_pod_fill(struct cor_json *pod)
{
    static const char *const lists[] = {"initContainers", "containers"};
    struct cor_json *spec = cor_json_get(pod, "spec");
    kl_template_fill(pod);
    for (size_t l = 0; l < COR_COUNT(lists); l++) {
        const struct cor_json *list = cor_json_get(spec, lists[l]);
        for (size_t i = 0; i < cor_json_count(list); i++) {
            fill_requests(cor_json_item(list, i));
        }
    }
    if (spec != NULL && cor_json_get(spec, "enableServiceLinks") == NULL) {
        cor_json_set(spec, "enableServiceLinks", cor_json_bool(true));
    }
}

/* pkg/apis/core/v1/helper/qos. */
static const char *qos_of(const struct cor_json *spec)
{
    static const char *const lists[] = {"initContainers", "containers"};
    static const char *const names[] = {"cpu", "memory"};
    bool any = false;
    bool guaranteed = true;
    for (size_t l = 0; l < COR_COUNT(lists); l++) {
        const struct cor_json *list = cor_json_get(spec, lists[l]);
        for (size_t i = 0; i < cor_json_count(list); i++) {
            const struct cor_json *resources = cor_json_get(cor_json_item(list, i), "resources");
            for (size_t n = 0; n < COR_COUNT(names); n++) {
                const struct cor_json *request =
                    cor_json_get(cor_json_get(resources, "requests"), names[n]);
                const struct cor_json *limit =
                    cor_json_get(cor_json_get(resources, "limits"), names[n]);
                any = any || request != NULL || limit != NULL;
                guaranteed = guaranteed && limit != NULL && cor_json_equal(request, limit);
            }
        }
    }
    return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

void kl_pod_create(struct kl_draft *draft)
{
    struct cor_json *status = cor_json_object();
    cor_json_set(status, "phase", cor_json_str("Pending"));
    cor_json_set(status, "qosClass", cor_json_str(qos_of(cor_json_get(draft->object, "spec"))));
    cor_json_set(draft->object, "status", status);
}

void kl_pod_update(struct kl_draft *draft)
{
    (void)draft; /* the status stays: kl_draft_update */
}

/* validatePodIPs of k8s.io/kubernetes/pkg/apis/core/validation. */
static void check_ips(struct kl_draft *draft)
{
    const struct cor_json *ips = cor_json_at(draft->object, "status.podIPs");
    size_t families[2] = {0};
    for (size_t i = 0; i < cor_json_count(ips); i++) {
        const char *ip = cor_json_str_at(cor_json_item(ips, i), "ip", "");
        families[strchr(ip, ':') != NULL]++;
    }
    if (families[0] > 1 || families[1] > 1) {
        kl_cause_invalid(&draft->causes, "status.podIPs", ips,
                         "may specify no more than one IP for each IP family");
    }
}

void kl_pod_check(struct kl_draft *draft)
{
    if (draft->sub == KL_SUB_NONE) {
        kl_podspec_check(cor_json_get(draft->object, "spec"), &draft->causes);
    }
    if (draft->sub == KL_SUB_EPHEMERAL) {
        kl_ephemeral_check(draft);
    }
    check_ips(draft);
}

/* Copies what an update may change from old to object, so that the rest can be compared. */
static void level(struct cor_json *object, const struct cor_json *old, const char *list_name)
{
    const struct cor_json *list = cor_json_get(object, list_name);
    const struct cor_json *before = cor_json_get(old, list_name);
    for (size_t i = 0; i < cor_json_count(list) && i < cor_json_count(before); i++) {
        cor_json_set(cor_json_item(list, i), "image",
                     cor_json_copy(cor_json_get(cor_json_item(before, i), "image")));
    }
}

/* Also tolerationSeconds may change (validateOnlyAddedTolerations). */
static bool tolerates_the_same(const struct cor_json *a, const struct cor_json *b)
{
    auto_(cor_json_free) struct cor_json *left = cor_json_copy(a);
    auto_(cor_json_free) struct cor_json *right = cor_json_copy(b);
    cor_json_del(left, "tolerationSeconds");
    cor_json_del(right, "tolerationSeconds");
    return cor_json_equal(left, right);
}

static bool tolerations_only_grow(const struct cor_json *now, const struct cor_json *before)
{
    for (size_t i = 0; i < cor_json_count(before); i++) {
        bool found = false;
        for (size_t n = 0; n < cor_json_count(now) && !found; n++) {
            found = tolerates_the_same(cor_json_item(now, n), cor_json_item(before, i));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Gates are only taken away (ValidatePodUpdate). */
static bool gates_only_go(const struct cor_json *now, const struct cor_json *before)
{
    for (size_t i = 0; i < cor_json_count(now); i++) {
        bool found = false;
        for (size_t b = 0; b < cor_json_count(before) && !found; b++) {
            found = cor_json_equal(cor_json_item(now, i), cor_json_item(before, b));
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

void kl_pod_check_update(struct kl_draft *draft)
{
    const struct cor_json *old = cor_json_get(draft->old, "spec");
    auto_(cor_json_free) struct cor_json *spec = cor_json_copy(cor_json_get(draft->object, "spec"));
    level(spec, old, "containers");
    level(spec, old, "initContainers");
    cor_json_set(spec, "activeDeadlineSeconds",
                 cor_json_copy(cor_json_get(old, "activeDeadlineSeconds")));
    if (tolerations_only_grow(cor_json_get(spec, "tolerations"),
                              cor_json_get(old, "tolerations"))) {
        cor_json_set(spec, "tolerations", cor_json_copy(cor_json_get(old, "tolerations")));
    }
    const struct cor_json *gates = cor_json_get(old, "schedulingGates");
    if (gates != NULL && gates_only_go(cor_json_get(spec, "schedulingGates"), gates)) {
        cor_json_set(spec, "schedulingGates", cor_json_copy(gates));
    }
    if (!cor_json_equal(spec, old)) {
        kl_cause_forbidden(&draft->causes, "spec",
                           "pod updates may not change fields other than "
                           "`spec.containers[*].image`, `spec.initContainers[*].image`, "
                           "`spec.activeDeadlineSeconds` or `spec.tolerations` (only additions to "
                           "existing tolerations)");
    }
}

/* Takes the condition of that type out of conditions. */
static void drop_condition(struct cor_json *conditions, const char *type)
{
    for (size_t i = cor_json_count(conditions); i > 0; i--) {
        const struct cor_json *one = cor_json_item(conditions, i - 1);
        if (strcmp(cor_json_str_at(one, "type", ""), type) == 0) {
            cor_json_put(conditions, i - 1, NULL);
        }
    }
}

void kl_pod_bind(struct cor_json *pod, const char *node, struct cor_wall now)
{
    char time[COR_RFC3339_SIZE];
    cor_wall_format(now, time);
    if (!cor_json_is_array(cor_json_at(pod, "status.conditions"))) {
        cor_json_set_at(pod, "status.conditions", cor_json_array());
    }
    struct cor_json *conditions = cor_json_at(pod, "status.conditions");
    struct cor_json *scheduled = cor_json_object();
    cor_json_set(scheduled, "type", cor_json_str("PodScheduled"));
    cor_json_set(scheduled, "status", cor_json_str("True"));
    cor_json_set(scheduled, "lastProbeTime", cor_json_null());
    cor_json_set(scheduled, "lastTransitionTime", cor_json_str(time));
    drop_condition(conditions, "PodScheduled");
    cor_json_add(conditions, scheduled);
    cor_json_set_at(pod, "spec.nodeName", cor_json_str(node));
}

void kl_node_fill(struct cor_json *node)
{
    struct cor_json *status = cor_json_get(node, "status");
    const struct cor_json *capacity = cor_json_get(status, "capacity");
    if (capacity != NULL && cor_json_get(status, "allocatable") == NULL) {
        cor_json_set(status, "allocatable", cor_json_copy(capacity));
    }
}

void kl_node_check(struct kl_draft *draft)
{
    const struct cor_json *taints = cor_json_at(draft->object, "spec.taints");
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    for (size_t i = 0; i < cor_json_count(taints); i++) {
        const struct cor_json *taint = cor_json_item(taints, i);
        const char *effect = cor_json_str_at(taint, "effect", "");
        auto_(cor_freep) char *key = cor_sprintf("metadata.taints[%zu].key", i);
        auto_(cor_freep) char *field = cor_sprintf("metadata.taints[%zu].effect", i);
        if (!kl_is_qualified_name(cor_json_as_view(cor_json_get(taint, "key")))) {
            kl_cause_invalid_str(&draft->causes, key, cor_json_str_at(taint, "key", ""),
                                 "must be a qualified name");
        }
        bool known = false;
        for (size_t e = 0; effects[e] != NULL; e++) {
            known = known || strcmp(effects[e], effect) == 0;
        }
        if (!known) {
            kl_cause_unsupported(&draft->causes, field, effect, effects);
        }
    }
}
