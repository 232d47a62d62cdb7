// SPDX-License-Identifier: Apache-2.0
#include "token.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/pki/digest.h"
#include "common/pki/jwt.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

static const char issuer[] = "https://kubernetes.default.svc";

enum { TOKEN_MIN_S = 600, TOKEN_DEFAULT_S = 3600, AUDIENCES_MAX = 16 };

struct kl_tokens {
    struct cor_key *key;
    char *kid;
};

struct kl_tokens *kl_tokens_new(struct cor_key *key)
{
    struct kl_tokens *tokens = cor_alloc(sizeof(*tokens));
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_buf kid = {0};
    uint8_t digest[COR_SHA256_LEN];
    cor_key_public_der(key, &der);
    cor_sha256(cor_buf_as_view(&der), digest);
    cor_base64url(&kid, (struct cor_view){(const char *)digest, sizeof(digest)});
    tokens->key = key;
    tokens->kid = cor_buf_take(&kid);
    return tokens;
}

void kl_tokens_free(struct kl_tokens **tokens)
{
    if (*tokens != NULL) {
        cor_key_free(&(*tokens)->key);
        cor_freep(&(*tokens)->kid);
        cor_freep(tokens);
    }
}

static bool contains(const struct cor_json *list, const char *text)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_as_str(cor_json_item(list, i), ""), text) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether kind/ns/name is there with the uid of the claim. */
static bool still_there(struct kl_api *api, enum kl_builtin which, const char *ns,
                        const struct cor_json *claim)
{
    auto_(cor_json_free) struct cor_json *object =
        kl_storage_look(api->storage, kl_builtin(which), ns, cor_json_str_at(claim, "name", ""));
    return object != NULL &&
           strcmp(kl_meta_str(object, "uid"), cor_json_str_at(claim, "uid", "-")) == 0;
}

/* The claims of a token of ours that is in time and whose account, and Pod, are there; NULL. */
static struct cor_json *valid_claims(struct kl_api *api, struct cor_view token)
{
    auto_(cor_json_free) struct cor_json *claims = NULL;
    if (cor_jwt_verify(api->tokens->key, token, cor_wall_now(), &claims, NULL) != COR_OK) {
        return NULL;
    }
    const struct cor_json *own = cor_json_get(claims, "kubernetes.io");
    const struct cor_json *pod = cor_json_get(own, "pod");
    const char *ns = cor_json_str_at(own, "namespace", "");
    if (!still_there(api, KL_SERVICEACCOUNT, ns, cor_json_get(own, "serviceaccount")) ||
        (pod != NULL && !still_there(api, KL_POD, ns, pod))) {
        return NULL;
    }
    return take(&claims);
}

static char *account_of(const struct cor_json *own)
{
    return cor_sprintf("system:serviceaccount:%s:%s", cor_json_str_at(own, "namespace", ""),
                       cor_json_str_at(own, "serviceaccount.name", ""));
}

char *kl_token_user(struct kl_api *api, struct cor_view token)
{
    auto_(cor_json_free) struct cor_json *claims = valid_claims(api, token);
    if (claims == NULL || !contains(cor_json_get(claims, "aud"), issuer)) {
        return NULL;
    }
    return account_of(cor_json_get(claims, "kubernetes.io"));
}

/* ---- TokenReview --------------------------------------------------------------------------------
 */

/* Those of asked (none: the API server's own) that the token is for. Returns owned. */
static struct cor_json *shared_audiences(const struct cor_json *claims,
                                         const struct cor_json *asked)
{
    const struct cor_json *aud = cor_json_get(claims, "aud");
    struct cor_json *shared = cor_json_array();
    if (cor_json_count(asked) == 0 && contains(aud, issuer)) {
        cor_json_add(shared, cor_json_str(issuer));
    }
    for (size_t i = 0; i < cor_json_count(asked); i++) {
        const char *one = cor_json_as_str(cor_json_item(asked, i), "");
        if (contains(aud, one)) {
            cor_json_add(shared, cor_json_str(one));
        }
    }
    return shared;
}

static void add_extra(struct cor_json *extra, const char *key, const char *value)
{
    struct cor_json *list = cor_json_array();
    cor_json_add(list, cor_json_str(value));
    cor_json_set(extra, key, list);
}

