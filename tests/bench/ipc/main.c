// SPDX-License-Identifier: Apache-2.0
// bench-ipc: what a hop of common/bus costs beside a raw one, alternating in the same run.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "common/base/attr.h"
#include "common/base/must.h"

enum { RUNS = 9, COUNT = 3000, WARM = 300 };

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

/* Median of one run's round trips. */
static int64_t one_run(void (*fn)(const char *dir, size_t bytes, size_t count, int64_t *us),
                       size_t bytes)
{
    static int64_t us[COUNT + WARM];
    char dir[] = "/tmp/coracle-ipc-XXXXXX";
    must(mkdtemp(dir) != NULL);
    fn(dir, bytes, COUNT + WARM, us);
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
    return median(us + WARM, COUNT);
}

/* The ratio of the medians over all runs, in percent. */
static int64_t compare(size_t bytes)
{
    int64_t ours[RUNS];
    int64_t raw[RUNS];
    int64_t ratios[RUNS];
    for (size_t i = 0; i < RUNS; i++) {
        raw[i] = one_run(raw_round_trips, bytes);
        ours[i] = one_run(our_round_trips, bytes);
        ratios[i] = ours[i] * 100 / raw[i];
    }
    int64_t ratio = median(ratios, RUNS); /* and in order */
    int64_t our_median = median(ours, RUNS);
    int64_t raw_median = median(raw, RUNS);
    (void)printf(
        "round trip of %zu bytes: ours %lld us (%lld to %lld), raw %lld us (%lld to %lld), "
        "ratio %lld.%02lld (%lld.%02lld to %lld.%02lld), %d runs of %d\n",
        bytes, (long long)our_median, (long long)ours[0], (long long)ours[RUNS - 1],
        (long long)raw_median, (long long)raw[0], (long long)raw[RUNS - 1], (long long)ratio / 100,
        (long long)ratio % 100, (long long)ratios[0] / 100, (long long)ratios[0] % 100,
        (long long)ratios[RUNS - 1] / 100, (long long)ratios[RUNS - 1] % 100, RUNS, COUNT);
    return ratio;
}

int main(int argc, char **argv)
{
    int64_t most = argc == 3 && strcmp(argv[1], "--max-percent") == 0 ? atoll(argv[2]) : 0;
    int64_t small = compare(300);
    int64_t big = compare(4096);
    return most > 0 && (small > most || big > most) ? 1 : 0;
}
