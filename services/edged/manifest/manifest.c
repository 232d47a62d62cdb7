// SPDX-License-Identifier: Apache-2.0
#include "manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/conf/yaml.h"
#include "services/edged/pod/pod.h"

#define SOURCE "kubernetes.io/config.source"
#define HASH "kubernetes.io/config.hash"
#define SEEN "kubernetes.io/config.seen"
#define MIRROR "kubernetes.io/config.mirror"

static enum cor_code parse(struct cor_view text, struct cor_json **out_r, struct cor_err *err)
{
    struct cor_view begin = cor_view_trim(text);
    if (text.len > MANIFEST_MAX) {
        return cor_err_set(err, COR_TOOBIG, "%zu bytes, at most %d", text.len, MANIFEST_MAX);
    }
    if (begin.len > 0 && begin.ptr[0] == '{' &&
        cor_json_parse(begin, MANIFEST_MAX, COR_JSON_STRICT, out_r, NULL) == COR_OK) {
        return COR_OK;
    }
    return cor_yaml_parse_kube(text, MANIFEST_MAX, out_r, err);
}

/* ---- what the API alone has ---- */

static enum cor_code refuse(struct cor_err *err, const char *what)
{
    return cor_err_set(err, COR_INVALID, "static Pods may not refer to %s", what);
}

/* Members of one of a list's elements, or of something in it, by which it refers to the API. */
static bool any_has(const struct cor_json *list, const char *path)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (cor_json_at(cor_json_item(list, i), path) != NULL) {
            return true;
        }
    }
    return false;
}

static enum cor_code check_containers(const struct cor_json *list, struct cor_err *err)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *from = cor_json_get(cor_json_item(list, i), "envFrom");
        const struct cor_json *env = cor_json_get(cor_json_item(list, i), "env");
        if (any_has(from, "configMapRef") || any_has(env, "valueFrom.configMapKeyRef")) {
            return refuse(err, "configmaps");
        }
        if (any_has(from, "secretRef") || any_has(env, "valueFrom.secretKeyRef")) {
            return refuse(err, "secrets");
        }
    }
    return COR_OK;
}

static enum cor_code check_sources(const struct cor_json *list, struct cor_err *err)
{
    static const char *const PARTS[][2] = {{"configMap", "configmaps"},
                                           {"secret", "secrets"},
                                           {"serviceAccountToken", "serviceaccounts"},
                                           {"clusterTrustBundle", "clustertrustbundles"}};
    for (size_t i = 0; i < COR_COUNT(PARTS); i++) {
        if (any_has(list, PARTS[i][0])) {
            return refuse(err, PARTS[i][1]);
        }
    }
    return COR_OK;
}

static enum cor_code check_volumes(const struct cor_json *list, struct cor_err *err)
{
    static const char *const KINDS[][2] = {{"configMap", "configmaps"},
                                           {"secret", "secrets"},
                                           {"persistentVolumeClaim", "persistentvolumeclaims"},
                                           {"ephemeral", "persistentvolumeclaims"},
                                           {"csi", "csidrivers"}};
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < COR_COUNT(KINDS); i++) {
        if (any_has(list, KINDS[i][0])) {
            return refuse(err, KINDS[i][1]);
        }
    }
    for (size_t i = 0; code == COR_OK && i < cor_json_count(list); i++) {
        code = check_sources(cor_json_at(cor_json_item(list, i), "projected.sources"), err);
    }
    return code;
}

/* After pkg/api/pod HasAPIObjectReference: the node has them from the API, for Pods of the API. */
static enum cor_code check_refs(const struct cor_json *pod, struct cor_err *err)
{
    static const char *const LISTS[] = {"spec.initContainers", "spec.containers"};
    static const char *const ACCOUNTS[] = {"spec.serviceAccountName", "spec.serviceAccount"};
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < COR_COUNT(ACCOUNTS); i++) {
        if (cor_json_str_at(pod, ACCOUNTS[i], "")[0] != '\0') {
            return refuse(err, "serviceaccounts");
        }
    }
    if (cor_json_count(cor_json_at(pod, "spec.imagePullSecrets")) > 0) {
        return refuse(err, "secrets");
    }
    if (cor_json_count(cor_json_at(pod, "spec.resourceClaims")) > 0) {
        return refuse(err, "resourceclaims");
    }
    for (size_t i = 0; code == COR_OK && i < COR_COUNT(LISTS); i++) {
        code = check_containers(cor_json_at(pod, LISTS[i]), err);
    }
    return code == COR_OK ? check_volumes(cor_json_at(pod, "spec.volumes"), err) : code;
}

/* ---- what the node adds ---- */

/* Hex of 128 bits over node, path and content. */
static void hash_of(const struct cor_json *pod, const char *path, const char *node, char out[33])
{
    auto_(cor_freep) char *text = cor_json_text(pod);
    uint64_t h[2] = {1, 2};
    for (size_t i = 0; i < COR_COUNT(h); i++) {
        h[i] = cor_hash(cor_hash(h[i], cor_view_of(node)), cor_view_of(path));
        h[i] = cor_hash(cor_hash_mix(h[i]), cor_view_of(text));
    }
    (void)snprintf(out, 33, "%016" PRIx64 "%016" PRIx64, h[0], h[1]);
}

