// SPDX-License-Identifier: Apache-2.0
// What is observed of a pod, in the runtime and in the API's last status.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "gates.h"
#include "run.h"

/* A restart back-off is forgotten after 10 min without one (client-go flowcontrol/backoff.go). */
enum { BACKOFF_FORGET_S = 600 };

/* What was ready stays so while edged restarts (Kubernetes 1.35; a kubelet 1.32 says for a moment
 * that it is not). */
static void recall_health(struct run_container *c, const struct cor_json *status)
{
    const char *id = strstr(cor_json_str_at(status, "containerID", ""), "://");
    run_set_text(&c->known_id, id == NULL ? NULL : id + strlen("://"));
    c->known_ready = cor_json_bool_at(status, "ready", false);
    c->known_started = cor_json_bool_at(status, "started", false);
}

/* A container that was made but never started has an ID and waits. */
static bool was_started(const struct cor_json *status)
{
    const struct cor_json *last = cor_json_at(status, "lastState.terminated");
    const char *id = cor_json_str_at(status, "containerID", "");
    const char *last_id = cor_json_str_at(last, "containerID", "");
    return cor_json_at(status, "state.running") != NULL ||
           cor_json_at(status, "state.terminated") != NULL ||
           (last != NULL && (id[0] == '\0' || last_id[0] == '\0' || strcmp(id, last_id) == 0));
}

static void recall_restarts(struct run *run, const struct cor_json *list)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *status = cor_json_item(list, i);
        size_t index = pod_find_container(run->pod, cor_json_str_at(status, "name", ""));
        int64_t restarts = cor_json_int_at(status, "restartCount", 0);
        if (index < run->count && restarts >= 0 && restarts < INT32_MAX) {
            run->containers[index].renewed = !was_started(status);
            run->containers[index].next_attempt =
                (uint32_t)restarts + (was_started(status) ? 1 : 0);
            recall_health(&run->containers[index], status);
        }
    }
}

void run_recall(struct run *run, const struct cor_json *status)
{
    const char *phase = cor_json_str_at(status, "phase", "");
    recall_restarts(run, cor_json_get(status, "initContainerStatuses"));
    recall_restarts(run, cor_json_get(status, "containerStatuses"));
    recall_restarts(run, cor_json_get(status, "ephemeralContainerStatuses"));
    if (strcmp(phase, "Failed") == 0) {
        run->over = "Failed";
    } else if (strcmp(phase, "Succeeded") == 0) {
        run->over = "Succeeded";
    }
}

void run_told_status(struct run *run, const struct cor_json *status)
{
    cor_json_free(&run->gates);
    run->gates = gates_pick(run->pod, status);
}

void run_see_begin(struct run *run)
{
    run->sandbox.seen = false;
    for (size_t i = 0; i < run->count; i++) {
        run->containers[i].seen = false;
    }
}

void run_see_sandbox(struct run *run, const struct cri_sandbox *sandbox, bool full)
{
    struct run_sandbox *mine = &run->sandbox;
    bool known = run_same(mine->id, sandbox->id);
    if (!known && mine->id != NULL && sandbox->attempt + 1 < mine->next_attempt) {
        run_add_old(run->old_sandboxes, &run->old_sandbox_count, sandbox->id);
        return;
    }
    if (!known && mine->id != NULL) {
        run_add_old(run->old_sandboxes, &run->old_sandbox_count, mine->id);
    }
    if (!known) {
        run_forget_sandbox(mine);
        mine->id = cor_strdup(sandbox->id);
    }
    bool stopped = mine->state == RUN_BOX_STOPPED && !sandbox->ready;
    mine->state = sandbox->ready ? RUN_BOX_READY : RUN_BOX_DEAD;
    mine->state = stopped ? RUN_BOX_STOPPED : mine->state;
    mine->next_attempt = sandbox->attempt + 1;
    mine->seen = true;
    mine->created_ns = sandbox->created_ns;
    mine->op = full && mine->op == RUN_READ_SANDBOX ? RUN_NOTHING : mine->op;
    if (sandbox->ip_count > 0) {
        for (size_t i = 0; i < mine->ip_count; i++) {
            cor_freep(&mine->ips[i]);
        }
        mine->ip_count = sandbox->ip_count;
        for (size_t i = 0; i < sandbox->ip_count; i++) {
            mine->ips[i] = cor_strdup(sandbox->ips[i]);
        }
    }
    mine->read = mine->read || full || run->pod->host_network;
}

