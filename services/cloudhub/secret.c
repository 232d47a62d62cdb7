// SPDX-License-Identifier: Apache-2.0
#include "secret.h"

#include "common/base/text.h"
#include "common/pki/key.h"

struct cor_json *secret_new(const char *ns, const char *name)
{
    struct cor_json *secret = cor_json_object();
    cor_json_set(secret, "apiVersion", cor_json_str("v1"));
    cor_json_set(secret, "kind", cor_json_str("Secret"));
    cor_json_set_at(secret, "metadata.namespace", cor_json_str(ns));
    cor_json_set_at(secret, "metadata.name", cor_json_str(name));
    cor_json_set(secret, "type", cor_json_str("Opaque"));
    cor_json_set(secret, "data", cor_json_object());
    return secret;
}

void secret_set(struct cor_json *secret, const char *key, struct cor_view value)
{
    auto_(cor_secret_free) struct cor_buf text = {0};
    cor_base64(&text, value);
    if (!cor_json_is_object(cor_json_get(secret, "data"))) {
        cor_json_set(secret, "data", cor_json_object());
    }
    cor_json_set(cor_json_get(secret, "data"), key, cor_json_view(cor_buf_as_view(&text)));
}

bool secret_get(const struct cor_json *secret, const char *key, struct cor_buf *out)
{
    struct cor_view text = cor_json_as_view(cor_json_get(cor_json_get(secret, "data"), key));
    return text.ptr != NULL && cor_base64_decode(out, text);
}
