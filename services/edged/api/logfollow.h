// SPDX-License-Identifier: Apache-2.0
// The files of one log that is followed while it is put aside and begun anew: in the order in which
// they were written, each to its end. The runtime may write the last lines of a file after the next
// one exists, so a file has ended when its writer has closed it. Loop thread only.
#ifndef EDGED_LOGFOLLOW_H
#define EDGED_LOGFOLLOW_H

#include <stdbool.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/clock/clock.h"

struct logwatch;
struct logfollow;

/* Something has happened to a log that is followed. Must not free a follower. */
typedef void (*logfollow_fn)(void *self);

/* A watch of no logs. COR_IO: the system gives none. Returns owned in *watch_r. */
COR_NODISCARD enum cor_code logwatch_new(struct logwatch **watch_r, struct cor_err *err);

/* No log may be followed still; *watch becomes NULL. For auto_(). */
void logwatch_free(struct logwatch **watch);

/* Readable when something has happened: logwatch_look is to be called then. Borrowed. */
int logwatch_notify(const struct logwatch *watch);

/* Takes in what has happened, and tells each follower whom it concerns. */
void logwatch_look(struct logwatch *watch);

/* Opens the log and watches its folder; fn (may be NULL) and watch are borrowed until
 * logfollow_free. COR_NOTFOUND, COR_IO. Returns owned in *follow_r. */
COR_NODISCARD enum cor_code logfollow_open(struct logwatch *watch, const char *path,
                                           logfollow_fn fn, void *self, struct logfollow **follow_r,
                                           struct cor_err *err);

/* Closes all; *follow becomes NULL. For auto_(). */
void logfollow_free(struct logfollow **follow);

/* The file that is to be read now. Borrowed until logfollow_turn. */
int logfollow_file(const struct logfollow *follow);

enum logfollow_at {
    LOGFOLLOW_LAST, /* there is no other file yet */
    LOGFOLLOW_WAIT, /* there is, but this one may still be written to: look again, in 1 s at most */
    LOGFOLLOW_NEXT, /* the next one is the file now */
};

/* The file was read to its end, after the last logwatch_look: is there another one? */
enum logfollow_at logfollow_turn(struct logfollow *follow, struct cor_mono now);

#endif
