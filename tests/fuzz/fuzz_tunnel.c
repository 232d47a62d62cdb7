// SPDX-License-Identifier: Apache-2.0
// Any bytes as a frame of KubeEdge's tunnel: its numbers, then the request that it may begin. What
// was read is said again, and then reads as the same.
#include <stdint.h>
#include <string.h>

#include "common/base/must.h"
#include "proto/kubeedge/tunnel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void say_again(const struct px_tunnel_frame *frame, const struct px_tunnel_asked *asked)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    auto_(px_tunnel_asked_free) struct px_tunnel_asked again = {0};
    struct px_tunnel_frame back;
    struct px_tunnel_ask ask = {.method = cor_view_of(asked->method),
                                .target = cor_buf_as_view(&asked->target),
                                .headers = asked->headers,
                                .header_count = asked->header_count};
    must(px_tunnel_is_sayable(ask.target));
    px_tunnel_ask_write(1, PX_TUNNEL_EXEC, &ask, &out);
    if (px_tunnel_read(cor_buf_as_view(&out), &back, NULL) != COR_OK) {
        return; /* escaped, it is too long */
    }
    must(back.id == 1 && frame->type <= PX_TUNNEL_ATTACH);
    must(px_tunnel_ask_read(&back, &again, NULL) == COR_OK);
    must(cor_view_eq(cor_buf_as_view(&again.target), ask.target));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_tunnel_frame frame;
    auto_(px_tunnel_asked_free) struct px_tunnel_asked asked = {0};
    struct cor_view bytes = {(const char *)data, size};
    if (px_tunnel_read(bytes, &frame, NULL) == COR_OK && frame.type <= PX_TUNNEL_ATTACH &&
        px_tunnel_ask_read(&frame, &asked, NULL) == COR_OK) {
        say_again(&frame, &asked);
    }
    return 0;
}
