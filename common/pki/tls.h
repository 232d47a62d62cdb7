// SPDX-License-Identifier: Apache-2.0
// TLS settings for the room that speaks TLS through a library of its own (common/ws): this is still
// the door to OpenSSL, so its types pass as void pointers. TLS 1.2 and 1.3; no session tickets,
// unless resume.h adds them.
#ifndef COR_PKI_TLS_H
#define COR_PKI_TLS_H

#include <stdbool.h>

#include "common/pki/cert.h"
#include "common/pki/certs.h"
#include "common/pki/key.h"

/* For processes that must stay small: OpenSSL starts without its texts for errors and without its
 * configuration file. Before anything else of this room; errors have less text afterwards. */
void cor_tls_stay_small(void);

/* For processes with thousands of connections: each thread keeps a few of OpenSSL's buffers for
 * records for the next one. Before anything else of this room, or it changes nothing: false. */
bool cor_tls_keep_records(void);

/* Who we are and whom we trust. All borrowed. */
struct cor_tls {
    const struct cor_cert *cert; /* NULL: we have none (clients) */
    const struct cor_key *key;
    const struct cor_cert *ca;     /* the root; NULL: trust nobody, unless there are roots */
    const struct cor_certs *roots; /* more of them, or NULL */
    const struct cor_certs *chain; /* what is shown behind cert, or NULL */
    struct cor_wall at;            /* clients: judge the server's certificate as of then; 0: now */
};

/* A client's SSL_CTX, without identity and root. Returns owned (cor_tls_free). */
void *cor_tls_client(void);

/* Gives a client's SSL_CTX what new connections use. False if cert and key do not belong together.
 */
bool cor_tls_client_set(void *ctx, const struct cor_tls *tls);

/* Frees an SSL_CTX; *ctx becomes NULL. */
void cor_tls_free(void **ctx);

/* Fills the SSL_CTX of a server, which needs cert and key. False if they do not belong together. */
bool cor_tls_server(void *ctx, const struct cor_tls *tls);

/* The same for one that serves already: new connections get it. False: nothing has changed. */
bool cor_tls_server_renew(void *ctx, const struct cor_tls *tls);

/* In OpenSSL's callback that looks at a peer's certificate, with its X509_STORE_CTX: whether the
 * one thing wrong is that the peer's own certificate has expired. */
bool cor_tls_is_expired(void *store_ctx);

/* Whether a server has got the whole greeting (ClientHello) of a connection. */
bool cor_tls_greeted(const void *ssl);

/* The peer of an SSL may send so many more bytes (TLS records) until this is said again, then it
 * reads as broken; 0: without bound. For a library that reads a line as long as it comes. */
void cor_tls_bound(void *ssl, size_t bytes);

/* In that callback: whether the one thing wrong is that nobody whom we trust has signed the peer's
 * certificate. */
bool cor_tls_is_stranger(void *store_ctx);

/* The certificate that the peer of an SSL showed; NULL if none. Returns owned. */
struct cor_cert *cor_tls_peer(void *ssl);

#endif
