// SPDX-License-Identifier: Apache-2.0
// coracle queue: what waits in the outboxes of this machine, how fast it grows, and when the policy
// begins to drop. Rates are measured: the services are asked twice.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "coracle.h"

struct options {
    struct coracle_said said;
    int64_t window_ms;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_OUTPUT_ROW("table wide json yaml",
                       "table (default): what waits; wide: every stream; json or yaml"),
    CORACLE_NUMBER_ROW(window_ms, 0, "window", "MS", 10, 600000,
                       "How long rates are measured (1000)"),
    CORACLE_SOCKETS_ROW,
    {0},
};

/* All queues: [{"service","folder","flow",...}]. Returns owned. */
static struct cor_json *all_queues(const char *run)
{
    auto_(tool_services_free) struct tool_services found = {0};
    struct cor_json *list = cor_json_array();
    tool_find(run, &found);
    for (size_t i = 0; i < found.count; i++) {
        struct cor_err err = COR_ERR_NONE;
        auto_(cor_json_free) struct cor_json *queues =
            coracle_ask(&found.items[i], "queue", NULL, CORACLE_TELL_MS, &err);
        for (size_t q = 0; q < cor_json_count(queues); q++) {
            struct cor_json *queue = cor_json_item(queues, q);
            cor_json_set(queue, "service", cor_json_str(found.items[i].name));
            cor_json_set(queue, "folder", cor_json_str(found.items[i].run));
            cor_json_add(list, cor_json_ref(queue));
        }
    }
    return list;
}

static bool is_same(const struct cor_json *a, const struct cor_json *b, const char *key)
{
    return cor_json_equal(cor_json_get(a, key), cor_json_get(b, key));
}

static const struct cor_json *queue_in(const struct cor_json *list, const struct cor_json *queue)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (is_same(one, queue, "service") && is_same(one, queue, "folder") &&
            is_same(one, queue, "flow")) {
            return one;
        }
    }
    return NULL;
}

static const struct cor_json *stream_in(const struct cor_json *queue, const struct cor_json *stream)
{
    const struct cor_json *streams = cor_json_get(queue, "streams");
    for (size_t i = 0; i < cor_json_count(streams); i++) {
        if (is_same(cor_json_item(streams, i), stream, "stream")) {
            return cor_json_item(streams, i);
        }
    }
    return NULL;
}

static double rate(const struct cor_json *before, const struct cor_json *now, const char *key,
                   double seconds)
{
    int64_t was = before == NULL ? 0 : cor_json_int_at(before, key, 0);
    return (double)(cor_json_int_at(now, key, 0) - was) / seconds;
}

/* Seconds until bytes reach their bound; -1: they do not. */
static double until_full(const struct cor_json *of, double bytes_per_s)
{
    double room = (double)(cor_json_int_at(of, "maxBytes", 0) - cor_json_int_at(of, "bytes", 0));
    return bytes_per_s <= 0 ? -1 : room <= 0 ? 0 : room / bytes_per_s;
}

/* The first loss: when, and of what. */
static void forecast(struct cor_json *queue, double bytes_per_s)
{
    const struct cor_json *streams = cor_json_get(queue, "streams");
    const char *priority = "low";
    double soonest = until_full(queue, bytes_per_s);
    for (size_t i = 0; i < cor_json_count(streams); i++) {
        const struct cor_json *stream = cor_json_item(streams, i);
        double at = cor_json_as_real(cor_json_get(stream, "fullInSeconds"), -1);
        if (at >= 0 && (soonest < 0 || at < soonest)) {
            soonest = at;
            priority = cor_json_str_at(stream, "priority", "normal");
        }
    }
    if (soonest >= 0) {
        cor_json_set(queue, "lossInSeconds", cor_json_real(soonest));
        cor_json_set(queue, "lossOfPriority", cor_json_str(priority));
    }
}

/* Adds what the two answers say together. */
static void measure(const struct cor_json *before, struct cor_json *now, double seconds)
{
    for (size_t q = 0; q < cor_json_count(now); q++) {
        struct cor_json *queue = cor_json_item(now, q);
        const struct cor_json *old = queue_in(before, queue);
        const struct cor_json *streams = cor_json_get(queue, "streams");
        for (size_t i = 0; i < cor_json_count(streams); i++) {
            struct cor_json *stream = cor_json_item(streams, i);
            const struct cor_json *was = stream_in(old, stream);
            double full = until_full(stream, rate(was, stream, "bytes", seconds));
            cor_json_set(stream, "inPerSecond",
                         cor_json_real(rate(was, stream, "accepted", seconds)));
            cor_json_set(stream, "outPerSecond",
                         cor_json_real(rate(was, stream, "delivered", seconds)));
            if (full >= 0) {
                cor_json_set(stream, "fullInSeconds", cor_json_real(full));
            }
        }
        forecast(queue, rate(old, queue, "bytes", seconds));
    }
}

