// SPDX-License-Identifier: Apache-2.0
// One probe of one container: when it is due, and what its outcomes come to. Pure: time is a
// parameter. Source: k8s.io/kubernetes pkg/kubelet/prober/worker.go doProbe. Any thread.
#ifndef EDGED_PROBE_H
#define EDGED_PROBE_H

#include "common/clock/clock.h"
#include "services/edged/run/run.h"

/* How one try went. PROBE_ERRORED is no verdict: it could not be tried. */
enum probe_outcome { PROBE_PASSED, PROBE_WARNED, PROBE_FAILED, PROBE_ERRORED, PROBE_OUTCOMES };

enum { PROBE_TRIES = 3 /* of what errors, at once */ };

struct probe {
    bool begun;           /* it has a container */
    bool held;            /* until there is another one */
    bool asked;           /* was due once since the container has started */
    bool last_failed;     /* outcome of the last try, */
    int32_t run;          /* which so many had in a row */
    struct cor_mono tick; /* a moment of its period */
    struct cor_mono from; /* not before: initialDelaySeconds */
    uint64_t passed, failed;
};

/* A probe without a container. Its period counts from first. */
void probe_init(struct probe *probe, struct cor_mono first);

/* A container has begun to run at started. */
void probe_begin(struct probe *probe, const struct pod_probe *spec, struct cor_mono started);

/* Its container is no more. */
void probe_end(struct probe *probe);

/* When to try next: INT64_MAX us: not until something changes. started: as run_has_started. */
struct cor_mono probe_next(const struct probe *probe, const struct pod_probe *spec,
                           enum pod_check check, bool started, struct cor_mono now);

/* A try begins. */
void probe_ask(struct probe *probe, struct cor_mono now);

/* How it went. Returns what the container's health is from now on; RUN_HEALTH_UNKNOWN: as before.
 */
enum run_health probe_take(struct probe *probe, const struct pod_probe *spec, enum pod_check check,
                           enum probe_outcome outcome);

/* "Startup", "Liveness", "Readiness". */
const char *probe_name(enum pod_check check);

/* What is told of the outcome, between the name and the text of the try; NULL: nothing. */
const char *probe_words(enum probe_outcome outcome, const char **reason_r);

#endif
