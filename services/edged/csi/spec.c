// SPDX-License-Identifier: Apache-2.0
#include "spec.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/text.h"
#include "services/edged/pod/quantity.h"

enum {
    OBJECT_MAX = 1024 * 1024,
    HANDLE_MAX = 1024,
    SHA256_BYTES = 32,
    SINGLE_NODE_WRITER = 1,
    MULTI_NODE_READER_ONLY = 3,
    MULTI_NODE_MULTI_WRITER = 5
};

/* The first mode of the PersistentVolume, as the kubelet takes it. */
static void read_mode(const struct cor_json *modes, struct csi_volume *out)
{
    static const struct {
        const char *name;
        int mode;
        bool one_writer;
        bool one_pod;
    } rows[] = {
        {"ReadWriteOnce", SINGLE_NODE_WRITER, true, false},
        {"ReadOnlyMany", MULTI_NODE_READER_ONLY, false, false},
        {"ReadWriteMany", MULTI_NODE_MULTI_WRITER, false, false},
        {"ReadWriteOncePod", SINGLE_NODE_WRITER, true, true},
    };
    const char *name = cor_json_as_str(cor_json_item(modes, 0), "ReadWriteOnce");
    out->mode = SINGLE_NODE_WRITER;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            out->mode = rows[i].mode;
            out->one_writer = rows[i].one_writer;
            out->one_pod = rows[i].one_pod;
        }
    }
}

static struct cor_json *texts_of(const struct cor_json *object)
{
    struct cor_json *out = cor_json_object();
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(object, &at, &key, &value)) {
        if (cor_json_is_string(value)) {
            cor_json_set(out, key, cor_json_ref(value));
        }
    }
    return out;
}

/* A SecretReference; the Pod's own volumes name Secrets of its namespace. */
static struct csi_secret_ref secret_of(const struct cor_json *source, const char *member,
                                       const char *ns)
{
    const struct cor_json *ref = cor_json_get(source, member);
    return (struct csi_secret_ref){
        .ns = cor_strdup(ns != NULL ? ns : cor_json_str_at(ref, "namespace", "")),
        .name = cor_strdup(cor_json_str_at(ref, "name", ""))};
}

/* They become part of keys. */
static bool is_good(const struct csi_secret_ref *ref)
{
    return ref->name[0] == '\0' ||
           (cor_is_dns_label(cor_view_of(ref->ns)) && cor_is_dns_subdomain(cor_view_of(ref->name)));
}

static enum cor_code check(const struct csi_volume *out, struct cor_err *err)
{
    size_t len = strlen(out->handle);
    if (out->driver[0] == '\0' || len == 0 || len > HANDLE_MAX) {
        return cor_err_set(err, COR_INVALID, "csi.driver and csi.volumeHandle are needed");
    }
    return is_good(&out->stage) && is_good(&out->publish) && is_good(&out->expand)
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "csi: a reference to a Secret is none");
}

enum cor_code csi_volume_of(const struct pod *pod, const struct pod_volume *volume,
                            struct csi_volume *out, struct cor_err *err)
{
    const struct cor_json *source = volume->source;
    const struct cor_json *pv = volume->persistent;
    const char *own = pv == NULL ? pod->ns : NULL;
    *out = (struct csi_volume){
        .driver = cor_strdup(cor_json_str_at(source, "driver", "")),
        .handle = pv != NULL ? cor_strdup(cor_json_str_at(source, "volumeHandle", ""))
                             : cor_sprintf("csi-%s-%s", pod->uid, volume->name),
        .pv = cor_strdup(cor_json_str_at(pv, "metadata.name", "")),
        .fs_type = cor_strdup(cor_json_str_at(source, "fsType", "")),
        .readonly = volume->readonly || cor_json_bool_at(source, "readOnly", false),
        .context = texts_of(cor_json_get(source, "volumeAttributes")),
        .options = cor_json_ref(cor_json_at(pv, "spec.mountOptions")),
        .stage = secret_of(source, "nodeStageSecretRef", own),
        .publish = secret_of(source, "nodePublishSecretRef", own),
        .expand = secret_of(source, "nodeExpandSecretRef", own),
    };
    read_mode(cor_json_at(pv, "spec.accessModes"), out);
    return check(out, err);
}

