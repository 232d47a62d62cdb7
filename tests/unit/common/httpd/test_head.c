// SPDX-License-Identifier: Apache-2.0
// Heads and bodies of answers, in one piece and byte by byte.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/httpd/body.h"

static enum cor_code feed(struct cor_head *head, const char *text, size_t step,
                          struct cor_view *rest)
{
    enum cor_code code = COR_RETRY;
    size_t len = strlen(text);
    for (size_t at = 0; at < len && code == COR_RETRY; at += step) {
        struct cor_view bytes = {text + at, len - at < step ? len - at : step};
        code = cor_head_add(head, &bytes, NULL);
        *rest = (struct cor_view){bytes.ptr, (size_t)(text + len - bytes.ptr)};
    }
    return code;
}

static void test_heads(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum cor_code code;
        int status;
        const char *reason;
        const char *rest;
    } CASES[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\nxyz", COR_OK, 101,
         "Switching Protocols", "xyz"},
        {"HTTP/1.0 404\r\n\r\n", COR_OK, 404, "", ""},
        {"HTTP/1.1 200 \r\nA:b\r\n\r\n\r\n\r\n", COR_OK, 200, "", "\r\n\r\n"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n", COR_RETRY, 0, NULL, NULL},
        {"HTTP/2 200 OK\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"SSH-2.0-x", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 20x OK\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 2000 OK\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 099 OK\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 200 OK\r\n: v\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 200 OK\r\nA b: v\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 200 OK\r\nA: v\r\n folded\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"HTTP/1.1 200 OK\nA: v\r\n\r\n", COR_INVALID, 0, NULL, NULL},
        {"\r\n\r\n", COR_INVALID, 0, NULL, NULL},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        for (size_t step = 1; step < 80; step += 13) {
            auto_(cor_head_free) struct cor_head head = {0};
            struct cor_view rest = {0};
            assert_int_equal(feed(&head, CASES[i].text, step, &rest), CASES[i].code);
            assert_int_equal(cor_head_is_done(&head), CASES[i].code == COR_OK);
            if (CASES[i].code == COR_OK) {
                assert_int_equal(head.status, CASES[i].status);
                assert_true(cor_view_is(cor_head_reason(&head), CASES[i].reason));
                assert_true(cor_view_is(rest, CASES[i].rest));
            }
        }
    }
}

static void test_headers(void **state)
{
    (void)state;
    auto_(cor_head_free) struct cor_head head = {0};
    struct cor_view rest = {0};
    assert_int_equal(
        feed(&head, "HTTP/1.1 101 x\r\nUpgrade:  SPDY/3.1 \r\nX:\r\nupgrade: 2\r\n\r\n", 7, &rest),
        COR_OK);
    assert_true(cor_view_is(cor_head_get(&head, "uPGRADE"), "SPDY/3.1"));
    assert_true(cor_view_is(cor_head_get(&head, "x"), ""));
    assert_null(cor_head_get(&head, "Upgrad").ptr);
    size_t at = 0;
    unsigned count = 0;
    struct cor_view name;
    struct cor_view value;
    while (cor_head_next(&head, &at, &name, &value)) {
        count++;
    }
    assert_int_equal(count, 3);
}

static void test_head_is_bounded(void **state)
{
    (void)state;
    auto_(cor_head_free) struct cor_head head = {0};
    struct cor_view bytes = COR_VIEW("HTTP/1.1 200 OK\r\n");
    assert_int_equal(cor_head_add(&head, &bytes, NULL), COR_RETRY);
    enum cor_code code = COR_RETRY;
    size_t fed = 0;
    while (code == COR_RETRY) {
        bytes = COR_VIEW("A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n");
        fed += bytes.len;
        code = cor_head_add(&head, &bytes, NULL);
    }
    assert_int_equal(code, COR_TOOBIG);
    assert_in_range(fed, COR_HEAD_MAX - 100, COR_HEAD_MAX + 100);
}

/* Result of the body in text behind a head with that header. */
static enum cor_code read_body(const char *header, const char *text, size_t step,
                               struct cor_buf *out)
{
    auto_(cor_head_free) struct cor_head head = {0};
    auto_(cor_freep) char *start = cor_sprintf("HTTP/1.1 200 OK\r\n%s\r\n", header);
    struct cor_view bytes = cor_view_of(start);
    assert_int_equal(cor_head_add(&head, &bytes, NULL), COR_OK);
    struct cor_body body;
    if (cor_body_begin(&body, &head) != COR_OK) {
        return COR_INVALID;
    }
    size_t len = strlen(text);
    for (size_t at = 0; at < len; at += step) {
        struct cor_view part;
        bytes = (struct cor_view){text + at, len - at < step ? len - at : step};
        while (bytes.len > 0) {
            enum cor_code code = cor_body_next(&body, &bytes, &part);
            cor_buf_view(out, part);
            if (code != COR_RETRY) {
                return code;
            }
        }
    }
    return cor_body_may_end(&body) ? COR_OK : COR_RETRY;
}

static void test_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *header, *text;
        enum cor_code code;
        const char *content;
    } CASES[] = {
        {"Content-Length: 5\r\n", "hello and more", COR_OK, "hello"},
        {"Content-Length: 5\r\n", "hell", COR_RETRY, "hell"},
        {"Content-Length: 0\r\n", "", COR_OK, ""},
        {"", "until the end", COR_OK, "until the end"},
        {"Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\nmore", COR_OK,
         "abcde"},
        {"transfer-encoding: Chunked\r\n", "A\r\n0123456789\r\n0\r\nT: x\r\n\r\n", COR_OK,
         "0123456789"},
        {"Transfer-Encoding: chunked\r\n", "3\r\nabc", COR_RETRY, "abc"},
        {"Transfer-Encoding: chunked\r\n", "3\r\nabcX", COR_INVALID, "abc"},
        {"Transfer-Encoding: chunked\r\n", "\r\n", COR_INVALID, ""},
        {"Transfer-Encoding: chunked\r\n", "g\r\n", COR_INVALID, ""},
        {"Transfer-Encoding: chunked\r\n", "3\nabc", COR_INVALID, ""},
        {"Transfer-Encoding: chunked\r\n", "1111111111111111\r\n", COR_INVALID, ""},
        {"Transfer-Encoding: gzip\r\n", "x", COR_INVALID, ""},
        {"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "abc", COR_INVALID, ""},
        {"Content-Length: 3\r\nContent-Length: 3\r\n", "abc", COR_INVALID, ""},
        {"Content-Length: -3\r\n", "abc", COR_INVALID, ""},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        for (size_t step = 1; step < 40; step += 5) {
            auto_(cor_buf_free) struct cor_buf out = {0};
            assert_int_equal(read_body(CASES[i].header, CASES[i].text, step, &out), CASES[i].code);
            assert_true(cor_view_is(cor_buf_as_view(&out), CASES[i].content));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_head_is_bounded),
        cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
