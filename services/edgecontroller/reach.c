// SPDX-License-Identifier: Apache-2.0
#include "reach.h"

#include <string.h>

#include "own.h"

/* What Kubernetes' API calls itself inside of a cluster, and where EdgeCore's MetaServer is. */
#define MASTER_SLICE "kubernetes"
#define META_ADDRESS "127.0.0.1"
enum { META_PORT = 10550 };

#define DEVICES "devices.kubeedge.io"

static bool node_itself(const struct ec_bound *pods, const struct ec_bound *devices,
                        const char *node, const struct cor_json *object)
{
    (void)pods;
    (void)devices;
    return strcmp(ec_name(object), node) == 0;
}

static bool bound(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                  const struct cor_json *object)
{
    (void)pods;
    (void)devices;
    return strcmp(ec_node_of(object), node) == 0;
}

static bool named(const struct ec_bound *pods, const char *node, const char *type,
                  const struct cor_json *object)
{
    return ec_bound_need(pods, cor_view_of(node), cor_view_of(ec_ns(object)), type,
                         cor_view_of(ec_name(object)));
}

static bool configmap(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                      const struct cor_json *object)
{
    (void)devices;
    return named(pods, node, "configmap", object);
}

static bool secret(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                   const struct cor_json *object)
{
    (void)devices;
    return named(pods, node, "secret", object);
}

static bool claim(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                  const struct cor_json *object)
{
    (void)devices;
    return named(pods, node, "persistentvolumeclaim", object);
}

static bool volume(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                   const struct cor_json *object)
{
    struct px_key key = {.ns = COR_VIEW("null"), .type = COR_VIEW("persistentvolume")};
    (void)devices;
    return ec_is_own_object(pods, node, &key, object);
}

static bool attachment(const struct ec_bound *pods, const struct ec_bound *devices,
                       const char *node, const struct cor_json *object)
{
    struct px_key key = {.ns = COR_VIEW("null"), .type = COR_VIEW("volumeattachment")};
    (void)devices;
    return ec_is_own_object(pods, node, &key, object);
}

static bool lease(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                  const struct cor_json *object)
{
    return strcmp(ec_ns(object), "kube-node-lease") == 0 &&
           node_itself(pods, devices, node, object);
}

static bool model(const struct ec_bound *pods, const struct ec_bound *devices, const char *node,
                  const struct cor_json *object)
{
    (void)pods;
    return named(devices, node, "model", object);
}

#define INFO(type_, version_, kind_)                                                               \
    {                                                                                              \
        .type = (type_), .api_version = (version_), .kind = (kind_), .source = "dynamiccontroller" \
    }

static const struct ec_reach ROWS[] = {
    {.group = "",
     .versions = "v1",
     .plural = "nodes",
     .info = INFO("node", "v1", "Node"),
     .is_own = node_itself,
     .fields = "metadata.name",
     .by_name = true,
     .lists = true,
     .pushed = true},
    {.group = "",
     .versions = "v1",
     .plural = "pods",
     .info = INFO("pod", "v1", "Pod"),
     .is_own = bound,
     .fields = "spec.nodeName",
     .lists = true,
     .pushed = true},
    {.group = "",
     .versions = "v1",
     .plural = "configmaps",
     .info = INFO("configmap", "v1", "ConfigMap"),
     .is_own = configmap,
     .by_name = true,
     .lists = true,
     .pushed = true},
    {.group = "",
     .versions = "v1",
     .plural = "secrets",
     .info = INFO("secret", "v1", "Secret"),
     .is_own = secret,
     .by_name = true,
     .lists = true,
     .pushed = true},
    {.group = DEVICES,
     .versions = "v1beta1",
     .plural = "devices",
     .info = INFO("device", DEVICES "/v1beta1", "Device"),
     .is_own = bound,
     .lists = true,
     .pushed = true},
    {.group = DEVICES,
     .versions = "v1beta1",
     .plural = "devicemodels",
     .info = INFO("devicemodel", DEVICES "/v1beta1", "DeviceModel"),
     .is_own = model,
     .by_name = true,
     .lists = true,
     .pushed = true},
    {.group = "",
     .versions = "v1",
     .plural = "persistentvolumeclaims",
     .info = INFO("persistentvolumeclaim", "v1", "PersistentVolumeClaim"),
     .is_own = claim,
     .by_name = true},
    {.group = "",
     .versions = "v1",
     .plural = "persistentvolumes",
     .info = INFO("persistentvolume", "v1", "PersistentVolume"),
     .is_own = volume},
    {.group = "storage.k8s.io",
     .versions = "v1",
     .plural = "volumeattachments",
     .info = INFO("volumeattachment", "storage.k8s.io/v1", "VolumeAttachment"),
     .is_own = attachment},
    {.group = "storage.k8s.io",
     .versions = "v1",
     .plural = "csidrivers",
     .info = INFO("csidriver", "storage.k8s.io/v1", "CSIDriver")},
    {.group = "storage.k8s.io",
     .versions = "v1",
     .plural = "csinodes",
     .info = INFO("csinode", "storage.k8s.io/v1", "CSINode"),
     .is_own = node_itself,
     .by_name = true},
    {.group = "node.k8s.io",
     .versions = "v1",
     .plural = "runtimeclasses",
     .info = INFO("runtimeclass", "node.k8s.io/v1", "RuntimeClass")},
    {.group = "coordination.k8s.io",
     .versions = "v1",
     .plural = "leases",
     .info = INFO("lease", "coordination.k8s.io/v1", "Lease"),
     .is_own = lease,
     .by_name = true},
    {.group = "",
     .versions = "v1",
     .plural = "services",
     .info = INFO("service", "v1", "Service"),
     .lists = true},
    {.group = "",
     .versions = "v1",
     .plural = "endpoints",
     .info = INFO("endpoints", "v1", "Endpoints"),
     .lists = true},
    {.group = "discovery.k8s.io",
     .versions = "v1 v1beta1",
     .plural = "endpointslices",
     .info = INFO("endpointslice", "discovery.k8s.io/v1", "EndpointSlice"),
     .lists = true},
};

