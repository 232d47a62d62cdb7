// SPDX-License-Identifier: Apache-2.0
#include "tokenctl.h"

#include "common/base/mem.h"
#include "common/base/text.h"
#include "ledger.h"
#include "tokens.h"

/* Ten years; tokens for any node that are asked for without a number. */
enum { TTL_MAX_S = 315360000, USES = 100, ARGS_MAX = 65536 };

struct tokenctl {
    struct tokenctl_spec spec;
    bool ready;
};

/* A question that waits for the API. */
struct asked {
    struct tokenctl *ctl;
    struct cor_ctl_ticket ticket;
    struct token token;       /* to be made */
    struct cor_buf text;      /* it, to be told once it is recorded */
    struct cor_json *ledger;  /* owned */
    struct cor_json *records; /* owned */
    char *wanted;             /* id, or how it begins; owned */
};

struct tokenctl *tokenctl_new(const struct tokenctl_spec *spec)
{
    struct tokenctl *ctl = cor_alloc(sizeof(*ctl));
    ctl->spec = *spec;
    return ctl;
}

void tokenctl_free(struct tokenctl **ctl)
{
    cor_freep(ctl);
}

void tokenctl_begin(struct tokenctl *ctl)
{
    ctl->ready = true;
}

static struct asked *asked_new(struct tokenctl *ctl, struct cor_ctl_in *in)
{
    struct asked *asked = cor_alloc(sizeof(*asked));
    asked->ctl = ctl;
    asked->ticket = cor_ctl_defer(in);
    return asked;
}

static void asked_end(struct asked *asked, struct cor_view result, const struct cor_err *err)
{
    cor_ctl_answer(asked->ctl->spec.bus, &asked->ticket, result, err);
    token_free(&asked->token);
    cor_secret_free(&asked->text);
    cor_json_free(&asked->ledger);
    cor_json_free(&asked->records);
    cor_free(asked->wanted);
    cor_free(asked);
}

static void asked_fail(struct asked *asked, enum cor_code code, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, code, "%s", text);
    asked_end(asked, (struct cor_view){0}, &err);
}

static void no_answer(struct asked *asked)
{
    asked_fail(asked, COR_RETRY, "the Kubernetes API does not answer; try again");
}

static void work(struct asked *asked, const char *name,
                 enum vault_next (*change)(void *self, struct cor_json *secret),
                 void (*done)(void *self, enum cor_code code))
{
    struct vault_op op = {.name = name, .change = change, .done = done, .self = asked};
    vault_do(asked->ctl->spec.vault, &op);
}

static enum vault_next see_ledger(void *self, struct cor_json *secret)
{
    struct asked *asked = self;
    cor_json_free(&asked->ledger);
    asked->ledger = cor_json_ref(secret);
    return VAULT_LEAVE;
}

static enum vault_next see_records(void *self, struct cor_json *secret)
{
    struct asked *asked = self;
    cor_json_free(&asked->records);
    asked->records = cor_json_ref(secret);
    return VAULT_LEAVE;
}

/* ---- create ---- */

static void on_recorded(void *self, enum cor_code code)
{
    struct asked *asked = self;
    const struct tokenctl_spec *spec = &asked->ctl->spec;
    const char *node = asked->token.node == NULL ? "" : asked->token.node;
    struct cor_err none = COR_ERR_NONE;
    auto_(cor_secret_free) struct cor_buf result = {0};
    if (code == COR_DENIED) {
        asked_fail(
            asked, COR_BUSY,
            "as many tokens are open as enrol.tokens allows; revoke those that nobody needs");
        return;
    }
    if (code != COR_OK) {
        no_answer(asked);
        return;
    }
    LOGI(spec->log, "hub.token.made", "node=%s id=%s uses=%u", node[0] == '\0' ? "any" : node,
         asked->token.id, asked->token.uses);
    cor_buf_fmt(&result, "{\"node\":\"%s\",\"id\":\"%s\",\"token\":\"%s\"}", node, asked->token.id,
                asked->text.data);
    asked_end(asked, cor_buf_as_view(&result), &none);
}

static enum vault_next record(void *self, struct cor_json *secret)
{
    struct asked *asked = self;
    enum cor_code code =
        tokens_add(secret, &asked->token, cor_wall_now(), asked->ledger, asked->ctl->spec.most);
    return code == COR_OK ? VAULT_WRITE : VAULT_DENY;
}

static void on_ledger_for_create(void *self, enum cor_code code)
{
    if (code == COR_OK) {
        work(self, TOKENS_SECRET, record, on_recorded);
    } else {
        no_answer(self);
    }
}

static enum cor_code read_reusable(const struct tokenctl *ctl, const struct cor_json *tree,
                                   struct token *token, struct cor_err *err)
{
    int64_t uses = cor_json_int_at(tree, "uses", USES);
    if (!ctl->spec.reusable) {
        return cor_err_set(err, COR_DENIED,
                           "enrol.reusable-token is false in cloudhub's configuration");
    }
    if (uses < 1 || uses > TOKEN_USES_MAX) {
        return cor_err_set(err, COR_INVALID, "uses: expected 1 to %d", TOKEN_USES_MAX);
    }
    token->uses = (unsigned)uses;
    return COR_OK;
}

