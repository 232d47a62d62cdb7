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
#include "tests/support/text/text.h"

/* Fails unless value equals the text. */
static inline void expect_json(const struct cor_json *value, const char *text, size_t number)
{
    auto_(cor_json_free) struct cor_json *wanted = test_json(text);
    if (!cor_json_equal(value, wanted)) {
        auto_(cor_freep) char *is = cor_json_text(value);
        fail_msg("case %zu: %s, not %s", number, is, text);
    }
}

#endif
