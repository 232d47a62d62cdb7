// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/show.h"

#include "proto/kubeedge/id.h"
#include "proto/proto.h"

/* What a watcher gets of a content. */
enum { CONTENT_MAX = 4096 };

static void show(struct cor_bus *bus, const struct px_kubeedge_way *way, const char *id,
                 struct px_link_frame *frame)
{
    struct cor_foreign foreign = {.wire = "link",
                                  .from = way->from,
                                  .to = way->to,
                                  .sent = way->sent,
                                  .number = PX_link_frame,
                                  .id = cor_bus_next_id(bus),
                                  .body = frame};
    (void)px_kubeedge_id_from_uuid(cor_view_of(id), &foreign.cause);
    if (frame->content.len > CONTENT_MAX) {
        frame->content.len = CONTENT_MAX;
    }
    cor_bus_show(bus, &foreign);
}

void px_kubeedge_show_out(struct cor_bus *bus, const struct px_kubeedge_way *way,
                          const struct px_kubeedge_out *out)
{
    if (cor_bus_watched(bus)) {
        struct px_link_frame frame = {.resource = cor_view_of(out->resource),
                                      .operation = cor_view_of(out->operation),
                                      .source = cor_view_of(out->source),
                                      .bytes = out->content.len,
                                      .content = out->content};
        show(bus, way, out->id, &frame);
    }
}

void px_kubeedge_show_in(struct cor_bus *bus, const struct px_kubeedge_way *way,
                         const struct px_kubeedge_in *in, size_t bytes)
{
    if (cor_bus_watched(bus)) {
        auto_(cor_buf_free) struct cor_buf content = {0};
        px_kubeedge_bytes(in->content, &content);
        struct px_link_frame frame = {.resource = cor_view_of(in->resource),
                                      .operation = cor_view_of(in->operation),
                                      .source = cor_view_of(in->source),
                                      .bytes = bytes,
                                      .content = cor_buf_as_view(&content)};
        show(bus, way, in->id, &frame);
    }
}