/* The container has ended, now or before we looked: when is it started again? */
static void note_end(struct run *run, size_t index, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    c->image = RUN_IMAGE_UNKNOWN;
    c->retry_at = now;
    if (cor_mono_since(now, c->crash_at) > COR_SEC(BACKOFF_FORGET_S)) {
        c->crash_us = 0;
    }
    if (c->crash_us == 0 || !run_restarts(run, index) || run->want != RUN_WANT_RUN || c->stale) {
        return;
    }
    c->retry_at = cor_mono_add(now, c->crash_us);
    const char *name = pod_container(run->pod, index)->name;
    int64_t seconds = c->crash_us / COR_SEC(1);
    char wait[32];
    if (seconds >= 60) {
        (void)snprintf(wait, sizeof(wait), "%" PRId64 "m%" PRId64 "s", seconds / 60, seconds % 60);
    } else {
        (void)snprintf(wait, sizeof(wait), "%" PRId64 "s", seconds);
    }
    run_wait(c, "CrashLoopBackOff", "back-off %s restarting failed container=%s pod=%s_%s(%s)",
             wait, name, run->pod->name, run->pod->ns, run->pod->uid);
    run_note(run, true, "BackOff", index,
             "Back-off restarting failed container %s in pod %s_%s(%s)", name, run->pod->name,
             run->pod->ns, run->pod->uid);
}

static enum run_state state_of(enum cri_state state)
{
    static const enum run_state states[] = {RUN_CREATED, RUN_RUNNING, RUN_EXITED, RUN_UNKNOWN};
    return states[state];
}

static void end_fill(struct run_end *end, const struct cri_container *from)
{
    run_set_text(&end->id, from->id);
    run_set_text(&end->reason, from->reason);
    run_set_text(&end->message, from->message);
    end->exit_code = from->exit_code;
    end->started_ns = from->started_ns;
    end->finished_ns = from->finished_ns;
}

static void see_older(struct run *run, struct run_container *c, const struct cri_container *seen)
{
    if (c->last.id == NULL || run_same(c->last.id, seen->id)) {
        end_fill(&c->last, seen);
    } else if (seen->finished_ns > c->last.finished_ns) {
        run_add_old(run->old_containers, &run->old_container_count, c->last.id);
        end_fill(&c->last, seen);
    } else {
        run_add_old(run->old_containers, &run->old_container_count, seen->id);
    }
}

/* containerd's event comes a moment before its CRI part has seen the end: read again, after 4 ms at
 * first and 4 s in all. */
static bool still_told(struct run_container *c, struct cor_mono now)
{
    enum { TRIES = 10, FIRST_MS = 4 };
    if (!c->told || c->told_tries >= TRIES) {
        return false;
    }
    c->retry_at = cor_mono_add(now, COR_MS(FIRST_MS) << c->told_tries);
    c->told_tries++;
    c->doubt = 1;
    return true;
}

/* containerd gives up a StartContainer whose caller is gone, which was an edged that is no more. */
static bool was_never_started(const struct run_container *c, const struct cri_container *seen)
{
    return !c->made && seen->state == CRI_EXITED && seen->started_ns == 0 &&
           (strstr(seen->message, "context canceled") != NULL ||
            strstr(seen->message, "start failed: : signal: killed") != NULL);
}

