// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: ways by which a request at port 10003 gets to its node: as a stream of a
// Coracle link (tunnel.h), or in the tunnel of a node that speaks KubeEdge's dialect
// (cloudstream.h). Loop thread only.
#ifndef CLOUDHUB_WAY_H
#define CLOUDHUB_WAY_H

#include "common/base/err.h"
#include "common/base/view.h"
#include "proto/proto.h"

struct session;

/* What who asks is told. After end the request is gone. */
struct way_ops {
    void (*head)(void *self, const struct px_stream_head *head);
    void (*data)(void *self, struct cor_view bytes, bool last);
    void (*room)(void *self);                   /* the node takes more */
    void (*end)(void *self, const char *error); /* NULL: it is complete */
};

/* What who asks may say; lane is the request. */
struct way {
    /* Asks (open->id and credit are filled in; borrows). COR_UNSUPPORTED: the node cannot;
     * COR_BUSY: too many; COR_INVALID. Returns borrowed: valid until close or ops->end. */
    enum cor_code (*open)(struct session *session, struct px_stream_open *open,
                          const struct way_ops *ops, void *self, void **lane_r,
                          struct cor_err *err);
    /* Gives up; ops are told nothing more. */
    void (*close)(void *lane, const char *why);
    /* Bytes that the node takes now. */
    size_t (*room)(const void *lane);
    /* Bytes for the node (borrows), at most room. */
    void (*send)(void *lane, struct cor_view bytes, bool last);
    /* Bytes that came were consumed: the node may send as many again. */
    void (*took)(void *lane, size_t bytes);
};

#endif
