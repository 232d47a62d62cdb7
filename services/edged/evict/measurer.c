// SPDX-License-Identifier: Apache-2.0
#include "measurer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "services/edged/agent.h"
#include "services/edged/disk/disk.h"
#include "storage.h"
#include "walk.h"

/* The Pod's folders may be large: a round ends after this, whatever it has measured. */
enum { ROUND_S = 300 };

/* What the child says of one folder. */
struct word {
    uint32_t pod; /* index in the round's uids */
    uint32_t index;
    uint32_t is_volume;
    uint32_t reserved;
    uint64_t bytes;
};

struct measurer {
    struct agent *agent;
    struct cor_timer *timer;
    struct cor_timer *late;
    /* the round */
    bool asking; /* the runtime, for layers */
    char **uids; /* owned */
    size_t count;
    struct cor_map *layers; /* id of a container to bytes (uint64_t, owned) */
    struct cor_buf words;
    struct cor_io *io;
    int fd;
    pid_t pid;
    struct cor_child *child;
};

/* ---- the child ---- */

static void say(int fd, struct word word)
{
    const char *at = (const char *)&word;
    size_t left = sizeof(word);
    while (left > 0) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno != EINTR) {
            _exit(1);
        }
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

static void walk_pod(int fd, uint32_t number, const struct agent_pod *pod)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(POD_ARENA_MAX);
    const char *logs = crispec_log_dir(arena, &pod->agent->node, pod->pod);
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        if (pod->pod->volumes[i].type == POD_VOLUME_EMPTY_DIR) {
            auto_(cor_freep) char *path =
                disk_volume_path(pod->agent->cfg->root_dir, pod->pod, &pod->pod->volumes[i]);
            say(fd, (struct word){number, (uint32_t)i, 1, 0, walk_bytes(path)});
        }
    }
    for (size_t i = 0; i < pod->run->count; i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", logs, pod_container(pod->pod, i)->name);
        say(fd, (struct word){number, (uint32_t)i, 0, 0, walk_bytes(path)});
    }
}

static void walk_all(const struct measurer *m, int fd)
{
    for (size_t i = 0; i < m->count; i++) {
        walk_pod(fd, (uint32_t)i, agent_find(m->agent, m->uids[i]));
    }
    _exit(0);
}

/* ---- the round ---- */

static void end_round(struct measurer *m)
{
    cor_timer_stop(m->late);
    cor_io_free(&m->io);
    cor_fd_close(&m->fd);
    for (size_t i = 0; i < m->count; i++) {
        cor_free(m->uids[i]);
    }
    cor_freep(&m->uids);
    m->count = 0;
    cor_buf_clear(&m->words);
    cor_map_free(&m->layers);
}

static void judge(struct measurer *m, size_t number, const char *words, size_t word_count)
{
    struct agent_pod *pod = agent_find(m->agent, m->uids[number]);
    if (pod == NULL || pod->run->over != NULL || pod->run->want != RUN_WANT_RUN) {
        return;
    }
    auto_(cor_freep) uint64_t *volumes = cor_calloc(pod->pod->volume_count + 1, sizeof(*volumes));
    auto_(cor_freep) uint64_t *containers = cor_calloc(pod->run->count + 1, sizeof(*containers));
    for (size_t i = 0; i < word_count; i++) {
        struct word word;
        memcpy(&word, words + i * sizeof(word), sizeof(word));
        size_t most = word.is_volume != 0 ? pod->pod->volume_count : pod->run->count;
        if (word.pod == number && word.index < most) {
            (word.is_volume != 0 ? volumes : containers)[word.index] = word.bytes;
        }
    }
    for (size_t i = 0; i < pod->run->count; i++) {
        const char *id = pod->run->containers[i].id;
        const uint64_t *layer = id == NULL ? NULL : cor_map_get(m->layers, cor_view_of(id));
        containers[i] += layer != NULL ? *layer : 0;
    }
    auto_(cor_freep) char *text =
        storage_exceeded(pod->pod, &(struct storage_used){volumes, containers});
    if (text != NULL) {
        LOGW(m->agent->log, "edged.evicted", "pod=%s resource=ephemeral-storage", pod->key);
        run_note(pod->run, true, "Evicted", RUN_NO_CONTAINER, "%s", text);
        run_terminate(pod->run, "Evicted", text, 1);
        agent_touch(pod);
    }
}

