// SPDX-License-Identifier: Apache-2.0
// An agent with a stand-in for metamanager: calls are noted, the test gives the answers. Nothing is
// asked of a runtime.
#ifndef TESTS_UNIT_EDGED_AGENT_SET_H
#define TESTS_UNIT_EDGED_AGENT_SET_H

#include "fixture.h"
#include "services/edged/agent.h"

/* What was asked of metamanager. */
struct agent_asked {
    size_t calls;
    /* of the last one */
    enum px_verb verb;
    char key[64];
    char body[8192];
    meta_fn fn;
    void *self;
};

struct agent_set {
    struct cor_service service;
    struct edged_cfg cfg;
    struct agent agent;
    char *dir;
};

/* Makes it, on node n1, whose Pods are listed and whose link is up; all calls are noted in asked
 * (borrows), which is emptied, and each stops the loop. */
void agent_set_open(struct agent_set *set, struct agent_asked *asked);

/* Frees what agent_set_open has made; what the test has added to the agent it has freed before. */
void agent_set_close(struct agent_set *set);

#endif
