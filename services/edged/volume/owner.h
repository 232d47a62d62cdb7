// SPDX-License-Identifier: Apache-2.0
// Gives a volume to the group of a pod (fsGroup), as the kubelet's SetVolumeOwnership does
// (pkg/volume/volume_linux.go).
#ifndef EDGED_OWNER_H
#define EDGED_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/loop/loop.h"

/* Gives path and all below it to group: files get rw for it, folders rwx and setgid; links are
 * given, not followed. on_mismatch: nothing when path itself has all that already. A file that
 * cannot be given is left as it is; 0, or the errno of path itself. Blocks; changes the process's
 * working folder and back. */
int owner_give_now(const char *path, gid_t group, bool on_mismatch);

typedef void (*owner_fn)(void *self, int error);

/* The same in a child process, however long it takes. fn is called once, on the loop, never from
 * within. */
void owner_give(struct cor_loop *loop, const char *path, gid_t group, bool on_mismatch, owner_fn fn,
                void *self);

#endif
