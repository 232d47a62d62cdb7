// SPDX-License-Identifier: Apache-2.0
#include "holdings.h"

#include "common/base/mem.h"
#include "secret.h"

void holdings_free(struct holdings *h)
{
    cor_key_free(&h->ca_key);
    cor_cert_free(&h->ca);
    rotation_free(&h->rotation);
    cor_freep(&h->version);
    cor_key_free(&h->key);
    cor_cert_free(&h->cert);
    cor_certs_free(&h->roots);
    cor_certs_free(&h->renewable);
    cor_certs_free(&h->chain);
    cor_buf_free(&h->face_der);
    cor_buf_free(&h->roots_pem);
    cor_secret_free(&h->face_key_der);
    *h = (struct holdings){0};
}

struct cor_issuer holdings_face(const struct holdings *h)
{
    return rotation_next_rules(&h->rotation)
               ? (struct cor_issuer){h->rotation.next, h->rotation.next_key}
               : (struct cor_issuer){h->ca, h->ca_key};
}

struct cor_issuer holdings_signer(const struct holdings *h)
{
    return rotation_next_signs(&h->rotation)
               ? (struct cor_issuer){h->rotation.next, h->rotation.next_key}
               : (struct cor_issuer){h->ca, h->ca_key};
}

struct token_maker holdings_maker(const struct holdings *h)
{
    return (struct token_maker){holdings_face(h).cert, cor_buf_as_view(&h->face_key_der)};
}

bool holdings_read_pair(const struct cor_json *secret, const char *const names[2],
                        struct cor_cert **cert_r, struct cor_key **key_r)
{
    auto_(cor_buf_free) struct cor_buf cert_der = {0};
    auto_(cor_secret_free) struct cor_buf key_der = {0};
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    auto_(cor_key_free) struct cor_key *key = NULL;
    if (!secret_get(secret, names[0], &cert_der) || !secret_get(secret, names[1], &key_der) ||
        cor_cert_parse(cor_buf_as_view(&cert_der), &cert, NULL) != COR_OK ||
        cor_key_parse(cor_buf_as_view(&key_der), &key, NULL) != COR_OK ||
        !cor_cert_is_for(cert, key)) {
        return false;
    }
    *cert_r = take(&cert);
    *key_r = take(&key);
    return true;
}

struct cor_json *holdings_pair_secret(const char *ns, const struct cor_json *found,
                                      const char *name, struct cor_issuer pair,
                                      const char *const names[2])
{
    auto_(cor_buf_free) struct cor_buf cert_der = {0};
    auto_(cor_secret_free) struct cor_buf key_der = {0};
    struct cor_json *secret = found == NULL ? secret_new(ns, name) : cor_json_copy(found);
    cor_cert_der(pair.cert, &cert_der);
    cor_key_der(pair.key, &key_der);
    secret_set(secret, names[0], cor_buf_as_view(&cert_der));
    secret_set(secret, names[1], cor_buf_as_view(&key_der));
    return secret;
}

void holdings_know_face(struct holdings *h)
{
    cor_buf_clear(&h->face_der);
    cor_secret_free(&h->face_key_der);
    cor_cert_der(holdings_face(h).cert, &h->face_der);
    cor_key_der(holdings_face(h).key, &h->face_key_der);
}

/* What follows from what was read. */
void holdings_conclude(struct holdings *h)
{
    holdings_know_face(h);
    rotation_roots(&h->rotation, h->ca, &h->roots);
    rotation_roots(&h->rotation, h->ca, &h->renewable);
    if (h->rotation.retired != NULL) {
        (void)cor_certs_add(&h->renewable, h->rotation.retired);
    }
    rotation_chain(&h->rotation, &h->chain);
    cor_certs_pem(&h->roots, &h->roots_pem);
    h->digest = cor_certs_digest(&h->roots);
    for (size_t i = 0; i < h->roots.count; i++) {
        rotation_id(h->roots.items[i], h->ids[i]);
    }
    rotation_id(holdings_signer(h).cert, h->signer_id);
}
