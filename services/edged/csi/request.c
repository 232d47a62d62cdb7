// SPDX-License-Identifier: Apache-2.0
#include "request.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/text.h"

enum { SINGLE_NODE_SINGLE_WRITER = 6 };

struct csi_texts csi_texts_of(const struct cor_json *object)
{
    struct csi_texts out = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    size_t most = cor_json_count(object);
    out.pairs = cor_calloc(most + 1, sizeof(*out.pairs));
    out.list = cor_calloc(most + 1, sizeof(*out.list));
    while (cor_json_each(object, &at, &key, &value)) {
        Csi__V1__KeyText *pair = &out.pairs[out.count];
        csi__v1__key_text__init(pair);
        pair->key = (char *)(uintptr_t)key;
        pair->value = (char *)(uintptr_t)cor_json_as_str(value, "");
        out.list[out.count++] = pair;
    }
    return out;
}

void csi_texts_free(struct csi_texts *texts)
{
    cor_free(texts->pairs);
    cor_free(texts->list);
}

struct csi_secrets csi_secrets_of(const struct cor_json *data)
{
    struct csi_secrets out = {0};
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    size_t most = cor_json_count(data);
    out.pairs = cor_calloc(most + 1, sizeof(*out.pairs));
    out.list = cor_calloc(most + 1, sizeof(*out.list));
    while (cor_json_each(data, &at, &key, &value)) {
        struct cor_buf bytes = {0};
        if (!cor_base64_decode(&bytes, cor_json_as_view(value))) {
            cor_buf_free(&bytes);
            continue;
        }
        Csi__V1__SecretText *pair = &out.pairs[out.count];
        csi__v1__secret_text__init(pair);
        pair->key = (char *)(uintptr_t)key;
        pair->value.len = bytes.len;
        pair->value.data = (uint8_t *)cor_buf_take(&bytes);
        out.list[out.count++] = pair;
    }
    return out;
}

void csi_secrets_free(struct csi_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        cor_wipe(secrets->pairs[i].value.data, secrets->pairs[i].value.len);
        cor_free(secrets->pairs[i].value.data);
    }
    cor_free(secrets->pairs);
    cor_free(secrets->list);
}

void csi_capability_fill(struct csi_capability *out, const struct csi_volume *volume,
                         const struct csi_abilities *driver, const struct pod *pod)
{
    size_t count = cor_json_count(volume->options);
    csi__v1__volume_capability__init(&out->all);
    csi__v1__mount_volume__init(&out->mount);
    csi__v1__access_mode__init(&out->mode);
    out->all.mount = &out->mount;
    out->all.access_mode = &out->mode;
    out->flags = cor_calloc(count + 1, sizeof(*out->flags));
    for (size_t i = 0; i < count; i++) {
        out->flags[i] = (char *)(uintptr_t)cor_json_as_str(cor_json_item(volume->options, i), "");
    }
    out->mount.fs_type = volume->fs_type;
    out->mount.mount_flags = out->flags;
    out->mount.n_mount_flags = count;
    out->mode.mode =
        driver->one_writer && volume->one_pod ? SINGLE_NODE_SINGLE_WRITER : volume->mode;
    out->group[0] = '\0';
    if (driver->sets_group && pod->fs_group.given) {
        (void)snprintf(out->group, sizeof(out->group), "%lld", (long long)pod->fs_group.n);
        out->mount.volume_mount_group = out->group;
    }
}

void csi_capability_free(struct csi_capability *capability)
{
    cor_freep(&capability->flags);
}
