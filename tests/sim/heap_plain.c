// SPDX-License-Identifier: Apache-2.0
// Where the C library's heap stays (sanitizers): in place of seam_heap.c.
#include "seams.h"

void sim_heaps_begin(void)
{
}

void sim_heap_died(const struct sim_core *core)
{
    (void)core;
}
