// SPDX-License-Identifier: Apache-2.0
// Volumes of a Pod.
#include <string.h>

#include "common/base/text.h"
#include "pod_read.h"
#include "quantity.h"

enum { DEFAULT_MODE = 0644, TOKEN_SECONDS = 3600 };

static int mode_of(const struct cor_json *json, const char *key, int otherwise)
{
    return (int)cor_json_int_at(json, key, otherwise);
}

static void read_items(struct pod_reader *reader, const struct cor_json *list,
                       struct pod_source *out)
{
    out->items =
        pod_rows(reader, list, sizeof(*out->items), POD_LIST_MAX, "items", &out->item_count);
    for (size_t i = 0; i < out->item_count; i++) {
        const struct cor_json *json = cor_json_item(list, i);
        const struct cor_json *field = cor_json_get(json, "fieldRef");
        const struct cor_json *resource = cor_json_get(json, "resourceFieldRef");
        struct pod_item *item = &out->items[i];
        item->path = pod_text(json, "path");
        item->mode = mode_of(json, "mode", -1);
        item->resource = resource != NULL;
        item->container = pod_text(resource, "containerName");
        item->divisor = cor_json_as_str(cor_json_get(resource, "divisor"), "1");
        if (resource != NULL) {
            item->key = pod_text(resource, "resource");
        } else {
            item->key = field != NULL ? pod_text(field, "fieldPath") : pod_text(json, "key");
        }
    }
}

/* json is the member of that kind: configMap, secret, downwardAPI or serviceAccountToken. */
static void read_source(struct pod_reader *reader, const struct cor_json *json,
                        enum pod_volume_type type, struct pod_source *out)
{
    const char *name = pod_text(json, "name");
    out->type = type;
    out->object = name[0] != '\0' ? name : pod_text(json, "secretName");
    out->optional = cor_json_bool_at(json, "optional", false);
    out->audience = pod_text(json, "audience");
    out->expiration_seconds = cor_json_int_at(json, "expirationSeconds", TOKEN_SECONDS);
    out->path = type == POD_VOLUME_PROJECTED ? pod_text(json, "path") : "";
    read_items(reader, cor_json_get(json, "items"), out);
}

/* Where the content of a volume comes from, by the member that is set. */
static const struct {
    const char *key;
    enum pod_volume_type type;
} content[] = {
    {"configMap", POD_VOLUME_CONFIGMAP},
    {"secret", POD_VOLUME_SECRET},
    {"downwardAPI", POD_VOLUME_DOWNWARD},
    {"serviceAccountToken", POD_VOLUME_PROJECTED},
};

static bool read_any_source(struct pod_reader *reader, const struct cor_json *json,
                            struct pod_source *out)
{
    for (size_t i = 0; i < COR_COUNT(content); i++) {
        const struct cor_json *member = cor_json_get(json, content[i].key);
        if (member != NULL) {
            read_source(reader, member, content[i].type, out);
            return true;
        }
    }
    return false;
}

static void read_projected(struct pod_reader *reader, const struct cor_json *json,
                           struct pod_volume *out)
{
    const struct cor_json *list = cor_json_get(json, "sources");
    out->type = POD_VOLUME_PROJECTED;
    out->sources =
        pod_rows(reader, list, sizeof(*out->sources), POD_LIST_MAX, "sources", &out->source_count);
    for (size_t i = 0; i < out->source_count; i++) {
        if (!read_any_source(reader, cor_json_item(list, i), &out->sources[i])) {
            out->type = POD_VOLUME_UNSUPPORTED;
            out->unsupported = "projected source of an unknown kind";
            out->source_count = 0;
            return;
        }
    }
}

static void read_empty_dir(struct pod_reader *reader, const struct cor_json *json,
                           struct pod_volume *out)
{
    const struct cor_json *size = cor_json_get(json, "sizeLimit");
    out->type = POD_VOLUME_EMPTY_DIR;
    out->medium = pod_text(json, "medium");
    out->memory = strcmp(out->medium, "Memory") == 0;
    out->huge = strncmp(out->medium, "HugePages", strlen("HugePages")) == 0;
    out->size.given = quantity_json_value(size, &out->size.n);
    if (!cor_json_is_null(size) && !out->size.given) {
        (void)pod_bad(reader, COR_INVALID, "volume %s: sizeLimit is no quantity", out->name);
    }
}

static void read_single(struct pod_reader *reader, const struct cor_json *json,
                        struct pod_volume *out)
{
    out->sources = pod_rows(reader, NULL, sizeof(*out->sources), 1, "volume", &out->source_count);
    if (out->sources != NULL && read_any_source(reader, json, &out->sources[0]) &&
        out->sources[0].type != POD_VOLUME_PROJECTED) {
        out->type = out->sources[0].type;
        out->source_count = 1; /* pod_rows leaves room for one more */
        out->default_mode =
            mode_of(cor_json_get(json, content[0].key), "defaultMode", out->default_mode);
        out->default_mode =
            mode_of(cor_json_get(json, content[1].key), "defaultMode", out->default_mode);
        out->default_mode =
            mode_of(cor_json_get(json, content[2].key), "defaultMode", out->default_mode);
    }
}

