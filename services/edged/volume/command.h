// SPDX-License-Identifier: Apache-2.0
// A program that is run to its end beside the loop: no shell, its output kept, a deadline. Loop
// thread only.
#ifndef EDGED_COMMAND_H
#define EDGED_COMMAND_H

#include "common/base/view.h"
#include "common/loop/loop.h"

enum { COMMAND_OUTPUT_MAX = 4096, COMMAND_NO_STATUS = -1 };

/* status: the exit status, COMMAND_NO_STATUS when it could not be run or was killed. output: the
 * beginning of what it has said on both channels; or why it has no status. */
typedef void (*command_fn)(void *self, int status, struct cor_view output);

/* Runs argv (ends with NULL; the program in PATH; borrowed for the call); it is killed after
 * timeout_us. fn is called once, not from within. */
void command_run(struct cor_loop *loop, const char *const *argv, int64_t timeout_us, command_fn fn,
                 void *self);

#endif
