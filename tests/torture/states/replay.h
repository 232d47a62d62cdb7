// SPDX-License-Identifier: Apache-2.0
// Rebuilds what a disk may hold after a power cut at a moment of a recording: everything that was
// synced, and of what was written since then any part, in sectors of 512 bytes, in any order.
#ifndef TORTURE_REPLAY_H
#define TORTURE_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay;

/* Reads a recording. NULL: it cannot be read (told on stderr). Returns owned. */
struct replay *replay_open(const char *log);

/* Frees; *replay becomes NULL. */
void replay_free(struct replay **replay);

/* Operations in the recording. */
size_t replay_count(const struct replay *replay);

/* Goes on to just before operation at (not backwards). Returns the acknowledgements before it. */
uint64_t replay_to(struct replay *replay, size_t at);

/* Writes the files of one possible state, chosen by seed, into dir. False: it could not. */
bool replay_write(const struct replay *replay, uint64_t seed, const char *dir);

#endif
