// SPDX-License-Identifier: Apache-2.0
// Every request goes down as KubeEdge's EXEC (or ATTACH), a log too, which CloudCore asks for with
// LOGS: of EXEC the whole answer of HTTP comes back, so that who asks sees its status and type. Of
// LOGS and METRICS an EdgeCore passes on the body alone, and of METRICS no line over 64 KiB.
#include <string.h>
#include <strings.h>

#include "cloudstream.h"
#include "common/base/mem.h"
#include "proto/kubeedge/tunnel.h"

enum { HEADERS_MAX = PX_TUNNEL_HEADERS_MAX };

static bool is_hop(struct cor_view name)
{
    static const char *const NAMES[] = {"Connection", "Keep-Alive", "Proxy-Connection", "TE",
                                        "Trailer"};
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        if (name.len == strlen(NAMES[i]) && strncasecmp(name.ptr, NAMES[i], name.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool wants_upgrade(const struct px_stream_open *open)
{
    const struct px_header *said = open->headers.items;
    for (size_t i = 0; i < open->headers.count; i++) {
        if (said[i].name.len == 7 && strncasecmp(said[i].name.ptr, "Upgrade", 7) == 0) {
            return true;
        }
    }
    return false;
}

void cloudstream_write_ask(uint64_t id, const struct px_stream_open *open, struct cor_buf *out)
{
    struct px_header headers[HEADERS_MAX] = {
        {COR_VIEW("Connection"), wants_upgrade(open) ? COR_VIEW("Upgrade") : COR_VIEW("close")}};
    const struct px_header *said = open->headers.items;
    struct px_tunnel_ask ask = {
        .method = open->method, .target = open->target, .headers = headers, .header_count = 1};
    for (size_t i = 0; i < open->headers.count && ask.header_count < HEADERS_MAX; i++) {
        if (!is_hop(said[i].name)) {
            headers[ask.header_count++] = said[i];
        }
    }
    bool attach = cor_view_starts(open->target, "/attach/");
    px_tunnel_ask_write(id, attach ? PX_TUNNEL_ATTACH : PX_TUNNEL_EXEC, &ask, out);
}
