// SPDX-License-Identifier: Apache-2.0
// The CA, the server's certificate and the reusable token, kept in KubeEdge's own Secrets
// (namespace kubeedge: casecret, cloudcoresecret, tokensecret; raw DER values). Loads or makes them
// at the start, and tries for ever while the API does not answer. Loop thread only.
#ifndef CLOUDHUB_AUTHORITY_H
#define CLOUDHUB_AUTHORITY_H

#include "common/conf/conf.h"
#include "common/kube/client.h"
#include "common/log/log.h"
#include "common/pki/resume.h"
#include "common/pki/tls.h"
#include "token.h"

struct authority;

/* What it needs; all borrowed, must outlive it. */
struct authority_spec {
    struct cor_loop *loop;
    struct cor_kube *kube;
    const struct cor_log *log;
    const char *ns;
    const struct cor_conf_strs *names; /* of this server: DNS names and addresses */
    bool reusable_token;
    void (*ready)(void *self); /* everything is there; once */
    void *self;
};

/* Begins to load. Returns owned. */
struct authority *authority_new(const struct authority_spec *spec);

/* Frees; *authority becomes NULL. */
void authority_free(struct authority **authority);

/* Below: only after ready. Borrowed, valid as long as the authority. */

/* Who signs. */
struct cor_issuer authority_issuer(const struct authority *authority);

/* What the listeners show and trust. */
struct cor_tls authority_tls(const struct authority *authority);

/* What tickets of resumed TLS sessions are made with: the same for all that hold this CA. */
const uint8_t *authority_tickets(const struct authority *authority);

/* DER of the CA certificate. */
struct cor_view authority_ca_der(const struct authority *authority);

/* For tokens. */
struct token_maker authority_maker(const struct authority *authority);

#endif
