// SPDX-License-Identifier: Apache-2.0
// What coracle.c and coracle_publish.c share.
#ifndef CLOUDHUB_CORACLE_PRIVATE_H
#define CLOUDHUB_CORACLE_PRIVATE_H

#include "coracle.h"
#include "proto/link/end.h"
#include "proto/link/lane.h"

struct coracle {
    struct session *session;
    struct px_end end;
    struct px_lanes lanes;
    int64_t beat_us;
    struct cor_map *publishing; /* 8 bytes of id -> struct cor_ticket, owned */
};

/* Ends the publications whose time is over, or every one: who waits is told code. */
void coracle_end_publishing(struct coracle *coracle, bool every, enum cor_code code);

/* The node's answers to publications. */
enum cor_code coracle_on_done(struct coracle *coracle, const struct px_frame *frame,
                              struct cor_err *err);
enum cor_code coracle_on_error(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err);

#endif
