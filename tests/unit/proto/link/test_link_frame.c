// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/link/end.h"
#include "proto/link/frame.h"

static void frames_keep_their_parts(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf out = {0};
    auto_(cor_buf_free) struct cor_buf again = {0};
    struct px_upload upload = {.topic = COR_VIEW("a/user/b"), .payload = COR_VIEW("x")};
    struct cor_wire_header head = {
        .number = PX_upload, .id = 7, .cause = 6, .stream = 13, .seq = 5, .skip = 2};
    struct px_frame frame;
    struct px_upload read;
    px_frame_write(&head, &upload, (struct cor_view){0}, &out);
    assert_int_equal(px_frame_read(cor_buf_as_view(&out), &frame, NULL), COR_OK);
    assert_true(cor_same(&cor_wire_header_table, &head, &frame.head));
    assert_int_equal(px_frame_body(&frame, NULL, &read, NULL), COR_OK);
    assert_true(cor_same(&px_upload_table, &upload, &read));
    px_frame_write(&head, NULL, frame.raw, &again); /* unread */
    assert_true(cor_view_eq(cor_buf_as_view(&out), cor_buf_as_view(&again)));
}

static void bad_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {{"", 0},     {"\x80", 1},     {"\x81\x01\x00\x80", 4},
                {"\xff", 1}, {"\x81\x01", 2}, {"{\"header\":1}", 12}};
    struct px_frame frame;
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct cor_err err = COR_ERR_NONE;
        assert_int_not_equal(
            px_frame_read((struct cor_view){rows[i].bytes, rows[i].len}, &frame, &err), COR_OK);
        assert_true(strlen(err.text) > 0);
    }
}

static void sizes_are_bounded(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        size_t len;
        enum cor_code code;
    } rows[] = {{PX_upload, PX_LINK_EVENT_MAX - 100, COR_OK},
                {PX_upload, PX_LINK_EVENT_MAX, COR_TOOBIG},
                {PX_object, PX_LINK_EVENT_MAX, COR_OK},
                {PX_object, PX_LINK_MAX, COR_TOOBIG}};
    auto_(cor_freep) char *raw = cor_alloc(PX_LINK_MAX);
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf out = {0};
        struct cor_wire_header head = {.number = rows[i].number};
        struct px_frame frame;
        px_frame_write(&head, NULL, (struct cor_view){raw, rows[i].len}, &out);
        assert_int_equal(px_frame_read(cor_buf_as_view(&out), &frame, NULL), rows[i].code);
    }
}

/* A newer peer's message: read, but named by nobody. */
static void unknown_numbers(void **state)
{
    struct px_frame frame;
    (void)state;
    assert_int_equal(px_frame_read(COR_VIEW("\x81\x01\xcd\x7f\xff\x80"), &frame, NULL), COR_OK);
    assert_null(frame.message);
    assert_true(px_frame_is_counted(frame.message));
    assert_false(px_frame_is_counted(px_frame_message(COR_WIRE_ACK)));
    assert_false(px_frame_is_counted(px_frame_message(PX_done)));
    assert_false(px_frame_is_counted(px_frame_message(PX_link_heartbeat)));
    assert_true(px_frame_is_counted(px_frame_message(PX_upload)));
    assert_true(px_frame_is_counted(px_frame_message(PX_object)));
    assert_true(px_frame_is_counted(px_frame_message(PX_api_call)));
}

static void stream_numbers(void **state)
{
    (void)state;
    uint64_t number = px_frame_stream(PX_FRAME_BUS, 1234);
    assert_int_equal(px_frame_stream_of(PX_FRAME_BUS, number), 1234);
    assert_int_equal(px_frame_stream_of(PX_FRAME_BUS, number ^ 1), 0);
    assert_int_equal(px_frame_stream_of(PX_FRAME_BUS, 0), 0);
}

static void hello_decides(void **state)
{
    (void)state;
    static const struct {
        struct px_link_hello hello;
        enum cor_code code;
    } rows[] = {{{.major = 1, .minor = 0, .window = 4}, COR_OK},
                {{.major = 1, .minor = 9, .window = 4}, COR_OK},
                {{.major = 2, .minor = 0, .window = 4}, COR_UNSUPPORTED},
                {{.major = 0, .minor = 0, .window = 4}, COR_UNSUPPORTED},
                {{.major = 1, .minor = 0, .window = 0}, COR_INVALID}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_end end;
        struct px_link_hello ours;
        px_end_begin(&end, &ours);
        assert_int_equal(px_end_room(&end), 0);
        assert_int_equal(px_end_hello(&end, &rows[i].hello, NULL), rows[i].code);
        assert_int_equal(px_end_room(&end), rows[i].code == COR_OK ? 4 : 0);
        if (rows[i].code == COR_OK) {
            assert_int_equal(px_end_hello(&end, &rows[i].hello, NULL), COR_INVALID);
        }
    }
}

/* What one end sends by its credit, the other has granted; none of them ever stands still. */
static void credit_goes_round(void **state)
{
    struct px_end from;
    struct px_end to;
    struct px_link_hello a;
    struct px_link_hello b;
    uint64_t waiting = 0;
    uint64_t limit = 0;
    (void)state;
    px_end_begin(&from, &a);
    px_end_begin(&to, &b);
    assert_int_equal(px_end_hello(&from, &b, NULL), COR_OK);
    assert_int_equal(px_end_hello(&to, &a, NULL), COR_OK);
    for (int i = 0; i < 10000; i++) {
        while (px_end_room(&from) > 0) {
            assert_false(px_end_is_overrun(&to, waiting));
            px_end_sent(&from);
            waiting++;
        }
        assert_true(px_end_is_overrun(&to, waiting));
        assert_true(waiting > 0);
        waiting--;
        if (px_end_took(&to, &limit)) {
            px_end_credit(&from, limit);
            px_end_credit(&from, limit - 1); /* an older one says nothing */
        }
    }
    assert_true(from.sent > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_keep_their_parts), cmocka_unit_test(bad_frames),
        cmocka_unit_test(sizes_are_bounded),       cmocka_unit_test(unknown_numbers),
        cmocka_unit_test(stream_numbers),          cmocka_unit_test(hello_decides),
        cmocka_unit_test(credit_goes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
