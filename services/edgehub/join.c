// SPDX-License-Identifier: Apache-2.0
#include "join.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/pki/csr.h"
#include "common/pki/digest.h"

struct join {
    struct join_spec spec;
    join_fn fn;
    void *self;
    bool busy;
    char *address;
    char *token;         /* NULL: renewal */
    struct cor_cert *ca; /* fetched; NULL: renewal */
    struct cor_key *key; /* that a certificate is asked for */
};

bool join_split_token(struct cor_view token, struct cor_view *hash_r, struct cor_view *jwt_r)
{
    struct cor_view rest = token;
    struct cor_view part;
    int parts = 0;
    if (!cor_view_split(&rest, '.', hash_r) || rest.ptr == NULL) {
        return false;
    }
    *jwt_r = rest;
    while (cor_view_split(&rest, '.', &part)) {
        parts++;
    }
    return parts == 3;
}

struct join *join_new(const struct join_spec *spec, join_fn fn, void *self)
{
    struct join *join = cor_alloc(sizeof(*join));
    join->spec = *spec;
    join->fn = fn;
    join->self = self;
    return join;
}

static void forget(struct join *join)
{
    if (join->token != NULL) {
        cor_wipe(join->token, strlen(join->token));
    }
    cor_freep(&join->token);
    cor_freep(&join->address);
    cor_cert_free(&join->ca);
    cor_key_free(&join->key);
}

void join_free(struct join **join)
{
    if (*join != NULL) {
        forget(*join);
        cor_freep(join);
    }
}

static void end(struct join *join, const struct cor_err *err)
{
    join->busy = false;
    forget(join);
    join->fn(join->self, err->code, err);
}

static void end_with(struct join *join, enum cor_code code, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    (void)cor_err_set(&err, code, "%s", text);
    end(join, &err);
}

static struct cor_ws_target target_of(const struct join *join, const char *path)
{
    return (struct cor_ws_target){.host = join->spec.host,
                                  .address = join->address,
                                  .port = join->spec.port,
                                  .path = path,
                                  .timeout_us = COR_SEC(30)};
}

static void adopt(struct join *join, struct cor_view der)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_cert *cert = NULL;
    enum cor_code code = cor_cert_parse(der, &cert, &err);
    if (code == COR_OK) {
        code = identity_adopt(join->spec.identity, join->ca, cert, take(&join->key), &err);
    }
    err.code = code;
    end(join, &err);
}

static void on_signed(void *self, int status, struct cor_view body, const char *text)
{
    struct join *join = self;
    struct cor_err err = COR_ERR_NONE;
    if (status == 200) {
        adopt(join, body);
        return;
    }
    bool refused = status >= 400 && status < 500;
    (void)cor_err_set(&err, refused ? COR_UNAUTHENTICATED : COR_RETRY, "/edge.crt: %d %.*s%s",
                      status, (int)(body.len < 150 ? body.len : 150), body.ptr, text);
    end(join, &err);
}

/* Subject as EdgeCore writes it. */
static void ask_certificate(struct join *join)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_freep) char *cn = cor_sprintf("system:node:%s", join->spec.identity->node);
    auto_(cor_freep) char *bearer = NULL;
    struct cor_subject subject = {.country = "CN",
                                  .state = "Zhejiang",
                                  .locality = "Hangzhou",
                                  .org = "system:nodes",
                                  .cn = cn};
    bool renews = join->token == NULL;
    if (identity_next_key(join->spec.identity, renews, cor_wall_now(), &join->key, &err) !=
        COR_OK) {
        end(join, &err);
        return;
    }
    cor_csr_make(join->key, &subject, &csr);
    struct cor_ws_target target = target_of(join, "/edge.crt");
    struct cor_ws_header headers[3] = {{"NodeName", join->spec.identity->node}};
    if (join->token != NULL) {
        struct cor_view hash = {0};
        struct cor_view jwt = {0};
        (void)join_split_token(cor_view_of(join->token), &hash, &jwt);
        bearer = cor_sprintf("Bearer %.*s", COR_VIEW_ARG(jwt));
        headers[1] = (struct cor_ws_header){"Authorization", bearer};
        target.tls.ca = join->ca;
    } else {
        target.tls = identity_tls(join->spec.identity);
    }
    target.headers = headers;
    cor_ws_fetch(join->spec.ws, &target, cor_buf_as_view(&csr), on_signed, join);
    if (bearer != NULL) {
        cor_wipe(bearer, strlen(bearer));
    }
}

/* The CA comes over a connection that cannot be verified yet; the token says which one it must be.
 */
static void on_ca(void *self, int status, struct cor_view body, const char *text)
{
    struct join *join = self;
    struct cor_err err = COR_ERR_NONE;
    struct cor_view hash = {0};
    struct cor_view jwt = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    if (status != 200) {
        (void)cor_err_set(&err, COR_RETRY, "/ca.crt: %d %s", status, text);
        end(join, &err);
        return;
    }
    cor_sha256_hex(body, &hex);
    (void)join_split_token(cor_view_of(join->token), &hash, &jwt);
    if (!cor_equal_secret(hash, cor_buf_as_view(&hex))) {
        end_with(join, COR_UNAUTHENTICATED, "the server's CA is not the one the token names");
    } else if (cor_cert_parse(body, &join->ca, &err) != COR_OK) {
        end(join, &err);
    } else {
        ask_certificate(join);
    }
}

void join_start(struct join *join, const char *address, const char *token)
{
    struct cor_view hash = {0};
    struct cor_view jwt = {0};
    if (join->busy) {
        return;
    }
    join->busy = true;
    join->address = cor_strdup(address);
    join->token = cor_strdup(token);
    if (token == NULL) {
        ask_certificate(join);
    } else if (!join_split_token(cor_view_of(token), &hash, &jwt)) {
        end_with(join, COR_UNAUTHENTICATED, "the token has not four parts");
    } else {
        struct cor_ws_target target = target_of(join, "/ca.crt");
        target.trust_any = true;
        cor_ws_fetch(join->spec.ws, &target, (struct cor_view){0}, on_ca, join);
    }
}

bool join_is_busy(const struct join *join)
{
    return join->busy;
}
