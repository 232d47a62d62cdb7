// SPDX-License-Identifier: Apache-2.0
// A stage for contract tests: one real service as a process, its peers played by the test on real
// endpoints, all in a folder of its own. Failures abort the test.
#ifndef TESTS_SUPPORT_STAGE_H
#define TESTS_SUPPORT_STAGE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "common/bus/bus.h"
#include "common/loop/loop.h"
#include "proto/proto.h"

struct stage {
    char dir[64]; /* its folder: sockets in dir/run */
    struct cor_loop *loop;
    struct cor_timer *timer;
    struct cor_log *log;
    bool expired;
};

/* Returns owned. */
struct stage *stage_new(void);

/* Ends it; removes its folder. All buses and processes must have ended. *stage becomes NULL. */
void stage_free(struct stage **stage);

/* A fake service's bus. Returns owned. */
struct cor_bus *stage_bus(struct stage *stage, const char *service);

/* Starts a program of the build (of the folder CORACLE_BIN in the environment, if set) with the
 * configuration text (run-dir is added) and waits until it says that it is ready. Returns its pid.
 */
pid_t stage_start(struct stage *stage, const char *program, const char *config);

/* Starts any program with argv; does not wait. Returns its pid. */
pid_t stage_spawn(const char *const *argv);

/* Sends the signal and waits for the end. Returns waitpid's status. */
int stage_end(pid_t pid, int signal_number);

/* Runs the loop until cond(self), at most 30 s; false if that was not enough. */
bool stage_until(struct stage *stage, bool (*cond)(void *self), void *self);

/* The same for a condition that runs the loop itself, say to ask somebody: it is asked again after
 * a short pause. */
bool stage_poll(struct stage *stage, bool (*cond)(void *self), void *self);

/* Runs the loop for this time: for proving that nothing comes. */
void stage_idle(struct stage *stage, int ms);

#endif
