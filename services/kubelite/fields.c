// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <string.h>

#include "common/base/mem.h"
#include "crd.h"

enum { KEYS_MAX = 8, SEPARATOR = '\x01' };

enum relation { LEAF, GRANULAR, KEYED, SET };

/* How a value is taken apart, and what its parts are. */
struct relation_of {
    enum relation relation;
    const char *keys[KEYS_MAX]; /* of KEYED; NULL at the end */
};

struct kl_shape_of kl_shape_of_kind(const struct kl_kind *kind)
{
    return kind->type != NULL ? (struct kl_shape_of){.type = kind->type}
                              : (struct kl_shape_of){.schema = kl_crd_schema(kind->custom)};
}

static struct relation_of keyed_by(const char *first)
{
    struct relation_of of = {KEYED, {first}};
    bool port = strcmp(first, "containerPort") == 0 || strcmp(first, "port") == 0;
    of.keys[1] = port ? "protocol" : strcmp(first, "topologyKey") == 0 ? "whenUnsatisfiable" : NULL;
    return of;
}

static struct relation_of by_schema(const struct cor_json *schema, const struct cor_json *value)
{
    struct relation_of of = {LEAF, {NULL}};
    const char *list = cor_json_str_at(schema, "x-kubernetes-list-type", "");
    const struct cor_json *keys = cor_json_get(schema, "x-kubernetes-list-map-keys");
    if (cor_json_is_object(value)) {
        bool atomic = strcmp(cor_json_str_at(schema, "x-kubernetes-map-type", ""), "atomic") == 0;
        of.relation = atomic ? LEAF : GRANULAR;
    } else if (cor_json_is_array(value) && strcmp(list, "set") == 0) {
        of.relation = SET;
    } else if (cor_json_is_array(value) && strcmp(list, "map") == 0) {
        of.relation = KEYED;
        for (size_t i = 0; i + 1 < KEYS_MAX && i < cor_json_count(keys); i++) {
            of.keys[i] = cor_json_as_str(cor_json_item(keys, i), "");
        }
    }
    return of;
}

static struct relation_of relation_of(const struct kl_shape_of *shape, const struct cor_json *value)
{
    const struct k8s_field *field = shape->field;
    if (shape->type == NULL && field == NULL) {
        return by_schema(shape->schema, value);
    }
    if (field != NULL && (field->flags & K8S_LIST) != 0 && cor_json_is_array(value)) {
        bool merge = (field->flags & K8S_MERGE) != 0;
        return !merge                     ? (struct relation_of){LEAF, {NULL}}
               : field->merge_key != NULL ? keyed_by(field->merge_key)
                                          : (struct relation_of){SET, {NULL}};
    }
    bool map = field != NULL && (field->flags & K8S_MAP) != 0;
    bool object = cor_json_is_object(value) && (map || shape->type != NULL);
    return (struct relation_of){object ? GRANULAR : LEAF, {NULL}};
}

/* The shape of a member, or of an element of a list (key NULL). */
static struct kl_shape_of inside(const struct kl_shape_of *shape, const char *key)
{
    if (shape->field != NULL && (shape->field->flags & (K8S_LIST | K8S_MAP)) != 0) {
        return (struct kl_shape_of){.type = shape->field->type};
    }
    if (shape->type != NULL && key != NULL) {
        const struct k8s_field *field = k8s_field_of(shape->type, cor_view_of(key));
        bool many = field != NULL && (field->flags & (K8S_LIST | K8S_MAP)) != 0;
        return field == NULL ? (struct kl_shape_of){0}
                             : (struct kl_shape_of){.type = many ? NULL : field->type,
                                                    .field = many ? field : NULL};
    }
    if (key == NULL) {
        return (struct kl_shape_of){.schema = cor_json_get(shape->schema, "items")};
    }
    if (strcmp(key, "metadata") == 0 &&
        cor_json_at(shape->schema, "properties.apiVersion") != NULL) {
        return (struct kl_shape_of){.type = &k8s_meta_v1_ObjectMeta};
    }
    const struct cor_json *own = cor_json_get(cor_json_get(shape->schema, "properties"), key);
    const struct cor_json *more = cor_json_get(shape->schema, "additionalProperties");
    return (struct kl_shape_of){.schema = own != NULL ? own : more};
}

