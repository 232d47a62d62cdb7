// SPDX-License-Identifier: Apache-2.0
// What a node of the Coracle dialect has already is not sent: when the controller has named all
// that it shall have, sums of both are compared, then the objects where they differ
// (docs/coracle-dialect.md). Objects are held back meanwhile, but not for long. Loop thread only.
#ifndef CLOUDHUB_COMPARE_H
#define CLOUDHUB_COMPARE_H

#include "hub.h"
#include "proto/link/frame.h"

struct compare;

/* For a session. Returns owned. */
struct compare *compare_new(struct session *session);

/* Frees; *compare becomes NULL. For auto_(). */
void compare_free(struct compare **compare);

/* The controller begins to send all of the node's objects: holds them back, if node and controller
 * can compare. */
void compare_begin(struct compare *compare);

/* The controller has sent all. */
void compare_synced(struct compare *compare);

/* The node's HELD. COR_INVALID. */
COR_NODISCARD enum cor_code compare_held(struct compare *compare, const struct px_frame *frame,
                                         struct cor_err *err);

/* Whether objects are held back. */
bool compare_holds(const struct compare *compare);

/* Time until they are not any more, whatever happens; -1: they are not. */
int64_t compare_wait(const struct compare *compare, struct cor_mono now);

/* Lets them go if it has taken too long. */
void compare_tick(struct compare *compare, struct cor_mono now);

#endif
