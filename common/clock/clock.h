// SPDX-License-Identifier: Apache-2.0
// Time has types, so that a moment of one clock cannot be mixed with another's. Pure code takes a
// moment as a parameter; only adapters ask the clock. Any thread.
#ifndef COR_CLOCK_CLOCK_H
#define COR_CLOCK_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/view.h"

/* Microseconds since boot (CLOCK_MONOTONIC): for intervals and deadlines. */
struct cor_mono {
    int64_t us;
};

/* Microseconds since 1970-01-01 UTC: for people, certificates and Kubernetes objects. */
struct cor_wall {
    int64_t us;
};

#define COR_MS(n) ((int64_t)(n)*1000)
#define COR_SEC(n) ((int64_t)(n)*1000000)

/* Now. */
struct cor_mono cor_mono_now(void);

/* Now, in UTC. */
struct cor_wall cor_wall_now(void);

/* a - b in microseconds. */
static inline int64_t cor_mono_since(struct cor_mono a, struct cor_mono b)
{
    return a.us - b.us;
}

/* a + us. */
static inline struct cor_mono cor_mono_add(struct cor_mono a, int64_t us)
{
    return (struct cor_mono){a.us + us};
}

enum { COR_RFC3339_LEN = 27, COR_RFC3339_SIZE = 36 };

/* "2026-08-06T06:58:26Z": metav1.Time of Kubernetes. out has COR_RFC3339_SIZE bytes. */
void cor_wall_format(struct cor_wall t, char out[COR_RFC3339_SIZE]);

/* "2026-08-06T06:58:26.123456Z": metav1.MicroTime of Kubernetes. */
void cor_wall_format_us(struct cor_wall t, char out[COR_RFC3339_SIZE]);

/* "2026-08-06T06:58:26.123456000Z": RFC 3339 with nanoseconds, as container logs have it. */
void cor_wall_format_ns(struct cor_wall t, char out[COR_RFC3339_SIZE]);

/* Reads RFC 3339 with any fraction and "Z" or an offset. False leaves *out_r alone. */
bool cor_wall_parse(struct cor_view text, struct cor_wall *out_r);

#endif
