// SPDX-License-Identifier: Apache-2.0
#include "tests/support/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"

char *test_dir_new(void)
{
    char name[] = "/tmp/coracle-test-XXXXXX";
    must(mkdtemp(name) != NULL);
    return cor_strdup(name);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void test_dir_free(char **dir)
{
    if (*dir != NULL) {
        (void)nftw(*dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
        cor_freep(dir);
    }
}

void test_write(const char *dir, const char *name, const char *text)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", dir, name);
    must(cor_file_write(path, cor_view_of(text), 0600, NULL) == COR_OK);
}

char *test_read(const char *dir, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", dir, name);
    struct cor_buf text = {0};
    return cor_file_read(path, 10 * 1024 * 1024, &text, NULL) == COR_OK ? cor_buf_take(&text)
                                                                        : cor_strdup("");
}

static void become(const char *const *argv, const char *log, int out)
{
    char *copy[32] = {0};
    char number[16];
    bool told = false;
    (void)snprintf(number, sizeof(number), "%d", out);
    for (size_t i = 0; argv[i] != NULL && i < 31; i++) {
        bool is_fd = strcmp(argv[i], "READY-FD") == 0;
        copy[i] = is_fd ? number : (char *)(uintptr_t)argv[i];
        told = told || is_fd;
    }
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(fd, 2);
    if (!told) {
        (void)dup2(out, 1);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execvp(copy[0], copy);
    _exit(127);
}

enum { PATIENCE_MS = 30000 };

static bool wait_readable(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    int found = 0;
    do {
        found = poll(&ready, 1, PATIENCE_MS); /* SIGCHLD of another process may interrupt it */
    } while (found < 0 && errno == EINTR);
    return found == 1;
}

void test_process_start(struct test_process *process, const char *const *argv, const char *log,
                        char *line, size_t size)
{
    int fds[2];
    must(pipe(fds) == 0);
    process->pid = fork();
    if (process->pid == 0) {
        (void)close(fds[0]);
        become(argv, log, fds[1]);
    }
    (void)close(fds[1]);
    size_t len = 0;
    do {
        must(len + 1 < size && wait_readable(fds[0]));
        ssize_t n = read(fds[0], line + len, size - 1 - len);
        must(n > 0);
        len += (size_t)n;
    } while (line[len - 1] != '\n');
    line[len] = 0;
    (void)close(fds[0]);
}

int test_process_stop(struct test_process *process, int signal)
{
    int status = 0;
    must(process->pid > 0 && kill(process->pid, signal) == 0);
    must(waitpid(process->pid, &status, 0) == process->pid);
    process->pid = 0;
    return status;
}

long test_number(const char *text, const char *name)
{
    auto_(cor_freep) char *pattern = cor_sprintf(" %s=", name);
    long number = -1;
    for (const char *at = text; (at = strstr(at, pattern)) != NULL; at++) {
        number = strtol(at + strlen(pattern), NULL, 10);
    }
    return number;
}
