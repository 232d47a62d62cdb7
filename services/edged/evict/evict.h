// SPDX-License-Identifier: Apache-2.0
// When the node runs short of something: which thresholds are met, what the node says of itself,
// and when Pods have to go. Pure; time is a parameter. Source: k8s.io/kubernetes
// pkg/kubelet/eviction (eviction_manager.go, helpers.go). Any thread.
#ifndef EDGED_EVICT_H
#define EDGED_EVICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/clock/clock.h"

/* In the order in which they are acted on: memory first. */
enum evict_signal {
    EVICT_MEMORY,
    EVICT_NODEFS,
    EVICT_NODEFS_INODES,
    EVICT_IMAGEFS,
    EVICT_IMAGEFS_INODES,
    EVICT_PIDS,
    EVICT_SIGNALS
};

enum evict_pressure {
    EVICT_MEMORY_PRESSURE,
    EVICT_DISK_PRESSURE,
    EVICT_PID_PRESSURE,
    EVICT_PRESSURES
};

enum { EVICT_THRESHOLDS_MAX = 24 };

/* Bytes, inodes or processes, or a share of the capacity. */
struct evict_amount {
    int64_t number;
    double percent; /* < 0: number counts */
};

struct evict_threshold {
    enum evict_signal signal;
    struct evict_amount amount;
    int64_t grace_us;            /* 0: hard */
    struct evict_amount reclaim; /* more than the threshold that has to be free to end it */
};

struct evict_rules {
    struct evict_threshold items[EVICT_THRESHOLDS_MAX];
    size_t count;
    int64_t transition_us; /* a pressure is told this long after it was seen last */
};

/* What there is of one signal. */
struct evict_seen {
    bool known;
    int64_t available;
    int64_t capacity;
};

/* What is remembered from one look to the next; zeroed at first. */
struct evict_state {
    bool met[EVICT_THRESHOLDS_MAX];
    struct cor_mono since[EVICT_THRESHOLDS_MAX];
    bool pressed[EVICT_PRESSURES];
    struct cor_mono pressed_at[EVICT_PRESSURES];
};

struct evict_verdict {
    bool pressure[EVICT_PRESSURES];
    const struct evict_threshold *act; /* something has to go for this one; NULL: nothing */
};

/* Texts of the configuration: hard and soft "memory.available<100Mi" or "nodefs.available<10%";
 * graces "memory.available=1m30s" for each soft one; reclaims "nodefs.available=500Mi". */
struct evict_texts {
    char *const *hard;
    size_t hard_count;
    char *const *soft;
    size_t soft_count;
    char *const *graces;
    size_t grace_count;
    char *const *reclaims;
    size_t reclaim_count;
};

/* Reads the texts. COR_INVALID names the one that is wrong. */
COR_NODISCARD enum cor_code evict_read(const struct evict_texts *texts, int64_t transition_us,
                                       struct evict_rules *rules_r, struct cor_err *err);

/* Looks at what there is now. verdict->act points into rules. */
void evict_decide(const struct evict_rules *rules, struct evict_state *state,
                  const struct evict_seen *seen, struct cor_mono now,
                  struct evict_verdict *verdict);

/* Whether the threshold is still met. */
bool evict_is_met(const struct evict_threshold *threshold, const struct evict_seen *seen);

/* The threshold as an amount. */
int64_t evict_limit(const struct evict_threshold *threshold, const struct evict_seen *seen);

/* What Pods have too much of: "memory", "ephemeral-storage", "inodes", "pids". */
const char *evict_resource(enum evict_signal signal);

/* Whether it is freed by removing images. */
bool evict_is_disk(enum evict_signal signal);

#endif
