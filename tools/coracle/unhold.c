// SPDX-License-Identifier: Apache-2.0
// coracle unhold-upgrade: lets Pods go that wait at this node (KubeEdge's keadm ctl
// unhold-upgrade).
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

enum { OPT_RUN = 256, ASK_MS = 5000 };

struct options {
    const char *run;
    const char *ns;
    const char *what; /* "pod" or "node" */
    const char *name; /* NULL: not said */
};

static const struct argp_option OPTIONS[] = {
    {"namespace", 'n', "NS", 0, "Namespace of the Pod (default)", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

static void parse_argument(struct options *o, const char *arg, struct argp_state *state)
{
    bool is_what = strcmp(arg, "pod") == 0 || strcmp(arg, "node") == 0;
    if (o->what == NULL && is_what) {
        o->what = arg;
    } else if (o->what != NULL && o->name == NULL) {
        o->name = arg;
    } else {
        argp_error(state, "unexpected argument \"%s\"", arg);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'n':
        o->ns = arg;
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(o, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (o->what == NULL || (strcmp(o->what, "pod") == 0 && o->name == NULL)) {
            argp_error(state, "expected pod NAME, or node");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is asked of an edged. Returns owned. */
static char *question(const struct options *o)
{
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    if (strcmp(o->what, "pod") == 0) {
        cor_json_set(args, "pod", cor_json_fmt("%s/%s", o->ns, o->name));
    } else if (o->name != NULL) {
        cor_json_set(args, "node", cor_json_str(o->name));
    } else {
        cor_json_set(args, "all", cor_json_bool(true));
    }
    return cor_json_text(args);
}

/* Asks the edged and tells what it has let go. */
static enum cor_code release(const struct tool_service *edged, const char *args,
                             struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_json_free) struct cor_json *json = NULL;
    enum cor_code code = tool_ask(edged->path, "unhold", cor_view_of(args), ASK_MS, &answer, err);
    if (code == COR_OK) {
        code = cor_json_parse(cor_buf_as_view(&answer), answer.len, 0, &json, err);
    }
    const struct cor_json *list = cor_json_get(json, "released");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        (void)printf("pod %s is released\n", cor_json_as_str(cor_json_item(list, i), ""));
    }
    return code;
}

/* Several nodes may run on one machine: each is asked, and one must do it. */
static int release_at(const struct options *o, const struct tool_services *found)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *args = question(o);
    bool done = false;
    bool any = false;
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->items[i].name, "edged") == 0) {
            any = true;
            done = release(&found->items[i], args, &err) == COR_OK || done;
        }
    }
    if (!any) {
        (void)fprintf(stderr, "coracle: unhold-upgrade: no edged runs under %s\n", o->run);
    } else if (!done) {
        return coracle_fail("unhold-upgrade", &err);
    }
    return done ? EXIT_DONE : EXIT_FAILED;
}

int coracle_unhold(int argc, char **argv)
{
    static const char DOC[] =
        "Lets Pods go that are held at this node: those with the annotation "
        "edge.kubeedge.io/hold-upgrade: \"true\" wait, Pending, until this is said.\n\n"
        "pod NAME: this one. node [NAME]: all that are held here.";
    struct options o = {.run = CORACLE_RUN, .ns = "default"};
    const struct argp argp = {OPTIONS, parse_option, "pod NAME\nnode [NAME]", DOC, NULL,
                              NULL,    NULL};
    static char name[] = "coracle unhold-upgrade"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    return release_at(&o, &found);
}
