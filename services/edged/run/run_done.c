// SPDX-License-Identifier: Apache-2.0
// How actions ended, and what that changes.
#include <string.h>

#include "common/base/mem.h"
#include "run.h"

/* kubelet's numbers: image pull back-off 10 s doubling to 5 min; a failed creation is tried again
 * after 10 s (pkg/kubelet/kubelet.go). */
enum { BACKOFF_FIRST_S = 10, BACKOFF_MAX_S = 300, RETRY_S = 10 };

/* Doubles *us from first to most and returns when that is over. */
static struct cor_mono back_off(int64_t *us, int64_t first, int64_t most, struct cor_mono now)
{
    *us = *us == 0 ? first : *us * 2;
    *us = *us > most ? most : *us;
    return cor_mono_add(now, *us);
}

void run_prepared(struct run *run, const char *text, struct cor_mono now)
{
    bool again = run->prepare_again;
    run->preparing = false;
    run->prepare_again = false;
    if (text == NULL) {
        run->prepared = !again;
        run->prepare_us = 0;
        run->prepare_at = now;
        cor_freep(&run->prepare_error);
        return;
    }
    /* kubelet's exponential back-off of volume operations: 500 ms to 2 min 2 s */
    run->prepare_at = again ? now : back_off(&run->prepare_us, COR_MS(500), COR_SEC(122), now);
    if (!run_same(run->prepare_error, text)) {
        run_note(run, true, "FailedMount", RUN_NO_CONTAINER, "%s", text);
    }
    run_set_text(&run->prepare_error, text);
}

void run_sandbox_done(struct run *run, const char *id, const char *text, struct cor_mono now)
{
    struct run_sandbox *s = &run->sandbox;
    s->op = RUN_NOTHING;
    if (text != NULL) {
        s->next_attempt++; /* the name may be taken by what has failed */
        s->retry_at = back_off(&s->retry_us, COR_SEC(1), COR_SEC(60), now);
        run_note(run, true, "FailedCreatePodSandBox", RUN_NO_CONTAINER,
                 "Failed to create pod sandbox: %s", text);
        return;
    }
    s->retry_us = 0;
    if (s->id != NULL && !run_same(s->id, id)) {
        run_add_old(run->old_sandboxes, &run->old_sandbox_count, s->id);
    }
    run_forget_sandbox(s);
    run_set_text(&s->id, id);
    s->state = RUN_BOX_READY;
    s->seen = true;
    s->next_attempt++;
    s->read = run->pod->host_network;
}

void run_sandbox_stopped(struct run *run, const char *id, const char *text, struct cor_mono now)
{
    struct run_sandbox *s = &run->sandbox;
    bool mine = run_same(s->id, id);
    if (!mine) {
        run->old_sandbox_op = RUN_NOTHING;
        run->old_sandbox_stopped = text == NULL;
        return;
    }
    s->op = RUN_NOTHING;
    if (text != NULL) {
        s->retry_at = back_off(&s->retry_us, COR_SEC(1), COR_SEC(60), now);
        run_note(run, true, "FailedKillPod", RUN_NO_CONTAINER, "error killing pod: %s", text);
        return;
    }
    s->retry_us = 0;
    s->state = RUN_BOX_STOPPED;
    for (size_t i = 0; i < run->count; i++) { /* what ran in it was killed with it */
        struct run_container *c = &run->containers[i];
        if (c->state == RUN_RUNNING) {
            c->state = RUN_UNKNOWN;
            c->doubt = 1;
        }
    }
}

void run_sandbox_removed(struct run *run, const char *id, const char *text, struct cor_mono now)
{
    struct run_sandbox *s = &run->sandbox;
    if (!run_same(s->id, id)) {
        run->old_sandbox_op = RUN_NOTHING;
        if (text == NULL && run_drop_old(run->old_sandboxes, &run->old_sandbox_count, id)) {
            run->old_sandbox_stopped = false;
        }
        return;
    }
    s->op = RUN_NOTHING;
    if (text != NULL) {
        s->retry_at = back_off(&s->retry_us, COR_SEC(1), COR_SEC(60), now);
        return;
    }
    run_forget_sandbox(s);
}

void run_look_done(struct run *run, size_t index, bool here, const char *text, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    const struct pod_container *spec = pod_container(run->pod, index);
    c->op = RUN_NOTHING;
    if (text != NULL) {
        c->retry_at = cor_mono_add(now, COR_SEC(RETRY_S));
        run_wait(c, "ImageInspectError", "Failed to inspect image \"%s\": %s", spec->image, text);
        run_note(run, true, "InspectFailed", index, "Failed to inspect image \"%s\": %s",
                 spec->image, text);
        return;
    }
    c->image = here ? RUN_IMAGE_HERE : RUN_IMAGE_ABSENT;
    if (here) {
        run_note(run, false, "Pulled", index, "Container image \"%s\" already present on machine",
                 spec->image);
    }
}

void run_pull_done(struct run *run, size_t index, const char *text, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    const struct pod_container *spec = pod_container(run->pod, index);
    c->op = RUN_NOTHING;
    if (text == NULL) {
        c->image = RUN_IMAGE_HERE;
        c->pull_us = 0;
        run_wait(c, NULL, NULL);
        run_note(run, false, "Pulled", index, "Successfully pulled image \"%s\"", spec->image);
        return;
    }
    c->retry_at = back_off(&c->pull_us, COR_SEC(BACKOFF_FIRST_S), COR_SEC(BACKOFF_MAX_S), now);
    run_wait(c, "ErrImagePull", "%s", text);
    run_note(run, true, "Failed", index, "Failed to pull image \"%s\": %s", spec->image, text);
    run_note(run, true, "Failed", index, "Error: ErrImagePull");
}

