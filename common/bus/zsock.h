// SPDX-License-Identifier: Apache-2.0
// Private to common/bus. A ZeroMQ socket as a guest of the loop: opened with the options that the
// facts of libzmq 4.3.4 ask for, one frame a message, edge-triggered readiness handled here.
#ifndef COR_BUS_ZSOCK_H
#define COR_BUS_ZSOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"

enum { COR_PEER_MAX = 8 };

/* Who a ROUTER's message is from or goes to; len 0 on a DEALER. */
struct cor_peer {
    char id[COR_PEER_MAX];
    size_t len;
};

struct cor_zsock;

struct cor_zsock_spec {
    void *context;    /* zmq context; borrowed */
    const char *path; /* of the unix socket */
    bool binds;       /* ROUTER that binds; else DEALER that connects */
    bool probes;      /* DEALER: sends an empty message on each connection */
    size_t max_bytes; /* of one message */
    int hwm;          /* messages that may wait to be read */
    int send_hwm;     /* messages that may wait to be sent to a peer that is there; 0: any number */
};

struct cor_zsock_ops {
    /* One message; frame is empty for a probe. uid is the peer's, -1 if unknown. */
    void (*message)(void *self, const struct cor_peer *peer, int uid, struct cor_view frame);
    /* A connection has ended; NULL: no interest. */
    void (*lost)(void *self);
    /* The peer broke the frame rule (multipart): the socket was opened anew. */
    void (*dropped)(void *self);
};

/* Opens. COR_IO. Returns owned in *z_r. */
enum cor_code cor_zsock_open(struct cor_loop *loop, const struct cor_zsock_spec *spec,
                             const struct cor_zsock_ops *ops, void *self, struct cor_zsock **z_r,
                             struct cor_err *err);

/* Closes; not from within message(). *z becomes NULL. */
void cor_zsock_close(struct cor_zsock **z);

/* Sends one message (borrows; copies). False when nobody is there or the queue is full. */
bool cor_zsock_send(struct cor_zsock *z, const struct cor_peer *peer, struct cor_view frame);

/* Like cor_zsock_send and takes the bytes of an owned buffer without copying; data is gone after,
 * whatever happens. */
bool cor_zsock_give(struct cor_zsock *z, const struct cor_peer *peer, char *data, size_t len);

#endif
