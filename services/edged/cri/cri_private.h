// SPDX-License-Identifier: Apache-2.0
// Private to cri.c and cri_stream.c.
#ifndef EDGED_CRI_PRIVATE_H
#define EDGED_CRI_PRIVATE_H

#include <protobuf-c/protobuf-c.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/grpc/grpc.h"
#include "cri.h"

struct cri {
    struct cor_grpc *grpc;
    const struct cri_events *events;
    void *self;
    bool up;
    bool closing;
    struct cor_timer *probe;  /* asks Version after a connect until CRI answers */
    struct cor_timer *reopen; /* opens the event stream */
    cor_handle stream;
    size_t source;         /* of events: cri_stream.c */
    struct cor_link calls; /* struct call */
};

/* The message's bytes. Returns owned. */
struct cor_buf cri_pack(const ProtobufCMessage *message);

/* Opens the stream of events (self: struct cri); again by itself when it ends while cri is up. */
void cri_stream_open(void *self);

#endif
