// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: requests to the API of a node that speaks the Coracle dialect, as streams of
// its link (STREAM_OPEN and what follows). Loop thread only.
#ifndef CLOUDHUB_TUNNEL_H
#define CLOUDHUB_TUNNEL_H

#include "hub.h"
#include "proto/link/frame.h"

struct tunnel;  /* one request */
struct tunnels; /* of a node's link */

/* What who asks is told. After end the tunnel is gone. */
struct tunnel_ops {
    void (*head)(void *self, const struct px_stream_head *head);
    void (*data)(void *self, struct cor_view bytes, bool last);
    void (*room)(void *self);                   /* the node takes more */
    void (*end)(void *self, const char *error); /* NULL: it is complete */
};

/* No requests yet; session is borrowed. Returns owned. */
struct tunnels *tunnels_new(struct session *session);

/* Ends them all; *tunnels becomes NULL. */
void tunnels_free(struct tunnels **tunnels);

/* Asks (open->id and credit are filled in; borrows). COR_UNSUPPORTED: the node cannot; COR_BUSY:
 * too many. Returns borrowed: valid until tunnel_close or ops->end. */
COR_NODISCARD enum cor_code tunnel_open(struct session *session, struct px_stream_open *open,
                                        const struct tunnel_ops *ops, void *self,
                                        struct tunnel **tunnel_r, struct cor_err *err);

/* Gives up; ops are told nothing more. *tunnel becomes NULL. */
void tunnel_close(struct tunnel **tunnel, const char *why);

/* Bytes that the node takes now. */
size_t tunnel_room(const struct tunnel *tunnel);

/* Bytes for the node (borrows), at most tunnel_room. */
void tunnel_send(struct tunnel *tunnel, struct cor_view bytes, bool last);

/* Bytes that came were consumed: the node may send as many again. */
void tunnel_took(struct tunnel *tunnel, size_t bytes);

/* A frame of the node. COR_INVALID ends its link. */
COR_NODISCARD enum cor_code tunnels_take(struct tunnels *tunnels, const struct px_frame *frame,
                                         struct cor_err *err);

/* There may be room on the link again. */
void tunnels_room(struct tunnels *tunnels);

/* Requests that are open. */
size_t tunnels_count(const struct tunnels *tunnels);

#endif
