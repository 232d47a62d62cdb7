// SPDX-License-Identifier: Apache-2.0
// A real edgehub between a fake cloud and fake metamanager, devicetwin and eventbus.
#ifndef TESTS_CONTRACT_EDGEHUB_HARNESS_H
#define TESTS_CONTRACT_EDGEHUB_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/bus/bus.h"
#include "common/ws/http.h"
#include "proto/kubeedge/message.h"
#include "proto/proto.h"
#include "tests/support/bus/answer.h"
#include "tests/support/bus/peers.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"

enum { FRAMES_MAX = 128 };

struct set {
    char *dir;
    char *run; /* dir/run */
    struct test_process hub;
    struct test_certs certs; /* of the cloud */
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_ws *ws;
    struct cor_ws_server *link;
    struct cor_ws_server *enrol;
    struct cor_ws_conn *conn; /* of the node */
    int connections;
    char headers[160]; /* "node_id project_id connectionuse" of the last upgrade */
    int tunnel_port;   /* of the cloud; 0: it has none */
    int keepalive_ms;  /* 0: few of them */
    bool lie;          /* hand out another CA than the token names */
    int signed_certs;
    int renewals;             /* of them, asked for with a certificate */
    int64_t life_s;           /* of the next certificate; 0: an hour */
    char *frames[FRAMES_MAX]; /* from the node, without keepalives; owned */
    size_t count;
    size_t keepalives;
    struct test_peers peers;
    struct cor_buf seen[PEERS]; /* what came, as text, one line each */
    uint64_t object_id;
    uint64_t object_cause;
    struct test_answer answer; /* to the last call */
};

/* cmocka set-up: the cloud and the peers run; edgehub does not yet. */
int edge_setup(void **state);

/* cmocka tear-down; edgehub must end in order. */
int edge_teardown(void **state);

/* Writes a token (of a CA's hash: NULL: the right one) and starts edgehub. */
void edge_start(struct set *set, const char *hash);

/* Runs the loop until cond(arg) holds; fails after 30 s. */
void edge_wait(struct set *set, bool (*cond)(void *arg), void *arg);

/* Waits until the node is connected for the nth time. */
void edge_connected(struct set *set, int n);

/* A peer leaves the bus, or comes back. */
void edge_peer(struct set *set, int peer, bool there);

/* Waits until what peer has seen contains text. */
void edge_seen(struct set *set, int peer, const char *text);

/* The cloud sends text. */
void edge_say(struct set *set, const char *text);

/* Waits for frame number which (from 0, keepalives do not count) and reads it. */
void edge_frame(struct set *set, size_t which, struct px_kubeedge_in *in);

/* A peer calls; the answer comes in set->answer. */
void edge_call(struct set *set, int peer, uint16_t number, const void *body);

/* Waits for the answer. */
void edge_answered(struct set *set);

#endif
