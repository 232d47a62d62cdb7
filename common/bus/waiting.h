// SPDX-License-Identifier: Apache-2.0
// Private to common/bus. STATE messages that wait for credit: one per key, newest wins, in the
// order in which their keys began to wait. Bounded. Pure.
#ifndef COR_BUS_WAITING_H
#define COR_BUS_WAITING_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/view.h"

struct cor_waiting;

/* At most max keys. Returns owned. */
struct cor_waiting *cor_waiting_new(size_t max);

/* Frees; *w becomes NULL. */
void cor_waiting_free(struct cor_waiting **w);

/* Lets frame (takes its bytes) wait under number and key; *replaced_r says whether an older one was
 * superseded. False: full, frame is untouched. */
bool cor_waiting_put(struct cor_waiting *w, unsigned number, struct cor_view key,
                     struct cor_buf *frame, bool *replaced_r);

/* Moves the longest-waiting frame to *frame_r (owned). False: nothing waits. */
bool cor_waiting_take(struct cor_waiting *w, struct cor_buf *frame_r);

/* Frames that wait. */
size_t cor_waiting_count(const struct cor_waiting *w);

/* Forgets all. Returns how many. */
size_t cor_waiting_clear(struct cor_waiting *w);

#endif
