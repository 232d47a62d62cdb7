// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/httpd/uri.h"

static void test_decode(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool plus;
        const char *out; /* NULL: refused */
    } cases[] = {
        {"abc", false, "abc"},     {"a%2Fb", false, "a/b"},  {"a+b", false, "a+b"},
        {"a+b", true, "a b"},      {"%e2%82%AC", true, "€"}, {"", false, ""},
        {"%", false, NULL},        {"%4", false, NULL},      {"%4x", false, NULL},
        {"a%00b", false, NULL},    {"%ff", false, NULL},     {"k%3Dv%2Cx", true, "k=v,x"},
        {"100%25", false, "100%"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        cor_buf_str(&out, "=");
        bool ok = cor_uri_decode(cor_view_of(cases[i].in), cases[i].plus, &out);
        assert_int_equal(ok, cases[i].out != NULL);
        assert_string_equal(out.data + 1, ok ? cases[i].out : "");
    }
}

static void test_query(void **state)
{
    (void)state;
    struct cor_view query = COR_VIEW("watch&labelSelector=a%3Db&empty=&watch2=false&x=1");
    auto_(cor_freep) char *selector = cor_query_get(query, "labelSelector");
    auto_(cor_freep) char *empty = cor_query_get(query, "empty");
    assert_string_equal(selector, "a=b");
    assert_string_equal(empty, "");
    assert_null(cor_query_get(query, "label"));
    assert_true(cor_query_is(query, "watch"));
    assert_true(cor_query_is(query, "x"));
    assert_false(cor_query_is(query, "watch2"));
    assert_false(cor_query_is((struct cor_view){0}, "watch"));
}

static void test_split(void **state)
{
    (void)state;
    struct cor_view path;
    struct cor_view query;
    cor_uri_split(COR_VIEW("/api/v1?x=/?"), &path, &query);
    assert_true(cor_view_is(path, "/api/v1"));
    assert_true(cor_view_is(query, "x=/?"));
    cor_uri_split(COR_VIEW("/api"), &path, &query);
    assert_null(query.ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
