// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/pack/pack.h"
#include "proto/link/lane.h"

/* Messages said; each is heard at once. */
struct wire {
    struct px_lanes lanes;
    struct cor_buf keep;
    size_t messages, longest;
    enum px_lane lane;
    struct cor_buf heard; /* the last whole frame */
    size_t frames;
};

static void say(void *self, struct cor_view message, enum px_lane lane)
{
    struct wire *wire = self;
    struct px_frame frame;
    bool whole = false;
    wire->messages++;
    wire->longest = message.len > wire->longest ? message.len : wire->longest;
    wire->lane = lane;
    assert_int_equal(px_lanes_hear(&wire->lanes, message, &wire->keep, &frame, &whole, NULL),
                     COR_OK);
    if (whole) {
        wire->frames++;
        cor_buf_clear(&wire->heard);
        cor_buf_view(&wire->heard, frame.whole);
    }
}

static void wire_free(struct wire *wire)
{
    px_lanes_free(&wire->lanes);
    cor_buf_free(&wire->keep);
    cor_buf_free(&wire->heard);
}

static void fill(char *text, size_t len, bool dense)
{
    srand(3);
    for (size_t i = 0; i < len; i++) {
        text[i] = (char)(dense ? rand() : 'a' + (int)(i % 20));
    }
}

static void make(struct cor_buf *out, uint64_t number, size_t size, bool dense)
{
    auto_(cor_freep) char *text = cor_alloc(size + 1);
    fill(text, size, dense);
    struct cor_wire_header head = {.number = number, .id = 7, .stream = 13, .seq = 1};
    struct px_object object = {.key = COR_VIEW("a/configmap/b"), .body = {text, size}};
    struct px_upload upload = {.topic = COR_VIEW("a/user/b"), .payload = {text, size}};
    px_frame_write(&head, number == PX_object ? (const void *)&object : &upload,
                   (struct cor_view){0}, out);
}

static void frames_arrive_as_they_were(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        size_t size;
        bool dense;
        uint64_t minor;
        size_t least, most; /* messages */
        enum px_lane lane;
        size_t at_once; /* 0: little */
    } rows[] = {
        {PX_object, 100, false, 2, 1, 1, PX_LANE_STATE, 0},
        {PX_object, 1900, true, 2, 1, 1, PX_LANE_STATE, 0},
        {PX_object, 4000, true, 2, 2, 2, PX_LANE_STATE, 0},
        {PX_object, 1000000, false, 2, 1, 3, PX_LANE_STATE, 0}, /* packed */
        {PX_object, 5000000, true, 2, 2400, 2600, PX_LANE_STATE, 0},
        {PX_upload, 100000, false, 2, 49, 51, PX_LANE_BULK, 0},
        {PX_object, 1000000, false, 1, 1, 1, PX_LANE_CONTROL, 0}, /* who does not know it */
        {PX_upload, 100000, false, 0, 1, 1, PX_LANE_CONTROL, 0},
        {PX_upload, 100000, false, 2, 13, 13, PX_LANE_BULK, 16384}, /* a fast link */
        {PX_upload, 100000, false, 2, 13, 13, PX_LANE_BULK, 65536},
        {PX_upload, 20000, false, 2, 1, 1, PX_LANE_BULK, 65536},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf frame = {0};
        auto_(wire_free) struct wire wire = {0};
        struct cor_wire_header head = {.number = rows[i].number};
        make(&frame, rows[i].number, rows[i].size, rows[i].dense);
        struct px_lane_way way = {rows[i].minor, px_lane_most(rows[i].at_once), say, &wire};
        px_lane_say(&head, cor_buf_as_view(&frame), &way);
        assert_int_equal(wire.frames, 1);
        assert_in_range(wire.messages, rows[i].least, rows[i].most);
        assert_int_equal(wire.lane, rows[i].lane);
        assert_true(rows[i].minor < 2 || wire.longest <= way.most);
        assert_true(rows[i].at_once > 0 || way.most == 2048);
        assert_int_equal(px_lane_most(16383), 2048); /* a slow link */
        assert_true(cor_view_eq(cor_buf_as_view(&wire.heard), cor_buf_as_view(&frame)));
        assert_int_equal(px_lanes_waiting(&wire.lanes), 0);
    }
}

