// SPDX-License-Identifier: Apache-2.0
// bench-firsthop: MQTT QoS 1 through a real mosquitto and eventbus (bus.db,
// synchronous=FULL) to a sink that commits at once, played by this program. Then the same while the
// sink is away, and its memory and start with all of it waiting, and the drain. Prints messages per
// second and the processor time of broker and eventbus for each message; the broker's is the floor.
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/base/view.h"
#include "tests/support/stage/places.h"
#include "tests/support/stage/stage.h"
#include "tests/support/usage/usage.h"

enum {
    LINE = 16,
    RUN_S = 600,
    PART = 50000,
    RUNS_MAX = 99,
    OPT_COUNT = 256,
    OPT_PUBLISHERS,
    OPT_RUNS
};

struct options {
    uint64_t count, publishers, runs;
};

static const struct argp_option OPTIONS[] = {
    {"count", OPT_COUNT, "N", 0, "Messages of a run (100000)", 0},
    {"publishers", OPT_PUBLISHERS, "N", 0, "At once, at most 16 (1)", 0},
    {"runs", OPT_RUNS, "N", 0, "Runs with the sink there (7)", 0},
    {0},
};

struct world {
    struct stage *stage;
    struct cor_bus *bus;
    struct cor_port *port;
    struct stage_places places;
    pid_t broker, service;
    uint64_t came, want;
    char socket[96];
};

static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)body;
    (void)err;
    struct world *w = self;
    w->came++;
    (void)stage_places_take(&w->places, in);
    if (w->came >= w->want) {
        cor_loop_stop(w->stage->loop);
    }
    return COR_OK;
}

static uint64_t committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    (void)port;
    return stage_places_open(&((struct world *)self)->places, open);
}

static void open_sink(struct world *w)
{
    static const struct cor_handler HANDLERS[] = {{PX_upload, on_upload}};
    static const struct cor_port_ops OPS = {
        .committed = committed, .handlers = HANDLERS, .handler_count = 1};
    must(cor_port_open(w->bus, px_endpoint(PX_ENDPOINT_HUB_BUS), &OPS, w, &w->port, NULL) ==
         COR_OK);
}

static void start_service(struct world *w)
{
    auto_(cor_freep) char *config = cor_sprintf(
        "database: %s/bus.db\nbroker: \"unix:%s\"\nlog-level: warn\n", w->stage->dir, w->socket);
    w->service = stage_start(w->stage, "eventbus", config);
}

static void start(struct world *w)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/mosquitto.conf", w->stage->dir);
    (void)snprintf(w->socket, sizeof(w->socket), "%s/mqtt.sock", w->stage->dir);
    auto_(cor_freep) char *conf =
        cor_sprintf("listener 0 %s\nallow_anonymous true\nuser root\nlog_dest none\n"
                    "max_inflight_messages 0\nmax_queued_messages 0\n",
                    w->socket);
    must(cor_file_write(path, cor_view_of(conf), 0644, NULL) == COR_OK);
    const char *const argv[] = {"mosquitto", "-c", path, NULL};
    w->broker = stage_spawn(argv);
    start_service(w);
    w->bus = stage_bus(w->stage, "edgehub");
    open_sink(w);
}

/* In parts: mosquitto_pub gets slow with much in its memory. */
static pid_t publish(struct world *w, int number, uint64_t count)
{
    auto_(cor_freep) char *script =
        cor_sprintf("i=0; while [ $i -lt %llu ]; do n=$((%llu - i)); [ $n -lt %d ] || n=%d;"
                    " seq $((i + 1)) $((i + n)) |"
                    " sed 's/$/ temperature 21.5 humidity 40 pressure 1013/' |"
                    " mosquitto_pub --unix %s -q 1 -i pub%d -t plant%d/user/values -l || exit 1;"
                    " i=$((i + n)); done",
                    (unsigned long long)count, (unsigned long long)count, PART, PART, w->socket,
                    number, number);
    const char *const argv[] = {"sh", "-c", script, NULL};
    return stage_spawn(argv);
}

static void on_late(void *self)
{
    cor_loop_stop(self);
}

static void until(struct world *w, uint64_t count)
{
    struct cor_timer *late = cor_timer_new(w->stage->loop, on_late, w->stage->loop);
    w->came = 0;
    w->want = count;
    cor_timer_start(late, COR_SEC(RUN_S));
    cor_loop_run(w->stage->loop);
    cor_timer_free(&late);
    must(w->came >= count);
}

