// SPDX-License-Identifier: Apache-2.0
// What an unmodified EdgeCore and CloudCore said to each other (tests/golden/kubeedge).
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/view.h"

/* Gets one message, its text borrowed for the call; up: the node said it. */
typedef void (*test_golden_fn)(void *self, bool up, struct cor_view text);

/* Calls fn for each message of the session in the file, in order; returns how many. Fails the test
 * when it is not there. */
size_t test_golden(const char *path, test_golden_fn fn, void *self);

#endif
