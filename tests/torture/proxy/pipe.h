// SPDX-License-Identifier: Apache-2.0
// One connection through the proxy: bytes both ways, late, cut at a byte, or into a hole.
#ifndef TORTURE_PIPE_H
#define TORTURE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/loop/loop.h"

struct pipe_plan {
    struct cor_loop *loop;
    int64_t delay_us;   /* each way */
    uint64_t cut_after; /* bytes of both ways together; 0: not */
    bool hole;          /* takes bytes and passes none: the peer is gone without a word */
};

struct pipe;

/* Passes between the two sockets (takes both). closed(self, pipe, was_cut) runs once, later, and
 * the pipe is gone when it returns. Returns borrowed. */
struct pipe *pipe_new(const struct pipe_plan *plan, int client, int server,
                      void (*closed)(void *self, struct pipe *pipe, bool was_cut), void *self);

/* Member of the owner's list. */
struct cor_link *pipe_link(struct pipe *pipe);
struct pipe *pipe_of_link(struct cor_link *link);

/* Breaks it now, with a reset. */
void pipe_cut(struct pipe *pipe);

/* Changes delay and hole from now on. */
void pipe_set(struct pipe *pipe, int64_t delay_us, bool hole);

/* Bytes that went through. */
uint64_t pipe_bytes(const struct pipe *pipe);

#endif