static void until_subscribed(struct world *w)
{
    w->want = 1;
    for (int i = 0; i < 200 && w->came == 0; i++) {
        (void)stage_end(publish(w, 0, 1), 0);
        stage_idle(w->stage, 20);
    }
    stage_idle(w->stage, 300);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What a run with the sink there has shown. */
struct shown {
    double rate[RUNS_MAX], service_us[RUNS_MAX], broker_us[RUNS_MAX];
};

static void live(struct world *w, const struct options *o, struct shown *shown, size_t at)
{
    pid_t pids[LINE];
    uint64_t each = o->count / o->publishers;
    int64_t service = test_usage_us(w->service);
    int64_t broker = test_usage_us(w->broker);
    struct cor_mono began = cor_mono_now();
    for (size_t i = 0; i < o->publishers; i++) {
        pids[i] = publish(w, (int)i, each);
    }
    until(w, each * o->publishers);
    double seconds = (double)cor_mono_since(cor_mono_now(), began) / 1e6;
    shown->rate[at] = (double)w->came / seconds;
    shown->service_us[at] = (double)(test_usage_us(w->service) - service) / (double)w->came;
    shown->broker_us[at] = (double)(test_usage_us(w->broker) - broker) / (double)w->came;
    for (size_t i = 0; i < o->publishers; i++) {
        (void)stage_end(pids[i], 0);
    }
}

/* Sorts; median, least and most. */
static double tell(const char *what, double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    (void)printf("live: %s %.1f (%.1f to %.1f, %zu runs)\n", what, values[count / 2], values[0],
                 values[count - 1], count);
    return values[count / 2];
}

static void lives(struct world *w, const struct options *o)
{
    static struct shown shown;
    for (size_t i = 0; i < o->runs; i++) {
        live(w, o, &shown, i);
    }
    (void)tell("messages a second", shown.rate, o->runs);
    double service = tell("eventbus us a message", shown.service_us, o->runs);
    double broker = tell("broker us a message", shown.broker_us, o->runs);
    (void)printf("live: eventbus is %.0f %% of the broker\n", service * 100 / broker);
}

static void away(struct world *w, uint64_t count)
{
    cor_port_close(&w->port);
    long before = (long)test_usage_pss_kib(w->service);
    int64_t service = test_usage_us(w->service);
    struct cor_mono began = cor_mono_now();
    (void)stage_end(publish(w, 1, count), 0);
    double seconds = (double)cor_mono_since(cor_mono_now(), began) / 1e6;
    stage_idle(w->stage, 1000);
    (void)printf("sink away: %.0f msg/s; eventbus %.1f us a message, PSS %ld -> %ld KiB\n",
                 (double)count / seconds,
                 (double)(test_usage_us(w->service) - service) / (double)count, before,
                 (long)test_usage_pss_kib(w->service));
    (void)stage_end(w->service, SIGKILL);
    began = cor_mono_now();
    start_service(w);
    (void)printf("start with all of it: %.1f ms, PSS %ld KiB\n",
                 (double)cor_mono_since(cor_mono_now(), began) / 1e3,
                 (long)test_usage_pss_kib(w->service));
    service = test_usage_us(w->service);
    began = cor_mono_now();
    open_sink(w);
    until(w, count);
    seconds = (double)cor_mono_since(cor_mono_now(), began) / 1e6;
    (void)printf("drain: %.0f msg/s; eventbus %.1f us a message, PSS %ld KiB\n",
                 (double)count / seconds,
                 (double)(test_usage_us(w->service) - service) / (double)count,
                 (long)test_usage_pss_kib(w->service));
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->count, &o->publishers, &o->runs};
    if (key >= OPT_COUNT && key <= OPT_RUNS) {
        if (!cor_view_u64(cor_view_of(arg), numbers[key - OPT_COUNT])) {
            argp_error(state, "expected a number: %s", arg);
        }
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
    static const char DOC[] = "MQTT QoS 1 through a real mosquitto and eventbus to a sink that "
                              "commits at once; the same while "
                              "the sink is away, the start with all of it waiting, and the drain.";
    struct options o = {.count = 100000, .publishers = 1, .runs = 7};
    const struct argp argp = {OPTIONS, parse_option, NULL, DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    if (o.count == 0 || o.publishers == 0 || o.publishers > LINE || o.runs == 0 ||
        o.runs > RUNS_MAX) {
        (void)fprintf(stderr, "bench-firsthop: --count, --publishers or --runs out of range\n");
        return 2;
    }
    struct world w = {.stage = stage_new()};
    start(&w);
    until_subscribed(&w);
    lives(&w, &o);
    away(&w, o.count);
    cor_port_close(&w.port);
    cor_bus_free(&w.bus);
    (void)stage_end(w.service, SIGTERM);
    (void)stage_end(w.broker, SIGTERM);
    stage_free(&w.stage);
    return 0;
}
