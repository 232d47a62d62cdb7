// SPDX-License-Identifier: Apache-2.0
#include "ledger.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "secret.h"

/* In place of a fingerprint; what does not know the word takes it for another key's. */
#define REVOKED "revoked"

struct use {
    struct token token;
    char *fingerprint;
    ledger_fn fn;
    void *self;
};

/* A value is "<expiry in seconds> <fingerprint of a key>...". */
static bool read_use(const struct cor_json *secret, const char *id, int64_t *until_r,
                     struct cor_buf *text, struct cor_view *keys_r)
{
    struct cor_view until;
    cor_buf_clear(text);
    if (!secret_get(secret, id, text)) {
        return false;
    }
    *keys_r = cor_buf_as_view(text);
    return cor_view_split(keys_r, ' ', &until) && cor_view_i64(until, until_r) && *until_r > 0;
}

static bool has_entry(const struct cor_json *secret, const char *id)
{
    return cor_json_get(cor_json_get(secret, "data"), id) != NULL;
}

enum cor_code ledger_judge(const struct cor_json *secret, const struct token *token,
                           const char *fingerprint)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view keys;
    struct cor_view key;
    int64_t until = 0;
    unsigned used = 0;
    bool known = false;
    if (!has_entry(secret, token->id)) {
        return COR_NOTFOUND;
    }
    if (!read_use(secret, token->id, &until, &text, &keys)) {
        return COR_DENIED;
    }
    while (cor_view_split(&keys, ' ', &key)) {
        if (cor_view_is(key, REVOKED)) {
            return COR_DENIED;
        }
        known = known || cor_view_is(key, fingerprint);
        used++;
    }
    return known ? COR_OK : used > 0 && used < token->uses ? COR_NOTFOUND : COR_DENIED;
}

static void remove_expired(struct cor_json *secret, struct cor_wall now)
{
    struct cor_json *kept = cor_json_object();
    auto_(cor_buf_free) struct cor_buf text = {0};
    void *at = NULL;
    const char *id = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(cor_json_get(secret, "data"), &at, &id, &value)) {
        struct cor_view keys;
        int64_t until = 0;
        if (!read_use(secret, id, &until, &text, &keys) || COR_SEC(until) > now.us) {
            cor_json_set(kept, id, cor_json_ref(value));
        }
    }
    cor_json_set(secret, "data", kept);
}

static void set_keys(struct cor_json *secret, const char *id, struct cor_wall until,
                     struct cor_view before, const char *key)
{
    auto_(cor_freep) char *value =
        cor_sprintf("%" PRId64 "%s%.*s %s", until.us / 1000000, before.len > 0 ? " " : "",
                    COR_VIEW_ARG(before), key);
    secret_set(secret, id, cor_view_of(value));
}

void ledger_record(struct cor_json *secret, const struct token *token, const char *fingerprint,
                   struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view keys = {0};
    int64_t until = 0;
    remove_expired(secret, now);
    if (!read_use(secret, token->id, &until, &text, &keys)) {
        keys = (struct cor_view){0};
    }
    set_keys(secret, token->id, token->until, keys, fingerprint);
}

void ledger_revoke(struct cor_json *secret, const char *id, struct cor_wall until,
                   struct cor_wall now)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view keys = {0};
    int64_t before = 0;
    remove_expired(secret, now);
    if (!read_use(secret, id, &before, &text, &keys)) {
        keys = (struct cor_view){0};
    }
    set_keys(secret, id, until, keys, REVOKED);
}

unsigned ledger_uses(const struct cor_json *secret, const char *id, bool *revoked_r)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_view keys;
    struct cor_view key;
    int64_t until = 0;
    unsigned uses = 0;
    *revoked_r = false;
    if (!has_entry(secret, id) || !read_use(secret, id, &until, &text, &keys)) {
        return 0;
    }
    while (cor_view_split(&keys, ' ', &key)) {
        bool mark = cor_view_is(key, REVOKED);
        *revoked_r = *revoked_r || mark;
        uses += mark ? 0 : 1;
    }
    return uses;
}

static enum vault_next change(void *self, struct cor_json *secret)
{
    const struct use *use = self;
    enum cor_code code = ledger_judge(secret, &use->token, use->fingerprint);
    if (code != COR_NOTFOUND) {
        return code == COR_OK ? VAULT_LEAVE : VAULT_DENY;
    }
    ledger_record(secret, &use->token, use->fingerprint, cor_wall_now());
    return VAULT_WRITE;
}

static void done(void *self, enum cor_code code)
{
    struct use *use = self;
    ledger_fn fn = use->fn;
    void *owner = use->self;
    token_free(&use->token);
    cor_free(use->fingerprint);
    cor_free(use);
    fn(owner, code);
}

void ledger_use(struct vault *vault, const struct token *token, const struct cor_key *key,
                ledger_fn fn, void *self)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_buf hex = {0};
    struct use *use = cor_alloc(sizeof(*use));
    cor_key_public_der(key, &der);
    cor_sha256_hex(cor_buf_as_view(&der), &hex);
    use->token =
        (struct token){cor_strdup(token->node), cor_strdup(token->id), token->uses, token->until};
    use->fingerprint = cor_buf_take(&hex);
    use->fn = fn;
    use->self = self;
    struct vault_op op = {.name = LEDGER_SECRET, .change = change, .done = done, .self = use};
    vault_do(vault, &op);
}
