// SPDX-License-Identifier: Apache-2.0
// coracle token: the enrolment tokens of the cloudhub that runs here.
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "coracle.h"

enum { ASK_MS = 15000, OPT_RUN = 256, OPT_TTL, OPT_REUSABLE, OPT_USES, ANSWER_MAX = 16777216 };
enum format { TEXT, WIDE, JSON, YAML };

struct options {
    const char *run;
    const char *verb;
    const char *id;
    const char *node;
    int64_t ttl_s;
    int64_t uses; /* 0: not said */
    bool reusable;
    enum format format;
};

static const struct argp_option OPTIONS[] = {
    {"node", 'n', "NAME", 0, "create: the node that may join with it", 0},
    {"ttl", OPT_TTL, "DURATION", 0, "create: how long it is good: 90s, 30m, 24h (default), 7d", 0},
    {"reusable", OPT_REUSABLE, NULL, 0, "create: for any node, if the hub allows it", 0},
    {"uses", OPT_USES, "N", 0, "create: so many nodes may join with a reusable one (100)", 0},
    {"output", 'o', "FORMAT", 0, "text (default), json; of list also wide, yaml", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

bool coracle_duration(const char *text, int64_t *seconds_r)
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

static void parse_format(struct options *o, const char *arg, struct argp_state *state)
{
    static const char *const FORMATS[] = {"text", "wide", "json", "yaml"};
    for (size_t i = 0; i < COR_COUNT(FORMATS); i++) {
        if (strcmp(arg, FORMATS[i]) == 0) {
            o->format = (enum format)i;
            return;
        }
    }
    argp_error(state, "--output: expected text, wide, json or yaml");
}

static void parse_argument(struct options *o, char *arg, struct argp_state *state)
{
    static const char *const VERBS[] = {"create", "list", "revoke"};
    for (size_t i = 0; o->verb == NULL && i < COR_COUNT(VERBS); i++) {
        if (strcmp(arg, VERBS[i]) == 0) {
            o->verb = VERBS[i];
            return;
        }
    }
    if (o->verb != NULL && o->id == NULL && strcmp(o->verb, "revoke") == 0) {
        o->id = arg;
    } else {
        argp_error(state, "unexpected argument \"%s\"", arg);
    }
}

static void check(const struct options *o, struct argp_state *state)
{
    if (o->verb == NULL || (strcmp(o->verb, "revoke") == 0 && o->id == NULL)) {
        argp_error(state, "expected: create, list, or revoke ID");
    } else if (strcmp(o->verb, "create") == 0 && (o->node == NULL) != o->reusable) {
        argp_error(state, "give --node NAME, or --reusable");
    } else if (o->uses != 0 && !o->reusable) {
        argp_error(state, "--uses: only with --reusable");
    }
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case 'n':
        o->node = arg;
        return 0;
    case OPT_TTL:
        if (!coracle_duration(arg, &o->ttl_s)) {
            argp_error(state, "--ttl: expected a number and s, m, h or d, such as 24h");
        }
        return 0;
    case OPT_REUSABLE:
        o->reusable = true;
        return 0;
    case OPT_USES:
        if (!cor_view_i64(cor_view_of(arg), &o->uses) || o->uses < 1) {
            argp_error(state, "--uses: expected a number");
        }
        return 0;
    case 'o':
        parse_format(o, arg, state);
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        parse_argument(o, arg, state);
        return 0;
    case ARGP_KEY_END:
        check(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* The cloudhub that runs here; NULL: none. */
static const struct tool_service *hub_of(const struct tool_services *found)
{
    for (size_t i = 0; i < found->count; i++) {
        if (strcmp(found->items[i].name, "cloudhub") == 0) {
            return &found->items[i];
        }
    }
    return NULL;
}

static int create(const struct options *o, const struct tool_service *hub)
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
    if (o->uses != 0) {
        cor_json_set(args, "uses", cor_json_int(o->uses));
    }
    auto_(cor_freep) char *text = cor_json_text(args);
    if (tool_ask(hub->path, "token-create", cor_view_of(text), ASK_MS, &answer, &err) != COR_OK ||
        cor_json_parse(cor_buf_as_view(&answer), ANSWER_MAX, 0, &result, &err) != COR_OK) {
        return coracle_fail("token create", &err);
    }
    if (o->format == JSON) {
        (void)printf("%s\n", answer.data);
    } else {
        (void)printf("%s\n", cor_json_str_at(result, "token", ""));
    }
    return EXIT_DONE;
}

/* Wide has the whole id, and when it was made. */
static void print_table(const struct cor_json *tokens, bool wide)
{
    int width = 4;
    for (size_t i = 0; i < cor_json_count(tokens); i++) {
        int len = (int)strlen(cor_json_str_at(cor_json_item(tokens, i), "node", ""));
        width = len > width ? len : width;
    }
    int id = wide ? 36 : 8;
    (void)printf("%-*s  %-*s  %-7s  %-9s  %-20s%s\n", id, "ID", width, "NODE", "STATE", "USES LEFT",
                 "EXPIRES", wide ? "  CREATED" : "");
    for (size_t i = 0; i < cor_json_count(tokens); i++) {
        const struct cor_json *token = cor_json_item(tokens, i);
        const char *node = cor_json_str_at(token, "node", "");
        (void)printf(
            "%-*.*s  %-*s  %-7s  %-9lld  %-20s%s%s\n", id, id, cor_json_str_at(token, "id", ""),
            width, node[0] == '\0' ? "any" : node, cor_json_str_at(token, "state", ""),
            (long long)cor_json_int_at(token, "left", 0), cor_json_str_at(token, "expires", ""),
            wide ? "  " : "", wide ? cor_json_str_at(token, "created", "") : "");
    }
}

static int list(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *tokens = coracle_ask(hub, "token-list", &err);
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (tokens == NULL) {
        return coracle_fail("token list", &err);
    }
    if (o->format == TEXT || o->format == WIDE) {
        print_table(tokens, o->format == WIDE);
        return EXIT_DONE;
    }
    if (o->format == JSON) {
        cor_json_write_pretty(tokens, &out);
    } else {
        coracle_yaml(tokens, 0, &out);
    }
    (void)printf("%.*s\n", COR_VIEW_ARG(cor_view_trim(cor_buf_as_view(&out))));
    return EXIT_DONE;
}

static int revoke(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    auto_(cor_json_free) struct cor_json *result = NULL;
    auto_(cor_buf_free) struct cor_buf answer = {0};
    cor_json_set(args, "id", cor_json_str(o->id));
    auto_(cor_freep) char *text = cor_json_text(args);
    if (tool_ask(hub->path, "token-revoke", cor_view_of(text), ASK_MS, &answer, &err) != COR_OK ||
        cor_json_parse(cor_buf_as_view(&answer), ANSWER_MAX, 0, &result, &err) != COR_OK) {
        return coracle_fail("token revoke", &err);
    }
    (void)printf("token %s is revoked: nobody joins with it any more; who has joined, stays\n",
                 cor_json_str_at(result, "id", ""));
    return EXIT_DONE;
}

int coracle_token(int argc, char **argv)
{
    static const char DOC[] =
        "The tokens with which nodes join.\n\n"
        "create: makes one: it is good once, for one node, for a time; or, with --reusable, for "
        "some nodes. list: those that have not expired, without the tokens themselves. revoke ID: "
        "nobody joins with it any more, at every cloudhub of the cluster; the beginning of the id "
        "is enough."
        "\vA token is a secret: whoever has it can be that node. A node that has joined stays: see "
        "coracle node revoke. Example:\n"
        "  coracle token create --node edge7 --ttl 1h";
    struct options o = {.run = CORACLE_RUN, .ttl_s = 86400};
    const struct argp argp = {OPTIONS, parse_option, "create\nlist\nrevoke ID", DOC, NULL,
                              NULL,    NULL};
    static char name[] = "coracle token"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    const struct tool_service *hub = hub_of(&found);
    if (hub == NULL) {
        (void)fprintf(stderr,
                      "coracle: token %s: no cloudhub runs under %s; tokens are made on the "
                      "cloud side\n",
                      o.verb, o.run);
        return EXIT_FAILED;
    }
    static const struct {
        const char *verb;
        int (*fn)(const struct options *o, const struct tool_service *hub);
    } VERBS[] = {{"create", create}, {"list", list}, {"revoke", revoke}};
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        if (strcmp(o.verb, VERBS[i].verb) == 0) {
            return VERBS[i].fn(&o, hub);
        }
    }
    return EXIT_USAGE;
}
