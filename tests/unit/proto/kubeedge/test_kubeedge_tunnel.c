// SPDX-License-Identifier: Apache-2.0
// Frames of KubeEdge's tunnel. The bytes are those of an unmodified KubeEdge 1.23.
#include "proto/kubeedge/tunnel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/mem.h"

#define URL                                                                                        \
    "\"url\":{\"Scheme\":\"http\",\"Opaque\":\"\",\"User\":null,\"Host\":\"127.0.0.1:10350\","     \
    "\"Path\":\"%s\",\"RawPath\":\"%s\",\"OmitHost\":false,\"ForceQuery\":false,"                  \
    "\"RawQuery\":\"%s\",\"Fragment\":\"\",\"RawFragment\":\"\"}"
#define LOGS_URL                                                                                   \
    "\"url\":{\"Scheme\":\"http\",\"Opaque\":\"\",\"User\":null,\"Host\":\"127.0.0.1:10350\","     \
    "\"Path\":\"/containerLogs/default/p1/c\",\"RawPath\":\"\",\"OmitHost\":false,"                \
    "\"ForceQuery\":false,\"RawQuery\":\"follow=true\\u0026tailLines=3\",\"Fragment\":\"\","       \
    "\"RawFragment\":\"\"}"
#define LOGS "{\"MessID\":7," LOGS_URL ",\"header\":{\"Accept-Encoding\":[\"identity\"]}}"

static struct px_tunnel_frame frame_of(uint64_t id, uint64_t type, const char *text)
{
    return (struct px_tunnel_frame){id, type, cor_view_of(text)};
}

static void frames_are_kubeedges(void **state)
{
    (void)state;
    static const struct {
        uint64_t id;
        uint64_t type;
        const char *data;
        const char *bytes;
        size_t len;
    } ROWS[] = {
        {300, PX_TUNNEL_DATA, "hi", "\xac\x02\x03hi", 5},
        {300, PX_TUNNEL_REMOVE, "", "\xac\x02\x04", 3},
        {0, PX_TUNNEL_CLOSE, "x", "\x00\x05x", 3},
        {7, PX_TUNNEL_LOGS, "{\"Mess", "\x07\x00{\"Mess", 8},
        {127, PX_TUNNEL_ATTACH, "", "\x7f\x06", 2},
        {128, 200, "", "\x80\x01\xc8\x01", 4},
        {UINT64_MAX, PX_TUNNEL_DATA, "", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03", 11},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        struct px_tunnel_frame frame = frame_of(ROWS[i].id, ROWS[i].type, ROWS[i].data);
        px_tunnel_write(&frame, &out);
        assert_int_equal(out.len, ROWS[i].len);
        assert_memory_equal(out.data, ROWS[i].bytes, out.len);
        struct px_tunnel_frame back = {0};
        assert_int_equal(px_tunnel_read(cor_buf_as_view(&out), &back, NULL), COR_OK);
        assert_true(back.id == ROWS[i].id && back.type == ROWS[i].type);
        assert_true(cor_view_is(back.data, ROWS[i].data));
    }
}

static void bad_frames_are_refused(void **state)
{
    (void)state;
    static const struct cor_view BAD[] = {
        {"", 0},
        {"\x80", 1},
        {"\x07", 1},
        {"\x07\x80", 2},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\x03", 11}, /* over 64 bits */
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x03", 12},
    };
    struct px_tunnel_frame frame;
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        assert_int_equal(px_tunnel_read(BAD[i], &frame, NULL), COR_INVALID);
    }
    auto_(cor_freep) char *big = cor_alloc(PX_TUNNEL_DATA_MAX + 3);
    big[0] = 1;
    big[1] = PX_TUNNEL_DATA;
    assert_int_equal(px_tunnel_read((struct cor_view){big, PX_TUNNEL_DATA_MAX + 2}, &frame, NULL),
                     COR_OK);
    assert_int_equal(px_tunnel_read((struct cor_view){big, PX_TUNNEL_DATA_MAX + 3}, &frame, NULL),
                     COR_TOOBIG);
}

/* The JSON that asks for target. */
static void expect_said(const char *target, const char *path, const char *raw, const char *query)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    const struct px_header headers[] = {{COR_VIEW("X-Stream-Protocol-Version"), COR_VIEW("v4")},
                                        {COR_VIEW("Connection"), COR_VIEW("Upgrade")},
                                        {COR_VIEW("X-Stream-Protocol-Version"), COR_VIEW("v3")}};
    struct px_tunnel_ask ask = {.method = COR_VIEW("POST"),
                                .target = cor_view_of(target),
                                .headers = headers,
                                .header_count = 3};
    px_tunnel_ask_write(9, PX_TUNNEL_EXEC, &ask, &out);
    auto_(cor_freep) char *want =
        cor_sprintf("\x09\x01{\"MessID\":9," URL ",\"header\":{\"X-Stream-Protocol-Version\":"
                    "[\"v4\",\"v3\"],\"Connection\":[\"Upgrade\"]},\"method\":\"POST\"}",
                    path, raw, query);
    assert_string_equal(out.data, want);
    struct px_tunnel_frame frame;
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    assert_int_equal(px_tunnel_read(cor_buf_as_view(&out), &frame, NULL), COR_OK);
    assert_int_equal(px_tunnel_ask_read(&frame, &asked, NULL), COR_OK);
    assert_string_equal(asked.target.data, target);
    assert_string_equal(asked.method, "POST");
    assert_int_equal(asked.header_count, 3);
    assert_true(cor_view_is(asked.headers[1].name, "X-Stream-Protocol-Version"));
    assert_true(cor_view_is(asked.headers[1].value, "v3"));
}

