// SPDX-License-Identifier: Apache-2.0
// Small text encodings: base64, hex, UUIDs. Pure. Any thread.
#ifndef COR_BASE_TEXT_H
#define COR_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

/* Appends standard base64 (RFC 4648 section 4, padded) of in to out. */
void cor_base64(struct cor_buf *out, struct cor_view in);

/* Appends URL-safe base64 without padding (RFC 4648 section 5) of in to out. */
void cor_base64url(struct cor_buf *out, struct cor_view in);

/* Appends what either alphabet, padded or not, encodes. False (out unchanged) if it is not base64.
 */
bool cor_base64_decode(struct cor_buf *out, struct cor_view in);

/* Appends lower-case hex of in to out. */
void cor_hex(struct cor_buf *out, struct cor_view in);

enum { COR_UUID_LEN = 36 };

/* Writes the text of a version 4 UUID made of 16 random bytes into out (37 bytes, NUL at the end).
 */
void cor_uuid_format(const uint8_t random[16], char out[COR_UUID_LEN + 1]);

/* 16 bytes of a UUID in text form, any case. False if it is not one. */
bool cor_uuid_parse(struct cor_view text, uint8_t out_r[16]);

/* A fresh random UUID as text. Reads the kernel's random source. */
void cor_uuid_new(char out[COR_UUID_LEN + 1]);

/* Appends in with quotes, backslashes and control characters escaped as in JSON strings; bytes that
 * are not UTF-8 become \xNN. For log lines. */
void cor_escape(struct cor_buf *out, struct cor_view in);

/* DNS-1123 label (RFC 1123): 1..63 of a-z 0-9 '-', alphanumeric at both ends. */
bool cor_is_dns_label(struct cor_view text);

/* DNS-1123 subdomain: labels joined by '.', at most 253 bytes. */
bool cor_is_dns_subdomain(struct cor_view text);

#endif
