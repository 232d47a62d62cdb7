// SPDX-License-Identifier: Apache-2.0
// The services of a node that edgehub talks to, played by a test.
#ifndef TESTS_SUPPORT_BUS_PEERS_H
#define TESTS_SUPPORT_BUS_PEERS_H

#include "common/bus/bus.h"

enum { PEER_META, PEER_TWIN, PEER_BUS, PEERS };

/* Their places on the bus. Starts zeroed. */
struct test_peers {
    struct cor_bus *buses[PEERS];
    struct cor_port *ports[PEERS]; /* to edgehub; NULL: it has left */
};

/* All join the bus as spec says, but for the service, and open their ports with ops (borrows) and
 * self. What spec points to must outlive them. Fails the test. */
void test_peers_join(struct test_peers *peers, const struct cor_bus_spec *spec,
                     const struct cor_port_ops *ops, void *self);

/* Opens the port of one that has left. Fails the test. */
void test_peers_open(struct test_peers *peers, int peer, const struct cor_port_ops *ops,
                     void *self);

/* All leave. */
void test_peers_leave(struct test_peers *peers);

#endif
