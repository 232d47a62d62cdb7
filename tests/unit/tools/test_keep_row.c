// SPDX-License-Identifier: Apache-2.0
// Rows of services: what they may say, and what is refused.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "tools/keep/row.h"

#define HEAD "service=a user=b rights=none files=256 memory=- nice=5 mask=0027\n"

static void ours_is_read(void **state)
{
    (void)state;
    struct keep_row row;
    static const char TEXT[] = HEAD "program='/x y/a' config='/e/a.yaml' sockets=link:enrol\n";
    assert_int_equal(keep_row_parse(cor_view_of(TEXT), &row, NULL), COR_OK);
    assert_string_equal(row.service, "a");
    assert_string_equal(row.user, "b");
    assert_string_equal(row.rights, "none");
    assert_string_equal(row.program, "/x y/a");
    assert_string_equal(row.config, "/e/a.yaml");
    assert_string_equal(row.sockets, "link:enrol");
    assert_string_equal(row.remove, "");
    assert_int_equal(row.files, 256);
    assert_int_equal(row.memory, -1);
    assert_int_equal(row.nice, 5);
    assert_int_equal(row.mask, 0027);
    assert_null(row.args[0]);
    assert_null(row.env[0]);
    keep_row_free(&row);
}

static void foreign_is_read(void **state)
{
    (void)state;
    struct keep_row row;
    static const char TEXT[] = HEAD "memory=64 remove='/r/s' arg=m arg=-c arg='/e f' sockets= "
                                    "env='A=b c' env=D=e";
    assert_int_equal(keep_row_parse(cor_view_of(TEXT), &row, NULL), COR_OK);
    assert_int_equal(row.memory, 64);
    assert_string_equal(row.remove, "/r/s");
    assert_string_equal(row.args[0], "m");
    assert_string_equal(row.args[1], "-c");
    assert_string_equal(row.args[2], "/e f");
    assert_null(row.args[3]);
    assert_string_equal(row.sockets, "");
    assert_string_equal(row.env[0], "A=b c");
    assert_string_equal(row.env[1], "D=e");
    assert_null(row.env[2]);
    keep_row_free(&row);
}

static void bad_rows_are_refused(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "",
        "\n",
        HEAD,                                           /* no program */
        HEAD "program=x arg=y",                         /* two */
        "user=b rights=none files=256 mask=0 arg=x",    /* no service */
        "service=a user=b rights=none mask=0 arg=x",    /* no files */
        "service=a user=b rights=none files=256 arg=x", /* no mask */
        HEAD "arg=x other=y",
        HEAD "arg='x",
        HEAD "arg='x'y",
        HEAD "arg=x files=many",
        HEAD "arg=x files=",
        HEAD "arg=x memory=0",
        HEAD "arg=x mask=8",
        HEAD "arg=x mask=1000",
        HEAD "arg=x mask=77777777777777777777777777777777",
        HEAD "arg=x word",
        HEAD "start() { exec \"$@\" x; }",
        HEAD "arg=1 arg=2 arg=3 arg=4 arg=5 arg=6 arg=7 arg=8 arg=9 arg=10 arg=11 arg=12 arg=13 "
             "arg=14 arg=15 arg=16 arg=17",
    };
    for (size_t i = 0; i < COR_COUNT(TEXTS); i++) {
        struct keep_row row;
        struct cor_err err = COR_ERR_NONE;
        if (keep_row_parse(cor_view_of(TEXTS[i]), &row, &err) != COR_INVALID) {
            fail_msg("taken: %s", TEXTS[i]);
        }
        assert_true(strncmp(err.text, "row: ", 5) == 0);
    }
    struct keep_row row;
    assert_int_equal(
        keep_row_parse((struct cor_view){HEAD "arg=x\0y", sizeof(HEAD "arg=x\0y") - 1}, &row, NULL),
        COR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ours_is_read),
        cmocka_unit_test(foreign_is_read),
        cmocka_unit_test(bad_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
