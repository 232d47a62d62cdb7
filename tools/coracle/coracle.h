// SPDX-License-Identifier: Apache-2.0
// Private to the coracle command: its commands, and how they ask services and print answers.
#ifndef CORACLE_CORACLE_H
#define CORACLE_CORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "command.h"
#include "common/base/err.h"
#include "common/json/json.h"
#include "tools/ctl/ctl.h"

extern const struct coracle_command coracle_status;
extern const struct coracle_command coracle_queue;
extern const struct coracle_command coracle_ledger;
extern const struct coracle_command coracle_token;
extern const struct coracle_command coracle_node;
extern const struct coracle_command coracle_ca;
extern const struct coracle_command coracle_join;
extern const struct coracle_command coracle_restart;
extern const struct coracle_command coracle_upgrade;
extern const struct coracle_command coracle_unhold;
extern const struct coracle_command coracle_completion;

/* The commands in the order of --help; NULL: no more. */
const struct coracle_command *coracle_command_at(size_t i);

/* One line on stderr: "coracle: what: why". Returns EXIT_FAILED. */
int coracle_fail(const char *what, const struct cor_err *err);

/* How long a service may take: to tell what it knows; to do what it asks Kubernetes for. */
enum { CORACLE_TELL_MS = 2000, CORACLE_DO_MS = 15000 };

/* Asks one service for a verb's answer; args NULL: none. NULL: *err says why. Returns owned. */
struct cor_json *coracle_ask(const struct tool_service *service, const char *verb,
                             const struct cor_json *args, int within_ms, struct cor_err *err);

/* Has the action of said done, by its fn, with the cloudhub that runs here; if none does, says so,
 * and hint. command is what the action belongs to. Returns the exit code. */
int coracle_at_cloudhub(const struct coracle_command *command, const struct coracle_said *said,
                        const char *hint);

/* Prints it as JSON or YAML; false, and nothing: the format is another one. */
bool coracle_print(const struct cor_json *value, enum coracle_format format);

/* The width of a column "NODE" for the names of the nodes in rows. */
int coracle_node_width(const struct cor_json *rows);

/* The books of all services under a run folder, asked in the order that tools/books wants:
 * [{"service","folder","epoch","balance","rows"}]. Returns owned. */
struct cor_json *coracle_books(const char *run);

#endif
