// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/say.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/codec/codec.h"
#include "proto/proto.h"

/* A way out that takes so many messages, and writes down what it was given. */
struct way {
    size_t room;
    struct cor_buf said; /* "NUMBER:id:len:last " */
};

static enum cor_code take_one(void *self, uint16_t number, struct cor_view raw)
{
    struct way *way = self;
    struct px_stream_data data = {0};
    if (way->room == 0) {
        return COR_BUSY;
    }
    way->room--;
    if (number == PX_stream_data) {
        assert_int_equal(cor_decode(&px_stream_data_table, raw, NULL, &data, NULL), COR_OK);
    }
    cor_buf_fmt(&way->said, "%u:%u:%zu:%d ", (unsigned)number, (unsigned)data.id, data.bytes.len,
                data.last);
    return COR_OK;
}

static void credit_is_kept(void **state)
{
    struct px_credit credit = {.hear = 10};
    (void)state;
    assert_true(px_credit_heard(&credit, 10));
    assert_false(px_credit_heard(&credit, 1));
    assert_int_equal(px_credit_took(&credit, PX_STREAM_WINDOW / 4 - 1), 0);
    assert_int_equal(px_credit_took(&credit, 1), PX_STREAM_WINDOW / 4);
    assert_int_equal(credit.hear, PX_STREAM_WINDOW / 4);
    px_credit_gain(&credit, UINT64_MAX);
    px_credit_gain(&credit, UINT64_MAX);
    assert_int_equal(credit.send, 16 * 1024 * 1024);
}

static void data_goes_in_pieces(void **state)
{
    static char bytes[PX_STREAM_PIECE * 2 + 5];
    struct way way = {.room = 100};
    struct px_mouth mouth;
    struct px_credit credit = {.send = sizeof(bytes)};
    (void)state;
    px_mouth_init(&mouth, take_one, &way);
    px_say_data(&mouth, 7, &credit, (struct cor_view){bytes, sizeof(bytes)}, true);
    assert_string_equal(way.said.data, "152:7:16384:0 152:7:16384:0 152:7:5:1 ");
    assert_int_equal(credit.send, 0);
    cor_buf_clear(&way.said);
    px_say_data(&mouth, 7, &credit, (struct cor_view){0}, true);
    assert_string_equal(way.said.data, "152:7:0:1 ");
    cor_buf_free(&way.said);
}

static void what_has_no_room_waits_in_order(void **state)
{
    struct way way = {.room = 1};
    struct px_mouth mouth;
    struct px_credit credit = {.send = 100};
    (void)state;
    px_mouth_init(&mouth, take_one, &way);
    px_say_data(&mouth, 1, &credit, COR_VIEW("a"), false);
    px_say_data(&mouth, 1, &credit, COR_VIEW("bb"), false);
    assert_true(px_mouth_is_full(&mouth));
    px_say_end(&mouth, 1, "gone");
    assert_true(mouth.bytes > 0);
    assert_false(px_mouth_go_on(&mouth));
    way.room = 1;
    assert_false(px_mouth_go_on(&mouth));
    assert_string_equal(way.said.data, "152:1:1:0 152:1:2:0 ");
    /* What comes now goes behind what waits. */
    way.room = 10;
    px_say_data(&mouth, 2, &credit, COR_VIEW("ccc"), false);
    assert_true(px_mouth_go_on(&mouth));
    assert_string_equal(way.said.data, "152:1:1:0 152:1:2:0 154:0:0:0 152:2:3:0 ");
    assert_int_equal(mouth.bytes, 0);
    way.room = 0;
    px_say_end(&mouth, 2, NULL);
    px_mouth_clear(&mouth);
    assert_false(px_mouth_is_full(&mouth));
    cor_buf_free(&way.said);
}

static void consumption_is_told_in_parts(void **state)
{
    struct way way = {.room = 100};
    struct px_mouth mouth;
    struct px_credit credit = {.hear = PX_STREAM_WINDOW};
    (void)state;
    px_mouth_init(&mouth, take_one, &way);
    for (int i = 0; i < PX_STREAM_WINDOW / 1024; i++) {
        assert_true(px_credit_heard(&credit, 1024));
        px_say_took(&mouth, 3, &credit, 1024);
    }
    assert_string_equal(way.said.data, "153:0:0:0 153:0:0:0 153:0:0:0 153:0:0:0 ");
    assert_int_equal(credit.hear, PX_STREAM_WINDOW);
    cor_buf_free(&way.said);
}

static void a_long_error_is_cut(void **state)
{
    char text[1000];
    struct way way = {.room = 100};
    struct px_mouth mouth;
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    px_mouth_init(&mouth, take_one, &way);
    px_say_end(&mouth, 1, text);
    px_say_end(&mouth, 1, "not \xff UTF-8");
    assert_string_equal(way.said.data, "154:0:0:0 154:0:0:0 ");
    cor_buf_free(&way.said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(credit_is_kept),
        cmocka_unit_test(data_goes_in_pieces),
        cmocka_unit_test(what_has_no_room_waits_in_order),
        cmocka_unit_test(consumption_is_told_in_parts),
        cmocka_unit_test(a_long_error_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
