// SPDX-License-Identifier: Apache-2.0
// One socket of a CSI driver: unary gRPC calls, each of which ends in exactly one callback. Loop
// thread only.
#ifndef EDGED_CSI_CLIENT_H
#define EDGED_CSI_CLIENT_H

#include "common/base/err.h"
#include "common/base/view.h"
#include "common/loop/loop.h"
#include "services/edged/csi/csi.pb-c.h"

struct csi_client;

/* How a call ended; COR_GONE: the client was freed. */
struct csi_answer {
    enum cor_code code;
    const char *text; /* "rpc error: code = Internal desc = ..." */
    struct cor_view message;
};

typedef void (*csi_answer_fn)(void *self, const struct csi_answer *answer);

/* Client of the socket at path; connects by itself, and again. Returns owned. */
struct csi_client *csi_client_new(struct cor_loop *loop, const char *path);

/* Closes; calls under way end. *client becomes NULL. Not from within a callback. */
void csi_client_free(struct csi_client **client);

/* Calls "/package.Service/Method"; message is borrowed for the call. */
void csi_client_ask(struct csi_client *client, const char *path, const ProtobufCMessage *message,
                    int64_t timeout_us, csi_answer_fn fn, void *self);

#endif
