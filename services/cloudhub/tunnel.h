// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: requests to the API of a node that speaks the Coracle dialect, as streams of
// its link (STREAM_OPEN and what follows). Loop thread only.
#ifndef CLOUDHUB_TUNNEL_H
#define CLOUDHUB_TUNNEL_H

#include "hub.h"
#include "proto/link/frame.h"
#include "way.h"

struct tunnels; /* of a node's link */

/* No requests yet; session is borrowed. Returns owned. */
struct tunnels *tunnels_new(struct session *session);

/* Ends them all; *tunnels becomes NULL. */
void tunnels_free(struct tunnels **tunnels);

/* Requests as streams. */
extern const struct way TUNNEL_WAY;

/* A frame of the node. COR_INVALID ends its link. */
COR_NODISCARD enum cor_code tunnels_take(struct tunnels *tunnels, const struct px_frame *frame,
                                         struct cor_err *err);

/* There may be room on the link again. */
void tunnels_room(struct tunnels *tunnels);

/* Requests that are open. */
size_t tunnels_count(const struct tunnels *tunnels);

#endif
