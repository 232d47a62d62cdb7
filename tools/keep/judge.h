// SPDX-License-Identifier: Apache-2.0
// What follows from the end of a supervised service: how often it has failed in a row, whether an
// upgrade's new program is taken back, how long the next start waits. Pure. Any thread.
#ifndef TOOLS_KEEP_JUDGE_H
#define TOOLS_KEEP_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

enum { KEEP_CODE_CONFIG = 100 };

/* One life of a service. Times are hundredths of seconds. */
struct keep_end {
    int code; /* as s6-supervise gives it: 256 when it was a signal */
    int signal;
    int64_t lived;
    int64_t failures; /* in a row, before this one */
    bool trial;       /* it was started after an upgrade had put a new program there */
    bool trial_runs;  /* and that program is still the one in place */
};

struct keep_verdict {
    int64_t failures;
    bool trial_over; /* the new program has run long enough */
    bool roll_back;  /* the new program is to be replaced by the one before */
};

/* How the next start comes about. */
enum keep_next {
    KEEP_BY_ITSELF,  /* s6-supervise starts it at once, as it had been ready for a second */
    KEEP_ASK,        /* s6-supervise would wait a second: it is to be asked */
    KEEP_STAYS_DOWN, /* the configuration is wrong: another start would end in the same way */
};

/* Judges an end. SIGKILL comes from outside: after a second of running it is no failure in a row.
 */
struct keep_verdict keep_judge(const struct keep_end *end);

/* What is to be done for the next start. */
enum keep_next keep_next(int code, int64_t lived);

/* Seconds that a start waits after so many failures in a row: none at first, 8 at most. */
int keep_wait_s(int64_t failures);

#endif
