// SPDX-License-Identifier: Apache-2.0
// What edged asks: reads are answered from the store, which the cloud keeps fresh by pushing; what
// the store has not, and every write, goes to the cloud.
#include <string.h>

#include "common/base/mem.h"
#include "metamanager.h"
#include "proto/status.h"
#include "token.h"

enum { REMOTE_US = 60 * 1000 * 1000, OK = 200, NOT_FOUND = 404, UNAVAILABLE = 503 };

/* A question that was passed on to the cloud. */
struct remote {
    struct meta *meta;
    struct cor_ticket ticket;
    char *key;   /* owned */
    char *token; /* name of the token asked for, owned; NULL: no token */
    uint64_t verb;
    uint64_t status;       /* of a token's answer that is being kept */
    struct cor_buf answer; /* owned */
};

static void remote_free(struct remote *remote)
{
    cor_free(remote->key);
    cor_free(remote->token);
    cor_buf_free(&remote->answer);
    cor_free(remote);
}

static void answered_here(struct meta *meta)
{
    meta->local_answers++;
    cor_ledger_accept(meta->books.local, 1, &meta->books.local->delivered);
}

static void answer_failure(const struct cor_ticket *ticket, int code, const char *reason,
                           const char *message)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    px_status((uint64_t)code, reason, message, &text);
    struct px_api_reply reply = {.status = (uint64_t)code, .body = cor_buf_as_view(&text)};
    cor_ticket_reply(ticket, &reply);
}

/* ---- what is asked for travels to the cloud ----------------------------------------------------
 */

static void on_kept(struct meta *meta, const struct meta_put *put, enum cor_code code,
                    const struct cor_err *err)
{
    if (code != COR_OK) {
        LOGE(meta->service->log, "meta.not-stored", "key=%s error=%s", cor_log_esc(put->object.key),
             cor_log_esc(cor_view_of(err->text)));
    }
    struct px_api_reply reply = {
        .status = OK, .body = put->object.body, .version = put->object.version};
    cor_ticket_reply(&put->ticket, &reply);
}

/* An object that was fetched is kept, so that it is there when the cloud is not. */
static bool keep_object(struct remote *remote, const struct px_api_reply *reply)
{
    auto_(cor_json_free) struct cor_json *object = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse(reply->body, reply->body.len, 0, &object, &err) != COR_OK ||
        !cor_json_is_object(object)) {
        return false;
    }
    struct px_object put = {
        .key = cor_view_of(remote->key),
        .uid = cor_json_as_view(cor_json_at(object, "metadata.uid")),
        .version = cor_json_as_view(cor_json_at(object, "metadata.resourceVersion")),
        .source = COR_VIEW("edgecontroller"),
        .body = reply->body,
    };
    return meta_put(remote->meta, &put, remote->ticket.id, &remote->ticket, on_kept, &err) ==
           COR_OK;
}

