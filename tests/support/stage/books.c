// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stage/books.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tools/ctl/ctl.h"

enum { ASK_MS = 30000 };

struct cor_json *stage_books(const struct stage *stage, const char *service)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/%s", stage->dir, service);
    struct cor_json *json = NULL;
    assert_int_equal(tool_ask_json(path, "ledger", COR_VIEW("{}"), ASK_MS, &json, NULL), COR_OK);
    return json;
}

int64_t stage_counted(const struct stage *stage, const char *service, const char *flow,
                      const char *stream, const char *column)
{
    auto_(cor_json_free) struct cor_json *books = stage_books(stage, service);
    const struct cor_json *rows = cor_json_get(books, "rows");
    for (size_t i = 0; i < cor_json_count(rows); i++) {
        const struct cor_json *row = cor_json_item(rows, i);
        if (strcmp(cor_json_str_at(row, "flow", ""), flow) == 0 &&
            strcmp(cor_json_str_at(row, "stream", ""), stream) == 0) {
            return cor_json_int_at(row, column, 0);
        }
    }
    return 0;
}

void stage_balances(const struct stage *stage, const char *service)
{
    auto_(cor_json_free) struct cor_json *books = stage_books(stage, service);
    auto_(cor_freep) char *text = cor_json_text(books);
    if (cor_json_int_at(books, "balance", -1) != 0) {
        fail_msg("the books of %s do not balance: %s", service, text);
    }
}
