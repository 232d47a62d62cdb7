// SPDX-License-Identifier: Apache-2.0
#include "proto/link/lane.h"

#include "common/base/attr.h"
#include "common/pack/pack.h"

/* A piece is what a link of 2 KB/s takes in a second; one that takes FAST at once is given a whole
 * STREAM_DATA. */
enum { PACK_MIN = 1024, PART = 2048, PART_HEADER = 32, FAST = 32768, MOST = 20480 };

enum px_lane px_lane_of(uint64_t number)
{
    static const struct {
        uint64_t number;
        enum px_lane lane;
    } ROWS[] = {
        {PX_upload, PX_LANE_BULK},         {COR_WIRE_OPEN, PX_LANE_BULK},
        {PX_stream_data, PX_LANE_BULK},    {PX_stream_end, PX_LANE_BULK},
        {PX_object, PX_LANE_STATE},        {PX_membership, PX_LANE_STATE},
        {PX_subscriptions, PX_LANE_STATE}, {PX_object_stored, PX_LANE_CONTROL},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ROWS[i].number == number) {
            return ROWS[i].lane;
        }
    }
    const struct cor_message *message = px_frame_message(number);
    return message != NULL && message->class_ == COR_CONTROL ? PX_LANE_CONTROL : PX_LANE_CALL;
}

bool px_lane_packs(const struct cor_wire_header *head, size_t bytes)
{
    return bytes >= PACK_MIN && head->number != PX_upload && head->number != PX_stream_data;
}

size_t px_lane_most(size_t at_once)
{
    return at_once >= FAST ? MOST : at_once >= FAST / 2 ? PART * 4 : PART;
}

static void say_parts(struct cor_view frame, enum px_lane lane, const struct px_lane_way *way)
{
    const struct cor_wire_header head = {.number = PX_link_part};
    const size_t most = (way->most < PART * 4 ? way->most : PART * 4) - PART_HEADER;
    auto_(cor_buf_free) struct cor_buf message = {0};
    while (frame.len > 0) {
        size_t len = frame.len < most ? frame.len : most;
        struct px_link_part part = {
            .lane = (uint64_t)lane, .more = len < frame.len, .data = {frame.ptr, len}};
        cor_buf_clear(&message);
        px_frame_write(&head, &part, (struct cor_view){0}, &message);
        way->fn(way->self, cor_buf_as_view(&message), lane);
        frame = (struct cor_view){frame.ptr + len, frame.len - len};
    }
}

static bool pack(struct cor_view frame, struct cor_buf *out)
{
    const struct cor_wire_header head = {.number = PX_link_packed};
    auto_(cor_buf_free) struct cor_buf packed = {0};
    if (!cor_pack(frame, &packed)) {
        return false;
    }
    struct px_link_packed body = {.size = frame.len, .data = cor_buf_as_view(&packed)};
    px_frame_write(&head, &body, (struct cor_view){0}, out);
    return true;
}

void px_lane_say(const struct cor_wire_header *head, struct cor_view frame,
                 const struct px_lane_way *way)
{
    auto_(cor_buf_free) struct cor_buf packed = {0};
    bool lanes = way->minor >= PX_LINK_MINOR_LANES;
    enum px_lane lane = lanes ? px_lane_of(head->number) : PX_LANE_CONTROL;
    if (lanes && px_lane_packs(head, frame.len) && pack(frame, &packed)) {
        frame = cor_buf_as_view(&packed);
    }
    if (lanes && frame.len > way->most) {
        say_parts(frame, lane, way);
    } else {
        way->fn(way->self, frame, lane);
    }
}

void px_lanes_free(struct px_lanes *lanes)
{
    for (size_t i = 0; i < PX_LANES; i++) {
        cor_buf_free(&lanes->parts[i]);
    }
}

size_t px_lanes_waiting(const struct px_lanes *lanes)
{
    size_t sum = 0;
    for (size_t i = 0; i < PX_LANES; i++) {
        sum += lanes->parts[i].len;
    }
    return sum;
}

static enum cor_code add_part(struct px_lanes *lanes, const struct px_frame *frame,
                              struct cor_buf *keep, bool *whole_r, struct cor_err *err)
{
    struct px_link_part part;
    enum cor_code code = px_frame_body(frame, NULL, &part, err);
    if (code != COR_OK) {
        return code;
    }
    if (part.lane >= PX_LANES) {
        return cor_err_set(err, COR_INVALID, "no lane has this number");
    }
    struct cor_buf *parts = &lanes->parts[part.lane];
    if (parts->len + part.data.len > PX_LINK_MAX) {
        return cor_err_set(err, COR_TOOBIG, "frame of more than %d bytes", PX_LINK_MAX);
    }
    cor_buf_view(parts, part.data);
    *whole_r = !part.more;
    if (*whole_r) {
        cor_buf_free(keep);
        *keep = *parts;
        *parts = (struct cor_buf){0};
    }
    return COR_OK;
}

static enum cor_code unpack(const struct px_frame *frame, struct cor_buf *keep, struct cor_err *err)
{
    struct px_link_packed packed;
    struct cor_buf plain = {0};
    enum cor_code code = px_frame_body(frame, NULL, &packed, err);
    if (code == COR_OK && packed.size > PX_LINK_MAX) {
        return cor_err_set(err, COR_TOOBIG, "frame of more than %d bytes", PX_LINK_MAX);
    }
    if (code == COR_OK) {
        code = cor_unpack(packed.data, packed.size, &plain, err);
    }
    cor_buf_free(keep); /* packed.data may lie in it */
    *keep = plain;
    return code;
}

/* A piece, then what is compressed: each once, in this order. */
enum cor_code px_lanes_hear(struct px_lanes *lanes, struct cor_view bytes, struct cor_buf *keep,
                            struct px_frame *frame_r, bool *whole_r, struct cor_err *err)
{
    *whole_r = true;
    enum cor_code code = px_frame_read(bytes, frame_r, err);
    if (code == COR_OK && frame_r->head.number == PX_link_part) {
        code = add_part(lanes, frame_r, keep, whole_r, err);
        if (code == COR_OK && *whole_r) {
            code = px_frame_read(cor_buf_as_view(keep), frame_r, err);
        }
    }
    if (code == COR_OK && *whole_r && frame_r->head.number == PX_link_packed) {
        code = unpack(frame_r, keep, err);
        if (code == COR_OK) {
            code = px_frame_read(cor_buf_as_view(keep), frame_r, err);
        }
    }
    bool nested = code == COR_OK && *whole_r &&
                  (frame_r->head.number == PX_link_part || frame_r->head.number == PX_link_packed);
    return nested ? cor_err_set(err, COR_INVALID, "a piece of a piece") : code;
}