static void see_newest(struct run *run, size_t index, const struct cri_container *seen,
                       struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    enum run_state before = c->state;
    if (!run_same(c->id, seen->id)) {
        bool known = run_same(c->known_id, seen->id);
        run_clear_health(c);
        c->health[POD_STARTUP] = known && c->known_started ? RUN_HEALTH_GOOD : RUN_HEALTH_UNKNOWN;
        c->health[POD_READINESS] = known && c->known_ready ? RUN_HEALTH_GOOD : RUN_HEALTH_UNKNOWN;
    }
    run_set_text(&c->id, seen->id);
    if (seen->sandbox_id[0] != '\0' || c->sandbox == NULL) {
        run_set_text(&c->sandbox, seen->sandbox_id);
    }
    run_set_text(&c->hash, seen->hash);
    run_set_text(&c->image_ref, seen->image_ref);
    c->attempt = seen->attempt;
    c->created_ns = seen->created_ns;
    c->seen = true;
    c->op = c->op == RUN_READ ? RUN_NOTHING : c->op;
    end_fill(&c->end, seen);
    c->state = was_never_started(c, seen) ? RUN_CREATED : state_of(seen->state);
    if (c->state == RUN_RUNNING && still_told(c, now)) {
        c->state = RUN_UNKNOWN;
        return;
    }
    c->told = false;
    c->doubt = c->state == RUN_UNKNOWN && c->doubt > 0 ? 2 : 0;
    if (c->state == RUN_RUNNING) {
        run_wait(c, NULL, NULL);
    } else if (c->state == RUN_EXITED && before != RUN_EXITED) {
        note_end(run, index, now);
    }
}

void run_see_container(struct run *run, const struct cri_container *container, struct cor_mono now)
{
    size_t index = pod_find_container(run->pod, container->name);
    if (index >= run->count) { /* of a container that the pod does not have */
        run_add_old(run->old_containers, &run->old_container_count, container->id);
        return;
    }
    struct run_container *c = &run->containers[index];
    bool known = run_same(c->id, container->id);
    if (run_same(c->discarded, container->id)) {
        return; /* as it was before it was removed */
    }
    if (!known && c->id != NULL && container->attempt < c->attempt) {
        see_older(run, c, container);
        return;
    }
    if (!known && c->id != NULL) {
        run_make_room(run, c);
    }
    see_newest(run, index, container, now);
    run_mark_stale(run, index);
}

void run_seen_all(struct run *run, struct cor_mono now)
{
    for (size_t i = 0; i < run->count; i++) {
        if (run->containers[i].state != RUN_NONE && !run->containers[i].seen) {
            run_lost_container(run, i, now);
        }
    }
    if (run->sandbox.id != NULL && !run->sandbox.seen) {
        run_forget_sandbox(&run->sandbox);
    }
    run->observed = true;
}

void run_lost_container(struct run *run, size_t index, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    c->op = RUN_NOTHING;
    if (c->state == RUN_NONE) {
        return;
    }
    c->next_attempt = c->attempt + 1;
    c->renewed = false;
    run_forget_container(c);
    c->retry_at = now;
}

void run_told_end(struct run *run, size_t index)
{
    struct run_container *c = &run->containers[index];
    c->told = true;
    c->told_tries = 0;
    if (c->state == RUN_RUNNING) {
        c->state = RUN_UNKNOWN;
        c->doubt = 1;
        c->retry_at.us = 0;
    }
}

void run_told_box_end(struct run *run)
{
    if (run->sandbox.state == RUN_BOX_READY) {
        run->sandbox.state = RUN_BOX_DEAD;
    }
}

void run_lost_runtime(struct run *run)
{
    run->observed = false;
    run->sandbox.op = RUN_NOTHING;
    run->old_container_op = RUN_NOTHING;
    run->old_sandbox_op = RUN_NOTHING;
    for (size_t i = 0; i < run->count; i++) {
        run->containers[i].op = RUN_NOTHING;
    }
}
