// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tools/keep/judge.h"
#include "tools/keep/keep.h"

/* READY_FD: notification-fd. HELD_FD: where coracle-sockets puts what it holds, at most so many. */
enum { READY_FD = 3, HELD_FD = 7, HELD_MAX = 3, ROW_MAX = 64 * 1024, FRESH_CS = 300 };

/* How the last one ended, if that is why this one starts and not that somebody asked for it later.
 */
static void tell_restart(const char *service)
{
    int64_t ended[4]; /* when, code, signal, failures */
    keep_read("ended", ended, 4);
    if (unlink("ended") == 0 && keep_now() - ended[0] < FRESH_CS) {
        keep_say("warn",
                 "service.restart service=%s code=%" PRId64 " signal=%" PRId64 " failures=%" PRId64,
                 service, ended[1], ended[2], ended[3]);
    }
}

/* False: asked to end meanwhile. */
static bool back_off(const char *service)
{
    int64_t failures = 0;
    keep_read("failures", &failures, 1);
    int seconds = keep_wait_s(failures);
    if (seconds == 0) {
        return true;
    }
    keep_say("warn", "service.back-off service=%s failures=%" PRId64 " seconds=%d", service,
             failures, seconds);
    sigset_t term;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    struct timespec wait = {.tv_sec = seconds};
    bool asked = sigtimedwait(&term, NULL, &wait) == SIGTERM;
    (void)sigprocmask(SIG_UNBLOCK, &term, NULL);
    return !asked;
}

/* For finish; and in microseconds of the clock on the wall, for whoever measures. */
static void note_start(void)
{
    char text[64];
    struct timespec wall = {0};
    (void)clock_gettime(CLOCK_REALTIME, &wall);
    (void)snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 "\n", keep_now(),
                   (int64_t)wall.tv_sec * 1000000 + wall.tv_nsec / 1000);
    keep_write("started", text);
}

static bool limit(const struct keep_row *row)
{
    struct rlimit files = {(rlim_t)row->files, (rlim_t)row->files};
    struct rlimit memory = {(rlim_t)row->memory << 20, (rlim_t)row->memory << 20};
    (void)umask((mode_t)row->mask);
    return setrlimit(RLIMIT_NOFILE, &files) == 0 &&
           (row->memory < 0 || setrlimit(RLIMIT_AS, &memory) == 0);
}

/* Between sessions of their own, as services are, the kernel looks at the session's nice value only
 * (sched(7), autogroup), where it has one. */
static bool be_nice(int64_t nice)
{
    char text[32];
    int64_t autogroup = 0;
    if (nice == 0) {
        return true;
    }
    keep_read("/proc/sys/kernel/sched_autogroup_enabled", &autogroup, 1);
    auto_(cor_fd_close) int fd =
        autogroup == 1 ? open("/proc/self/autogroup", O_WRONLY | O_CLOEXEC) : -1;
    int len = snprintf(text, sizeof(text), "%" PRId64 "\n", nice);
    if (fd >= 0 && write(fd, text, (size_t)len) == len) {
        return true;
    }
    return setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + (int)nice) == 0;
}

/* Listening sockets that s6-svscan holds (coracle-sockets): the service that has them in its row
 * gets them from 3 on, as sd_listen_fds(3) has it, and its readiness pipe moves behind them. Where
 * that is then; -1: it went wrong. */
static int take_sockets(const char *names)
{
    char text[32];
    int count = 1;
    const char *held = getenv("CORACLE_SOCKETS");
    if (*names == '\0' || held == NULL || strcmp(names, held) != 0) {
        return READY_FD;
    }
    for (const char *at = names; (at = strchr(at, ':')) != NULL; at++) {
        count++;
    }
    if (count > HELD_MAX || dup2(READY_FD, READY_FD + count) < 0) {
        return -1;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(HELD_FD + i, READY_FD + i) < 0) {
            return -1;
        }
    }
    (void)snprintf(text, sizeof(text), "%d", getpid());
    (void)setenv("LISTEN_PID", text, 1);
    (void)snprintf(text, sizeof(text), "%d", count);
    (void)setenv("LISTEN_FDS", text, 1);
    (void)setenv("LISTEN_FDNAMES", names, 1);
    return READY_FD + count;
}

static void give_up_sockets(void)
{
    (void)unsetenv("CORACLE_SOCKETS");
    for (int fd = HELD_FD; fd < HELD_FD + HELD_MAX; fd++) {
        (void)close(fd);
    }
}

/* Does not return, unless it fails. */
static void become(const struct keep_row *row, int ready)
{
    char number[16];
    (void)snprintf(number, sizeof(number), "%d", ready);
    const char *const ours[] = {row->program, "--config", row->config, "--ready-fd", number, NULL};
    const char *const *argv = row->args[0] == NULL ? ours : row->args;
    for (int i = 0; row->env[i] != NULL; i++) {
        (void)putenv((char *)(uintptr_t)row->env[i]); /* lives until exec */
    }
    /* execvp does not write to argv, though its type says it might. */
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    perror(argv[0]);
}

/* ./check says when a foreign program is ready: s6-notifyoncheck asks it, with our rights, and
 * comes back here. */
static void become_checked(void)
{
    (void)execlp("s6-notifyoncheck", "s6-notifyoncheck", "-d", "-c", "./check", "-s", "20", "-w",
                 "50", "-t", "2000", "-n", "200", "./run", "--checked", (char *)NULL);
    perror("s6-notifyoncheck");
}

static int start(const struct keep_row *row, bool checked)
{
    struct cor_err err = COR_ERR_NONE;
    int ready = checked ? READY_FD : take_sockets(row->sockets);
    if (!checked) {
        give_up_sockets();
    }
    if (!checked && (ready < 0 || !limit(row) || !be_nice(row->nice))) {
        perror("run");
        return KEEP_EXIT_RETRY;
    }
    if (!checked && access("check", X_OK) == 0) {
        become_checked();
        return KEEP_EXIT_RETRY;
    }
    enum cor_code code = keep_drop(row, &err);
    if (code != COR_OK) {
        (void)fprintf(stderr, "run: %s: %s\n", row->service, err.text);
        return code == COR_INVALID ? KEEP_EXIT_CONFIG : KEEP_EXIT_RETRY;
    }
    become(row, ready);
    return KEEP_EXIT_RETRY;
}

int keep_run(bool checked)
{
    struct keep_row row = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_err err = COR_ERR_NONE;
    if (cor_file_read("row", ROW_MAX, &text, &err) != COR_OK ||
        keep_row_parse(cor_buf_as_view(&text), &row, &err) != COR_OK) {
        (void)fprintf(stderr, "run: %s\n", err.text);
        return KEEP_EXIT_CONFIG;
    }
    int code = 0;
    if (!checked) {
        tell_restart(row.service);
        if (!back_off(row.service)) {
            keep_row_free(&row);
            return 0;
        }
        note_start();
        if (*row.remove != '\0') {
            (void)unlink(row.remove);
        }
    }
    code = start(&row, checked);
    keep_row_free(&row);
    return code;
}
