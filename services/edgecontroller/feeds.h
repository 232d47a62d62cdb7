// SPDX-License-Identifier: Apache-2.0
// What the APIs of nodes watch besides what the nodes are sent anyway (NODE_WATCHES): a mirror for
// each collection and selector that somebody watches, shared by all nodes that do. Changes go to
// them as objects, with records, like all others. Loop thread only.
#ifndef EC_FEEDS_H
#define EC_FEEDS_H

#include "edgecontroller.h"

struct ec_feeds;

/* ec is borrowed and must outlive it. Returns owned. */
struct ec_feeds *ec_feeds_new(struct ec *ec);

/* Ends all mirrors and frees, before the client of the API. *feeds becomes NULL. */
void ec_feeds_free(struct ec_feeds **feeds);

/* Handler of NODE_WATCHES. */
enum cor_code ec_on_watches(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* The node (NULL: every node) watches nothing any more. */
void ec_feeds_end(struct ec_feeds *feeds, const char *node);

/* Sends a node all that it watches. */
void ec_feeds_send(struct ec_feeds *feeds, const char *node);

/* A node has, by a record, an object of that kind: unless it has said all that it watches, it goes
 * on watching those. An EdgeCore does not say it again to a cloud side that has restarted. */
void ec_feeds_imply(struct ec_feeds *feeds, const char *node, const char *kind);

/* Looks what nodes that have come have, by their records, and should have no more: records are
 * known now, or there is something new to look at. */
void ec_feeds_repair(struct ec_feeds *feeds);

/* Appends counters to the answer of "stats". */
void ec_feeds_stats(const struct ec_feeds *feeds, struct cor_buf *out);

#endif
