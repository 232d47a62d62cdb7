// SPDX-License-Identifier: Apache-2.0
// A script that plays a peer, while the test's loop serves the others.
#ifndef TESTS_SUPPORT_SCRIPT_H
#define TESTS_SUPPORT_SCRIPT_H

#include "common/loop/loop.h"

/* Runs a command of the shell in dir, for seconds at most, and the loop until it has ended. name is
 * of the file in dir that will have its exit status. The test fails if that is not 0. What it
 * prints is printed. */
void test_script(struct cor_loop *loop, const char *dir, const char *name, int seconds,
                 const char *command);

#endif