/* The last part of the path of an element. Returns owned. */
static char *element_key(const struct relation_of *of, const struct cor_json *element)
{
    if (of->relation == SET) {
        auto_(cor_freep) char *text = cor_json_text(element);
        return cor_sprintf("v:%s", text);
    }
    auto_(cor_json_free) struct cor_json *key = cor_json_object();
    for (size_t i = 0; of->keys[i] != NULL; i++) {
        const struct cor_json *value = cor_json_get(element, of->keys[i]);
        bool protocol = value == NULL && strcmp(of->keys[i], "protocol") == 0;
        cor_json_set(key, of->keys[i], protocol ? cor_json_str("TCP") : cor_json_copy(value));
    }
    auto_(cor_freep) char *text = cor_json_text(key);
    return cor_sprintf("k:%s", text);
}

static void push(struct cor_buf *path, const char *kind, const char *key)
{
    if (path->len > 0) {
        char separator = SEPARATOR;
        cor_buf_add(path, &separator, 1);
    }
    cor_buf_fmt(path, "%s%s", kind, key);
}

static void cut(struct cor_buf *path, size_t len)
{
    path->len = len;
    if (path->data != NULL) {
        path->data[len] = '\0';
    }
}

static void collect(struct kl_shape_of shape, const struct cor_json *value, struct cor_buf *path,
                    struct cor_json *set);

static void collect_members(struct kl_shape_of shape, const struct cor_json *value,
                            struct cor_buf *path, struct cor_json *set)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        size_t before = path->len;
        push(path, "f:", key);
        collect(inside(&shape, key), child, path, set);
        cut(path, before);
    }
}

static void collect(struct kl_shape_of shape, const struct cor_json *value, struct cor_buf *path,
                    struct cor_json *set)
{
    struct relation_of of = relation_of(&shape, value);
    if (of.relation == LEAF || (cor_json_count(value) == 0 && path->len > 0)) {
        cor_json_set(set, path->data, cor_json_ref((struct cor_json *)(uintptr_t)value));
        return;
    }
    if (of.relation == GRANULAR) {
        collect_members(shape, value, path, set);
        return;
    }
    for (size_t i = 0; i < cor_json_count(value); i++) {
        const struct cor_json *element = cor_json_item(value, i);
        auto_(cor_freep) char *key = element_key(&of, element);
        size_t before = path->len;
        push(path, "", key);
        cor_json_set(set, path->data, cor_json_bool(true));
        if (of.relation == KEYED) {
            collect_members(inside(&shape, NULL), element, path, set);
        }
        cut(path, before);
    }
}

struct cor_json *kl_fields_of(struct kl_shape_of shape, const struct cor_json *object)
{
    static const char *const nobodys[] = {
        "name",        "namespace",  "creationTimestamp", "selfLink",     "uid",
        "clusterName", "generation", "resourceVersion",   "managedFields"};
    struct cor_json *set = cor_json_object();
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_json_free) struct cor_json *own = cor_json_object();
    auto_(cor_json_free) struct cor_json *meta = cor_json_copy(cor_json_get(object, "metadata"));
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(object, &at, &key, &child)) {
        if (strcmp(key, "apiVersion") != 0 && strcmp(key, "kind") != 0) {
            cor_json_set(own, key, cor_json_ref(child));
        }
    }
    for (size_t i = 0; meta != NULL && i < COR_COUNT(nobodys); i++) {
        cor_json_del(meta, nobodys[i]);
    }
    cor_json_set(own, "metadata", cor_json_count(meta) == 0 ? NULL : cor_json_ref(meta));
    collect(shape, own, &path, set);
    return set;
}

static struct cor_json *merge(struct kl_shape_of shape, const struct cor_json *live,
                              const struct cor_json *config);

static struct cor_json *merge_members(struct kl_shape_of shape, const struct cor_json *live,
                                      const struct cor_json *config)
{
    struct cor_json *out = cor_json_copy(live);
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(config, &at, &key, &child)) {
        if (!cor_json_is_null(child)) {
            cor_json_set(out, key, merge(inside(&shape, key), cor_json_get(live, key), child));
        }
    }
    return out;
}

