// SPDX-License-Identifier: Apache-2.0
// Inside of pod/: what is wrong with a text that a field has, in the API server's words; NULL:
// nothing. The text is neither empty nor too long and has no NUL. Pure. Any thread.
#ifndef EDGED_SHAPE_TEXT_H
#define EDGED_SHAPE_TEXT_H

#include "common/base/view.h"

/* A DNS label. */
const char *shape_label(struct cor_view text);

/* A DNS name in lower case. */
const char *shape_subdomain(struct cor_view text);

/* A name that can be a part of a path of the API (apimachinery ValidatePathSegmentName). */
const char *shape_segment(struct cor_view text);

/* A path without "..". */
const char *shape_no_backsteps(struct cor_view text);

/* A relative path without "..". */
const char *shape_descending(struct cor_view text);

/* The same, and it does not begin with "..". */
const char *shape_not_reserved(struct cor_view text);

/* An absolute path without "..". */
const char *shape_absolute(struct cor_view text);

/* A numeric address. */
const char *shape_address(struct cor_view text);

/* An IANA service name (RFC 6335). */
const char *shape_port_name(struct cor_view text);

/* The name of an environment variable. */
const char *shape_env_name(struct cor_view text);

/* The name of a sysctl. */
const char *shape_sysctl_name(struct cor_view text);

/* A word of resolv.conf: no blanks, no line ends. */
const char *shape_resolv_word(struct cor_view text);

/* No blanks before or after it. */
const char *shape_trimmed(struct cor_view text);

/* A medium of an emptyDir. */
const char *shape_medium(struct cor_view text);

/* Nothing that would end a line of HTTP. */
const char *shape_one_line(struct cor_view text);

/* The name of an HTTP header (apimachinery IsHTTPHeaderName). */
const char *shape_header_name(struct cor_view text);

#endif
