// SPDX-License-Identifier: Apache-2.0
// coracle ca: changing the CA that nodes and cloud trust, step by step.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "coracle.h"

struct options {
    struct coracle_said said;
    int64_t within_s; /* 0: not said */
    bool force;
    bool renew_only;
};

static const struct coracle_option OPTIONS[] = {
    CORACLE_DURATION_ROW(
        within_s, 0, "within",
        "promote, demote: nodes renew their certificates over so long: 90s, 30m, 1h (default), 7d"),
    CORACLE_FLAG_ROW(
        force, 0, "force",
        "promote, abort, finish: though nodes would be left behind, which then need tokens"),
    CORACLE_FLAG_ROW(
        renew_only, 0, "renew-only",
        "finish: who has a certificate of the old CA still may renew it, and nothing else"),
    CORACLE_OUTPUT_ROW("table wide json yaml", "of status: table (default), wide, json or yaml"),
    CORACLE_SOCKETS_ROW,
    {0},
};

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
    int width = coracle_node_width(nodes);
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

static int status(const struct coracle_said *said, const struct tool_service *hub)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *answer =
        coracle_ask(hub, said->action->verb, NULL, CORACLE_TELL_MS, &err);
    if (answer == NULL) {
        return coracle_fail("ca status", &err);
    }
    if (!coracle_print(answer, said->format)) {
        print_table(answer, said->format == CORACLE_WIDE);
    }
    return EXIT_DONE;
}

/* ---- steps ---- */

static int step(const struct coracle_said *said, const struct tool_service *hub)
{
    const struct options *o = (const void *)said;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *args = cor_json_object();
    auto_(cor_freep) char *what = cor_sprintf("ca %s", said->action->name);
    if (o->within_s > 0) {
        cor_json_set(args, "withinSeconds", cor_json_int(o->within_s));
    }
    cor_json_set(args, "force", cor_json_bool(o->force));
    cor_json_set(args, "renewOnly", cor_json_bool(o->renew_only));
    auto_(cor_json_free) struct cor_json *answer =
        coracle_ask(hub, said->action->verb, args, CORACLE_DO_MS, &err);
    if (answer == NULL) {
        return coracle_fail(what, &err);
    }
    (void)printf("%s\n", said->action->done);
    return EXIT_DONE;
}

static const struct coracle_action ACTIONS[] = {
    {.name = "status", .verb = "ca-status", .fn = status},
    {.name = "rotate",
     .verb = "ca-rotate",
     .fn = step,
     .done = "A new CA is trusted beside the old one; nodes are told. When \"coracle ca status\" "
             "shows that all trust it: coracle ca promote. To take it back: coracle ca abort."},
    {.name = "promote",
     .verb = "ca-promote",
     .fn = step,
     .done = "The new CA signs; nodes renew their certificates. When \"coracle ca status\" shows "
             "that all have one of the new CA: coracle ca finish. To take it back: coracle ca "
             "demote."},
    {.name = "demote",
     .verb = "ca-demote",
     .fn = step,
     .done = "The old CA signs again; nodes renew their certificates."},
    {.name = "abort", .verb = "ca-abort", .fn = step, .done = "The new CA is forgotten."},
    {.name = "finish",
     .verb = "ca-finish",
     .fn = step,
     .done = "The old CA counts no more; tokens from before are void."},
    {.name = "forget",
     .verb = "ca-forget",
     .fn = step,
     .done = "Certificates of the CA before are not renewed any more."},
    {0},
};

static int run(int argc, char **argv)
{
    struct options o = {.said.run = CORACLE_RUN};
    coracle_read(&coracle_ca, argc, argv, &o);
    return coracle_at_cloudhub(&coracle_ca, &o.said, "");
}

const struct coracle_command coracle_ca = {
    .name = "ca",
    .summary = "the CA that nodes trust: change it for another one",
    .doc = "Changes the CA that signs the certificates of nodes and cloud for a new one, while all "
           "goes on.\n\n"
           "rotate: makes a new CA, which is trusted beside the old one. promote: it signs. "
           "finish: the old one counts no more. Until then demote and abort go back. status: how "
           "far it is. forget: after finish --renew-only, ends that."
           "\vAll cloudhubs of the cluster follow within seconds. docs/operating.md has it step by "
           "step.",
    .options = OPTIONS,
    .actions = ACTIONS,
    .run = run,
};
