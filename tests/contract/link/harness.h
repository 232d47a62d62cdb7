// SPDX-License-Identifier: Apache-2.0
// A real edgehub and a real cloudhub, a proxy between them; around them a fake Kubernetes API, a
// controller that is a sink as the real one, and a metamanager, a devicetwin and an eventbus, the
// origin of some streams.
#ifndef TESTS_CONTRACT_LINK_HARNESS_H
#define TESTS_CONTRACT_LINK_HARNESS_H

#include "proto/proto.h"
#include "tests/contract/cloudhub/harness.h"
#include "tests/contract/link/proxy.h"
#include "tests/support/bus/answer.h"
#include "tests/support/bus/peers.h"

enum { STREAMS = 3 };

/* An end that is silent for two heartbeats is taken for dead, so a process that the machine does
 * not run for that long makes a test fail. Those that are not about heartbeats have CALM_MS. */
enum { CALM_MS = 15000 };
#ifdef __SANITIZE_ADDRESS__
enum { HEARTBEAT_MS = 2000 };
#else
enum { HEARTBEAT_MS = 1000 };
#endif

/* A stream, at its origin and at its sink. */
struct flow {
    struct bench *bench;
    struct cor_origin *origin;
    char name[32];
    uint64_t given; /* accepted by the origin */
    uint64_t acked;
    /* at the sink, by name */
    uint64_t last;
    uint64_t number; /* of this session at the controller's port */
    uint64_t repeats;
};

struct bench {
    struct set *cloud;
    struct proxy *proxy;
    struct test_process edge;
    char *edge_dir;
    char *run_dir; /* of the edge */
    struct test_peers peers;
    struct flow flows[STREAMS];
    size_t size;            /* of a payload; 0: some 250 bytes */
    bool node_up;           /* as the controller was told */
    uint64_t epoch;         /* of the node's connection, likewise */
    unsigned sessions;      /* told that it came, so often */
    struct cor_buf surplus; /* NODE_SURPLUS: "key uid\n" each */
    uint64_t old_uploads;   /* NODE_UPLOAD */
    uint64_t progress;      /* when it was last looked at */
    uint64_t disorder;      /* messages that were not the next of their stream */
    unsigned alive;         /* NODE_ALIVE */
    unsigned lease_calls;   /* NODE_CALLs about the node's Lease */
    uint64_t seconds;       /* in the last one */
    unsigned links_up;      /* LINK up, as the edge was told */
    bool link_up;
    struct cor_buf seen; /* what came to the edge's peers, one line each */
    bool stores;         /* metamanager confirms objects */
    uint64_t object_id;
    enum cor_code publish_code; /* of the eventbus */
    struct test_answer answer;  /* to the last call */
};

/* cmocka set-up: all is running and the link is up. */
int bench_setup(void **state);

/* The same with heartbeats of HEARTBEAT_MS. */
int bench_setup_brisk(void **state);

/* What "edgehub" or "cloudhub" answers to a verb of its control socket; NULL: nothing. Returns
 * owned. */
struct cor_json *bench_ask(const struct bench *bench, const char *hub, const char *verb);

/* The books of "edgehub" or "cloudhub"; NULL: it does not answer. Returns owned. */
struct cor_json *bench_books(const struct bench *bench, const char *hub);

/* Waits until the row of a flow says so in a column; stream: how the name of its stream ends. */
void bench_counted(struct bench *bench, const char *hub, const char *flow, const char *stream,
                   const char *column, int64_t value);

/* Fails unless the books of both hubs balance. */
void bench_check_books(const struct bench *bench);

/* cmocka tear-down: both hubs must end in order, and their books must balance. */
int bench_teardown(void **state);

/* Starts edgehub; extra: lines of its configuration. */
void bench_start_edge(struct bench *bench, const char *extra);

/* Runs the loop until cond(arg); fails after 30 s. */
void bench_wait(struct bench *bench, bool (*cond)(void *arg), void *arg);

/* Runs the loop for this time. */
void bench_run(struct bench *bench, int64_t us);

/* The origin of each stream accepts so many more messages. */
void bench_give(struct bench *bench, uint64_t count);

/* Waits until the sink has all that was given and the origins know it; nothing came twice, nothing
 * in the wrong order. */
void bench_all_there(struct bench *bench);

/* Waits until the edge has been told that often that the link is up, and it is. */
void bench_link_up(struct bench *bench, unsigned times);

/* Waits until the edge's peers have seen text. */
void bench_seen(struct bench *bench, const char *text);

/* The controller leaves the bus, or comes (back): another one, that remembers its places. */
void bench_controller(struct bench *bench, bool there);

/* A controller of v0.1.0 comes instead. */
void bench_old_controller(struct bench *bench);

/* An eventbus of v0.1.0 comes instead; its streams have no names, and nothing was given to them. */
void bench_old_eventbus(struct bench *bench);

/* A peer asks; waits for the answer: in bench->status, failure. */
void bench_call(struct bench *bench, int peer, uint16_t number, const void *body);

#endif
