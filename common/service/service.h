// SPDX-License-Identifier: Apache-2.0
// The life of a service: parse, config, open, connect, ready, loop, drain, stop. main.c gives a
// spec and makes one call. Exit codes: 0 asked to stop, 100 configuration, 111 try later; abort is
// a bug.
#ifndef COR_SERVICE_SERVICE_H
#define COR_SERVICE_SERVICE_H

#include <stdbool.h>

#include "common/base/err.h"
#include "common/bus/bus.h"
#include "common/conf/conf.h"
#include "common/log/log.h"
#include "common/loop/loop.h"

enum { COR_EXIT_CONFIG = 100, COR_EXIT_RETRY = 111 };

/* What a service runs on; borrowed from the skeleton, valid until stop() has returned. */
struct cor_service {
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_bus *bus; /* NULL when the spec has no messages */
    const void *cfg;     /* the struct that the spec's options fill */
    const char *name;
    struct cor_runner *runner; /* private */
};

/* Options that every service has; the first member of its configuration struct. */
struct cor_service_cfg {
    char *run_dir;     /* "run-dir" */
    char *log_level;   /* "log-level" */
    char *user_prefix; /* "user-prefix" */
    int64_t drain_ms;  /* "drain-ms" */
};

/* Rows of those options, for the head of a service's table. type: the configuration struct, whose
 * member common is a struct cor_service_cfg. */
#define COR_SERVICE_ROWS(type)                                                                     \
    COR_CONF_STR_ROW(type, common.run_dir, "run-dir", "/run/coracle",                              \
                     "folder of the sockets between services"),                                    \
        COR_CONF_STR_ROW(type, common.log_level, "log-level", "info",                              \
                         "error, warn, info or debug"),                                            \
        COR_CONF_STR_ROW(type, common.user_prefix, "user-prefix", "coracle-",                      \
                         "service X runs as user <prefix>X; its sockets are open to no other"),    \
        COR_CONF_INT_ROW(type, common.drain_ms, "drain-ms", "2000", 0, 60000,                      \
                         "milliseconds to finish what was begun when asked to stop")

struct cor_service_spec {
    const char *name;    /* as in proto/endpoints.def */
    const char *summary; /* one line for --help */
    struct cor_conf conf;
    size_t cfg_size;      /* of the configuration struct */
    const char *flag;     /* a command line option without a value; NULL: none */
    const char *flag_doc; /* for --help */
    size_t flag_offset;   /* of the bool in the configuration that it sets */
    const struct cor_messages *(*messages)(void); /* for the bus: px_messages; NULL: no bus */
    /* Further checks of the configuration, for --check and start. COR_INVALID. May be NULL. */
    enum cor_code (*check)(const void *cfg, struct cor_err *err);
    /* Opens stores, listens, opens ports, creates everything. COR_INVALID: exit 100; others: 111.
     * *self_r is given to the other functions. */
    enum cor_code (*start)(struct cor_service *service, void **self_r, struct cor_err *err);
    /* Asked to stop: takes nothing new, finishes what was begun, then calls cor_service_drained.
     * NULL: stops at once. It is ended after drain-ms. */
    void (*drain)(void *self);
    /* Closes and frees everything start made, in reverse order; also after a failed start. */
    void (*stop)(void *self);
};

/* Runs a service from argv to exit code. Blocks. */
int cor_service_main(int argc, char **argv, const struct cor_service_spec *spec);

/* The service is ready: tells the supervisor, once. Called by start() or later. */
void cor_service_ready(struct cor_service *service);

/* Much came at once, and is done with: 5 s after the first such call what is free goes back to the
 * machine, which takes some hundred microseconds. */
void cor_service_calm(struct cor_service *service);

/* The drain is over. */
void cor_service_drained(struct cor_service *service);

/* Ends the process in order with exit code 111: something it cannot live without is gone. */
void cor_service_fail(struct cor_service *service, const struct cor_err *err);

#endif
