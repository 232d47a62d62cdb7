// SPDX-License-Identifier: Apache-2.0
// The garbage collector (pkg/controller/garbagecollector): what is left without its owners goes;
// owners that are deleted in the foreground wait for what they own; orphans are let go.
#ifndef KUBELITE_GC_H
#define KUBELITE_GC_H

#include "api.h"

struct kl_gc;

/* Listens to the storage of api; looks at everything that has an owner once. Returns owned. */
struct kl_gc *kl_gc_new(struct kl_api *api);

/* Stops and frees; *gc becomes NULL. */
void kl_gc_free(struct kl_gc **gc);

/* Looks at what waits. */
void kl_gc_pass(struct kl_gc *gc);

/* How many owners of each sort a dependent has. */
struct kl_owners {
    size_t solid;    /* there, or of a kind that is not served here */
    size_t dangling; /* not there any more */
    size_t waiting;  /* deleted in the foreground */
};

enum kl_fate {
    KL_FATE_STAY,
    KL_FATE_UNTIE, /* takes the references out that do not count any more */
    KL_FATE_ORPHAN,
    KL_FATE_FOREGROUND,
    KL_FATE_BACKGROUND
};

/* attemptToDeleteItem. Pure. */
enum kl_fate kl_gc_fate(const struct kl_owners *owners, const struct cor_json *object,
                        bool has_dependents);

#endif
