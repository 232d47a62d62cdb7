// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/bus/bus.h"

struct item {
    struct cor_view payload;
};

static const struct cor_field FIELDS[] = {{.name = "payload",
                                           .key = 1,
                                           .type = COR_T_BIN,
                                           .max = 1 << 20,
                                           .offset = offsetof(struct item, payload)}};
static const struct cor_table ITEM = {"item", FIELDS, 1, sizeof(struct item)};
enum { M_ASK = 100, M_ANSWER = 101 };
static const struct cor_message ROWS[] = {
    {.name = "ask", .body = &ITEM, .number = M_ASK, .reply = M_ANSWER, .class_ = COR_CALL},
    {.name = "answer", .body = &ITEM, .number = M_ANSWER, .class_ = COR_REPLY},
};
static const struct cor_messages MESSAGES = {ROWS, COR_COUNT(ROWS)};
static const struct cor_endpoint ENDPOINT = {.name = "a-b",
                                             .binder = "a",
                                             .connector = "b",
                                             .window = 256,
                                             .queue = 16,
                                             .max_bytes = 2 << 20};

/* The side that asks. */
struct asker {
    struct cor_loop *loop;
    struct cor_port *port;
    struct cor_view payload;
    struct cor_timer *pause;
    int64_t pause_us;
    size_t count, done;
    int64_t *us;
    struct cor_mono began;
};

static void ask(void *self);

static void on_answer(void *self, const void *body, const struct cor_err *err)
{
    struct asker *a = self;
    must(body != NULL && err->code == COR_OK);
    a->us[a->done++] = cor_mono_since(cor_mono_now(), a->began);
    if (a->done == a->count) {
        cor_loop_stop(a->loop);
    } else if (a->pause_us > 0) {
        cor_timer_start(a->pause, a->pause_us);
    } else {
        ask(a);
    }
}

static void ask(void *self)
{
    struct asker *a = self;
    struct item item = {a->payload};
    a->began = cor_mono_now();
    must(cor_call(a->port, M_ASK, &item, COR_SEC(10), on_answer, a) == COR_OK);
}

static void on_up(void *self, struct cor_port *port)
{
    (void)port;
    ask(self);
}

static enum cor_code on_ask(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)self;
    (void)err;
    cor_reply(in, body);
    return COR_OK;
}

static struct cor_port *open_port(struct cor_loop *loop, const char *dir, const char *name,
                                  const struct cor_port_ops *ops, void *self)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_bus *bus = NULL;
    struct cor_port *port = NULL;
    struct cor_bus_spec spec = {name,     dir, NULL, loop, cor_log_new(name, COR_LEVEL_ERROR),
                                &MESSAGES};
    must(cor_bus_new(&spec, &bus, &err) == COR_OK);
    must(cor_port_open(bus, &ENDPOINT, ops, self, &port, &err) == COR_OK);
    return port;
}

static _Noreturn void answer(const char *dir)
{
    static const struct cor_handler HANDLERS[] = {{M_ASK, on_ask}};
    static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = 1};
    struct cor_loop *loop = cor_loop_new();
    (void)open_port(loop, dir, "a", &OPS, NULL);
    cor_loop_run(loop);
    _exit(0);
}

/* In a process of its own: nothing of one run is left in the next. */
static _Noreturn void question(const char *dir, struct asker *a, int out)
{
    static const struct cor_port_ops OPS = {.up = on_up};
    a->loop = cor_loop_new();
    a->pause = cor_timer_new(a->loop, ask, a);
    a->port = open_port(a->loop, dir, "b", &OPS, a);
    cor_loop_run(a->loop);
    size_t bytes = a->count * sizeof(*a->us);
    for (size_t done = 0; done < bytes;) {
        ssize_t put = write(out, (const char *)a->us + done, bytes - done);
        must(put > 0);
        done += (size_t)put;
    }
    _exit(0);
}

void our_round_trips(const char *dir, const struct trips *trips, int64_t *us)
{
    auto_(cor_freep) char *payload = cor_alloc(trips->bytes);
    struct asker asker = {.payload = {payload, trips->bytes},
                          .pause_us = trips->pause_us,
                          .count = trips->count,
                          .us = us};
    int ends[2];
    must(pipe(ends) == 0);
    pid_t binder = fork();
    if (binder == 0) {
        answer(dir);
    }
    pid_t connector = fork();
    if (connector == 0) {
        question(dir, &asker, ends[1]);
    }
    must(binder > 0 && connector > 0);
    (void)close(ends[1]);
    size_t whole = trips->count * sizeof(*us);
    for (size_t done = 0; done < whole;) {
        ssize_t got = read(ends[0], (char *)us + done, whole - done);
        must(got > 0);
        done += (size_t)got;
    }
    (void)close(ends[0]);
    (void)kill(binder, SIGKILL);
    (void)waitpid(binder, NULL, 0);
    (void)waitpid(connector, NULL, 0);
}
