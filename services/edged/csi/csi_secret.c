// SPDX-License-Identifier: Apache-2.0
// Secrets that drivers are given. Each time anew: the store has them as the cloud pushes them.
#include "common/base/mem.h"
#include "csi_private.h"

enum { SECRET_MAX = 4 * 1024 * 1024 };

struct wish {
    struct csi_secret_ref ref; /* owned copies */
    csi_secret_fn fn;
    void *self;
};

static char *why_not(const struct wish *wish, int status, struct cor_view body)
{
    auto_(cor_json_free) struct cor_json *json = NULL;
    auto_(cor_freep) char *text = NULL;
    if (status == 0) {
        text = cor_view_dup(body);
    } else if (cor_json_parse(body, SECRET_MAX, 0, &json, NULL) == COR_OK &&
               cor_json_str_at(json, "message", "")[0] != '\0') {
        text = cor_strdup(cor_json_str_at(json, "message", ""));
    } else {
        text = status == 404 ? cor_sprintf("secrets \"%s\" not found", wish->ref.name)
                             : cor_sprintf("HTTP status %d", status);
    }
    return cor_sprintf("failed to find the secret %s in the namespace %s with error: %s",
                       wish->ref.name, wish->ref.ns, text);
}

static void on_secret(void *self, int status, struct cor_view body)
{
    struct wish *wish = self;
    auto_(cor_json_free) struct cor_json *secret = NULL;
    if (status == 200 && cor_json_parse(body, SECRET_MAX, 0, &secret, NULL) == COR_OK) {
        wish->fn(wish->self, cor_json_get(secret, "data"), NULL);
    } else {
        auto_(cor_freep) char *error = why_not(wish, status, body);
        wish->fn(wish->self, NULL, error);
    }
    cor_free(wish->ref.ns);
    cor_free(wish->ref.name);
    cor_free(wish);
}

void csi_secret_ask(struct csi *csi, const struct csi_secret_ref *ref, csi_secret_fn fn, void *self)
{
    if (ref->name[0] == '\0') {
        fn(self, NULL, NULL);
        return;
    }
    struct wish *wish = cor_alloc(sizeof(*wish));
    *wish = (struct wish){{cor_strdup(ref->ns), cor_strdup(ref->name)}, fn, self};
    auto_(cor_freep) char *key = cor_sprintf("%s/secret/%s", ref->ns, ref->name);
    if (!meta_call(csi->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_secret, wish)) {
        on_secret(wish, 0, COR_VIEW("metamanager does not answer"));
    }
}
