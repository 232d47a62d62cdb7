// SPDX-License-Identifier: Apache-2.0
// Which container has which device.
#include <inttypes.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "stock_private.h"

struct stock_grant *stock_grant_new(struct stock *stock, const char *uid, const char *container,
                                    const char *resource)
{
    struct stock_grant *grant = cor_alloc(sizeof(*grant));
    grant->uid = cor_strdup(uid);
    grant->container = cor_strdup(container);
    grant->resource = cor_strdup(resource);
    cor_list_add(&stock->grants, &grant->link);
    return grant;
}

void stock_grant_add(struct stock_grant *grant, const char *id)
{
    grant->ids = cor_realloc(grant->ids, grant->id_count + 1, sizeof(*grant->ids));
    grant->ids[grant->id_count++] = cor_strdup(id);
}

static void drop_ids(struct stock_grant *grant, size_t from)
{
    for (size_t i = from; i < grant->id_count; i++) {
        cor_free(grant->ids[i]);
    }
    grant->id_count = from;
}

void stock_grant_free(struct stock_grant *grant)
{
    cor_list_del(&grant->link);
    drop_ids(grant, 0);
    cor_free(grant->ids);
    cor_free(grant->uid);
    cor_free(grant->container);
    cor_free(grant->resource);
    cor_free(grant->response);
    cor_free(grant);
}

struct stock_grant *stock_grant(const struct stock *stock, const char *uid, const char *container,
                                const struct stock_grant *before)
{
    struct cor_link *link = before == NULL ? stock->grants.next : before->link.next;
    for (; link != &stock->grants; link = link->next) {
        struct stock_grant *grant = COR_LIST_OBJECT(link, struct stock_grant, link);
        if (strcmp(grant->uid, uid) == 0 &&
            (container == NULL || strcmp(grant->container, container) == 0)) {
            return grant;
        }
    }
    return NULL;
}

static struct stock_grant *grant_of(const struct stock *stock, const char *uid,
                                    const char *container, const char *resource)
{
    struct stock_grant *grant = NULL;
    while ((grant = stock_grant(stock, uid, container, grant)) != NULL) {
        if (strcmp(grant->resource, resource) == 0) {
            return grant;
        }
    }
    return NULL;
}

void stock_release(struct stock *stock, const char *uid)
{
    COR_LIST_EACH (link, &stock->grants) {
        struct stock_grant *grant = COR_LIST_OBJECT(link, struct stock_grant, link);
        if (strcmp(grant->uid, uid) == 0) {
            stock_grant_free(grant);
        }
    }
}

bool stock_keep(struct stock *stock, bool (*keep)(void *self, const char *uid), void *self)
{
    bool changed = false;
    COR_LIST_EACH (link, &stock->grants) {
        struct stock_grant *grant = COR_LIST_OBJECT(link, struct stock_grant, link);
        if (!keep(self, grant->uid)) {
            stock_grant_free(grant);
            changed = true;
        }
    }
    return changed;
}

/* ---- what is free ---- */

/* Ids of the resource that containers have, but those of grant (NULL: none). */
static struct cor_map *used_ids(const struct stock *stock, const char *resource,
                                const struct stock_grant *but)
{
    struct cor_map *used = cor_map_new(NULL);
    COR_LIST_EACH (link, &stock->grants) {
        struct stock_grant *grant = COR_LIST_OBJECT(link, struct stock_grant, link);
        for (size_t i = 0; grant != but && i < grant->id_count; i++) {
            if (strcmp(grant->resource, resource) == 0) {
                cor_map_set(used, cor_view_of(grant->ids[i]), grant);
            }
        }
    }
    return used;
}

static bool has_id(const struct stock_grant *grant, const char *id)
{
    for (size_t i = 0; i < grant->id_count; i++) {
        if (strcmp(grant->ids[i], id) == 0) {
            return true;
        }
    }
    return false;
}

const char **stock_choice(const struct stock *stock, const struct stock_grant *grant,
                          size_t *count_r)
{
    const struct stock_resource *resource = stock_find(stock, grant->resource);
    auto_(cor_map_free) struct cor_map *used = used_ids(stock, grant->resource, grant);
    size_t most = resource == NULL ? 0 : resource->count;
    const char **list = cor_calloc(most + grant->id_count + 1, sizeof(*list));
    *count_r = 0;
    for (size_t i = 0; i < grant->id_count; i++) {
        list[(*count_r)++] = grant->ids[i];
    }
    for (size_t i = 0; i < most; i++) {
        const struct stock_item *item = &resource->devices[i];
        if (item->healthy && cor_map_get(used, cor_view_of(item->id)) == NULL &&
            !has_id(grant, item->id)) {
            list[(*count_r)++] = item->id;
        }
    }
    return list;
}

void stock_prefer(struct stock *stock, struct stock_grant *grant, const char *const *ids,
                  size_t count)
{
    size_t wanted = grant->id_count;
    size_t free_count = 0;
    auto_(cor_freep) const char **choice = stock_choice(stock, grant, &free_count);
    struct stock_grant better = {0};
    for (size_t i = 0; i < grant->must; i++) {
        stock_grant_add(&better, grant->ids[i]);
    }
    for (size_t pass = 0; pass < 2; pass++) { /* what it prefers, then what there is */
        for (size_t i = 0; i < free_count; i++) {
            bool preferred = pass == 1;
            for (size_t k = 0; k < count && !preferred; k++) {
                preferred = strcmp(ids[k], choice[i]) == 0;
            }
            if (preferred && better.id_count < wanted && !has_id(&better, choice[i])) {
                stock_grant_add(&better, choice[i]);
            }
        }
    }
    drop_ids(grant, 0);
    cor_free(grant->ids);
    grant->ids = better.ids;
    grant->id_count = better.id_count;
}

