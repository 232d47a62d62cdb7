// SPDX-License-Identifier: Apache-2.0
// Aggregated discovery: an APIGroupDiscoveryList (k8s.io/api/apidiscovery/v2).
#include <string.h>

#include "common/base/mem.h"
#include "pages.h"

/* The item of list whose member is text, made when it is not there. Borrowed. */
static struct cor_json *item_in(struct cor_json *list, const char *path, const char *text)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, path, ""), text) == 0) {
            return one;
        }
    }
    struct cor_json *one = cor_json_object();
    cor_json_set_at(one, path, cor_json_str(text));
    cor_json_add(list, one);
    return one;
}

static struct cor_json *list_in(struct cor_json *object, const char *name)
{
    if (!cor_json_is_array(cor_json_get(object, name))) {
        cor_json_set(object, name, cor_json_array());
    }
    return cor_json_get(object, name);
}

/* What kind answers with; an APIResource says so when it is not its own. */
static struct cor_json *response_kind(const struct kl_kind *kind, const struct cor_json *resource)
{
    struct cor_json *response = cor_json_object();
    cor_json_set(response, "group", cor_json_str(cor_json_str_at(resource, "group", kind->group)));
    cor_json_set(response, "version",
                 cor_json_str(cor_json_str_at(resource, "version", kind->version)));
    cor_json_set(response, "kind", cor_json_str(cor_json_str_at(resource, "kind", "")));
    return response;
}

static struct cor_json *subresource(const struct kl_kind *kind, const struct cor_json *resource)
{
    struct cor_json *sub = cor_json_object();
    const char *slash = strchr(cor_json_str_at(resource, "name", "/"), '/');
    cor_json_set(sub, "subresource", cor_json_str(slash == NULL ? "" : slash + 1));
    cor_json_set(sub, "responseKind", response_kind(kind, resource));
    cor_json_set(sub, "verbs", cor_json_copy(cor_json_get(resource, "verbs")));
    return sub;
}

static struct cor_json *resource_of(const struct kl_kind *kind)
{
    static const char *const copied[] = {"verbs", "shortNames", "categories"};
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    struct cor_json *out = cor_json_object();
    kl_page_add_kind(list, kind);
    const struct cor_json *first = cor_json_item(list, 0);
    cor_json_set(out, "resource", cor_json_str(kind->plural));
    cor_json_set(out, "responseKind", response_kind(kind, first));
    cor_json_set(out, "scope", cor_json_str(kind->namespaced ? "Namespaced" : "Cluster"));
    cor_json_set(out, "singularResource", cor_json_str(kind->singular));
    for (size_t i = 0; i < COR_COUNT(copied); i++) {
        cor_json_set(out, copied[i], cor_json_copy(cor_json_get(first, copied[i])));
    }
    for (size_t i = 1; i < cor_json_count(list); i++) {
        cor_json_add(list_in(out, "subresources"), subresource(kind, cor_json_item(list, i)));
    }
    return out;
}

struct cor_json *kl_discovery_all(const struct kl_kinds *kinds, bool core)
{
    struct cor_json *all = cor_json_object();
    struct cor_json *groups = cor_json_array();
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        if ((kind->group[0] == '\0') != core) {
            continue;
        }
        struct cor_json *group = item_in(groups, "metadata.name", kind->group);
        struct cor_json *version = item_in(list_in(group, "versions"), "version", kind->version);
        cor_json_add(list_in(version, "resources"), resource_of(kind));
        cor_json_set(version, "freshness", cor_json_str("Current"));
    }
    cor_json_set(all, "kind", cor_json_str("APIGroupDiscoveryList"));
    cor_json_set(all, "apiVersion", cor_json_str("apidiscovery.k8s.io/v2"));
    cor_json_set(all, "metadata", cor_json_object());
    cor_json_set(all, "items", groups);
    return all;
}
