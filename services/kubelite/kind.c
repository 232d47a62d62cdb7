// SPDX-License-Identifier: Apache-2.0
#include "kind.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

static const char *const ns_shorts[] = {"ns", NULL};
static const char *const node_shorts[] = {"no", NULL};
static const char *const pod_shorts[] = {"po", NULL};
static const char *const cm_shorts[] = {"cm", NULL};
static const char *const sa_shorts[] = {"sa", NULL};
static const char *const event_shorts[] = {"ev", NULL};
static const char *const crd_shorts[] = {"crd", "crds", NULL};
static const char *const all_category[] = {"all", NULL};
static const char *const api_category[] = {"api-extensions", NULL};

/* Field labels of k8s.io/kubernetes/pkg/apis/core/v1/conversion.go. */
static const char *const ns_fields[] = {"status.phase", NULL};
static const char *const node_fields[] = {"spec.unschedulable", NULL};
static const char *const pod_fields[] = {"spec.nodeName",
                                         "spec.restartPolicy",
                                         "spec.schedulerName",
                                         "spec.serviceAccountName",
                                         "status.phase",
                                         "status.podIP",
                                         "status.podIPs",
                                         "status.nominatedNodeName",
                                         NULL};
static const char *const secret_fields[] = {"type", NULL};
static const char *const event_fields[] = {"involvedObject.kind",
                                           "involvedObject.namespace",
                                           "involvedObject.name",
                                           "involvedObject.uid",
                                           "involvedObject.apiVersion",
                                           "involvedObject.resourceVersion",
                                           "involvedObject.fieldPath",
                                           "reason",
                                           "reportingComponent",
                                           "source",
                                           "type",
                                           NULL};

static const struct kl_kind builtins[KL_BUILTIN_COUNT] = {
    [KL_NAMESPACE] = {.group = "",
                      .version = "v1",
                      .kind = "Namespace",
                      .list_kind = "NamespaceList",
                      .plural = "namespaces",
                      .singular = "namespace",
                      .shorts = ns_shorts,
                      .subs = KL_SUB_STATUS | KL_SUB_FINALIZE,
                      .type = &k8s_core_v1_Namespace,
                      .fields = ns_fields},
    [KL_NODE] = {.group = "",
                 .version = "v1",
                 .kind = "Node",
                 .list_kind = "NodeList",
                 .plural = "nodes",
                 .singular = "node",
                 .shorts = node_shorts,
                 .subs = KL_SUB_STATUS,
                 .type = &k8s_core_v1_Node,
                 .fields = node_fields},
    [KL_POD] = {.group = "",
                .version = "v1",
                .kind = "Pod",
                .list_kind = "PodList",
                .plural = "pods",
                .singular = "pod",
                .shorts = pod_shorts,
                .categories = all_category,
                .namespaced = true,
                .subs = KL_SUB_STATUS | KL_SUB_BINDING,
                .type = &k8s_core_v1_Pod,
                .fields = pod_fields},
    [KL_CONFIGMAP] = {.group = "",
                      .version = "v1",
                      .kind = "ConfigMap",
                      .list_kind = "ConfigMapList",
                      .plural = "configmaps",
                      .singular = "configmap",
                      .shorts = cm_shorts,
                      .namespaced = true,
                      .type = &k8s_core_v1_ConfigMap},
    [KL_SECRET] = {.group = "",
                   .version = "v1",
                   .kind = "Secret",
                   .list_kind = "SecretList",
                   .plural = "secrets",
                   .singular = "secret",
                   .namespaced = true,
                   .type = &k8s_core_v1_Secret,
                   .fields = secret_fields},
    [KL_SERVICEACCOUNT] = {.group = "",
                           .version = "v1",
                           .kind = "ServiceAccount",
                           .list_kind = "ServiceAccountList",
                           .plural = "serviceaccounts",
                           .singular = "serviceaccount",
                           .shorts = sa_shorts,
                           .namespaced = true,
                           .subs = KL_SUB_TOKEN,
                           .type = &k8s_core_v1_ServiceAccount},
    [KL_EVENT] = {.group = "",
                  .version = "v1",
                  .kind = "Event",
                  .list_kind = "EventList",
                  .plural = "events",
                  .singular = "event",
                  .shorts = event_shorts,
                  .namespaced = true,
                  .type = &k8s_core_v1_Event,
                  .fields = event_fields},
    [KL_LEASE] = {.group = "coordination.k8s.io",
                  .version = "v1",
                  .kind = "Lease",
                  .list_kind = "LeaseList",
                  .plural = "leases",
                  .singular = "lease",
                  .namespaced = true,
                  .type = &k8s_coordination_v1_Lease},
    [KL_CRD] = {.group = "apiextensions.k8s.io",
                .version = "v1",
                .kind = "CustomResourceDefinition",
                .list_kind = "CustomResourceDefinitionList",
                .plural = "customresourcedefinitions",
                .singular = "customresourcedefinition",
                .shorts = crd_shorts,
                .categories = api_category,
                .subs = KL_SUB_STATUS,
                .type = &k8s_apiextensions_v1_CustomResourceDefinition},
};

enum { CUSTOM_MAX = 512 };

struct kl_kinds {
    const struct kl_kind *custom[CUSTOM_MAX];
    size_t custom_count;
};

const struct kl_kind *kl_builtin(enum kl_builtin which)
{
    return &builtins[which];
}

bool kl_is(const struct kl_kind *kind, enum kl_builtin which)
{
    return kind == &builtins[which];
}

void kl_kind_key(const struct kl_kind *kind, struct cor_buf *out)
{
    cor_buf_str(out, kind->plural);
    if (kind->group[0] != '\0') {
        cor_buf_fmt(out, ".%s", kind->group);
    }
}

void kl_kind_api_version(const struct kl_kind *kind, struct cor_buf *out)
{
    if (kind->group[0] != '\0') {
        cor_buf_fmt(out, "%s/", kind->group);
    }
    cor_buf_str(out, kind->version);
}

struct kl_kinds *kl_kinds_new(void)
{
    return cor_alloc(sizeof(struct kl_kinds));
}

void kl_kinds_free(struct kl_kinds **kinds)
{
    cor_freep(kinds);
}

void kl_kinds_add(struct kl_kinds *kinds, const struct kl_kind *kind)
{
    if (kinds->custom_count < CUSTOM_MAX) {
        kinds->custom[kinds->custom_count++] = kind;
    }
}

void kl_kinds_remove(struct kl_kinds *kinds, const char *group, const char *plural)
{
    size_t kept = 0;
    for (size_t i = 0; i < kinds->custom_count; i++) {
        const struct kl_kind *kind = kinds->custom[i];
        if (strcmp(kind->group, group) != 0 || strcmp(kind->plural, plural) != 0) {
            kinds->custom[kept++] = kind;
        }
    }
    kinds->custom_count = kept;
}

const struct kl_kind *kl_kinds_at(const struct kl_kinds *kinds, size_t index)
{
    if (index < KL_BUILTIN_COUNT) {
        return &builtins[index];
    }
    index -= KL_BUILTIN_COUNT;
    return index < kinds->custom_count ? kinds->custom[index] : NULL;
}

const struct kl_kind *kl_kinds_find(const struct kl_kinds *kinds, struct cor_view group,
                                    struct cor_view version, struct cor_view plural)
{
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        if (cor_view_is(group, kind->group) && cor_view_is(version, kind->version) &&
            cor_view_is(plural, kind->plural)) {
            return kind;
        }
    }
    return NULL;
}
