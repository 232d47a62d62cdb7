// SPDX-License-Identifier: Apache-2.0
// The CA, the server's certificate and the reusable token, kept in KubeEdge's own Secrets
// (namespace kubeedge: casecret, cloudcoresecret, tokensecret; raw DER values), and what changes
// over to another CA (rotation.h). Loads or makes them at the start, tries for ever while the API
// does not answer, and follows when somebody has changed the CA. Loop thread only.
#ifndef CLOUDHUB_AUTHORITY_H
#define CLOUDHUB_AUTHORITY_H

#include "common/conf/conf.h"
#include "common/kube/client.h"
#include "common/log/log.h"
#include "common/pki/resume.h"
#include "common/pki/tls.h"
#include "rotation.h"
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
    void (*ready)(void *self);   /* everything is there; once */
    void (*changed)(void *self); /* later: something of what is below may be another */
    void *self;
};

/* Begins to load. Returns owned. */
struct authority *authority_new(const struct authority_spec *spec);

/* Frees; *authority becomes NULL. */
void authority_free(struct authority **authority);

/* From now on changes of the CA are noticed; once, after ready. */
void authority_follow(struct authority *authority);

/* Reads all again: somebody may have changed the CA. changed() is told when that is done, with what
 * was there now or later. */
void authority_reload(struct authority *authority);

/* Below: only after ready. Borrowed, valid until the loop turns. */

/* Who signs. */
struct cor_issuer authority_issuer(const struct authority *authority);

/* The CA that /ca.crt and tokens name, and what casecret has. */
struct cor_issuer authority_face(const struct authority *authority);

/* What the listeners show and trust. */
struct cor_tls authority_tls(const struct authority *authority);

/* Whose certificates count. */
const struct cor_certs *authority_roots(const struct authority *authority);

/* The name for people of a root; of who signs. */
const char *authority_root_id(const struct authority *authority, size_t index);
const char *authority_signer_id(const struct authority *authority);

/* The roots as nodes are told them, and the digest of them. */
struct cor_view authority_roots_pem(const struct authority *authority);
uint64_t authority_roots_digest(const struct authority *authority);

/* Whose certificates may be renewed. */
const struct cor_certs *authority_renewable(const struct authority *authority);

/* What is known of a change of the CA. */
const struct rotation *authority_rotation(const struct authority *authority);

/* resourceVersion of the Secret that it was read from; "": there is none. */
const char *authority_version(const struct authority *authority);

/* What tickets of resumed TLS sessions are made with: the same for all that hold the CA that tokens
 * name. Valid as long as the authority; its bytes change when the CA has. */
const uint8_t *authority_tickets(const struct authority *authority);

/* DER of the CA certificate that tokens name. */
struct cor_view authority_ca_der(const struct authority *authority);

/* For tokens. */
struct token_maker authority_maker(const struct authority *authority);

#endif
