// SPDX-License-Identifier: Apache-2.0
// Actions of a pod as calls of the runtime, and their answers as results.
#include <string.h>

#include "agent.h"
#include "common/base/mem.h"
#include "services/edged/cgroup/groupfs.h"
#include "services/edged/cri/runtimeclass.h"
#include "services/edged/disk/disk.h"
#include "services/edged/gc/gc.h"
#include "services/edged/hook/hook.h"
#include "services/edged/logs/logs.h"
#include "services/edged/pod/dockercfg.h"
#include "tiers.h"

enum { ARENA_MAX = 32 * 1024 * 1024 };

/* An action under way. */
struct op {
    struct agent_pod *pod;
    enum run_verb verb;
    size_t container;
    uint32_t attempt;
    char *id; /* owned; may be NULL */
    struct cor_mono started;
};

static struct op *op_new(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = cor_alloc(sizeof(*op));
    op->pod = pod;
    op->verb = action->verb;
    op->container = action->container;
    op->attempt = action->attempt;
    op->id = cor_strdup(action->id);
    op->started = cor_loop_now(pod->agent->loop);
    agent_hold(pod);
    return op;
}

static void op_free(struct op *op)
{
    agent_release(op->pod);
    cor_free(op->id);
    cor_free(op);
}

/* Ends the operation and tells whether its result counts: not when the connection broke under it,
 * the list that follows tells what has come of it. */
static bool result_counts(const struct op *op, const struct cri_answer *answer)
{
    if (answer->code == COR_TIMEOUT) {
        relist_start(op->pod->agent);
    }
    return answer->code != COR_GONE && answer->code != COR_CLOSED;
}

static const char *failure(const struct cri_answer *answer)
{
    if (answer->code == COR_OK) {
        return NULL;
    }
    return answer->text[0] != '\0' ? answer->text : cor_code_name(answer->code);
}

/* What the runtime cannot remove because it has lost a task of it: the next try finds it gone. */
static void on_task_ended(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    LOGW(op->pod->agent->log, "edged.task-ended", "uid=%s id=%s result=%s", op->pod->uid,
         cor_log_esc(cor_view_of(op->id)), answer->code == COR_OK ? "ok" : answer->text);
    op_free(op);
}

static void end_task(struct agent_pod *pod, const char *id)
{
    struct op *op = op_new(pod, &(struct run_action){.container = RUN_NO_CONTAINER, .id = id});
    cri_end_task(pod->agent->cri, op->id, on_task_ended, op);
}

static bool has_lost_task(const struct cri_answer *answer)
{
    enum { FAILED_PRECONDITION = 9 };
    return answer->code != COR_OK && answer->status == FAILED_PRECONDITION;
}

static void end_tasks(struct agent_pod *pod)
{
    for (size_t i = 0; i < pod->run->count; i++) {
        if (pod->run->containers[i].id != NULL) {
            end_task(pod, pod->run->containers[i].id);
        }
    }
}

static void on_sandbox(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    struct run *run = op->pod->run;
    struct cor_mono now = cor_loop_now(op->pod->agent->loop);
    if (result_counts(op, answer)) {
        const char *text = failure(answer);
        if (op->verb == RUN_SANDBOX) {
            run_sandbox_done(run, answer->id, text, now);
        } else if (op->verb == RUN_STOP_SANDBOX) {
            run_sandbox_stopped(run, op->id, text, now);
        } else {
            if (has_lost_task(answer)) {
                end_tasks(op->pod);
            }
            run_sandbox_removed(run, op->id, text, now);
        }
    }
    op_free(op);
}

static void on_box_read(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    struct cor_mono now = cor_loop_now(op->pod->agent->loop);
    if (answer->code == COR_OK) {
        run_see_sandbox(op->pod->run, &answer->sandboxes[0], true);
    } else if (result_counts(op, answer)) {
        run_box_read_failed(op->pod->run, now);
        relist_start(op->pod->agent);
    }
    op_free(op);
}

static void on_look(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    if (result_counts(op, answer)) {
        run_look_done(op->pod->run, op->container, answer->image_count > 0, failure(answer),
                      cor_loop_now(op->pod->agent->loop));
    }
    op_free(op);
}

static void on_pull(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    if (result_counts(op, answer)) {
        run_pull_done(op->pod->run, op->container, failure(answer),
                      cor_loop_now(op->pod->agent->loop));
        gc_look(op->pod->agent->gc);
    }
    op_free(op);
}

