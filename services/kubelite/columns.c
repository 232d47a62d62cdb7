// SPDX-License-Identifier: Apache-2.0
// Columns of the built-in kinds.
#include "table.h"

#include <string.h>

#include "common/base/mem.h"

static void add_str(struct cor_json *cells, const char *text)
{
    cor_json_add(cells, cor_json_str(text));
}

static void add_name(struct cor_json *cells, const struct cor_json *object)
{
    add_str(cells, cor_json_str_at(object, "metadata.name", ""));
}

static void add_age(struct cor_json *cells, const struct cor_json *time, struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf age = {0};
    kl_age(time, now, &age);
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&age)));
}

static void add_created(struct cor_json *cells, const struct cor_json *object, struct cor_wall now)
{
    add_age(cells, cor_json_at(object, "metadata.creationTimestamp"), now);
}

static void add_count(struct cor_json *cells, size_t count)
{
    cor_json_add(cells, cor_json_int((int64_t)count));
}

static void namespace_cells(const struct cor_json *object, struct cor_wall now,
                            struct cor_json *cells)
{
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "status.phase", ""));
    add_created(cells, object, now);
}

static void configmap_cells(const struct cor_json *object, struct cor_wall now,
                            struct cor_json *cells)
{
    add_name(cells, object);
    add_count(cells, cor_json_count(cor_json_get(object, "data")) +
                         cor_json_count(cor_json_get(object, "binaryData")));
    add_created(cells, object, now);
}

static void secret_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "type", ""));
    add_count(cells, cor_json_count(cor_json_get(object, "data")));
    add_created(cells, object, now);
}

static void account_cells(const struct cor_json *object, struct cor_wall now,
                          struct cor_json *cells)
{
    add_name(cells, object);
    add_count(cells, cor_json_count(cor_json_get(object, "secrets")));
    add_created(cells, object, now);
}

static void runtime_class_cells(const struct cor_json *object, struct cor_wall now,
                                struct cor_json *cells)
{
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "handler", ""));
    add_created(cells, object, now);
}

static void lease_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "spec.holderIdentity", ""));
    add_created(cells, object, now);
}

static void crd_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    (void)now;
    add_name(cells, object);
    add_str(cells, cor_json_str_at(object, "metadata.creationTimestamp", ""));
}

/* The time of the event, or that of its series. */
static void event_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells)
{
    const struct cor_json *event_time = cor_json_get(object, "eventTime");
    const struct cor_json *first = cor_json_get(object, "firstTimestamp");
    const struct cor_json *last = cor_json_get(object, "lastTimestamp");
    const struct cor_json *series = cor_json_get(object, "series");
    int64_t count = cor_json_int_at(object, "count", 0);
    first = cor_json_is_null(first) ? event_time : first;
    if (series != NULL) {
        last = cor_json_get(series, "lastObservedTime");
        count = cor_json_int_at(series, "count", 0) + 1; /* the first one is not in the series */
    } else if (cor_json_is_null(last)) {
        last = first;
    }
    auto_(cor_buf_free) struct cor_buf kind = {0};
    cor_buf_str(&kind, cor_json_str_at(object, "involvedObject.kind", ""));
    for (size_t i = 0; i < kind.len; i++) {
        kind.data[i] =
            (char)(kind.data[i] >= 'A' && kind.data[i] <= 'Z' ? kind.data[i] + 32 : kind.data[i]);
    }
    const char *host = cor_json_str_at(object, "source.host", "");
    const char *component = cor_json_str_at(object, "source.component", "");
    if (component[0] == '\0') {
        component = cor_json_str_at(object, "reportingComponent", "");
    }
    if (host[0] == '\0') {
        host = cor_json_str_at(object, "reportingInstance", "");
    }
    add_age(cells, last, now);
    add_str(cells, cor_json_str_at(object, "type", ""));
    add_str(cells, cor_json_str_at(object, "reason", ""));
    const char *name = cor_json_str_at(object, "involvedObject.name", "");
    cor_buf_fmt(&kind, name[0] == '\0' ? "%s" : "/%s", name);
    cor_json_add(cells, cor_json_view(cor_buf_as_view(&kind)));
    add_str(cells, cor_json_str_at(object, "involvedObject.fieldPath", ""));
    cor_json_add(cells, host[0] == '\0' ? cor_json_str(component)
                                        : cor_json_fmt("%s, %s", component, host));
    struct cor_view message = cor_view_trim(cor_view_of(cor_json_str_at(object, "message", "")));
    cor_json_add(cells, cor_json_view(message));
    add_age(cells, first, now);
    cor_json_add(cells, cor_json_int(count == 0 ? 1 : count));
    add_name(cells, object);
}

