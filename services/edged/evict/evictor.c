// SPDX-License-Identifier: Apache-2.0
#include "evictor.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "rank.h"
#include "services/edged/agent.h"
#include "services/edged/gc/gc.h"
#include "services/edged/stats/usage.h"
#include "signals.h"

struct evictor {
    struct agent *agent;
    struct evict_rules rules;
    struct evict_state state;
    struct evict_verdict verdict;
    struct evict_seen seen[EVICT_SIGNALS];
    struct cor_timer *timer;
    char *image_folder; /* "": not known yet */
    bool asking;        /* for it */
    bool reclaiming;
    struct cor_mono reclaimed; /* when images were removed last */
    int event;                 /* of memory; -1: none */
    struct cor_io *io;
};

enum cor_code evictor_rules(const struct edged_cfg *cfg, struct evict_rules *rules_r,
                            struct cor_err *err)
{
    const struct evict_texts texts = {
        .hard = cfg->evict_hard.items,
        .hard_count = cfg->evict_hard.count,
        .soft = cfg->evict_soft.items,
        .soft_count = cfg->evict_soft.count,
        .graces = cfg->evict_soft_grace.items,
        .grace_count = cfg->evict_soft_grace.count,
        .reclaims = cfg->evict_minimum_reclaim.items,
        .reclaim_count = cfg->evict_minimum_reclaim.count,
    };
    return evict_read(&texts, COR_SEC(cfg->evict_transition_seconds), rules_r, err);
}

const bool *evictor_pressure(const struct evictor *evictor)
{
    return evictor->verdict.pressure;
}

static struct signals_place place_of(const struct evictor *e)
{
    return (struct signals_place){.root = e->agent->cfg->evict_root,
                                  .node_folder = e->agent->cfg->root_dir,
                                  .image_folder = e->image_folder};
}

/* ---- which Pod ---- */

/* Those that run, with what they use. Frees nothing that is borrowed. */
struct crowd {
    struct rank_pod *ranks;
    struct agent_pod **pods;
    size_t count;
};

static int64_t amount_of(const struct stats_memory *memory, uint64_t processes,
                         enum evict_signal signal)
{
    uint64_t n = signal == EVICT_MEMORY ? memory->working_set
                 : signal == EVICT_PIDS ? processes
                                        : STATS_UNKNOWN;
    return n == STATS_UNKNOWN || n > INT64_MAX ? 0 : (int64_t)n;
}

static void measure(const struct usage_place *place, const struct agent_pod *pod,
                    enum evict_signal signal, struct rank_pod *out)
{
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t processes = STATS_UNKNOWN;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    const char *cgroup = crispec_cgroup(arena, &pod->agent->node, pod->pod);
    int64_t *each = cor_calloc(pod->run->count, sizeof(*each));
    usage_of_cgroup(place, cgroup, 0, &cpu, &memory, &processes);
    *out = (struct rank_pod){pod->pod, amount_of(&memory, processes, signal), each};
    for (size_t i = 0; i < pod->run->count; i++) {
        if (pod->run->containers[i].id != NULL && pod->run->containers[i].state == RUN_RUNNING) {
            auto_(cor_freep) char *path = cor_sprintf("%s/%s", cgroup, pod->run->containers[i].id);
            usage_of_cgroup(place, path, 0, &cpu, &memory, &processes);
            each[i] = amount_of(&memory, processes, signal);
        }
    }
}

static void gather(const struct evictor *e, enum evict_signal signal, struct crowd *crowd)
{
    const struct agent *agent = e->agent;
    struct usage_place place = usage_place_at("/sys/fs/cgroup", "/proc");
    size_t at = 0;
    void *value = NULL;
    crowd->ranks = cor_calloc(cor_map_count(agent->pods) + 1, sizeof(*crowd->ranks));
    crowd->pods = cor_calloc(cor_map_count(agent->pods) + 1, sizeof(*crowd->pods));
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (pod->run->over == NULL && pod->run->want == RUN_WANT_RUN) {
            measure(&place, pod, signal, &crowd->ranks[crowd->count]);
            crowd->pods[crowd->count++] = pod;
        }
    }
}

static void crowd_free(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++) {
        cor_free((void *)(uintptr_t)crowd->ranks[i].container);
    }
    cor_free(crowd->ranks);
    cor_free(crowd->pods);
}

/* One is on its way out still: what it frees is not known yet. */
static bool is_waiting(const struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        const struct run *run = ((const struct agent_pod *)value)->run;
        if (run->over_reason != NULL && strcmp(run->over_reason, "Evicted") == 0 &&
            run_is_active(run)) {
            return true;
        }
    }
    return false;
}