/* The last member that is no name: the type. */
static const char *other_member(const struct cor_json *json, size_t *count_r)
{
    void *at = NULL;
    const char *key = NULL;
    const char *found = "";
    struct cor_json *child = NULL;
    *count_r = 0;
    while (cor_json_each(json, &at, &key, &child)) {
        if (strcmp(key, "name") != 0 && !cor_json_is_null(child)) {
            found = key;
            (*count_r)++;
        }
    }
    return found;
}

static void read_external(const struct cor_json *source, enum pod_external external,
                          struct pod_volume *out)
{
    out->type = POD_VOLUME_EXTERNAL;
    out->external = external;
    out->source = source;
    out->readonly = cor_json_bool_at(source, "readOnly", false);
}

static void read_volume(struct pod_reader *reader, const struct cor_json *json,
                        struct pod_volume *out)
{
    const struct cor_json *empty = cor_json_get(json, "emptyDir");
    const struct cor_json *host = cor_json_get(json, "hostPath");
    const struct cor_json *projected = cor_json_get(json, "projected");
    const struct cor_json *claim = cor_json_get(json, "persistentVolumeClaim");
    const struct cor_json *nfs = cor_json_get(json, "nfs");
    const struct cor_json *csi = cor_json_get(json, "csi");
    out->medium = "";
    out->name = pod_text(json, "name");
    out->unsupported = other_member(json, &out->kinds);
    out->type = out->unsupported[0] == '\0' ? POD_VOLUME_EMPTY_DIR : POD_VOLUME_UNSUPPORTED;
    out->default_mode = DEFAULT_MODE;
    out->path = "";
    out->path_type = "";
    out->claim = pod_text(claim, "claimName");
    out->readonly = cor_json_bool_at(claim, "readOnly", false);
    if (empty != NULL) {
        read_empty_dir(reader, empty, out);
    } else if (host != NULL) {
        out->type = POD_VOLUME_HOST_PATH;
        out->path = pod_text(host, "path");
        out->path_type = pod_text(host, "type");
    } else if (claim != NULL) {
        out->type = POD_VOLUME_CLAIM;
    } else if (nfs != NULL) {
        read_external(nfs, POD_EXTERNAL_NFS, out);
    } else if (csi != NULL) {
        read_external(csi, POD_EXTERNAL_CSI, out);
    } else if (projected != NULL) {
        out->default_mode = mode_of(projected, "defaultMode", DEFAULT_MODE);
        read_projected(reader, projected, out);
    } else {
        read_single(reader, json, out);
    }
}

bool pod_read_volumes(struct pod_reader *reader, const struct cor_json *list, struct pod *pod)
{
    pod->volumes =
        pod_rows(reader, list, sizeof(*pod->volumes), POD_LIST_MAX, "volumes", &pod->volume_count);
    for (size_t i = 0; i < pod->volume_count; i++) {
        read_volume(reader, cor_json_item(list, i), &pod->volumes[i]);
    }
    return reader->code == COR_OK;
}

/* ---- mounts in mounts ---- */

/* What of path lies below outer; NULL: it does not. */
static const char *below(const char *outer, const char *path)
{
    size_t len = strlen(outer);
    while (len > 1 && outer[len - 1] == '/') {
        len--;
    }
    if (strncmp(outer, path, len) != 0 || path[len] != '/') {
        return NULL;
    }
    const char *rest = path + len + strspn(path + len, "/");
    return rest[0] == '\0' ? NULL : rest;
}

/* Whether the container has a mount between outer and path. */
static bool has_between(const struct pod_container *container, const char *outer, const char *path)
{
    for (size_t i = 0; i < container->mount_count; i++) {
        const char *other = container->mounts[i].path;
        if (below(outer, other) != NULL && below(other, path) != NULL) {
            return true;
        }
    }
    return false;
}

static void each_inside(const struct pod_container *container, const char *outer,
                        void (*fn)(void *self, const char *path), void *self)
{
    for (size_t i = 0; i < container->mount_count; i++) {
        const char *inner = container->mounts[i].path;
        const char *rest = below(outer, inner);
        if (rest != NULL && !has_between(container, outer, inner)) {
            fn(self, rest);
        }
    }
}

void pod_each_nested(const struct pod *pod, const struct pod_volume *volume,
                     void (*fn)(void *self, const char *path), void *self)
{
    for (size_t c = 0; c < pod_container_count(pod); c++) {
        const struct pod_container *container = pod_container(pod, c);
        for (size_t i = 0; i < container->mount_count; i++) {
            const struct pod_mount *mount = &container->mounts[i];
            if (strcmp(mount->volume, volume->name) == 0 && mount->sub_path[0] == '\0') {
                each_inside(container, mount->path, fn, self);
            }
        }
    }
}
