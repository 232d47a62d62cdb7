// SPDX-License-Identifier: Apache-2.0
#include "ledger.h"

#include <inttypes.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/path.h"
#include "common/pki/digest.h"
#include "secret.h"

enum { TRIES_MAX = 5 };

struct ledger {
    struct cor_kube *kube;
    const char *ns;
    struct cor_link uses;
};

struct use {
    struct cor_link link;
    struct ledger *ledger;
    struct cor_kube_call *call;
    struct token token;
    char *fingerprint;
    unsigned tries;
    ledger_fn fn;
    void *self;
};

/* A value is "<expiry in seconds> <fingerprint of the key>". */
static bool read_use(const struct cor_json *secret, const char *id, int64_t *until_r,
                     struct cor_buf *text, struct cor_view *fingerprint_r)
{
    struct cor_view until;
    cor_buf_clear(text);
    if (!secret_get(secret, id, text)) {
        return false;
    }
    *fingerprint_r = cor_buf_as_view(text);
    return cor_view_split(fingerprint_r, ' ', &until) && cor_view_i64(until, until_r);
}

enum cor_code ledger_judge(const struct cor_json *secret, const char *id, const char *fingerprint)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view used_by;
    int64_t until = 0;
    if (cor_json_get(cor_json_get(secret, "data"), id) == NULL) {
        return COR_NOTFOUND;
    }
    return read_use(secret, id, &until, &text, &used_by) && cor_view_is(used_by, fingerprint)
               ? COR_OK
               : COR_DENIED;
}

static void remove_expired(struct cor_json *secret, struct cor_wall now)
{
    struct cor_json *kept = cor_json_object();
    auto_(cor_buf_free) struct cor_buf text = {0};
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_get(secret, "data"), &at, &id, &value)) {
        struct cor_view used_by;
        int64_t until = 0;
        if (!read_use(secret, id, &until, &text, &used_by) || COR_SEC(until) > now.us) {
            cor_json_set(kept, id, cor_json_ref(value));
        }
    }
    cor_json_set(secret, "data", kept);
}

void ledger_record(struct cor_json *secret, const struct token *token, const char *fingerprint,
                   struct cor_wall now)
{
    auto_(cor_freep) char *value =
        cor_sprintf("%" PRId64 " %s", token->until.us / 1000000, fingerprint);
    remove_expired(secret, now);
    secret_set(secret, token->id, cor_view_of(value));
}

struct ledger *ledger_new(struct cor_kube *kube, const char *ns)
{
    struct ledger *ledger = cor_alloc(sizeof(*ledger));
    ledger->kube = kube;
    ledger->ns = ns;
    cor_list_init(&ledger->uses);
    return ledger;
}

static void use_free(struct use *use)
{
    cor_list_del(&use->link);
    cor_kube_cancel(&use->call);
    token_free(&use->token);
    cor_free(use->fingerprint);
    cor_free(use);
}

static void finish(struct use *use, enum cor_code code)
{
    ledger_fn fn = use->fn;
    void *self = use->self;
    use_free(use);
    fn(self, code);
}

void ledger_free(struct ledger **ledger)
{
    if (*ledger != NULL) {
        COR_LIST_EACH (node, &(*ledger)->uses) {
            finish(COR_LIST_OBJECT(node, struct use, link), COR_RETRY);
        }
        cor_freep(ledger);
    }
}

static void ask(struct use *use, const char *method, bool named, const struct cor_json *object,
                cor_kube_fn fn)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf body = {0};
    struct cor_kube_ref ref = {.group_version = "v1",
                               .ns = use->ledger->ns,
                               .plural = "secrets",
                               .name = named ? LEDGER_SECRET : NULL};
    cor_kube_path(&ref, &path);
    struct cor_kube_request request = {
        .method = method, .path = path.data, .timeout_us = COR_SEC(10)};
    if (object != NULL) {
        cor_json_write(object, &body);
        request.body = cor_buf_as_view(&body);
    }
    use->call = cor_kube_send(use->ledger->kube, &request, fn, use);
}

static void on_read(void *self, const struct cor_kube_response *response);

static void on_written(void *self, const struct cor_kube_response *response)
{
    struct use *use = self;
    use->call = NULL;
    if (response->code == COR_OK) {
        finish(use, COR_OK);
    } else if ((response->code == COR_CONFLICT || response->code == COR_EXISTS) &&
               ++use->tries < TRIES_MAX) {
        ask(use, "GET", true, NULL, on_read);
    } else {
        finish(use, COR_RETRY);
    }
}

static void on_read(void *self, const struct cor_kube_response *response)
{
    struct use *use = self;
    use->call = NULL;
    if (response->code != COR_OK && response->code != COR_NOTFOUND) {
        finish(use, COR_RETRY);
        return;
    }
    bool found = response->code == COR_OK;
    enum cor_code code =
        found ? ledger_judge(response->body, use->token.id, use->fingerprint) : COR_NOTFOUND;
    if (code != COR_NOTFOUND) {
        finish(use, code);
        return;
    }
    auto_(cor_json_free) struct cor_json *secret =
        found ? cor_json_copy(response->body) : secret_new(use->ledger->ns, LEDGER_SECRET);
    ledger_record(secret, &use->token, use->fingerprint, cor_wall_now());
    ask(use, found ? "PUT" : "POST", found, secret, on_written);
}

void ledger_use(struct ledger *ledger, const struct token *token, const struct cor_key *key,
                ledger_fn fn, void *self)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_buf hex = {0};
    struct use *use = cor_alloc(sizeof(*use));
    cor_key_public_der(key, &der);
    cor_sha256_hex(cor_buf_as_view(&der), &hex);
    use->ledger = ledger;
    use->token = (struct token){cor_strdup(token->node), cor_strdup(token->id), token->until};
    use->fingerprint = cor_buf_take(&hex);
    use->fn = fn;
    use->self = self;
    cor_list_init(&use->link);
    cor_list_add(&ledger->uses, &use->link);
    ask(use, "GET", true, NULL, on_read);
}
