// SPDX-License-Identifier: Apache-2.0
// Inside of common/grpc: what the connection (grpc.c) and the calls (call.c) know of each other.
#ifndef COR_GRPC_CHANNEL_H
#define COR_GRPC_CHANNEL_H

#include <nghttp2/nghttp2.h>

#include "common/base/buf.h"
#include "common/grpc/grpc.h"

struct cor_grpc {
    struct cor_loop *loop;
    char *socket_path;
    char *user_agent;
    size_t message_max;
    int64_t retry_min_us;
    int64_t retry_max_us;
    int64_t retry_us;
    cor_grpc_state_fn state_fn;
    void *self;
    int fd;                   /* -1 while not connected */
    bool up;                  /* the server's SETTINGS came */
    bool broken;              /* to be closed at the end of this round */
    nghttp2_session *session; /* NULL while not connected */
    struct cor_buf out;       /* bytes that the socket has not taken */
    struct cor_io *io;
    struct cor_timer *retry;
    struct cor_hook *hook;
    struct cor_pool *calls;
};

/* One call under way. */
struct cor_grpc_call_state {
    struct cor_grpc *grpc;
    cor_handle handle;
    int32_t stream; /* 0: not submitted */
    char *path;
    struct cor_buf request; /* framed */
    size_t sent;
    struct cor_buf reply; /* framed bytes not consumed */
    int64_t timeout_us;
    struct cor_timer *timer;
    int http_status;
    int64_t status;     /* grpc-status; -1 none */
    char text[512];     /* grpc-message */
    const char *header; /* borrowed, as the value */
    const char *value;
    cor_grpc_message_fn message_fn;
    cor_grpc_done_fn done_fn;
    void *self;
};

/* Fills the callbacks by which the session talks to its calls. */
void cor_grpc_call_callbacks(nghttp2_session_callbacks *callbacks);

/* Opens the call's stream on the session. False when the session takes no more streams. */
bool cor_grpc_call_submit(struct cor_grpc_call_state *call);

/* Ends the call: unregisters it, calls done_fn, frees it. text may be NULL. */
void cor_grpc_call_end(struct cor_grpc_call_state *call, enum cor_code code, const char *text);

/* Unregisters and frees without callback. */
void cor_grpc_call_drop(struct cor_grpc_call_state *call);

#endif
