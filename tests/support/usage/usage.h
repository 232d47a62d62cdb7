// SPDX-License-Identifier: Apache-2.0
// What a process uses, as Linux counts it. All abort when it is gone.
#ifndef TESTS_SUPPORT_USAGE_H
#define TESTS_SUPPORT_USAGE_H

#include <stdint.h>
#include <sys/types.h>

/* Microseconds of processor that its threads have had, in steps of a clock tick (10 ms). */
int64_t test_usage_us(pid_t pid);

/* KiB of a line of its status, such as "RssAnon"; 0: there is none. */
int64_t test_usage_kib(pid_t pid, const char *name);

/* KiB of memory, its share of what several use (Pss). */
int64_t test_usage_pss_kib(pid_t pid);

#endif
