// SPDX-License-Identifier: Apache-2.0
#include "services/cloudhub/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/mem.h"

#define TARGET COR_VIEW("/exec/default/p/c?command=id")

static struct mark_of at(int64_t seconds)
{
    return (struct mark_of){
        COR_VIEW("secret"), {COR_SEC(1700000000 + seconds)}, COR_VIEW("POST"), TARGET};
}

static void a_mark_is_of_one_request(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf mark = {0};
    struct cor_view node = {0};
    struct mark_of of = at(0);
    mark_write(&of, COR_VIEW("n1"), &mark);
    assert_true(mark_vouches(&of, mark.data, &node));
    assert_true(cor_view_is(node, "n1"));
    struct mark_of other = of;
    other.secret = COR_VIEW("another");
    assert_false(mark_vouches(&other, mark.data, &node));
    other = of;
    other.method = COR_VIEW("GET");
    assert_false(mark_vouches(&other, mark.data, &node));
    other = of;
    other.target = COR_VIEW("/exec/default/p/c?command=rm");
    assert_false(mark_vouches(&other, mark.data, &node));
    mark.data[1] = '2'; /* of another node */
    assert_false(mark_vouches(&of, mark.data, &node));
}

static void a_mark_is_good_for_a_minute(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf mark = {0};
    struct cor_view node = {0};
    struct mark_of of = at(0);
    mark_write(&of, COR_VIEW("n1"), &mark);
    const struct {
        int64_t seconds;
        bool good;
    } ROWS[] = {{-61, false}, {-60, true}, {60, true}, {61, false}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct mark_of then = at(ROWS[i].seconds);
        assert_int_equal(mark_vouches(&then, mark.data, &node), ROWS[i].good);
    }
}

static void what_is_no_mark_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {"",
                                      " ",
                                      "n1",
                                      "n1 1700000000",
                                      "n1 1700000000 ",
                                      "n1 x y",
                                      "n1 99999999999999999999 z",
                                      "n1 9223372036854775807 z",
                                      "n1 -1 z",
                                      "  "};
    struct mark_of of = at(0);
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        struct cor_view node = {0};
        assert_false(mark_vouches(&of, BAD[i], &node));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_is_of_one_request),
        cmocka_unit_test(a_mark_is_good_for_a_minute),
        cmocka_unit_test(what_is_no_mark_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
