// SPDX-License-Identifier: Apache-2.0
// coracle token: the enrolment tokens of the cloudhub that runs here.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

struct options {
    struct coracle_said said;
    const char *node;
    int64_t ttl_s;
    int64_t uses; /* 0: not said */
    bool reusable;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_TEXT_ROW(node, 'n', "node", "NAME", "create: the node that may join with it"),
    CORACLE_DURATION_ROW(ttl_s, 0, "ttl",
                         "create: how long it is good: 90s, 30m, 24h (default), 7d"),
    CORACLE_FLAG_ROW(reusable, 0, "reusable", "create: for any node, if the hub allows it"),
    CORACLE_NUMBER_ROW(uses, 0, "uses", "N", 1, 0,
                       "create: so many nodes may join with a reusable one (100)"),
    CORACLE_OUTPUT_ROW("text wide json yaml", "text (default), json; of list also wide, yaml"),
    CORACLE_SOCKETS_ROW,
    {0},
};

static enum cor_code check(const void *options, struct cor_err *err)
{
    const struct options *o = options;
    if (strcmp(o->said.action->name, "create") == 0 && (o->node == NULL) != o->reusable) {
        return cor_err_set(err, COR_INVALID, "give --node NAME, or --reusable");
    }
    return o->uses == 0 || o->reusable
               ? COR_OK
               : cor_err_set(err, COR_INVALID, "--uses: only with --reusable");
}

static int create(const struct coracle_said *said, const struct tool_service *hub)
{
    const struct options *o = (const void *)said;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    if (o->node != NULL) {
        cor_json_set(args, "node", cor_json_str(o->node));
    }
    cor_json_set(args, "ttlSeconds", cor_json_int(o->ttl_s));
    cor_json_set(args, "reusable", cor_json_bool(o->reusable));
    if (o->uses != 0) {
        cor_json_set(args, "uses", cor_json_int(o->uses));
    }
    auto_(cor_json_free) struct cor_json *token =
        coracle_ask(hub, said->action->verb, args, CORACLE_DO_MS, &err);
    if (token == NULL) {
        return coracle_fail("token create", &err);
    }
    auto_(cor_freep) char *text = said->format == CORACLE_JSON
                                      ? cor_json_text(token)
                                      : cor_strdup(cor_json_str_at(token, "token", ""));
    (void)printf("%s\n", text);
    return EXIT_DONE;
}

/* Wide has the whole id, and when it was made. */
static void print_table(const struct cor_json *tokens, bool wide)
{
    int width = coracle_node_width(tokens);
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

static int list(const struct coracle_said *said, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *tokens =
        coracle_ask(hub, said->action->verb, NULL, CORACLE_TELL_MS, &err);
    if (tokens == NULL) {
        return coracle_fail("token list", &err);
    }
    if (!coracle_print(tokens, said->format)) {
        print_table(tokens, said->format == CORACLE_WIDE);
    }
    return EXIT_DONE;
}

static int revoke(const struct coracle_said *said, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    cor_json_set(args, "id", cor_json_str(said->what));
    auto_(cor_json_free) struct cor_json *token =
        coracle_ask(hub, said->action->verb, args, CORACLE_DO_MS, &err);
    if (token == NULL) {
        return coracle_fail("token revoke", &err);
    }
    (void)printf("token %s is revoked: nobody joins with it any more; who has joined, stays\n",
                 cor_json_str_at(token, "id", ""));
    return EXIT_DONE;
}

static const struct coracle_action ACTIONS[] = {
    {.name = "create", .verb = "token-create", .fn = create},
    {.name = "list", .verb = "token-list", .fn = list},
    {.name = "revoke", .what = "ID", .verb = "token-revoke", .fn = revoke},
    {0},
};

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN, .ttl_s = 86400};
    coracle_read(&coracle_token, argc, argv, &o);
    return coracle_at_cloudhub(&coracle_token, &o.said, "; tokens are made on the cloud side");
}

const struct coracle_command coracle_token = {
    .name = "token",
    .summary = "the tokens with which nodes join: make, list, revoke",
    .doc =
        "The tokens with which nodes join.\n\n"
        "create: makes one: it is good once, for one node, for a time; or, with --reusable, for "
        "some nodes. list: those that have not expired, without the tokens themselves. revoke ID: "
        "nobody joins with it any more, at every cloudhub of the cluster; the beginning of the id "
        "is enough."
        "\vA token is a secret: whoever has it can be that node. A node that has joined stays: see "
        "coracle node revoke. Example:\n"
        "  coracle token create --node edge7 --ttl 1h",
    .options = OPTIONS,
    .actions = ACTIONS,
    .check = check,
    .run = run,
};