/* Elements keep their places; new ones come behind. */
static struct cor_json *merge_elements(struct kl_shape_of shape, const struct relation_of *of,
                                       const struct cor_json *live, const struct cor_json *config)
{
    struct cor_json *out = cor_json_copy(live);
    auto_(cor_json_free) struct cor_json *places = cor_json_object();
    for (size_t i = 0; i < cor_json_count(live); i++) {
        auto_(cor_freep) char *key = element_key(of, cor_json_item(live, i));
        cor_json_set(places, key, cor_json_int((int64_t)i));
    }
    for (size_t i = 0; i < cor_json_count(config); i++) {
        const struct cor_json *element = cor_json_item(config, i);
        auto_(cor_freep) char *key = element_key(of, element);
        const struct cor_json *place = cor_json_get(places, key);
        if (place == NULL) {
            cor_json_add(out, cor_json_copy(element));
        } else if (of->relation == KEYED) {
            size_t index = (size_t)cor_json_as_int(place, 0);
            cor_json_put(out, index,
                         merge_members(inside(&shape, NULL), cor_json_item(live, index), element));
        }
    }
    return out;
}

static struct cor_json *merge(struct kl_shape_of shape, const struct cor_json *live,
                              const struct cor_json *config)
{
    struct relation_of of = relation_of(&shape, config);
    if (of.relation == LEAF || cor_json_type(live) != cor_json_type(config)) {
        return cor_json_copy(config);
    }
    return of.relation == GRANULAR ? merge_members(shape, live, config)
                                   : merge_elements(shape, &of, live, config);
}

struct cor_json *kl_fields_merge(struct kl_shape_of shape, const struct cor_json *live,
                                 const struct cor_json *config)
{
    return merge(shape, live, config);
}

/* Whether set has a path that begins with path. */
static bool any_below(const struct cor_json *set, const struct cor_buf *path)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(set, &at, &key, &value)) {
        if (strncmp(key, path->data, path->len) == 0 &&
            (key[path->len] == '\0' || key[path->len] == SEPARATOR)) {
            return true;
        }
    }
    return false;
}

struct pruning {
    const struct cor_json *doomed;
    const struct cor_json *kept;
    struct cor_buf path;
};

static void prune(struct kl_shape_of shape, struct cor_json *value, struct pruning *pruning);

/* Whether what is at the path goes as a whole. */
static bool goes(const struct pruning *pruning)
{
    return cor_json_get(pruning->doomed, pruning->path.data) != NULL &&
           !any_below(pruning->kept, &pruning->path);
}

static void prune_members(struct kl_shape_of shape, struct cor_json *value, struct pruning *pruning)
{
    auto_(cor_json_free) struct cor_json *gone = cor_json_array();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        size_t before = pruning->path.len;
        size_t size = cor_json_count(child);
        push(&pruning->path, "f:", key);
        bool whole = goes(pruning);
        if (!whole) {
            prune(inside(&shape, key), child, pruning);
        }
        if (whole || (size > 0 && cor_json_count(child) == 0)) {
            cor_json_add(gone, cor_json_str(key));
        }
        cut(&pruning->path, before);
    }
    for (size_t i = 0; i < cor_json_count(gone); i++) {
        cor_json_del(value, cor_json_as_str(cor_json_item(gone, i), ""));
    }
}

static void prune(struct kl_shape_of shape, struct cor_json *value, struct pruning *pruning)
{
    struct relation_of of = relation_of(&shape, value);
    if (of.relation == GRANULAR) {
        prune_members(shape, value, pruning);
    }
    if (of.relation == LEAF || of.relation == GRANULAR) {
        return;
    }
    for (size_t i = cor_json_count(value); i > 0; i--) {
        struct cor_json *element = cor_json_item(value, i - 1);
        auto_(cor_freep) char *key = element_key(&of, element);
        size_t before = pruning->path.len;
        push(&pruning->path, "", key);
        if (goes(pruning)) {
            cor_json_put(value, i - 1, NULL);
        } else if (of.relation == KEYED) {
            prune_members(inside(&shape, NULL), element, pruning);
        }
        cut(&pruning->path, before);
    }
}

void kl_fields_prune(struct kl_shape_of shape, struct cor_json *object,
                     const struct cor_json *doomed, const struct cor_json *kept)
{
    struct pruning pruning = {.doomed = doomed, .kept = kept};
    prune(shape, object, &pruning);
    cor_buf_free(&pruning.path);
}

/* "." alone says no more than {}. */
static void drop_dots(struct cor_json *fields)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(fields, &at, &key, &child)) {
        if (cor_json_count(child) == 1 && cor_json_get(child, ".") != NULL) {
            cor_json_del(child, ".");
        }
        drop_dots(child);
    }
}

