// SPDX-License-Identifier: Apache-2.0
// Request targets (RFC 3986): percent-decoding and query parameters. Pure. Any thread.
#ifndef COR_HTTPD_URI_H
#define COR_HTTPD_URI_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/view.h"

/* Appends text with %XX decoded; with plus, '+' becomes a blank (query parameters). False (out
 * unchanged) for a broken escape, %00, or bytes that are not UTF-8. */
bool cor_uri_decode(struct cor_view text, bool plus, struct cor_buf *out);

/* Splits a request target at '?'. query_r is absent when there is none. */
void cor_uri_split(struct cor_view target, struct cor_view *path_r, struct cor_view *query_r);

/* Decoded value of the first parameter name in query; NULL when absent or not decodable, "" when it
 * has no value. Returns owned (cor_free). */
char *cor_query_get(struct cor_view query, const char *name);

/* Whether parameter name is there with the value true, 1 or none ("?watch"). */
bool cor_query_is(struct cor_view query, const char *name);

#endif
