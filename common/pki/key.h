// SPDX-License-Identifier: Apache-2.0
// Private and public keys; part of the door to OpenSSL. New keys are EC P-256; RSA keys (2048 to
// 4096 bits) and EC P-384 are accepted from files. Any thread, one at a time per object.
#ifndef COR_PKI_KEY_H
#define COR_PKI_KEY_H

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

struct cor_key;

/* A fresh EC P-256 key pair. Returns owned. */
struct cor_key *cor_key_new(void);

/* Frees; *key becomes NULL. For auto_(). */
void cor_key_free(struct cor_key **key);

/* Private key from PEM or DER, SEC1 (RFC 5915), PKCS#1 or PKCS#8, not encrypted. COR_INVALID for
 * others and for weak or oversized keys. Returns owned in *out_r; NULL on error. */
COR_NODISCARD enum cor_code cor_key_parse(struct cor_view bytes, struct cor_key **out_r,
                                          struct cor_err *err);

/* Public key only, from PEM or DER SubjectPublicKeyInfo: can verify, cannot sign. As above. */
COR_NODISCARD enum cor_code cor_key_parse_public(struct cor_view bytes, struct cor_key **out_r,
                                                 struct cor_err *err);

/* Appends the DER of the private key: SEC1 for EC, PKCS#1 for RSA. Wipe it after use. */
void cor_key_der(const struct cor_key *key, struct cor_buf *out);

/* Appends the PEM of the private key: "EC PRIVATE KEY" or "RSA PRIVATE KEY". Wipe it after use. */
void cor_key_pem(const struct cor_key *key, struct cor_buf *out);

/* Appends the DER of the public half (SubjectPublicKeyInfo). */
void cor_key_public_der(const struct cor_key *key, struct cor_buf *out);

/* Appends the PEM of the public half ("PUBLIC KEY"). */
void cor_key_public_pem(const struct cor_key *key, struct cor_buf *out);

/* cor_key_parse of a file (blocks on the disk). COR_NOTFOUND, COR_INVALID, COR_IO. */
COR_NODISCARD enum cor_code cor_key_load(const char *path, struct cor_key **out_r,
                                         struct cor_err *err);

/* Writes the PEM of the private key to path, mode 0600, atomically (blocks on the disk). COR_IO. */
COR_NODISCARD enum cor_code cor_key_save(const struct cor_key *key, const char *path,
                                         struct cor_err *err);

/* Empties a buffer that held a secret, with its bytes overwritten. For auto_(). */
void cor_secret_free(struct cor_buf *buf);

#endif
