// SPDX-License-Identifier: Apache-2.0
// Reads all sandboxes and containers of the runtime: on connect, after a gap in its events, and now
// and then to be safe. Finds what nobody wants.
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"

/* A pod that only the runtime knows. */
struct stray {
    char *ns;
    char *name;
    const char *names[POD_CONTAINERS_MAX]; /* owned */
    size_t count;
    int64_t grace_seconds;
};

struct relist {
    struct agent *agent;
    bool running;
    bool again;             /* asked for while running */
    bool broken;            /* a list failed: nothing is concluded from it */
    size_t waiting;         /* answers */
    struct cor_map *strays; /* by uid */
    struct cor_timer *retry;
};

/* One ContainerStatus under way. */
struct look {
    struct relist *relist;
    char *uid;
    char *id;
    char *sandbox;
};

static void stray_free(void *value)
{
    struct stray *stray = value;
    for (size_t i = 0; i < stray->count; i++) {
        cor_free((void *)(uintptr_t)stray->names[i]);
    }
    cor_free(stray->ns);
    cor_free(stray->name);
    cor_free(stray);
}

static struct stray *stray_of(struct relist *relist, const char *uid, const char *ns,
                              const char *name)
{
    struct stray *stray = cor_map_get(relist->strays, cor_view_of(uid));
    if (stray == NULL) {
        stray = cor_alloc(sizeof(*stray));
        stray->ns = cor_strdup(ns);
        stray->name = cor_strdup(name);
        stray->grace_seconds = -1;
        cor_map_set(relist->strays, cor_view_of(uid), stray);
    }
    return stray;
}

static void add_name(struct stray *stray, const struct cri_container *container)
{
    stray->grace_seconds =
        container->grace_seconds >= 0 ? container->grace_seconds : stray->grace_seconds;
    for (size_t i = 0; i < stray->count; i++) {
        if (strcmp(stray->names[i], container->name) == 0) {
            return;
        }
    }
    if (stray->count < POD_CONTAINERS_MAX) {
        stray->names[stray->count++] = cor_strdup(container->name);
    }
}

static void claim(struct relist *relist)
{
    struct agent *agent = relist->agent;
    size_t at = 0;
    struct cor_view uid;
    void *value = NULL;
    cor_map_free(&agent->unclaimed);
    agent->unclaimed = cor_map_new(NULL);
    bool adopted = false;
    while (cor_map_next(relist->strays, &at, &uid, &value)) {
        struct stray *stray = value;
        auto_(cor_freep) char *text = cor_view_dup(uid);
        if (agent_find(agent, text) != NULL) {
            adopted = true; /* it came while we were reading */
        } else if (agent->desired_known) {
            static const char *const none[] = {"none"};
            struct pod_strings names = {stray->names, stray->count};
            struct pod_strings nothing = {(const char **)(uintptr_t)none, 1};
            agent_adopt_orphan(agent, text, stray->ns, stray->name,
                               stray->count > 0 ? &names : &nothing, stray->grace_seconds);
            adopted = true;
        } else {
            cor_map_set(agent->unclaimed, uid, agent);
        }
    }
    relist->again = relist->again || adopted;
}

static void end_all(struct relist *relist)
{
    struct agent *agent = relist->agent;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        struct agent_pod *pod = value;
        if (cor_map_get(relist->strays, cor_view_of(pod->uid)) == NULL) {
            run_seen_all(pod->run, cor_loop_now(agent->loop));
            agent_touch(pod);
        }
    }
    agent->listed = true;
    claim(relist);
    if (agent->desired_known) {
        clean_strays(agent);
    }
}

static void finish_one(struct relist *relist)
{
    relist->waiting--;
    if (relist->waiting > 0) {
        return;
    }
    relist->running = false;
    if (!relist->broken) {
        end_all(relist);
    }
    cor_map_free(&relist->strays);
    if (relist->again && cri_is_up(relist->agent->cri)) {
        relist_start(relist->agent);
    } else if (relist->broken && cri_is_up(relist->agent->cri)) {
        cor_timer_start(relist->retry, COR_SEC(1));
    }
}

static void on_retry(void *self)
{
    struct relist *relist = self;
    if (cri_is_up(relist->agent->cri)) {
        relist_start(relist->agent);
    }
}

static void on_looked(void *self, const struct cri_answer *answer)
{
    struct look *look = self;
    struct relist *relist = look->relist;
    struct agent_pod *pod = agent_find(relist->agent, look->uid);
    if (answer->code == COR_OK && pod != NULL) {
        struct cri_container seen = answer->containers[0];
        seen.sandbox_id = look->sandbox;
        run_see_container(pod->run, &seen, cor_loop_now(relist->agent->loop));
        agent_touch(pod);
    } else if (answer->code != COR_OK && answer->code != COR_NOTFOUND) {
        relist->broken = true;
    }
    cor_free(look->uid);
    cor_free(look->id);
    cor_free(look->sandbox);
    cor_free(look);
    finish_one(relist);
}

static void look_at(struct relist *relist, const struct cri_container *container)
{
    struct look *look = cor_alloc(sizeof(*look));
    look->relist = relist;
    look->uid = cor_strdup(container->pod_uid);
    look->id = cor_strdup(container->id);
    look->sandbox = cor_strdup(container->sandbox_id);
    relist->waiting++;
    cri_container_status(relist->agent->cri, look->id, on_looked, look);
}

static void on_containers(void *self, const struct cri_answer *answer)
{
    struct relist *relist = self;
    relist->broken = relist->broken || answer->code != COR_OK;
    for (size_t i = 0; i < answer->container_count; i++) {
        const struct cri_container *container = &answer->containers[i];
        if (container->pod_uid[0] == '\0') {
            continue; /* not of a pod */
        }
        if (agent_find(relist->agent, container->pod_uid) != NULL) {
            look_at(relist, container);
        } else {
            add_name(stray_of(relist, container->pod_uid, container->pod_ns, container->pod_name),
                     container);
        }
    }
    finish_one(relist);
}

static void on_sandboxes(void *self, const struct cri_answer *answer)
{
    struct relist *relist = self;
    relist->broken = relist->broken || answer->code != COR_OK;
    for (size_t i = 0; i < answer->sandbox_count; i++) {
        const struct cri_sandbox *sandbox = &answer->sandboxes[i];
        struct agent_pod *pod = agent_find(relist->agent, sandbox->uid);
        if (pod != NULL) {
            run_see_sandbox(pod->run, sandbox, false);
            agent_touch(pod);
        } else if (sandbox->ours) {
            (void)stray_of(relist, sandbox->uid, sandbox->ns, sandbox->name);
        }
    }
    relist->waiting++;
    cri_list_containers(relist->agent->cri, on_containers, relist);
    finish_one(relist);
}

void relist_start(struct agent *agent)
{
    if (agent->relist == NULL) {
        agent->relist = cor_alloc(sizeof(*agent->relist));
        agent->relist->agent = agent;
        agent->relist->retry = cor_timer_new(agent->loop, on_retry, agent->relist);
    }
    struct relist *relist = agent->relist;
    if (relist->running) {
        relist->again = true;
        return;
    }
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        run_see_begin(((struct agent_pod *)value)->run);
    }
    relist->running = true;
    relist->again = false;
    relist->broken = false;
    relist->strays = cor_map_new(stray_free);
    relist->waiting = 1;
    cri_list_sandboxes(agent->cri, on_sandboxes, relist);
}

void relist_free(struct relist **relist)
{
    if (*relist != NULL) {
        cor_map_free(&(*relist)->strays);
        cor_timer_free(&(*relist)->retry);
        cor_freep(relist);
    }
}
