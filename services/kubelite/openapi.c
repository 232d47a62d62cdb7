// SPDX-License-Identifier: Apache-2.0
// The OpenAPI v2 document, from the field tables and the schemas of CustomResourceDefinitions: what
// kubectl checks manifests against and finds merge keys in.
#include <string.h>

#include "common/base/mem.h"
#include "crd.h"
#include "pages.h"

static struct cor_json *ref_to(const char *name)
{
    struct cor_json *schema = cor_json_object();
    cor_json_set(schema, "$ref", cor_json_fmt("#/definitions/%s", name));
    return schema;
}

static struct cor_json *scalar(const char *type, const char *format)
{
    struct cor_json *schema = cor_json_object();
    cor_json_set(schema, "type", cor_json_str(type));
    if (format != NULL) {
        cor_json_set(schema, "format", cor_json_str(format));
    }
    return schema;
}

/* Schema of one value of a field's kind. */
static struct cor_json *one_value(const struct k8s_field *field)
{
    switch ((enum k8s_kind)field->kind) {
    case K8S_STR:
        return scalar("string", NULL);
    case K8S_BOOL:
        return scalar("boolean", NULL);
    case K8S_INT32:
        return scalar("integer", "int32");
    case K8S_INT64:
        return scalar("integer", "int64");
    case K8S_REAL:
        return scalar("number", "double");
    case K8S_BYTES:
        return scalar("string", "byte");
    case K8S_TIME:
        return ref_to("io.k8s.apimachinery.pkg.apis.meta.v1.Time");
    case K8S_MICROTIME:
        return ref_to("io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime");
    case K8S_QUANTITY:
        return ref_to("io.k8s.apimachinery.pkg.api.resource.Quantity");
    case K8S_INTSTR:
        return ref_to("io.k8s.apimachinery.pkg.util.intstr.IntOrString");
    case K8S_STRUCT:
        return ref_to(field->type->name);
    case K8S_SCHEMA:
    case K8S_RAW:
        break;
    }
    return cor_json_object();
}

static struct cor_json *field_schema(const struct k8s_field *field)
{
    struct cor_json *schema = one_value(field);
    if ((field->flags & K8S_LIST) != 0) {
        struct cor_json *list = scalar("array", NULL);
        cor_json_set(list, "items", schema);
        schema = list;
    } else if ((field->flags & K8S_MAP) != 0) {
        struct cor_json *map = scalar("object", NULL);
        cor_json_set(map, "additionalProperties", schema);
        schema = map;
    }
    if (field->merge_key != NULL) {
        cor_json_set(schema, "x-kubernetes-patch-merge-key", cor_json_str(field->merge_key));
    }
    if ((field->flags & K8S_MERGE) != 0) {
        bool retain = (field->flags & K8S_RETAIN) != 0;
        cor_json_set(schema, "x-kubernetes-patch-strategy",
                     cor_json_str(retain ? "merge,retainKeys" : "merge"));
    } else if ((field->flags & K8S_RETAIN) != 0) {
        cor_json_set(schema, "x-kubernetes-patch-strategy", cor_json_str("retainKeys"));
    }
    return schema;
}

static struct cor_json *type_schema(const struct k8s_type *type)
{
    struct cor_json *schema = scalar("object", NULL);
    struct cor_json *properties = cor_json_object();
    struct cor_json *required = cor_json_array();
    for (size_t i = 0; i < type->count; i++) {
        const struct k8s_field *field = &type->fields[i];
        cor_json_set(properties, field->name, field_schema(field));
        if ((field->flags & K8S_REQUIRED) != 0) {
            cor_json_add(required, cor_json_str(field->name));
        }
    }
    if (cor_json_count(required) > 0) {
        cor_json_set(schema, "required", cor_json_ref(required));
    }
    cor_json_free(&required);
    if (cor_json_count(properties) > 0) {
        cor_json_set(schema, "properties", cor_json_ref(properties));
    }
    cor_json_free(&properties);
    return schema;
}

static void mark(struct cor_json *schema, const char *group, const char *version, const char *kind)
{
    struct cor_json *list = cor_json_array();
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "group", cor_json_str(group));
    cor_json_set(one, "kind", cor_json_str(kind));
    cor_json_set(one, "version", cor_json_str(version));
    cor_json_add(list, one);
    cor_json_set(schema, "x-kubernetes-group-version-kind", list);
}

/* Only what OpenAPI v2 knows: nullable, defaults and junctors of v3 go. */
static void to_v2(struct cor_json *schema)
{
    static const char *const unknown[] = {"nullable", "oneOf",   "anyOf",
                                          "not",      "default", "example"};
    for (size_t i = 0; i < COR_COUNT(unknown); i++) {
        cor_json_del(schema, unknown[i]);
    }
    if (cor_json_bool_at(schema, "x-kubernetes-preserve-unknown-fields", false) ||
        cor_json_bool_at(schema, "x-kubernetes-int-or-string", false)) {
        cor_json_del(schema, "type");
        cor_json_del(schema, "properties");
        cor_json_del(schema, "items");
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(cor_json_get(schema, "properties"), &at, &key, &child)) {
        to_v2(child);
    }
    if (cor_json_is_object(cor_json_get(schema, "items"))) {
        to_v2(cor_json_get(schema, "items"));
    }
    if (cor_json_is_object(cor_json_get(schema, "additionalProperties"))) {
        to_v2(cor_json_get(schema, "additionalProperties"));
    }
}

