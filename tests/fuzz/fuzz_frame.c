// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame: header, then the body of whatever message it names.
#include <stdint.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/bus/wire.h"
#include "proto/proto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_wire_header header;
    struct cor_view body;
    struct cor_err err;
    struct cor_view frame = {(const char *)data, size};
    if (cor_frame_read(frame, &header, &body, &err) != COR_OK) {
        return 0;
    }
    const struct cor_message *m =
        cor_message_find(header.number <= COR_WIRE_LAST ? cor_wire_messages() : px_messages(),
                         (uint16_t)header.number);
    if (m == NULL) {
        return 0;
    }
    struct cor_arena *arena = cor_arena_new(1 << 20);
    void *object = cor_alloc(m->body->size);
    if (cor_decode(m->body, body, arena, object, &err) == COR_OK) {
        struct cor_buf again = {0};
        struct cor_buf text = {0};
        cor_encode(m->body, object, &again);
        cor_print(m->body, object, 64, &text);
        cor_buf_free(&again);
        cor_buf_free(&text);
    }
    cor_free(object);
    cor_arena_free(&arena);
    return 0;
}
