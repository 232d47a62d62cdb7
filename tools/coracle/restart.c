// SPDX-License-Identifier: Apache-2.0
// coracle restart: asks the supervisor (s6) and waits until the service is ready again.
#include <argp.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"
#include "supervise.h"

enum { OPT_RUN = 256, OPT_TIMEOUT, NAMES_MAX = 64 };

struct options {
    const char *run;
    const char *names[NAMES_MAX];
    size_t count;
    int64_t timeout_s;
};

static const struct argp_option OPTIONS[] = {
    {"run-dir", OPT_RUN, "DIR", 0, "Where the supervision trees are (" CORACLE_RUN ")", 0},
    {"timeout", OPT_TIMEOUT, "SECONDS", 0, "How long to wait until it is ready (10)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case OPT_RUN:
        o->run = arg;
        return 0;
    case OPT_TIMEOUT:
        if (!cor_view_i64(cor_view_of(arg), &o->timeout_s) || o->timeout_s < 1 ||
            o->timeout_s > 3600) {
            argp_error(state, "--timeout: expected a number from 1 to 3600");
        }
        return 0;
    case ARGP_KEY_ARG:
        if (o->count == NAMES_MAX || strstr(arg, "..") != NULL) {
            argp_error(state, "not a service: \"%s\"", arg);
        }
        o->names[o->count++] = arg;
        return 0;
    case ARGP_KEY_END:
        if (o->count == 0) {
            argp_error(state, "which service? coracle status lists them");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static bool restart(const struct options *o, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *what = cor_sprintf("restart %s", name);
    auto_(instances_free) struct instances found = {0};
    int64_t took_ms = 0;
    instances_find(o->run, name, false, &found);
    if (found.count == 0) {
        (void)cor_err_set(&err, COR_NOTFOUND, "no such service under %s; coracle status lists them",
                          o->run);
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

int coracle_restart(int argc, char **argv)
{
    static const char DOC[] =
        "Restarts services one after another: each finishes what it began, ends, starts, and is "
        "waited for until it is ready again."
        "\vOther services, Pods and devices go on meanwhile. SERVICE is a name, or NODE/SERVICE "
        "for a further node of this machine.";
    struct options o = {.run = CORACLE_RUN, .timeout_s = 10};
    const struct argp argp = {OPTIONS, parse_option, "SERVICE...", DOC, NULL, NULL, NULL};
    static char name[] = "coracle restart"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    for (size_t i = 0; i < o.count; i++) {
        if (!restart(&o, o.names[i])) {
            return EXIT_FAILED;
        }
    }
    return EXIT_DONE;
}
