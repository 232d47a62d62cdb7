// SPDX-License-Identifier: Apache-2.0
// All simulated edges, and what is counted of them. Loop thread only.
#ifndef TESTS_SWARM_FLEET_H
#define TESTS_SWARM_FLEET_H

#include "common/loop/loop.h"
#include "common/pki/cert.h"
#include "node.h"
#include "stats.h"

/* So many dial at the same time: one process cannot be as quick as all those machines, and whoever
 * waits for it here would lose patience with the hub. More than the hub lets into handshakes. */
enum { FLEET_DIALLING = 512 };

/* Since fleet_new, or fleet_count_anew. */
struct fleet_counts {
    uint64_t dials, handshakes, resumed, refused, losses;
    uint64_t objects, stored, repeats;
    uint64_t backwards; /* an object of an older version than the node had */
    uint64_t compared;  /* questions of what nodes have */
    uint64_t beats;
};

struct fleet {
    struct cor_loop *loop;
    struct conn_tls *tls;
    struct cor_key *key; /* of all nodes: what counts is that certificates differ */
    struct node *nodes;
    size_t size;
    int port;
    size_t dialling;       /* nodes whose turn it is */
    struct cor_link queue; /* those that wait for it */
    size_t up;             /* nodes that are connected and greeted */
    uint64_t target;       /* version that is awaited */
    size_t reached;        /* nodes that have it */
    struct cor_mono at;    /* the last one reached it */
    struct fleet_counts n;
    struct stats trips;         /* round trips of probes, microseconds */
    struct cor_buf frame, text; /* scratch */
    /* Tells that a node has got a version of its object. May be NULL. */
    void (*got)(void *self, struct node *node);
    void *self;
};

/* Where nodes come from and go to. All borrowed for the call, but loop. */
struct fleet_spec {
    struct cor_loop *loop;
    const struct cor_cert *ca;
    const struct cor_key *ca_key; /* signs their certificates, as enrolment does */
    uint32_t first;               /* number of the first */
    size_t size;
    size_t kubeedge; /* of a hundred speak KubeEdge's dialect */
    int port;
};

/* Makes them; none dials yet. Returns owned. */
struct fleet *fleet_new(const struct fleet_spec *spec);

/* Hangs up and frees; *fleet becomes NULL. */
void fleet_free(struct fleet **fleet);

/* All nodes that are not connected dial, each at a random moment within this time. */
void fleet_dial(struct fleet *fleet, int64_t within_us);

/* Awaits that every node has this version. */
void fleet_await(struct fleet *fleet, uint64_t version);

/* The hash of what matters of a version of the object. */
uint64_t fleet_content(uint64_t version);

/* Counts from 0. */
void fleet_count_anew(struct fleet *fleet);

#endif
