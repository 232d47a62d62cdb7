// SPDX-License-Identifier: Apache-2.0
#include "golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"

size_t test_golden(const char *path, test_golden_fn fn, void *self)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(path, 10 * 1024 * 1024, &text, NULL), COR_OK);
    struct cor_view rest = cor_buf_as_view(&text);
    struct cor_view line;
    size_t count = 0;
    while (cor_view_split(&rest, '\n', &line)) {
        if (line.len > 0) {
            size_t skip = cor_view_starts(line, "up ") ? 3 : 5;
            fn(self, skip == 3, (struct cor_view){line.ptr + skip, line.len - skip});
            count++;
        }
    }
    return count;
}
