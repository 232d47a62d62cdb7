// SPDX-License-Identifier: Apache-2.0
// The body behind the head of an HTTP/1.x answer (RFC 9112 sections 6 and 7): by length, in chunks,
// or up to the end of the connection. Pure. One thread at a time.
#ifndef COR_HTTPD_BODY_H
#define COR_HTTPD_BODY_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/httpd/head.h"

struct cor_body {
    int place; /* private: where in a chunk */
    bool to_end;
    uint64_t left; /* bytes of the length or the chunk */
    unsigned digits;
};

/* How the body behind head (complete) is framed. COR_INVALID: two readers could understand it
 * differently. */
COR_NODISCARD enum cor_code cor_body_begin(struct cor_body *body, const struct cor_head *head);

/* Takes a part of *bytes, moves *bytes behind it, and sets *part_r to what of it is content
 * (borrows from *bytes; may be empty). COR_OK: the body is complete. COR_RETRY: it is not; call
 * again with the rest of *bytes, or with more when that is empty. COR_INVALID: broken chunks. */
COR_NODISCARD enum cor_code cor_body_next(struct cor_body *body, struct cor_view *bytes,
                                          struct cor_view *part_r);

/* Whether the body is complete when the connection ends now. */
bool cor_body_may_end(const struct cor_body *body);

#endif
