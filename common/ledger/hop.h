// SPDX-License-Identifier: Apache-2.0
// The books of a hop that streams of EVENTs pass through: how far the one behind it has confirmed
// each (delivered), and how far it has confirmed it itself to the one before it (accepted). Both
// are counted where they happen, so that a hop that confirms what it was not told is off by that;
// one that does so behind the back of its books is found out when the origin opens the stream
// again, or by comparing places. Counters begin at 0 with the process; they are in sequences, so
// what the origin's policy has dropped counts, too. A few additions a message; allocates only when
// a stream is new. Pure. Loop thread only.
#ifndef COR_LEDGER_HOP_H
#define COR_LEDGER_HOP_H

#include "common/ledger/ledger.h"

struct cor_hop;

/* For the streams of a flow (borrows the name). At most max streams are known by name; what is
 * beyond is only counted together. first: their origins are right before this hop, so that it is
 * this hop that has confirmed what they say is confirmed. Returns owned. */
struct cor_hop *cor_hop_new(const char *flow, size_t max, bool first);

/* Frees. *hop becomes NULL. For auto_(). */
void cor_hop_free(struct cor_hop **hop);

/* The origin has opened a stream (borrows): all up to open->after was confirmed to it. At a first
 * hop that knows the stream, what of it is not in the books counts as accepted. */
void cor_hop_open(struct cor_hop *hop, const struct cor_wire_open *open);

/* A message of the stream with this number came in; was passed on; was dropped, and is to be sent
 * again. */
void cor_hop_received(struct cor_hop *hop, uint64_t number);
void cor_hop_passed(struct cor_hop *hop, uint64_t number);
void cor_hop_refused(struct cor_hop *hop, uint64_t number);

/* The next one has confirmed all up to seq. */
void cor_hop_confirmed(struct cor_hop *hop, uint64_t number, uint64_t seq);

/* All up to seq is confirmed to the one before. */
void cor_hop_told(struct cor_hop *hop, uint64_t number, uint64_t seq);

/* Tells the ledger's rows, one a stream. */
void cor_hop_books(const struct cor_hop *hop, struct cor_ledger_writer *out);

/* sum += the counters of all streams: for a hop that ends before its process. */
void cor_hop_sum(const struct cor_hop *hop, struct cor_ledger_counts *sum);

#endif
