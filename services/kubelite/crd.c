// SPDX-License-Identifier: Apache-2.0
#include "crd.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "watch.h"

/* One served version of a definition. Kept until the end, for what still points to it. */
struct kl_crd_version {
    struct cor_link link;
    struct kl_kind kind;
    struct cor_json *crd;     /* shared; the strings of kind live there */
    struct cor_json *columns; /* owned */
    const struct cor_json *schema;
    char **shorts;
    char **categories;
};

struct kl_crds {
    struct kl_api *api;
    struct cor_link versions;
};

const struct cor_json *kl_crd_columns(const struct kl_crd_version *version)
{
    return version->columns;
}

const struct cor_json *kl_crd_schema(const struct kl_crd_version *version)
{
    return version->schema;
}

static char **words(const struct cor_json *list)
{
    size_t count = cor_json_count(list);
    char **out = cor_calloc(count + 1, sizeof(*out));
    for (size_t i = 0; i < count; i++) {
        out[i] = cor_strdup(cor_json_as_str(cor_json_item(list, i), ""));
    }
    return out;
}

static void words_free(char **list)
{
    for (size_t i = 0; list[i] != NULL; i++) {
        cor_free(list[i]);
    }
    cor_free(list);
}

/* The columns of a version; a version without any shows its age. */
static struct cor_json *columns_of(const struct cor_json *version)
{
    const struct cor_json *columns = cor_json_get(version, "additionalPrinterColumns");
    if (cor_json_count(columns) > 0) {
        return cor_json_copy(columns);
    }
    struct cor_json *list = cor_json_array();
    struct cor_json *age = cor_json_object();
    cor_json_set(age, "name", cor_json_str("Age"));
    cor_json_set(age, "type", cor_json_str("date"));
    cor_json_set(age, "jsonPath", cor_json_str(".metadata.creationTimestamp"));
    cor_json_add(list, age);
    return list;
}

static void serve(struct kl_crds *crds, struct cor_json *crd, size_t index)
{
    struct kl_crd_version *own = cor_alloc(sizeof(*own));
    own->crd = cor_json_ref(crd);
    const struct cor_json *spec = cor_json_get(own->crd, "spec");
    const struct cor_json *names = cor_json_get(spec, "names");
    const struct cor_json *version = cor_json_item(cor_json_get(spec, "versions"), index);
    own->columns = columns_of(version);
    own->schema = cor_json_at(version, "schema.openAPIV3Schema");
    own->shorts = words(cor_json_get(names, "shortNames"));
    own->categories = words(cor_json_get(names, "categories"));
    bool status = cor_json_at(version, "subresources.status") != NULL;
    own->kind = (struct kl_kind){
        .group = cor_json_str_at(spec, "group", ""),
        .version = cor_json_str_at(version, "name", ""),
        .kind = cor_json_str_at(names, "kind", ""),
        .list_kind = cor_json_str_at(names, "listKind", ""),
        .plural = cor_json_str_at(names, "plural", ""),
        .singular = cor_json_str_at(names, "singular", ""),
        .shorts = (const char *const *)own->shorts,
        .categories = (const char *const *)own->categories,
        .namespaced = strcmp(cor_json_str_at(spec, "scope", ""), "Namespaced") == 0,
        .subs = status ? KL_SUB_STATUS : 0,
        .custom = own,
    };
    cor_list_add(&crds->versions, &own->link);
    kl_kinds_add(crds->api->kinds, &own->kind);
}

static void withdraw(struct kl_crds *crds, const struct cor_json *crd)
{
    const char *group = cor_json_str_at(crd, "spec.group", "");
    const char *plural = cor_json_str_at(crd, "spec.names.plural", "");
    COR_LIST_EACH (node, &crds->versions) {
        struct kl_crd_version *own = COR_LIST_OBJECT(node, struct kl_crd_version, link);
        bool mine = strcmp(own->kind.group, group) == 0 && strcmp(own->kind.plural, plural) == 0;
        if (mine && crds->api->watches != NULL) {
            kl_watches_end(crds->api->watches, &own->kind);
        }
    }
    kl_kinds_remove(crds->api->kinds, group, plural);
}

