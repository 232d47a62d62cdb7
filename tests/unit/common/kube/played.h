// SPDX-License-Identifier: Apache-2.0
// A client of an API that a script plays.
#ifndef TESTS_UNIT_KUBE_PLAYED_H
#define TESTS_UNIT_KUBE_PLAYED_H

#include "common/kube/client.h"
#include "common/log/log.h"
#include "tests/support/process.h"

struct played {
    char *dir;
    struct test_process server;
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_kube_config config; /* filled by the test */
    struct cor_kube *kube;
};

/* Makes dir, loop and log. */
void played_begin(struct played *p);

/* Starts the script of this folder, which finds its files in dir, and a client of it. */
void played_start(struct played *p, const char *script);

/* Ends all. */
void played_end(struct played *p);

#endif
