// SPDX-License-Identifier: Apache-2.0
// A whole cloud side (kubelite, edgecontroller, cloudhub) with things of two nodes, and node n1,
// which has a true certificate and speaks in either dialect.
#ifndef TESTS_CONTRACT_FORGED_FORGE_H
#define TESTS_CONTRACT_FORGED_FORGE_H

#include "proto/link/end.h"
#include "proto/link/lane.h"
#include "tests/contract/cloudhub/harness.h"
#include "tests/contract/edgecontroller/harness.h"

/* What node n1 says. Single quotes in body stand for double ones. */
struct said {
    const char *source; /* route.source of KubeEdge's dialect; NULL: edged */
    enum px_verb verb;
    const char *key;
    const char *body;
};

/* An answer: HTTP status; 0: it was none, or no HTTP status. */
struct heard {
    int status;
    char text[300];
};

struct forge {
    struct world w; /* stage and kube of it */
    struct set hub; /* its loop, folder, ports and ws */
    struct test_process kubelite, controller;
    struct identity n1;
    bool coracle; /* the dialect */
    struct cor_ws_conn *conn;
    bool opened, closed;
    struct px_end end;
    struct px_lanes lanes;
    uint64_t said;         /* messages */
    uint64_t expected;     /* that are answered */
    uint64_t answered;     /* of them */
    struct cor_map *asked; /* id -> key, owned */
    struct cor_buf taken;  /* those that were taken: "key status" a line */
    struct heard last;
};

/* Starts all; n1 is connected in the dialect, and what it names is in the API. Returns owned. */
struct forge *forge_new(bool coracle);

/* Ends all; *forge becomes NULL. */
void forge_free(struct forge **forge);

/* Says one thing; the caller waits for the answers. */
void forge_say(struct forge *forge, const struct said *said);

/* Says that a device of this name ("NS/NAME") has a value. */
void forge_report(struct forge *forge, const char *device);

/* Waits until at most so many have not been answered. */
void forge_settle(struct forge *forge, uint64_t left);

/* Says one thing and waits for its answer. */
int forge_ask(struct forge *forge, const struct said *said);

/* Everything that the API has, as text. Returns owned. */
char *forge_snapshot(struct forge *forge);

/* The sum of what both services have counted as denied. */
uint64_t forge_denied(struct forge *forge);

#endif
