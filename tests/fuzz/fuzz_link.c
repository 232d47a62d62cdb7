// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of the link: what both hubs do with it before they look at who sent it.
#include <stdint.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "proto/link/end.h"
#include "proto/link/frame.h"
#include "proto/link/lane.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct px_frame *frame, struct px_end *end)
{
    struct cor_arena *arena = cor_arena_new(1 << 20);
    void *body = cor_alloc(frame->message->body->size);
    struct cor_err err = COR_ERR_NONE;
    uint64_t limit = 0;
    if (px_frame_body(frame, arena, body, &err) == COR_OK) {
        if (frame->head.number == PX_link_hello) {
            (void)px_end_hello(end, body, &err);
        } else if (frame->head.number == COR_WIRE_CREDIT) {
            px_end_credit(end, ((const struct cor_wire_credit *)body)->limit);
        }
    }
    while (px_end_room(end) > 0 && end->sent < 4096) {
        px_end_sent(end);
    }
    (void)px_end_took(end, &limit);
    cor_free(body);
    cor_arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_end end;
    struct px_link_hello hello;
    struct px_frame frame;
    struct cor_err err = COR_ERR_NONE;
    struct px_lanes lanes = {0};
    struct cor_buf keep = {0};
    bool whole = false;
    px_end_begin(&end, &hello);
    if (px_lanes_hear(&lanes, (struct cor_view){(const char *)data, size}, &keep, &frame, &whole,
                      &err) != COR_OK) {
        px_lanes_free(&lanes);
        cor_buf_free(&keep);
        return 0;
    }
    struct cor_buf again = {0};
    if (whole && frame.message != NULL) {
        px_frame_write(&frame.head, NULL, frame.raw, &again);
        decode(&frame, &end);
    }
    px_lanes_free(&lanes);
    cor_buf_free(&keep);
    cor_buf_free(&again);
    return 0;
}
