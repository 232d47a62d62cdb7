// SPDX-License-Identifier: Apache-2.0
// What nodes ask of edgecontroller, and what it tells them.
#ifndef TESTS_EDGECONTROLLER_ASKS_H
#define TESTS_EDGECONTROLLER_ASKS_H

#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/bus/answer.h"

/* Asks for a node: PX_node_call or PX_node_ask, until edgecontroller has started (503 before), for
 * 30 s at most. The test fails when it is not asked or does not answer. Returns the status. */
uint64_t world_ask(struct world *w, uint16_t number, const void *question, struct test_answer *a);

/* Waits until told, which grows, has text; fails the test with what it has. */
void world_told(struct world *w, const struct cor_buf *told, const char *text);

#endif
