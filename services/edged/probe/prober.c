// SPDX-License-Identifier: Apache-2.0
#include "prober.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "try.h"

enum { TRIES_MAX = 256, LATER_MS = 50 };

struct prober {
    struct agent *agent;
    struct cor_mono started;
    uint64_t random;
    size_t under_way;
};

/* One probe of one container. */
struct work {
    struct prober_pod *of;
    size_t index;
    enum pod_check check;
    struct probe probe;
    char *id; /* of the container that it has begun with; NULL */
    struct cor_timer *timer;
    struct probe_try *attempt; /* under way */
    int tries;                 /* in a row that errored */
};

struct prober_pod {
    struct agent_pod *pod;
    struct work *works;
    size_t count;
};

static struct prober *prober_of(const struct work *work)
{
    return work->of->pod->agent->prober;
}

static const struct pod_probe *spec_of(const struct work *work)
{
    return pod_container(work->of->pod->pod, work->index)->probes[work->check];
}

static struct cor_mono now_of(const struct work *work)
{
    return cor_loop_now(work->of->pod->agent->loop);
}

const char *prober_ip(const struct agent_pod *pod)
{
    const struct run *run = pod->run;
    const struct facts *facts = &pod->agent->facts;
    if (pod->pod->host_network) {
        return facts->host_ip_count > 0 ? facts->host_ips[0] : "";
    }
    return run->sandbox.ip_count > 0 ? run->sandbox.ips[0] : "";
}

/* ---- tries ---- */

static void give_up(struct work *work)
{
    if (work->attempt != NULL) {
        probe_try_free(&work->attempt);
        prober_of(work)->under_way--;
    }
}

static void wait(struct work *work)
{
    struct run *run = work->of->pod->run;
    struct cor_mono now = now_of(work);
    struct cor_mono at = probe_next(&work->probe, spec_of(work), work->check,
                                    run_has_started(run, work->index), now);
    if (work->attempt != NULL) {
        return; /* it goes on from its outcome */
    }
    if (at.us == INT64_MAX) {
        cor_timer_stop(work->timer);
    } else {
        cor_timer_start(work->timer, at.us > now.us ? at.us - now.us : 0);
    }
}

static void attempt(struct work *work);

static void note(struct work *work, enum probe_outcome outcome, const char *text)
{
    const char *reason = NULL;
    const char *words = probe_words(outcome, &reason);
    if (words != NULL) {
        run_note(work->of->pod->run, true, reason, work->index, "%s %s: %s",
                 probe_name(work->check), words, text);
        agent_touch(work->of->pod);
    }
}

static void on_outcome(void *self, enum probe_outcome outcome, const char *text)
{
    struct work *work = self;
    struct agent_pod *pod = work->of->pod;
    note(work, outcome, text);
    give_up(work);
    enum run_health health = probe_take(&work->probe, spec_of(work), work->check, outcome);
    if (health != RUN_HEALTH_UNKNOWN &&
        pod->run->containers[work->index].health[work->check] != health) {
        run_set_health(pod->run, work->index, work->check, health);
        agent_touch(pod);
    }
    wait(work);
}

/* What errors is tried again at once before it is told (kubelet's runProbeWithRetries). */
static void on_try(void *self, enum probe_outcome outcome, const char *text)
{
    struct work *work = self;
    if (outcome == PROBE_ERRORED && ++work->tries < PROBE_TRIES) {
        give_up(work);
        attempt(work);
        return;
    }
    on_outcome(work, outcome, text);
}

static void attempt(struct work *work)
{
    struct agent_pod *pod = work->of->pod;
    const struct pod_probe *spec = spec_of(work);
    prober_of(work)->under_way++;
    work->attempt = probe_try_new(pod->agent->loop,
                                  &(struct probe_ask){
                                      .cri = pod->agent->cri,
                                      .handler = &spec->handler,
                                      .container_id = work->id,
                                      .ip = prober_ip(pod),
                                      .timeout_seconds = spec->timeout_seconds,
                                      .agent = PROBE_AGENT,
                                  },
                                  on_try, work);
}

static void on_due(void *self)
{
    struct work *work = self;
    if (prober_of(work)->under_way >= TRIES_MAX) {
        cor_timer_start(work->timer, COR_MS(LATER_MS));
        return;
    }
    probe_ask(&work->probe, now_of(work));
    work->tries = 0;
    attempt(work);
}

/* ---- probes and their containers ---- */

/* The moment on the loop's clock at which the container started. */
static struct cor_mono started_at(const struct work *work)
{
    const struct run_container *c = &work->of->pod->run->containers[work->index];
    int64_t ago = cor_wall_now().us - c->end.started_ns / 1000;
    return cor_mono_add(now_of(work), -(ago > 0 ? ago : 0));
}

static void end_work(struct work *work)
{
    give_up(work);
    cor_timer_stop(work->timer);
    probe_end(&work->probe);
    cor_freep(&work->id);
}