static void requests_are_structs_of_go(void **state)
{
    (void)state;
    expect_said("/exec/default/p/c?command=ls&input=1", "/exec/default/p/c", "",
                "command=ls&input=1");
    expect_said("/exec/d/p/c?command=a%20b", "/exec/d/p/c", "", "command=a%20b");
    expect_said("/logs/a%2Fb", "/logs/a/b", "/logs/a%2Fb", "");
    expect_said("/logs/a%20b", "/logs/a b", "", ""); /* as Go encodes it anyway */
    expect_said("/logs/a(b)", "/logs/a(b)", "/logs/a(b)", "");
    assert_true(px_tunnel_is_sayable(COR_VIEW("/a%20b?%")));
    assert_false(px_tunnel_is_sayable(COR_VIEW("/a%2")));
    assert_false(px_tunnel_is_sayable(COR_VIEW("/a%zz")));
    assert_false(px_tunnel_is_sayable(COR_VIEW("/a%ff")));
    assert_false(px_tunnel_is_sayable(COR_VIEW("/a%00")));
}

static void kubeedges_requests_are_read(void **state)
{
    (void)state;
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    struct px_tunnel_frame frame = frame_of(7, PX_TUNNEL_LOGS, LOGS);
    assert_int_equal(px_tunnel_ask_read(&frame, &asked, NULL), COR_OK);
    assert_string_equal(asked.target.data, "/containerLogs/default/p1/c?follow=true&tailLines=3");
    assert_string_equal(asked.method, "GET");
    assert_int_equal(asked.header_count, 1);
    assert_true(cor_view_is(asked.headers[0].name, "Accept-Encoding"));
    assert_true(cor_view_is(asked.headers[0].value, "identity"));
}

static void expect_target(const char *path, const char *raw, const char *target)
{
    auto_(cor_freep) char *text =
        cor_sprintf("{\"url\":{\"Path\":\"%s\",\"RawPath\":\"%s\"}}", path, raw);
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    struct px_tunnel_frame frame = frame_of(7, PX_TUNNEL_METRICS, text);
    assert_int_equal(px_tunnel_ask_read(&frame, &asked, NULL), COR_OK);
    assert_string_equal(asked.target.data, target);
}

static void paths_are_encoded_as_go_does(void **state)
{
    (void)state;
    expect_target("/a b?c#%", "", "/a%20b%3Fc%23%25");
    expect_target("/a/b", "/a%2fb", "/a%2fb");
    expect_target("/a/b", "/c", "/a/b"); /* it is of another path */
    expect_target("/a\\r\\nX: 1", "", "/a%0D%0AX:%201");
    expect_target("/a?b", "/a?b", "/a%3Fb");
    expect_target("/\xc3\xa9", "", "/%C3%A9");
    expect_target("/\xc3\xa9", "/\xc3\xa9", "/%C3%A9"); /* that is no encoding */
    expect_target("/a(b)", "/a(b)", "/a(b)");
    expect_target("/a(b)", "", "/a%28b%29");
}

static void what_http_cannot_say_is_refused(void **state)
{
    (void)state;
    static const char *const BAD[] = {
        "",
        "[]",
        "{",
        "{\"url\":{\"Path\":\"\"}}",
        "{\"url\":{\"Path\":\"a\"}}",
        "{\"url\":\"/a\"}",
        "{\"url\":{\"Path\":\"/a\",\"RawQuery\":\"a b\"}}",
        "{\"url\":{\"Path\":\"/a\",\"RawQuery\":\"a\\r\\nX: 1\"}}",
        "{\"url\":{\"Path\":\"/a\"},\"method\":\"GET /b\"}",
        "{\"url\":{\"Path\":\"/a\"},\"method\":\"AAAAAAAAAAAAAAAAA\"}",
    };
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        struct px_tunnel_asked asked;
        struct px_tunnel_frame frame = frame_of(1, PX_TUNNEL_EXEC, BAD[i]);
        assert_int_equal(px_tunnel_ask_read(&frame, &asked, NULL), COR_INVALID);
    }
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    struct px_tunnel_frame frame = frame_of(
        1, PX_TUNNEL_EXEC,
        "{\"url\":{\"Path\":\"/a\"},\"header\":{\"A\":[\"b\\r\\nC: d\",\"e\",1],\"F G\":[\"h\"],"
        "\"I:\":[\"j\"],\"\":[\"k\"],\"L\":null}}");
    assert_int_equal(px_tunnel_ask_read(&frame, &asked, NULL), COR_OK);
    assert_int_equal(asked.header_count, 2);
    assert_true(cor_view_is(asked.headers[0].value, "e"));
    assert_int_equal(asked.headers[1].value.len, 0); /* a number: no text */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_kubeedges),
        cmocka_unit_test(bad_frames_are_refused),
        cmocka_unit_test(requests_are_structs_of_go),
        cmocka_unit_test(kubeedges_requests_are_read),
        cmocka_unit_test(paths_are_encoded_as_go_does),
        cmocka_unit_test(what_http_cannot_say_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