static enum cor_code read_wish(const struct tokenctl *ctl, struct cor_view args,
                               struct token *token, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *tree = NULL;
    enum cor_code code =
        cor_json_parse(args.len == 0 ? COR_VIEW("{}") : args, ARGS_MAX, 0, &tree, err);
    if (code != COR_OK) {
        return code;
    }
    struct cor_view node = cor_json_as_view(cor_json_get(tree, "node"));
    int64_t ttl_s = cor_json_int_at(tree, "ttlSeconds", ctl->spec.hours * 3600);
    if (ttl_s < 1 || ttl_s > TTL_MAX_S) {
        return cor_err_set(err, COR_INVALID, "ttlSeconds: expected 1 to %d", TTL_MAX_S);
    }
    token->until.us = cor_wall_now().us + COR_SEC(ttl_s);
    if (cor_json_bool_at(tree, "reusable", false)) {
        return read_reusable(ctl, tree, token, err);
    }
    if (!cor_is_dns_subdomain(node)) {
        return cor_err_set(err, COR_INVALID, "node: expected a DNS name in lower case");
    }
    token->node = cor_view_dup(node);
    token->uses = 1;
    return COR_OK;
}

enum cor_code tokenctl_create(struct tokenctl *ctl, struct cor_ctl_in *in, struct cor_view args,
                              struct cor_err *err)
{
    struct token token = {0};
    char id[COR_UUID_LEN + 1];
    if (!ctl->ready) {
        return cor_err_set(err, COR_RETRY, "the CA is not loaded yet");
    }
    enum cor_code code = read_wish(ctl, args, &token, err);
    if (code != COR_OK) {
        return code;
    }
    cor_uuid_new(id);
    token.id = cor_strdup(id);
    struct token_maker maker = authority_maker(ctl->spec.authority);
    struct asked *asked = asked_new(ctl, in);
    asked->token = token;
    token_make(&maker, &token, &asked->text);
    work(asked, LEDGER_SECRET, see_ledger, on_ledger_for_create);
    return COR_OK;
}

/* ---- list ---- */

static void on_records_for_list(void *self, enum cor_code code)
{
    struct asked *asked = self;
    struct cor_err none = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (code != COR_OK) {
        no_answer(asked);
        return;
    }
    auto_(cor_json_free) struct cor_json *list =
        tokens_list(asked->records, asked->ledger, cor_wall_now());
    cor_json_write(list, &text);
    asked_end(asked, cor_buf_as_view(&text), &none);
}

static void on_ledger_for_list(void *self, enum cor_code code)
{
    if (code == COR_OK) {
        work(self, TOKENS_SECRET, see_records, on_records_for_list);
    } else {
        no_answer(self);
    }
}

void tokenctl_list(struct tokenctl *ctl, struct cor_ctl_in *in)
{
    work(asked_new(ctl, in), LEDGER_SECRET, see_ledger, on_ledger_for_list);
}

/* ---- revoke ---- */

static void on_revoked(void *self, enum cor_code code)
{
    struct asked *asked = self;
    struct cor_err none = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf result = {0};
    if (code != COR_OK) {
        no_answer(asked);
        return;
    }
    LOGW(asked->ctl->spec.log, "hub.token.revoked", "id=%s", asked->token.id);
    cor_buf_fmt(&result, "{\"id\":\"%s\"}", asked->token.id);
    asked_end(asked, cor_buf_as_view(&result), &none);
}

static enum vault_next revoke(void *self, struct cor_json *secret)
{
    const struct asked *asked = self;
    bool revoked = false;
    (void)ledger_uses(secret, asked->token.id, &revoked);
    if (revoked) {
        return VAULT_LEAVE;
    }
    ledger_revoke(secret, asked->token.id, asked->token.until, cor_wall_now());
    return VAULT_WRITE;
}

static void on_records_for_revoke(void *self, enum cor_code code)
{
    struct asked *asked = self;
    if (code != COR_OK) {
        no_answer(asked);
        return;
    }
    code = tokens_find(asked->records, cor_view_of(asked->wanted), cor_wall_now(), &asked->token.id,
                       &asked->token.until);
    if (code == COR_OK) {
        work(asked, LEDGER_SECRET, revoke, on_revoked);
    } else {
        asked_fail(asked, code,
                   code == COR_CONFLICT ? "the ids of several tokens begin so"
                                        : "there is no such token, or it has expired");
    }
}

enum cor_code tokenctl_revoke(struct tokenctl *ctl, struct cor_ctl_in *in, struct cor_view args,
                              struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *tree = NULL;
    enum cor_code code = cor_json_parse(args, ARGS_MAX, 0, &tree, err);
    const char *id = cor_json_str_at(tree, "id", "");
    if (code != COR_OK || id[0] == '\0') {
        return cor_err_set(err, COR_INVALID, "id: expected the id of a token");
    }
    struct asked *asked = asked_new(ctl, in);
    asked->wanted = cor_strdup(id);
    work(asked, TOKENS_SECRET, see_records, on_records_for_revoke);
    return COR_OK;
}
