// SPDX-License-Identifier: Apache-2.0
// Cuts a stream of bytes into lines of bounded length; a line that is too long is dropped and
// counted, the ones after it are not. Pure. One thread at a time.
#ifndef COR_KUBE_LINES_H
#define COR_KUBE_LINES_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

/* Zeroed and with max set is ready. */
struct cor_lines {
    size_t max;       /* longest line that is kept, without its newline */
    uint64_t dropped; /* lines that were longer */
    struct cor_buf buf;
    size_t at;     /* start of what was not yet taken */
    bool skipping; /* inside a line that is too long */
};

/* Adds what arrived (borrows). */
void cor_lines_add(struct cor_lines *lines, struct cor_view bytes);

/* Next whole line without its newline; valid until the next add. False when there is none. */
bool cor_lines_next(struct cor_lines *lines, struct cor_view *line_r);

/* Frees; empty and ready after. */
void cor_lines_free(struct cor_lines *lines);

#endif
