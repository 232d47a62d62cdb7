// SPDX-License-Identifier: Apache-2.0
// Private to edgecontroller: a port of cloudhub's for each node, so that a request without a Pod in
// its path (metrics, stats) says by it which node is meant. What the Nodes' statuses say is the
// truth: a node keeps its port. Pure. One thread at a time.
#ifndef EC_NODEPORTS_H
#define EC_NODEPORTS_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

struct ec_nodeports;

/* Ports first to first + count - 1, none given yet; count 0: there are none. Returns owned. */
struct ec_nodeports *ec_nodeports_new(int64_t first, int64_t count);

/* Frees; *ports becomes NULL. */
void ec_nodeports_free(struct ec_nodeports **ports);

/* A Node's status says this port: it is the node's, unless another one has it already. */
void ec_nodeports_seen(struct ec_nodeports *ports, const char *node, int64_t port);

/* The Node is no more. */
void ec_nodeports_gone(struct ec_nodeports *ports, const char *node);

/* The node's port, given to it now if need be; 0: there is none for it. */
int64_t ec_nodeports_give(struct ec_nodeports *ports, const char *node);

/* Whose port it is; NULL: nobody's. Valid until the next call. */
const char *ec_nodeports_node(const struct ec_nodeports *ports, uint64_t port);

#endif
