// SPDX-License-Identifier: Apache-2.0
// Inside of disk*.c.
#ifndef EDGED_DISK_PRIVATE_H
#define EDGED_DISK_PRIVATE_H

#include "disk.h"

/* <root>/pods/<uid>[/<rest>]. Returns owned. */
char *disk_pod_path(const char *root, const char *uid, const char *rest);

/* Mounts a tmpfs at path unless something is mounted there; size 0: no limit of its own. COR_IO. */
COR_NODISCARD enum cor_code disk_mount_tmpfs(const char *path, int64_t size, struct cor_err *err);

#endif
