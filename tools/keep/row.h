// SPDX-License-Identifier: Apache-2.0
// The file "row" of a service's folder: what to start, and with which rights. Words KEY=VALUE; a
// value may be in single quotes. Pure. Any thread.
#ifndef TOOLS_KEEP_ROW_H
#define TOOLS_KEEP_ROW_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/base/view.h"

enum { KEEP_ARGS_MAX = 16, KEEP_ENV_MAX = 8 };

/* Strings are in the row's own copy of the text; those that are not there are "". */
struct keep_row {
    char *text;
    const char *service;
    const char *user;
    const char *rights;  /* capabilities that stay in reach, comma-separated; none; all */
    const char *program; /* one of ours: started with --config and --ready-fd; "": see args */
    const char *config;
    const char *sockets; /* names of listening sockets that the supervisor holds for it */
    const char *remove;  /* a file that is taken away before the start */
    int64_t files;
    int64_t memory; /* MiB of address space; -1: no limit */
    int64_t nice;
    int64_t mask;                        /* umask */
    const char *args[KEEP_ARGS_MAX + 1]; /* a foreign program, NULL at the end */
    const char *env[KEEP_ENV_MAX + 1];   /* NAME=VALUE beside what the supervisor has */
};

/* Reads a row. COR_INVALID: an unknown key, a value that is none, no program; nothing is owned
 * then. */
COR_NODISCARD enum cor_code keep_row_parse(struct cor_view text, struct keep_row *row_r,
                                           struct cor_err *err);

/* Frees what it owns; all is empty then. */
void keep_row_free(struct keep_row *row);

#endif