static void on_started(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    struct agent *agent = op->pod->agent;
    if (result_counts(op, answer)) {
        struct run_container *c = &op->pod->run->containers[op->container];
        *(c->attempt > 0 ? &agent->restarts : &agent->starts) += 1;
        run_start_done(op->pod->run, op->container, failure(answer), cor_loop_now(agent->loop));
        logs_begun(agent->logs, op->pod, op->container);
    }
    op_free(op);
}

/* What a container has left as its last words, if it ended. */
static void read_message(const struct op *op, const struct cri_container *seen, struct cor_buf *out)
{
    const struct agent_pod *pod = op->pod;
    const struct pod_container *spec = pod_container(pod->pod, op->container);
    if (seen->state != CRI_EXITED || seen->message[0] != '\0') {
        cor_buf_str(out, seen->message);
        return;
    }
    disk_read_message(pod->agent->cfg->root_dir, pod->pod, spec->name, seen->attempt, out);
    if (out->len == 0 && spec->message_from_log && seen->exit_code != 0) {
        auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
        disk_read_log_tail(crispec_log_dir(arena, &pod->agent->node, pod->pod), spec->name,
                           seen->attempt, out);
    }
}

static void on_read(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    struct run *run = op->pod->run;
    struct cor_mono now = cor_loop_now(op->pod->agent->loop);
    if (answer->code == COR_OK) {
        struct cri_container seen = answer->containers[0];
        auto_(cor_buf_free) struct cor_buf message = {0};
        read_message(op, &seen, &message);
        seen.message = message.len > 0 ? message.data : "";
        run_see_container(run, &seen, now);
    } else if (answer->code == COR_NOTFOUND) {
        run_lost_container(run, op->container, now);
    } else if (result_counts(op, answer)) {
        run_read_failed(run, op->container, now);
    }
    op_free(op);
}

static void on_stopped(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    if (result_counts(op, answer)) {
        run_stop_done(op->pod->run, op->container, failure(answer),
                      cor_loop_now(op->pod->agent->loop));
    }
    op_free(op);
}

static void on_removed(void *self, const struct cri_answer *answer)
{
    struct op *op = self;
    if (result_counts(op, answer)) {
        if (has_lost_task(answer)) {
            end_task(op->pod, op->id);
        }
        run_removed(op->pod->run, op->id, failure(answer), cor_loop_now(op->pod->agent->loop));
    }
    op_free(op);
}

/* The cgroup of the whole Pod, in which the runtime makes those of its containers. */
static enum cor_code make_group(const struct agent_pod *pod, struct cor_err *err)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    struct agent *agent = pod->agent;
    struct podgroup limits;
    tiers_set(agent);
    podgroup_limits(pod->pod, &agent->huge, agent->cfg->pids_limit, &limits);
    enum cor_code code =
        groupfs_set("/sys/fs/cgroup", crispec_cgroup(arena, &agent->node, pod->pod), &limits, err);
    return code == COR_OK ? code : cor_err_wrap(err, "unable to ensure pod container exists");
}

static void run_sandbox(struct op *op, const char *handler)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    struct cri_sandbox_config config;
    const struct agent *agent = op->pod->agent;
    crispec_sandbox(arena, &agent->node, op->pod->pod, op->attempt, &config);
    config.handler = handler;
    cri_run_sandbox(agent->cri, &config, on_sandbox, op);
}

/* The Pod's RuntimeClass, as metamanager has it from the cloud or keeps it. */
static void on_class(void *self, int status, struct cor_view body)
{
    struct op *op = self;
    struct agent_pod *pod = op->pod;
    auto_(cor_freep) char *handler = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (runtimeclass_handler(pod->pod->runtime_class, status, body, &handler, &err) == COR_OK) {
        run_sandbox(op, handler);
        return;
    }
    run_sandbox_done(pod->run, NULL, err.text, cor_loop_now(pod->agent->loop));
    op_free(op);
}

