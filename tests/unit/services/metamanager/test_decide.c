// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/metamanager/decide.h"
#include "services/metamanager/token.h"

static void news_is_told_from_the_past(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct meta_state stored;
        struct meta_state said;
        enum meta_news want;
        bool returns;
    } ROWS[] = {
#define V(text) {text, sizeof(text) - 1}
        {"unknown", {false, false, {0}, {0}}, {true, false, V("u"), V("5")}, META_NEWS, false},
        {"newer", {true, false, V("u"), V("9")}, {true, false, V("u"), V("10")}, META_NEWS, false},
        {"same", {true, false, V("u"), V("9")}, {true, false, V("u"), V("9")}, META_SAME, false},
        {"older", {true, false, V("u"), V("10")}, {true, false, V("u"), V("9")}, META_OLDER, false},
        {"deleted", {true, false, V("u"), V("9")}, {true, true, V("u"), V("")}, META_NEWS, false},
        {"deleted without uid",
         {true, false, V("u"), V("9")},
         {true, true, V(""), V("")},
         META_NEWS,
         false},
        {"deleted again",
         {true, true, V("u"), V("9")},
         {true, true, V("u"), V("12")},
         META_SAME,
         false},
        {"deletion of another",
         {true, false, V("u2"), V("9")},
         {true, true, V("u1"), V("")},
         META_OLDER,
         false},
        {"put after its deletion",
         {true, true, V("u"), V("9")},
         {true, false, V("u"), V("12")},
         META_OLDER,
         false},
        {"needed here again",
         {true, true, V("u"), V("9")},
         {true, false, V("u"), V("12")},
         META_NEWS,
         true},
        {"needed here again as it was",
         {true, true, V("u"), V("9")},
         {true, false, V("u"), V("9")},
         META_NEWS,
         true},
        {"old put after its deletion",
         {true, true, V("u"), V("9")},
         {true, false, V("u"), V("8")},
         META_OLDER,
         true},
        {"made again",
         {true, true, V("u1"), V("9")},
         {true, false, V("u2"), V("12")},
         META_NEWS,
         false},
        {"old put of an earlier one",
         {true, true, V("u2"), V("9")},
         {true, false, V("u1"), V("7")},
         META_OLDER,
         false},
        {"replaced",
         {true, false, V("u1"), V("9")},
         {true, false, V("u2"), V("12")},
         META_NEWS,
         false},
        {"odd version",
         {true, false, V("u"), V("9")},
         {true, false, V("u"), V("x")},
         META_NEWS,
         false},
#undef V
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (meta_decide(&ROWS[i].stored, &ROWS[i].said, ROWS[i].returns) != ROWS[i].want) {
            fail_msg("%s", ROWS[i].what);
        }
    }
}

static void tokens_are_due_before_they_end(void **state)
{
    (void)state;
    struct cor_wall issued = {COR_SEC(1000)};
    struct cor_wall hour = {COR_SEC(1000 + 3600)};
    struct cor_wall year = {COR_SEC(1000 + 365 * 86400)};
    assert_false(meta_token_due(issued, hour, (struct cor_wall){COR_SEC(1000 + 2879)}));
    assert_true(meta_token_due(issued, hour, (struct cor_wall){COR_SEC(1000 + 2880)}));
    assert_false(meta_token_due(issued, year, (struct cor_wall){COR_SEC(1000 + 86399)}));
    assert_true(meta_token_due(issued, year, (struct cor_wall){COR_SEC(1000 + 86400)}));
    assert_true(meta_token_due(issued, hour, (struct cor_wall){COR_SEC(999)}));
}

static void token_names_differ_where_tokens_do(void **state)
{
    (void)state;
    static const char *const REQUESTS[] = {
        "{\"spec\":{\"audiences\":[\"a\"],\"expirationSeconds\":3600}}",
        "{\"spec\":{\"audiences\":[\"b\"],\"expirationSeconds\":3600}}",
        "{\"spec\":{\"audiences\":[\"a\"],\"expirationSeconds\":3607}}",
        "{\"spec\":{\"expirationSeconds\":3600,\"boundObjectRef\":{\"uid\":\"1\"}}}",
        "{\"spec\":{\"expirationSeconds\":3600,\"boundObjectRef\":{\"uid\":\"2\"}}}",
        "{}",
    };
    struct cor_buf names[COR_COUNT(REQUESTS)] = {{0}};
    for (size_t i = 0; i < COR_COUNT(REQUESTS); i++) {
        auto_(cor_json_free) struct cor_json *json = NULL;
        assert_int_equal(cor_json_parse(cor_view_of(REQUESTS[i]), 1000, 0, &json, NULL), COR_OK);
        meta_token_name(COR_VIEW("ns/serviceaccounttoken/sa"), json, &names[i]);
        for (size_t j = 0; j < i; j++) {
            assert_false(cor_view_eq(cor_buf_as_view(&names[i]), cor_buf_as_view(&names[j])));
        }
    }
    for (size_t i = 0; i < COR_COUNT(REQUESTS); i++) {
        cor_buf_free(&names[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_is_told_from_the_past),
        cmocka_unit_test(tokens_are_due_before_they_end),
        cmocka_unit_test(token_names_differ_where_tokens_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
