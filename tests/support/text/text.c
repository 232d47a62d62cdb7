// SPDX-License-Identifier: Apache-2.0
#include "tests/support/text/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"

enum { JSON_MAX = 1 << 20 };

char *test_quoted(const char *text)
{
    char *copy = cor_strdup(text);
    for (char *c = copy; *c != '\0'; c++) {
        *c = *c == '\'' ? '"' : *c;
    }
    return copy;
}

struct cor_json *test_json(const char *text)
{
    auto_(cor_freep) char *copy = test_quoted(text);
    struct cor_json *json = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse(cor_view_of(copy), JSON_MAX, COR_JSON_NUL, &json, &err) != COR_OK) {
        fail_msg("%s in %s", err.text, copy);
    }
    return json;
}

size_t test_count(const char *text, const char *what)
{
    size_t count = 0;
    for (const char *at = text; at != NULL && (at = strstr(at, what)) != NULL; at++) {
        count++;
    }
    return count;
}
