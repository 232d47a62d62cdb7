// SPDX-License-Identifier: Apache-2.0
// Keeps the records (record.h) of nodes that speak KubeEdge's dialect: made when an object is sent
// to such a node, brought up to date when the node has acknowledged it, and compared with what is
// there when the node comes back. Loop thread only.
#ifndef EC_RECORDS_H
#define EC_RECORDS_H

#include "edgecontroller.h"

/* ec is borrowed and must outlive it. Returns owned. */
struct ec_records *ec_records_new(struct ec *ec);

/* Frees, after the client of the API. *records becomes NULL. */
void ec_records_free(struct ec_records **records);

/* Whether the node has this version of the object already, as its record says. */
bool ec_records_cover(struct ec *ec, const char *node, const struct cor_json *object);

/* Whether the node has acknowledged any version of the object. */
bool ec_records_has(struct ec *ec, const char *node, const struct cor_json *object);

/* The object, of a kind that is called so, is on its way to the node. */
void ec_records_sent(struct ec_records *records, const char *node, const struct ec_kind_info *info,
                     const struct cor_json *object);

/* Handler of NODE_STORED: the node has a version of an object, or has deleted it. */
enum cor_code ec_on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* Deletes what records are left of a node, if the API has no such Node. */
void ec_records_sweep(struct ec_records *records, const char *node);

/* Deletes the record in namespace ns ("": of the cluster) under its name. */
void ec_records_delete(struct ec_records *records, const char *ns, const char *name);

/* Appends counters to the answer of "stats". */
void ec_records_stats(const struct ec_records *records, struct cor_buf *out);

/* ---- repair.c ---- */

/* Tells nodes that have come, and whose records have not been looked at since, what was deleted
 * while they were away: when all that records may be about has been listed. */
void ec_repair(struct ec *ec);

/* An object was deleted: tells nodes that have it, as their records say, but those in told. */
void ec_repair_gone(struct ec *ec, enum ec_kind kind, const struct cor_json *object,
                    const struct cor_map *told);

/* Sinks of the informers. */
void ec_on_record(void *self, enum cor_change change, struct cor_json *object,
                  struct cor_json *old);
void ec_on_records_synced(void *self);
void ec_on_records_absent(void *self);

#endif
