// SPDX-License-Identifier: Apache-2.0
#include "supervise.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/clock/clock.h"
#include "tools/ctl/ctl.h"

enum { PRINTED_MAX = 64 * 1024, ROW_MAX = 64 * 1024, SVSTAT_MS = 5000 };

/* ---- finding ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Value of key in the text of a row file ("key=value" or "key='value'"); owned, NULL: not there. */
static char *row_value(const char *row, const char *key)
{
    auto_(cor_freep) char *wanted = cor_sprintf("%s=", key);
    const char *at = strstr(row, wanted);
    while (at != NULL && at != row && strchr(" \n", at[-1]) == NULL) {
        at = strstr(at + 1, wanted);
    }
    if (at == NULL) {
        return NULL;
    }
    at += strlen(wanted);
    bool quoted = *at == '\'';
    return quoted ? cor_memdup(at + 1, strcspn(at + 1, "'")) : cor_memdup(at, strcspn(at, " \n"));
}

static void add(struct instances *found, const char *run, const char *name, const char *folder)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/row", folder);
    auto_(cor_buf_free) struct cor_buf row = {0};
    struct cor_err err = COR_ERR_NONE;
    if (cor_file_read(path, ROW_MAX, &row, &err) != COR_OK || row.len == 0) {
        cor_buf_clear(&row);
        cor_buf_str(&row, "\n");
    }
    found->items = cor_realloc(found->items, found->count + 1, sizeof(*found->items));
    found->items[found->count++] = (struct instance){
        .name = cor_strdup(name),
        .folder = cor_strdup(folder),
        .run = cor_strdup(run),
        .user = row_value(row.data, "user"),
        .program = row_value(row.data, "program"),
        .config = row_value(row.data, "config"),
    };
}

/* Adds the service directories run/tree/X/name. */
static void find_in(const char *run, const char *name, struct instances *found)
{
    auto_(cor_freep) char *tree = cor_sprintf("%s/tree", run);
    struct dirent **entries = NULL;
    int count = scandir(tree, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s/%s", tree, entries[i]->d_name, name);
        if (entries[i]->d_name[0] != '.' && is_folder(path)) {
            add(found, run, name, path);
        }
        free(entries[i]);
    }
    free(entries);
}

static void find_further(const char *run, const char *name, struct instances *found)
{
    struct dirent **entries = NULL;
    int count = scandir(run, &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        auto_(cor_freep) char *below = cor_sprintf("%s/%s", run, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.') {
            find_in(below, name, found);
        }
        free(entries[i]);
    }
    free(entries);
}

void instances_find(const char *run, const char *name, bool further, struct instances *found_r)
{
    *found_r = (struct instances){0};
    const char *slash = strchr(name, '/');
    if (slash != NULL) {
        auto_(cor_freep) char *node = cor_memdup(name, (size_t)(slash - name));
        auto_(cor_freep) char *below = cor_sprintf("%s/%s", run, node);
        find_in(below, slash + 1, found_r);
        return;
    }
    find_in(run, name, found_r);
    if (further) {
        find_further(run, name, found_r);
    }
}

void instances_free(struct instances *found)
{
    for (size_t i = 0; i < found->count; i++) {
        struct instance *it = &found->items[i];
        cor_free(it->name);
        cor_free(it->folder);
        cor_free(it->run);
        cor_free(it->user);
        cor_free(it->program);
        cor_free(it->config);
    }
    cor_free(found->items);
    *found = (struct instances){0};
}

/* ---- running programs ---- */

/* The child's part: becomes user and the program. Never returns. */
static void become(const char *program, const char *const *argv, const struct passwd *user, int out)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (dup2(null, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0 &&
        (user == NULL ||
         (setgroups(0, NULL) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0))) {
        /* execvp does not write to argv, though its type says it might. */
        (void)execvp(program, (char *const *)(uintptr_t)argv);
        (void)dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
    }
    _exit(127);
}

/* Gathers what comes until the end of fd or the deadline. False: it was the deadline. */
static bool gather(int fd, struct cor_mono deadline, struct cor_buf *printed)
{
    for (;;) {
        char bytes[4096];
        int64_t left = cor_mono_since(deadline, cor_mono_now()) / 1000;
        struct pollfd item = {.fd = fd, .events = POLLIN};
        if (left < 0 || (poll(&item, 1, (int)left) == 0)) {
            return false;
        }
        ssize_t n = read(fd, bytes, sizeof(bytes));
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return true;
        }
        if (n > 0 && printed->len < PRINTED_MAX) {
            cor_buf_add(printed, bytes, (size_t)n);
        }
    }
}

