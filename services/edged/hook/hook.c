// SPDX-License-Identifier: Apache-2.0
#include "hook.h"

#include <string.h>

#include "common/base/mem.h"
#include "services/edged/probe/prober.h"
#include "services/edged/probe/try.h"

struct hook {
    struct cor_link link; /* of the pod's */
    struct agent_pod *pod;
    size_t index;
    char *id; /* of the container */
    void (*done)(struct run *run, size_t index, const char *text);
    struct probe_try *attempt;
};

static void hook_free(struct hook *hook)
{
    cor_list_del(&hook->link);
    probe_try_free(&hook->attempt);
    cor_free(hook->id);
    cor_free(hook);
}

/* What kubelet says of it, without the command's words. */
static char *failure_of(const struct hook *hook, const struct pod_handler *handler,
                        const char *text)
{
    const struct pod *pod = hook->pod->pod;
    static const char *const kinds[POD_ACTS] = {[POD_ACT_EXEC] = "Exec",
                                                [POD_ACT_HTTP] = "HTTP",
                                                [POD_ACT_TCP] = "TCP",
                                                [POD_ACT_GRPC] = "gRPC",
                                                [POD_ACT_SLEEP] = "Sleep"};
    return cor_sprintf("%s lifecycle hook for Container \"%s\" in Pod \"%s_%s(%s)\" failed - "
                       "message: \"%s\"",
                       kinds[handler->act], pod_container(pod, hook->index)->name, pod->name,
                       pod->ns, pod->uid, text);
}

static const struct pod_handler *handler_of(const struct hook *hook)
{
    const struct pod_container *spec = pod_container(hook->pod->pod, hook->index);
    return hook->done == run_post_start_done ? spec->post_start : spec->pre_stop;
}

static void on_outcome(void *self, enum probe_outcome outcome, const char *text)
{
    struct hook *hook = self;
    struct run *run = hook->pod->run;
    const struct pod_handler *handler = handler_of(hook);
    const struct run_container *c = &run->containers[hook->index];
    bool good = outcome == PROBE_PASSED || outcome == PROBE_WARNED || handler == NULL;
    if (run_same(c->id, hook->id)) { /* else it was of one that is no more */
        auto_(cor_freep) char *why = good ? NULL : failure_of(hook, handler, text);
        hook->done(run, hook->index, why);
        agent_touch(hook->pod);
    }
    hook_free(hook);
}

/* grace_seconds 0: as long as it takes. */
static void begin(struct agent_pod *pod, const struct run_action *action, int64_t grace_seconds,
                  void (*done)(struct run *run, size_t index, const char *text))
{
    struct hook *hook = cor_alloc(sizeof(*hook));
    hook->pod = pod;
    hook->index = action->container;
    hook->id = cor_strdup(action->id);
    hook->done = done;
    cor_list_add(&pod->hooks, &hook->link);
    hook->attempt = probe_try_new(pod->agent->loop,
                                  &(struct probe_ask){
                                      .cri = pod->agent->cri,
                                      .handler = handler_of(hook),
                                      .container_id = hook->id,
                                      .ip = prober_ip(pod),
                                      .timeout_seconds = grace_seconds,
                                      .agent = HOOK_AGENT,
                                      .any_status = true,
                                  },
                                  on_outcome, hook);
}

void hook_post_start(struct agent_pod *pod, const struct run_action *action)
{
    begin(pod, action, 0, run_post_start_done);
}

/* run_step says when the grace is over; the try ends after that. */
void hook_pre_stop(struct agent_pod *pod, const struct run_action *action)
{
    begin(pod, action, action->grace_seconds + 1, run_pre_stop_done);
}

void hooks_free(struct agent_pod *pod)
{
    while (!cor_list_empty(&pod->hooks)) {
        hook_free(COR_LIST_OBJECT(pod->hooks.next, struct hook, link));
    }
}
