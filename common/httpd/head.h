// SPDX-License-Identifier: Apache-2.0
// The head of an HTTP/1.x answer (RFC 9112 sections 4 and 5), for those who read a peer's answer
// off a connection themselves: proxies of upgrades. Strict: CRLF ends lines, names are tokens,
// nothing is folded. Pure. One thread at a time.
#ifndef COR_HTTPD_HEAD_H
#define COR_HTTPD_HEAD_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

enum { COR_HEAD_MAX = 64 << 10 };

/* Zeroed is ready. */
struct cor_head {
    struct cor_buf bytes;
    size_t searched; /* no end before here */
    size_t lines;    /* where the headers begin; 0: not complete */
    int status;
};

/* Takes from the beginning of *bytes what belongs to the head and moves *bytes behind it. COR_OK:
 * it is complete. COR_RETRY: all was taken, more must come. COR_INVALID: no head of an answer.
 * COR_TOOBIG: over COR_HEAD_MAX. After an error the head is of no use. */
COR_NODISCARD enum cor_code cor_head_add(struct cor_head *head, struct cor_view *bytes,
                                         struct cor_err *err);

/* Whether it is complete; the functions below need that. */
bool cor_head_is_done(const struct cor_head *head);

/* The status's words, may be empty. Valid until cor_head_free. */
struct cor_view cor_head_reason(const struct cor_head *head);

/* Walks the headers: *at starts at 0; false at the end. Views are valid until cor_head_free. */
bool cor_head_next(const struct cor_head *head, size_t *at, struct cor_view *name_r,
                   struct cor_view *value_r);

/* Value of the first header of that name (any case); absent when there is none. */
struct cor_view cor_head_get(const struct cor_head *head, const char *name);

/* Frees; ready again. */
void cor_head_free(struct cor_head *head);

#endif
