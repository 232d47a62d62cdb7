// SPDX-License-Identifier: Apache-2.0
// Services as the supervisor (s6) has them: finding them, asking for a restart, running programs
// for a while. Blocks, with a time limit. One thread.
#ifndef CORACLE_SUPERVISE_H
#define CORACLE_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"

/* A supervised service. All owned. */
struct instance {
    char *name;    /* of the service */
    char *folder;  /* s6-supervise's */
    char *run;     /* where its ctl socket is, in ctl/ */
    char *user;    /* it runs as */
    char *program; /* NULL: not one of ours */
    char *config;
};

struct instances {
    struct instance *items; /* owned */
    size_t count;
};

/* Finds service name in run/tree/X, and with further in the run/NODE/tree/X of further nodes, too;
 * name may be NODE/SERVICE. The result may be empty. */
void instances_find(const char *run, const char *name, bool further, struct instances *found_r);

/* Frees what instances_find made. For auto_(). */
void instances_free(struct instances *found);

/* Runs a program to its end: argv ends with NULL, argv[0] is what it is told to be called. As user,
 * NULL or "root": as we are. Appends what it prints, 64 KiB at most. Returns its exit code; -1 when
 * it cannot be started, was killed, or is not done in time (then it is killed). */
int supervise_run(const char *program, const char *const *argv, const char *user, int64_t within_ms,
                  struct cor_buf *printed);

/* COR_DENIED when we may not control this service. */
COR_NODISCARD enum cor_code supervise_may(const struct instance *it, struct cor_err *err);

/* How a restart is asked for. */
enum supervise_way {
    SUPERVISE_DRAIN, /* SIGTERM: it finishes what it began */
    SUPERVISE_KILL,  /* a program that does not work is not waited for */
};

/* Restarts it, or starts it when it is down, and waits until it is ready and answers on its ctl
 * socket. *took_ms_r: from the call to ready. COR_TIMEOUT, COR_DENIED, COR_IO. */
COR_NODISCARD enum cor_code supervise_restart(const struct instance *it, enum supervise_way way,
                                              int64_t within_ms, int64_t *took_ms_r,
                                              struct cor_err *err);

/* Whether the process that runs was started from the file that it->program is now. */
bool supervise_is_current(const struct instance *it);

#endif
