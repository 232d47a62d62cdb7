// SPDX-License-Identifier: Apache-2.0
// One simulated edge: the cloud's end of edgehub and a store of one object behind it, in either
// dialect. It connects, greets, acknowledges what it is sent, says what it has when it is asked,
// beats, and comes back after a loss as edgehub does. Loop thread only.
#ifndef TESTS_SWARM_NODE_H
#define TESTS_SWARM_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/clock/backoff.h"
#include "common/clock/clock.h"
#include "conn.h"
#include "proto/link/end.h"
#include "proto/link/lane.h"

/* The one object that nodes are sent. */
#define NODE_OBJECT_KEY "default/configmap/swarm"
#define NODE_OBJECT_UID "6f1f3c3e-8d0b-4a55-9d53-3b1f4a3c2b10"

struct fleet;

struct node {
    struct fleet *fleet;
    struct conn_who *who;
    struct conn *conn;       /* NULL: none */
    struct cor_timer *timer; /* next dial; the end of a dial's patience; the next beat */
    struct cor_backoff backoff;
    uint32_t number;
    uint32_t dials;        /* since it was up */
    struct cor_link queue; /* in the fleet's, while it waits for its turn to dial */
    bool dialling;         /* it is its turn */
    bool kubeedge;
    bool upgraded;    /* WebSocket */
    bool up;          /* greeted */
    bool held;        /* does not dial: fleet_drop with hold */
    bool probing;     /* measures round trips as long as it is up */
    uint64_t version; /* of the object it has; 0: none */
    struct cor_mono since;
    struct cor_mono asked; /* a round trip is under way since; 0: none */
    struct px_end end;
    struct px_lanes lanes;
};

/* Prepares one. who: taken. node_end. */
void node_begin(struct node *node, struct fleet *fleet, uint32_t number, struct conn_who *who);

/* Hangs up and frees what it has. */
void node_end(struct node *node);

/* Dials after this time. */
void node_dial(struct node *node, int64_t after_us);

/* Loses its connection, as if cut. */
void node_drop(struct node *node);

/* Says that it is alive; what comes back ends a round trip. Coracle's dialect only. */
void node_beat(struct node *node);

/* Measures round trips as long as it is up, into the fleet's trips; off: no more. */
void node_probe(struct node *node, bool on);

/* Name of a node: "n" and its number. out: 16 bytes. */
void node_name(uint32_t number, char out[16]);

#endif
