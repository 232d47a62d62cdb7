// SPDX-License-Identifier: Apache-2.0
// torture-load: devices that publish at a rate, the HTTP target at the other end, and the ledger
// that says whether anything was lost, doubled or reordered.
#include <argp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "publisher.h"
#include "subscriber.h"
#include "target.h"

enum {
    OPT_BROKER = 256,
    OPT_TOPIC,
    OPT_DEVICES,
    OPT_BYTES,
    OPT_RATE,
    OPT_FLIGHT,
    OPT_COUNT,
    OPT_SECONDS,
    OPT_DRAIN,
    OPT_PORT,
    OPT_REFUSE,
    OPT_FORGET,
    OPT_TWIN,
    OPT_BEHIND,
    OPT_NAMES,
    OPT_MQTT,
    OPT_NONE
};

struct options {
    const char *broker;
    const char *topic;
    uint64_t devices, bytes, rate, flight, count, seconds, drain, port, refuse, forget, twin,
        behind;
    bool via_mqtt, no_target;
};

static const struct argp_option OPTIONS[] = {
    {"broker", OPT_BROKER, "ADDRESS", 0, "unix:/path or host:port (127.0.0.1:1883)", 0},
    {"topic", OPT_TOPIC, "TOPIC", 0, "Device D publishes on TOPIC/D (torture)", 0},
    {"devices", OPT_DEVICES, "N", 0, "Devices (50)", 0},
    {"bytes", OPT_BYTES, "N", 0, "Size of a payload (300)", 0},
    {"rate", OPT_RATE, "N", 0, "Messages a second; 0: as fast as it goes (2000)", 0},
    {"flight", OPT_FLIGHT, "N", 0, "Un-acknowledged at once (500)", 0},
    {"count", OPT_COUNT, "N", 0, "Messages in all; 0: until --seconds (0)", 0},
    {"seconds", OPT_SECONDS, "N", 0, "How long it publishes (10)", 0},
    {"drain", OPT_DRAIN, "SECONDS", 0, "How long it waits for the rest to arrive (60)", 0},
    {"port", OPT_PORT, "PORT", 0, "Of the HTTP target on 127.0.0.1 (8099)", 0},
    {"refuse-every", OPT_REFUSE, "N", 0, "Answer every Nth request 503 and do not take it", 0},
    {"forget-every", OPT_FORGET, "N", 0, "Take every Nth request and answer 500", 0},
    {"twin", OPT_TWIN, "N", 0,
     "Twin updates of N properties on TOPIC itself, each value the time in ms; no target", 0},
    {"behind", OPT_BEHIND, "N", 0,
     "Pause while so many were acknowledged and have not arrived: the broker's queue is bounded "
     "(0: never)",
     0},
    {"no-target", OPT_NONE, NULL, 0, "Only publish: nothing is expected to arrive", 0},
    {"via-mqtt", OPT_MQTT, NULL, 0, "Take what a subscriber of the same broker gets: the floor", 0},
    {"topics", OPT_NAMES, NULL, 0, "Print the topics, one a line, and exit", 0},
    {0},
};

struct load {
    struct cor_loop *loop;
    struct ledger *ledger;
    struct publisher *publisher;
    struct target *target;
    struct subscriber *subscriber;
    struct cor_timer *end;
    struct cor_timer *look;
    const struct options *o;
    bool draining;
};