struct cor_json *kl_fields_v1(const struct cor_json *set)
{
    struct cor_json *fields = cor_json_object();
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(set, &at, &path, &value)) {
        struct cor_view rest = cor_view_of(path);
        struct cor_view part;
        struct cor_json *node = fields;
        while (cor_view_split(&rest, SEPARATOR, &part)) {
            auto_(cor_freep) char *key = cor_view_dup(part);
            if (cor_json_get(node, key) == NULL) {
                cor_json_set(node, key, cor_json_object());
            }
            node = cor_json_get(node, key);
        }
        cor_json_set(node, ".", cor_json_object());
    }
    drop_dots(fields);
    return fields;
}

static void flatten(const struct cor_json *fields, struct cor_buf *path, struct cor_json *set)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    if (path->len > 0 && cor_json_count(fields) == 0) {
        cor_json_set(set, path->data, cor_json_bool(true));
    }
    while (cor_json_each(fields, &at, &key, &child)) {
        size_t before = path->len;
        if (strcmp(key, ".") == 0) {
            cor_json_set(set, path->len == 0 ? "" : path->data, cor_json_bool(true));
            continue;
        }
        push(path, "", key);
        flatten(child, path, set);
        cut(path, before);
    }
}

struct cor_json *kl_fields_from_v1(const struct cor_json *fields)
{
    struct cor_json *set = cor_json_object();
    auto_(cor_buf_free) struct cor_buf path = {0};
    flatten(fields, &path, set);
    return set;
}

void kl_fields_subtract(struct cor_json *set, const struct cor_json *other)
{
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(other, &at, &path, &value)) {
        cor_json_del(set, path);
    }
}

void kl_fields_add(struct cor_json *set, const struct cor_json *other)
{
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(other, &at, &path, &value)) {
        cor_json_set(set, path, cor_json_ref(value));
    }
}

struct cor_json *kl_fields_common(const struct cor_json *a, const struct cor_json *b)
{
    struct cor_json *common = cor_json_object();
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(a, &at, &path, &value)) {
        if (cor_json_get(b, path) != NULL) {
            cor_json_set(common, path, cor_json_ref(value));
        }
    }
    return common;
}

void kl_fields_compare(const struct cor_json *before, const struct cor_json *after,
                       struct cor_json **changed_r, struct cor_json **removed_r)
{
    void *at = NULL;
    const char *path = NULL;
    struct cor_json *value = NULL;
    *changed_r = cor_json_object();
    *removed_r = cor_json_object();
    while (cor_json_each(after, &at, &path, &value)) {
        const struct cor_json *was = cor_json_get(before, path);
        if (was == NULL || !cor_json_equal(was, value)) {
            cor_json_set(*changed_r, path, cor_json_ref(value));
        }
    }
    at = NULL;
    while (cor_json_each(before, &at, &path, &value)) {
        if (cor_json_get(after, path) == NULL) {
            cor_json_set(*removed_r, path, cor_json_ref(value));
        }
    }
}

static void key_text(struct cor_view json, struct cor_buf *out)
{
    auto_(cor_json_free) struct cor_json *key = NULL;
    void *at = NULL;
    const char *name = NULL;
    struct cor_json *value = NULL;
    const char *separator = "[";
    if (cor_json_parse(json, 4096, 0, &key, NULL) != COR_OK) {
        return;
    }
    while (cor_json_each(key, &at, &name, &value)) {
        auto_(cor_freep) char *text = cor_json_text(value);
        cor_buf_fmt(out, "%s%s=%s", separator, name, text);
        separator = ",";
    }
    cor_buf_str(out, "]");
}

void kl_fields_text(const char *path, struct cor_buf *out)
{
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    while (cor_view_split(&rest, SEPARATOR, &part)) {
        struct cor_view body = {part.ptr + (part.len < 2 ? part.len : 2),
                                part.len < 2 ? 0 : part.len - 2};
        if (cor_view_starts(part, "f:")) {
            cor_buf_fmt(out, ".%.*s", COR_VIEW_ARG(body));
        } else if (cor_view_starts(part, "v:")) {
            cor_buf_fmt(out, "[=%.*s]", COR_VIEW_ARG(body));
        } else {
            key_text(body, out);
        }
    }
}
