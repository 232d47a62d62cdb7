// SPDX-License-Identifier: Apache-2.0
// coracle ca: changing the CA that nodes and cloud trust, step by step.
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

enum { OPT_RUN = 256, OPT_WITHIN, OPT_FORCE, OPT_RENEW_ONLY, ASK_MS = 15000 };
enum format { TABLE, WIDE, JSON, YAML };

struct options {
    const char *run;
    const struct verb *verb;
    int64_t within_s; /* 0: not said */
    bool force;
    bool renew_only;
    enum format format;
};

static const struct argp_option OPTIONS[] = {
    {"within", OPT_WITHIN, "DURATION", 0,
     "promote, demote: nodes renew their certificates over so long: 90s, 30m, 1h (default), 7d", 0},
    {"force", OPT_FORCE, NULL, 0,
     "promote, abort, finish: though nodes would be left behind, which then need tokens", 0},
    {"renew-only", OPT_RENEW_ONLY, NULL, 0,
     "finish: who has a certificate of the old CA still may renew it, and nothing else", 0},
    {"output", 'o', "FORMAT", 0, "of status: table (default), wide, json or yaml", 0},
    {"run-dir", OPT_RUN, "DIR", 0, "Where the services' sockets are (" CORACLE_RUN ")", 0},
    {0},
};

static const struct verb {
    const char *name;
    const char *ask;
    const char *done; /* what to say then */
} VERBS[] = {
    {"status", "ca-status", NULL},
    {"rotate", "ca-rotate",
     "A new CA is trusted beside the old one; nodes are told. When \"coracle ca status\" shows "
     "that "
     "all trust it: coracle ca promote. To take it back: coracle ca abort."},
    {"promote", "ca-promote",
     "The new CA signs; nodes renew their certificates. When \"coracle ca status\" shows that all "
     "have one of the new CA: coracle ca finish. To take it back: coracle ca demote."},
    {"demote", "ca-demote", "The old CA signs again; nodes renew their certificates."},
    {"abort", "ca-abort", "The new CA is forgotten."},
    {"finish", "ca-finish", "The old CA counts no more; tokens from before are void."},
    {"forget", "ca-forget", "Certificates of the CA before are not renewed any more."},
};

static error_t parse_argument(struct options *o, const char *arg, struct argp_state *state)
{
    for (size_t i = 0; o->verb == NULL && i < COR_COUNT(VERBS); i++) {
        if (strcmp(arg, VERBS[i].name) == 0) {
            o->verb = &VERBS[i];
            return 0;
        }
    }
    argp_error(state, "unexpected argument \"%s\"", arg);
    return 0;
}