void run_create_done(struct run *run, size_t index, const char *id, bool config, const char *text,
                     struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    const char *name = pod_container(run->pod, index)->name;
    c->op = RUN_NOTHING;
    if (text != NULL) {
        const char *reason = config ? "CreateContainerConfigError" : "CreateContainerError";
        bool news = c->wait_reason == NULL || strcmp(c->wait_reason, reason) != 0 ||
                    !run_same(c->wait_message, text);
        c->retry_at = cor_mono_add(now, COR_SEC(RETRY_S));
        c->image = config ? c->image : RUN_IMAGE_UNKNOWN;
        run_wait(c, reason, "%s", text);
        if (news) {
            run_note(run, true, "Failed", index, "Error: %s", text);
        }
        return;
    }
    uint32_t attempt = c->id != NULL ? c->attempt + 1 : c->next_attempt;
    if (c->id != NULL) {
        run_make_room(run, c);
    }
    c->attempt = attempt;
    c->state = RUN_CREATED;
    c->made = true;
    cor_freep(&c->discarded);
    c->stale = false;
    run_clear_health(c);
    c->seen = true;
    c->told = false;
    c->doubt = 0;
    run_set_text(&c->id, id);
    run_set_text(&c->sandbox, run->sandbox.id);
    run_set_text(&c->hash, pod_container(run->pod, index)->hash);
    run_note(run, false, "Created", index, "Created container: %s", name);
}

void run_start_done(struct run *run, size_t index, const char *text, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    const char *name = pod_container(run->pod, index)->name;
    c->op = RUN_NOTHING;
    if (text != NULL) {
        c->state = RUN_UNKNOWN; /* to be read: the runtime says that it has ended, StartError */
        c->doubt = 1;
        c->retry_at = now;
        run_wait(c, "RunContainerError", "%s", text);
        run_note(run, true, "Failed", index, "Error: %s", text);
        return;
    }
    c->state = RUN_RUNNING;
    c->post_start =
        pod_container(run->pod, index)->post_start != NULL ? RUN_HOOK_DUE : RUN_HOOK_NONE;
    run_wait(c, NULL, NULL);
    run_note(run, false, "Started", index, "Started container %s", name);
}

/* What the hook said is in the status only: it may tell secrets. */
void run_post_start_done(struct run *run, size_t index, const char *text)
{
    struct run_container *c = &run->containers[index];
    c->post_start = text == NULL ? RUN_HOOK_NONE : RUN_HOOK_FAILED;
    if (text != NULL) {
        run_note(run, true, "FailedPostStartHook", index, "PostStartHook failed");
        run_wait(c, "PostStartHookError", "%s", text);
    }
}

void run_pre_stop_done(struct run *run, size_t index, const char *text)
{
    struct run_container *c = &run->containers[index];
    if (c->pre_stop == RUN_HOOK_RUNS) { /* else it was too late */
        c->pre_stop = text == NULL ? RUN_HOOK_NONE : RUN_HOOK_FAILED;
        if (text != NULL) {
            run_note(run, true, "FailedPreStopHook", index, "PreStopHook failed");
        }
    }
}

void run_read_failed(struct run *run, size_t index, struct cor_mono now)
{
    run->containers[index].op = RUN_NOTHING;
    run->containers[index].retry_at = cor_mono_add(now, COR_SEC(1));
}

void run_box_read_failed(struct run *run, struct cor_mono now)
{
    run->sandbox.op = RUN_NOTHING;
    run->sandbox.retry_at = cor_mono_add(now, COR_SEC(1));
}

void run_stop_done(struct run *run, size_t index, const char *text, struct cor_mono now)
{
    struct run_container *c = &run->containers[index];
    c->op = RUN_NOTHING;
    c->retry_at = text == NULL ? now : cor_mono_add(now, COR_SEC(1));
    if (text != NULL) {
        run_note(run, true, "FailedKillPod", index, "error killing container: %s", text);
    } else if (c->state == RUN_RUNNING || c->state == RUN_UNKNOWN) {
        c->state = RUN_UNKNOWN;
        c->doubt = 1;
    }
}

/* One that was never started is gone, or is being started after all: then it is read. */
static void discarded(struct run *run, struct run_container *c, bool gone, struct cor_mono now)
{
    enum { SOON_MS = 100 };
    c->discarding = false;
    if (!gone) {
        c->id = take(&c->discarded);
        run_set_text(&c->sandbox, run->sandbox.id);
        c->retry_at = cor_mono_add(now, COR_MS(SOON_MS));
        c->state = RUN_UNKNOWN;
        c->doubt = 1;
    }
}

void run_removed(struct run *run, const char *id, const char *text, struct cor_mono now)
{
    run->old_container_op = RUN_NOTHING;
    for (size_t i = 0; i < run->count; i++) {
        if (run->containers[i].discarding && run_same(run->containers[i].discarded, id)) {
            discarded(run, &run->containers[i], text == NULL, now);
        }
    }
    /* what could not be removed is found by the next list */
    (void)run_drop_old(run->old_containers, &run->old_container_count, id);
}

void run_clean_done(struct run *run)
{
    run->cleaned = true;
}
