// SPDX-License-Identifier: Apache-2.0
#include "proto/link/frame.h"

#include "common/base/must.h"

const struct cor_message *px_frame_message(uint64_t number)
{
    return number > UINT16_MAX
               ? NULL
               : cor_message_find(number <= COR_WIRE_LAST ? cor_wire_messages() : px_messages(),
                                  (uint16_t)number);
}

enum cor_code px_frame_read(struct cor_view bytes, struct px_frame *frame_r, struct cor_err *err)
{
    *frame_r = (struct px_frame){.whole = bytes};
    if (bytes.len > PX_LINK_MAX) {
        return cor_err_set(err, COR_TOOBIG, "frame of %zu bytes", bytes.len);
    }
    enum cor_code code = cor_frame_read(bytes, &frame_r->head, &frame_r->raw, err);
    if (code != COR_OK) {
        return code;
    }
    frame_r->message = px_frame_message(frame_r->head.number);
    if (frame_r->message != NULL && frame_r->message->class_ == COR_EVENT &&
        bytes.len > PX_LINK_EVENT_MAX) {
        return cor_err_set(err, COR_TOOBIG, "event of %zu bytes", bytes.len);
    }
    return COR_OK;
}

enum cor_code px_frame_body(const struct px_frame *frame, struct cor_arena *arena, void *body_r,
                            struct cor_err *err)
{
    return cor_decode(frame->message->body, frame->raw, arena, body_r, err);
}

bool px_frame_is_counted(const struct cor_message *message)
{
    return message == NULL || (message->class_ != COR_CONTROL && message->class_ != COR_REPLY);
}

void px_frame_write(const struct cor_wire_header *head, const void *body, struct cor_view raw,
                    struct cor_buf *out)
{
    const struct cor_message *message = px_frame_message(head->number);
    must(message != NULL);
    if (body != NULL) {
        cor_frame_write(head, message->body, body, out);
        return;
    }
    cor_encode(&cor_wire_header_table, head, out);
    cor_buf_view(out, raw);
}

uint64_t px_frame_stream(enum px_frame_port port, uint64_t stream)
{
    return stream << PX_FRAME_PORT_BITS | (uint64_t)port;
}

uint64_t px_frame_stream_of(enum px_frame_port port, uint64_t link_stream)
{
    uint64_t mask = (UINT64_C(1) << PX_FRAME_PORT_BITS) - 1;
    return (link_stream & mask) == (uint64_t)port ? link_stream >> PX_FRAME_PORT_BITS : 0;
}

void px_frame_show(struct cor_bus *bus, const char *from, const char *to, bool sent,
                   struct cor_view frame)
{
    if (cor_bus_watched(bus)) {
        struct cor_foreign foreign = {
            .wire = "link", .from = from, .to = to, .sent = sent, .frame = frame};
        cor_bus_show(bus, &foreign);
    }
}