static void parse_format(struct options *o, const char *arg, struct argp_state *state)
{
    static const char *const FORMATS[] = {"table", "wide", "json", "yaml"};
    for (size_t i = 0; i < COR_COUNT(FORMATS); i++) {
        if (strcmp(arg, FORMATS[i]) == 0) {
            o->format = (enum format)i;
            return;
        }
    }
    argp_error(state, "--output: expected table, wide, json or yaml");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    switch (key) {
    case OPT_WITHIN:
        if (!coracle_duration(arg, &o->within_s)) {
            argp_error(state, "--within: expected a number and s, m, h or d, such as 6h");
        }
        return 0;
    case OPT_FORCE:
        o->force = true;
        return 0;
    case OPT_RENEW_ONLY:
        o->renew_only = true;
        return 0;
    case 'o':
        parse_format(o, arg, state);
        return 0;
    case OPT_RUN:
        o->run = arg;
        return 0;
    case ARGP_KEY_ARG:
        return parse_argument(o, arg, state);
    case ARGP_KEY_END:
        if (o->verb == NULL) {
            argp_error(state, "expected: status, rotate, promote, demote, abort, finish or forget");
        }
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* ---- status ---- */

static void print_cas(const struct cor_json *cas)
{
    (void)printf("%-8s  %-10s  %-20s  %s\n", "CA", "ROLE", "EXPIRES", "NAME");
    for (size_t i = 0; i < cor_json_count(cas); i++) {
        const struct cor_json *ca = cor_json_item(cas, i);
        (void)printf("%-8s  %-10s  %-20.20s  %s\n", cor_json_str_at(ca, "id", ""),
                     cor_json_str_at(ca, "role", ""), cor_json_str_at(ca, "expires", ""),
                     cor_json_str_at(ca, "name", ""));
    }
}

/* Those that have followed are only counted, unless all are asked for. */
static void print_nodes(const struct cor_json *status, bool all)
{
    const struct cor_json *nodes = cor_json_get(status, "nodes");
    const char *signer = cor_json_str_at(status, "signer", "");
    int width = 4;
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        int len = (int)strlen(cor_json_str_at(cor_json_item(nodes, i), "node", ""));
        width = len > width ? len : width;
    }
    bool begun = false;
    for (size_t i = 0; i < cor_json_count(nodes); i++) {
        const struct cor_json *node = cor_json_item(nodes, i);
        const char *ca = cor_json_str_at(node, "ca", "");
        const char *trusts = cor_json_str_at(node, "trusts", "");
        bool follows = strcmp(ca, signer) == 0 && strcmp(trusts, "yes") == 0;
        if (follows && !all) {
            continue;
        }
        if (!begun) {
            (void)printf("\n%-*s  %-8s  %s\n", width, "NODE", "CERT OF", "TRUSTS THE NEW CA");
            begun = true;
        }
        (void)printf("%-*s  %-8s  %s\n", width, cor_json_str_at(node, "node", ""), ca, trusts);
    }
}

static void print_table(const struct cor_json *status, bool all)
{
    const char *phase = cor_json_str_at(status, "phase", "");
    bool on = strcmp(phase, "none") != 0;
    if (on) {
        (void)printf("rotation %s since %s\n\n", phase, cor_json_str_at(status, "since", ""));
    } else {
        (void)printf("no rotation\n\n");
    }
    print_cas(cor_json_get(status, "cas"));
    if (on) {
        long long nodes = cor_json_int_at(status, "summary.nodes", 0);
        (void)printf("\n%lld nodes seen since it began: %lld trust both CAs, %lld have a "
                     "certificate of the one that signs\n",
                     nodes, (long long)cor_json_int_at(status, "summary.ready", 0),
                     (long long)cor_json_int_at(status, "summary.ofSigner", 0));
        print_nodes(status, all);
    }
}

static int status(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *answer = coracle_ask(hub, o->verb->ask, &err);
    auto_(cor_buf_free) struct cor_buf out = {0};
    if (answer == NULL) {
        return coracle_fail("ca status", &err);
    }
    if (o->format == TABLE || o->format == WIDE) {
        print_table(answer, o->format == WIDE);
        return EXIT_DONE;
    }
    if (o->format == JSON) {
        cor_json_write_pretty(answer, &out);
    } else {
        coracle_yaml(answer, 0, &out);
    }
    (void)printf("%.*s\n", COR_VIEW_ARG(cor_view_trim(cor_buf_as_view(&out))));
    return EXIT_DONE;
}

/* ---- steps ---- */

static int step(const struct options *o, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_freep) char *what = cor_sprintf("ca %s", o->verb->name);
    if (o->within_s > 0) {
        cor_json_set(args, "withinSeconds", cor_json_int(o->within_s));
    }
    cor_json_set(args, "force", cor_json_bool(o->force));
    cor_json_set(args, "renewOnly", cor_json_bool(o->renew_only));
    auto_(cor_freep) char *text = cor_json_text(args);
    if (tool_ask(hub->path, o->verb->ask, cor_view_of(text), ASK_MS, &answer, &err) != COR_OK) {
        return coracle_fail(what, &err);
    }
    (void)printf("%s\n", o->verb->done);
    return EXIT_DONE;
}

int coracle_ca(int argc, char **argv)
{
    static const char DOC[] =
        "Changes the CA that signs the certificates of nodes and cloud for a new one, while all "
        "goes on.\n\n"
        "rotate: makes a new CA, which is trusted beside the old one. promote: it signs. finish: "
        "the old one counts no more. Until then demote and abort go back. status: how far it is. "
        "forget: after finish --renew-only, ends that."
        "\vAll cloudhubs of the cluster follow within seconds. docs/operating.md has it step by "
        "step.";
    struct options o = {.run = CORACLE_RUN};
    const struct argp argp = {
        OPTIONS, parse_option, "status\nrotate\npromote\ndemote\nabort\nfinish\nforget", DOC, NULL,
        NULL,    NULL};
    static char name[] = "coracle ca"; /* argp prints it, and wants it writable */
    argv[0] = name;
    (void)argp_parse(&argp, argc, argv, 0, NULL, &o);
    auto_(tool_services_free) struct tool_services found = {0};
    tool_find(o.run, &found);
    for (size_t i = 0; i < found.count; i++) {
        if (strcmp(found.items[i].name, "cloudhub") == 0) {
            return o.verb == &VERBS[0] ? status(&o, &found.items[i]) : step(&o, &found.items[i]);
        }
    }
    (void)fprintf(stderr, "coracle: ca %s: no cloudhub runs under %s\n", o.verb->name, o.run);
    return EXIT_FAILED;
}
