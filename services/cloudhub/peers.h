// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: a request at port 10003 for a node that another replica has goes on to that
// one's port 10003, once. Who asks has been judged here; the other replica believes it because of a
// mark in a header, made with a secret that only who has the CA's key can know. It must show a
// certificate of our CA for its address (names). Loop thread only.
#ifndef CLOUDHUB_PEERS_H
#define CLOUDHUB_PEERS_H

#include "hub.h"
#include "mark.h"
#include "way.h"

struct peers;

/* No requests yet; hub is borrowed, its authority must be there. COR_INVALID when libcurl does not
 * start. Returns owned. */
COR_NODISCARD enum cor_code peers_new(struct hub *hub, struct peers **peers_r, struct cor_err *err);

/* Ends all; *peers becomes NULL. */
void peers_free(struct peers **peers);

/* The CA has changed: new connections trust the new ones. */
void peers_renew(struct peers *peers);

/* Asks the replica at address about node. As way.h says. Returns borrowed. */
COR_NODISCARD enum cor_code peers_open(struct peers *peers, struct cor_view address,
                                       struct cor_view node, const struct px_stream_open *open,
                                       const struct way_ops *ops, void *self, void **lane_r,
                                       struct cor_err *err);

/* Requests of replicas, as ways; open is not used. */
extern const struct way PEERS_WAY;

/* Name of the header with the mark. */
#define PEERS_MARK "X-Coracle-Replica"

/* What a mark of a request is made of, now. */
struct mark_of peers_mark(const struct hub *hub, const char *method, struct cor_view target);

#endif
