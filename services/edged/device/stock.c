// SPDX-License-Identifier: Apache-2.0
#include "stock.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "stock_private.h"

static void drop_devices(struct stock_resource *resource)
{
    for (size_t i = 0; i < resource->count; i++) {
        cor_free(resource->devices[i].id);
    }
    cor_freep(&resource->devices);
    resource->count = 0;
}

struct stock *stock_new(void)
{
    struct stock *stock = cor_alloc(sizeof(*stock));
    cor_list_init(&stock->grants);
    return stock;
}

void stock_free(struct stock **stock)
{
    if (*stock == NULL) {
        return;
    }
    for (size_t i = 0; i < (*stock)->count; i++) {
        drop_devices(&(*stock)->resources[i]);
        cor_free((*stock)->resources[i].name);
    }
    COR_LIST_EACH (link, &(*stock)->grants) {
        stock_grant_free(COR_LIST_OBJECT(link, struct stock_grant, link));
    }
    cor_freep(stock);
}

/* ---- resources ---- */

struct stock_resource *stock_find(const struct stock *stock, const char *name)
{
    for (size_t i = 0; i < stock->count; i++) {
        if (strcmp(stock->resources[i].name, name) == 0) {
            return (struct stock_resource *)(uintptr_t)&stock->resources[i];
        }
    }
    return NULL;
}

bool stock_has(const struct stock *stock, const char *resource)
{
    return stock_find(stock, resource) != NULL;
}

enum cor_code stock_register(struct stock *stock, const char *resource, struct cor_err *err)
{
    struct stock_resource *known = stock_find(stock, resource);
    if (known == NULL && stock->count == STOCK_RESOURCES_MAX) {
        return cor_err_set(err, COR_TOOBIG, "more than %d resources", (int)STOCK_RESOURCES_MAX);
    }
    if (known == NULL) {
        known = &stock->resources[stock->count++];
        *known = (struct stock_resource){.name = cor_strdup(resource)};
    }
    known->live = true;
    return COR_OK;
}

static enum cor_code check_devices(const struct stock_device *list, size_t count,
                                   struct cor_err *err)
{
    auto_(cor_map_free) struct cor_map *seen = cor_map_new(NULL);
    if (count > STOCK_DEVICES_MAX) {
        return cor_err_set(err, COR_TOOBIG, "more than %d devices", (int)STOCK_DEVICES_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        struct cor_view id = cor_view_of(list[i].id);
        if (id.len == 0 || id.len > STOCK_ID_MAX || cor_map_get(seen, id) != NULL) {
            return cor_err_set(err, COR_INVALID,
                               "device %zu: its id is empty, longer than %d bytes or not its own",
                               i, (int)STOCK_ID_MAX);
        }
        cor_map_set(seen, id, seen);
    }
    return COR_OK;
}

enum cor_code stock_set(struct stock *stock, const char *resource, const struct stock_device *list,
                        size_t count, struct cor_err *err)
{
    struct stock_resource *known = stock_find(stock, resource);
    enum cor_code code = known == NULL ? cor_err_set(err, COR_NOTFOUND, "not registered")
                                       : check_devices(list, count, err);
    if (code != COR_OK) {
        return code;
    }
    drop_devices(known);
    known->devices = cor_calloc(count + 1, sizeof(*known->devices));
    known->count = count;
    for (size_t i = 0; i < count; i++) {
        known->devices[i] = (struct stock_item){cor_strdup(list[i].id), list[i].healthy};
    }
    return COR_OK;
}

void stock_lose(struct stock *stock, const char *resource, struct cor_mono now)
{
    struct stock_resource *known = stock_find(stock, resource);
    if (known == NULL) {
        return;
    }
    known->live = false;
    known->lost = now;
    for (size_t i = 0; i < known->count; i++) {
        known->devices[i].healthy = false;
    }
}

struct cor_mono stock_expire(struct stock *stock, struct cor_mono now, int64_t grace_us)
{
    struct cor_mono next = {INT64_MAX};
    for (size_t i = 0; i < stock->count; i++) {
        struct stock_resource *resource = &stock->resources[i];
        struct cor_mono end = cor_mono_add(resource->lost, grace_us);
        if (resource->live || resource->count == 0) {
            continue;
        }
        if (end.us <= now.us) {
            drop_devices(resource);
        } else if (end.us < next.us) {
            next = end;
        }
    }
    return next;
}

bool stock_next(const struct stock *stock, size_t *at, const char **resource_r, int64_t *capacity_r,
                int64_t *allocatable_r)
{
    if (*at >= stock->count) {
        return false;
    }
    const struct stock_resource *resource = &stock->resources[*at];
    *resource_r = resource->name;
    *capacity_r = (int64_t)resource->count;
    *allocatable_r = 0;
    for (size_t i = 0; i < resource->count; i++) {
        *allocatable_r += resource->devices[i].healthy;
    }
    *at += 1;
    return true;
}

/* ---- on disk ---- */

static struct cor_json *ids_json(const struct stock_grant *grant)
{
    enum { NO_NUMA_NODE = -1 }; /* nodeWithoutTopology */
    struct cor_json *list = cor_json_array();
    struct cor_json *nodes = cor_json_object();
    auto_(cor_freep) char *key = cor_sprintf("%d", NO_NUMA_NODE);
    for (size_t i = 0; i < grant->id_count; i++) {
        cor_json_add(list, cor_json_str(grant->ids[i]));
    }
    cor_json_set(nodes, key, list);
    return nodes;
}

static struct cor_json *grant_json(const struct stock_grant *grant)
{
    struct cor_json *out = cor_json_object();
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_base64(&text, (struct cor_view){grant->response, grant->response_len});
    cor_json_set(out, "PodUID", cor_json_str(grant->uid));
    cor_json_set(out, "ContainerName", cor_json_str(grant->container));
    cor_json_set(out, "ResourceName", cor_json_str(grant->resource));
    cor_json_set(out, "DeviceIDs", ids_json(grant));
    cor_json_set(out, "AllocResp", cor_json_view(cor_buf_as_view(&text)));
    return out;
}

struct cor_json *stock_save(const struct stock *stock)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *entries = cor_json_array();
    struct cor_json *registered = cor_json_object();
    COR_LIST_EACH (link, &stock->grants) {
        const struct stock_grant *grant = COR_LIST_OBJECT(link, struct stock_grant, link);
        if (grant->allocated) {
            cor_json_add(entries, grant_json(grant));
        }
    }
    for (size_t i = 0; i < stock->count; i++) {
        const struct stock_resource *resource = &stock->resources[i];
        struct cor_json *ids = cor_json_array();
        for (size_t k = 0; k < resource->count; k++) {
            if (resource->devices[k].healthy) {
                cor_json_add(ids, cor_json_str(resource->devices[k].id));
            }
        }
        cor_json_set(registered, resource->name, ids);
    }
    cor_json_set_at(out, "Data.PodDeviceEntries", entries);
    cor_json_set_at(out, "Data.RegisteredDevices", registered);
    cor_json_set(out, "Checksum", cor_json_int(0));
    return out;
}

