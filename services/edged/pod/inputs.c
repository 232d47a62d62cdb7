// SPDX-License-Identifier: Apache-2.0
#include "inputs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "quantity.h"

bool inputs_value(const struct cor_json *object, bool secret, const char *key, struct cor_buf *out)
{
    const struct cor_json *plain = cor_json_get(cor_json_get(object, "data"), key);
    if (!secret && cor_json_is_string(plain)) {
        cor_buf_view(out, cor_json_as_view(plain));
        return true;
    }
    const struct cor_json *coded =
        secret ? plain : cor_json_get(cor_json_get(object, "binaryData"), key);
    return cor_json_is_string(coded) && cor_base64_decode(out, cor_json_as_view(coded));
}

/* labels or annotations: key="value" lines in order of keys (kubelet's fieldpath.FormatMap). */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_map(const struct cor_json *map, struct cor_buf *out)
{
    size_t count = cor_json_count(map);
    auto_(cor_freep) const char **keys = cor_calloc(count + 1, sizeof(*keys));
    void *at = NULL;
    struct cor_json *child = NULL;
    size_t n = 0;
    while (n < count && cor_json_each(map, &at, &keys[n], &child)) {
        n++;
    }
    qsort(keys, n, sizeof(*keys), by_text);
    for (size_t i = 0; i < n; i++) {
        cor_buf_fmt(out, "%s%s=\"", i == 0 ? "" : "\n", keys[i]);
        cor_escape(out, cor_json_as_view(cor_json_get(map, keys[i])));
        cor_buf_str(out, "\"");
    }
}

static void add_ips(const char *const *ips, size_t count, bool all, struct cor_buf *out)
{
    for (size_t i = 0; i < count && (all || i == 0); i++) {
        cor_buf_fmt(out, "%s%s", i == 0 ? "" : ",", ips[i]);
    }
}

/* metadata.labels['key']: the key between ['...'], or an absent view. */
static struct cor_view subscript(struct cor_view path, const char *before)
{
    size_t skip = strlen(before);
    if (!cor_view_starts(path, before) || !cor_view_ends(path, "']") || path.len < skip + 2) {
        return (struct cor_view){0};
    }
    return (struct cor_view){path.ptr + skip, path.len - skip - 2};
}

static bool add_subscript(const struct pod *pod, const char *path, struct cor_buf *out)
{
    static const struct {
        const char *before;
        const char *map;
    } maps[] = {{"metadata.labels['", "metadata.labels"},
                {"metadata.annotations['", "metadata.annotations"}};
    for (size_t i = 0; i < COR_COUNT(maps); i++) {
        struct cor_view key = subscript(cor_view_of(path), maps[i].before);
        if (key.ptr != NULL) {
            auto_(cor_freep) char *name = cor_view_dup(key);
            cor_buf_view(
                out, cor_json_as_view(cor_json_get(cor_json_at(pod->object, maps[i].map), name)));
            return true;
        }
    }
    return false;
}

static bool add_text(const struct pod *pod, const struct facts *facts, const char *path,
                     struct cor_buf *out)
{
    const struct {
        const char *path;
        const char *value;
    } texts[] = {
        {"metadata.name", pod->name},
        {"metadata.namespace", pod->ns},
        {"metadata.uid", pod->uid},
        {"spec.nodeName", facts->node},
        {"spec.serviceAccountName", pod->account},
    };
    for (size_t i = 0; i < COR_COUNT(texts); i++) {
        if (strcmp(path, texts[i].path) == 0) {
            cor_buf_str(out, texts[i].value);
            return true;
        }
    }
    return false;
}

static bool add_address(const struct facts *facts, const char *path, struct cor_buf *out)
{
    const struct {
        const char *path;
        const char *const *ips;
        size_t count;
        bool all;
    } lists[] = {
        {"status.podIP", facts->pod_ips, facts->pod_ip_count, false},
        {"status.podIPs", facts->pod_ips, facts->pod_ip_count, true},
        {"status.hostIP", facts->host_ips, facts->host_ip_count, false},
        {"status.hostIPs", facts->host_ips, facts->host_ip_count, true},
    };
    for (size_t i = 0; i < COR_COUNT(lists); i++) {
        if (strcmp(path, lists[i].path) == 0) {
            add_ips(lists[i].ips, lists[i].count, lists[i].all, out);
            return true;
        }
    }
    return false;
}

enum cor_code inputs_field(const struct pod *pod, const struct facts *facts, const char *path,
                           struct cor_buf *out, struct cor_err *err)
{
    if (add_text(pod, facts, path, out) || add_address(facts, path, out) ||
        add_subscript(pod, path, out)) {
        return COR_OK;
    }
    if (strcmp(path, "metadata.labels") == 0 || strcmp(path, "metadata.annotations") == 0) {
        add_map(cor_json_at(pod->object, path), out);
        return COR_OK;
    }
    return cor_err_set(err, COR_INVALID, "unsupported fieldPath: %s", path);
}

/* The amount that resource names, or the node's when the container has no such limit. */
static bool amount_of(const struct pod_resources *r, const struct facts *facts,
                      const char *resource, bool *cpu_r, int64_t *amount_r)
{
    const struct {
        const char *name;
        struct pod_amount amount;
        int64_t otherwise;
        bool cpu;
    } rows[] = {
        {"limits.cpu", r->cpu_limit, facts->cpu_milli, true},
        {"limits.memory", r->memory_limit, facts->memory, false},
        {"limits.ephemeral-storage", r->storage_limit, facts->storage, false},
        {"requests.cpu", r->cpu_request, 0, true},
        {"requests.memory", r->memory_request, 0, false},
        {"requests.ephemeral-storage", r->storage_request, 0, false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (strcmp(resource, rows[i].name) == 0) {
            *cpu_r = rows[i].cpu;
            *amount_r = rows[i].amount.given && rows[i].amount.n != 0 ? rows[i].amount.n
                                                                      : rows[i].otherwise;
            return true;
        }
    }
    return false;
}

enum cor_code inputs_resource(const struct pod *pod, const struct pod_container *container,
                              const char *container_name, const char *resource, const char *divisor,
                              const struct facts *facts, struct cor_buf *out, struct cor_err *err)
{
    if (container_name[0] != '\0') {
        size_t index = pod_find_container(pod, container_name);
        container = index < pod_container_count(pod) ? pod_container(pod, index) : NULL;
    }
    if (container == NULL) {
        return cor_err_set(err, COR_INVALID, "container %s not found", container_name);
    }
    bool cpu = false;
    int64_t amount = 0;
    if (!amount_of(&container->resources, facts, resource, &cpu, &amount)) {
        return cor_err_set(err, COR_INVALID, "unsupported container resource: %s", resource);
    }
    int64_t by = 0;
    struct cor_view text = cor_view_of(divisor);
    bool good = cpu ? quantity_milli(text, &by) : quantity_value(text, &by);
    if (!good || by < 0) {
        return cor_err_set(err, COR_INVALID, "divisor %s is no quantity", divisor);
    }
    by = by == 0 ? (cpu ? 1000 : 1) : by;
    cor_buf_fmt(out, "%" PRId64, amount / by + (amount % by != 0 ? 1 : 0));
    return COR_OK;
}
