// SPDX-License-Identifier: Apache-2.0
#include "refs.h"

#include <string.h>

#include "common/base/hash.h"

static void tell(const struct cor_json *object, const char *path, const char *type, ec_ref_fn fn,
                 void *self)
{
    const char *name = cor_json_str_at(object, path, "");
    if (name[0] != '\0') {
        fn(self, type, name);
    }
}

static void container_refs(const struct cor_json *container, ec_ref_fn fn, void *self)
{
    const struct cor_json *env = cor_json_get(container, "env");
    for (size_t i = 0; i < cor_json_count(env); i++) {
        const struct cor_json *from = cor_json_get(cor_json_item(env, i), "valueFrom");
        tell(from, "configMapKeyRef.name", "configmap", fn, self);
        tell(from, "secretKeyRef.name", "secret", fn, self);
    }
    const struct cor_json *sources = cor_json_get(container, "envFrom");
    for (size_t i = 0; i < cor_json_count(sources); i++) {
        tell(cor_json_item(sources, i), "configMapRef.name", "configmap", fn, self);
        tell(cor_json_item(sources, i), "secretRef.name", "secret", fn, self);
    }
}

static void volume_refs(const struct cor_json *volume, ec_ref_fn fn, void *self)
{
    tell(volume, "configMap.name", "configmap", fn, self);
    tell(volume, "secret.secretName", "secret", fn, self);
    tell(volume, "csi.nodePublishSecretRef.name", "secret", fn, self);
    const struct cor_json *sources = cor_json_at(volume, "projected.sources");
    for (size_t i = 0; i < cor_json_count(sources); i++) {
        tell(cor_json_item(sources, i), "configMap.name", "configmap", fn, self);
        tell(cor_json_item(sources, i), "secret.name", "secret", fn, self);
    }
}

static void each(const struct cor_json *list,
                 void (*part)(const struct cor_json *, ec_ref_fn, void *), ec_ref_fn fn, void *self)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        part(cor_json_item(list, i), fn, self);
    }
}

void ec_pod_refs(const struct cor_json *pod, ec_ref_fn fn, void *self)
{
    const struct cor_json *spec = cor_json_get(pod, "spec");
    each(cor_json_get(spec, "volumes"), volume_refs, fn, self);
    each(cor_json_get(spec, "initContainers"), container_refs, fn, self);
    each(cor_json_get(spec, "containers"), container_refs, fn, self);
    const struct cor_json *pulls = cor_json_get(spec, "imagePullSecrets");
    for (size_t i = 0; i < cor_json_count(pulls); i++) {
        tell(cor_json_item(pulls, i), "name", "secret", fn, self);
    }
}

struct search {
    const char *type;
    const char *name;
    bool found;
};

static void compare(void *self, const char *type, const char *name)
{
    struct search *s = self;
    s->found = s->found || (strcmp(type, s->type) == 0 && strcmp(name, s->name) == 0);
}

bool ec_pod_has_ref(const struct cor_json *pod, const char *type, const char *name)
{
    struct search search = {type, name, false};
    ec_pod_refs(pod, compare, &search);
    return search.found;
}

/* What is no change. */
static const char *const NOISE[] = {"resourceVersion", "generation", "managedFields", NULL};
static const char *const APART[] = {"metadata", "status", NULL};

static bool is_in(const char *const *list, const char *key)
{
    while (*list != NULL && strcmp(*list, key) != 0) {
        list++;
    }
    return *list != NULL;
}

/* Members besides those of the list. */
static size_t count_but(const struct cor_json *object, const char *const *list)
{
    size_t count = cor_json_count(object);
    for (; *list != NULL; list++) {
        count -= cor_json_get(object, *list) == NULL ? 0 : 1;
    }
    return count;
}

static bool same_but(const struct cor_json *a, const struct cor_json *b, const char *const *list)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    if (!cor_json_is_object(a) || !cor_json_is_object(b)) {
        return cor_json_equal(a, b);
    }
    bool same = count_but(a, list) == count_but(b, list);
    while (same && cor_json_each(a, &at, &key, &value)) {
        const struct cor_json *other = cor_json_get(b, key);
        same = is_in(list, key) || (other != NULL && cor_json_equal(value, other));
    }
    return same;
}

