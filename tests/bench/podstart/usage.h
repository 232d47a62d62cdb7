// SPDX-License-Identifier: Apache-2.0
// What a process uses.
#ifndef BENCH_USAGE_H
#define BENCH_USAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <cmocka.h>

/* Its share of memory in KiB. Fails the program when it is gone. */
static inline long pss_kib(pid_t pid)
{
    char path[64], line[128];
    long kib = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        (void)sscanf(line, "Pss: %ld", &kib);
    }
    (void)fclose(file);
    return kib;
}

#endif