#define NAME                                                                                       \
    {                                                                                              \
        "Name", "string", 0                                                                        \
    }
#define AGE                                                                                        \
    {                                                                                              \
        "Age", "string", 0                                                                         \
    }
#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, 0                                                                              \
    }

static const struct kl_column namespace_columns[] = {NAME, {"Status", "string", 0}, AGE, END};
static const struct kl_column node_columns[] = {NAME,
                                                {"Status", "string", 0},
                                                {"Roles", "string", 0},
                                                AGE,
                                                {"Version", "string", 0},
                                                {"Internal-IP", "string", 1},
                                                {"External-IP", "string", 1},
                                                {"OS-Image", "string", 1},
                                                {"Kernel-Version", "string", 1},
                                                {"Container-Runtime", "string", 1},
                                                END};
static const struct kl_column pod_columns[] = {NAME,
                                               {"Ready", "string", 0},
                                               {"Status", "string", 0},
                                               {"Restarts", "integer", 0},
                                               AGE,
                                               {"IP", "string", 1},
                                               {"Node", "string", 1},
                                               {"Nominated Node", "string", 1},
                                               {"Readiness Gates", "string", 1},
                                               END};
static const struct kl_column configmap_columns[] = {NAME, {"Data", "string", 0}, AGE, END};
static const struct kl_column secret_columns[] = {
    NAME, {"Type", "string", 0}, {"Data", "string", 0}, AGE, END};
static const struct kl_column account_columns[] = {NAME, {"Secrets", "string", 0}, AGE, END};
static const struct kl_column lease_columns[] = {NAME, {"Holder", "string", 0}, AGE, END};
static const struct kl_column runtime_class_columns[] = {NAME, {"Handler", "string", 0}, AGE, END};
static const struct kl_column csi_driver_columns[] = {NAME,
                                                      {"AttachRequired", "boolean", 0},
                                                      {"PodInfoOnMount", "boolean", 0},
                                                      {"Modes", "string", 0},
                                                      AGE,
                                                      END};
static const struct kl_column csi_node_columns[] = {NAME, {"Drivers", "integer", 0}, AGE, END};
static const struct kl_column attachment_columns[] = {NAME,
                                                      {"Attacher", "string", 0},
                                                      {"PV", "string", 0},
                                                      {"Node", "string", 0},
                                                      {"Attached", "boolean", 0},
                                                      AGE,
                                                      END};
static const struct kl_column storage_class_columns[] = {NAME,
                                                         {"Provisioner", "string", 0},
                                                         {"ReclaimPolicy", "string", 0},
                                                         {"VolumeBindingMode", "string", 0},
                                                         {"AllowVolumeExpansion", "boolean", 0},
                                                         AGE,
                                                         END};
static const struct kl_column crd_columns[] = {NAME, {"Created At", "date", 0}, END};
static const struct kl_column event_columns[] = {{"Last Seen", "string", 0},
                                                 {"Type", "string", 0},
                                                 {"Reason", "string", 0},
                                                 {"Object", "string", 0},
                                                 {"Subobject", "string", 1},
                                                 {"Source", "string", 1},
                                                 {"Message", "string", 0},
                                                 {"First Seen", "string", 1},
                                                 {"Count", "string", 1},
                                                 {"Name", "string", 1},
                                                 END};

static const struct kl_column deployment_columns[] = {
    NAME, {"Ready", "string", 0},      {"Up-to-date", "string", 0}, {"Available", "string", 0},
    AGE,  {"Containers", "string", 1}, {"Images", "string", 1},     {"Selector", "string", 1},
    END};
static const struct kl_column replicaset_columns[] = {
    NAME, {"Desired", "integer", 0},   {"Current", "integer", 0}, {"Ready", "integer", 0},
    AGE,  {"Containers", "string", 1}, {"Images", "string", 1},   {"Selector", "string", 1},
    END};
static const struct kl_column daemonset_columns[] = {NAME,
                                                     {"Desired", "integer", 0},
                                                     {"Current", "integer", 0},
                                                     {"Ready", "integer", 0},
                                                     {"Up-to-date", "integer", 0},
                                                     {"Available", "integer", 0},
                                                     {"Node Selector", "string", 0},
                                                     AGE,
                                                     {"Containers", "string", 1},
                                                     {"Images", "string", 1},
                                                     {"Selector", "string", 1},
                                                     END};
static const struct kl_column job_columns[] = {NAME,
                                               {"Completions", "string", 0},
                                               {"Duration", "string", 0},
                                               AGE,
                                               {"Containers", "string", 1},
                                               {"Images", "string", 1},
                                               {"Selector", "string", 1},
                                               END};
static const struct kl_column revision_columns[] = {
    NAME, {"Controller", "string", 0}, {"Revision", "string", 0}, AGE, END};