void csi_volume_free(struct csi_volume *volume)
{
    cor_freep(&volume->driver);
    cor_freep(&volume->handle);
    cor_freep(&volume->pv);
    cor_freep(&volume->fs_type);
    cor_json_free(&volume->context);
    cor_json_free(&volume->options);
    cor_freep(&volume->stage.ns);
    cor_freep(&volume->stage.name);
    cor_freep(&volume->publish.ns);
    cor_freep(&volume->publish.name);
    cor_freep(&volume->expand.ns);
    cor_freep(&volume->expand.name);
    cor_json_free(&volume->attached);
}

static bool has_mode(const struct cor_json *object, const char *mode)
{
    const struct cor_json *modes = cor_json_at(object, "spec.volumeLifecycleModes");
    if (cor_json_count(modes) == 0) {
        return strcmp(mode, "Persistent") == 0;
    }
    for (size_t i = 0; i < cor_json_count(modes); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(modes, i), ""), mode) == 0) {
            return true;
        }
    }
    return false;
}

enum cor_code csi_policy_of(const struct csi_volume *volume, int status, struct cor_view body,
                            struct csi_policy *out, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *object = NULL;
    bool ephemeral = volume->pv[0] == '\0';
    const char *mode = ephemeral ? "Ephemeral" : "Persistent";
    if (status != 404 &&
        (status != 200 || cor_json_parse(body, OBJECT_MAX, 0, &object, NULL) != COR_OK)) {
        return cor_err_set(err, COR_RETRY, "kubernetes.io/csi: cannot get CSIDriver %.60s: %.*s",
                           volume->driver, status == 0 ? (int)body.len : 0,
                           status == 0 ? body.ptr : "");
    }
    if (!has_mode(object, mode)) {
        return cor_err_set(err, COR_UNSUPPORTED,
                           "kubernetes.io/csi: volume mode \"%s\" not supported by driver %.60s",
                           mode, volume->driver);
    }
    out->attach = !ephemeral && cor_json_bool_at(object, "spec.attachRequired", true);
    const char *group = cor_json_str_at(object, "spec.fsGroupPolicy", "ReadWriteOnceWithFSType");
    out->pod_info = cor_json_bool_at(object, "spec.podInfoOnMount", false);
    out->group = strcmp(group, "File") == 0   ? CSI_GROUP_ALWAYS
                 : strcmp(group, "None") == 0 ? CSI_GROUP_NEVER
                                              : CSI_GROUP_BY_TYPE;
    return COR_OK;
}

void csi_add_pod_info(struct csi_volume *volume, const struct pod *pod)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = {
        {"csi.storage.k8s.io/pod.name", pod->name},
        {"csi.storage.k8s.io/pod.namespace", pod->ns},
        {"csi.storage.k8s.io/pod.uid", pod->uid},
        {"csi.storage.k8s.io/serviceAccount.name", pod->account},
        {"csi.storage.k8s.io/ephemeral", volume->pv[0] == '\0' ? "true" : "false"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        cor_json_set(volume->context, rows[i].key, cor_json_str(rows[i].value));
    }
}

bool csi_wants_group(const struct csi_volume *volume, const struct csi_policy *policy,
                     const struct pod *pod)
{
    if (!pod->fs_group.given || volume->readonly || policy->group == CSI_GROUP_NEVER) {
        return false;
    }
    return policy->group == CSI_GROUP_ALWAYS || (volume->fs_type[0] != '\0' && volume->one_writer);
}

bool csi_has_grown(const struct cor_json *claim, const struct cor_json *pv, int64_t *bytes_r)
{
    int64_t there = 0;
    return quantity_json_value(cor_json_at(claim, "status.capacity.storage"), &there) &&
           quantity_json_value(cor_json_at(pv, "spec.capacity.storage"), bytes_r) &&
           *bytes_r > there;
}

