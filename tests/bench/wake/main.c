// SPDX-License-Identifier: Apache-2.0
// bench-wake: what a wake-up costs on this machine: sleeps on a timer, touches some pages, and does
// nothing else. The floor that tests/bench/idle judges the services by, measured beside them.
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/view.h"

enum { PAGE = 4096, OPT_SECONDS = 256, OPT_EVERY, OPT_PAGES };

struct options {
    uint64_t seconds, every_ms, pages;
};

static const struct argp_option OPTIONS[] = {
    {"seconds", OPT_SECONDS, "N", 0, "How long (30)", 0},
    {"every-ms", OPT_EVERY, "N", 0, "Milliseconds of rest before each wake-up (2500)", 0},
    {"pages", OPT_PAGES, "N", 0, "Pages of memory that each touches (64)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *options = state->input;
    uint64_t *const values[] = {&options->seconds, &options->every_ms, &options->pages};
    if (key < OPT_SECONDS || key > OPT_PAGES) {
        return ARGP_ERR_UNKNOWN;
    }
    uint64_t *value = values[key - OPT_SECONDS];
    if (!cor_view_u64(cor_view_of(arg), value) || *value < 1 || *value > 100000) {
        argp_error(state, "expected a number from 1 to 100000");
    }
    return 0;
}

/* The processor time of this process, nanoseconds. */
static int64_t used(void)
{
    struct timespec time = {0};
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Sleeps until the timer's next time. False: that cannot be. */
static bool sleep_on(int timer)
{
    uint64_t times = 0;
    return read(timer, &times, sizeof(times)) == sizeof(times);
}

static void touch(volatile unsigned char *memory, uint64_t pages)
{
    for (uint64_t i = 0; i < pages; i++) {
        memory[i * PAGE]++;
    }
}

int main(int argc, char **argv)
{
    struct options options = {30, 2500, 64};
    static const struct argp ARGP = {
        OPTIONS, parse_option, NULL, "What a wake-up that does nothing costs.", NULL, NULL, NULL};
    (void)argp_parse(&ARGP, argc, argv, 0, NULL, &options);
    struct timespec every = {.tv_sec = (time_t)(options.every_ms / 1000),
                             .tv_nsec = (long)(options.every_ms % 1000) * 1000000};
    struct itimerspec times = {every, every};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    unsigned char *memory = mmap(NULL, options.pages * PAGE, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (timer < 0 || memory == MAP_FAILED || timerfd_settime(timer, 0, &times, NULL) != 0) {
        perror("bench-wake");
        return 1;
    }
    uint64_t count = options.seconds * 1000 / options.every_ms;
    int64_t before = used();
    for (uint64_t i = 0; i < count && sleep_on(timer); i++) {
        touch(memory, options.pages);
    }
    printf("wake: %" PRIu64 " wake-ups of %" PRIu64 " pages, %" PRId64 " us each\n", count,
           options.pages, (used() - before) / 1000 / (int64_t)(count == 0 ? 1 : count));
    return 0;
}
