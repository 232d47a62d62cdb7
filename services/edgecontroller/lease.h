// SPDX-License-Identifier: Apache-2.0
// Leases of nodes whose link has heartbeats instead of a renewal by the kubelet: as a kubelet keeps
// it (k8s.io/component-helpers apimachinery/lease). Loop thread only, but for the pure parts.
#ifndef EC_LEASE_H
#define EC_LEASE_H

#include "common/clock/clock.h"
#include "edgecontroller.h"

struct ec_leases;

/* ec is borrowed and must outlive it. Returns owned. */
struct ec_leases *ec_leases_new(struct ec *ec);

/* Frees, after the client of the API. *leases becomes NULL. */
void ec_leases_free(struct ec_leases **leases);

/* Handler of NODE_ALIVE: renews the node's Lease, or makes it. One that fails is renewed with the
 * next heartbeat. */
enum cor_code ec_on_alive(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* Pure: the Lease's spec as a merge patch. Returns owned. */
struct cor_json *ec_lease_patch(const char *node, uint64_t seconds, struct cor_wall now);

/* Pure: the whole Lease; owner (may be NULL) is the Node. Returns owned. */
struct cor_json *ec_lease_new(const char *node, uint64_t seconds, struct cor_wall now,
                              const struct cor_json *owner);

#endif
