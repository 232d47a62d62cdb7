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
static const char *const svc_shorts[] = {"svc", NULL};
static const char *const ep_shorts[] = {"ep", NULL};
static const char *const deploy_shorts[] = {"deploy", NULL};
static const char *const rs_shorts[] = {"rs", NULL};
static const char *const pv_shorts[] = {"pv", NULL};
static const char *const sc_shorts[] = {"sc", NULL};
static const char *const pvc_shorts[] = {"pvc", NULL};
static const char *const pdb_shorts[] = {"pdb", NULL};
static const char *const ds_shorts[] = {"ds", NULL};
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
static const char *const rs_fields[] = {"status.replicas", NULL};
static const char *const job_fields[] = {"status.successful", NULL};
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
                 .subs = KL_SUB_STATUS | KL_SUB_PROXY,
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
                .subs = KL_SUB_STATUS | KL_SUB_BINDING | KL_SUB_LOG | KL_SUB_EXEC | KL_SUB_ATTACH |
                        KL_SUB_PORTFORWARD | KL_SUB_EPHEMERAL | KL_SUB_EVICTION,
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
    [KL_SERVICE] = {.group = "",
                    .version = "v1",
                    .kind = "Service",
                    .list_kind = "ServiceList",
                    .plural = "services",
                    .singular = "service",
                    .shorts = svc_shorts,
                    .categories = all_category,
                    .namespaced = true,
                    .subs = KL_SUB_STATUS,
                    .type = &k8s_core_v1_Service},
    [KL_ENDPOINTS] = {.group = "",
                      .version = "v1",
                      .kind = "Endpoints",
                      .list_kind = "EndpointsList",
                      .plural = "endpoints",
                      .singular = "endpoints",
                      .shorts = ep_shorts,
                      .namespaced = true,
                      .type = &k8s_core_v1_Endpoints},
    [KL_ENDPOINTSLICE] = {.group = "discovery.k8s.io",
                          .version = "v1beta1",
                          .kind = "EndpointSlice",
                          .list_kind = "EndpointSliceList",
                          .plural = "endpointslices",
                          .singular = "endpointslice",
                          .namespaced = true,
                          .type = &k8s_discovery_v1beta1_EndpointSlice},
    [KL_DEPLOYMENT] = {.group = "apps",
                       .version = "v1",
                       .kind = "Deployment",
                       .list_kind = "DeploymentList",
                       .plural = "deployments",
                       .singular = "deployment",
                       .shorts = deploy_shorts,
                       .categories = all_category,
                       .namespaced = true,
                       .subs = KL_SUB_STATUS | KL_SUB_SCALE,
                       .type = &k8s_apps_v1_Deployment},
    [KL_REPLICASET] = {.group = "apps",
                       .version = "v1",
                       .kind = "ReplicaSet",
                       .list_kind = "ReplicaSetList",
                       .plural = "replicasets",
                       .singular = "replicaset",
                       .shorts = rs_shorts,
                       .categories = all_category,
                       .namespaced = true,
                       .subs = KL_SUB_STATUS | KL_SUB_SCALE,
                       .fields = rs_fields,
                       .type = &k8s_apps_v1_ReplicaSet},
    [KL_DAEMONSET] = {.group = "apps",
                      .version = "v1",
                      .kind = "DaemonSet",
                      .list_kind = "DaemonSetList",
                      .plural = "daemonsets",
                      .singular = "daemonset",
                      .shorts = ds_shorts,
                      .categories = all_category,
                      .namespaced = true,
                      .subs = KL_SUB_STATUS,
                      .type = &k8s_apps_v1_DaemonSet},
    [KL_CONTROLLERREVISION] = {.group = "apps",
                               .version = "v1",
                               .kind = "ControllerRevision",
                               .list_kind = "ControllerRevisionList",
                               .plural = "controllerrevisions",
                               .singular = "controllerrevision",
                               .namespaced = true,
                               .type = &k8s_apps_v1_ControllerRevision},
    [KL_JOB] = {.group = "batch",
                .version = "v1",
                .kind = "Job",
                .list_kind = "JobList",
                .plural = "jobs",
                .singular = "job",
                .categories = all_category,
                .namespaced = true,
                .subs = KL_SUB_STATUS,
                .fields = job_fields,
                .type = &k8s_batch_v1_Job},
    [KL_DISRUPTIONBUDGET] = {.group = "policy",
                             .version = "v1",
                             .kind = "PodDisruptionBudget",
                             .list_kind = "PodDisruptionBudgetList",
                             .plural = "poddisruptionbudgets",
                             .singular = "poddisruptionbudget",
                             .shorts = pdb_shorts,
                             .namespaced = true,
                             .subs = KL_SUB_STATUS,
                             .type = &k8s_policy_v1_PodDisruptionBudget},
    [KL_ROLE] = {.group = "rbac.authorization.k8s.io",
                 .version = "v1",
                 .kind = "Role",
                 .list_kind = "RoleList",
                 .plural = "roles",
                 .singular = "role",
                 .namespaced = true,
                 .type = &k8s_rbac_v1_Role},
    [KL_CLUSTERROLE] = {.group = "rbac.authorization.k8s.io",
                        .version = "v1",
                        .kind = "ClusterRole",
                        .list_kind = "ClusterRoleList",
                        .plural = "clusterroles",
                        .singular = "clusterrole",
                        .type = &k8s_rbac_v1_ClusterRole},
    [KL_ROLEBINDING] = {.group = "rbac.authorization.k8s.io",
                        .version = "v1",
                        .kind = "RoleBinding",
                        .list_kind = "RoleBindingList",
                        .plural = "rolebindings",
                        .singular = "rolebinding",
                        .namespaced = true,
                        .type = &k8s_rbac_v1_RoleBinding},
    [KL_CLUSTERROLEBINDING] = {.group = "rbac.authorization.k8s.io",
                               .version = "v1",
                               .kind = "ClusterRoleBinding",
                               .list_kind = "ClusterRoleBindingList",
                               .plural = "clusterrolebindings",
                               .singular = "clusterrolebinding",
                               .type = &k8s_rbac_v1_ClusterRoleBinding},
    [KL_PERSISTENTVOLUME] = {.group = "",
                             .version = "v1",
                             .kind = "PersistentVolume",
                             .list_kind = "PersistentVolumeList",
                             .plural = "persistentvolumes",
                             .singular = "persistentvolume",
                             .shorts = pv_shorts,
                             .subs = KL_SUB_STATUS,
                             .type = &k8s_core_v1_PersistentVolume},
    [KL_PERSISTENTVOLUMECLAIM] = {.group = "",
                                  .version = "v1",
                                  .kind = "PersistentVolumeClaim",
                                  .list_kind = "PersistentVolumeClaimList",
                                  .plural = "persistentvolumeclaims",
                                  .singular = "persistentvolumeclaim",
                                  .shorts = pvc_shorts,
                                  .namespaced = true,
                                  .subs = KL_SUB_STATUS,
                                  .type = &k8s_core_v1_PersistentVolumeClaim},
    [KL_RUNTIMECLASS] = {.group = "node.k8s.io",
                         .version = "v1",
                         .kind = "RuntimeClass",
                         .list_kind = "RuntimeClassList",
                         .plural = "runtimeclasses",
                         .singular = "runtimeclass",
                         .type = &k8s_node_v1_RuntimeClass},
    [KL_CSIDRIVER] = {.group = "storage.k8s.io",
                      .version = "v1",
                      .kind = "CSIDriver",
                      .list_kind = "CSIDriverList",
                      .plural = "csidrivers",
                      .singular = "csidriver",
                      .type = &k8s_storage_v1_CSIDriver},
    [KL_CSINODE] = {.group = "storage.k8s.io",
                    .version = "v1",
                    .kind = "CSINode",
                    .list_kind = "CSINodeList",
                    .plural = "csinodes",
                    .singular = "csinode",
                    .type = &k8s_storage_v1_CSINode},
    [KL_VOLUMEATTACHMENT] = {.group = "storage.k8s.io",
                             .version = "v1",
                             .kind = "VolumeAttachment",
                             .list_kind = "VolumeAttachmentList",
                             .plural = "volumeattachments",
                             .singular = "volumeattachment",
                             .subs = KL_SUB_STATUS,
                             .type = &k8s_storage_v1_VolumeAttachment},
    [KL_STORAGECLASS] = {.group = "storage.k8s.io",
                         .version = "v1",
                         .kind = "StorageClass",
                         .list_kind = "StorageClassList",
                         .plural = "storageclasses",
                         .singular = "storageclass",
                         .shorts = sc_shorts,
                         .type = &k8s_storage_v1_StorageClass},
    [KL_SELF_ACCESS_REVIEW] = {.group = "authorization.k8s.io",
                               .version = "v1",
                               .kind = "SelfSubjectAccessReview",
                               .list_kind = "SelfSubjectAccessReviewList",
                               .plural = "selfsubjectaccessreviews",
                               .singular = "selfsubjectaccessreview",
                               .review = true,
                               .type = &k8s_authorization_v1_SelfSubjectAccessReview},
    [KL_ACCESS_REVIEW] = {.group = "authorization.k8s.io",
                          .version = "v1",
                          .kind = "SubjectAccessReview",
                          .list_kind = "SubjectAccessReviewList",
                          .plural = "subjectaccessreviews",
                          .singular = "subjectaccessreview",
                          .review = true,
                          .type = &k8s_authorization_v1_SubjectAccessReview},
    [KL_TOKEN_REVIEW] = {.group = "authentication.k8s.io",
                         .version = "v1",
                         .kind = "TokenReview",
                         .list_kind = "TokenReviewList",
                         .plural = "tokenreviews",
                         .singular = "tokenreview",
                         .review = true,
                         .type = &k8s_authentication_v1_TokenReview},
    [KL_NODE_METRICS] = {.group = "metrics.k8s.io",
                         .version = "v1beta1",
                         .kind = "NodeMetrics",
                         .list_kind = "NodeMetricsList",
                         .plural = "nodes",
                         .singular = "",
                         .computed = true},
    [KL_POD_METRICS] = {.group = "metrics.k8s.io",
                        .version = "v1beta1",
                        .kind = "PodMetrics",
                        .list_kind = "PodMetricsList",
                        .plural = "pods",
                        .singular = "",
                        .namespaced = true,
                        .computed = true},
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
        if (plural.len > 0 && plural.ptr[0] == kind->plural[0] &&
            cor_view_is(plural, kind->plural) && cor_view_is(group, kind->group) &&
            cor_view_is(version, kind->version)) {
            return kind;
        }
    }
    return NULL;
}

const struct kl_kind *kl_kinds_named(const struct kl_kinds *kinds, const char *api_version,
                                     const char *name)
{
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        auto_(cor_buf_free) struct cor_buf version = {0};
        kl_kind_api_version(kind, &version);
        if (strcmp(kind->kind, name) == 0 && strcmp(version.data, api_version) == 0) {
            return kind;
        }
    }
    return NULL;
}

const struct kl_kind *kl_kinds_of_key(const struct kl_kinds *kinds, const char *key)
{
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        auto_(cor_buf_free) struct cor_buf own = {0};
        kl_kind_key(kind, &own);
        if (strcmp(own.data, key) == 0) {
            return kind;
        }
    }
    return NULL;
}
