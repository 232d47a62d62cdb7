// SPDX-License-Identifier: Apache-2.0
// Calls on the bus, and how they end.
#ifndef TESTS_SUPPORT_BUS_ANSWER_H
#define TESTS_SUPPORT_BUS_ANSWER_H

#include "common/base/buf.h"
#include "common/bus/bus.h"

/* How the last call ended. Starts zeroed; body is freed by its owner. */
struct test_answer {
    uint16_t reply; /* private: the kind of message that it is */
    bool answered;
    enum cor_code code;  /* COR_OK: there is a reply */
    uint64_t status;     /* API_REPLY: of HTTP; DONE: 1 when dropped; else 0 */
    struct cor_buf body; /* of an API_REPLY */
};

/* Calls; the test fails if that is refused. The answer comes while the loop runs. */
void test_call(struct cor_port *port, uint16_t number, const void *body, int64_t within_us,
               struct test_answer *answer);

/* Whether a struct test_answer is there; a condition to wait for. */
bool test_is_answered(void *answer);

#endif