static void do_sandbox(struct agent_pod *pod, const struct run_action *action)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    struct cor_err err = COR_ERR_NONE;
    const struct agent *agent = pod->agent;
    const char *logs = crispec_log_dir(arena, &agent->node, pod->pod);
    if (disk_make_pod(agent->cfg->root_dir, logs, pod->pod, &err) != COR_OK ||
        make_group(pod, &err) != COR_OK) {
        run_sandbox_done(pod->run, NULL, err.text, cor_loop_now(agent->loop));
        agent_touch(pod);
        return;
    }
    const char *cannot = crispec_cannot(arena, &agent->node, pod->pod);
    if (cannot[0] != '\0') {
        run_sandbox_done(pod->run, NULL, cannot, cor_loop_now(agent->loop));
        agent_touch(pod);
        return;
    }
    struct op *op = op_new(pod, action);
    if (pod->pod->runtime_class[0] == '\0') {
        run_sandbox(op, NULL);
        return;
    }
    auto_(cor_freep) char *key = cor_sprintf("null/runtimeclass/%s", pod->pod->runtime_class);
    if (!meta_call(agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_class, op)) {
        on_class(op, 0, COR_VIEW("metamanager does not answer"));
    }
}

static void do_read_sandbox(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_sandbox_status(pod->agent->cri, op->id, on_box_read, op);
}

static void do_stop_sandbox(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_stop_sandbox(pod->agent->cri, op->id, on_sandbox, op);
}

static void do_remove_sandbox(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_remove_sandbox(pod->agent->cri, op->id, on_sandbox, op);
}

static void do_look(struct agent_pod *pod, const struct run_action *action)
{
    cri_image_status(pod->agent->cri, pod_container(pod->pod, action->container)->image, on_look,
                     op_new(pod, action));
}

/* The first pull secret that knows the image's registry. */
static bool find_login(const struct agent_pod *pod, const char *image, struct dockercfg_login *out)
{
    for (size_t i = 0; i < pod->pod->pull_secrets.count; i++) {
        const struct ref *ref = refs_find(&pod->refs, true, pod->pod->pull_secrets.item[i]);
        if (ref != NULL && ref->object != NULL && dockercfg_find(ref->object, image, out)) {
            return true;
        }
    }
    return false;
}

static void do_pull(struct agent_pod *pod, const struct run_action *action)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_MAX);
    auto_(dockercfg_free) struct dockercfg_login login = {0};
    const char *image = pod_container(pod->pod, action->container)->image;
    struct cri_sandbox_config config;
    struct cri_auth auth = {0};
    bool known = find_login(pod, image, &login);
    if (known) {
        auth = (struct cri_auth){login.username, login.password, login.server};
    }
    crispec_sandbox(arena, &pod->agent->node, pod->pod, 0, &config);
    cri_pull_image(pod->agent->cri, image, known ? &auth : NULL, &config, on_pull,
                   op_new(pod, action));
}

static void do_start(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_start_container(pod->agent->cri, op->id, on_started, op);
}

static void do_read(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_container_status(pod->agent->cri, op->id, on_read, op);
}

static void do_stop(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_stop_container(pod->agent->cri, op->id, action->grace_seconds, on_stopped, op);
}

static void do_remove(struct agent_pod *pod, const struct run_action *action)
{
    struct op *op = op_new(pod, action);
    cri_remove_container(pod->agent->cri, op->id, on_removed, op);
}

static void do_prepare(struct agent_pod *pod, const struct run_action *action)
{
    (void)action;
    prepare(pod);
}

static void do_clean(struct agent_pod *pod, const struct run_action *action)
{
    (void)action;
    clean(pod);
}

static void do_nothing(struct agent_pod *pod, const struct run_action *action)
{
    (void)pod;
    (void)action;
}

void perform(struct agent_pod *pod, const struct run_action *action)
{
    static void (*const table[])(struct agent_pod * pod, const struct run_action *action) = {
        [RUN_NOTHING] = do_nothing,
        [RUN_PREPARE] = do_prepare,
        [RUN_SANDBOX] = do_sandbox,
        [RUN_READ_SANDBOX] = do_read_sandbox,
        [RUN_STOP_SANDBOX] = do_stop_sandbox,
        [RUN_REMOVE_SANDBOX] = do_remove_sandbox,
        [RUN_LOOK] = do_look,
        [RUN_PULL] = do_pull,
        [RUN_CREATE] = create,
        [RUN_START] = do_start,
        [RUN_POST_START] = hook_post_start,
        [RUN_PRE_STOP] = hook_pre_stop,
        [RUN_READ] = do_read,
        [RUN_STOP] = do_stop,
        [RUN_REMOVE] = do_remove,
        [RUN_CLEAN] = do_clean,
    };
    table[action->verb](pod, action);
}
