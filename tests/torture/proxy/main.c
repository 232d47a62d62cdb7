// SPDX-License-Identifier: Apache-2.0
// torture-proxy: a link that is late, cut at any byte, or half open.
#include <argp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "pipe.h"

enum { OPT_LISTEN = 256, OPT_TO, OPT_DELAY, OPT_MIN, OPT_MAX, OPT_SEED, OPT_CUTS };

struct options {
    uint64_t listen, to, delay_ms, cut_min, cut_max, seed, cuts;
};

static const struct argp_option OPTIONS[] = {
    {"listen", OPT_LISTEN, "PORT", 0, "On 127.0.0.1", 0},
    {"to", OPT_TO, "PORT", 0, "On 127.0.0.1", 0},
    {"delay", OPT_DELAY, "MS", 0, "Each way (0)", 0},
    {"cut-min", OPT_MIN, "BYTES", 0, "Cut each connection after a random number of bytes from", 0},
    {"cut-max", OPT_MAX, "BYTES", 0, "... to this (0: do not cut)", 0},
    {"seed", OPT_SEED, "N", 0, "Of the random numbers (1)", 0},
    {"cuts", OPT_CUTS, "N", 0, "After so many cuts it cuts no more (0: goes on)", 0},
    {0},
};

struct proxy {
    const struct options *o;
    struct cor_loop *loop;
    struct cor_link pipes;
    uint64_t random;
    uint64_t cuts, connections, bytes;
    uint64_t to;
    int64_t delay_us;
    bool hole, refuse, still;
    int listener;
    char line[128];
    size_t line_len;
    struct cor_io *commands;
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->listen,  &o->to,   &o->delay_ms, &o->cut_min,
                                 &o->cut_max, &o->seed, &o->cuts};
    if (key >= OPT_LISTEN && key <= OPT_CUTS) {
        if (!cor_view_u64(cor_view_of(arg), numbers[key - OPT_LISTEN])) {
            argp_error(state, "expected a number: %s", arg);
        }
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

/* xorshift64*: the same seed cuts at the same bytes. */
static uint64_t next_random(struct proxy *p)
{
    p->random ^= p->random >> 12;
    p->random ^= p->random << 25;
    p->random ^= p->random >> 27;
    return p->random * 0x2545f4914f6cdd1du;
}

static void on_closed(void *self, struct pipe *pipe, bool was_cut)
{
    struct proxy *p = self;
    p->bytes += pipe_bytes(pipe);
    p->cuts += was_cut;
}

static uint64_t next_cut(struct proxy *p)
{
    const struct options *o = p->o;
    if (o->cut_max == 0 || p->still || (o->cuts > 0 && p->cuts >= o->cuts)) {
        return 0;
    }
    return o->cut_min + next_random(p) % (o->cut_max - o->cut_min + 1);
}

static int socket_to(uint64_t port, bool listens)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int rc = listens ? bind(fd, (struct sockaddr *)&to, sizeof(to))
                     : connect(fd, (struct sockaddr *)&to, sizeof(to));
    if (rc != 0 || (listens && listen(fd, 128) != 0)) {
        (void)close(fd);
        return -1;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void on_accept(void *self, int fd, int events)
{
    (void)events;
    struct proxy *p = self;
    int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (client < 0) {
        return;
    }
    int server = p->refuse ? -1 : socket_to(p->to, false);
    if (server < 0) {
        (void)close(client);
        return;
    }
    p->connections++;
    struct pipe_plan plan = {
        .loop = p->loop, .delay_us = p->delay_us, .cut_after = next_cut(p), .hole = p->hole};
    cor_list_add(&p->pipes, pipe_link(pipe_new(&plan, client, server, on_closed, p)));
}

static void cut_all(struct proxy *p)
{
    COR_LIST_EACH (node, &p->pipes) {
        pipe_cut(pipe_of_link(node));
    }
}

static void set_all(struct proxy *p, bool hole)
{
    COR_LIST_EACH (node, &p->pipes) {
        pipe_set(pipe_of_link(node), p->delay_us, hole);
    }
}

static void tell(const struct proxy *p)
{
    uint64_t bytes = p->bytes;
    COR_LIST_EACH (node, &p->pipes) {
        bytes += pipe_bytes(pipe_of_link(node));
    }
    (void)printf("cuts=%" PRIu64 " connections=%" PRIu64 " bytes=%" PRIu64 "\n", p->cuts,
                 p->connections, bytes);
    (void)fflush(stdout);
}

static void command(struct proxy *p, const char *line)
{
    if (strcmp(line, "cut") == 0) {
        cut_all(p);
    } else if (strcmp(line, "down") == 0) {
        p->refuse = true;
        cut_all(p);
    } else if (strcmp(line, "hole") == 0) {
        p->hole = true;
        set_all(p, p->hole);
    } else if (strcmp(line, "up") == 0) {
        p->refuse = false;
        p->hole = false;
    } else if (strcmp(line, "still") == 0) {
        p->still = true;
    } else if (strcmp(line, "strand") == 0) {
        set_all(p, true);
    } else if (strncmp(line, "to ", 3) == 0) {
        p->to = (uint64_t)atoll(line + 3);
    } else if (strncmp(line, "delay ", 6) == 0) {
        p->delay_us = COR_MS(atoll(line + 6));
        set_all(p, p->hole);
    } else {
        tell(p);
    }
}

static void on_command(void *self, int fd, int events)
{
    (void)events;
    struct proxy *p = self;
    char c = 0;
    ssize_t got = read(fd, &c, 1);
    if (got == 0) {
        cor_io_free(&p->commands); /* no more will come; it goes on until SIGTERM */
    } else if (got == 1 && c != '\n' && p->line_len + 1 < sizeof(p->line)) {
        p->line[p->line_len++] = c;
    } else if (got == 1) {
        p->line[p->line_len] = '\0';
        p->line_len = 0;
        command(p, p->line);
    }
}

static void on_stop(void *self, int number)
{
    (void)number;
    cor_loop_stop(((struct proxy *)self)->loop);
}

int main(int argc, char **argv)
{
    static const char DOC[] =
        "Passes connections on, late, cut after a number of bytes, or into a hole."
        "\vCommands on stdin, one a line: cut (break all with a reset), down (and take no new "
        "ones), "
        "hole (pass nothing, close nothing), strand (the same with those that are open now), up, "
        "to PORT (new ones), still (no more random cuts), delay MS, tell. "
        "SIGTERM ends it; it prints what it did.";
    struct options o = {.seed = 1};
    const struct argp argp = {OPTIONS, parse_option, NULL, DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    struct proxy p = {.o = &o,
                      .to = o.to,
                      .loop = cor_loop_new(),
                      .random = o.seed * 0x9e3779b97f4a7c15u + 1,
                      .delay_us = COR_MS((int64_t)o.delay_ms)};
    cor_list_init(&p.pipes);
    p.listener = socket_to(o.listen, true);
    if (p.listener < 0 || o.cut_min > o.cut_max) {
        (void)fprintf(stderr, "torture-proxy: port %" PRIu64 ": %s\n", o.listen, strerror(errno));
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    struct cor_io *io = cor_io_new(p.loop, p.listener, COR_READ, on_accept, &p);
    p.commands = cor_io_new(p.loop, STDIN_FILENO, COR_READ, on_command, &p);
    struct cor_signal *term = cor_signal_new(p.loop, SIGTERM, on_stop, &p);
    (void)printf("ready\n");
    (void)fflush(stdout);
    cor_loop_run(p.loop);
    tell(&p);
    cor_signal_free(&term);
    cor_io_free(&p.commands);
    cor_io_free(&io);
    return 0; /* connections end with the process */
}
