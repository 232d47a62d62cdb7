// SPDX-License-Identifier: Apache-2.0
// coracle unhold-upgrade: lets Pods go that wait at this node (KubeEdge's keadm ctl
// unhold-upgrade).
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

enum { ASK_MS = 5000 };

struct options {
    struct coracle_said said;
    const char *ns;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_TEXT_ROW(ns, 'n', "namespace", "NS", "Namespace of the Pod (default)"),
    CORACLE_SOCKETS_ROW,
    {0},
};

static const struct coracle_action ACTIONS[] = {
    {.name = "pod", .what = "NAME"},
    {.name = "node", .what = "[NAME]"},
    {0},
};

/* What is asked of an edged. Returns owned. */
static struct cor_json *question(const struct options *o)
{
    struct cor_json *args = cor_json_object();
    if (o->said.action == &ACTIONS[0]) {
        cor_json_set(args, "pod", cor_json_fmt("%s/%s", o->ns, o->said.what));
    } else if (o->said.what != NULL) {
        cor_json_set(args, "node", cor_json_str(o->said.what));
    } else {
        cor_json_set(args, "all", cor_json_bool(true));
    }
    return args;
}

/* Asks the edged and tells what it has let go. False: *err says why not. */
static bool release(const struct tool_service *edged, const struct cor_json *args,
                    struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *answer = coracle_ask(edged, "unhold", args, ASK_MS, err);
    const struct cor_json *list = cor_json_get(answer, "released");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        (void)printf("pod %s is released\n", cor_json_as_str(cor_json_item(list, i), ""));
    }
    return answer != NULL;
}

/* Several nodes may run on one machine: each is asked, and one must do it. */
static int release_at(const struct options *o, const struct tool_services *found)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = question(o);
    bool done = false;
    bool any = false;
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->items[i].name, "edged") == 0) {
            any = true;
            done = release(&found->items[i], args, &err) || done;
        }
    }
    if (!any) {
        (void)fprintf(stderr, "coracle: unhold-upgrade: no edged runs under %s\n", o->said.run);
    } else if (!done) {
        return coracle_fail("unhold-upgrade", &err);
    }
    return done ? EXIT_DONE : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .ns = "default"};
    auto_(tool_services_free) struct tool_services found = {0};
    coracle_read(&coracle_unhold, argc, argv, &o);
    tool_find(o.said.run, &found);
    return release_at(&o, &found);
}

const struct coracle_command coracle_unhold = {
    .name = "unhold-upgrade",
    .summary = "let Pods go that wait at this node",
    .doc = "Lets Pods go that are held at this node: those with the annotation "
           "edge.kubeedge.io/hold-upgrade: \"true\" wait, Pending, until this is said.\n\n"
           "pod NAME: this one. node [NAME]: all that are held here.",
    .options = OPTIONS,
    .actions = ACTIONS,
    .run = run,
};
