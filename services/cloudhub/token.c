// SPDX-License-Identifier: Apache-2.0
#include "token.h"

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "common/pki/jwt.h"

void token_make(const struct token_maker *maker, const struct token *token, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_json_free) struct cor_json *claims = cor_json_object();
    cor_json_set(claims, "exp", cor_json_int(token->until.us / 1000000));
    if (token->id != NULL) {
        cor_json_set(claims, "jti", cor_json_str(token->id));
    }
    if (token->node != NULL) {
        cor_json_set(claims, "node", cor_json_str(token->node));
    } else if (token->id != NULL) {
        cor_json_set(claims, "uses", cor_json_int(token->uses));
    }
    cor_cert_der(maker->ca, &der);
    cor_sha256_hex(cor_buf_as_view(&der), out);
    cor_buf_str(out, ".");
    cor_jwt_sign_secret(maker->secret, claims, out);
}

/* Of the claims; false: they do not go together. */
static bool read_uses(const struct cor_json *claims, bool has_node, bool has_id, unsigned *uses_r)
{
    int64_t uses = cor_json_as_int(cor_json_get(claims, "uses"), 0);
    *uses_r = has_node ? 1 : (unsigned)uses;
    return has_node ? has_id && uses == 0
                    : has_id == (uses > 0) && uses >= 0 && uses <= TOKEN_USES_MAX;
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
    unsigned uses = 0;
    if (exp <= 0 || !read_uses(claims, node != NULL, id != NULL, &uses)) {
        return cor_err_set(err, COR_UNAUTHENTICATED, "token validation failure, valid is false");
    }
    *out_r = (struct token){cor_strdup(node), cor_strdup(id), uses, {COR_SEC(exp)}};
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
