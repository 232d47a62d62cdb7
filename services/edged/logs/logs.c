// SPDX-License-Identifier: Apache-2.0
#include "logs.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "logfiles.h"
#include "services/edged/agent.h"
#include "services/edged/pod/quantity.h"

/* One log, as it was when it was looked at last. */
struct log_seen {
    int64_t size;
    bool busy;   /* the runtime is being told */
    bool looked; /* in this round */
};

struct logs {
    struct agent *agent;
    struct rotate_rules rules;
    struct cor_timer *timer;
    struct cor_map *seen; /* by id of the container; struct log_seen, owned */
    struct cor_mono looked;
    struct cor_map *untidy; /* by path of the log; values are not used */
    struct cor_child *tidying;
};

/* ReopenContainerLog under way. */
struct turn {
    struct logs *logs;
    char *id;
    char *log;
    char *aside; /* NULL: the file was gone before */
};

enum cor_code logs_rules(const struct edged_cfg *cfg, struct rotate_rules *rules_r,
                         struct cor_err *err)
{
    *rules_r = (struct rotate_rules){.max_files = cfg->logs_max_files,
                                     .look_us = COR_SEC(cfg->logs_look_seconds)};
    if (!quantity_value(cor_view_of(cfg->logs_max_size), &rules_r->max_size) ||
        rules_r->max_size < 0) {
        return cor_err_set(err, COR_INVALID, "logs.max-size: expected a quantity as 10Mi");
    }
    return COR_OK;
}

/* ---- what was put aside ---- */

static void tidy_all(struct logs *logs);

static void on_tidied(void *self, int pid, int status)
{
    (void)pid;
    (void)status;
    struct logs *logs = self;
    cor_child_free(&logs->tidying);
    tidy_all(logs);
}

static void tidy_each(const struct logs *logs)
{
    size_t at = 0;
    struct cor_view path;
    while (cor_map_next(logs->untidy, &at, &path, NULL)) {
        auto_(cor_freep) char *log = cor_view_dup(path);
        logfiles_tidy(&logs->rules, log);
    }
}

/* One child at a time. */
static void tidy_all(struct logs *logs)
{
    if (logs->tidying != NULL || cor_map_count(logs->untidy) == 0) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        tidy_each(logs);
        _exit(0);
    }
    if (pid < 0) {
        LOGW(logs->agent->log, "edged.logs-untidy", "error=%s", strerror(errno));
        return; /* when the next one is put aside */
    }
    cor_map_free(&logs->untidy);
    logs->untidy = cor_map_new(NULL);
    logs->tidying = cor_child_new(logs->agent->loop, pid, on_tidied, logs);
}

void logs_begun(struct logs *logs, const struct agent_pod *pod, size_t index)
{
    const struct run_container *c = &pod->run->containers[index];
    if (logs == NULL || c->attempt < 2) {
        return;
    }
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    auto_(cor_freep) char *log =
        cor_sprintf("%s/%s/%" PRIu32 ".log", crispec_log_dir(arena, &logs->agent->node, pod->pod),
                    pod_container(pod->pod, index)->name, c->attempt);
    cor_map_set(logs->untidy, cor_view_of(log), logs);
    tidy_all(logs);
}

/* ---- putting aside ---- */

static void turn_free(struct turn *turn)
{
    cor_free(turn->id);
    cor_free(turn->log);
    cor_free(turn->aside);
    cor_free(turn);
}

/* A runtime that did not hear goes on writing into the old file, so that gets its name back, unless
 * there is a new one all the same. */
static void on_turned(void *self, const struct cri_answer *answer)
{
    struct turn *turn = self;
    struct logs *logs = turn->logs;
    struct log_seen *seen = cor_map_get(logs->seen, cor_view_of(turn->id));
    struct cor_err err = COR_ERR_NONE;
    if (seen != NULL) {
        seen->busy = false;
        seen->size = 0;
    }
    if (answer->code == COR_OK && turn->aside != NULL) {
        LOGD(logs->agent->log, "edged.log-rotated", "log=%s", turn->log);
        cor_map_set(logs->untidy, cor_view_of(turn->log), logs);
        tidy_all(logs);
    } else if (answer->code != COR_OK) {
        if (answer->code != COR_CLOSED) {
            LOGW(logs->agent->log, "edged.log-not-reopened", "log=%s error=%s", turn->log,
                 cor_log_esc(cor_view_of(answer->text)));
        }
        if (turn->aside != NULL && logfiles_move(turn->aside, turn->log, &err) != COR_OK) {
            cor_map_set(logs->untidy, cor_view_of(turn->log), logs);
        }
    }
    turn_free(turn);
}

