// SPDX-License-Identifier: Apache-2.0
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"

struct command {
    pid_t pid;
    int fd; /* what it says */
    struct cor_io *io;
    struct cor_timer *timer;
    struct cor_child *child;
    struct cor_buf output;
    command_fn fn;
    void *self;
};

static void end(struct command *command, int status)
{
    cor_io_free(&command->io);
    cor_timer_free(&command->timer);
    cor_child_free(&command->child);
    cor_fd_close(&command->fd);
    command->fn(command->self, status, cor_view_trim(cor_buf_as_view(&command->output)));
    cor_buf_free(&command->output);
    cor_free(command);
}

static void read_some(struct command *command)
{
    char bytes[COMMAND_OUTPUT_MAX];
    ssize_t n = read(command->fd, bytes, sizeof(bytes));
    size_t left = COMMAND_OUTPUT_MAX - command->output.len;
    if (n > 0) {
        cor_buf_add(&command->output, bytes, (size_t)n < left ? (size_t)n : left);
    } else if (n == 0) {
        cor_io_set(command->io, 0);
    }
}

static void on_output(void *self, int fd, int events)
{
    (void)fd;
    (void)events;
    read_some(self);
}

static void on_child(void *self, int pid, int status)
{
    struct command *command = self;
    (void)pid;
    read_some(command);
    if (WIFEXITED(status)) {
        end(command, WEXITSTATUS(status));
        return;
    }
    cor_buf_fmt(&command->output, "%sended by signal %d", command->output.len > 0 ? "\n" : "",
                WTERMSIG(status));
    end(command, COMMAND_NO_STATUS);
}

static void on_late(void *self)
{
    const struct command *command = self;
    (void)kill(command->pid, SIGKILL);
}

static void on_failure(void *self)
{
    end(self, COMMAND_NO_STATUS);
}

/* In the child: nothing of edged's but the output. */
static void run(const char *const *argv, int out)
{
    int null = open("/dev/null", O_RDONLY);
    if (dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(out, STDERR_FILENO) < 0) {
        _exit(127);
    }
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    (void)dprintf(STDERR_FILENO, "%s: %s", argv[0], strerror(errno));
    _exit(127);
}

void command_run(struct cor_loop *loop, const char *const *argv, int64_t timeout_us, command_fn fn,
                 void *self)
{
    struct command *command = cor_alloc(sizeof(*command));
    int ends[2] = {-1, -1};
    *command = (struct command){.fd = -1, .fn = fn, .self = self};
    int made = pipe2(ends, O_CLOEXEC | O_NONBLOCK);
    command->fd = ends[0];
    command->pid = made == 0 ? fork() : -1;
    if (command->pid == 0) {
        run(argv, ends[1]);
    }
    int error = errno;
    cor_fd_close(&ends[1]);
    if (command->pid < 0) {
        cor_buf_fmt(&command->output, "%s", strerror(error));
        command->timer = cor_timer_new(loop, on_failure, command);
        cor_timer_start(command->timer, 0);
        return;
    }
    command->io = cor_io_new(loop, command->fd, COR_READ, on_output, command);
    command->child = cor_child_new(loop, command->pid, on_child, command);
    command->timer = cor_timer_new(loop, on_late, command);
    cor_timer_start(command->timer, timeout_us);
}
