// SPDX-License-Identifier: Apache-2.0
#include "claim.h"

#include <string.h>

#include "common/base/text.h"
#include "services/edged/pod/pod.h"

enum cor_code claim_bound_to(const struct cor_json *claim, const char **volume_r,
                             struct cor_err *err)
{
    *volume_r = cor_json_str_at(claim, "spec.volumeName", "");
    if (cor_json_str_at(claim, "metadata.deletionTimestamp", "")[0] != '\0') {
        return cor_err_set(err, COR_RETRY, "PVC is being deleted");
    }
    if (strcmp(cor_json_str_at(claim, "status.phase", ""), "Bound") != 0) {
        return cor_err_set(err, COR_RETRY, "PVC is not bound");
    }
    if (!cor_is_dns_subdomain(cor_view_of(*volume_r))) {
        return cor_err_set(err, COR_RETRY, "PVC has empty pvc.Spec.VolumeName");
    }
    return COR_OK;
}

/* ---- node affinity (k8s.io/component-helpers scheduling/corev1/nodeaffinity) ---- */

static bool is_among(const struct cor_json *values, const char *text)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(values, i), ""), text) == 0) {
            return true;
        }
    }
    return false;
}

static bool compares(const struct cor_json *values, const char *value, int sign)
{
    int64_t a = 0;
    int64_t b = 0;
    return cor_view_i64(cor_view_of(value), &a) &&
           cor_view_i64(cor_json_as_view(cor_json_item(values, 0)), &b) &&
           (sign > 0 ? a > b : a < b);
}

static bool fits_one(const struct cor_json *rule, const struct cor_json *labels)
{
    const struct cor_json *values = cor_json_get(rule, "values");
    const char *operator= cor_json_str_at(rule, "operator", "");
    const char *value =
        cor_json_as_str(cor_json_get(labels, cor_json_str_at(rule, "key", "")), NULL);
    if (strcmp(operator, "In") == 0) {
        return value != NULL && is_among(values, value);
    }
    if (strcmp(operator, "NotIn") == 0) {
        return value == NULL || !is_among(values, value);
    }
    if (strcmp(operator, "Exists") == 0 || strcmp(operator, "DoesNotExist") == 0) {
        return (value != NULL) == (operator[0] == 'E');
    }
    if (strcmp(operator, "Gt") == 0 || strcmp(operator, "Lt") == 0) {
        return value != NULL && compares(values, value, operator[0] == 'G' ? 1 : - 1);
    }
    return false;
}

/* One term: all of its rules. A term without any matches nothing; fields name the node itself. */
static bool fits_term(const struct cor_json *term, const struct cor_json *labels)
{
    const struct cor_json *rules = cor_json_get(term, "matchExpressions");
    bool fits = cor_json_count(rules) > 0 && cor_json_count(cor_json_get(term, "matchFields")) == 0;
    for (size_t i = 0; fits && i < cor_json_count(rules); i++) {
        fits = fits_one(cor_json_item(rules, i), labels);
    }
    return fits;
}

static bool fits_node(const struct cor_json *volume, const struct cor_json *labels)
{
    const struct cor_json *terms =
        cor_json_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms");
    bool fits = cor_json_at(volume, "spec.nodeAffinity.required") == NULL;
    for (size_t i = 0; !fits && i < cor_json_count(terms); i++) {
        fits = fits_term(cor_json_item(terms, i), labels);
    }
    return fits;
}

/* ---- the place ---- */

static enum cor_code check_bound(const struct cor_json *claim, const struct cor_json *volume,
                                 struct cor_err *err)
{
    const char *name = cor_json_str_at(volume, "metadata.name", "");
    const char *uid = cor_json_str_at(volume, "spec.claimRef.uid", "");
    if (cor_json_at(volume, "spec.claimRef") == NULL) {
        return cor_err_set(err, COR_RETRY,
                           "found PV object %.60s with nil pv.Spec.ClaimRef indicating it is not "
                           "yet bound to the claim",
                           name);
    }
    if (strcmp(uid, cor_json_str_at(claim, "metadata.uid", "")) != 0) {
        return cor_err_set(err, COR_RETRY,
                           "found PV object %.60s with a pv.Spec.ClaimRef.UID %.40s that does not "
                           "point to claim.UID %.40s",
                           name, uid, cor_json_str_at(claim, "metadata.uid", ""));
    }
    return COR_OK;
}

