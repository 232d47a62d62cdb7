// SPDX-License-Identifier: Apache-2.0
#include "expand.h"

#include <string.h>

/* The part of text that starts with '$': appends what it stands for, returns how much was used. */
static size_t one(struct cor_view text, expand_fn value_of, const void *self, struct cor_buf *out)
{
    if (text.len > 1 && text.ptr[1] == '$') {
        cor_buf_str(out, "$");
        return 2;
    }
    const char *close = text.len > 1 && text.ptr[1] == '(' ? memchr(text.ptr, ')', text.len) : NULL;
    if (close == NULL) {
        cor_buf_str(out, "$");
        return 1;
    }
    size_t used = (size_t)(close - text.ptr) + 1;
    const char *value = value_of(self, (struct cor_view){text.ptr + 2, used - 3});
    if (value != NULL) {
        cor_buf_str(out, value);
    } else {
        cor_buf_add(out, text.ptr, used);
    }
    return used;
}

void expand(struct cor_view text, expand_fn value_of, const void *self, struct cor_buf *out)
{
    while (text.len > 0 && out->len <= EXPAND_MAX) {
        const char *dollar = memchr(text.ptr, '$', text.len);
        size_t plain = dollar == NULL ? text.len : (size_t)(dollar - text.ptr);
        cor_buf_add(out, text.ptr, plain);
        text.ptr += plain;
        text.len -= plain;
        if (text.len > 0) {
            size_t used = one(text, value_of, self, out);
            text.ptr += used;
            text.len -= used;
        }
    }
}