static void print_time(double seconds, char text[32])
{
    static const struct {
        double factor;
        const char *unit;
    } UNITS[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    size_t i = 0;
    while (i + 1 < COR_COUNT(UNITS) && seconds < 2 * UNITS[i].factor) {
        i++;
    }
    (void)snprintf(text, 32, "%.0f %s", seconds / UNITS[i].factor, UNITS[i].unit);
}

static void print_stream(const struct cor_json *stream)
{
    char age[32];
    print_time((double)cor_json_int_at(stream, "oldestSeconds", 0), age);
    (void)printf("  %-40s %9" PRId64 " %11" PRId64 " %8s %8.1f %8.1f  %-8s %s\n",
                 cor_json_str_at(stream, "stream", ""), cor_json_int_at(stream, "messages", 0),
                 cor_json_int_at(stream, "bytes", 0), age,
                 cor_json_as_real(cor_json_get(stream, "inPerSecond"), 0),
                 cor_json_as_real(cor_json_get(stream, "outPerSecond"), 0),
                 cor_json_str_at(stream, "priority", ""), cor_json_str_at(stream, "full", ""));
}

static void print_confirmed(const struct cor_json *confirmed)
{
    (void)printf("  confirmed after p50 %.1f ms, p99 %.1f ms (the last %" PRId64
                 " that did not have to wait)\n",
                 (double)cor_json_int_at(confirmed, "p50Us", 0) / 1000.0,
                 (double)cor_json_int_at(confirmed, "p99Us", 0) / 1000.0,
                 cor_json_int_at(confirmed, "count", 0));
}

static void print_queue(const struct cor_json *queue, bool wide)
{
    const struct cor_json *streams = cor_json_get(queue, "streams");
    double loss = cor_json_as_real(cor_json_get(queue, "lossInSeconds"), -1);
    char when[32];
    (void)printf("%s (%s): %" PRId64 " messages, %" PRId64 " of %" PRId64 " bytes, %zu streams\n",
                 cor_json_str_at(queue, "flow", ""), cor_json_str_at(queue, "service", ""),
                 cor_json_int_at(queue, "messages", 0), cor_json_int_at(queue, "bytes", 0),
                 cor_json_int_at(queue, "maxBytes", 0), cor_json_count(streams));
    if (cor_json_int_at(cor_json_get(queue, "confirmed"), "count", 0) > 0) {
        print_confirmed(cor_json_get(queue, "confirmed"));
    }
    if (loss >= 0) {
        print_time(loss, when);
        (void)printf("  loss of %s-priority data starts in %s at this rate\n",
                     cor_json_str_at(queue, "lossOfPriority", ""), when);
    }
    bool is_first = true;
    for (size_t i = 0; i < cor_json_count(streams); i++) {
        const struct cor_json *stream = cor_json_item(streams, i);
        if (!wide && cor_json_int_at(stream, "messages", 0) == 0) {
            continue;
        }
        if (is_first) {
            (void)printf("  %-40s %9s %11s %8s %8s %8s  %-8s %s\n", "STREAM", "MESSAGES", "BYTES",
                         "OLDEST", "IN/S", "OUT/S", "PRIORITY", "WHEN FULL");
            is_first = false;
        }
        print_stream(stream);
    }
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .window_ms = 1000};
    coracle_read(&coracle_queue, argc, argv, &o);
    struct cor_mono began = cor_mono_now();
    auto_(cor_json_free) struct cor_json *before = all_queues(o.said.run);
    if (cor_json_count(before) == 0) {
        (void)fprintf(stderr, "coracle: queue: no service under %s has one\n", o.said.run);
        return EXIT_FAILED;
    }
    (void)poll(NULL, 0, (int)o.window_ms);
    auto_(cor_json_free) struct cor_json *now = all_queues(o.said.run);
    measure(before, now, (double)cor_mono_since(cor_mono_now(), began) / (double)COR_SEC(1));
    if (!coracle_print(now, o.said.format)) {
        for (size_t i = 0; i < cor_json_count(now); i++) {
            print_queue(cor_json_item(now, i), o.said.format == CORACLE_WIDE);
        }
    }
    return EXIT_DONE;
}

const struct coracle_command coracle_queue = {
    .name = "queue",
    .summary = "what waits to be sent, and when it will be too much",
    .doc = "Shows what waits to be sent: messages, bytes, the age of the oldest, rates, and when "
           "the written policy begins to drop."
           "\vThe policy is in the services' configuration: queue-bytes and queue-rules. Ages "
           "count the time that the services ran.",
    .options = OPTIONS,
    .run = run,
};
