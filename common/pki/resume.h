// SPDX-License-Identifier: Apache-2.0
// TLS session resumption (RFC 8446 section 2.2, RFC 5077): a client that comes back skips
// signatures and certificate checks. A server keeps nothing: sessions are in the tickets, whose
// keys follow from a secret and the time, so that all replicas share them and a restart keeps them.
// Part of the door to OpenSSL; SSL and SSL_CTX pass as void pointers. Loop thread only.
#ifndef COR_PKI_RESUME_H
#define COR_PKI_RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include "common/pki/key.h"
#include "common/pki/tls.h"

enum { COR_TICKET_SECRET_LEN = 32 };

/* The secret of the servers that hold this private key. */
void cor_ticket_secret(const struct cor_key *key, uint8_t out[COR_TICKET_SECRET_LEN]);

/* Makes a server, after cor_tls_server, give out and take tickets. secret is borrowed and must
 * outlive the SSL_CTX. Only for servers that require a client certificate: a ticket vouches for the
 * certificate that was shown when it was made, which cor_tls_peer still tells; whether it is still
 * valid is for the caller to check. */
void cor_tls_server_resume(void *ctx, const uint8_t *secret);

/* Makes a client's SSL_CTX keep its last session, in memory, and offer it. */
void cor_tls_client_resume(void *ctx);

/* Before a connection to peer ("host:port") as tls: forgets a session made with another one. */
void cor_tls_client_resume_for(void *ctx, const struct cor_tls *tls, const char *peer);

/* Forgets the session; before cor_tls_free. */
void cor_tls_client_resume_end(void *ctx);

/* Whether a connection continued an earlier session. */
bool cor_tls_resumed(void *ssl);

#endif
