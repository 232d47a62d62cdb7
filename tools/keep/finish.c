// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tools/keep/judge.h"
#include "tools/keep/keep.h"

static const char *service_name(char *folder, size_t size)
{
    const char *slash = getcwd(folder, size) == NULL ? NULL : strrchr(folder, '/');
    return slash == NULL ? "?" : slash + 1;
}

/* Runs a program of s6 to its end; the first byte of what it prints, 0: none. */
static char printed_by(const char *const *argv)
{
    int ends[2];
    char first = 0;
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return 0;
    }
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    /* posix_spawnp does not write to argv, though its type says it might. */
    int failed =
        posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)close(ends[1]);
    while (read(ends[0], &first, 1) < 0) {}
    (void)close(ends[0]);
    if (failed == 0) {
        (void)waitpid(pid, NULL, 0);
    }
    return first;
}

static bool is_wanted(void)
{
    static const char *const ARGV[] = {"s6-svstat", "-o", "wantedup", ".", NULL};
    return printed_by(ARGV) == 't';
}

/* In a process of its own: s6-supervise hears of nothing as long as this one runs. */
static void ask(void)
{
    static const char *const WAIT[] = {"s6-svwait", "-D", "-t", "2000", ".", NULL};
    if (fork() != 0) {
        return;
    }
    (void)printed_by(WAIT);
    if (is_wanted()) {
        (void)execlp("s6-svc", "s6-svc", "-u", ".", (char *)NULL);
    }
    _exit(0);
}

/* ---- upgrades ---- */

struct trial {
    bool is_on;    /* and the service was started after it began */
    bool is_there; /* the new program is still the one in place */
    char *program; /* owned */
};

/* coracle upgrade writes ./trial: inode and path of the new program. */
static struct trial trial_now(void)
{
    struct trial trial = {0};
    struct stat mine = {0};
    struct stat started = {0};
    struct stat program = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_err err = COR_ERR_NONE;
    if (stat("trial", &mine) != 0 || cor_file_read("trial", 4096, &text, &err) != COR_OK) {
        return trial;
    }
    uint64_t inode = 0;
    struct cor_view rest = cor_view_trim(cor_buf_as_view(&text));
    struct cor_view first = {0};
    bool before =
        stat("started", &started) == 0 && (started.st_mtim.tv_sec < mine.st_mtim.tv_sec ||
                                           (started.st_mtim.tv_sec == mine.st_mtim.tv_sec &&
                                            started.st_mtim.tv_nsec < mine.st_mtim.tv_nsec));
    trial.is_on = !before && cor_view_split(&rest, ' ', &first) && cor_view_u64(first, &inode);
    trial.program = cor_view_dup(rest);
    trial.is_there = stat(trial.program, &program) == 0 && program.st_ino == inode;
    return trial;
}

static bool roll_back(const char *program)
{
    auto_(cor_freep) char *previous = cor_sprintf("%s.previous", program);
    return unlink("trial") == 0 && rename(previous, program) == 0;
}

/* ---- the end ---- */

/* For run, which tells of it when it does start. */
static void note(const struct keep_end *end, int64_t failures)
{
    char text[128];
    (void)snprintf(text, sizeof(text), "%" PRId64 "\n", failures);
    keep_write("failures", text);
    (void)snprintf(text, sizeof(text), "%" PRId64 " %d %d %" PRId64 "\n", keep_now(), end->code,
                   end->signal, failures);
    keep_write("ended", text);
}

static int stay_down(const char *service)
{
    if (!is_wanted()) {
        return 0;
    }
    (void)unlink("ended");
    keep_say("error", "service.stays-down service=%s reason=configuration", service);
    return KEEP_EXIT_DOWN;
}

int keep_finish(int code, int signal)
{
    char folder[4096];
    const char *service = service_name(folder, sizeof(folder));
    struct keep_end end = {.code = code, .signal = signal};
    int64_t started = 0;
    keep_read("started", &started, 1);
    keep_read("failures", &end.failures, 1);
    end.lived = keep_now() - started;
    struct trial trial = trial_now();
    end.trial = trial.is_on;
    end.trial_runs = trial.is_there;
    struct keep_verdict verdict = keep_judge(&end);
    if (verdict.trial_over) {
        (void)unlink("trial");
    }
    if (verdict.roll_back && roll_back(trial.program)) {
        keep_say("error", "service.rolled-back service=%s code=%d signal=%d", service, code,
                 signal);
        end.code = end.signal = 0;
        verdict.failures = 0;
    }
    cor_free(trial.program);
    note(&end, verdict.failures);
    enum keep_next next = keep_next(end.code, end.lived);
    if (next == KEEP_ASK) {
        ask();
    }
    return next == KEEP_STAYS_DOWN ? stay_down(service) : 0;
}
