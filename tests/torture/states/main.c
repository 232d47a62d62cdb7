// SPDX-License-Identifier: Apache-2.0
// torture-powercut: rebuilds what a disk may hold after power cuts at moments of a recording, and
// looks whether everything that was acknowledged is there.
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "common/base/mem.h"
#include "replay.h"

enum { OPT_STATES = 256, OPT_SEED, OPT_DEVICES, OPT_OTHERS, OPT_DIR, OPT_DATABASE };

struct options {
    const char *log, *dir, *database;
    uint64_t states, seed, devices, others;
};

static const struct argp_option OPTIONS[] = {
    {"states", OPT_STATES, "N", 0, "How many states (1000)", 0},
    {"seed", OPT_SEED, "N", 0, "Of the random numbers (1)", 0},
    {"devices", OPT_DEVICES, "N", 0, "As torture-load was told (1)", 0},
    {"others", OPT_OTHERS, "N", 0, "The first N acknowledged were not the load's (0)", 0},
    {"dir", OPT_DIR, "DIR", 0, "An empty folder to write states into", 0},
    {"database", OPT_DATABASE, "NAME", 0, "File name (bus.db)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->states, &o->seed, &o->devices, &o->others};
    if (key >= OPT_STATES && key <= OPT_OTHERS) {
        if (!cor_view_u64(cor_view_of(arg), numbers[key - OPT_STATES])) {
            argp_error(state, "expected a number: %s", arg);
        }
    } else if (key == OPT_DIR) {
        o->dir = arg;
    } else if (key == OPT_DATABASE) {
        o->database = arg;
    } else if (key == ARGP_KEY_ARG) {
        o->log = arg;
    } else if (key == ARGP_KEY_END && (o->log == NULL || o->dir == NULL || o->devices == 0)) {
        argp_error(state, "expected a recording and --dir");
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int by_value(const void *a, const void *b)
{
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Moments of the cuts, in order. Owned. */
static size_t *moments(const struct options *o, size_t operations)
{
    size_t *all = cor_calloc(o->states, sizeof(*all));
    uint64_t random = o->seed * 0x9e3779b97f4a7c15u + 1;
    for (uint64_t i = 0; i < o->states; i++) {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        all[i] = (size_t)(random * 0x2545f4914f6cdd1du % (operations + 1));
    }
    qsort(all, o->states, sizeof(*all), by_value);
    return all;
}

static void clean(const char *database)
{
    static const char *const ENDS[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < COR_COUNT(ENDS); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s%s", database, ENDS[i]);
        (void)unlink(path);
    }
}

int main(int argc, char **argv)
{
    static const char DOC[] = "Checks states of bus.db after power cuts, from a recording that "
                              "torture-record.so made."
                              "\vExit codes: 0 all is well, 1 not, 2 it could not run.";
    struct options o = {.states = 1000, .seed = 1, .devices = 1, .database = "bus.db"};
    const struct argp argp = {OPTIONS, parse_option, "RECORDING", DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    struct replay *replay = replay_open(o.log);
    if (replay == NULL) {
        return 2;
    }
    auto_(cor_freep) size_t *all = moments(&o, replay_count(replay));
    auto_(cor_freep) char *database = cor_sprintf("%s/%s", o.dir, o.database);
    uint64_t bad = 0;
    uint64_t acked = 0;
    for (uint64_t i = 0; i < o.states; i++) {
        auto_(cor_buf_free) struct cor_buf why = {0};
        acked = replay_to(replay, all[i]);
        acked -= acked < o.others ? acked : o.others;
        clean(database);
        if (!replay_write(replay, o.seed + i, o.dir)) {
            (void)fprintf(stderr, "torture-powercut: cannot write into %s\n", o.dir);
            return 2;
        }
        if (!check_outbox(database, acked, o.devices, &why)) {
            bad++;
            (void)printf("bad state=%" PRIu64 " operation=%zu %s\n", i, all[i], why.data);
        }
    }
    clean(database);
    (void)printf("{\"operations\":%zu,\"states\":%" PRIu64 ",\"acked\":%" PRIu64 ",\"bad\":%" PRIu64
                 "}\n",
                 replay_count(replay), o.states, acked, bad);
    replay_free(&replay);
    return bad == 0 && acked > 0 ? 0 : 1;
}
