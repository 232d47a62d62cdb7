// SPDX-License-Identifier: Apache-2.0
// coracle token: asks cloudhub for enrolment tokens.
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "coracle.h"

enum { ASK_MS = 10000, OPT_RUN = 256, OPT_TTL, OPT_REUSABLE, ANSWER_MAX = 65536 };

struct options {
    const char *run;
    const char *node;
    int64_t ttl_s;
    bool reusable;
    bool json;
    bool create;
};

static const struct argp_option OPTIONS[] = {
    {"node", 'n', "NAME", 0, "The node that may join with it", 0},
    {"ttl", OPT_TTL, "DURATION", 0, "How long it is good: 90s, 30m, 24h (default), 7d", 0},
    {"reusable", OPT_REUSABLE, NULL, 0,
     "Print the hub's reusable token, as KubeEdge's keadm gettoken does, if the hub allows it", 0},
    {"output", 'o', "FORMAT", 0, "text (default) or json", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

static bool parse_duration(const char *text, int64_t *seconds_r)
{
    static const struct {
        char unit;
        int64_t seconds;
    } UNITS[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct cor_view view = cor_view_of(text);
    int64_t number = 0;
    if (view.len < 2 || !cor_view_i64((struct cor_view){view.ptr, view.len - 1}, &number) ||
        number <= 0 || number > 36500) {
        return false;
    }
    for (size_t i = 0; i < COR_COUNT(UNITS); i++) {
        if (view.ptr[view.len - 1] == UNITS[i].unit) {
            *seconds_r = number * UNITS[i].seconds;
            return true;
        }
    }
    return false;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'n':
        o->node = arg;
        return 0;
    case OPT_TTL:
        if (!parse_duration(arg, &o->ttl_s)) {
            argp_error(state, "--ttl: expected a number and s, m, h or d, such as 24h");
        }
        return 0;
    case OPT_REUSABLE:
        o->reusable = true;
        return 0;
    case 'o':
        if (strcmp(arg, "json") != 0 && strcmp(arg, "text") != 0) {
            argp_error(state, "--output: expected text or json");
        }
        o->json = arg[0] == 'j';
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (strcmp(arg, "create") != 0 || o->create) {
            argp_error(state, "expected: create");
        }
        o->create = true;
        return 0;
    case ARGP_KEY_END:
        if (!o->create) {
            argp_error(state, "expected: create");
        }
        if ((o->node == NULL) != o->reusable) {
            argp_error(state, "give --node NAME, or --reusable");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The ctl socket of the cloudhub that runs here. */
static const char *hub_path(const struct tool_services *found)
{
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->items[i].name, "cloudhub") == 0) {
            return found->items[i].path;
        }
    }
    return NULL;
}

static int create(const struct options *o, const char *path)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    auto_(cor_json_free) struct cor_json *result = NULL;
    auto_(cor_buf_free) struct cor_buf answer = {0};
    if (o->node != NULL) {
        cor_json_set(args, "node", cor_json_str(o->node));
    }
    cor_json_set(args, "ttlSeconds", cor_json_int(o->ttl_s));
    cor_json_set(args, "reusable", cor_json_bool(o->reusable));
    auto_(cor_freep) char *text = cor_json_text(args);
    if (tool_ask(path, "token-create", cor_view_of(text), ASK_MS, &answer, &err) != COR_OK ||
        cor_json_parse(cor_buf_as_view(&answer), ANSWER_MAX, 0, &result, &err) != COR_OK) {
        return coracle_fail("token create", &err);
    }
    if (o->json) {
        (void)printf("%s\n", answer.data);
    } else {
        (void)printf("%s\n", cor_json_str_at(result, "token", ""));
    }
    return EXIT_DONE;
}

int coracle_token(int argc, char **argv)
{
    static const char DOC[] =
        "Makes a token with which a node joins: it is good once, for one node, for a time."
        "\vThe token is a secret: whoever has it can be that node. Example:\n"
        "  coracle token create --node edge7 --ttl 1h";
    struct options o = {.run = CORACLE_RUN, .ttl_s = 86400};
    const struct argp argp = {OPTIONS, parse_option, "create", DOC, NULL, NULL, NULL};
    static char name[] = "coracle token"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    const char *path = hub_path(&found);
    if (path == NULL) {
        (void)fprintf(stderr,
                      "coracle: token create: no cloudhub runs under %s; tokens are made on the "
                      "cloud side\n",
                      o.run);
        return EXIT_FAILED;
    }
    return create(&o, path);
}