static void on_token_kept(void *self, enum cor_code code, const struct cor_err *err)
{
    struct remote *remote = self;
    if (code != COR_OK) {
        LOGE(remote->meta->service->log, "meta.token-not-kept", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
    }
    struct px_api_reply reply = {.status = remote->status,
                                 .body = cor_buf_as_view(&remote->answer)};
    cor_ticket_reply(&remote->ticket, &reply);
    remote_free(remote);
}

/* A token is kept before it is given out: a Pod that had it once can have it again offline. */
static bool keep_token(struct remote *remote, const struct px_api_reply *reply)
{
    struct cor_err err = COR_ERR_NONE;
    remote->status = reply->status;
    cor_buf_view(&remote->answer, reply->body);
    return meta_token_put(remote->meta, cor_view_of(remote->token), reply->body, on_token_kept,
                          remote, &err) == COR_OK;
}

/* The last token of this kind, however old. */
static bool answer_old_token(struct remote *remote)
{
    struct cor_view body;
    struct cor_wall issued;
    if (remote->token == NULL ||
        !meta_token_get(remote->meta, cor_view_of(remote->token), &body, &issued)) {
        return false;
    }
    struct px_api_reply reply = {.status = OK, .body = body};
    cor_ticket_reply(&remote->ticket, &reply);
    meta_row_end(remote->meta);
    return true;
}

/* What was fetched once, while nobody can say more. */
static bool answer_kept(struct remote *remote)
{
    struct meta_row row;
    if (remote->verb != PX_VERB_GET || remote->token != NULL ||
        !meta_row_get(remote->meta, cor_view_of(remote->key), &row)) {
        return false;
    }
    struct px_api_reply reply = {.status = OK, .body = row.body, .version = row.version};
    cor_ticket_reply(&remote->ticket, &reply);
    meta_row_end(remote->meta);
    return true;
}

static void on_remote(void *self, const void *body, const struct cor_err *err)
{
    struct remote *remote = self;
    const struct px_api_reply *reply = body;
    struct cor_ledger_counts *books = remote->meta->books.cloud;
    if (reply == NULL) {
        cor_ledger_refuse(books, 1);
    } else {
        cor_ledger_accept(books, 1, &books->delivered);
    }
    if (reply == NULL) {
        /* COR_CLOSED: we are stopping, and the store is closed already. */
        if (err->code == COR_CLOSED || (!answer_old_token(remote) && !answer_kept(remote))) {
            answer_failure(&remote->ticket, UNAVAILABLE, "ServiceUnavailable", err->text);
        }
    } else if (reply->status == OK && remote->verb == PX_VERB_GET && remote->token == NULL &&
               keep_object(remote, reply)) {
        /* on_kept answers */
    } else {
        if (reply->status / 100 == 2 && remote->token != NULL && keep_token(remote, reply)) {
            return; /* on_token_kept answers */
        }
        cor_ticket_reply(&remote->ticket, reply);
    }
    remote_free(remote);
}

static enum cor_code ask_cloud(struct meta *meta, struct cor_in *in, const struct px_api_call *call,
                               const char *token)
{
    struct remote *remote = cor_alloc(sizeof(*remote));
    remote->meta = meta;
    remote->ticket = cor_defer(in);
    remote->key = cor_view_dup(call->key);
    remote->token = cor_strdup(token);
    remote->verb = call->verb;
    int64_t within = cor_mono_since(remote->ticket.deadline, cor_mono_now());
    within = within <= 0 || within > REMOTE_US ? REMOTE_US : within;
    enum cor_code code = COR_GONE;
    if (meta->link.up) {
        code = cor_call(meta->hub, PX_api_call, call, within, on_remote, remote);
    }
    if (code == COR_OK) {
        meta->remote_calls++;
        return COR_OK;
    }
    cor_ledger_refuse(meta->books.cloud, 1);
    if (!answer_old_token(remote) && !answer_kept(remote)) {
        answer_failure(&remote->ticket, UNAVAILABLE, "ServiceUnavailable",
                       code == COR_BUSY ? "too many calls to the cloud are under way"
                                        : "the link to the cloud is down");
    }
    remote_free(remote);
    return COR_OK;
}

/* ---- what the store answers --------------------------------------------------------------------
 */

static void answer_text(struct cor_in *in, struct cor_view text, struct cor_view version)
{
    struct px_api_reply reply = {.status = OK, .body = text, .version = version};
    cor_reply(in, &reply);
}

/* Kinds that nobody pushes: what is kept of them is for when the cloud cannot be asked. */
static bool is_pulled(struct cor_view type)
{
    static const char *const types[] = {"persistentvolume", "persistentvolumeclaim",
                                        "volumeattachment", "runtimeclass", "csidriver"};
    for (size_t i = 0; i < COR_COUNT(types); i++) {
        if (cor_view_is(type, types[i])) {
            return true;
        }
    }
    return false;
}

static enum cor_code get_object(struct meta *meta, struct cor_in *in,
                                const struct px_api_call *call, const struct px_key *key)
{
    struct meta_row row;
    bool ask = meta->link.up && is_pulled(key->type);
    if (!ask && meta_row_get(meta, call->key, &row)) {
        answered_here(meta);
        answer_text(in, row.body, row.version);
        meta_row_end(meta);
        return COR_OK;
    }
    return ask_cloud(meta, in, call, NULL);
}

static enum cor_code list_objects(struct meta *meta, struct cor_in *in,
                                  const struct px_api_call *call, const struct px_key *key)
{
    (void)call;
    auto_(cor_buf_free) struct cor_buf text = {0};
    (void)meta_rows_list(meta, key->ns, key->type, &text);
    answered_here(meta);
    answer_text(in, cor_buf_as_view(&text), (struct cor_view){0});
    return COR_OK;
}

static enum cor_code get_token(struct meta *meta, struct cor_in *in, const struct px_api_call *call,
                               struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *request = NULL;
    auto_(cor_json_free) struct cor_json *answer = NULL;
    auto_(cor_buf_free) struct cor_buf name = {0};
    if (cor_json_parse(call->body, 65536, 0, &request, err) != COR_OK) {
        return cor_err_wrap(err, "TokenRequest");
    }
    meta_token_name(call->key, request, &name);
    struct cor_view body;
    struct cor_wall issued;
    struct cor_wall expiry;
    bool fresh = meta_token_get(meta, cor_buf_as_view(&name), &body, &issued) &&
                 cor_json_parse(body, 65536, 0, &answer, err) == COR_OK &&
                 meta_token_expiry(answer, &expiry) &&
                 !meta_token_due(issued, expiry, cor_wall_now());
    if (fresh) {
        answered_here(meta);
        answer_text(in, body, (struct cor_view){0});
    }
    meta_row_end(meta);
    return fresh ? COR_OK : ask_cloud(meta, in, call, name.data);
}

enum cor_code meta_on_api_call(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct meta *meta = self;
    const struct px_api_call *call = body;
    struct px_key key;
    if (!px_key_parse(call->key, &key)) {
        return cor_err_set(err, COR_INVALID, "key %s", cor_log_esc(call->key));
    }
    if (cor_view_is(key.type, "serviceaccounttoken")) {
        return get_token(meta, in, call, err);
    }
    if (call->verb == PX_VERB_LIST) {
        return list_objects(meta, in, call, &key);
    }
    /* A Lease is never desired state: it is asked for where it is kept. */
    if (call->verb == PX_VERB_GET && !cor_view_is(key.type, "lease")) {
        return get_object(meta, in, call, &key);
    }
    return ask_cloud(meta, in, call, NULL);
}
