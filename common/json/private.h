// SPDX-License-Identifier: Apache-2.0
// What the files of this room share. struct cor_json is never defined: a pointer to it is a pointer
// to json_t.
#ifndef COR_JSON_PRIVATE_H
#define COR_JSON_PRIVATE_H

#include <jansson.h>

#include "common/base/must.h"
#include "common/json/json.h"

static inline json_t *cor_json_in(const struct cor_json *value)
{
    return (json_t *)(uintptr_t)value;
}

static inline struct cor_json *cor_json_out(json_t *value)
{
    return (struct cor_json *)value;
}

/* Of what jansson refuses for want of memory only, its callers having seen to the rest. */
static inline void cor_json_went(int result)
{
    if (result != 0) {
        cor_die("out of memory (JSON)");
    }
}

/* read.c: the value of a text that is plain; NULL: it is not, ask jansson. strict: a key twice is
 * not plain. Returns owned. */
json_t *cor_json_read_plain(struct cor_view text, bool strict);

#endif