static void set_marks(struct cor_json *pod, const char *hash, struct cor_wall seen)
{
    char time[COR_RFC3339_SIZE];
    struct cor_json *marks = cor_json_at(pod, "metadata.annotations");
    if (cor_json_is_null(marks)) {
        marks = cor_json_object();
        cor_json_set_at(pod, "metadata.annotations", marks);
    }
    if (!cor_json_is_object(marks)) {
        return; /* pod_parse says so */
    }
    cor_wall_format_us(seen, time);
    cor_json_del(marks, MIRROR);
    cor_json_set(marks, SOURCE, cor_json_str("file"));
    cor_json_set(marks, HASH, cor_json_str(hash));
    cor_json_set(marks, SEEN, cor_json_str(time));
}

static void tolerate_all(struct cor_json *pod)
{
    struct cor_json *list = cor_json_at(pod, "spec.tolerations");
    if (cor_json_is_null(list)) {
        list = cor_json_array();
        cor_json_set_at(pod, "spec.tolerations", list);
    }
    if (cor_json_is_array(list)) { /* else check_pod says so */
        struct cor_json *one = cor_json_object();
        cor_json_set(one, "operator", cor_json_str("Exists"));
        cor_json_set(one, "effect", cor_json_str("NoExecute"));
        cor_json_add(list, one);
    }
}

static void complete(struct cor_json *pod, const char *path, const char *node, struct cor_wall seen)
{
    char hash[33];
    const char *name = cor_json_str_at(pod, "metadata.name", "");
    hash_of(pod, path, node, hash);
    cor_json_set_at(pod, "metadata.name", cor_json_fmt("%s-%s", name, node));
    if (cor_json_str_at(pod, "metadata.namespace", "")[0] == '\0') {
        cor_json_set_at(pod, "metadata.namespace", cor_json_str("default"));
    }
    cor_json_set_at(pod, "metadata.uid", cor_json_str(hash));
    cor_json_set_at(pod, "spec.nodeName", cor_json_str(node));
    set_marks(pod, hash, seen);
    tolerate_all(pod);
    cor_json_del(pod, "status");
    cor_json_del(cor_json_get(pod, "metadata"), "deletionTimestamp");
}

/* Whether the node could run it. */
static enum cor_code check_pod(const struct cor_json *object, struct cor_err *err)
{
    auto_(pod_free) struct pod *pod = NULL;
    if (!cor_json_is_array(cor_json_at(object, "spec.tolerations"))) {
        return cor_err_set(err, COR_INVALID, "spec.tolerations: expected array");
    }
    return pod_parse(cor_json_copy(object), &pod, err);
}

enum cor_code manifest_read(struct cor_view text, const char *path, const char *node,
                            struct cor_wall seen, struct cor_json **pod_r, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *pod = NULL;
    enum cor_code code = parse(text, &pod, err);
    *pod_r = NULL;
    if (code != COR_OK) {
        return code;
    }
    if (strcmp(cor_json_str_at(pod, "apiVersion", ""), "v1") != 0 ||
        strcmp(cor_json_str_at(pod, "kind", ""), "Pod") != 0) {
        return cor_err_set(err, COR_INVALID, "expected apiVersion: v1 and kind: Pod");
    }
    if (cor_json_str_at(pod, "metadata.name", "")[0] == '\0') {
        return cor_err_set(err, COR_INVALID, "metadata.name: Required value");
    }
    complete(pod, path, node, seen);
    code = check_pod(pod, err);
    code = code == COR_OK ? check_refs(pod, err) : code;
    *pod_r = code == COR_OK ? take(&pod) : NULL;
    return code;
}

/* ---- mirrors ---- */

bool manifest_is_mirror(const struct cor_json *pod)
{
    return cor_json_get(cor_json_at(pod, "metadata.annotations"), MIRROR) != NULL;
}

const char *manifest_hash(const struct cor_json *pod)
{
    const struct cor_json *marks = cor_json_at(pod, "metadata.annotations");
    const struct cor_json *hash = cor_json_get(marks, manifest_is_mirror(pod) ? MIRROR : HASH);
    return cor_json_as_str(hash, "");
}

static struct cor_json *owned_by(const char *node, const char *node_uid)
{
    struct cor_json *list = cor_json_array();
    struct cor_json *owner = cor_json_object();
    cor_json_set(owner, "apiVersion", cor_json_str("v1"));
    cor_json_set(owner, "kind", cor_json_str("Node"));
    cor_json_set(owner, "name", cor_json_str(node));
    cor_json_set(owner, "uid", cor_json_str(node_uid));
    cor_json_set(owner, "controller", cor_json_bool(true));
    cor_json_add(list, owner);
    return list;
}

struct cor_json *manifest_mirror(const struct cor_json *pod, const char *node, const char *node_uid)
{
    struct cor_json *out = cor_json_copy(pod);
    cor_json_del(cor_json_get(out, "metadata"), "uid");
    cor_json_del(cor_json_get(out, "metadata"), "resourceVersion");
    cor_json_set(cor_json_at(out, "metadata.annotations"), MIRROR,
                 cor_json_str(manifest_hash(pod)));
    cor_json_set_at(out, "metadata.ownerReferences", owned_by(node, node_uid));
    return out;
}

enum manifest_act manifest_next(const struct manifest_wish *wish,
                                const struct manifest_shown *shown)
{
    if (shown->hash == NULL) {
        return wish->hash != NULL && !wish->ending ? MANIFEST_CREATE : MANIFEST_NOTHING;
    }
    bool stale = wish->hash == NULL || strcmp(wish->hash, shown->hash) != 0;
    return stale || shown->leaving ? MANIFEST_DELETE : MANIFEST_NOTHING;
}