void stock_allocated(struct stock_grant *grant, struct cor_view response)
{
    cor_free(grant->response);
    grant->response = cor_memdup(response.ptr, response.len);
    grant->response_len = response.len;
    grant->allocated = true;
}

/* ---- a Pod ---- */

/* A device that an init container had, and the next container may have. */
struct spare {
    const char *resource;
    const char *id;
};

struct reserving {
    struct stock *stock;
    const struct pod *pod;
    struct spare *spares;
    size_t spare_count;
    struct cor_err *err;
};

static void spare(struct reserving *r, const struct stock_grant *grant, bool add)
{
    for (size_t i = 0; i < grant->id_count; i++) {
        size_t at = 0;
        while (at < r->spare_count && (strcmp(r->spares[at].id, grant->ids[i]) != 0 ||
                                       strcmp(r->spares[at].resource, grant->resource) != 0)) {
            at++;
        }
        if (add && at == r->spare_count) {
            r->spares = cor_realloc(r->spares, r->spare_count + 1, sizeof(*r->spares));
            r->spares[r->spare_count++] = (struct spare){grant->resource, grant->ids[i]};
        } else if (!add && at < r->spare_count) {
            r->spares[at] = r->spares[--r->spare_count];
        }
    }
}

static size_t healthy_of(const struct stock_resource *resource)
{
    size_t count = 0;
    for (size_t i = 0; i < resource->count; i++) {
        count += resource->devices[i].healthy;
    }
    return count;
}

/* The kubelet's devicesToAllocate. */
static enum cor_code fill(struct reserving *r, struct stock_grant *grant, size_t wanted)
{
    const struct stock_resource *resource = stock_find(r->stock, grant->resource);
    if (healthy_of(resource) == 0) {
        return cor_err_set(r->err, COR_BUSY,
                           "no healthy devices present; cannot allocate unhealthy devices %.100s",
                           grant->resource);
    }
    for (size_t i = 0; i < r->spare_count && grant->id_count < wanted; i++) {
        if (strcmp(r->spares[i].resource, grant->resource) == 0) {
            stock_grant_add(grant, r->spares[i].id);
        }
    }
    grant->must = grant->id_count;
    size_t count = 0;
    auto_(cor_freep) const char **choice = stock_choice(r->stock, grant, &count);
    size_t left = wanted - grant->id_count;
    size_t available = count - grant->id_count;
    if (available < left) {
        return cor_err_set(r->err, COR_BUSY,
                           "requested number of devices unavailable for %.100s. Requested: %zu, "
                           "Available: %zu",
                           grant->resource, left, available);
    }
    for (size_t i = count - available; grant->id_count < wanted; i++) {
        stock_grant_add(grant, choice[i]);
    }
    return COR_OK;
}

static enum cor_code reserve_one(struct reserving *r, const struct pod_container *container,
                                 const struct pod_extra *extra, struct stock_grant **grant_r)
{
    struct stock_grant *grant = grant_of(r->stock, r->pod->uid, container->name, extra->name);
    *grant_r = grant;
    if (grant != NULL && grant->id_count == (size_t)extra->n) {
        return COR_OK;
    }
    if (grant != NULL) {
        return cor_err_set(r->err, COR_CONFLICT,
                           "pod \"%.60s\" container \"%.60s\" changed request for resource "
                           "\"%.60s\" from %zu to %" PRId64,
                           r->pod->uid, container->name, extra->name, grant->id_count, extra->n);
    }
    *grant_r = stock_grant_new(r->stock, r->pod->uid, container->name, extra->name);
    return fill(r, *grant_r, (size_t)extra->n);
}

static enum cor_code reserve_container(struct reserving *r, size_t index)
{
    const struct pod_container *container = pod_container(r->pod, index);
    bool passes_on = pod_is_init(r->pod, index) && !container->sidecar;
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < container->resources.extra_count; i++) {
        const struct pod_extra *extra = &container->resources.extras[i];
        struct stock_grant *grant = NULL;
        if (extra->n == 0 || !stock_has(r->stock, extra->name)) {
            continue;
        }
        code = reserve_one(r, container, extra, &grant);
        if (code == COR_OK) {
            spare(r, grant, passes_on);
        }
    }
    return code;
}

enum cor_code stock_reserve(struct stock *stock, const struct pod *pod, struct cor_err *err)
{
    struct reserving r = {.stock = stock, .pod = pod, .err = err};
    const struct cor_link *last = stock->grants.prev;
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < pod_main_end(pod); i++) {
        code = reserve_container(&r, i);
    }
    while (code != COR_OK && stock->grants.prev != last) {
        stock_grant_free(COR_LIST_OBJECT(stock->grants.prev, struct stock_grant, link));
    }
    cor_free(r.spares);
    return code;
}
