// SPDX-License-Identifier: Apache-2.0
// Private to the coracle command: its verbs. Each parses its own arguments and returns an exit
// code: 0 done, 1 failed, 100 wrong usage; more in its
// --help.
#ifndef CORACLE_CORACLE_H
#define CORACLE_CORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "common/json/json.h"
#include "tools/ctl/ctl.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 100 };

int coracle_status(int argc, char **argv);
int coracle_ledger(int argc, char **argv);
int coracle_queue(int argc, char **argv);
int coracle_join(int argc, char **argv);
int coracle_token(int argc, char **argv);
int coracle_node(int argc, char **argv);
int coracle_ca(int argc, char **argv);
int coracle_unhold(int argc, char **argv);
int coracle_restart(int argc, char **argv);
int coracle_upgrade(int argc, char **argv);
int coracle_completion(int argc, char **argv);

/* One line on stderr: "coracle: what: why". Returns EXIT_FAILED. */
int coracle_fail(const char *what, const struct cor_err *err);

/* Reads a number and s, m, h or d, such as 24h. False: it is none. */
bool coracle_duration(const char *text, int64_t *seconds_r);

/* Appends value as YAML at the depth (0: top): JSON scalars are YAML scalars. */
void coracle_yaml(const struct cor_json *value, int depth, struct cor_buf *out);

/* Asks one service for a verb's answer. NULL: it has none, *err says why. Returns owned. */
struct cor_json *coracle_ask(const struct tool_service *service, const char *verb,
                             struct cor_err *err);

/* The books of all services under a run folder, asked in the order that tools/books wants:
 * [{"service","folder","epoch","balance","rows"}]. Returns owned. */
struct cor_json *coracle_books(const char *run);

/* Where sockets are unless --run-dir says otherwise. */
#define CORACLE_RUN "/run/coracle"

#endif