struct cor_json *csi_grown(const struct cor_json *claim, const struct cor_json *pv)
{
    static const char *const over[] = {"Resizing", "FileSystemResizePending",
                                       "ControllerResizeError", "NodeResizeError"};
    const struct cor_json *all = cor_json_at(claim, "status.conditions");
    struct cor_json *out = cor_json_object();
    struct cor_json *conditions = cor_json_array();
    for (size_t i = 0; i < cor_json_count(all); i++) {
        struct cor_json *condition = cor_json_item(all, i);
        bool ends = false;
        for (size_t k = 0; k < COR_COUNT(over); k++) {
            ends = ends || strcmp(cor_json_str_at(condition, "type", ""), over[k]) == 0;
        }
        if (!ends) {
            cor_json_add(conditions, cor_json_ref(condition));
        }
    }
    cor_json_set_at(out, "status.capacity.storage",
                    cor_json_ref(cor_json_at(pv, "spec.capacity.storage")));
    cor_json_set_at(out, "status.conditions", conditions);
    cor_json_set_at(out, "status.allocatedResourceStatuses.storage", cor_json_null());
    return out;
}

char *csi_unique_name(const char *driver, const char *handle)
{
    return cor_sprintf("kubernetes.io/csi/%s^%s", driver, handle);
}

char *csi_attachment_name(const struct csi_volume *volume, const char *node)
{
    auto_(cor_freep) char *text = cor_sprintf("%s%s%s", volume->handle, volume->driver, node);
    auto_(cor_buf_free) struct cor_buf name = {0};
    uint8_t digest[SHA256_BYTES];
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, text, strlen(text), digest) == 0);
    cor_buf_str(&name, "csi-");
    cor_hex(&name, (struct cor_view){(const char *)digest, sizeof(digest)});
    return cor_buf_take(&name);
}

enum cor_code csi_attached(struct csi_volume *volume, int status, struct cor_view body,
                           struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (status != 404 &&
        (status != 200 || cor_json_parse(body, OBJECT_MAX, 0, &object, NULL) != COR_OK)) {
        return cor_err_set(err, COR_RETRY, "kubernetes.io/csi: cannot get VolumeAttachment: %.*s",
                           status == 0 ? (int)body.len : 0, status == 0 ? body.ptr : "");
    }
    const char *error = cor_json_str_at(object, "status.attachError.message", "");
    if (!cor_json_bool_at(object, "status.attached", false)) {
        return error[0] != '\0'
                   ? cor_err_set(err, COR_RETRY, "%s", error)
                   : cor_err_set(err, COR_RETRY,
                                 "Volume not attached according to node status for volume "
                                 "\"%.60s\" (UniqueName: \"kubernetes.io/csi/%.60s^%.40s\")",
                                 volume->pv, volume->driver, volume->handle);
    }
    if (cor_json_str_at(object, "metadata.deletionTimestamp", "")[0] != '\0') {
        return cor_err_set(err, COR_RETRY, "volume %.60s is being detached", volume->pv);
    }
    cor_json_free(&volume->attached);
    volume->attached = texts_of(cor_json_at(object, "status.attachmentMetadata"));
    return COR_OK;
}

struct cor_json *csi_vol_data(const struct csi_volume *volume, const char *node)
{
    struct cor_json *out = cor_json_object();
    bool ephemeral = volume->pv[0] == '\0';
    cor_json_set(out, "specVolID", cor_json_str(volume->pv));
    cor_json_set(out, "volumeHandle", cor_json_str(volume->handle));
    cor_json_set(out, "driverName", cor_json_str(volume->driver));
    cor_json_set(out, "nodeName", cor_json_str(node));
    cor_json_set(out, "volumeLifecycleMode", cor_json_str(ephemeral ? "Ephemeral" : "Persistent"));
    if (volume->attached != NULL) {
        auto_(cor_freep) char *attachment = csi_attachment_name(volume, node);
        cor_json_set(out, "attachmentID", cor_json_str(attachment));
    }
    return out;
}
