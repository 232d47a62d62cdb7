// SPDX-License-Identifier: Apache-2.0
// The broker of the edge machine, with one client that keeps a session (eventbus) and devices that
// publish and listen directly. QoS 1 both ways. What it has acknowledged survives everything: the
// simulation is about what is behind it.
#ifndef SIM_BROKER_H
#define SIM_BROKER_H

#include "common/base/view.h"
#include "world.h"

/* A device publishes; the broker has acknowledged it when this returns. */
void sim_device_publish(const char *topic, struct cor_view payload);

/* What eventbus publishes is told to the scenario, each time it arrives. */
typedef void (*sim_heard_fn)(void *self, const char *topic, struct cor_view payload);
void sim_device_listen(sim_heard_fn fn, void *self);

/* Messages that wait for eventbus or its acknowledgement. */
size_t sim_broker_waiting(void);

#endif
