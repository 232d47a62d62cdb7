// SPDX-License-Identifier: Apache-2.0
// What is known of a pod: how it comes, changes and ends.
#include "run.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

void run_set_text(char **to, const char *text)
{
    char *copy = cor_strdup(text);
    cor_free(*to);
    *to = copy;
}

static void end_clear(struct run_end *end)
{
    cor_free(end->id);
    cor_free(end->reason);
    cor_free(end->message);
    *end = (struct run_end){0};
}

void run_note(struct run *run, bool warning, const char *reason, size_t container, const char *fmt,
              ...)
{
    if (run->note_count == RUN_NOTES_MAX) {
        return; /* told too seldom: the newest are lost, the status still says it */
    }
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    run->notes[run->note_count++] = (struct run_note){warning, reason, container, cor_strdup(text)};
}

void run_wait(struct run_container *container, const char *reason, const char *fmt, ...)
{
    container->wait_reason = reason;
    if (reason == NULL) {
        cor_freep(&container->wait_message);
        return;
    }
    char text[1024] = "";
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    run_set_text(&container->wait_message, text);
}

struct run *run_new(const struct pod *pod)
{
    struct run *run = cor_alloc(sizeof(*run));
    run->pod = pod;
    run->count = pod_container_count(pod);
    run->containers = cor_calloc(run->count, sizeof(*run->containers));
    run->wake_at.us = INT64_MAX;
    return run;
}

void run_forget_container(struct run_container *c)
{
    cor_freep(&c->id);
    cor_freep(&c->sandbox);
    cor_freep(&c->hash);
    cor_freep(&c->image_ref);
    end_clear(&c->end);
    c->made = false;
    c->state = RUN_NONE;
    run_clear_health(c);
}

void run_clear_health(struct run_container *c)
{
    memset(c->health, 0, sizeof(c->health));
    c->sick = false;
    c->post_start = RUN_HOOK_NONE;
    c->pre_stop = RUN_HOOK_NONE;
    c->ending = false;
}

bool run_is_hooked(const struct run_container *c)
{
    return c->state == RUN_RUNNING &&
           (c->post_start == RUN_HOOK_DUE || c->post_start == RUN_HOOK_RUNS);
}

void run_set_health(struct run *run, size_t index, enum pod_check check, enum run_health health)
{
    struct run_container *c = &run->containers[index];
    c->health[check] = health;
    c->sick = c->sick || (health == RUN_HEALTH_BAD && check != POD_READINESS);
}

bool run_has_started(const struct run *run, size_t index)
{
    return pod_container(run->pod, index)->probes[POD_STARTUP] == NULL ||
           run->containers[index].health[POD_STARTUP] == RUN_HEALTH_GOOD;
}

bool run_seems_ready(const struct run *run, size_t index)
{
    return run_has_started(run, index) &&
           (pod_container(run->pod, index)->probes[POD_READINESS] == NULL ||
            run->containers[index].health[POD_READINESS] == RUN_HEALTH_GOOD);
}

void run_forget_sandbox(struct run_sandbox *s)
{
    cor_freep(&s->id);
    for (size_t i = 0; i < s->ip_count; i++) {
        cor_freep(&s->ips[i]);
    }
    s->ip_count = 0;
    s->read = false;
    s->state = RUN_BOX_NONE;
}

static void texts_free(char **texts, size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        cor_freep(&texts[i]);
    }
    *count = 0;
}

void run_free(struct run **run)
{
    if (*run == NULL) {
        return;
    }
    struct run *r = *run;
    for (size_t i = 0; i < r->count; i++) {
        run_forget_container(&r->containers[i]);
        end_clear(&r->containers[i].last);
        cor_freep(&r->containers[i].wait_message);
        cor_freep(&r->containers[i].known_id);
        cor_freep(&r->containers[i].discarded);
    }
    run_forget_sandbox(&r->sandbox);
    texts_free(r->old_containers, &r->old_container_count);
    texts_free(r->old_sandboxes, &r->old_sandbox_count);
    for (size_t i = 0; i < r->note_count; i++) {
        cor_free(r->notes[i].message);
    }
    cor_free(r->containers);
    cor_free(r->prepare_error);
    cor_free(r->over_message);
    cor_json_free(&r->gates);
    cor_freep(run);
}

/* A hash of another length is not ours: a kubelet or EdgeCore made that container, it goes on. */
void run_mark_stale(struct run *run, size_t index)
{
    struct run_container *c = &run->containers[index];
    const char *hash = pod_container(run->pod, index)->hash;
    c->stale = c->hash != NULL && strlen(c->hash) == strlen(hash) && strcmp(c->hash, hash) != 0;
}

