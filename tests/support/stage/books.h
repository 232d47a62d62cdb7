// SPDX-License-Identifier: Apache-2.0
// The books of a service on a stage (common/ledger), as a test asks for them. Blocks until the
// service has answered, 3 s at most; failures abort the test.
#ifndef TESTS_SUPPORT_STAGE_BOOKS_H
#define TESTS_SUPPORT_STAGE_BOOKS_H

#include "common/json/json.h"
#include "tests/support/stage/stage.h"

/* All of them. Returns owned. */
struct cor_json *stage_books(const struct stage *stage, const char *service);

/* A column of the row of a flow and stream; 0 when there is no such row. */
int64_t stage_counted(const struct stage *stage, const char *service, const char *flow,
                      const char *stream, const char *column);

/* Fails, with the books, unless they balance. */
void stage_balances(const struct stage *stage, const char *service);

#endif