/* UserInfo of a ServiceAccount (k8s.io/kubernetes/pkg/serviceaccount/util.go). */
static struct cor_json *user_info(const struct cor_json *own)
{
    struct cor_json *user = cor_json_object();
    struct cor_json *groups = cor_json_array();
    struct cor_json *extra = cor_json_object();
    const struct cor_json *pod = cor_json_get(own, "pod");
    auto_(cor_freep) char *name = account_of(own);
    cor_json_set(user, "username", cor_json_str(name));
    cor_json_set(user, "uid", cor_json_str(cor_json_str_at(own, "serviceaccount.uid", "")));
    cor_json_add(groups, cor_json_str("system:serviceaccounts"));
    cor_json_add(groups,
                 cor_json_fmt("system:serviceaccounts:%s", cor_json_str_at(own, "namespace", "")));
    cor_json_add(groups, cor_json_str("system:authenticated"));
    cor_json_set(user, "groups", groups);
    if (pod != NULL) {
        add_extra(extra, "authentication.kubernetes.io/pod-name", cor_json_str_at(pod, "name", ""));
        add_extra(extra, "authentication.kubernetes.io/pod-uid", cor_json_str_at(pod, "uid", ""));
        cor_json_set(user, "extra", cor_json_ref(extra));
    }
    cor_json_free(&extra);
    return user;
}

static struct cor_json *token_verdict(struct kl_api *api, const struct cor_json *spec)
{
    struct cor_json *status = cor_json_object();
    struct cor_view token = cor_json_as_view(cor_json_get(spec, "token"));
    auto_(cor_json_free) struct cor_json *claims = valid_claims(api, token);
    auto_(cor_json_free) struct cor_json *shared =
        shared_audiences(claims, cor_json_get(spec, "audiences"));
    if (cor_json_count(shared) == 0) {
        cor_json_set(status, "user", cor_json_object());
        cor_json_set(status, "error", cor_json_str("invalid bearer token"));
        return status;
    }
    cor_json_set(status, "authenticated", cor_json_bool(true));
    cor_json_set(status, "user", user_info(cor_json_get(claims, "kubernetes.io")));
    cor_json_set(status, "audiences", take(&shared));
    return status;
}

void kl_write_token_review(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *review = NULL;
    enum cor_code code = kl_write_body(request, &review, &fail);
    if (code == COR_OK && cor_json_str_at(review, "spec.token", "")[0] == '\0') {
        code = kl_fail_bad(&fail, "token is required for TokenReview in authentication");
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_set_type(request->route.kind, review);
    cor_json_set(review, "status", token_verdict(request->api, cor_json_get(review, "spec")));
    kl_reply(request, 201, NULL, review);
}

static struct cor_json *named(const struct cor_json *object)
{
    struct cor_json *claim = cor_json_object();
    cor_json_set(claim, "name", cor_json_str(kl_meta_str(object, "name")));
    cor_json_set(claim, "uid", cor_json_str(kl_meta_str(object, "uid")));
    return claim;
}

/* The object that the token is bound to; NULL in *object_r for none. */
static enum cor_code bound_object(struct kl_request *request, const struct cor_json *ref,
                                  struct cor_json **object_r, struct kl_fail *fail)
{
    const char *kind = cor_json_str_at(ref, "kind", "");
    const char *name = cor_json_str_at(ref, "name", "");
    const char *uid = cor_json_str_at(ref, "uid", "");
    *object_r = NULL;
    if (!cor_json_is_object(ref)) {
        return COR_OK;
    }
    bool pod = strcmp(kind, "Pod") == 0;
    if (!pod && strcmp(kind, "Secret") != 0) {
        return kl_fail_bad(fail, "cannot bind token for serviceaccount \"%s\" to type %s",
                           request->route.name, kind);
    }
    const struct kl_kind *which = kl_builtin(pod ? KL_POD : KL_SECRET);
    *object_r = kl_storage_look(request->api->storage, which, request->route.ns, name);
    if (*object_r == NULL) {
        return kl_fail_notfound(fail, which, name);
    }
    if (uid[0] != '\0' && strcmp(uid, kl_meta_str(*object_r, "uid")) != 0) {
        auto_(cor_freep) char *why = cor_sprintf("the UID in the bound object reference (%s) does "
                                                 "not match the UID in record",
                                                 uid);
        cor_json_free(object_r);
        return kl_fail_conflict(fail, which, name, why);
    }
    return COR_OK;
}

static struct cor_json *claims_of(const struct kl_request *request, const struct cor_json *account,
                                  const struct cor_json *bound, const struct cor_json *spec,
                                  int64_t now)
{
    struct cor_json *claims = cor_json_object();
    struct cor_json *own = cor_json_object();
    struct cor_json *audiences = cor_json_copy(cor_json_get(spec, "audiences"));
    int64_t lasts = cor_json_int_at(spec, "expirationSeconds", TOKEN_DEFAULT_S);
    if (cor_json_count(audiences) == 0) {
        cor_json_free(&audiences);
        audiences = cor_json_array();
        cor_json_add(audiences, cor_json_str(issuer));
    }
    cor_json_set(own, "namespace", cor_json_str(request->route.ns));
    cor_json_set(own, "serviceaccount", named(account));
    if (bound != NULL) {
        bool pod = strcmp(cor_json_str_at(bound, "kind", ""), "Pod") == 0;
        cor_json_set(own, pod ? "pod" : "secret", named(bound));
    }
    cor_json_set(claims, "aud", audiences);
    cor_json_set(claims, "exp", cor_json_int(now + lasts));
    cor_json_set(claims, "iat", cor_json_int(now));
    cor_json_set(claims, "iss", cor_json_str(issuer));
    cor_json_set(claims, "kubernetes.io", own);
    cor_json_set(claims, "nbf", cor_json_int(now));
    cor_json_set(
        claims, "sub",
        cor_json_fmt("system:serviceaccount:%s:%s", request->route.ns, request->route.name));
    return claims;
}

/* The TokenRequest in shape. Returns owned. */
static enum cor_code read_token_request(struct kl_request *request, struct cor_json **out_r,
                                        struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {.defaults = true};
    enum cor_code code =
        kl_write_parse(request, &k8s_authentication_v1_TokenRequest, "TokenRequest", &body, fail);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_json_free) struct cor_json *object =
        kl_shape_object(&shape, &k8s_authentication_v1_TokenRequest, body);
    if (shape.error != NULL) {
        return kl_fail_bad(fail, "TokenRequest: %s", shape.error);
    }
    int64_t lasts = cor_json_int_at(object, "spec.expirationSeconds", TOKEN_DEFAULT_S);
    if (lasts < TOKEN_MIN_S || lasts > (int64_t)1 << 32 ||
        cor_json_count(cor_json_at(object, "spec.audiences")) > AUDIENCES_MAX) {
        (void)kl_fail_other(fail, 422, "Invalid",
                            "TokenRequest.authentication.k8s.io \"\" is invalid: "
                            "spec.expirationSeconds: Invalid value: %lld: may not specify a "
                            "duration less than 10 minutes",
                            (long long)lasts);
        return COR_INVALID;
    }
    *out_r = take(&object);
    return COR_OK;
}