static bool same_containers(const struct pod *a, const struct pod *b)
{
    if (pod_main_end(a) != pod_main_end(b) || a->init_count != b->init_count ||
        a->ephemeral_count > b->ephemeral_count) {
        return false;
    }
    for (size_t i = 0; i < pod_container_count(a); i++) {
        if (strcmp(pod_container(a, i)->name, pod_container(b, i)->name) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_part(const struct pod *a, const struct pod *b, const char *path)
{
    return cor_json_equal(cor_json_at(a->object, path), cor_json_at(b->object, path));
}

/* Ephemeral containers have come. */
static void grow(struct run *run)
{
    size_t count = pod_container_count(run->pod);
    run->containers = cor_realloc(run->containers, count, sizeof(*run->containers));
    memset(&run->containers[run->count], 0, (count - run->count) * sizeof(*run->containers));
    run->count = count;
}

bool run_set_pod(struct run *run, const struct pod *pod)
{
    if (!same_containers(run->pod, pod)) {
        return false;
    }
    for (size_t i = 0; i < run->count; i++) {
        if (strcmp(pod_container(run->pod, i)->image, pod_container(pod, i)->image) != 0) {
            run->containers[i].image = RUN_IMAGE_UNKNOWN;
        }
    }
    bool news = !same_part(run->pod, pod, "metadata.labels") ||
                !same_part(run->pod, pod, "metadata.annotations");
    run->pod = pod;
    grow(run);
    for (size_t i = 0; i < run->count; i++) {
        run_mark_stale(run, i);
    }
    if (news) {
        run_inputs_changed(run);
    }
    return true;
}

void run_end_pod(struct run *run, enum run_want want, int64_t grace_seconds)
{
    if (run->want == RUN_WANT_RUN || grace_seconds < run->grace_seconds) {
        run->grace_seconds = grace_seconds;
    }
    if (want > run->want) {
        run->want = want;
    }
}

void run_fail(struct run *run, const char *reason, const char *message)
{
    if (run->over == NULL) {
        run->over = "Failed";
        run->over_reason = reason;
        run_set_text(&run->over_message, message);
    }
}

void run_terminate(struct run *run, const char *reason, const char *message, int64_t grace_seconds)
{
    int64_t grace =
        run->pod->grace_seconds < grace_seconds ? run->pod->grace_seconds : grace_seconds;
    run_fail(run, reason, message);
    run->disrupted = true;
    run_end_pod(run, RUN_WANT_STOP, grace);
}

void run_add_old(char **list, size_t *count, const char *id)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], id) == 0) {
            return;
        }
    }
    if (*count < RUN_OLD_MAX) { /* what does not fit is found by the next list */
        list[(*count)++] = cor_strdup(id);
    }
}

bool run_drop_old(char **list, size_t *count, const char *id)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], id) == 0) {
            cor_free(list[i]);
            memmove(&list[i], &list[i + 1], (*count - i - 1) * sizeof(*list));
            (*count)--;
            return true;
        }
    }
    return false;
}

bool run_same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* The newest is now another one: the old one is the last, the one before that is refuse. */
void run_make_room(struct run *run, struct run_container *c)
{
    if (c->last.id != NULL) {
        run_add_old(run->old_containers, &run->old_container_count, c->last.id);
    }
    end_clear(&c->last);
    c->last = c->end;
    c->end = (struct run_end){0};
    run_forget_container(c);
}

void run_inputs_changed(struct run *run)
{
    run->prepared = false;
    run->prepare_at.us = 0;
    run->prepare_again = run->preparing;
    for (size_t i = 0; i < run->count; i++) {
        struct run_container *c = &run->containers[i];
        if (c->wait_reason != NULL && strcmp(c->wait_reason, "CreateContainerConfigError") == 0) {
            c->retry_at.us = 0;
        }
    }
}

size_t run_find(const struct run *run, const char *id)
{
    size_t i = 0;
    while (i < run->count && !run_same(run->containers[i].id, id)) {
        i++;
    }
    return i;
}

bool run_is_active(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct run_container *c = &run->containers[i];
        bool idle = c->op == RUN_NOTHING || c->op == RUN_LOOK || c->op == RUN_PULL;
        if (c->state == RUN_RUNNING || c->state == RUN_UNKNOWN || !idle) {
            return true;
        }
    }
    return false;
}

bool run_is_settling(const struct run *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct run_container *c = &run->containers[i];
        bool unread = c->state == RUN_RUNNING && c->end.started_ns == 0;
        if (unread || (c->state == RUN_UNKNOWN && c->told)) {
            return true;
        }
    }
    return !run->observed;
}

/* Init containers are started again after a failure only; sidecars always. */
bool run_restarts(const struct run *run, size_t index)
{
    const struct pod_container *spec = pod_container(run->pod, index);
    bool failed = run->containers[index].end.exit_code != 0;
    bool init = pod_is_init(run->pod, index);
    if (init && spec->sidecar) {
        return true;
    }
    if (run->pod->restart == POD_RESTART_NEVER || pod_is_ephemeral(run->pod, index)) {
        return false;
    }
    return failed || run->containers[index].sick ||
           (run->pod->restart == POD_RESTART_ALWAYS && !init);
}
