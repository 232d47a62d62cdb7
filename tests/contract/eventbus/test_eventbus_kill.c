// SPDX-License-Identifier: Apache-2.0
// eventbus killed at any instant while a device publishes with QoS 1 through a real mosquitto: what
// the device was told is accepted arrives once, in order. The test plays edgehub, and a device by
// mosquitto_pub, which ends well when everything was acknowledged.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/stage/stage.h"

enum { KILLS = 120, MESSAGES_MAX = 200000, A_TIME = 20, AHEAD_MAX = 4000 };

struct world {
    struct stage *stage;
    pid_t pid, broker, device;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_timer *feed;
    int fifo;
    char socket[96], conf[96];
    uint8_t *got; /* times that a message came; owned */
    uint64_t said, came, before, last, disorder, committed, incarnation;
    unsigned seed;
};

static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)err;
    struct world *w = self;
    const struct px_upload *m = body;
    uint64_t number = 0;
    assert_true(cor_view_u64(m->payload, &number) && number <= MESSAGES_MAX);
    w->got[number]++;
    w->came++;
    w->disorder += number < w->last ? 1 : 0;
    w->last = number;
    w->committed = in->head->seq;
    cor_commit(in->port, in->head->stream, in->head->seq);
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    struct world *w = self;
    if (open->incarnation != w->incarnation) {
        w->incarnation = open->incarnation;
        w->committed = 0;
    }
    return w->committed;
}

static const struct cor_handler HANDLERS[] = {{PX_upload, on_upload}};
static const struct cor_port_ops OPS = {
    .committed = committed, .handlers = HANDLERS, .handler_count = 1};

/* The device says some numbers; what the pipe does not take is said later, and so is what would be
 * far ahead of what has come. */
static void on_feed(void *self)
{
    struct world *w = self;
    for (int i = 0; i < A_TIME && w->said < MESSAGES_MAX && w->said < w->last + AHEAD_MAX; i++) {
        char line[16];
        int len = snprintf(line, sizeof(line), "%d\n", (int)w->said + 1);
        if (write(w->fifo, line, (size_t)len) != len) {
            return;
        }
        w->said++;
    }
}

static bool is_up(void *self)
{
    return cor_port_is_up(((struct world *)self)->port);
}

static bool flows(void *self)
{
    const struct world *w = self;
    return w->came > w->before;
}

static bool all_came(void *self)
{
    const struct world *w = self;
    return w->came >= w->said;
}

static void start_service(struct world *w)
{
    auto_(cor_freep) char *config = cor_sprintf(
        "database: %s/bus.db\nbroker: \"unix:%s\"\nlog-level: error\n", w->stage->dir, w->socket);
    w->pid = stage_start(w->stage, "eventbus", config);
}

