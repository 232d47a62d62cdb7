// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum { BEGIN = 'b', END = 'e' };

struct watch {
    pid_t pid;
    int fd;
};

/* ---- the process ---- */

static struct watch_trips sum_up(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->size; i++) {
        const struct node *node = &fleet->nodes[i];
        if (node->up && node->asked.us != 0) {
            stats_add(&fleet->trips, cor_mono_since(cor_mono_now(), node->asked));
        }
    }
    return (struct watch_trips){.count = fleet->trips.count,
                                .losses = fleet->n.losses,
                                .p50_us = stats_at(&fleet->trips, 500),
                                .p99_us = stats_at(&fleet->trips, 990),
                                .most_us = stats_at(&fleet->trips, 1000)};
}

static void probe(struct fleet *fleet, bool on)
{
    for (size_t i = 0; i < fleet->size; i++) {
        node_probe(&fleet->nodes[i], on);
    }
}

static void on_command(void *self, int fd, int events)
{
    struct fleet *fleet = self;
    char command = 0;
    (void)events;
    if (read(fd, &command, 1) != 1) {
        cor_loop_stop(fleet->loop);
    } else if (command == BEGIN) {
        fleet_count_anew(fleet);
        probe(fleet, true);
    } else {
        struct watch_trips trips = sum_up(fleet);
        probe(fleet, false);
        must(write(fd, &trips, sizeof(trips)) == (ssize_t)sizeof(trips));
    }
}

static void run(const struct fleet_spec *spec, int fd)
{
    struct fleet_spec mine = *spec;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    mine.loop = cor_loop_new();
    struct fleet *fleet = fleet_new(&mine);
    fleet_dial(fleet, 0);
    struct cor_io *io = cor_io_new(mine.loop, fd, COR_READ, on_command, fleet);
    cor_loop_run(mine.loop);
    cor_io_free(&io);
    fleet_free(&fleet);
    cor_loop_free(&mine.loop);
}

/* ---- its owner ---- */

struct watch *watch_new(const struct fleet_spec *spec)
{
    int fds[2];
    struct watch *watch = cor_alloc(sizeof(*watch));
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    watch->pid = fork();
    must(watch->pid >= 0);
    if (watch->pid == 0) {
        (void)close(fds[0]);
        run(spec, fds[1]);
        _exit(0);
    }
    (void)close(fds[1]);
    watch->fd = fds[0];
    return watch;
}

void watch_free(struct watch **watch)
{
    (void)close((*watch)->fd);
    (void)waitpid((*watch)->pid, NULL, 0);
    cor_freep(watch);
}

void watch_begin(struct watch *watch)
{
    const char command = BEGIN;
    must(write(watch->fd, &command, 1) == 1);
}

struct watch_trips watch_end(struct watch *watch)
{
    const char command = END;
    struct watch_trips trips;
    must(write(watch->fd, &command, 1) == 1);
    must(read(watch->fd, &trips, sizeof(trips)) == (ssize_t)sizeof(trips));
    return trips;
}