static void on_words(void *self, int fd, int events)
{
    struct measurer *m = self;
    enum { ROOM = 4096 };
    (void)events;
    ssize_t n = read(fd, cor_buf_room(&m->words, ROOM), ROOM);
    if (n > 0) {
        m->words.len += (size_t)n;
        return;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    for (size_t i = 0; n == 0 && i < m->count; i++) {
        judge(m, i, m->words.data, m->words.len / sizeof(struct word));
    }
    end_round(m);
}

static void on_child(void *self, int pid, int status)
{
    struct measurer *m = self;
    (void)pid;
    (void)status;
    cor_child_free(&m->child);
}

static void on_late(void *self)
{
    struct measurer *m = self;
    LOGW(m->agent->log, "edged.measuring-late", "seconds=%d", ROUND_S);
    if (m->child != NULL) {
        (void)kill(m->pid, SIGKILL);
    }
    end_round(m);
}

static void begin_walk(struct measurer *m)
{
    int ends[2];
    if (m->count == 0 || pipe2(ends, O_CLOEXEC) != 0) {
        end_round(m);
        return;
    }
    m->pid = fork();
    if (m->pid == 0) {
        walk_all(m, ends[1]);
    }
    (void)close(ends[1]);
    m->fd = ends[0];
    if (m->pid < 0) {
        end_round(m);
        return;
    }
    (void)fcntl(m->fd, F_SETFL, O_NONBLOCK);
    m->child = cor_child_new(m->agent->loop, m->pid, on_child, m);
    m->io = cor_io_new(m->agent->loop, m->fd, COR_READ, on_words, m);
    cor_timer_start(m->late, COR_SEC(ROUND_S));
}

static void on_usages(void *self, const struct cri_answer *answer)
{
    struct measurer *m = self;
    m->asking = false;
    if (answer->code == COR_CLOSED) {
        return;
    }
    m->layers = cor_map_new(cor_free);
    for (size_t i = 0; i < answer->usage_count; i++) {
        if (answer->usages[i].layer_bytes != CRI_UNTOLD) {
            cor_map_set(m->layers, cor_view_of(answer->usages[i].id),
                        cor_memdup(&answer->usages[i].layer_bytes, sizeof(uint64_t)));
        }
    }
    size_t at = 0;
    void *value = NULL;
    m->uids = cor_calloc(cor_map_count(m->agent->pods) + 1, sizeof(*m->uids));
    while (cor_map_next(m->agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        if (storage_is_limited(pod->pod) && pod->run->over == NULL) {
            m->uids[m->count++] = cor_strdup(pod->uid);
        }
    }
    begin_walk(m);
}

static bool any_limited(const struct agent *agent)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        if (storage_is_limited(((const struct agent_pod *)value)->pod)) {
            return true;
        }
    }
    return false;
}

static void on_time(void *self)
{
    struct measurer *m = self;
    bool busy = m->asking || m->io != NULL || m->child != NULL;
    if (!busy && cri_is_up(m->agent->cri) && any_limited(m->agent)) {
        m->asking = true;
        cri_list_usages(m->agent->cri, on_usages, m);
    }
}

struct measurer *measurer_new(struct agent *agent)
{
    struct measurer *m = cor_alloc(sizeof(*m));
    m->agent = agent;
    m->fd = -1;
    m->timer = cor_timer_new(agent->loop, on_time, m);
    m->late = cor_timer_new(agent->loop, on_late, m);
    cor_timer_repeat(m->timer, COR_SEC(agent->cfg->evict_measure_seconds));
    return m;
}

void measurer_free(struct measurer **measurer)
{
    struct measurer *m = *measurer;
    if (m == NULL) {
        return;
    }
    end_round(m);
    cor_child_free(&m->child);
    cor_timer_free(&m->timer);
    cor_timer_free(&m->late);
    cor_buf_free(&m->words);
    cor_freep(measurer);
}
