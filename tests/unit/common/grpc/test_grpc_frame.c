// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/grpc/frame.h"

static void test_unframe(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        enum cor_code code;
        size_t message;
    } cases[] = {
        {"nothing", "", 0, COR_RETRY, 0},
        {"half a prefix", "\0\0\0", 3, COR_RETRY, 0},
        {"empty message", "\0\0\0\0\0", 5, COR_OK, 0},
        {"whole", "\0\0\0\0\3abc", 8, COR_OK, 3},
        {"whole and more", "\0\0\0\0\3abcd", 9, COR_OK, 3},
        {"short by one", "\0\0\0\0\3ab", 7, COR_RETRY, 0},
        {"at the limit",
         "\0\0\0\0\x10"
         "0123456789abcdef",
         21, COR_OK, 16},
        {"over the limit", "\0\0\0\0\x11", 5, COR_TOOBIG, 0},
        {"4 GiB", "\0\xff\xff\xff\xff", 5, COR_TOOBIG, 0},
        {"compressed", "\1\0\0\0\1a", 6, COR_UNSUPPORTED, 0},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct cor_view message = {0};
        enum cor_code code =
            cor_grpc_unframe((struct cor_view){cases[i].bytes, cases[i].len}, 16, &message);
        if (code != cases[i].code || message.len != cases[i].message) {
            fail_msg("%s: code %d length %zu", cases[i].name, (int)code, message.len);
        }
    }
}

static void test_frame_then_unframe(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf buf = {0};
    cor_grpc_frame(&buf, COR_VIEW("hello"));
    struct cor_view message = {0};
    assert_int_equal(cor_grpc_unframe(cor_buf_as_view(&buf), 5, &message), COR_OK);
    assert_true(cor_view_is(message, "hello"));
}

static void test_codes(void **state)
{
    (void)state;
    assert_int_equal(cor_grpc_code(0), COR_OK);
    assert_int_equal(cor_grpc_code(5), COR_NOTFOUND);
    assert_int_equal(cor_grpc_code(12), COR_UNSUPPORTED);
    assert_int_equal(cor_grpc_code(14), COR_RETRY);
    assert_int_equal(cor_grpc_code(16), COR_UNAUTHENTICATED);
    assert_int_equal(cor_grpc_code(17), COR_INTERNAL);
    assert_int_equal(cor_grpc_code(-1), COR_INTERNAL);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},         {"plain", "plain"},
        {"a%20b", "a b"}, {"%e2%82%ac", "\xe2\x82\xac"},
        {"%4", "%4"},     {"%zz", "%zz"},
        {"%", "%"},       {"100%25", "100%"},
        {"a%0ab", "a b"}, {"0123456789abcdefgh", "0123456789abcde"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        char out[16];
        cor_grpc_text(cor_view_of(cases[i].in), out, sizeof(out));
        assert_string_equal(out, cases[i].out);
    }
}

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *out;
    } cases[] = {
        {1, "1u"},
        {99999999, "99999999u"},
        {100000000, "100000m"},
        {240000000, "240000m"},
        {INT64_C(99999999000), "99999999m"},
        {INT64_C(100000000000), "100000S"},
        {INT64_MAX, "99999999M"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        char out[COR_GRPC_TIMEOUT_SIZE];
        cor_grpc_timeout(cases[i].us, out);
        assert_string_equal(out, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unframe),  cmocka_unit_test(test_frame_then_unframe),
        cmocka_unit_test(test_codes),    cmocka_unit_test(test_texts),
        cmocka_unit_test(test_timeouts),
    };
    return cmocka_run_group_tests_name("grpc frame", tests, NULL, NULL);
}
