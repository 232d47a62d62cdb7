// SPDX-License-Identifier: Apache-2.0
// What services count.
#ifndef TESTS_SUPPORT_BUS_STATS_H
#define TESTS_SUPPORT_BUS_STATS_H

#include <stdint.h>

/* A number of a service's stats, by the path of its ctl socket; -1: it has none of that name. Fails
 * the test when it does not answer. */
int64_t test_stat(const char *ctl, const char *name);

#endif
