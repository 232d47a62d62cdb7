// SPDX-License-Identifier: Apache-2.0
#include "nodeinfo.h"

#include <string.h>

#include "common/base/mem.h"

void csi_node_info_read(const Csi__V1__NodeGetInfoResponse *in, struct csi_node_info *out)
{
    const Csi__V1__Topology *topology = in->accessible_topology;
    *out = (struct csi_node_info){
        .id = cor_strdup(in->node_id),
        .most = in->max_volumes_per_node > INT32_MAX ? INT32_MAX : in->max_volumes_per_node};
    if (topology == NULL || topology->n_segments == 0) {
        return;
    }
    out->segments = cor_json_object();
    for (size_t i = 0; i < topology->n_segments; i++) {
        cor_json_set(out->segments, topology->segments[i]->key,
                     cor_json_str(topology->segments[i]->value));
    }
}

void csi_node_info_free(struct csi_node_info *info)
{
    cor_freep(&info->id);
    cor_json_free(&info->segments);
}

struct cor_json *csi_node_entry(const char *name, const struct csi_node_info *info)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *keys = cor_json_array();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(info->segments, &at, &key, &value)) {
        cor_json_add(keys, cor_json_str(key));
    }
    cor_json_set(out, "name", cor_json_str(name));
    cor_json_set(out, "nodeID", cor_json_str(info->id));
    cor_json_set(out, "topologyKeys", keys);
    if (info->most > 0) {
        cor_json_set_at(out, "allocatable.count", cor_json_int(info->most));
    }
    return out;
}

struct cor_json *csi_node_find(const struct cor_json *drivers, const char *name)
{
    for (size_t i = 0; i < cor_json_count(drivers); i++) {
        struct cor_json *driver = cor_json_item(drivers, i);
        if (strcmp(cor_json_str_at(driver, "name", ""), name) == 0) {
            return driver;
        }
    }
    return NULL;
}

/* An API says null where a list is empty. */
static bool same_entry(const struct cor_json *a, const struct cor_json *b)
{
    const struct cor_json *left = cor_json_get(a, "topologyKeys");
    const struct cor_json *right = cor_json_get(b, "topologyKeys");
    return strcmp(cor_json_str_at(a, "nodeID", ""), cor_json_str_at(b, "nodeID", "")) == 0 &&
           cor_json_int_at(a, "allocatable.count", 0) ==
               cor_json_int_at(b, "allocatable.count", 0) &&
           cor_json_count(left) == cor_json_count(right) &&
           (cor_json_count(left) == 0 || cor_json_equal(left, right));
}

struct cor_json *csi_node_drivers(const struct cor_json *had, const struct cor_json *gone,
                                  const struct cor_json *here, bool *again_r)
{
    struct cor_json *out = cor_json_array();
    *again_r = false;
    for (size_t i = 0; i < cor_json_count(had); i++) {
        struct cor_json *old = cor_json_item(had, i);
        const char *name = cor_json_str_at(old, "name", "");
        const struct cor_json *now = csi_node_find(here, name);
        if (now != NULL && !same_entry(old, now)) {
            *again_r = true;
        } else if (now != NULL || cor_json_get(gone, name) == NULL) {
            cor_json_add(out, cor_json_ref(old));
        }
    }
    for (size_t i = 0; i < cor_json_count(here); i++) {
        struct cor_json *now = cor_json_item(here, i);
        if (csi_node_find(had, cor_json_str_at(now, "name", "")) == NULL) {
            cor_json_add(out, cor_json_ref(now));
        }
    }
    return out;
}

bool csi_node_same(const struct cor_json *a, const struct cor_json *b)
{
    bool same = cor_json_count(a) == cor_json_count(b);
    for (size_t i = 0; same && i < cor_json_count(a); i++) {
        const struct cor_json *one = cor_json_item(a, i);
        const struct cor_json *other = csi_node_find(b, cor_json_str_at(one, "name", ""));
        same = other != NULL && same_entry(one, other);
    }
    return same;
}