/* The status of the condition that a gate names; "": there is none. */
static const char *gate_status(const struct cor_json *pod, const struct cor_json *gate)
{
    const struct cor_json *all = cor_json_at(pod, "status.conditions");
    const char *type = cor_json_str_at(gate, "conditionType", "");
    for (size_t i = 0; i < cor_json_count(all); i++) {
        const struct cor_json *condition = cor_json_item(all, i);
        if (strcmp(cor_json_str_at(condition, "type", ""), type) == 0) {
            return cor_json_str_at(condition, "status", "");
        }
    }
    return "";
}

/* Whether the gates of a, which b has too, stand as they do in b. */
static bool same_gates(const struct cor_json *a, const struct cor_json *b)
{
    const struct cor_json *gates = cor_json_at(a, "spec.readinessGates");
    bool same = true;
    for (size_t i = 0; same && i < cor_json_count(gates); i++) {
        const struct cor_json *gate = cor_json_item(gates, i);
        same = strcmp(gate_status(a, gate), gate_status(b, gate)) == 0;
    }
    return same;
}

bool ec_differs(const struct cor_json *a, const struct cor_json *b)
{
    return !same_but(a, b, APART) ||
           !same_but(cor_json_get(a, "metadata"), cor_json_get(b, "metadata"), NOISE) ||
           !same_gates(a, b);
}

/* Depth is bounded by the reader. NOLINTNEXTLINE(misc-no-recursion) */
static uint64_t hash_json(const struct cor_json *value)
{
    uint64_t h = (uint64_t)cor_json_type(value) + 1;
    if (cor_json_is_object(value)) {
        void *at = NULL;
        const char *key = NULL;
        struct cor_json *member = NULL;
        while (cor_json_each(value, &at, &key, &member)) {
            h += cor_hash(hash_json(member), cor_view_of(key));
        }
        return cor_hash_mix(h);
    }
    if (cor_json_is_array(value)) {
        for (size_t i = 0; i < cor_json_count(value); i++) {
            h = cor_hash_mix(h ^ hash_json(cor_json_item(value, i)));
        }
        return cor_hash_mix(h);
    }
    if (cor_json_is_string(value)) {
        return cor_hash(h, cor_json_as_view(value));
    }
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(value, &text);
    return cor_hash(h, cor_buf_as_view(&text));
}

/* Of an object without the members of the list. */
static uint64_t hash_but(const struct cor_json *object, const char *const *list)
{
    uint64_t h = COR_JSON_OBJECT + 1;
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *member = NULL;
    if (!cor_json_is_object(object)) {
        return hash_json(object);
    }
    while (cor_json_each(object, &at, &key, &member)) {
        h += is_in(list, key) ? 0 : cor_hash(hash_json(member), cor_view_of(key));
    }
    return cor_hash_mix(h);
}

/* Of how the gates stand; 0: there are none. */
static uint64_t hash_gates(const struct cor_json *pod)
{
    const struct cor_json *gates = cor_json_at(pod, "spec.readinessGates");
    uint64_t h = 0;
    for (size_t i = 0; i < cor_json_count(gates); i++) {
        const char *status = gate_status(pod, cor_json_item(gates, i));
        h = cor_hash_mix(cor_hash(h + 1, cor_view_of(status)));
    }
    return h;
}

uint64_t ec_content(const struct cor_json *object)
{
    /* Items of lists have neither kind nor apiVersion. */
    static const char *const REST[] = {"metadata", "status", "kind", "apiVersion", NULL};
    uint64_t h =
        cor_hash_mix(hash_but(object, REST) ^ hash_but(cor_json_get(object, "metadata"), NOISE));
    h ^= hash_gates(object);
    return h == 0 ? 1 : h;
}

const char *ec_node_of(const struct cor_json *object)
{
    return cor_json_str_at(object, "spec.nodeName", "");
}
