// SPDX-License-Identifier: Apache-2.0
// How far the cores are from each other, and the state of the link between edge and cloud.
#include "inner.h"

int64_t sim_net_delay(const struct sim_core *from, const struct sim_core *to)
{
    struct sim_world *w = sim_world();
    if (from->machine == to->machine) {
        return 30 + (int64_t)sim_pick(SIM_NET, 200);
    }
    if (w->link != SIM_LINK_UP) {
        return -1;
    }
    if (w->link_delay_us == 0) { /* 1 to 100 ms, the same for the whole life of this world */
        w->link_delay_us = COR_MS(1) + (int64_t)sim_pick(SIM_NET, COR_MS(99));
    }
    int64_t delay = w->link_delay_us;
    delay += (int64_t)sim_pick(SIM_NET, (uint64_t)delay / 2 + 1);
    return sim_chance(SIM_NET, 5000) ? delay + COR_MS(200 + (int64_t)sim_pick(SIM_NET, 2000))
                                     : delay; /* a segment was lost: sent again */
}

void sim_net_set(enum sim_link state)
{
    sim_world()->link = state;
    sim_say("the link is %s", state == SIM_LINK_UP    ? "up"
                              : state == SIM_LINK_CUT ? "cut"
                                                      : "silent");
    if (state != SIM_LINK_UP) {
        sim_ws_cut(state == SIM_LINK_SILENT);
    }
}

enum sim_link sim_net_get(void)
{
    return sim_world()->link;
}

void sim_http_lossy(uint64_t in_million)
{
    sim_world()->http_loss = in_million;
}

void sim_disk_set(enum sim_machine machine, enum sim_disk state)
{
    sim_world()->disks[machine] = state;
}

enum sim_disk sim_disk_get(enum sim_machine machine)
{
    return sim_world()->disks[machine];
}