static enum cor_code issue(struct kl_request *request, struct cor_json *object,
                           struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *account = NULL;
    auto_(cor_json_free) struct cor_json *bound = NULL;
    struct cor_json *spec = cor_json_get(object, "spec");
    enum cor_code code = kl_write_find(request, &account, fail);
    if (code == COR_OK) {
        code = bound_object(request, cor_json_get(spec, "boundObjectRef"), &bound, fail);
    }
    if (code != COR_OK) {
        return code;
    }
    struct cor_wall now = cor_wall_now();
    auto_(cor_json_free) struct cor_json *claims =
        claims_of(request, account, bound, spec, now.us / 1000000);
    auto_(cor_secret_free) struct cor_buf token = {0};
    struct cor_err err = COR_ERR_NONE;
    code = cor_jwt_sign(request->api->tokens->key, request->api->tokens->kid, claims, &token, &err);
    if (code != COR_OK) {
        return kl_fail_store(fail, code, &err);
    }
    char time[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){cor_json_int_at(claims, "exp", 0) * 1000000}, time);
    cor_json_set(spec, "audiences", cor_json_copy(cor_json_get(claims, "aud")));
    cor_json_set_at(object, "status.token", cor_json_view(cor_buf_as_view(&token)));
    cor_json_set_at(object, "status.expirationTimestamp", cor_json_str(time));
    return COR_OK;
}

void kl_write_token(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *object = NULL;
    enum cor_code code = read_token_request(request, &object, &fail);
    if (code == COR_OK) {
        code = issue(request, object, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    cor_json_set(object, "kind", cor_json_str("TokenRequest"));
    cor_json_set(object, "apiVersion", cor_json_str("authentication.k8s.io/v1"));
    cor_json_set_at(object, "metadata.creationTimestamp", cor_json_null());
    cor_json_set_at(object, "metadata.name", cor_json_str(request->route.name));
    cor_json_set_at(object, "metadata.namespace", cor_json_str(request->route.ns));
    kl_reply(request, 201, NULL, object);
}
