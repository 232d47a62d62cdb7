// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of the cloud link, read in both roles.
#include <stdint.h>

#include "proto/kubeedge/calls.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void in_the_cloud(const struct px_kubeedge_in *in)
{
    auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
    auto_(cor_buf_free) struct cor_buf content = {0};
    struct px_kubeedge_answer answer = {404, COR_VIEW("{}")};
    bool is_ok = false;
    bool is_error = false;
    uint64_t id = 0;
    (void)px_kubeedge_up(in);
    (void)px_kubeedge_asked(in, &call);
    (void)px_kubeedge_id_from_uuid(cor_view_of(in->id), &id);
    px_kubeedge_answer(in->operation, in->resource, &answer, &content, &is_ok, &is_error);
}

static void at_the_edge(const struct px_kubeedge_in *in)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    auto_(cor_buf_free) struct cor_buf trimmed = {0};
    (void)px_kubeedge_down(in);
    (void)px_kubeedge_must_ack(in);
    (void)px_kubeedge_answered(cor_view_of(in->resource), in->content, &body);
    px_kubeedge_trim(in->resource, &trimmed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    auto_(cor_buf_free) struct cor_buf again = {0};
    if (px_kubeedge_read((struct cor_view){(const char *)data, size}, &in, NULL) != COR_OK) {
        return 0;
    }
    struct px_kubeedge_out out = {.id = in.id,
                                  .parent = in.parent,
                                  .timestamp = in.timestamp,
                                  .version = in.version,
                                  .source = in.source,
                                  .group = in.group,
                                  .operation = in.operation,
                                  .resource = in.resource};
    in_the_cloud(&in);
    at_the_edge(&in);
    px_kubeedge_write(&out, &again);
    return 0;
}
