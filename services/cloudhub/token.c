// SPDX-License-Identifier: Apache-2.0
#include "token.h"

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "common/pki/jwt.h"

void token_make(const struct token_maker *maker, const char *node, const char *id,
                struct cor_wall until, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_json_free) struct cor_json *claims = cor_json_object();
    cor_json_set(claims, "exp", cor_json_int(until.us / 1000000));
    if (node != NULL) {
        cor_json_set(claims, "jti", cor_json_str(id));
        cor_json_set(claims, "node", cor_json_str(node));
    }
    cor_cert_der(maker->ca, &der);
    cor_sha256_hex(cor_buf_as_view(&der), out);
    cor_buf_str(out, ".");
    cor_jwt_sign_secret(maker->secret, claims, out);
}

enum cor_code token_check(const struct token_maker *maker, struct cor_view jwt, struct cor_wall now,
                          struct token *out_r, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *claims = NULL;
    struct cor_err why = COR_ERR_NONE;
    *out_r = (struct token){0};
    if (cor_jwt_verify_secret(maker->secret, jwt, now, &claims, &why) != COR_OK) {
        return cor_err_set(err, COR_UNAUTHENTICATED, "token validation failure, err: %s", why.text);
    }
    const char *node = cor_json_as_str(cor_json_get(claims, "node"), NULL);
    const char *id = cor_json_as_str(cor_json_get(claims, "jti"), NULL);
    int64_t exp = (int64_t)cor_json_as_real(cor_json_get(claims, "exp"), 0);
    if (exp <= 0 || (node == NULL) != (id == NULL)) {
        return cor_err_set(err, COR_UNAUTHENTICATED, "token validation failure, valid is false");
    }
    *out_r = (struct token){cor_strdup(node), cor_strdup(id), {COR_SEC(exp)}};
    return COR_OK;
}

void token_free(struct token *token)
{
    cor_freep(&token->node);
    cor_freep(&token->id);
}

enum cor_code token_from_header(struct cor_view header, struct cor_view *jwt_r, struct cor_err *err)
{
    struct cor_view rest = header;
    struct cor_view scheme;
    if (header.len == 0) {
        return cor_err_set(err, COR_UNAUTHENTICATED, "token validation failure, token is empty");
    }
    if (!cor_view_split(&rest, ' ', &scheme) || rest.ptr == NULL ||
        !cor_view_split(&rest, ' ', jwt_r) || rest.ptr != NULL) {
        return cor_err_set(err, COR_UNAUTHENTICATED,
                           "token validation failure, token cannot be split");
    }
    return COR_OK;
}
