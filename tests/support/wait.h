// SPDX-License-Identifier: Apache-2.0
// Running a loop until what a test expects has come.
#ifndef TESTS_SUPPORT_WAIT_H
#define TESTS_SUPPORT_WAIT_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/loop/loop.h"

/* Runs loop until cond(arg) holds, which it asks every 2 ms, for conditions are also about what
 * other processes wrote. Fails the test after 30 s, with what dir/log says. */
void test_wait(struct cor_loop *loop, const char *dir, bool (*cond)(void *arg), void *arg);

/* The same until seen, which grows, has text. */
void test_wait_text(struct cor_loop *loop, const char *dir, const struct cor_buf *seen,
                    const char *text);

#endif