static const struct kl_column service_columns[] = {NAME,
                                                   {"Type", "string", 0},
                                                   {"Cluster-IP", "string", 0},
                                                   {"External-IP", "string", 0},
                                                   {"Port(s)", "string", 0},
                                                   AGE,
                                                   {"Selector", "string", 1},
                                                   END};
static const struct kl_column endpoints_columns[] = {NAME, {"Endpoints", "string", 0}, AGE, END};
static const struct kl_column slice_columns[] = {
    NAME, {"AddressType", "string", 0}, {"Ports", "string", 0}, {"Endpoints", "string", 0}, AGE,
    END};
static const struct kl_column role_columns[] = {NAME, {"Created At", "date", 0}, END};
static const struct kl_column binding_columns[] = {NAME,
                                                   {"Role", "string", 0},
                                                   AGE,
                                                   {"Users", "string", 1},
                                                   {"Groups", "string", 1},
                                                   {"ServiceAccounts", "string", 1},
                                                   END};

static const struct kl_column volume_columns[] = {NAME,
                                                  {"Capacity", "string", 0},
                                                  {"Access Modes", "string", 0},
                                                  {"Reclaim Policy", "string", 0},
                                                  {"Status", "string", 0},
                                                  {"Claim", "string", 0},
                                                  {"StorageClass", "string", 0},
                                                  {"Reason", "string", 0},
                                                  AGE,
                                                  {"VolumeMode", "string", 1},
                                                  END};
static const struct kl_column claim_columns[] = {NAME,
                                                 {"Status", "string", 0},
                                                 {"Volume", "string", 0},
                                                 {"Capacity", "string", 0},
                                                 {"Access Modes", "string", 0},
                                                 {"StorageClass", "string", 0},
                                                 AGE,
                                                 {"VolumeMode", "string", 1},
                                                 END};
static const struct kl_column budget_columns[] = {NAME,
                                                  {"Min Available", "string", 0},
                                                  {"Max Unavailable", "string", 0},
                                                  {"Allowed Disruptions", "integer", 0},
                                                  AGE,
                                                  END};

static const struct kl_columns by_kind[KL_BUILTIN_COUNT] = {
    [KL_NAMESPACE] = {namespace_columns, namespace_cells},
    [KL_NODE] = {node_columns, kl_node_cells},
    [KL_POD] = {pod_columns, kl_pod_cells},
    [KL_CONFIGMAP] = {configmap_columns, configmap_cells},
    [KL_SECRET] = {secret_columns, secret_cells},
    [KL_SERVICEACCOUNT] = {account_columns, account_cells},
    [KL_EVENT] = {event_columns, event_cells},
    [KL_LEASE] = {lease_columns, lease_cells},
    [KL_CRD] = {crd_columns, crd_cells},
    [KL_SERVICE] = {service_columns, kl_service_cells},
    [KL_ENDPOINTS] = {endpoints_columns, kl_endpoints_cells},
    [KL_ENDPOINTSLICE] = {slice_columns, kl_slice_cells},
    [KL_DEPLOYMENT] = {deployment_columns, kl_deployment_cells},
    [KL_REPLICASET] = {replicaset_columns, kl_replicaset_cells},
    [KL_DAEMONSET] = {daemonset_columns, kl_daemonset_cells},
    [KL_CONTROLLERREVISION] = {revision_columns, kl_revision_cells},
    [KL_JOB] = {job_columns, kl_job_cells},
    [KL_ROLE] = {role_columns, kl_role_cells},
    [KL_CLUSTERROLE] = {role_columns, kl_role_cells},
    [KL_ROLEBINDING] = {binding_columns, kl_binding_cells},
    [KL_CLUSTERROLEBINDING] = {binding_columns, kl_binding_cells},
    [KL_PERSISTENTVOLUME] = {volume_columns, kl_volume_cells},
    [KL_PERSISTENTVOLUMECLAIM] = {claim_columns, kl_claim_cells},
    [KL_DISRUPTIONBUDGET] = {budget_columns, kl_budget_cells},
    [KL_RUNTIMECLASS] = {runtime_class_columns, runtime_class_cells},
    [KL_CSIDRIVER] = {csi_driver_columns, kl_csi_driver_cells},
    [KL_CSINODE] = {csi_node_columns, kl_csi_node_cells},
    [KL_VOLUMEATTACHMENT] = {attachment_columns, kl_attachment_cells},
    [KL_STORAGECLASS] = {storage_class_columns, kl_storage_class_cells},
};

const struct kl_columns *kl_columns_of(const struct kl_kind *kind)
{
    return &by_kind[kind - kl_builtin((enum kl_builtin)0)];
}
