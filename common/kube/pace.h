// SPDX-License-Identifier: Apache-2.0
// How many requests a server that says "too many" (429, or 503 with Retry-After; Kubernetes API
// priority and fairness) gets at once, and when. Halved with each refusal, one more with each
// answer. Pure: times and random numbers are parameters.
#ifndef COR_KUBE_PACE_H
#define COR_KUBE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock/clock.h"

struct cor_pace {
    unsigned most;         /* under way at once, when all is well; > 0 */
    unsigned window;       /* and now; begins as most */
    unsigned flying;       /* under way */
    struct cor_mono until; /* nothing begins before */
};

/* When the next request may begin: 0 now, > 0 so many microseconds later, -1 when one has ended. */
int64_t cor_pace_wait(const struct cor_pace *pace, struct cor_mono now);

/* One begins. */
void cor_pace_begin(struct cor_pace *pace);

/* One has ended, not refused. */
void cor_pace_end(struct cor_pace *pace);

/* One has ended, refused; the server asks to wait so long (0: it does not say). random is in
 * [0, 1). */
void cor_pace_refused(struct cor_pace *pace, int64_t retry_after_us, struct cor_mono now,
                      double random);

#endif
