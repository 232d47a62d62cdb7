// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stage/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { PATIENCE_S = 30, PAUSE_MS = 10, READY_FD = 9 };

static void on_timeout(void *self)
{
    struct stage *stage = self;
    stage->expired = true;
    cor_loop_stop(stage->loop);
}

struct stage *stage_new(void)
{
    struct stage *stage = cor_alloc(sizeof(*stage));
    (void)snprintf(stage->dir, sizeof(stage->dir), "/tmp/cor-stage-XXXXXX");
    must(mkdtemp(stage->dir) != NULL);
    stage->loop = cor_loop_new();
    stage->timer = cor_timer_new(stage->loop, on_timeout, stage);
    stage->log =
        cor_log_new("test", getenv("COR_TEST_LOG") != NULL ? COR_LEVEL_DEBUG : COR_LEVEL_ERROR);
    return stage;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void stage_free(struct stage **stage)
{
    cor_timer_free(&(*stage)->timer);
    cor_log_free(&(*stage)->log);
    cor_loop_free(&(*stage)->loop);
    (void)nftw((*stage)->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cor_freep(stage);
}

struct cor_bus *stage_bus(struct stage *stage, const char *service)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_bus *bus = NULL;
    /* The strings must outlive the bus; a test has few buses. */
    static char run[8][80];
    static unsigned next;
    char *mine = run[next++ % 8];
    (void)snprintf(mine, sizeof(run[0]), "%s/run", stage->dir);
    struct cor_bus_spec spec = {.service = service,
                                .run_dir = mine,
                                .loop = stage->loop,
                                .log = stage->log,
                                .messages = px_messages()};
    if (cor_bus_new(&spec, &bus, &err) != COR_OK) {
        cor_die("%s", err.text);
    }
    return bus;
}

extern char **environ;

pid_t stage_spawn(const char *const *argv)
{
    pid_t pid = 0;
    int rc = posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ);
    if (rc != 0) {
        cor_die("%s: %s", argv[0], strerror(rc));
    }
    return pid;
}

struct waiting {
    bool ready;
};

static void on_ready(void *self, int fd, int events)
{
    (void)events;
    char byte = 0;
    struct waiting *waiting = self;
    ssize_t n = read(fd, &byte, 1);
    must(n == 1 && byte == '\n'); /* the program ended without saying that it is ready */
    waiting->ready = true;
}

static bool is_ready(void *self)
{
    return ((struct waiting *)self)->ready;
}

pid_t stage_start(struct stage *stage, const char *program, const char *config)
{
    struct cor_err err = COR_ERR_NONE;
    const char *bin = getenv("CORACLE_BIN");
    auto_(cor_freep) char *path =
        cor_sprintf("%s/%s", bin != NULL ? bin : CORACLE_BINARY_DIR "/bin", program);
    auto_(cor_freep) char *file = cor_sprintf("%s/%s.yaml", stage->dir, program);
    auto_(cor_freep) char *text = cor_sprintf("run-dir: %s/run\n%s", stage->dir, config);
    if (cor_file_write(file, cor_view_of(text), 0600, &err) != COR_OK) {
        cor_die("%s", err.text);
    }
    int fds[2];
    must(pipe2(fds, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    must(posix_spawn_file_actions_init(&actions) == 0 &&
         posix_spawn_file_actions_adddup2(&actions, fds[1], READY_FD) == 0);
    const char *const argv[] = {path, "--config", file, "--ready-fd", "9", NULL};
    pid_t pid = 0;
    int rc = posix_spawn(&pid, path, &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    must(rc == 0);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(fds[1]);
    struct waiting waiting = {false};
    struct cor_io *io = cor_io_new(stage->loop, fds[0], COR_READ, on_ready, &waiting);
    must(stage_until(stage, is_ready, &waiting));
    cor_io_free(&io);
    (void)close(fds[0]);
    return pid;
}

int stage_end(pid_t pid, int signal_number)
{
    int status = 0;
    (void)kill(pid, signal_number);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return status;
}

struct until {
    struct stage *stage;
    bool (*cond)(void *self);
    void *self;
};

static bool check(void *self)
{
    const struct until *u = self;
    if (u->cond(u->self)) {
        cor_loop_stop(u->stage->loop);
        return true;
    }
    return false;
}

bool stage_until(struct stage *stage, bool (*cond)(void *self), void *self)
{
    struct until u = {stage, cond, self};
    stage->expired = false;
    cor_timer_start(stage->timer, COR_SEC(PATIENCE_S));
    struct cor_hook *hook = cor_hook_new(stage->loop, check, &u);
    cor_loop_run(stage->loop);
    cor_hook_free(&hook);
    cor_timer_stop(stage->timer);
    return !stage->expired;
}

bool stage_poll(struct stage *stage, bool (*cond)(void *self), void *self)
{
    struct cor_mono end = cor_mono_add(cor_mono_now(), COR_SEC(PATIENCE_S));
    while (!cond(self)) {
        if (cor_mono_since(cor_mono_now(), end) > 0) {
            return false;
        }
        stage_idle(stage, PAUSE_MS);
    }
    return true;
}

void stage_idle(struct stage *stage, int ms)
{
    cor_timer_start(stage->timer, COR_MS(ms));
    cor_loop_run(stage->loop);
}
