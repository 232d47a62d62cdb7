// SPDX-License-Identifier: Apache-2.0
#include "common/base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void cor_must_failed(const char *cond, const char *file, int line)
{
    (void)fprintf(stderr, "BUG %s:%d: %s does not hold\n", file, line, cond);
    abort();
}

void cor_die(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)fputs("fatal: ", stderr);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(111);
}
