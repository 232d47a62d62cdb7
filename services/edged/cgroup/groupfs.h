// SPDX-License-Identifier: Apache-2.0
// Files of cgroups, version 1, 2 or both. Small files that the kernel makes up. Any thread.
#ifndef EDGED_GROUPFS_H
#define EDGED_GROUPFS_H

#include "podgroup.h"

/* Makes the cgroup path ("/kubepods/podUID") below root ("/sys/fs/cgroup") in the hierarchies of
 * what is limited, and sets the limits there. Controllers and files that the machine does not have
 * are left out. COR_IO: the kernel refuses. */
COR_NODISCARD enum cor_code groupfs_set(const char *root, const char *path,
                                        const struct podgroup *limits, struct cor_err *err);

#endif
