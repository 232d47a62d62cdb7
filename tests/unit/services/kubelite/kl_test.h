// SPDX-License-Identifier: Apache-2.0
// What these tests share.
#ifndef KL_TEST_H
#define KL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json/json.h"

/* JSON written with ' for ". Returns owned. */
static inline struct cor_json *js(const char *text)
{
    auto_(cor_freep) char *copy = cor_strdup(text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    struct cor_json *value = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse(cor_view_of(copy), 1 << 20, 0, &value, &err) != COR_OK) {
        fail_msg("%s in %s", err.text, copy);
    }
    return value;
}

/* Fails unless value equals the text. */
static inline void expect_json(const struct cor_json *value, const char *text, size_t number)
{
    auto_(cor_json_free) struct cor_json *wanted = js(text);
    if (!cor_json_equal(value, wanted)) {
        auto_(cor_freep) char *is = cor_json_text(value);
        fail_msg("case %zu: %s, not %s", number, is, text);
    }
}

#endif
