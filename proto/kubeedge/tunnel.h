// SPDX-License-Identifier: Apache-2.0
// KubeEdge's stream tunnel (port 10004; github.com/kubeedge/kubeedge pkg/stream): requests to a
// node's API and their answers, as frames of one WebSocket. A frame is two varints, the number of
// the request and its type, and data. Nothing paces it but TCP. Pure. One thread at a time.
#ifndef PX_KUBEEDGE_TUNNEL_H
#define PX_KUBEEDGE_TUNNEL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "proto/proto.h"

#define PX_TUNNEL_PATH "/v1/kubeedge/connect"

/* pkg/stream/constants.go. What begins a request comes from the cloud. */
enum px_tunnel_type {
    PX_TUNNEL_LOGS = 0,    /* GET: of the answer only the body comes back, as DATA */
    PX_TUNNEL_EXEC = 1,    /* bytes both ways; what comes back begins with HTTP's status line */
    PX_TUNNEL_METRICS = 2, /* as LOGS */
    PX_TUNNEL_DATA = 3,
    PX_TUNNEL_REMOVE = 4, /* the request is over */
    PX_TUNNEL_CLOSE = 5,  /* of the cloud: the tunnel is; data says why */
    PX_TUNNEL_ATTACH = 6, /* as EXEC */
};

enum {
    PX_TUNNEL_DATA_MAX = 1 << 20, /* common/constants MaxRespBodyLength; CVE-2022-31079 */
    PX_TUNNEL_FRAME_MAX = PX_TUNNEL_DATA_MAX + 20,
    PX_TUNNEL_HEADERS_MAX = 64,
    PX_TUNNEL_PING_US = 5000000, /* an EdgeCore says that it is there so often */
};

/* A frame; the type may be none of those above. */
struct px_tunnel_frame {
    uint64_t id;
    uint64_t type;
    struct cor_view data;
};

/* Appends it. */
void px_tunnel_write(const struct px_tunnel_frame *frame, struct cor_buf *out);

/* Reads a whole one; data borrows from bytes. COR_INVALID, COR_TOOBIG. */
COR_NODISCARD enum cor_code px_tunnel_read(struct cor_view bytes, struct px_tunnel_frame *frame_r,
                                           struct cor_err *err);

/* A request: target is path and query, as HTTP says them. All borrowed. */
struct px_tunnel_ask {
    struct cor_view method; /* absent: none is said, it is a GET */
    struct cor_view target;
    const struct px_header *headers;
    size_t header_count;
};

/* Appends the frame that begins it. The path's escapes must be sound
 * (px_tunnel_is_sayable). */
void px_tunnel_ask_write(uint64_t id, enum px_tunnel_type type, const struct px_tunnel_ask *ask,
                         struct cor_buf *out);

/* Whether a target can be asked for: its path's escapes are sound, and give UTF-8. */
bool px_tunnel_is_sayable(struct cor_view target);

/* A request that was read. */
struct px_tunnel_asked {
    struct cor_json *tree;
    struct cor_buf target;
    const char *method;                              /* in tree */
    struct px_header headers[PX_TUNNEL_HEADERS_MAX]; /* of tree */
    size_t header_count;
};

/* Reads what begins a request. Headers that HTTP cannot carry and those that are too many are left
 * out. COR_INVALID, with nothing to free. */
COR_NODISCARD enum cor_code px_tunnel_ask_read(const struct px_tunnel_frame *frame,
                                               struct px_tunnel_asked *asked_r,
                                               struct cor_err *err);

/* Frees. For auto_(). */
void px_tunnel_asked_free(struct px_tunnel_asked *asked);

#endif
