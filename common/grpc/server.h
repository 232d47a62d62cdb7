// SPDX-License-Identifier: Apache-2.0
// gRPC server on a Unix socket, for unary calls that are answered at once: what a node agent needs
// to be registered at. A guest of the loop. Everything is bounded: connections (one too many closes
// the oldest), calls of a connection, bytes of a message. Messages are bytes here; who serves
// decodes them. Loop thread only.
#ifndef COR_GRPC_SERVER_H
#define COR_GRPC_SERVER_H

#include <stddef.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

struct cor_grpc_server;

enum { COR_GRPC_PEERS_MAX = 32, COR_GRPC_PEER_CALLS_MAX = 16, COR_GRPC_RESULT_TEXT = 256 };

/* What a call comes to. */
struct cor_grpc_result {
    int status;                      /* grpc-status; 0: message is the answer */
    char text[COR_GRPC_RESULT_TEXT]; /* grpc-message */
    struct cor_buf message;          /* the server frees it */
};

/* Serves one call; message (borrowed) is the request. Must not free the server. */
typedef void (*cor_grpc_serve_fn)(void *self, struct cor_view message,
                                  struct cor_grpc_result *result);

struct cor_grpc_method {
    const char *path; /* "/package.Service/Method" */
    cor_grpc_serve_fn fn;
};

struct cor_grpc_server_conf {
    const char *socket_path;               /* borrowed for cor_grpc_server_open only */
    mode_t mode;                           /* of the socket */
    const struct cor_grpc_method *methods; /* borrowed as long as the server lives */
    size_t method_count;
    size_t message_max; /* of a request */
    void *self;         /* for the methods */
};

/* Listens at conf->socket_path; a socket that is there already is replaced. COR_INVALID: no path of
 * a socket, or too long; COR_IO. Returns owned. */
COR_NODISCARD enum cor_code cor_grpc_server_open(struct cor_loop *loop,
                                                 const struct cor_grpc_server_conf *conf,
                                                 struct cor_grpc_server **server_r,
                                                 struct cor_err *err);

/* Closes all connections and removes the socket. *server becomes NULL. For auto_(). */
void cor_grpc_server_free(struct cor_grpc_server **server);

#endif
