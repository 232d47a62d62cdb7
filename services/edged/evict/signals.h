// SPDX-License-Identifier: Apache-2.0
// What the machine has left, and a wake-up when memory runs short. Small files that the kernel
// makes up, and statvfs. Any thread.
#ifndef EDGED_SIGNALS_H
#define EDGED_SIGNALS_H

#include "evict.h"

/* Where to look. Borrowed. */
struct signals_place {
    const char *root;         /* "" but in tests: before /proc and /sys/fs/cgroup */
    const char *node_folder;  /* on the file system of Pods */
    const char *image_folder; /* on that of images; "": not known */
};

/* Reads all signals into seen (EVICT_SIGNALS of them). */
void signals_read(const struct signals_place *place, struct evict_seen *seen);

/* A descriptor that becomes readable when the use of memory crosses bytes, upwards or downwards:
 * cgroups version 1 (Documentation/admin-guide/cgroup-v1/memory.rst, memory thresholds). The caller
 * closes it. -1: this machine has none. */
int signals_notify(const struct signals_place *place, int64_t bytes);

/* Bytes that the machine's memory counts as used: what signals_notify compares. < 0: unknown. */
int64_t signals_memory_used(const struct signals_place *place);

#endif