static struct cor_json *custom_schema(const struct kl_kind *kind)
{
    struct cor_json *schema = cor_json_copy(kl_crd_schema(kind->custom));
    if (schema == NULL) {
        schema = scalar("object", NULL);
    }
    to_v2(schema);
    if (cor_json_get(schema, "type") != NULL) {
        if (cor_json_get(schema, "properties") == NULL) {
            cor_json_set(schema, "properties", cor_json_object());
        }
        struct cor_json *properties = cor_json_get(schema, "properties");
        cor_json_set(properties, "apiVersion", scalar("string", NULL));
        cor_json_set(properties, "kind", scalar("string", NULL));
        cor_json_set(properties, "metadata", ref_to(k8s_meta_v1_ObjectMeta.name));
    }
    return schema;
}

/* "devices.kubeedge.io" -> "io.kubeedge.devices". */
static void reversed(const char *group, struct cor_buf *out)
{
    struct cor_view parts[16];
    size_t count = 0;
    struct cor_view rest = cor_view_of(group);
    while (count < COR_COUNT(parts) && cor_view_split(&rest, '.', &parts[count])) {
        count++;
    }
    for (size_t i = count; i > 0; i--) {
        cor_buf_view(out, parts[i - 1]);
        cor_buf_str(out, i > 1 ? "." : "");
    }
}

static void definition_name(const struct kl_kind *kind, struct cor_buf *out)
{
    if (kind->type != NULL) {
        cor_buf_str(out, kind->type->name);
        return;
    }
    reversed(kind->group, out);
    cor_buf_fmt(out, ".%s.%s", kind->version, kind->kind);
}

static struct cor_json *operation(const struct kl_kind *kind, const char *action)
{
    struct cor_json *one = cor_json_object();
    struct cor_json *kinds = cor_json_object();
    struct cor_json *responses = cor_json_object();
    struct cor_json *ok = cor_json_object();
    cor_json_set(ok, "description", cor_json_str("OK"));
    cor_json_set(responses, "200", ok);
    cor_json_set(kinds, "group", cor_json_str(kind->group));
    cor_json_set(kinds, "kind", cor_json_str(kind->kind));
    cor_json_set(kinds, "version", cor_json_str(kind->version));
    cor_json_set(one, "responses", responses);
    cor_json_set(one, "x-kubernetes-action", cor_json_str(action));
    cor_json_set(one, "x-kubernetes-group-version-kind", kinds);
    return one;
}

/* The dryRun parameter of PATCH tells kubectl that dry run is supported. */
static void add_path(struct cor_json *paths, const struct kl_kind *kind)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    if (kind->group[0] == '\0') {
        cor_buf_fmt(&path, "/api/%s/", kind->version);
    } else {
        cor_buf_fmt(&path, "/apis/%s/%s/", kind->group, kind->version);
    }
    cor_buf_fmt(&path, "%s%s/{name}", kind->namespaced ? "namespaces/{namespace}/" : "",
                kind->plural);
    struct cor_json *parameters = cor_json_array();
    struct cor_json *dry = cor_json_object();
    cor_json_set(dry, "in", cor_json_str("query"));
    cor_json_set(dry, "name", cor_json_str("dryRun"));
    cor_json_set(dry, "type", cor_json_str("string"));
    cor_json_add(parameters, dry);
    struct cor_json *patch = operation(kind, "patch");
    cor_json_set(patch, "parameters", parameters);
    struct cor_json *item = cor_json_object();
    cor_json_set(item, "patch", patch);
    cor_json_set(paths, path.data, item);
}

static void add_simple(struct cor_json *definitions)
{
    cor_json_set(definitions, "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
                 scalar("string", "date-time"));
    cor_json_set(definitions, "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
                 scalar("string", "date-time"));
    cor_json_set(definitions, "io.k8s.apimachinery.pkg.api.resource.Quantity",
                 scalar("string", NULL));
    cor_json_set(definitions, "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                 scalar("string", "int-or-string"));
}

struct cor_json *kl_openapi_document(const struct kl_kinds *kinds)
{
    struct cor_json *document = cor_json_object();
    struct cor_json *definitions = cor_json_object();
    struct cor_json *paths = cor_json_object();
    cor_json_set(document, "swagger", cor_json_str("2.0"));
    cor_json_set_at(document, "info.title", cor_json_str("Kubernetes"));
    cor_json_set_at(document, "info.version", cor_json_str("v1.20.2"));
    add_simple(definitions);
    const struct k8s_type *type = NULL;
    for (size_t i = 0; (type = k8s_type_at(i)) != NULL; i++) {
        cor_json_set(definitions, type->name, type_schema(type));
    }
    const struct kl_kind *kind = NULL;
    for (size_t i = 0; (kind = kl_kinds_at(kinds, i)) != NULL; i++) {
        auto_(cor_buf_free) struct cor_buf name = {0};
        if (kind->computed) {
            continue;
        }
        definition_name(kind, &name);
        if (kind->custom != NULL) {
            cor_json_set(definitions, name.data, custom_schema(kind));
        }
        mark(cor_json_get(definitions, name.data), kind->group, kind->version, kind->kind);
        if (!kind->review) {
            add_path(paths, kind);
        }
    }
    cor_json_set(document, "paths", paths);
    cor_json_set(document, "definitions", definitions);
    return document;
}
