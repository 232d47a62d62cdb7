// SPDX-License-Identifier: Apache-2.0
// zmqtap: shows the messages between services as they pass.
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/view.h"
#include "show.h"
#include "tools/ctl/ctl.h"

enum { SERVICES_MAX = 256, OPT_RUN = 256, OPT_CONTROL, OPT_COLOUR, EXIT_USAGE = 100 };

struct options {
    struct tap_filter filter;
    struct tap_style style;
    const char *run;
    int64_t count; /* 0: no end */
    const char *names[SERVICES_MAX];
    size_t name_count;
};

static const struct argp_option OPTIONS[] = {
    {"service", 's', "NAME", 0, "Only messages from or to this service", 0},
    {"message", 'm', "KIND", 0, "Only messages of this kind, e.g. object", 0},
    {"resource", 'r', "TEXT", 0, "Only messages whose key, topic or device contains TEXT", 0},
    {"verbose", 'v', NULL, 0, "Decode the bodies", 0},
    {"output", 'o', "FORMAT", 0, "text (default) or json, one object a line", 0},
    {"count", 'n', "N", 0, "Stop after N messages", 0},
    {"control", OPT_CONTROL, NULL, 0, "Also the bus's own messages (hello, credit, ack)", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (/run/coracle)", 0},
    {0},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 's':
        o->filter.service = arg;
        return 0;
    case 'm':
        o->filter.message = arg;
        return 0;
    case 'r':
        o->filter.resource = arg;
        return 0;
    case 'v':
        o->style.verbose = true;
        return 0;
    case 'o':
        if (strcmp(arg, "json") != 0 && strcmp(arg, "text") != 0) {
            argp_error(state, "--output: expected text or json");
        }
        o->style.json = arg[0] == 'j';
        return 0;
    case 'n':
        if (!cor_view_i64(cor_view_of(arg), &o->count) || o->count < 1) {
            argp_error(state, "--count: expected a number from 1");
        }
        return 0;
    case OPT_CONTROL:
        o->filter.control = true;
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (o->name_count == SERVICES_MAX) {
            argp_error(state, "too many services");
        }
        o->names[o->name_count++] = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const char DOC[] =
    "Shows the messages between Coracle's services as they pass, one line each: time, from -> to, "
    "kind, what it is about, size, latency to the message that caused it, its id and its cause's."
    "\v"
    "SERVICE is a name (devicetwin) or folder/name (n2/devicetwin); without any, all services that "
    "run are watched. Watching costs the services nothing when nobody does; what zmqtap cannot "
    "keep up with is counted, never slowed down.";

/* The services being watched. */
struct watched {
    struct tool_ctl *ctls[SERVICES_MAX];
    const char *names[SERVICES_MAX];
    const char *runs[SERVICES_MAX];
    size_t count;
};

static bool is_named(const struct options *o, const struct tool_service *service)
{
    const char *folder = strrchr(service->run, '/');
    auto_(cor_freep) char *full =
        cor_sprintf("%s/%s", folder == NULL ? service->run : folder + 1, service->name);
    for (size_t i = 0; i < o->name_count; i++) {
        if (strcmp(o->names[i], service->name) == 0 || strcmp(o->names[i], full) == 0) {
            return true;
        }
    }
    return o->name_count == 0;
}

static void watch(const struct options *o, const struct tool_services *found, struct watched *w)
{
    for (size_t i = 0; i < found->count && w->count < SERVICES_MAX; i++) {
        struct cor_err err = COR_ERR_NONE;
        struct tool_ctl *ctl = NULL;
        if (!is_named(o, &found->items[i])) {
            continue;
        }
        if (tool_ctl_open(found->items[i].path, &ctl, &err) != COR_OK ||
            tool_ctl_watch(ctl, &err) != COR_OK) {
            (void)fprintf(stderr, "zmqtap: %s\n", err.text);
            tool_ctl_close(&ctl);
            continue;
        }
        w->names[w->count] = found->items[i].name;
        w->runs[w->count] = found->items[i].run;
        w->ctls[w->count++] = ctl;
    }
}

/* A message is shown where it is received; where it is sent only if the receiver is not watched. */
static bool shown_elsewhere(const struct watched *w, size_t by,
                            const struct cor_wire_tapped *tapped)
{
    for (size_t i = 0; tapped->sent && i < w->count; i++) {
        if (cor_view_is(tapped->to, w->names[i]) && strcmp(w->runs[i], w->runs[by]) == 0) {
            return true;
        }
    }
    return false;
}

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool show_all(struct watched *w, struct tap_show *show, struct options *o)
{
    auto_(cor_buf_free) struct cor_buf line = {0};
    for (size_t i = 0; i < w->count; i++) {
        struct cor_wire_tapped tapped;
        while (tool_ctl_next(w->ctls[i], &tapped)) {
            cor_buf_clear(&line);
            if (shown_elsewhere(w, i, &tapped) || !tap_show_line(show, &tapped, &line)) {
                continue;
            }
            if (fwrite(line.data, 1, line.len, stdout) != line.len) {
                return false;
            }
            if (o->count > 0 && --o->count == 0) {
                return false;
            }
        }
    }
    return fflush(stdout) == 0;
}

static void run(struct watched *w, struct options *o)
{
    struct tap_show *show = tap_show_new(&o->filter, &o->style);
    while (stopped == 0 && show_all(w, show, o)) {
        (void)tool_ctl_wait(w->ctls, w->count, -1);
    }
    (void)fflush(stdout);
    tap_show_free(&show);
}

static void print_version(FILE *stream, struct argp_state *state)
{
    (void)state;
    (void)fprintf(stream, "zmqtap (Coracle) %s\n", CORACLE_VERSION);
}

int main(int argc, char **argv)
{
    struct options o = {.run = "/run/coracle"};
    static struct watched w;
    argp_err_exit_status = EXIT_USAGE;
    argp_program_version_hook = print_version;
    const struct argp argp = {OPTIONS, parse_option, "[SERVICE...]", DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    o.style.colour = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
    struct sigaction action = {.sa_handler = on_signal};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    watch(&o, &found, &w);
    if (w.count == 0) {
        (void)fprintf(stderr, "zmqtap: no service runs under %s; see coracle status\n", o.run);
        return 1;
    }
    run(&w, &o);
    for (size_t i = 0; i < w.count; i++) {
        tool_ctl_close(&w.ctls[i]);
    }
    return 0;
}
