// SPDX-License-Identifier: Apache-2.0
// The container runtime of the edge machine, as the scenario sees it.
#ifndef SIM_RUNTIME_H
#define SIM_RUNTIME_H

#include "world.h"

/* Containers of the pod (name in namespace default) that run now; the largest number that ever ran
 * at once. */
unsigned sim_runtime_running(const char *pod);
unsigned sim_runtime_most(const char *pod);

/* The machine has lost its power: nothing runs any more. */
void sim_runtime_off(void);

/* One of the containers that run, if any, ends by itself. */
void sim_runtime_exit_one(void);

#endif