static void start_device(struct world *w)
{
    auto_(cor_freep) char *fifo = cor_sprintf("%s/fifo", w->stage->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    auto_(cor_freep) char *script = cor_sprintf(
        "exec mosquitto_pub --unix %s -q 1 -i device -c -t a/user/b -l < %s", w->socket, fifo);
    const char *const argv[] = {"sh", "-c", script, NULL};
    w->device = stage_spawn(argv);
    w->fifo = open(fifo, O_WRONLY);
    assert_true(w->fifo >= 0);
    assert_int_equal(fcntl(w->fifo, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(w->fifo, F_SETFD, FD_CLOEXEC), 0);
    w->feed = cor_timer_new(w->stage->loop, on_feed, w);
    cor_timer_repeat(w->feed, COR_MS(4));
}

static int setup(void **state)
{
    struct world *w = cor_alloc(sizeof(*w));
    struct cor_err err = COR_ERR_NONE;
    w->stage = stage_new();
    w->got = cor_calloc(MESSAGES_MAX + 1, 1);
    (void)snprintf(w->socket, sizeof(w->socket), "%s/mqtt.sock", w->stage->dir);
    (void)snprintf(w->conf, sizeof(w->conf), "%s/mosquitto.conf", w->stage->dir);
    auto_(cor_freep) char *conf =
        cor_sprintf("listener 0 %s\nallow_anonymous true\nuser root\nlog_dest none\n"
                    "max_inflight_messages 0\nmax_queued_messages 0\n",
                    w->socket);
    assert_int_equal(cor_file_write(w->conf, cor_view_of(conf), 0644, &err), COR_OK);
    const char *const argv[] = {"mosquitto", "-c", w->conf, NULL};
    w->broker = stage_spawn(argv);
    w->bus = stage_bus(w->stage, "edgehub");
    assert_int_equal(
        cor_port_open(w->bus, px_endpoint(PX_ENDPOINT_HUB_BUS), &OPS, w, &w->port, &err), COR_OK);
    start_service(w);
    assert_true(stage_until(w->stage, is_up, w));
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    cor_timer_free(&w->feed);
    cor_port_close(&w->port);
    cor_bus_free(&w->bus);
    int status = stage_end(w->pid, SIGTERM);
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    (void)stage_end(w->broker, SIGTERM);
    cor_free(w->got);
    stage_free(&w->stage);
    cor_free(w);
    return clean ? 0 : -1;
}

static void publish(const struct world *w, const char *payload)
{
    const char *const argv[] = {"mosquitto_pub", "--unix", w->socket, "-q", "1", "-t",
                                "a/user/b",      "-m",     payload,   NULL};
    (void)stage_end(stage_spawn(argv), 0);
}

static bool probe_came(void *self)
{
    publish(self, "0");
    return flows(self);
}

static bool last_probe_came(void *self)
{
    return ((struct world *)self)->last == MESSAGES_MAX;
}

/* Before the first connection there is no session that would keep a message. All probes have come
 * with the last one. */
static void until_subscribed(struct world *w)
{
    auto_(cor_freep) char *last = cor_sprintf("%d", MESSAGES_MAX);
    assert_true(stage_poll(w->stage, probe_came, w));
    publish(w, last);
    assert_true(stage_until(w->stage, last_probe_came, w));
    w->got[MESSAGES_MAX] = 0;
    w->last = 0;
    w->came = 0;
}

static void end_of_device(struct world *w)
{
    cor_timer_free(&w->feed);
    cor_fd_close(&w->fifo);
    int status = stage_end(w->device, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)stage_until(w->stage, all_came, w); /* what is missing is counted by the caller */
    stage_idle(w->stage, 100);
}

static void killed_at_any_instant_it_loses_and_doubles_nothing(void **state)
{
    struct world *w = *state;
    w->seed = 1;
    until_subscribed(w);
    start_device(w);
    for (int i = 0; i < KILLS; i++) {
        stage_idle(w->stage, 1 + rand_r(&w->seed) % 12);
        if (i % 3 != 0) { /* others are killed while they come back */
            w->before = w->came;
            assert_true(stage_until(w->stage, flows, w));
        }
        (void)stage_end(w->pid, SIGKILL);
        start_service(w);
    }
    end_of_device(w);
    uint64_t lost = 0;
    uint64_t doubled = 0;
    for (uint64_t n = 1; n <= w->said; n++) {
        lost += w->got[n] == 0 ? 1 : 0;
        if (w->got[n] != 1 && lost + doubled < A_TIME) {
            print_message("message %d came %d times\n", (int)n, w->got[n]);
        }
        doubled += w->got[n] > 1 ? 1 : 0;
    }
    print_message("%d kills, %d messages: %d lost, %d doubled, %d out of order\n", KILLS,
                  (int)w->said, (int)lost, (int)doubled, (int)w->disorder);
    assert_int_equal(lost, 0);
    assert_int_equal(doubled, 0);
    assert_int_equal(w->disorder, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(killed_at_any_instant_it_loses_and_doubles_nothing, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
