// SPDX-License-Identifier: Apache-2.0
#include "payload.h"

#include <string.h>

#include "common/base/mem.h"

enum { TOKEN_MODE = 0600, TOKEN_MODE_ALL = 0644 };

static struct payload_file *slot(struct payload *payload, const char *path)
{
    for (size_t i = 0; i < payload->count; i++) {
        if (strcmp(payload->files[i].path, path) == 0) {
            return &payload->files[i];
        }
    }
    if (payload->count == payload->cap) {
        payload->cap = payload->cap == 0 ? 8 : payload->cap * 2;
        payload->files = cor_realloc(payload->files, payload->cap, sizeof(*payload->files));
    }
    payload->files[payload->count] = (struct payload_file){.path = cor_strdup(path)};
    return &payload->files[payload->count++];
}

/* Adds a file; takes the bytes of data. */
static enum cor_code add(struct payload *payload, const char *path, struct cor_buf *data, int mode,
                         struct cor_err *err)
{
    payload->bytes += data->len;
    if (payload->bytes > INPUT_BYTES_MAX) {
        return cor_err_set(err, COR_TOOBIG, "volume of more than %d bytes", INPUT_BYTES_MAX);
    }
    struct payload_file *file = slot(payload, path);
    cor_buf_free(&file->data);
    file->data = *data;
    file->mode = mode;
    *data = (struct cor_buf){0};
    return COR_OK;
}

static enum cor_code add_key(const struct cor_json *object, bool secret, const char *key,
                             const char *path, int mode, struct payload *out, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf data = {0};
    if (!inputs_value(object, secret, key, &data)) {
        return COR_NOTFOUND;
    }
    return add(out, path, &data, mode, err);
}

/* All keys of one map of the object become files. Keys come from an API server, but are checked. */
static enum cor_code add_all(const struct cor_json *object, bool secret, const char *map, int mode,
                             struct payload *out, struct cor_err *err)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    enum cor_code code = COR_OK;
    while (code == COR_OK && cor_json_each(cor_json_get(object, map), &at, &key, &child)) {
        if (strchr(key, '/') != NULL || strncmp(key, "..", 2) == 0 || strcmp(key, ".") == 0 ||
            key[0] == '\0') {
            return cor_err_set(err, COR_INVALID, "key %.100s is no file name", key);
        }
        code = add_key(object, secret, key, key, mode, out, err);
        if (code == COR_NOTFOUND) {
            code = cor_err_set(err, COR_INVALID, "value of key %.100s is not readable", key);
        }
    }
    return code;
}

static int mode_of(const struct pod_item *item, const struct pod_volume *volume)
{
    return item->mode >= 0 ? item->mode : volume->default_mode;
}

static enum cor_code add_object(const struct pod_volume *volume, const struct pod_source *source,
                                const struct inputs *inputs, struct payload *out,
                                struct cor_err *err)
{
    bool secret = source->type == POD_VOLUME_SECRET;
    const struct cor_json *object = inputs->object(inputs->self, secret, source->object);
    if (object == NULL) {
        return source->optional ? COR_OK
                                : cor_err_set(err, COR_NOTFOUND, "%s \"%s\" not found",
                                              secret ? "secret" : "configmap", source->object);
    }
    if (source->item_count == 0) {
        enum cor_code code = add_all(object, secret, "data", volume->default_mode, out, err);
        return code != COR_OK || secret
                   ? code
                   : add_all(object, secret, "binaryData", volume->default_mode, out, err);
    }
    for (size_t i = 0; i < source->item_count; i++) {
        const struct pod_item *item = &source->items[i];
        enum cor_code code =
            add_key(object, secret, item->key, item->path, mode_of(item, volume), out, err);
        if (code == COR_NOTFOUND && !source->optional) {
            return cor_err_set(err, COR_NOTFOUND,
                               secret ? "references non-existent secret key: %s"
                                      : "configmap references non-existent config key: %s",
                               item->key);
        }
        if (code != COR_OK && code != COR_NOTFOUND) {
            return code;
        }
    }
    return COR_OK;
}

