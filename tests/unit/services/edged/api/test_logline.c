// SPDX-License-Identifier: Apache-2.0
#include "services/edged/api/logline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/mem.h"

/* 2023-11-14T22:13:20Z */
static const int64_t NOW_NS = 1700000000000000000;

static void lines_are_shown(void **state)
{
    static const struct {
        const char *query;
        const char *line;
        const char *shown;
    } ROWS[] = {
        {"", "2023-11-14T22:13:20.5Z stdout F hello world", "hello world\n"},
        {"", "2023-11-14T22:13:20.5Z stderr F ", "\n"},
        {"", "2023-11-14T22:13:20.5Z stdout P half ", "half "},
        {"", "2023-11-14T22:13:20.5Z stdout P:x half", "half"},
        {"", "2023-11-14T22:13:20.5Z stdout F:x whole", "whole\n"},
        {"", "2023-11-14T22:13:20.5Z stdin F no stream", ""},
        {"", "no line at all", ""},
        {"", "", ""},
        {"timestamps=true", "2023-11-14T22:13:20.123456789+01:00 stdout F a",
         "2023-11-14T22:13:20.123456789+01:00 a\n"},
        {"sinceSeconds=10", "2023-11-14T22:13:09.9Z stdout F old", ""},
        {"sinceSeconds=10", "2023-11-14T22:13:10.1Z stdout F new", "new\n"},
        {"sinceTime=2023-11-14T22%3A13%3A10Z", "2023-11-14T22:13:09Z stdout F old", ""},
        {"sinceTime=2023-11-14T22%3A13%3A10Z", "2023-11-14T22:13:10Z stdout F new", "new\n"},
        {"limitBytes=3", "2023-11-14T22:13:20Z stdout F hello", "hel"},
        {"limitBytes=6", "2023-11-14T22:13:20Z stdout F hello", "hello\n"},
        {"limitBytes=22&timestamps=1", "2023-11-14T22:13:20Z stdout F hello",
         "2023-11-14T22:13:20Z h"},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct log_options options;
        auto_(cor_buf_free) struct cor_buf out = {0};
        assert_int_equal(log_options_read(cor_view_of(ROWS[i].query), NOW_NS, &options, NULL),
                         COR_OK);
        log_line_show(cor_view_of(ROWS[i].line), &options, &out);
        assert_string_equal(out.data == NULL ? "" : out.data, ROWS[i].shown);
    }
}

static void options_are_read(void **state)
{
    struct log_options options;
    (void)state;
    assert_int_equal(
        log_options_read(COR_VIEW("follow=true&previous=true&tailLines=5"), NOW_NS, &options, NULL),
        COR_OK);
    assert_true(options.follow && options.previous && options.has_tail && !options.timestamps);
    assert_int_equal(options.tail, 5);
    assert_int_equal(options.limit, -1);
    assert_true(options.since_ns == INT64_MIN);
}

static void nonsense_is_refused(void **state)
{
    static const char *const QUERIES[] = {
        "tailLines=-1",     "tailLines=x",
        "limitBytes=0",     "limitBytes=-3",
        "sinceSeconds=0",   "sinceSeconds=1.5",
        "sinceTime=monday", "sinceSeconds=5&sinceTime=2023-11-14T22%3A13%3A10Z",
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(QUERIES); i++) {
        struct log_options options;
        assert_int_equal(log_options_read(cor_view_of(QUERIES[i]), NOW_NS, &options, NULL),
                         COR_INVALID);
    }
}

static void the_limit_ends_it(void **state)
{
    struct log_options options;
    auto_(cor_buf_free) struct cor_buf out = {0};
    (void)state;
    assert_int_equal(log_options_read(COR_VIEW("limitBytes=4"), NOW_NS, &options, NULL), COR_OK);
    log_line_show(COR_VIEW("2023-11-14T22:13:20Z stdout F ab"), &options, &out);
    assert_false(log_is_over(&options));
    log_line_show(COR_VIEW("2023-11-14T22:13:20Z stdout F cd"), &options, &out);
    assert_true(log_is_over(&options));
    assert_string_equal(out.data, "ab\nc");
}

static void tails_are_found(void **state)
{
    static const struct {
        const char *bytes;
        int64_t lines;
        bool found;
        size_t offset;
        int64_t left;
    } ROWS[] = {
        {"a\nb\nc\n", 1, true, 4, 0}, {"a\nb\nc\n", 2, true, 2, 0},  {"a\nb\nc\n", 3, false, 0, 0},
        {"a\nb\nc\n", 0, true, 6, 0}, {"a\nb\nc\n", 9, false, 0, 6}, {"a\nb\nrest", 1, true, 2, 0},
        {"", 1, false, 0, 1},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        int64_t left = ROWS[i].lines;
        size_t offset = 0;
        assert_int_equal(log_tail(cor_view_of(ROWS[i].bytes), &left, &offset), ROWS[i].found);
        assert_int_equal(offset, ROWS[i].offset);
        assert_int_equal(left, ROWS[i].left);
    }
}

/* A file is looked at in blocks, the last one first. */
static void tails_are_found_over_blocks(void **state)
{
    int64_t left = 3;
    size_t offset = 0;
    (void)state;
    assert_false(log_tail(COR_VIEW("c\nd\n"), &left, &offset));
    assert_true(log_tail(COR_VIEW("x\na\nb\n"), &left, &offset));
    assert_int_equal(offset, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_shown),     cmocka_unit_test(options_are_read),
        cmocka_unit_test(nonsense_is_refused), cmocka_unit_test(the_limit_ends_it),
        cmocka_unit_test(tails_are_found),     cmocka_unit_test(tails_are_found_over_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
