// SPDX-License-Identifier: Apache-2.0
// The cloud side of a swarm: a real cloudhub whose sockets outlive it, between a Kubernetes API of
// Secrets in memory and an edgecontroller that is played here: it keeps one object a node, in a
// version, and sends it when the node comes, as edgecontroller does. Failures abort.
#ifndef TESTS_SWARM_CLOUD_H
#define TESTS_SWARM_CLOUD_H

#include <sys/types.h>

#include "common/pki/cert.h"
#include "common/pki/key.h"
#include "proto/proto.h"
#include "tests/support/stage/stage.h"

/* What the controller was told. */
struct cloud_counts {
    uint64_t came, went, alive, stored, surplus;
};

struct cloud {
    struct stage *stage;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_key *ca_key;
    struct cor_cert *ca;
    pid_t kube, hub;
    int held[2]; /* sockets: link, enrol */
    int link_port;
    bool hub_ready;
    struct cor_io *ready;
    size_t nodes;
    uint64_t *versions; /* of each node's object; 0: it has none */
    struct cloud_counts n;
};

/* Starts all; returns when cloudhub is ready. nodes: how many there may be. Returns owned. */
struct cloud *cloud_new(size_t nodes);

/* Ends all; cloudhub must end in order. *cloud becomes NULL. */
void cloud_free(struct cloud **cloud);

/* Kills cloudhub with -9. */
void cloud_kill(struct cloud *cloud);

/* Starts cloudhub; does not wait. cloud->hub_ready tells. */
void cloud_start(struct cloud *cloud);

/* Gives a node's object a version and sends it, if cloudhub is there. */
void cloud_put(struct cloud *cloud, uint32_t node, uint64_t version);

#endif
