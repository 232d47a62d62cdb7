// SPDX-License-Identifier: Apache-2.0
// Containers' logs on the disk: how large they are, putting one aside, and what is done with those
// that were. Never follows a link in the place of a log. Any thread.
#ifndef EDGED_LOGFILES_H
#define EDGED_LOGFILES_H

#include "common/base/err.h"
#include "rotate.h"

/* Size of the log; < 0: there is none. */
int64_t logfiles_size(const char *log);

/* Opens the log name of folder for reading; while there is none, what was put aside of it last: the
 * runtime writes on in that until it is told. Returns an owned descriptor; < 0: errno. */
int logfiles_open(int folder, const char *name);

/* Gives the file another name; never in the place of another one. COR_IO. */
COR_NODISCARD enum cor_code logfiles_move(const char *from, const char *to, struct cor_err *err);

/* Compresses and removes what was put aside of log. May take long: call it in a child process. What
 * fails is left for the next time. */
void logfiles_tidy(const struct rotate_rules *rules, const char *log);

#endif
