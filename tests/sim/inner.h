// SPDX-License-Identifier: Apache-2.0
// The world's own parts: what world.c, cores.c and the seams share and the scenario does not see.
#ifndef SIM_INNER_H
#define SIM_INNER_H

#include "world.h"

struct sim_world {
    uint64_t seed;
    char *dir;
    bool verbose;
    int64_t now;
    uint64_t dice[SIM_DICE];
    uint64_t hash;
    uint64_t events;
    uint64_t numbered;
    unsigned broken;
    struct sim_event **heap; /* from 1 */
    size_t count;
    size_t room;
    struct sim_core cores[SIM_CORES];
    struct sim_core *running;
    jmp_buf death; /* of the running core */
    unsigned crash_in[SIM_CORES];
    enum sim_link link;
    int64_t link_delay_us; /* of this world's distance between edge and cloud */
    uint64_t http_loss;
    enum sim_disk disks[SIM_MACHINES];
    int64_t clock_off[SIM_MACHINES]; /* of the wall clock */
    /* Of the seams. */
    struct cor_link zsocks;
    struct cor_link ws;
    struct cor_link wires;
    struct cor_link flows;
    struct cor_link files;
    void *httpd;
};

struct sim_world *sim_world(void);

/* One number of 64 bits by chance. */
uint64_t sim_roll(enum sim_dice dice);

void sim_cores_begin(void);

/* Has happen now, in order, what waited while core was stopped. */
void sim_thaw(struct sim_core *core);

#endif