/* Takes log and aside. */
static void tell_runtime(struct logs *logs, const char *id, char *log, char *aside)
{
    struct turn *turn = cor_alloc(sizeof(*turn));
    *turn = (struct turn){logs, cor_strdup(id), log, aside};
    cri_reopen_log(logs->agent->cri, turn->id, on_turned, turn);
}

/* Takes log. */
static void put_aside(struct logs *logs, struct log_seen *seen, const char *id, char *log)
{
    struct cor_err err = COR_ERR_NONE;
    char *aside = rotate_name(log, cor_wall_now());
    if (logfiles_move(log, aside, &err) != COR_OK) {
        LOGW(logs->agent->log, "edged.log-not-rotated", "error=%s", err.text);
        cor_free(aside);
        cor_free(log);
        return;
    }
    seen->busy = true;
    tell_runtime(logs, id, log, aside);
}

/* ---- looking ---- */

static struct log_seen *seen_of(struct logs *logs, const char *id, int64_t size)
{
    struct log_seen *seen = cor_map_get(logs->seen, cor_view_of(id));
    if (seen == NULL) {
        seen = cor_alloc(sizeof(*seen));
        seen->size = size;
        cor_map_set(logs->seen, cor_view_of(id), seen);
    }
    seen->looked = true;
    return seen;
}

/* Returns when to look again. */
static int64_t look_at(struct logs *logs, const struct agent_pod *pod, size_t index,
                       const char *folder)
{
    const struct run_container *c = &pod->run->containers[index];
    auto_(cor_freep) char *log = cor_sprintf("%s/%s/%" PRIu32 ".log", folder,
                                             pod_container(pod->pod, index)->name, c->attempt);
    int64_t size = logfiles_size(log);
    struct log_seen *seen = seen_of(logs, c->id, size);
    int64_t grown = size > seen->size ? size - seen->size : 0;
    int64_t elapsed = cor_mono_since(cor_loop_now(logs->agent->loop), logs->looked);
    seen->size = size;
    if (!seen->busy && size < 0) { /* edged ended in between, or somebody has removed it */
        seen->busy = true;
        tell_runtime(logs, c->id, take(&log), NULL);
    } else if (!seen->busy && rotate_is_due(&logs->rules, size)) {
        put_aside(logs, seen, c->id, take(&log));
    }
    bool full = rotate_is_due(&logs->rules, size);
    return rotate_next_look(&logs->rules, full ? 0 : size, grown, elapsed);
}

static int64_t look_at_pod(struct logs *logs, const struct agent_pod *pod)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    const char *folder = NULL;
    int64_t next = logs->rules.look_us;
    for (size_t i = 0; i < pod->run->count; i++) {
        const struct run_container *c = &pod->run->containers[i];
        if (c->state != RUN_RUNNING || c->id == NULL) {
            continue;
        }
        folder = folder != NULL ? folder : crispec_log_dir(arena, &logs->agent->node, pod->pod);
        int64_t wait = look_at(logs, pod, i, folder);
        next = wait < next ? wait : next;
    }
    return next;
}

static void forget_gone(struct logs *logs)
{
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(logs->seen, &at, &id, &value)) {
        struct log_seen *seen = value;
        if (!seen->looked) {
            (void)cor_map_del(logs->seen, id);
        } else {
            seen->looked = false;
        }
    }
}

static void on_look(void *self)
{
    struct logs *logs = self;
    size_t at = 0;
    void *value = NULL;
    int64_t next = logs->rules.look_us;
    while (cri_is_up(logs->agent->cri) && cor_map_next(logs->agent->pods, &at, NULL, &value)) {
        int64_t wait = look_at_pod(logs, value);
        next = wait < next ? wait : next;
    }
    forget_gone(logs);
    logs->looked = cor_loop_now(logs->agent->loop);
    cor_timer_start(logs->timer, next);
}

struct logs *logs_new(struct agent *agent)
{
    struct logs *logs = cor_alloc(sizeof(*logs));
    struct cor_err err = COR_ERR_NONE;
    logs->agent = agent;
    logs->seen = cor_map_new(cor_free);
    logs->untidy = cor_map_new(NULL);
    logs->timer = cor_timer_new(agent->loop, on_look, logs);
    if (logs_rules(agent->cfg, &logs->rules, &err) == COR_OK && logs->rules.max_size > 0) {
        logs->looked = cor_loop_now(agent->loop);
        cor_timer_start(logs->timer, logs->rules.look_us);
    }
    return logs;
}

void logs_free(struct logs **logs)
{
    if (*logs == NULL) {
        return;
    }
    cor_timer_free(&(*logs)->timer);
    cor_child_free(&(*logs)->tidying);
    cor_map_free(&(*logs)->seen);
    cor_map_free(&(*logs)->untidy);
    cor_freep(logs);
}
