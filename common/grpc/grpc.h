// SPDX-License-Identifier: Apache-2.0
// gRPC client on a Unix socket, or by TCP without TLS; the door to nghttp2. One kept HTTP/2
// connection, any number of calls on it, a guest of the loop. Connects by itself and again after a
// loss, with back-off. Messages are bytes here; who calls encodes them. Loop thread only. Callbacks
// may start and cancel calls, but must not free the channel.
#ifndef COR_GRPC_GRPC_H
#define COR_GRPC_GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/handle.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

struct cor_grpc;

/* Default bound of one message: the one that kubelet gives its CRI client (16 MiB). */
enum { COR_GRPC_MESSAGE_MAX = 16 * 1024 * 1024, COR_GRPC_CALLS_MAX = 1024 };

struct cor_grpc_conf {
    const char *socket_path; /* or "HOST:PORT", numeric; borrowed for cor_grpc_new only */
    const char *user_agent;  /* NULL: coracle's; borrowed likewise */
    size_t message_max;      /* 0: COR_GRPC_MESSAGE_MAX */
    int64_t retry_min_us;    /* first wait after a loss; doubles up to retry_max_us. 0: 20 ms */
    int64_t retry_max_us;    /* 0: 1 s */
};

/* The connection came up (the server spoke) or went down. */
typedef void (*cor_grpc_state_fn)(void *self, bool up);

/* How a call ended. Valid during the callback. */
struct cor_grpc_reply {
    enum cor_code code;      /* COR_OK; the class of status; COR_TIMEOUT; COR_GONE: connection lost;
                              * COR_TOOBIG, COR_INVALID: the server's answer breaks a rule */
    int status;              /* grpc-status, or -1 when none arrived */
    const char *text;        /* grpc-message decoded, or our words; "" when all is well */
    struct cor_view message; /* the answer of a unary call when code is COR_OK */
};

typedef void (*cor_grpc_done_fn)(void *self, const struct cor_grpc_reply *reply);
typedef void (*cor_grpc_message_fn)(void *self, struct cor_view message);

struct cor_grpc_request {
    const char *path;               /* "/package.Service/Method"; borrowed during the call */
    struct cor_view message;        /* encoded request; borrowed during the call */
    int64_t timeout_us;             /* > 0; 0: none (streams) */
    const char *header;             /* name of one more header; NULL: none. Borrowed, and its */
    const char *value;              /* value, until the call has ended */
    cor_grpc_message_fn message_fn; /* given: server stream; called for each message */
    cor_grpc_done_fn done_fn;       /* called exactly once, unless cancelled */
    void *self;
};

/* Channel to the server at conf->socket_path; starts connecting. state_fn may be NULL. Returns
 * owned. */
struct cor_grpc *cor_grpc_new(struct cor_loop *loop, const struct cor_grpc_conf *conf,
                              cor_grpc_state_fn state_fn, void *self);

/* Closes; calls under way end without callback. *grpc becomes NULL. For auto_(). */
void cor_grpc_free(struct cor_grpc **grpc);

/* Whether the connection is up. */
bool cor_grpc_is_up(const struct cor_grpc *grpc);

/* Starts a call; while the connection is down it waits for it, within its timeout. Returns a
 * handle, or 0 when COR_GRPC_CALLS_MAX calls are under way: then nothing was started. */
cor_handle cor_grpc_call(struct cor_grpc *grpc, const struct cor_grpc_request *request);

/* Ends the call without callback. Harmless when it has ended. */
void cor_grpc_cancel(struct cor_grpc *grpc, cor_handle call);

#endif
