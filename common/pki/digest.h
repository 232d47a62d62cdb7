// SPDX-License-Identifier: Apache-2.0
// Hashes, random bytes and comparison of secrets. Part of the door to OpenSSL. Any thread.
#ifndef COR_PKI_DIGEST_H
#define COR_PKI_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

enum { COR_SHA256_LEN = 32 };

/* SHA-256 of in (FIPS 180-4). */
void cor_sha256(struct cor_view in, uint8_t out[COR_SHA256_LEN]);

/* Appends the lower-case hex of SHA-256 of in to out. */
void cor_sha256_hex(struct cor_view in, struct cor_buf *out);

/* HMAC-SHA256 of in under key (RFC 2104). */
void cor_hmac_sha256(struct cor_view key, struct cor_view in, uint8_t out[COR_SHA256_LEN]);

/* Fills out with len random bytes that are good for keys. */
void cor_random(void *out, size_t len);

/* Same length and bytes; takes the same time wherever they differ. For secrets. */
bool cor_equal_secret(struct cor_view a, struct cor_view b);

#endif
