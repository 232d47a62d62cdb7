// SPDX-License-Identifier: Apache-2.0
// bench-ipc: what a hop of common/bus costs beside a raw one, alternating in the same run: time,
// processor time, and voluntary context switches of both ends.
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench.h"
#include "common/base/attr.h"
#include "common/base/must.h"
#include "common/base/view.h"

enum {
    RUNS_MAX = 99,
    COUNT = 3000,
    PAUSED = 300, /* instead of COUNT when each waits */
    WARM = 300,
    OPT_RUNS = 256,
    OPT_MAX,
    OPT_PAUSE
};

struct options {
    uint64_t runs, max_percent, pause_ms;
};

static const struct argp_option OPTIONS[] = {
    {"runs", OPT_RUNS, "N", 0, "Runs of each (9)", 0},
    {"max-percent", OPT_MAX, "N", 0, "Exit code 1 when a ratio of times is more (0: never)", 0},
    {"pause-ms", OPT_PAUSE, "N", 0, "Milliseconds of rest before each, in which caches go cold (0)",
     0},
    {0},
};

/* What a series of runs took. */
struct series {
    int64_t us[RUNS_MAX]; /* median round trip of each run */
    int64_t cpu_us, switches;
};

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t median(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

typedef void (*trips_fn)(const char *dir, const struct trips *trips, int64_t *us);

/* Median of one run's round trips. */
static int64_t one_run(trips_fn fn, const struct trips *trips)
{
    static int64_t us[COUNT + WARM];
    char dir[] = "/tmp/coracle-ipc-XXXXXX";
    must(mkdtemp(dir) != NULL);
    struct trips all = *trips;
    all.count += trips->pause_us > 0 ? 0 : WARM;
    fn(dir, &all, us);
    static const char *const NAMES[] = {"raw",
                                        "bus/a-b",
                                        "bus/a-b.bind.lock",
                                        "ctl/a",
                                        "bus/ctl.a.lock",
                                        "bus/a-b.connect.lock",
                                        "ctl/b",
                                        "bus/ctl.b.lock",
                                        "bus",
                                        "ctl",
                                        ""};
    for (size_t i = 0; i < COR_COUNT(NAMES); i++) {
        char path[64];
        (void)snprintf(path, sizeof(path), "%s/%s", dir, NAMES[i]);
        (void)remove(path);
    }
    return median(us + (all.count - trips->count), trips->count);
}

static int64_t cpu_of(const struct rusage *use)
{
    return ((int64_t)use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1000000 +
           use->ru_utime.tv_usec + use->ru_stime.tv_usec;
}

/* Adds what this process and the children that have ended took, times sign. */
static void add_use(struct series *series, int sign)
{
    static const int WHO[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < COR_COUNT(WHO); i++) {
        struct rusage use;
        must(getrusage(WHO[i], &use) == 0);
        series->cpu_us += sign * cpu_of(&use);
        series->switches += sign * (int64_t)use.ru_nvcsw;
    }
}

static void run(struct series *series, size_t at, trips_fn fn, const struct trips *trips)
{
    add_use(series, -1);
    series->us[at] = one_run(fn, trips);
    add_use(series, 1);
}

static void tell_counts(const char *what, int64_t ours, int64_t raw, size_t count)
{
    double trips = (double)count;
    (void)printf("  %s a round trip, both ends: ours %.2f, raw %.2f, %lld %%\n", what,
                 (double)ours / trips, (double)raw / trips, (long long)(ours * 100 / raw));
}

/* The ratio of the medians over all runs, in percent. */
static int64_t compare(const struct trips *trips, size_t runs)
{
    static struct series ours;
    static struct series raw;
    int64_t ratios[RUNS_MAX];
    memset(&ours, 0, sizeof(ours));
    memset(&raw, 0, sizeof(raw));
    for (size_t i = 0; i < runs; i++) {
        run(&raw, i, raw_round_trips, trips);
        run(&ours, i, our_round_trips, trips);
        ratios[i] = ours.us[i] * 100 / raw.us[i];
    }
    int64_t ratio = median(ratios, runs); /* and in order */
    int64_t our_median = median(ours.us, runs);
    int64_t raw_median = median(raw.us, runs);
    (void)printf(
        "round trip of %zu bytes: ours %lld us (%lld to %lld), raw %lld us (%lld to %lld), "
        "ratio %.2f (%.2f to %.2f), %zu runs of %zu\n",
        trips->bytes, (long long)our_median, (long long)ours.us[0], (long long)ours.us[runs - 1],
        (long long)raw_median, (long long)raw.us[0], (long long)raw.us[runs - 1],
        (double)ratio / 100, (double)ratios[0] / 100, (double)ratios[runs - 1] / 100, runs,
        trips->count);
    size_t all = runs * (trips->count + (trips->pause_us > 0 ? 0 : WARM));
    tell_counts("switches", ours.switches, raw.switches, all);
    tell_counts("processor us", ours.cpu_us, raw.cpu_us, all);
    return ratio;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->runs, &o->max_percent, &o->pause_ms};
    if (key >= OPT_RUNS && key <= OPT_PAUSE) {
        if (!cor_view_u64(cor_view_of(arg), numbers[key - OPT_RUNS])) {
            argp_error(state, "expected a number: %s", arg);
        }
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
    static const char DOC[] = "Round trips one at a time between two processes: a CALL and its "
                              "REPLY of common/bus, beside "
                              "DEALER and ROUTER of ZeroMQ with blocking calls.";
    struct options o = {.runs = 9};
    const struct argp argp = {OPTIONS, parse_option, NULL, DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (o.runs == 0 || o.runs > RUNS_MAX || o.pause_ms > 1000) {
        (void)fprintf(stderr, "bench-ipc: --runs or --pause-ms out of range\n");
        return 2;
    }
    int64_t most = (int64_t)o.max_percent;
    struct trips trips = {300, o.pause_ms > 0 ? PAUSED : COUNT, (int64_t)o.pause_ms * 1000};
    int64_t small = compare(&trips, o.runs);
    trips.bytes = 4096;
    int64_t big = compare(&trips, o.runs);
    return most > 0 && (small > most || big > most) ? 1 : 0;
}
