// SPDX-License-Identifier: Apache-2.0
#include "services/cloudhub/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/buf.h"
#include "common/base/mem.h"

#define OK "HTTP/1.1 200 OK\r\n"

/* What comes out of text in pieces of so many bytes: "H200 " "Pbytes " "D" "B". */
static void events_of(const char *text, size_t piece, struct cor_buf *out)
{
    auto_(reply_free) struct reply reply = {0};
    struct cor_view rest = cor_view_of(text);
    enum reply_event event = REPLY_MORE;
    while (event == REPLY_MORE && rest.len > 0) {
        struct cor_view bytes = {rest.ptr, rest.len < piece ? rest.len : piece};
        struct cor_view part;
        rest = (struct cor_view){rest.ptr + bytes.len, rest.len - bytes.len};
        do {
            struct px_header headers[REPLY_HEADERS_MAX];
            event = reply_next(&reply, &bytes, &part);
            if (event == REPLY_HEAD) {
                struct px_stream_head head = reply_head(&reply, headers);
                cor_buf_fmt(out, "H%d/%zu ", (int)head.status, head.headers.count);
            }
            cor_buf_view(out, part);
        } while (event == REPLY_HEAD || event == REPLY_PART);
    }
    cor_buf_str(out, event == REPLY_DONE ? "|done" : event == REPLY_BAD ? "|bad" : "|more");
    cor_buf_str(out, reply_may_end(&reply) ? "+" : "-");
}

static void answers_are_read_in_any_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *events;
    } ROWS[] = {
        {OK "Content-Length: 3\r\n\r\nabc", "H200/1 abc|done+"},
        {OK "Content-Length: 0\r\n\r\n", "H200/1 |done+"},
        {OK "Content-Length: 3\r\n\r\nab", "H200/1 ab|more-"},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n", "H200/1 abc|done+"},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "H200/1 ab|more-"},
        {OK "A: b\r\n\r\nall", "H200/1 all|more+"},
        {"HTTP/1.1 204 No\r\n\r\n", "H204/0 |done+"},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
         "H404/1 x|done+"},
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\nraw", "H101/1 raw|more+"},
        {"SPDY", "|bad-"},
        {OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", "|bad-"},
        {OK "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "H200/1 |bad-"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        for (size_t piece = 1; piece < 200; piece += piece < 8 ? 1 : 50) {
            auto_(cor_buf_free) struct cor_buf out = {0};
            events_of(ROWS[i].text, piece, &out);
            assert_string_equal(out.data, ROWS[i].events);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_read_in_any_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
