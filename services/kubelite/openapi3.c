// SPDX-License-Identifier: Apache-2.0
// OpenAPI v3: an index, and a document for each group and version, made of the v2 document: what
// kubectl explain reads.
#include <string.h>

#include "common/base/mem.h"
#include "crd.h"
#include "pages.h"
#include "plan.h"

static const char v2_prefix[] = "#/definitions/";

/* "api/v1" or "apis/apps/v1". Appended. */
static void place_of(const struct kl_kind *kind, struct cor_buf *out)
{
    cor_buf_str(out, kind->group[0] == '\0' ? "api/" : "apis/");
    kl_kind_api_version(kind, out);
}

/* Clients keep a document as long as its hash stays the same: it follows from what is defined. */
struct cor_json *kl_openapi3_index(const struct kl_kinds *kinds)
{
    auto_(cor_json_free) struct cor_json *contents = cor_json_object();
    struct cor_json *index = cor_json_object();
    struct cor_json *paths = cor_json_object();
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        auto_(cor_buf_free) struct cor_buf place = {0};
        if (kind->computed) {
            continue;
        }
        place_of(kind, &place);
        if (cor_json_get(contents, place.data) == NULL) {
            cor_json_set(contents, place.data, cor_json_object());
        }
        cor_json_set(cor_json_get(contents, place.data), kind->plural,
                     kind->custom == NULL ? cor_json_str(CORACLE_VERSION)
                                          : cor_json_copy(kl_crd_schema(kind->custom)));
    }
    void *at = NULL;
    const char *place = NULL;
    struct cor_json *content = NULL;
    while (cor_json_each(contents, &at, &place, &content)) {
        char hash[KL_HASH_SIZE];
        struct cor_json *one = cor_json_object();
        kl_template_hash(content, hash);
        cor_json_set(one, "serverRelativeURL", cor_json_fmt("/openapi/v3/%s?hash=%s", place, hash));
        cor_json_set(paths, place, one);
    }
    cor_json_set(index, "paths", paths);
    return index;
}

struct copying {
    const struct cor_json *definitions;
    struct cor_json *schemas;
};

static struct cor_json *converted(struct copying *copying, const struct cor_json *value);

/* Adds a definition and all that it refers to. */
static void add_schema(struct copying *copying, const char *name)
{
    const struct cor_json *definition = cor_json_get(copying->definitions, name);
    if (definition == NULL || cor_json_get(copying->schemas, name) != NULL) {
        return;
    }
    cor_json_set(copying->schemas, name, cor_json_object()); /* it may refer to itself */
    cor_json_set(copying->schemas, name, converted(copying, definition));
}

static struct cor_json *converted_object(struct copying *copying, const struct cor_json *value)
{
    struct cor_json *out = cor_json_object();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        const char *ref = strcmp(key, "$ref") == 0 ? cor_json_as_str(child, "") : "";
        if (strncmp(ref, v2_prefix, sizeof(v2_prefix) - 1) == 0) {
            const char *name = ref + sizeof(v2_prefix) - 1;
            add_schema(copying, name);
            cor_json_set(out, key, cor_json_fmt("#/components/schemas/%s", name));
        } else {
            cor_json_set(out, key, converted(copying, child));
        }
    }
    return out;
}

static struct cor_json *converted(struct copying *copying, const struct cor_json *value)
{
    if (cor_json_is_object(value)) {
        return converted_object(copying, value);
    }
    if (!cor_json_is_array(value)) {
        return cor_json_copy(value);
    }
    struct cor_json *list = cor_json_array();
    for (size_t i = 0; i < cor_json_count(value); i++) {
        cor_json_add(list, converted(copying, cor_json_item(value, i)));
    }
    return list;
}

static bool is_of(const struct cor_json *schema, const char *group, const char *version)
{
    const struct cor_json *kinds = cor_json_get(schema, "x-kubernetes-group-version-kind");
    for (size_t i = 0; i < cor_json_count(kinds); i++) {
        const struct cor_json *one = cor_json_item(kinds, i);
        if (strcmp(cor_json_str_at(one, "group", ""), group) == 0 &&
            strcmp(cor_json_str_at(one, "version", ""), version) == 0) {
            return true;
        }
    }
    return false;
}

/* Parameters have schemas in v3. */
static struct cor_json *converted_path(const struct cor_json *item)
{
    struct cor_json *out = cor_json_copy(item);
    const struct cor_json *parameters = cor_json_at(out, "patch.parameters");
    for (size_t i = 0; i < cor_json_count(parameters); i++) {
        struct cor_json *one = cor_json_item(parameters, i);
        struct cor_json *schema = cor_json_object();
        cor_json_set(schema, "type", cor_json_copy(cor_json_get(one, "type")));
        cor_json_del(one, "type");
        cor_json_set(one, "schema", schema);
    }
    return out;
}

struct cor_json *kl_openapi3_document(const struct kl_kinds *kinds, const char *group,
                                      const char *version)
{
    auto_(cor_json_free) struct cor_json *v2 = kl_openapi_document(kinds);
    auto_(cor_json_free) struct cor_json *schemas = cor_json_object();
    auto_(cor_json_free) struct cor_json *paths = cor_json_object();
    struct copying copying = {cor_json_get(v2, "definitions"), schemas};
    auto_(cor_freep) char *prefix = group[0] == '\0' ? cor_sprintf("/api/%s/", version)
                                                     : cor_sprintf("/apis/%s/%s/", group, version);
    void *at = NULL;
    const char *name = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(copying.definitions, &at, &name, &child)) {
        if (is_of(child, group, version)) {
            add_schema(&copying, name);
        }
    }
    at = NULL;
    while (cor_json_each(cor_json_get(v2, "paths"), &at, &name, &child)) {
        if (strncmp(name, prefix, strlen(prefix)) == 0) {
            cor_json_set(paths, name, converted_path(child));
        }
    }
    if (cor_json_count(schemas) == 0) {
        return NULL;
    }
    struct cor_json *document = cor_json_object();
    cor_json_set(document, "openapi", cor_json_str("3.0.0"));
    cor_json_set(document, "info", cor_json_copy(cor_json_get(v2, "info")));
    cor_json_set(document, "paths", take(&paths));
    cor_json_set_at(document, "components.schemas", take(&schemas));
    return document;
}
