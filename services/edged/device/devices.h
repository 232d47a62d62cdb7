// SPDX-License-Identifier: Apache-2.0
// The node's device plug-ins: where they register, what devices they have, which Pod gets which.
// What is handed out is kept in a file beside the plug-ins' sockets, in the kubelet's format. Loop
// thread only.
#ifndef EDGED_DEVICES_H
#define EDGED_DEVICES_H

#include "common/base/arena.h"
#include "common/base/err.h"
#include "services/edged/cri/crispec.h"

struct agent;
struct agent_pod;
struct devices;
struct pod;

/* Opens the door for plug-ins, in the folder that devices.dir names: sockets of another life are
 * removed there, so that plug-ins register again. NULL when the setting is empty or the door cannot
 * be opened (which is logged). Returns owned. All below take NULL for devices. */
struct devices *devices_new(struct agent *agent);

/* Closes; what Pods have asked for fails. *devices becomes NULL. For auto_(). */
void devices_free(struct devices **devices);

/* Admission: keeps devices for pod. Fails in the kubelet's words. */
COR_NODISCARD enum cor_code devices_reserve(struct devices *devices, const struct pod *pod,
                                            struct cor_err *err);

/* The Pod does not run after all. */
void devices_release(struct devices *devices, const char *uid);

/* Whether a plug-in gives, or has given, this resource. */
bool devices_give(const struct devices *devices, const char *resource);

/* Asks the plug-ins for what the Pod's devices need; done is called when all have answered, unless
 * nothing is awaited when this returns. The Pod is held as long. */
void devices_ask(struct agent_pod *pod, void (*done)(struct agent_pod *pod));

/* Whether any answer is awaited. */
bool devices_are_asked(const struct agent_pod *pod);

/* How that ended. A Pod that is new here and of which nothing was started is refused (and that is
 * COR_OK); another one is tried again. */
COR_NODISCARD enum cor_code devices_check(struct agent_pod *pod, struct cor_err *err);

/* A container is about to be made: the plug-ins that want to know are told. fn is called once,
 * perhaps from within; text: why the container cannot be made, or NULL. */
void devices_pre_start(struct agent_pod *pod, size_t index,
                       void (*fn)(void *self, const char *text), void *self);

/* What the container gets. In arena. */
COR_NODISCARD enum cor_code devices_fill(const struct agent_pod *pod, size_t index,
                                         struct cor_arena *arena, struct crispec_devices *out,
                                         struct cor_err *err);

#endif
