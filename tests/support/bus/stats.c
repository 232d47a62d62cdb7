// SPDX-License-Identifier: Apache-2.0
#include "tests/support/bus/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "tools/ctl/ctl.h"

enum { ASK_MS = 30000 };

int64_t test_stat(const char *ctl, const char *name)
{
    auto_(cor_json_free) struct cor_json *stats = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (tool_ask_json(ctl, "stats", (struct cor_view){0}, ASK_MS, &stats, &err) != COR_OK) {
        fail_msg("%s: stats: %s", ctl, err.text);
    }
    return cor_json_int_at(stats, name, -1);
}
