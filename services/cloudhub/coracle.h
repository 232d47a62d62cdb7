// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: one node's link in the Coracle dialect. Loop thread only.
#ifndef CLOUDHUB_CORACLE_H
#define CLOUDHUB_CORACLE_H

#include "hub.h"
#include "proto/link/frame.h"

/* The connection has begun; the node's hello comes first. session is borrowed. Returns owned. */
struct coracle *coracle_new(struct session *session);

/* Frees; what the controller waits for ends with COR_GONE. *coracle becomes NULL. */
void coracle_free(struct coracle **coracle);

/* Handles a frame of the node. One that cannot be read, or should not be, ends the link. */
void coracle_take(struct coracle *coracle, struct cor_view bytes);

/* After this without a word the node is gone: two heartbeats. */
int64_t coracle_patience_us(const struct coracle *coracle);

/* Time has passed: ends calls that are over. With silent set nothing is read from the node for now:
 * tells it that this end is alive. */
void coracle_tick(struct coracle *coracle, bool silent);

/* Sends a heartbeat, which says how the Lease is renewed. */
void coracle_beat(struct coracle *coracle);

/* Whether there is credit for something that may wait. */
bool coracle_has_room(const struct coracle *coracle);

/* Minor version of the dialect that the node speaks. */
uint64_t coracle_minor(const struct coracle *coracle);

/* Sends a frame: body is a struct of the number's table (borrows). COR_BUSY, COR_CLOSED. */
COR_NODISCARD enum cor_code coracle_put(struct coracle *coracle, const struct cor_wire_header *head,
                                        const void *body);

/* The same with a body that is encoded already. */
COR_NODISCARD enum cor_code
coracle_put_raw(struct coracle *coracle, const struct cor_wire_header *head, struct cor_view raw);

/* Sends one that must not be lost: if the node does not take it, its link ends. */
void coracle_control(struct coracle *coracle, const struct cor_wire_header *head, const void *body);

/* Writes an object of the outbox. False when the node does not take it. */
bool coracle_object(struct coracle *coracle, const struct outbox_item *item);

/* Passes a publication on; the answer of the node becomes that of in. COR_BUSY, COR_CLOSED. */
COR_NODISCARD enum cor_code coracle_publish(struct coracle *coracle, struct cor_in *in,
                                            const struct px_publish *publish);

/* A message with credit has been dealt with. */
void coracle_took(struct coracle *coracle);

#endif
