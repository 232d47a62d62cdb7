// SPDX-License-Identifier: Apache-2.0
// coracle node: the nodes that are connected to the cloudhub that runs here, and which may not be.
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

enum { OPT_RUN = 256, ASK_MS = 15000, ANSWER_MAX = 16777216 };
enum format { TABLE, JSON, YAML };

struct options {
    const char *run;
    const char *verb;
    const char *node;
    enum format format;
};

static const struct argp_option OPTIONS[] = {
    {"output", 'o', "FORMAT", 0, "of list: table (default), json or yaml", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

static void parse_argument(struct options *o, char *arg, struct argp_state *state)
{
    if (o->verb == NULL && (strcmp(arg, "list") == 0 || strcmp(arg, "revoke") == 0)) {
        o->verb = arg;
    } else if (o->verb != NULL && o->node == NULL && strcmp(o->verb, "revoke") == 0) {
        o->node = arg;
    } else {
        argp_error(state, "unexpected argument \"%s\"", arg);
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    static const char *const FORMATS[] = {"table", "json", "yaml"};
    struct options *o = state->input;
    switch (key) {
    case 'o':
        for (size_t i = 0; i < COR_COUNT(FORMATS); i++) {
            if (strcmp(arg, FORMATS[i]) == 0) {
                o->format = (enum format)i;
                return 0;
            }
        }
        argp_error(state, "--output: expected table, json or yaml");
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(o, arg, state);
        return 0;
    case ARGP_KEY_END:
        if (o->verb == NULL || (strcmp(o->verb, "revoke") == 0 && o->node == NULL)) {
            argp_error(state, "expected: list, or revoke NODE");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

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
    int width = 4;
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        int len = (int)strlen(cor_json_str_at(cor_json_item(nodes, i), "node", ""));
        width = len > width ? len : width;
    }
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

static int list(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *nodes = coracle_ask(hub, "nodes", &err);
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (nodes == NULL) {
        return coracle_fail("node list", &err);
    }
    if (o->format == TABLE) {
        print_table(nodes);
        return EXIT_DONE;
    }
    if (o->format == JSON) {
        cor_json_write_pretty(nodes, &out);
    } else {
        coracle_yaml(nodes, 0, &out);
    }
    (void)printf("%.*s\n", COR_VIEW_ARG(cor_view_trim(cor_buf_as_view(&out))));
    return EXIT_DONE;
}

static int revoke_node(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    auto_(cor_buf_free) struct cor_buf answer = {0};
    cor_json_set(args, "node", cor_json_str(o->node));
    auto_(cor_freep) char *text = cor_json_text(args);
    if (tool_ask(hub->path, "node-revoke", cor_view_of(text), ASK_MS, &answer, &err) != COR_OK) {
        return coracle_fail("node revoke", &err);
    }
    (void)printf("node %s is revoked: what it has counts no more, with a new token it may join\n",
                 o->node);
    return EXIT_DONE;
}

int coracle_node(int argc, char **argv)
{
    static const char DOC[] =
        "The nodes of the cloudhub that runs here.\n\n"
        "list: those that are connected. revoke NODE: no certificate that the node has counts any "
        "more, at every cloudhub of the cluster; its link ends now."
        "\vA revoked node comes back with a token (coracle token create --node NODE), and not "
        "otherwise. Its objects in Kubernetes stay.";
    struct options o = {.run = CORACLE_RUN};
    const struct argp argp = {OPTIONS, parse_option, "list\nrevoke NODE", DOC, NULL, NULL, NULL};
    static char name[] = "coracle node"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    for (size_t i = 0; i < found.count; i++) {
        if (strcmp(found.items[i].name, "cloudhub") == 0) {
            return strcmp(o.verb, "list") == 0 ? list(&o, &found.items[i])
                                               : revoke_node(&o, &found.items[i]);
        }
    }
    (void)fprintf(stderr, "coracle: node %s: no cloudhub runs under %s\n", o.verb, o.run);
    return EXIT_FAILED;
}