/* The objects of a definition that was deleted go with it. */
static void empty(struct kl_crds *crds, const struct cor_json *crd)
{
    const char *group = cor_json_str_at(crd, "spec.group", "");
    const char *plural = cor_json_str_at(crd, "spec.names.plural", "");
    struct kl_kind kind = {.group = group, .version = "", .plural = plural};
    auto_(cor_json_free) struct cor_json *list =
        kl_storage_objects(crds->api->storage, &kind, NULL);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        struct cor_json *newest = kl_storage_get(
            crds->api->storage, &kind, kl_meta_str(one, "namespace"), kl_meta_str(one, "name"));
        if (newest != NULL) {
            kl_own_delete(crds->api, &kind, newest);
        }
    }
}

static void serve_all(struct kl_crds *crds, struct cor_json *crd)
{
    const struct cor_json *versions = cor_json_at(crd, "spec.versions");
    for (size_t i = 0; i < cor_json_count(versions); i++) {
        if (cor_json_bool_at(cor_json_item(versions, i), "served", false)) {
            serve(crds, crd, i);
        }
    }
}

static void on_change(void *self, const struct kl_change *change)
{
    struct kl_crds *crds = self;
    if (strcmp(change->key, "customresourcedefinitions.apiextensions.k8s.io") != 0) {
        return;
    }
    bool same = change->type == KL_MODIFIED && cor_json_equal(cor_json_get(change->object, "spec"),
                                                              cor_json_get(change->old, "spec"));
    if (same) {
        return;
    }
    if (change->old != NULL) {
        withdraw(crds, change->old);
    }
    if (change->type == KL_DELETED) {
        empty(crds, change->object);
    } else {
        serve_all(crds, change->object);
    }
}

static void on_stored(void *self, struct cor_view text)
{
    auto_(cor_json_free) struct cor_json *crd = NULL;
    if (cor_json_parse(text, SIZE_MAX, 0, &crd, NULL) == COR_OK) {
        serve_all(self, crd);
    }
}

struct kl_crds *kl_crds_new(struct kl_api *api)
{
    struct kl_crds *crds = cor_alloc(sizeof(*crds));
    crds->api = api;
    cor_list_init(&crds->versions);
    (void)kl_storage_list(api->storage, kl_builtin(KL_CRD), NULL, on_stored, crds);
    kl_storage_listen(api->storage, on_change, crds);
    return crds;
}

void kl_crds_free(struct kl_crds **crds)
{
    if (*crds == NULL) {
        return;
    }
    COR_LIST_EACH (node, &(*crds)->versions) {
        struct kl_crd_version *own = COR_LIST_OBJECT(node, struct kl_crd_version, link);
        cor_json_free(&own->crd);
        cor_json_free(&own->columns);
        words_free(own->shorts);
        words_free(own->categories);
        cor_free(own);
    }
    cor_freep(crds);
}

/* The next step of a JSONPath: a name, or an index in brackets. False at the end or when it is not
 * understood. */
static bool next_step(const char **path, struct cor_buf *name, long *index)
{
    const char *at = *path;
    cor_buf_clear(name);
    *index = -1;
    if (*at == '[') {
        char *end = NULL;
        *index = strtol(at + 1, &end, 10);
        *path = *end == ']' ? end + 1 : end;
        return end != at + 1 && *end == ']' && *index >= 0;
    }
    at += *at == '.' ? 1 : 0;
    while (*at != '\0' && *at != '.' && *at != '[') {
        at += *at == '\\' && at[1] != '\0' ? 1 : 0;
        cor_buf_add(name, at++, 1);
    }
    *path = at;
    return name->len > 0;
}

struct cor_json *kl_crd_json_path(const struct cor_json *object, const char *path)
{
    auto_(cor_buf_free) struct cor_buf name = {0};
    struct cor_json *at = (struct cor_json *)(uintptr_t)object;
    long index = -1;
    while (*path != '\0' && at != NULL) {
        if (!next_step(&path, &name, &index)) {
            return NULL;
        }
        at = index >= 0 ? (cor_json_is_array(at) ? cor_json_item(at, (size_t)index) : NULL)
                        : cor_json_get(at, name.data);
    }
    return cor_json_ref(at);
}