static void print_topics(const struct options *o)
{
    for (uint64_t i = 0; i < o->devices; i++) {
        (void)printf("%s/%llu\n", o->topic, (unsigned long long)i);
    }
    exit(0);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->devices, &o->bytes,   &o->rate,  &o->flight,
                                 &o->count,   &o->seconds, &o->drain, &o->port,
                                 &o->refuse,  &o->forget,  &o->twin,  &o->behind};
    if (key == OPT_BROKER) {
        o->broker = arg;
    } else if (key == OPT_TOPIC) {
        o->topic = arg;
    } else if (key == OPT_MQTT) {
        o->via_mqtt = true;
    } else if (key == OPT_NONE) {
        o->no_target = true;
    } else if (key == OPT_NAMES) {
        print_topics(o);
    } else if (key >= OPT_DEVICES && key <= OPT_BEHIND) {
        if (!cor_view_u64(cor_view_of(arg), numbers[key - OPT_DEVICES])) {
            argp_error(state, "expected a number: %s", arg);
        }
    } else if (key == ARGP_KEY_ARG) {
        argp_error(state, "unexpected argument \"%s\"", arg);
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static void on_end(void *self)
{
    struct load *load = self;
    if (load->draining) {
        cor_loop_stop(load->loop); /* too late for what is missing */
        return;
    }
    publisher_stop(load->publisher);
}

static void on_look(void *self)
{
    struct load *load = self;
    if (!publisher_is_done(load->publisher)) {
        return;
    }
    if (!load->draining) {
        load->draining = true;
        cor_timer_start(load->end, COR_SEC((int64_t)load->o->drain));
    }
    if (ledger_unacked(load->ledger) == 0 &&
        (load->o->no_target || ledger_missing(load->ledger) == 0)) {
        cor_loop_stop(load->loop);
    }
}

static void on_away(void *self, int number)
{
    struct load *load = self;
    target_away(load->target, number == SIGUSR1);
}

static void on_mark(void *self, int number)
{
    (void)number;
    ledger_mark(((struct load *)self)->ledger, cor_mono_now().us);
}

static void on_stop(void *self, int number)
{
    (void)number;
    publisher_stop(((struct load *)self)->publisher);
}

static enum cor_code start(struct load *load, struct cor_err *err)
{
    const struct options *o = load->o;
    struct target_spec target = {.loop = load->loop,
                                 .ledger = load->ledger,
                                 .port = (int)o->port,
                                 .refuse_every = o->refuse,
                                 .forget_every = o->forget};
    enum cor_code code = target_new(&target, &load->target, err);
    if (code != COR_OK) {
        return code;
    }
    const char *colon = strrchr(o->broker, ':');
    bool is_unix = strncmp(o->broker, "unix:", 5) == 0;
    auto_(cor_freep) char *host = is_unix || colon == NULL
                                      ? cor_strdup(o->broker + 5 * is_unix)
                                      : cor_memdup(o->broker, (size_t)(colon - o->broker));
    struct publisher_spec publisher = {.host = host,
                                       .port = is_unix || colon == NULL ? 0 : atoi(colon + 1),
                                       .topic = o->topic,
                                       .devices = o->devices,
                                       .bytes = o->bytes,
                                       .rate = o->rate,
                                       .flight = o->flight,
                                       .count = o->count,
                                       .properties = o->twin,
                                       .behind = o->behind,
                                       .loop = load->loop,
                                       .ledger = load->ledger};
    if (o->via_mqtt) {
        code = subscriber_new(load->loop, load->ledger, host, publisher.port, o->topic,
                              &load->subscriber, err);
    }
    return code == COR_OK ? publisher_new(&publisher, &load->publisher, err) : code;
}

static int run(const struct options *o)
{
    struct load load = {.o = o, .loop = cor_loop_new(), .ledger = ledger_new(o->devices)};
    struct cor_err err = COR_ERR_NONE;
    if (start(&load, &err) != COR_OK) {
        (void)fprintf(stderr, "torture-load: %s\n", err.text);
        return 2;
    }
    (void)printf("ready port=%d\n", target_port(load.target));
    (void)fflush(stdout);
    struct cor_signal *away = cor_signal_new(load.loop, SIGUSR1, on_away, &load);
    struct cor_signal *back = cor_signal_new(load.loop, SIGUSR2, on_away, &load);
    struct cor_signal *term = cor_signal_new(load.loop, SIGTERM, on_stop, &load);
    struct cor_signal *mark = cor_signal_new(load.loop, SIGHUP, on_mark, &load);
    load.end = cor_timer_new(load.loop, on_end, &load);
    load.look = cor_timer_new(load.loop, on_look, &load);
    if (o->count == 0) {
        cor_timer_start(load.end, COR_SEC((int64_t)o->seconds));
    }
    cor_timer_repeat(load.look, COR_MS(5));
    cor_loop_run(load.loop);
    auto_(cor_buf_free) struct cor_buf report = {0};
    ledger_recoveries(load.ledger, &report);
    ledger_report(load.ledger, &report);
    (void)printf("%s\n", report.data);
    bool good = o->no_target ? ledger_unacked(load.ledger) == 0 : ledger_is_good(load.ledger);
    cor_timer_free(&load.look);
    cor_timer_free(&load.end);
    cor_signal_free(&mark);
    cor_signal_free(&term);
    cor_signal_free(&back);
    cor_signal_free(&away);
    publisher_free(&load.publisher);
    subscriber_free(&load.subscriber);
    target_free(&load.target);
    ledger_free(&load.ledger);
    cor_loop_free(&load.loop);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const char DOC[] =
        "Publishes for N devices at a rate, takes what arrives at an HTTP target, and prints what "
        "was lost, doubled or reordered as JSON."
        "\vSIGUSR1: the target answers 503 from now on; SIGUSR2: it takes again; SIGHUP: something "
        "was "
        "broken just now, measures until messages pass again; SIGTERM: "
        "publishes "
        "no more, waits for the rest. Exit codes: 0 all is well, 1 not, 2 it could not run.";
    struct options o = {.broker = "127.0.0.1:1883",
                        .topic = "torture",
                        .devices = 50,
                        .bytes = 300,
                        .rate = 2000,
                        .flight = 500,
                        .seconds = 10,
                        .drain = 60,
                        .port = 8099};
    const struct argp argp = {OPTIONS, parse_option, NULL, DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.twin > 0) {
        o.devices = 1;
        o.no_target = true;
    }
    if (o.twin > 100 || o.devices == 0 || o.flight == 0 || o.flight > 60000 || o.port > 65535) {
        (void)fprintf(stderr, "torture-load: --devices, --flight or --port out of range\n");
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    return run(&o);
}
