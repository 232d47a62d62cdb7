// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: streams of nodes on their way to the controller, and its acknowledgements on
// their way back. What the controller has no credit for waits, bounded for each node and for all of
// them; beyond that nothing more is read from the node. For a controller of v0.1.0, which knows no
// such streams, the sink is here. Loop thread only.
#ifndef CLOUDHUB_RELAY_H
#define CLOUDHUB_RELAY_H

#include "hub.h"
#include "proto/link/frame.h"

/* What waits of one node's streams. */
struct relay;

/* For a session (borrowed). Returns owned. */
struct relay *relay_new(struct session *session);

/* Frees, with what waits. *relay becomes NULL. */
void relay_free(struct relay **relay);

/* The node opens a stream. COR_INVALID: its number is none. */
COR_NODISCARD enum cor_code relay_open(struct session *session, const struct cor_wire_open *open,
                                       struct cor_err *err);

/* A message of a stream of the node. */
void relay_upload(struct session *session, const struct px_frame *frame);

/* Tells the ledger's rows of its streams. */
void relay_books(const struct session *session, struct cor_ledger_writer *out);

/* How many wait. */
uint64_t relay_waiting(const struct session *session);

/* Whether nothing is read from the node, because too much waits. */
bool relay_is_paused(const struct session *session);

/* An ACK of the controller: to the node whose stream it is. */
void relay_ack(struct hub *hub, const struct cor_wire_ack *ack);

/* The controller takes more. */
void relay_drain(struct hub *hub);

/* The controller is another one: forgets what waits, and asks all nodes to open their streams. */
void relay_begin(struct hub *hub);

#endif
