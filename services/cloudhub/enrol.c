// SPDX-License-Identifier: Apache-2.0
#include "enrol.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"

#define NODE_ORG "system:nodes"
#define NODE_CN "system:node:"

static bool is_cn_of(const char *cn, struct cor_view node)
{
    size_t prefix = strlen(NODE_CN);
    return strncmp(cn, NODE_CN, prefix) == 0 && cor_view_is(node, cn + prefix);
}

bool enrol_is_node(const struct cor_cert *cert, struct cor_view node)
{
    return cert != NULL && strcmp(cor_cert_org(cert), NODE_ORG) == 0 &&
           is_cn_of(cor_cert_cn(cert), node);
}

static enum cor_code refuse_cert(const struct enrol_request *request, const char *why,
                                 struct cor_err *err)
{
    return cor_err_set(err, COR_UNAUTHENTICATED,
                       "failed to verify the certificate for edgenode: %.*s, err: %s",
                       COR_VIEW_ARG(request->node), why);
}

/* TLS has seen that the peer has its key, and that it is not of the future; who has signed it is
 * judged here. It may have expired. */
static enum cor_code check_cert(const struct enrol_request *request, struct cor_err *err)
{
    if (request->revoked) {
        return refuse_cert(request, "the node is revoked", err);
    }
    if (!enrol_is_node(request->cert, request->node)) {
        return refuse_cert(request, "request node name is not match with the certificate", err);
    }
    struct cor_wall whenever = {0};
    if (cor_certs_verify(request->cert, request->roots, NULL, COR_CERT_CLIENT, whenever, NULL) !=
        COR_OK) {
        return refuse_cert(request,
                           "it was signed by a CA that does not count (any more); the node needs a "
                           "new token",
                           err);
    }
    return COR_OK;
}

/* A node renews with its own certificate; else it needs a token. */
static enum cor_code authenticate(const struct token_maker *maker,
                                  const struct enrol_request *request, struct enrol_grant *grant,
                                  struct cor_err *err)
{
    struct cor_view jwt;
    if (request->cert != NULL) {
        return check_cert(request, err);
    }
    enum cor_code code = token_from_header(request->authorization, &jwt, err);
    if (code != COR_OK) {
        return code;
    }
    struct cor_err why = COR_ERR_NONE;
    if (token_check(maker, jwt, request->now, &grant->token, &why) != COR_OK) {
        return cor_err_set(err, why.code, "%s%s", why.text,
                           request->former ? " (a token from before the CA was changed counts no "
                                             "more: make a new one)"
                                           : "");
    }
    if (grant->token.node == NULL && !request->reusable) {
        return cor_err_set(err, COR_UNAUTHENTICATED,
                           "token validation failure, token is for no node");
    }
    if (grant->token.node != NULL && !cor_view_is(request->node, grant->token.node)) {
        return cor_err_set(err, COR_UNAUTHENTICATED,
                           "token validation failure, token is for another node");
    }
    return COR_OK;
}

/* A certificate that has expired still tells whose key it was: who has been away for longer than
 * its life may renew it, for this key only. */
static enum cor_code check_expired(const struct enrol_request *request, const struct cor_csr *csr,
                                   struct cor_err *err)
{
    if (request->cert == NULL || cor_cert_until(request->cert).us > request->now.us ||
        cor_cert_is_for(request->cert, cor_csr_key(csr))) {
        return COR_OK;
    }
    return cor_err_set(err, COR_UNAUTHENTICATED,
                       "failed to verify the certificate for edgenode: %.*s, err: it has expired, "
                       "and the request is for another key",
                       COR_VIEW_ARG(request->node));
}

/* Only what is needed is signed: a client certificate of this node, without extensions. */
static enum cor_code check_csr(const struct enrol_request *request, const struct cor_csr *csr,
                               struct cor_err *err)
{
    if (!is_cn_of(cor_csr_cn(csr), request->node) || strcmp(cor_csr_org(csr), NODE_ORG) != 0) {
        return cor_err_set(err, COR_INVALID,
                           "failed to sign certs for edgenode %.*s, err: the request must be for "
                           "CN=" NODE_CN "%.*s, O=" NODE_ORG,
                           COR_VIEW_ARG(request->node), COR_VIEW_ARG(request->node));
    }
    if (cor_csr_wants_extensions(csr)) {
        return cor_err_set(err, COR_INVALID, "the request may not ask for extensions");
    }
    struct cor_view usages = cor_view_trim(request->usages);
    if (usages.len > 0 && !cor_view_is(usages, "[2]") && !cor_view_is(usages, "[]")) {
        return cor_err_set(err, COR_INVALID, "only client certificates are signed");
    }
    return COR_OK;
}

enum cor_code enrol_judge(const struct token_maker *maker, const struct enrol_request *request,
                          struct enrol_grant *grant_r, struct cor_err *err)
{
    *grant_r = (struct enrol_grant){0};
    if (request->csr.len > COR_CSR_MAX) {
        return cor_err_set(err, COR_TOOBIG, "certificate request is too big");
    }
    if (!cor_is_dns_subdomain(request->node)) {
        return cor_err_set(err, COR_INVALID, "NodeName is no DNS name");
    }
    enum cor_code code = authenticate(maker, request, grant_r, err);
    if (code == COR_OK) {
        code = cor_csr_parse(request->csr, &grant_r->csr, err);
    }
    if (code == COR_OK) {
        code = check_expired(request, grant_r->csr, err);
    }
    return code == COR_OK ? check_csr(request, grant_r->csr, err) : code;
}

void enrol_grant_free(struct enrol_grant *grant)
{
    cor_csr_free(&grant->csr);
    token_free(&grant->token);
}

enum cor_code enrol_sign(struct cor_issuer issuer, const struct cor_csr *csr, struct cor_wall now,
                         int64_t life_us, struct cor_cert **cert_r, struct cor_err *err)
{
    struct cor_cert_spec spec = {
        .cn = cor_csr_cn(csr),
        .org = cor_csr_org(csr),
        .usage = COR_CERT_CLIENT,
        .from = {now.us - COR_SEC(60)}, /* clocks differ */
        .until = {now.us + life_us},
    };
    return cor_cert_sign(issuer, cor_csr_key(csr), &spec, cert_r, err);
}