static enum cor_code add_downward(const struct pod *pod, const struct pod_volume *volume,
                                  const struct pod_source *source, const struct inputs *inputs,
                                  struct payload *out, struct cor_err *err)
{
    for (size_t i = 0; i < source->item_count; i++) {
        const struct pod_item *item = &source->items[i];
        auto_(cor_buf_free) struct cor_buf data = {0};
        enum cor_code code = item->resource
                                 ? inputs_resource(pod, NULL, item->container, item->key,
                                                   item->divisor, inputs->facts, &data, err)
                                 : inputs_field(pod, inputs->facts, item->key, &data, err);
        if (code == COR_OK) {
            code = add(out, item->path, &data, mode_of(item, volume), err);
        }
        if (code != COR_OK) {
            return code;
        }
    }
    return COR_OK;
}

/* Readable for its owner when root or the group reads it, for all when a container runs as another
 * user (k8s.io/kubernetes pkg/volume/projected/projected.go). */
static int token_mode(const struct pod *pod)
{
    bool all_root = true;
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        const struct pod_security *security = &pod_container(pod, i)->security;
        all_root = all_root && security->user.given && security->user.n == 0;
    }
    return pod->fs_group.given || all_root ? TOKEN_MODE : TOKEN_MODE_ALL;
}

static enum cor_code add_token(const struct pod *pod, const struct pod_source *source,
                               const struct inputs *inputs, struct payload *out,
                               struct cor_err *err)
{
    const char *token = inputs->token(inputs->self, source);
    if (token == NULL) {
        return cor_err_set(err, COR_NOTFOUND,
                           "failed to fetch token: no token for service account \"%s\"",
                           pod->account);
    }
    auto_(cor_buf_free) struct cor_buf data = {0};
    cor_buf_str(&data, token);
    enum cor_code code = add(out, source->path, &data, token_mode(pod), err);
    if (code == COR_OK) {
        slot(out, source->path)->token = true;
    }
    return code;
}

enum cor_code payload_build(const struct pod *pod, const struct pod_volume *volume,
                            const struct inputs *inputs, struct payload *out, struct cor_err *err)
{
    enum cor_code code = COR_OK;
    for (size_t i = 0; code == COR_OK && i < volume->source_count; i++) {
        const struct pod_source *source = &volume->sources[i];
        if (source->type == POD_VOLUME_DOWNWARD) {
            code = add_downward(pod, volume, source, inputs, out, err);
        } else if (source->type == POD_VOLUME_PROJECTED) {
            code = add_token(pod, source, inputs, out, err);
        } else {
            code = add_object(volume, source, inputs, out, err);
        }
    }
    return code;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * 0x100000001b3u;
    }
    return (h ^ len) * 0x100000001b3u;
}

uint64_t payload_hash(const struct payload *payload)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < payload->count; i++) {
        const struct payload_file *file = &payload->files[i];
        h = mix(h, file->path, strlen(file->path));
        h = mix(h, &file->mode, sizeof(file->mode));
        h = mix(h, file->data.data, file->data.len);
    }
    return h;
}

bool payload_is_dynamic(const struct pod_volume *volume)
{
    return volume->type == POD_VOLUME_CONFIGMAP || volume->type == POD_VOLUME_SECRET ||
           volume->type == POD_VOLUME_DOWNWARD || volume->type == POD_VOLUME_PROJECTED;
}

void payload_free(struct payload *payload)
{
    for (size_t i = 0; i < payload->count; i++) {
        struct payload_file *file = &payload->files[i];
        if (file->data.data != NULL) {
            cor_wipe(file->data.data, file->data.len);
        }
        cor_buf_free(&file->data);
        cor_free(file->path);
    }
    cor_free(payload->files);
    *payload = (struct payload){0};
}
