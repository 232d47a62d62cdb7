// SPDX-License-Identifier: Apache-2.0
#include "probe.h"

void probe_init(struct probe *probe, struct cor_mono first)
{
    *probe = (struct probe){.tick = first};
}

void probe_begin(struct probe *probe, const struct pod_probe *spec, struct cor_mono started)
{
    probe->begun = true;
    probe->held = false;
    probe->asked = false;
    probe->run = 0;
    probe->from = cor_mono_add(started, COR_SEC(spec->delay_seconds));
}

void probe_end(struct probe *probe)
{
    probe->begun = false;
}

/* The first moment of its period after at. */
static struct cor_mono next_tick(const struct probe *probe, const struct pod_probe *spec,
                                 struct cor_mono at)
{
    int64_t period = COR_SEC(spec->period_seconds);
    int64_t since = cor_mono_since(at, probe->tick);
    int64_t periods = since < 0 ? 0 : since / period + 1;
    return cor_mono_add(probe->tick, periods * period);
}

/* kubelet's worker looks once a period, begun when the Pod came; a readiness probe is tried at once
 * when the container has started. */
struct cor_mono probe_next(const struct probe *probe, const struct pod_probe *spec,
                           enum pod_check check, bool started, struct cor_mono now)
{
    const struct cor_mono never = {INT64_MAX};
    if (!probe->begun || probe->held || started == (check == POD_STARTUP)) {
        return never;
    }
    struct cor_mono from = probe->from.us > now.us ? probe->from : now;
    if (check == POD_READINESS && !probe->asked) {
        return from;
    }
    return next_tick(probe, spec, from);
}

void probe_ask(struct probe *probe, struct cor_mono now)
{
    if (!probe->asked) { /* the first of a container: its period begins here */
        probe->tick = now;
    }
    probe->asked = true;
}

static enum run_health verdict(struct probe *probe, const struct pod_probe *spec,
                               enum pod_check check, bool failed)
{
    probe->run = probe->run > 0 && probe->last_failed == failed && probe->run < INT32_MAX
                     ? probe->run + 1
                     : 1;
    probe->last_failed = failed;
    if (probe->run < (failed ? spec->failure_threshold : spec->success_threshold)) {
        return RUN_HEALTH_UNKNOWN;
    }
    if (failed && check != POD_READINESS) { /* it will be restarted */
        probe->held = true;
        probe->run = 0;
    }
    return failed ? RUN_HEALTH_BAD : RUN_HEALTH_GOOD;
}

enum run_health probe_take(struct probe *probe, const struct pod_probe *spec, enum pod_check check,
                           enum probe_outcome outcome)
{
    if (outcome == PROBE_ERRORED) {
        return RUN_HEALTH_UNKNOWN;
    }
    bool failed = outcome == PROBE_FAILED;
    probe->passed += failed ? 0 : 1;
    probe->failed += failed ? 1 : 0;
    return verdict(probe, spec, check, failed);
}

const char *probe_name(enum pod_check check)
{
    static const char *const names[POD_CHECKS] = {"Startup", "Liveness", "Readiness"};
    return names[check];
}

const char *probe_words(enum probe_outcome outcome, const char **reason_r)
{
    static const struct {
        const char *reason;
        const char *words;
    } rows[PROBE_OUTCOMES] = {
        [PROBE_PASSED] = {NULL, NULL},
        [PROBE_WARNED] = {"ProbeWarning", "probe warning"},
        [PROBE_FAILED] = {"Unhealthy", "probe failed"},
        [PROBE_ERRORED] = {"Unhealthy", "probe errored and resulted in unknown state"},
    };
    *reason_r = rows[outcome].reason;
    return rows[outcome].words;
}