const struct ec_reach *ec_reach_of(struct cor_view group_version, struct cor_view plural)
{
    const char *slash =
        group_version.len == 0 ? NULL : memchr(group_version.ptr, '/', group_version.len);
    size_t cut = slash == NULL ? 0 : (size_t)(slash - group_version.ptr);
    size_t behind = slash == NULL ? 0 : cut + 1;
    struct cor_view group = {group_version.ptr, cut};
    struct cor_view version = {group_version.ptr + behind, group_version.len - behind};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_view words = cor_view_of(ROWS[i].versions);
        struct cor_view word;
        while (version.len > 0 && cor_view_eq(group, cor_view_of(ROWS[i].group)) &&
               cor_view_is(plural, ROWS[i].plural) && cor_view_split(&words, ' ', &word)) {
            if (cor_view_eq(word, version)) {
                return &ROWS[i];
            }
        }
    }
    return NULL;
}

const struct ec_reach *ec_reach_of_type(struct cor_view type)
{
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].lists && !ROWS[i].pushed && cor_view_is(type, ROWS[i].info.type)) {
            return &ROWS[i];
        }
    }
    return NULL;
}

const struct ec_reach *ec_reach_of_kind(const char *kind)
{
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].lists && !ROWS[i].pushed && strcmp(kind, ROWS[i].info.kind) == 0) {
            return &ROWS[i];
        }
    }
    return NULL;
}

bool ec_reach_has(const struct ec_reach *reach, const struct ec *ec, const char *node,
                  const struct cor_json *object)
{
    return reach->is_own == NULL || reach->is_own(ec->pods, ec->devices, node, object);
}

static bool is_master_slice(const struct ec_reach *reach, const struct cor_json *object)
{
    return strcmp(reach->info.kind, "EndpointSlice") == 0 &&
           strcmp(ec_name(object), MASTER_SLICE) == 0 && strcmp(ec_ns(object), "default") == 0;
}

void ec_reach_shape(const struct ec_reach *reach, struct cor_json *object)
{
    struct cor_json *first = cor_json_item(cor_json_get(object, "endpoints"), 0);
    struct cor_json *ports = cor_json_get(object, "ports");
    if (!is_master_slice(reach, object) || !cor_json_is_object(first)) {
        return;
    }
    struct cor_json *endpoints = cor_json_array();
    struct cor_json *addresses = cor_json_array();
    cor_json_add(addresses, cor_json_str(META_ADDRESS));
    cor_json_add(endpoints, cor_json_copy(first));
    cor_json_set(cor_json_item(endpoints, 0), "addresses", addresses);
    cor_json_set(object, "endpoints", endpoints);
    for (size_t i = 0; i < cor_json_count(ports); i++) {
        struct cor_json *port = cor_json_item(ports, i);
        if (strcmp(cor_json_str_at(port, "name", ""), "https") == 0) {
            cor_json_set(port, "port", cor_json_int(META_PORT));
        }
    }
}