/* kubelet's immediateEvictionGracePeriodSeconds is 1. */
static void evict_one(struct evictor *e)
{
    const struct evict_threshold *t = e->verdict.act;
    auto_(crowd_free) struct crowd crowd = {0};
    if (is_waiting(e->agent)) {
        return;
    }
    gather(e, t->signal, &crowd);
    size_t index = rank_first(crowd.ranks, crowd.count, t->signal);
    if (index == crowd.count) {
        LOGW(e->agent->log, "edged.nothing-to-evict", "resource=%s", evict_resource(t->signal));
        return;
    }
    struct agent_pod *pod = crowd.pods[index];
    auto_(cor_freep) char *message = rank_message(&crowd.ranks[index], t, e->seen);
    int64_t most = t->grace_us == 0 ? 1 : e->agent->cfg->evict_max_grace_seconds;
    LOGW(e->agent->log, "edged.evicted", "pod=%s resource=%s", pod->key, evict_resource(t->signal));
    run_note(pod->run, true, "Evicted", RUN_NO_CONTAINER, "%s", message);
    run_terminate(pod->run, "Evicted", message, most < 1 ? 1 : most);
    agent_touch(pod);
}

/* ---- looking ---- */

static void look(void *self);

static void on_reclaimed(void *self, int64_t freed)
{
    struct evictor *e = self;
    e->reclaiming = false;
    LOGI(e->agent->log, "edged.images-reclaimed", "bytes=%" PRId64, freed);
    cor_timer_start(e->timer, 0); /* is it enough? */
}

static void say_attempt(struct evictor *e)
{
    auto_(cor_freep) char *text =
        cor_sprintf("Attempting to reclaim %s", evict_resource(e->verdict.act->signal));
    teller_node_note(e->agent, true, "EvictionThresholdMet", text);
}

/* Images go before Pods, once for each shortage. */
static void act(struct evictor *e)
{
    struct cor_mono now = cor_loop_now(e->agent->loop);
    bool lately = e->reclaimed.us != 0 && cor_mono_since(now, e->reclaimed) < COR_SEC(60);
    if (e->reclaiming || !e->agent->desired_known || !e->agent->listed) {
        return;
    }
    say_attempt(e);
    if (evict_is_disk(e->verdict.act->signal) && !lately &&
        gc_reclaim(e->agent->gc, on_reclaimed, e)) {
        e->reclaiming = true;
        e->reclaimed = now;
        return;
    }
    evict_one(e);
}

static void on_image_fs(void *self, const struct cri_answer *answer)
{
    struct evictor *e = self;
    e->asking = false;
    if (answer->code == COR_OK && answer->mountpoint != NULL) {
        cor_free(e->image_folder);
        e->image_folder = cor_strdup(answer->mountpoint);
    }
}

static void on_event(void *self, int fd, int events)
{
    uint64_t count = 0;
    (void)events;
    (void)!read(fd, &count, sizeof(count));
    look(self);
}

/* The kernel wakes us when as much more is used as is left above the threshold now. */
static void arm(struct evictor *e)
{
    struct signals_place place = place_of(e);
    int64_t used = signals_memory_used(&place);
    int64_t limit = -1;
    cor_io_free(&e->io);
    cor_fd_close(&e->event);
    for (size_t i = 0; i < e->rules.count; i++) {
        int64_t one = evict_limit(&e->rules.items[i], e->seen);
        limit = e->rules.items[i].signal == EVICT_MEMORY && one > limit ? one : limit;
    }
    int64_t left = e->seen[EVICT_MEMORY].available - limit;
    if (limit < 0 || used < 0 || !e->seen[EVICT_MEMORY].known || left <= 0) {
        return;
    }
    e->event = signals_notify(&place, used + left);
    if (e->event >= 0) {
        e->io = cor_io_new(e->agent->loop, e->event, COR_READ, on_event, e);
    }
}

static void look(void *self)
{
    struct evictor *e = self;
    struct signals_place place = place_of(e);
    bool before[EVICT_PRESSURES];
    memcpy(before, e->verdict.pressure, sizeof(before));
    if (e->image_folder[0] == '\0' && !e->asking && cri_is_up(e->agent->cri)) {
        e->asking = true;
        cri_image_fs(e->agent->cri, on_image_fs, e);
    }
    signals_read(&place, e->seen);
    evict_decide(&e->rules, &e->state, e->seen, cor_loop_now(e->agent->loop), &e->verdict);
    cor_timer_start(e->timer, COR_SEC(e->agent->cfg->evict_look_seconds));
    arm(e);
    if (memcmp(before, e->verdict.pressure, sizeof(before)) != 0) {
        registrar_pressure(e->agent->registrar, e->verdict.pressure);
    }
    if (e->verdict.act != NULL) {
        act(e);
    }
}

struct evictor *evictor_new(struct agent *agent)
{
    struct evictor *e = cor_alloc(sizeof(*e));
    struct cor_err err = COR_ERR_NONE;
    e->agent = agent;
    e->event = -1;
    e->image_folder = cor_strdup("");
    e->timer = cor_timer_new(agent->loop, look, e);
    if (evictor_rules(agent->cfg, &e->rules, &err) == COR_OK && e->rules.count > 0) {
        cor_timer_start(e->timer, COR_SEC(1)); /* once the runtime is there */
    }
    return e;
}

void evictor_free(struct evictor **evictor)
{
    if (*evictor == NULL) {
        return;
    }
    cor_io_free(&(*evictor)->io);
    cor_fd_close(&(*evictor)->event);
    cor_timer_free(&(*evictor)->timer);
    cor_free((*evictor)->image_folder);
    cor_freep(evictor);
}
