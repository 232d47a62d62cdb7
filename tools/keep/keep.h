// SPDX-License-Identifier: Apache-2.0
// The parts of coracle-keep. All of them work in the current folder, the service's in the tree.
#ifndef TOOLS_KEEP_KEEP_H
#define TOOLS_KEEP_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/err.h"
#include "tools/keep/row.h"

enum { KEEP_EXIT_CONFIG = 100, KEEP_EXIT_RETRY = 111, KEEP_EXIT_DOWN = 125 };

/* ---- the two programs ---- */

/* Becomes the service. checked: the row's ./check already waits for it to be ready. Returns an exit
 * code when it could not, or was asked to end first. */
int keep_run(bool checked);

/* After a service has ended with code (256: by the signal): counts, takes an upgrade back, and sees
 * to the next start. Returns the exit code that s6-supervise understands: 125 is "stay down". */
int keep_finish(int code, int signal);

/* ---- rights.c ---- */

/* Becomes the row's user for good, with its capabilities in reach and no others. COR_INVALID: no
 * such user or capability; COR_IO. */
COR_NODISCARD enum cor_code keep_drop(const struct keep_row *row, struct cor_err *err);

/* ---- files.c ---- */

/* Hundredths of seconds since the machine's start. */
int64_t keep_now(void);

/* Numbers at the start of a small file, with blanks between them; those that are not there are 0.
 */
void keep_read(const char *name, int64_t *out, int count);

/* Writes a small file; what goes wrong is told on stderr, as the service is worth more than it. */
void keep_write(const char *name, const char *text);

/* A line for the log of the tree. */
void keep_say(const char *level, const char *fmt, ...) COR_PRINTF(2, 3);

#endif
