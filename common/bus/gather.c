// SPDX-License-Identifier: Apache-2.0
#include "common/bus/gather.h"

int64_t cor_gather_wait(struct cor_gather *g, struct cor_mono now)
{
    int64_t since = cor_mono_since(now, g->began);
    if (since >= COR_GATHER_US) {
        *g = (struct cor_gather){.began = now};
        return 0;
    }
    return g->sent < COR_GATHER_AT_ONCE ? 0 : COR_GATHER_US - since;
}
