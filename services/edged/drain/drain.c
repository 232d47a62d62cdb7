// SPDX-License-Identifier: Apache-2.0
#include "drain.h"

#include "common/base/mem.h"
#include "services/edged/agent.h"
#include "services/edged/evict/rank.h"

#define MESSAGE "Pod was terminated in response to imminent node shutdown."

enum { REPORTS_S = 5 };

enum stage { PLAIN, CRITICAL, REPORTS, OVER };

struct drain {
    struct agent *agent;
    enum stage stage;
    bool begun;              /* it is known what there is to be ended */
    struct cor_timer *timer; /* of the stage */
};

int64_t drain_period(int64_t total, int64_t critical, bool is_critical)
{
    int64_t rest = total > critical ? total - critical : 0;
    return is_critical ? critical : rest;
}

static int64_t period_of(const struct drain *drain)
{
    const struct edged_cfg *cfg = drain->agent->cfg;
    return drain->stage == REPORTS ? REPORTS_S
                                   : drain_period(cfg->shutdown_seconds, cfg->shutdown_critical,
                                                  drain->stage == CRITICAL);
}

static bool is_of_stage(const struct drain *drain, const struct agent_pod *pod)
{
    return rank_is_critical(pod->pod) == (drain->stage == CRITICAL);
}

/* Ends what belongs to the stage. */
static void end_pods(struct drain *drain)
{
    size_t at = 0;
    void *value = NULL;
    int64_t seconds = period_of(drain);
    while (drain->stage < REPORTS && cor_map_next(drain->agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (is_of_stage(drain, pod) && pod->desired && pod->run->over == NULL) {
            run_terminate(pod->run, "Terminated", MESSAGE, seconds < 1 ? 1 : seconds);
            agent_touch(pod);
        }
    }
}

static void begin_stage(struct drain *drain)
{
    cor_timer_start(drain->timer, COR_SEC(period_of(drain)));
    end_pods(drain);
}

/* Whether nothing of the stage is under way any more. */
static bool is_done(const struct drain *drain)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(drain->agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        bool told = pod->sending == NULL && !pod->report_waits && !pod->dirty &&
                    !cor_timer_running(pod->report);
        /* killed a moment ago, at the end of its time; or nobody has looked yet */
        bool active = run_is_active(pod->run) || !pod->run->observed;
        if (drain->stage == REPORTS ? active || (drain->agent->link && !told)
                                    : is_of_stage(drain, pod) && active) {
            return false;
        }
    }
    return true;
}

static void next_stage(struct drain *drain)
{
    drain->stage++;
    if (drain->stage == OVER) {
        cor_timer_stop(drain->timer);
        LOGI(drain->agent->log, "edged.drained", "node=%s", drain->agent->cfg->node_name);
        cor_service_drained(drain->agent->service);
    } else {
        begin_stage(drain);
    }
}

static void on_time(void *self)
{
    struct drain *drain = self;
    drain->begun = true; /* with what is known */
    LOGW(drain->agent->log, "edged.drain-late", "stage=%d", (int)drain->stage);
    next_stage(drain);
}

/* An edged that has just started has yet to be told what is wanted and what runs; until then a Pod
 * seems to have ended. */
static bool knows_all(const struct drain *drain)
{
    return drain->agent->listed && drain->agent->desired_known;
}

void drain_look(struct drain *drain)
{
    if (drain != NULL && !drain->begun && knows_all(drain)) {
        drain->begun = true;
        end_pods(drain);
    }
    while (drain != NULL && drain->begun && drain->stage < OVER && is_done(drain)) {
        next_stage(drain);
    }
}

struct drain *drain_new(struct agent *agent)
{
    struct drain *drain = cor_alloc(sizeof(*drain));
    drain->agent = agent;
    drain->timer = cor_timer_new(agent->loop, on_time, drain);
    teller_node_note(agent, false, "NodeShutdown", "Shutdown manager detected shutdown event");
    registrar_shutdown(agent->registrar);
    drain->begun = knows_all(drain);
    begin_stage(drain);
    return drain;
}

void drain_free(struct drain **drain)
{
    if (*drain != NULL) {
        cor_timer_free(&(*drain)->timer);
        cor_freep(drain);
    }
}
