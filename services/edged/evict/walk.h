// SPDX-License-Identifier: Apache-2.0
// How much a folder holds. Reads all of it: for child processes. Any thread.
#ifndef EDGED_WALK_H
#define EDGED_WALK_H

#include <stdint.h>

/* Bytes on the disk of all below path, on its file system, links not followed; 0 when it cannot be
 * read. A file with several names counts once for each. */
uint64_t walk_bytes(const char *path);

#endif