static void load_ids(struct stock_grant *grant, const struct cor_json *list)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const char *id = cor_json_as_str(cor_json_item(list, i), "");
        if (id[0] != '\0' && strlen(id) <= STOCK_ID_MAX) {
            stock_grant_add(grant, id);
        }
    }
}

static void load_grant(struct stock *stock, const struct cor_json *json)
{
    const char *uid = cor_json_str_at(json, "PodUID", "");
    const char *container = cor_json_str_at(json, "ContainerName", "");
    const char *resource = cor_json_str_at(json, "ResourceName", "");
    const struct cor_json *ids = cor_json_get(json, "DeviceIDs");
    auto_(cor_buf_free) struct cor_buf response = {0};
    bool good = uid[0] != '\0' && container[0] != '\0' && resource[0] != '\0' &&
                cor_base64_decode(&response, cor_json_as_view(cor_json_get(json, "AllocResp")));
    if (!good || stock_register(stock, resource, NULL) != COR_OK) {
        return;
    }
    struct stock_grant *grant = stock_grant_new(stock, uid, container, resource);
    void *at = NULL;
    const char *node = NULL;
    struct cor_json *list = NULL;
    load_ids(grant, ids); /* as kubelets before 1.20 wrote it */
    while (cor_json_each(ids, &at, &node, &list)) {
        load_ids(grant, list);
    }
    stock_allocated(grant, cor_buf_as_view(&response));
}

void stock_load(struct stock *stock, const struct cor_json *json)
{
    const struct cor_json *entries = cor_json_at(json, "Data.PodDeviceEntries");
    const struct cor_json *registered = cor_json_at(json, "Data.RegisteredDevices");
    void *at = NULL;
    const char *resource = NULL;
    struct cor_json *ids = NULL;
    while (cor_json_each(registered, &at, &resource, &ids)) {
        if (stock_register(stock, resource, NULL) != COR_OK) {
            break;
        }
    }
    for (size_t i = 0; i < cor_json_count(entries); i++) {
        load_grant(stock, cor_json_item(entries, i));
    }
    for (size_t i = 0; i < stock->count; i++) {
        stock->resources[i].live = false; /* until its plug-in registers again */
    }
}
