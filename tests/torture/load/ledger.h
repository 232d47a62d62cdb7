// SPDX-License-Identifier: Apache-2.0
// What was published, what the broker said yes to, and what arrived at the target: per device and
// sequence. Pure: time is a parameter.
#ifndef TORTURE_LEDGER_H
#define TORTURE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"

struct ledger;

/* Of so many devices. Returns owned. */
struct ledger *ledger_new(size_t devices);

/* Frees; *ledger becomes NULL. For auto_(). */
void ledger_free(struct ledger **ledger);

/* A device publishes its next message: its sequence, from 1. */
uint64_t ledger_publish(struct ledger *ledger, size_t device, int64_t now_us);

/* The broker has acknowledged it. */
void ledger_acked(struct ledger *ledger, size_t device, uint64_t seq);

/* The connection broke: what is not acknowledged may be published twice by MQTT's own rules. */
void ledger_disturbed(struct ledger *ledger);

/* It arrived at the target, which dedupes by key (of the request) and takes it. */
void ledger_arrived(struct ledger *ledger, size_t device, uint64_t seq, struct cor_view key,
                    int64_t now_us);

/* Something was broken just now: how long until a message that is published from now on arrives? */
void ledger_mark(struct ledger *ledger, int64_t now_us);

/* Something arrived that nobody published. */
void ledger_strange(struct ledger *ledger);

/* Messages that the broker has acknowledged and the target does not have. */
uint64_t ledger_missing(const struct ledger *ledger);

/* Messages published and not acknowledged. */
uint64_t ledger_unacked(const struct ledger *ledger);

/* Whether nothing was lost, doubled or reordered. */
bool ledger_is_good(const struct ledger *ledger);

/* Appends a line "recovery MARK MS" for each mark, counted from 1, after which messages passed
 * again before the next one. */
void ledger_recoveries(const struct ledger *ledger, struct cor_buf *out);

/* Appends the sums as one JSON object: latencies are publish to arrival, in milliseconds. */
void ledger_report(const struct ledger *ledger, struct cor_buf *out);

#endif