/* The member of spec that says what the volume is. */
static const char *kind_of(const struct cor_json *volume)
{
    static const char *const others[] = {
        "accessModes",      "capacity",     "claimRef",
        "mountOptions",     "nodeAffinity", "persistentVolumeReclaimPolicy",
        "storageClassName", "volumeMode",   "volumeAttributesClassName"};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(cor_json_get(volume, "spec"), &at, &key, &child)) {
        bool other = false;
        for (size_t i = 0; i < COR_COUNT(others); i++) {
            other = other || strcmp(others[i], key) == 0;
        }
        if (!other) {
            return key;
        }
    }
    return "none";
}

enum cor_code claim_mode(const struct pod *pod, const char *volume, bool block, struct cor_err *err)
{
    bool mounted = false;
    bool device = false;
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        const struct pod_container *container = pod_container(pod, i);
        for (size_t k = 0; k < container->mount_count; k++) {
            mounted = mounted || strcmp(container->mounts[k].volume, volume) == 0;
        }
        for (size_t k = 0; k < container->device_count; k++) {
            device = device || strcmp(container->devices[k].volume, volume) == 0;
        }
    }
    if (block && mounted) {
        return cor_err_set(err, COR_INVALID,
                           "volume %s has volumeMode Block, but is specified in volumeMounts",
                           volume);
    }
    if (!block && device) {
        return cor_err_set(err, COR_INVALID,
                           "volume %s has volumeMode Filesystem, but is specified in volumeDevices",
                           volume);
    }
    return COR_OK;
}

enum cor_code claim_place(const struct cor_json *claim, const struct cor_json *volume,
                          const struct cor_json *labels, struct claim_place *out,
                          struct cor_err *err)
{
    const char *name = cor_json_str_at(volume, "metadata.name", "");
    const struct cor_json *local = cor_json_at(volume, "spec.local");
    const struct cor_json *host = cor_json_at(volume, "spec.hostPath");
    const struct cor_json *nfs = cor_json_at(volume, "spec.nfs");
    const struct cor_json *csi = cor_json_at(volume, "spec.csi");
    enum cor_code code = check_bound(claim, volume, err);
    if (code != COR_OK) {
        return code;
    }
    out->block = strcmp(cor_json_str_at(volume, "spec.volumeMode", "Filesystem"), "Block") == 0;
    if (out->block && local == NULL) {
        return cor_err_set(
            err, COR_UNSUPPORTED,
            "PersistentVolume %.60s of type \"%.40s\" has volumeMode Block, which is "
            "supported of local volumes only",
            name, kind_of(volume));
    }
    out->external = nfs != NULL   ? POD_EXTERNAL_NFS
                    : csi != NULL ? POD_EXTERNAL_CSI
                                  : POD_EXTERNAL_NONE;
    out->source = nfs != NULL ? nfs : csi;
    if (local == NULL && host == NULL && out->external == POD_EXTERNAL_NONE) {
        return cor_err_set(err, COR_UNSUPPORTED,
                           "PersistentVolume %.60s is of type \"%.40s\", which is not supported",
                           name, kind_of(volume));
    }
    if (!fits_node(volume, labels)) {
        return cor_err_set(err, COR_DENIED,
                           "MountVolume.NodeAffinity check failed for volume \"%.60s\" : no "
                           "matching NodeSelectorTerms",
                           name);
    }
    out->path = "";
    out->type = "";
    if (out->external != POD_EXTERNAL_NONE) {
        return COR_OK;
    }
    out->path = cor_json_str_at(local != NULL ? local : host, "path", "");
    out->type = out->block      ? "BlockDevice"
                : local != NULL ? "Directory"
                                : cor_json_str_at(host, "type", "");
    if (out->path[0] != '/' || !pod_path_is_inside(out->path + 1)) {
        return cor_err_set(err, COR_INVALID, "PersistentVolume %.60s: path must not contain '..'",
                           name);
    }
    return COR_OK;
}
