// SPDX-License-Identifier: Apache-2.0
// Inside of common/grpc: what the server's connections (server.c) and calls (serve.c) know of each
// other.
#ifndef COR_GRPC_SERVE_H
#define COR_GRPC_SERVE_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

#include "common/base/list.h"
#include "common/grpc/server.h"

enum { COR_GRPC_PATH_SIZE = 128, COR_GRPC_STATUS_SIZE = 12 };

struct cor_grpc_server {
    struct cor_loop *loop;
    int fd;
    char *path;
    const struct cor_grpc_method *methods;
    size_t method_count;
    size_t message_max;
    void *self;
    struct cor_io *accept;
    struct cor_hook *hook;
    struct cor_link peers; /* the oldest first */
    size_t peer_count;
};

struct cor_grpc_peer {
    struct cor_link link;
    struct cor_grpc_server *server;
    int fd;
    bool broken; /* to be closed at the end of this round */
    nghttp2_session *session;
    struct cor_buf out; /* bytes that the socket has not taken */
    struct cor_io *io;
    struct cor_link calls; /* struct cor_grpc_served */
};

/* A call that is being read or answered. */
struct cor_grpc_served {
    struct cor_link link;
    struct cor_grpc_peer *peer;
    char path[COR_GRPC_PATH_SIZE];
    bool bad;            /* path or message too long */
    struct cor_buf in;   /* framed */
    struct cor_buf out;  /* framed */
    struct cor_buf text; /* grpc-message, encoded */
    size_t sent;
    char status[COR_GRPC_STATUS_SIZE];
};

/* Opens the peer's session. */
void cor_grpc_serve_session(struct cor_grpc_peer *peer);

/* Unlinks and frees. */
void cor_grpc_served_free(struct cor_grpc_served *call);

#endif
