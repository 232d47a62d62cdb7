// SPDX-License-Identifier: Apache-2.0
// coracle node: the nodes that are connected to the cloudhub that runs here, and which may not be.
#include <stdio.h>

#include "common/base/mem.h"
#include "coracle.h"

static const struct coracle_option OPTIONS[] = {
    CORACLE_OUTPUT_ROW("table json yaml", "of list: table (default), json or yaml"),
    CORACLE_SOCKETS_ROW,
    {0},
};

/* How far the node's clock is ahead; below a second it is the way to the node that is seen. */
static void print_clock(const struct cor_json *ahead, char text[32])
{
    double seconds = cor_json_as_real(ahead, 0) / 1000;
    if (ahead == NULL) {
        (void)snprintf(text, 32, "-");
    } else if (seconds > -1 && seconds < 1) {
        (void)snprintf(text, 32, "ok");
    } else {
        (void)snprintf(text, 32, "%+.0f s", seconds);
    }
}

static void print_table(const struct cor_json *nodes)
{
    int width = coracle_node_width(nodes);
    (void)printf("%-*s  %-15s  %-8s  %7s  %s\n", width, "NODE", "ADDRESS", "DIALECT", "WAITING",
                 "CLOCK");
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        const struct cor_json *node = cor_json_item(nodes, i);
        char clock[32];
        print_clock(cor_json_get(node, "clockAheadMs"), clock);
        (void)printf("%-*s  %-15s  %-8s  %7lld  %s\n", width, cor_json_str_at(node, "node", ""),
                     cor_json_str_at(node, "address", ""), cor_json_str_at(node, "dialect", ""),
                     (long long)cor_json_int_at(node, "waiting", 0), clock);
    }
}

static int list(const struct coracle_said *said, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *nodes =
        coracle_ask(hub, said->action->verb, NULL, CORACLE_TELL_MS, &err);
    if (nodes == NULL) {
        return coracle_fail("node list", &err);
    }
    if (!coracle_print(nodes, said->format)) {
        print_table(nodes);
    }
    return EXIT_DONE;
}

static int revoke(const struct coracle_said *said, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    cor_json_set(args, "node", cor_json_str(said->what));
    auto_(cor_json_free) struct cor_json *answer =
        coracle_ask(hub, said->action->verb, args, CORACLE_DO_MS, &err);
    if (answer == NULL) {
        return coracle_fail("node revoke", &err);
    }
    (void)printf("node %s is revoked: what it has counts no more, with a new token it may join\n",
                 said->what);
    return EXIT_DONE;
}

static const struct coracle_action ACTIONS[] = {
    {.name = "list", .verb = "nodes", .fn = list},
    {.name = "revoke", .what = "NODE", .verb = "node-revoke", .fn = revoke},
    {0},
};

static int run(int argc, char **argv)
{
    struct coracle_said said = {.run = CORACLE_RUN};
    coracle_read(&coracle_node, argc, argv, &said);
    return coracle_at_cloudhub(&coracle_node, &said, "");
}

const struct coracle_command coracle_node = {
    .name = "node",
    .summary = "the nodes that are connected; which may not be",
    .doc = "The nodes of the cloudhub that runs here.\n\n"
           "list: those that are connected. revoke NODE: no certificate that the node has counts "
           "any more, at every cloudhub of the cluster; its link ends now."
           "\vA revoked node comes back with a token (coracle token create --node NODE), and not "
           "otherwise. Its objects in Kubernetes stay.",
    .options = OPTIONS,
    .actions = ACTIONS,
    .run = run,
};
