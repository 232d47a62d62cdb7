// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: the link in the Coracle dialect. Calls and reports go up unread and are
// answered by id; eventbus's streams only pass through. Nothing is kept: what had to be dropped is
// asked for again. Loop thread only.
#ifndef EDGEHUB_RELAY_H
#define EDGEHUB_RELAY_H

#include "hub.h"

/* A CALL of the node (key: what it is about): goes up, and is answered when the answer comes.
 * COR_BUSY, COR_GONE. */
COR_NODISCARD enum cor_code relay_ask(struct hub *hub, struct cor_in *in, enum ask_kind kind,
                                      struct cor_view key, struct cor_err *err);

/* Whether it is the node's renewal of its own Lease, which needs no asking: it has been answered,
 * and the next heartbeat says it to the cloud. */
bool relay_lease(struct hub *hub, struct cor_in *in, const struct px_api_call *call);

/* metamanager has committed an object, or could not: tells the cloud. */
void relay_stored(struct hub *hub, const struct px_object_stored *stored);

/* A message of a stream of eventbus. */
void relay_event(struct hub *hub, struct cor_in *in);

/* The operations of hub-bus while it is relayed. */
const struct cor_port_ops *relay_bus_ops(void);

/* The link is up: eventbus opens its streams, in the way that this dialect needs. */
void relay_link_up(struct hub *hub);

/* It is down. */
void relay_link_down(struct hub *hub);

/* There may be room on the link again. */
void relay_room(struct hub *hub);

/* A frame of the cloud. One that cannot be read ends the connection. */
void relay_take(struct hub *hub, const struct px_frame *frame);

/* eventbus has come: tells it what it may have missed. */
void relay_bus_up(struct hub *hub);

#endif