static void look_at(struct work *work)
{
    struct run *run = work->of->pod->run;
    const struct run_container *c = &run->containers[work->index];
    bool ending = run->want != RUN_WANT_RUN && work->check != POD_READINESS;
    bool runs = c->state == RUN_RUNNING && c->end.started_ns != 0 && !run_is_hooked(c);
    if (!runs || ending || c->sick) {
        end_work(work);
        return;
    }
    if (work->id == NULL || strcmp(work->id, c->id) != 0) {
        end_work(work);
        work->id = cor_strdup(c->id);
        probe_begin(&work->probe, spec_of(work), started_at(work));
    }
    if (!cor_timer_running(work->timer)) {
        wait(work);
    }
}

static uint64_t random_of(struct prober *prober)
{
    prober->random ^= prober->random << 13;
    prober->random ^= prober->random >> 7;
    prober->random ^= prober->random << 17;
    return prober->random;
}

/* Soon after a start of edged the probes of all Pods begin: spread them over their period. */
static struct cor_mono first_tick(struct prober *prober, const struct pod_probe *spec)
{
    struct cor_mono now = cor_loop_now(prober->agent->loop);
    int64_t period = COR_SEC(spec->period_seconds);
    bool young = cor_mono_since(now, prober->started) < period;
    return cor_mono_add(now, young ? (int64_t)(random_of(prober) % (uint64_t)period) : 0);
}

static void add_works(struct agent_pod *pod)
{
    struct prober_pod *probes = pod->probes;
    for (size_t i = 0; i < pod->run->count; i++) {
        for (size_t check = 0; check < POD_CHECKS; check++) {
            const struct pod_probe *spec = pod_container(pod->pod, i)->probes[check];
            if (spec == NULL) {
                continue;
            }
            struct work *work = &probes->works[probes->count++];
            work->of = probes;
            work->index = i;
            work->check = (enum pod_check)check;
            work->timer = cor_timer_new(pod->agent->loop, on_due, work);
            probe_init(&work->probe, first_tick(pod->agent->prober, spec));
        }
    }
}

static size_t count_of(const struct agent_pod *pod)
{
    size_t count = 0;
    for (size_t i = 0; i < pod_container_count(pod->pod); i++) {
        for (size_t check = 0; check < POD_CHECKS; check++) {
            count += pod_container(pod->pod, i)->probes[check] != NULL ? 1 : 0;
        }
    }
    return count;
}

/* Probes do not change while a Pod lives: the API server allows that of images alone. */
void prober_look(struct agent_pod *pod)
{
    size_t count = pod->probes == NULL ? count_of(pod) : 0;
    if (count > 0) {
        pod->probes = cor_alloc(sizeof(*pod->probes));
        pod->probes->pod = pod;
        pod->probes->works = cor_calloc(count, sizeof(*pod->probes->works));
        add_works(pod);
    }
    for (size_t i = 0; pod->probes != NULL && i < pod->probes->count; i++) {
        look_at(&pod->probes->works[i]);
    }
}

void prober_pod_free(struct prober_pod **probes)
{
    if (*probes == NULL) {
        return;
    }
    for (size_t i = 0; i < (*probes)->count; i++) {
        struct work *work = &(*probes)->works[i];
        end_work(work);
        cor_timer_free(&work->timer);
    }
    cor_free((*probes)->works);
    cor_freep(probes);
}

struct prober *prober_new(struct agent *agent)
{
    struct prober *prober = cor_alloc(sizeof(*prober));
    prober->agent = agent;
    prober->started = cor_loop_now(agent->loop);
    prober->random = (uint64_t)cor_wall_now().us | 1u;
    return prober;
}

void prober_free(struct prober **prober)
{
    cor_freep(prober);
}

/* ---- metrics ---- */

static void add_series(const struct work *work, const char *result, uint64_t value,
                       struct cor_buf *out)
{
    const struct pod *pod = work->of->pod->pod;
    if (value > 0) {
        cor_buf_fmt(out,
                    "prober_probe_total{container=\"%s\",namespace=\"%s\",pod=\"%s\",pod_uid=\"%s\""
                    ",probe_type=\"%s\",result=\"%s\"} %" PRIu64 "\n",
                    pod_container(pod, work->index)->name, pod->ns, pod->name, pod->uid,
                    probe_name(work->check), result, value);
    }
}

void prober_metrics(const struct agent *agent, struct cor_buf *out)
{
    size_t at = 0;
    void *value = NULL;
    cor_buf_str(out, "# HELP prober_probe_total [BETA] Cumulative number of a liveness, readiness "
                     "or startup probe for a container by result.\n"
                     "# TYPE prober_probe_total counter\n");
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        for (size_t i = 0; pod->probes != NULL && i < pod->probes->count; i++) {
            add_series(&pod->probes->works[i], "successful", pod->probes->works[i].probe.passed,
                       out);
            add_series(&pod->probes->works[i], "failed", pod->probes->works[i].probe.failed, out);
        }
    }
}