int supervise_run(const char *program, const char *const *argv, const char *user, int64_t within_ms,
                  struct cor_buf *printed)
{
    struct cor_mono deadline = cor_mono_add(cor_mono_now(), COR_MS(within_ms));
    const struct passwd *as =
        user == NULL || strcmp(user, "root") == 0 ? NULL : getpwnam(user); // NOLINT: one thread
    int ends[2];
    int status = 0;
    if ((user != NULL && strcmp(user, "root") != 0 && as == NULL) || pipe2(ends, O_CLOEXEC) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(program, argv, as, ends[1]);
    }
    (void)close(ends[1]);
    bool done = pid > 0 && gather(ends[0], deadline, printed);
    (void)close(ends[0]);
    if (pid > 0 && !done) {
        (void)kill(pid, SIGKILL);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
    return done && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- the supervisor ---- */

enum cor_code supervise_may(const struct instance *it, struct cor_err *err)
{
    auto_(cor_freep) char *control = cor_sprintf("%s/supervise/control", it->folder);
    return access(control, W_OK) == 0
               ? COR_OK
               : cor_err_set(err, COR_DENIED,
                             errno == EACCES ? "only root may do this" : "it is not supervised");
}

/* One field of s6-svstat; owned. */
static char *field(const struct instance *it, const char *name)
{
    auto_(cor_buf_free) struct cor_buf out = {0};
    const char *const argv[] = {"s6-svstat", "-o", name, it->folder, NULL};
    if (supervise_run(argv[0], argv, NULL, SVSTAT_MS, &out) != 0 || out.len == 0) {
        return cor_strdup("");
    }
    return cor_view_dup(cor_view_trim(cor_buf_as_view(&out)));
}

/* The last line of what a program printed, for a reason. */
static struct cor_view last_line(struct cor_view text)
{
    struct cor_view line = {0};
    struct cor_view last = COR_VIEW("no reason given");
    while (cor_view_split(&text, '\n', &line)) {
        last = cor_view_trim(line).len > 0 ? line : last;
    }
    return last;
}

static enum cor_code ask_supervisor(const struct instance *it, enum supervise_way way,
                                    int64_t within_ms, struct cor_err *err)
{
    auto_(cor_freep) char *up = field(it, "up");
    auto_(cor_freep) char *wait_ms = cor_sprintf("%lld", (long long)within_ms);
    auto_(cor_buf_free) struct cor_buf printed = {0};
    bool is_up = strcmp(up, "true") == 0;
    const char *what = !is_up ? "-u" : way == SUPERVISE_KILL ? "-rk" : "-r";
    const char *const argv[] = {"s6-svc", is_up ? "-wR" : "-wU", "-T", wait_ms, what, it->folder,
                                NULL};
    int code = supervise_run(argv[0], argv, NULL, within_ms + 1000, &printed);
    if (code == 0) {
        return COR_OK;
    }
    struct cor_view why = last_line(cor_buf_as_view(&printed));
    return code == 99 || code == 1 || code < 0
               ? cor_err_set(err, COR_TIMEOUT, "not ready after %lld ms; see its log",
                             (long long)within_ms)
               : cor_err_set(err, COR_IO, "%.*s", COR_VIEW_ARG(why));
}

enum cor_code supervise_restart(const struct instance *it, enum supervise_way way,
                                int64_t within_ms, int64_t *took_ms_r, struct cor_err *err)
{
    struct cor_mono began = cor_mono_now();
    enum cor_code code = supervise_may(it, err);
    if (code == COR_OK) {
        code = ask_supervisor(it, way, within_ms, err);
    }
    *took_ms_r = cor_mono_since(cor_mono_now(), began) / 1000;
    if (code != COR_OK || it->program == NULL) {
        return code;
    }
    auto_(cor_buf_free) struct cor_buf health = {0};
    auto_(cor_freep) char *ctl = cor_sprintf("%s/ctl/%s", it->run, it->name);
    int64_t left = within_ms - *took_ms_r;
    code = tool_ask(ctl, "health", (struct cor_view){0}, left < 1 ? 1 : (int)left, &health, err);
    return code == COR_OK ? COR_OK : cor_err_wrap(err, "ready, but health does not answer");
}

bool supervise_is_current(const struct instance *it)
{
    auto_(cor_freep) char *pid = field(it, "pid");
    auto_(cor_freep) char *exe = cor_sprintf("/proc/%s/exe", pid);
    struct stat running;
    struct stat file;
    return stat(exe, &running) == 0 && stat(it->program, &file) == 0 &&
           running.st_dev == file.st_dev && running.st_ino == file.st_ino;
}
