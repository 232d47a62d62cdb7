// SPDX-License-Identifier: Apache-2.0
// coracle restart: asks the supervisor (s6) and waits until the service is ready again.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"
#include "supervise.h"

enum { NAMES_MAX = 64 };

struct options {
    struct coracle_said said;
    const char *names[NAMES_MAX];
    size_t count;
    int64_t timeout_s;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_RUN_ROW("supervision trees"),
    CORACLE_NUMBER_ROW(timeout_s, 0, "timeout", "SECONDS", 1, 3600,
                       "How long to wait until it is ready (10)"),
    {0},
};

static enum cor_code take_word(void *options, char *word, struct cor_err *err)
{
    struct options *o = options;
    if (o->count == NAMES_MAX || strstr(word, "..") != NULL) {
        return cor_err_set(err, COR_INVALID, "not a service: \"%s\"", word);
    }
    o->names[o->count++] = word;
    return COR_OK;
}

static enum cor_code check(const void *options, struct cor_err *err)
{
    return ((const struct options *)options)->count > 0
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "which service? coracle status lists them");
}

static bool restart(const struct options *o, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *what = cor_sprintf("restart %s", name);
    auto_(instances_free) struct instances found = {0};
    int64_t took_ms = 0;
    instances_find(o->said.run, name, false, &found);
    if (found.count == 0) {
        (void)cor_err_set(&err, COR_NOTFOUND, "no such service under %s; coracle status lists them",
                          o->said.run);
        (void)coracle_fail(what, &err);
        return false;
    }
    if (supervise_restart(&found.items[0], SUPERVISE_DRAIN, o->timeout_s * 1000, &took_ms, &err) !=
        COR_OK) {
        (void)coracle_fail(what, &err);
        return false;
    }
    (void)printf("%s restarted: ready again after %" PRId64 " ms\n", name, took_ms);
    (void)fflush(stdout); /* the next one may take its time */
    return true;
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .timeout_s = 10};
    coracle_read(&coracle_restart, argc, argv, &o);
    for (size_t i = 0; i < o.count; i++) {
        if (!restart(&o, o.names[i])) {
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}

const struct coracle_command coracle_restart = {
    .name = "restart",
    .summary = "restart services in place",
    .doc = "Restarts services one after another: each finishes what it began, ends, starts, and is "
           "waited for until it is ready again."
           "\vOther services, Pods and devices go on meanwhile. SERVICE is a name, or NODE/SERVICE "
           "for a further node of this machine.",
    .words = "SERVICE...",
    .more = "$(coracle status -o name 2>/dev/null)",
    .options = OPTIONS,
    .word = take_word,
    .check = check,
    .run = run,
};
