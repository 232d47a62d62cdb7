// SPDX-License-Identifier: Apache-2.0
// Bugs abort, in every build. Data from outside never reaches must() or cor_die().
#ifndef COR_BASE_MUST_H
#define COR_BASE_MUST_H

#include "common/base/attr.h"

/* must(cond): cond holds, or the program is wrong: prints file, line and condition, aborts. */
#define must(cond)                                                                                 \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0)) {                                                        \
            cor_must_failed(#cond, __FILE__, __LINE__);                                            \
        }                                                                                          \
    } while (0)

/* Prints the failed condition on stderr and aborts. Called by must(). */
COR_NORETURN void cor_must_failed(const char *cond, const char *file, int line);

/* Out of memory, or the process can never start: one line on stderr, exit code 111. */
COR_NORETURN void cor_die(const char *fmt, ...) COR_PRINTF(1, 2);

#endif
