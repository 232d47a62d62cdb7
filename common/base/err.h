// SPDX-License-Identifier: Apache-2.0
// Errors of the outside world are returned: a class to branch on and, where there is text to carry,
// a fixed-size record on the caller's stack. Bugs abort (must.h). Any thread.
#ifndef COR_BASE_ERR_H
#define COR_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#include "common/base/attr.h"

/* What went wrong, as far as a caller can act on it. The numbers travel on the bus: never reuse. */
#define COR_CODES(X)                                                                               \
    X(OK, 0, "ok")                                                                                 \
    X(INVALID, 1, "invalid") /* the input breaks a rule; sending it again is useless */            \
    X(NOTFOUND, 2, "not found")                                                                    \
    X(EXISTS, 3, "already exists")                                                                 \
    X(CONFLICT, 4, "conflict") /* based on an old version: read again, then decide */              \
    X(DENIED, 5, "denied")     /* known, but not allowed */                                        \
    X(UNAUTHENTICATED, 6, "unauthenticated")                                                       \
    X(TOOBIG, 7, "too big")                                                                        \
    X(BUSY, 8, "busy")       /* a bounded queue is full: wait for room */                          \
    X(RETRY, 9, "try later") /* temporary failure of a peer or of the system */                    \
    X(TIMEOUT, 10, "timeout")                                                                      \
    X(GONE, 11, "gone") /* the peer, or the version asked for, is no more */                       \
    X(CLOSED, 12, "closed")                                                                        \
    X(IO, 13, "input/output error")                                                                \
    X(UNSUPPORTED, 14, "unsupported")                                                              \
    X(INTERNAL, 15, "internal error")

enum cor_code {
#define X(name, number, text) COR_##name = number,
    COR_CODES(X)
#undef X
        COR_CODE_COUNT
};

/* An error with its text. Zeroed means no error. */
struct cor_err {
    enum cor_code code;
    int sys;        /* errno, or 0 */
    char text[240]; /* one line, no newline, cut when longer */
};

#define COR_ERR_NONE ((struct cor_err){0})

/* Name of a code, as in the table above ("not found"); "unknown" for other numbers. */
const char *cor_code_name(enum cor_code code);

/* Fills *err (may be NULL) and returns code, so that "return cor_err_set(...)" reads well. */
enum cor_code cor_err_set(struct cor_err *err, enum cor_code code, const char *fmt, ...)
    COR_PRINTF(3, 4);

/* Like cor_err_set, and adds ": " and the text of errno value sys. */
enum cor_code cor_err_sys(struct cor_err *err, enum cor_code code, int sys, const char *fmt, ...)
    COR_PRINTF(4, 5);

/* Puts context before the text of *err (may be NULL): "loading twin x: <text>". Returns code of
 * err, or COR_INTERNAL when err is NULL. */
enum cor_code cor_err_wrap(struct cor_err *err, const char *fmt, ...) COR_PRINTF(2, 3);

#ifdef __clang_analyzer__ /* it does not look into other files: these never return COR_OK */
#define cor_err_set(err, code, ...) ((void)(cor_err_set)(err, code, __VA_ARGS__), (code))
#define cor_err_sys(err, code, ...) ((void)(cor_err_sys)(err, code, __VA_ARGS__), (code))
#endif

#endif
