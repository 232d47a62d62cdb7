// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/kube/lines.h"

/* Feeds text in pieces of size step; joins the lines that come out with '|'. */
static char *cut(const char *text, size_t step, size_t max, uint64_t *dropped_r)
{
    auto_(cor_lines_free) struct cor_lines lines = {.max = max};
    struct cor_buf out = {0};
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i += step) {
        struct cor_view line;
        cor_lines_add(&lines, (struct cor_view){text + i, len - i < step ? len - i : step});
        while (cor_lines_next(&lines, &line)) {
            cor_buf_view(&out, line);
            cor_buf_str(&out, "|");
        }
    }
    *dropped_r = lines.dropped;
    return cor_buf_take(&out);
}

static void any_cut_gives_the_same_lines(void **state)
{
    (void)state;
    static const char text[] = "one\n\ntwo\nlonglonglong\nthree\nrest";
    for (size_t step = 1; step <= sizeof(text); step++) {
        uint64_t dropped = 0;
        char *all = cut(text, step, 100, &dropped);
        assert_string_equal(all, "one||two|longlonglong|three|");
        assert_int_equal(dropped, 0);
        free(all);
        char *few = cut(text, step, 5, &dropped);
        assert_string_equal(few, "one||two|three|");
        assert_int_equal(dropped, 1);
        free(few);
    }
}

static void endless_line_takes_no_memory(void **state)
{
    (void)state;
    auto_(cor_lines_free) struct cor_lines lines = {.max = 10};
    struct cor_view line;
    for (int i = 0; i < 100000; i++) {
        cor_lines_add(&lines, COR_VIEW("0123456789abcdef"));
        assert_false(cor_lines_next(&lines, &line));
    }
    assert_true(lines.buf.cap < 4096);
    cor_lines_add(&lines, COR_VIEW("end\nok\n"));
    assert_true(cor_lines_next(&lines, &line));
    assert_true(cor_view_is(line, "ok"));
    assert_int_equal(lines.dropped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_cut_gives_the_same_lines),
        cmocka_unit_test(endless_line_takes_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