static void lanes_are_of_the_urgent_first(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        enum px_lane lane;
    } rows[] = {
        {PX_link_hello, PX_LANE_CONTROL},   {PX_link_heartbeat, PX_LANE_CONTROL},
        {COR_WIRE_CREDIT, PX_LANE_CONTROL}, {COR_WIRE_ACK, PX_LANE_CONTROL},
        {COR_WIRE_REOPEN, PX_LANE_CONTROL}, {PX_object_stored, PX_LANE_CONTROL},
        {PX_api_call, PX_LANE_CALL},        {PX_api_reply, PX_LANE_CALL},
        {PX_publish, PX_LANE_CALL},         {PX_done, PX_LANE_CALL},
        {PX_compare, PX_LANE_CALL},         {PX_held, PX_LANE_CALL},
        {PX_device_report, PX_LANE_CALL},   {PX_object, PX_LANE_STATE},
        {PX_membership, PX_LANE_STATE},     {PX_subscriptions, PX_LANE_STATE},
        {COR_WIRE_OPEN, PX_LANE_BULK},      {PX_upload, PX_LANE_BULK},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(px_lane_of(rows[i].number), rows[i].lane);
    }
}

static enum cor_code hear(struct wire *wire, const struct px_link_part *part, bool *whole_r)
{
    auto_(cor_buf_free) struct cor_buf message = {0};
    struct cor_wire_header head = {.number = PX_link_part};
    struct px_frame frame;
    px_frame_write(&head, part, (struct cor_view){0}, &message);
    return px_lanes_hear(&wire->lanes, cor_buf_as_view(&message), &wire->keep, &frame, whole_r,
                         NULL);
}

/* A lane that is not there; pieces of nonsense, or of a piece; more than a frame may have. */
static void bad_pieces(void **state)
{
    (void)state;
    static char bytes[16000];
    bool whole = false;
    auto_(wire_free) struct wire wire = {0};
    auto_(cor_buf_free) struct cor_buf inner = {0};
    struct px_link_part part = {.lane = 4, .data = COR_VIEW("x")};
    assert_int_equal(hear(&wire, &part, &whole), COR_INVALID);
    part = (struct px_link_part){.lane = 1, .data = COR_VIEW("\xff\xff")};
    assert_int_not_equal(hear(&wire, &part, &whole), COR_OK);
    struct cor_wire_header head = {.number = PX_link_part};
    px_frame_write(&head, &part, (struct cor_view){0}, &inner);
    part = (struct px_link_part){.lane = 1, .data = cor_buf_as_view(&inner)};
    assert_int_equal(hear(&wire, &part, &whole), COR_INVALID);
    part = (struct px_link_part){.lane = 2, .more = true, .data = {bytes, sizeof(bytes)}};
    for (size_t sum = 0; sum + sizeof(bytes) <= PX_LINK_MAX; sum += sizeof(bytes)) {
        assert_int_equal(hear(&wire, &part, &whole), COR_OK);
        assert_false(whole);
    }
    assert_int_equal(hear(&wire, &part, &whole), COR_TOOBIG);
}

static enum cor_code hear_packed(struct cor_view data, uint64_t size)
{
    auto_(wire_free) struct wire wire = {0};
    auto_(cor_buf_free) struct cor_buf message = {0};
    struct cor_wire_header head = {.number = PX_link_packed};
    struct px_link_packed packed = {.size = size, .data = data};
    struct px_frame out;
    bool whole = false;
    px_frame_write(&head, &packed, (struct cor_view){0}, &message);
    return px_lanes_hear(&wire.lanes, cor_buf_as_view(&message), &wire.keep, &out, &whole, NULL);
}

/* Says that it is smaller or larger than it is. */
static void bad_packs(void **state)
{
    enum { SIZE = 100000 };
    static const struct {
        uint64_t size;
        enum cor_code code;
    } rows[] = {
        {0, COR_INVALID},           {SIZE - 1, COR_INVALID},       {SIZE + 1, COR_INVALID},
        {PX_LINK_MAX, COR_INVALID}, {PX_LINK_MAX + 1, COR_TOOBIG}, {UINT64_MAX, COR_TOOBIG}};
    (void)state;
    auto_(cor_freep) char *zeros = cor_alloc(SIZE);
    auto_(cor_buf_free) struct cor_buf packed = {0};
    assert_true(cor_pack((struct cor_view){zeros, SIZE}, &packed));
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(hear_packed(cor_buf_as_view(&packed), rows[i].size), rows[i].code);
        assert_int_not_equal(hear_packed(COR_VIEW("x\x9cjunk"), rows[i].size), COR_OK);
    }
}

/* A message that grows to more than a frame may have is not unpacked, though it says so. */
static void a_bomb_is_refused(void **state)
{
    (void)state;
    size_t size = PX_LINK_MAX + 1;
    auto_(cor_freep) char *zeros = cor_alloc(size);
    auto_(cor_buf_free) struct cor_buf packed = {0};
    assert_true(cor_pack((struct cor_view){zeros, size}, &packed));
    assert_int_equal(hear_packed(cor_buf_as_view(&packed), size), COR_TOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_as_they_were),
        cmocka_unit_test(lanes_are_of_the_urgent_first),
        cmocka_unit_test(bad_pieces),
        cmocka_unit_test(bad_packs),
        cmocka_unit_test(a_bomb_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
