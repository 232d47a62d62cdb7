// SPDX-License-Identifier: Apache-2.0
// What devices there are and which container has which: the kubelet's device manager without its
// plug-ins. Pure. Source of rules, words and the format on disk: k8s.io/kubernetes
// pkg/kubelet/cm/devicemanager (manager.go, pod_devices.go, checkpoint). Any thread.
#ifndef EDGED_STOCK_H
#define EDGED_STOCK_H

#include "common/base/list.h"
#include "common/clock/clock.h"
#include "services/edged/pod/pod.h"

enum {
    STOCK_RESOURCES_MAX = 128,
    STOCK_DEVICES_MAX = 16384, /* of one resource: plug-ins that share out bytes have many */
    STOCK_ID_MAX = 512,        /* bytes of a device's id */
};

struct stock;

struct stock_device {
    const char *id;
    bool healthy;
};

/* Devices of one resource that one container has. */
struct stock_grant {
    struct cor_link link;
    char *uid; /* of the Pod */
    char *container;
    char *resource;
    char **ids;
    size_t id_count;
    size_t must;    /* how many of them, the first, its init containers have too */
    bool allocated; /* the plug-in has said what is to be done for it: */
    char *response; /* a ContainerAllocateResponse */
    size_t response_len;
};

/* Nothing. Returns owned. */
struct stock *stock_new(void);

/* Frees; *stock becomes NULL. For auto_(). */
void stock_free(struct stock **stock);

/* Whether plug-ins give, or have given, this resource. */
bool stock_has(const struct stock *stock, const char *resource);

/* A plug-in for resource is there; its devices are told next. COR_TOOBIG: too many resources. */
COR_NODISCARD enum cor_code stock_register(struct stock *stock, const char *resource,
                                           struct cor_err *err);

/* These are the resource's devices now. COR_TOOBIG, COR_INVALID (an id is empty, too long or twice
 * there): nothing has changed. */
COR_NODISCARD enum cor_code stock_set(struct stock *stock, const char *resource,
                                      const struct stock_device *list, size_t count,
                                      struct cor_err *err);

/* The plug-in is gone: its devices are unhealthy, and after a while none are left. */
void stock_lose(struct stock *stock, const char *resource, struct cor_mono now);

/* Forgets the devices of plug-ins that have been gone for grace_us. Returns when the next one will
 * have been; us INT64_MAX: there is none. */
struct cor_mono stock_expire(struct stock *stock, struct cor_mono now, int64_t grace_us);

/* Walks the resources: *at begins with 0; false at the end. */
bool stock_next(const struct stock *stock, size_t *at, const char **resource_r, int64_t *capacity_r,
                int64_t *allocatable_r);

/* Devices for each container of pod that asks for some and has none yet; init containers before the
 * main ones, which get theirs. Fails in the kubelet's words; then nothing has changed. */
COR_NODISCARD enum cor_code stock_reserve(struct stock *stock, const struct pod *pod,
                                          struct cor_err *err);

/* Takes all devices of the Pod back. */
void stock_release(struct stock *stock, const char *uid);

/* Takes back those of each Pod for which keep says false. True when there was any. */
bool stock_keep(struct stock *stock, bool (*keep)(void *self, const char *uid), void *self);

/* Walks the grants of a Pod, or of one of its containers (container may be NULL): before is NULL at
 * first, then the grant returned last. NULL at the end. Owned by the stock until released. */
struct stock_grant *stock_grant(const struct stock *stock, const char *uid, const char *container,
                                const struct stock_grant *before);

/* The healthy devices that the grant may have: its own and those that nobody has. Borrowed strings
 * in a list that is owned (cor_free). */
const char **stock_choice(const struct stock *stock, const struct stock_grant *grant,
                          size_t *count_r);

/* The plug-in prefers these: the grant has them instead of its own, as far as they are free; those
 * it must have stay. */
void stock_prefer(struct stock *stock, struct stock_grant *grant, const char *const *ids,
                  size_t count);

/* The plug-in's ContainerAllocateResponse for the grant. */
void stock_allocated(struct stock_grant *grant, struct cor_view response);

/* What is to be known after a restart, as the kubelet writes it (its checksum, of Go's own, is 0).
 * Returns owned. */
struct cor_json *stock_save(const struct stock *stock);

/* Reads that; what cannot be used is left out. */
void stock_load(struct stock *stock, const struct cor_json *json);

#endif
