// SPDX-License-Identifier: Apache-2.0
// What seams offer to the scenario beside the interfaces they stand for.
#ifndef SIM_SEAMS_H
#define SIM_SEAMS_H

#include "common/base/view.h"
#include "world.h"

/* OpenSSL takes its random numbers from the seed. Once per process. */
void sim_rand_register(void);

/* Like cor_wakeup_send, after that time; moves one that is due. */
void sim_wakeup_in(struct cor_wakeup *wakeup, int64_t us);
bool sim_wakeup_is_due(const struct cor_wakeup *wakeup);

/* Gives each core a heap for what libraries take for it, where the flavour has such heaps. Once per
 * process, before SQLite is used. */
void sim_heaps_begin(void);

/* Moves the program's code into large pages. Once per process. */
void sim_code_large(void);

/* Core was killed: its heap begins anew. */
void sim_heap_died(const struct sim_core *core);

#endif
