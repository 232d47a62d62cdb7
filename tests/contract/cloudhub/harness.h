// SPDX-License-Identifier: Apache-2.0
// A real cloudhub between a fake Kubernetes API, a fake edgecontroller and fake nodes.
#ifndef TESTS_CONTRACT_CLOUDHUB_HARNESS_H
#define TESTS_CONTRACT_CLOUDHUB_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/bus/bus.h"
#include "common/ws/ws.h"
#include "proto/kubeedge/message.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"

enum { FRAMES_MAX = 256 };

struct set;

struct node {
    struct set *set;
    struct cor_ws_conn *conn;
    char *frames[FRAMES_MAX]; /* from the hub, owned */
    size_t count;
    bool opened;
    bool closed;
};

struct set {
    char *dir;
    char *run; /* dir/run */
    struct test_process kube;
    struct test_process hub;
    struct test_certs api; /* of the fake Kubernetes API */
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_ws *ws;
    int held[2]; /* sockets that outlive the hub: link, enrol; 0: it has its own */
    int link_port;
    int enrol_port;
    /* what the controller was told */
    struct cor_buf sessions; /* "+n1 -n1 " */
    struct cor_buf calls;    /* "verb key body\n" */
    struct cor_buf reports;
    struct cor_buf uploads;
    struct cor_buf stored;  /* "node key uid version\n"; "-" before what is gone */
    struct cor_buf asks;    /* "verb path|group_version plural ns name labels\n" */
    struct cor_buf watches; /* of what was told last: "group_version plural ns labels\n" */
    int watches_told;
    uint64_t call_cause;
    const char *replica; /* that STREAM_ROUTE says has the node; NULL: this one */
    uint64_t reply_status;
    const char *reply_body;
    int report_refusals; /* so many reports are answered with "not yet" */
    /* result of a fetch */
    int status;
    struct cor_buf body;
    struct cor_tls tls; /* who asks; without ca: anybody, and whoever answers is believed */
};

/* A node's identity, by the real way. */
struct identity {
    struct cor_cert *ca;
    struct cor_key *key;
    struct cor_cert *cert;
};

/* Runs the loop until cond(arg) holds; fails after 30 s. */
void hub_wait(struct set *set, bool (*cond)(void *arg), void *arg);

/* The controller's end of the bus is not there any more. */
void hub_controller_goes(struct set *set);

/* It is there again; returns when it is up. */
void hub_controller_comes(struct set *set);

/* Starts cloudhub (again) and learns its ports. */
void hub_start_hub(struct set *set);

/* cmocka set-up: everything runs. */
int hub_setup(void **state);

/* The same with a hub that does without keepalives for 3 s only, not for a minute. */
int hub_setup_hasty(void **state);

/* The same with sockets that the test holds for it. */
int hub_setup_held(void **state);

/* cmocka tear-down; the hub must end in order. */
int hub_teardown(void **state);

/* A token for node, by the ctl endpoint. Returns owned. */
char *hub_new_token(const struct set *set, const char *node);

/* GET on the enrolment port; the status, 0 without an answer. The body is in set->body. */
int hub_fetch(struct set *set, const char *path, const struct cor_ws_header *headers,
              struct cor_view body);

/* GET /edge.crt. token: with the hash of the CA before it. */
int hub_fetch_cert(struct set *set, const char *node, const char *token, struct cor_view csr);

/* A request for a certificate of node. */
void hub_csr_of(const struct cor_key *key, const char *node, struct cor_buf *out);

/* Makes node an identity, in the real way. */
void hub_enrol(struct set *set, const char *node, struct identity *identity);

/* A certificate of n1 as the hub would have signed it; times are from now. Returns owned. */
struct cor_cert *hub_sign(const struct set *set, const struct cor_key *key, int64_t from_s,
                          int64_t until_s);

/* Writes it to hub-ca.pem, n1.pem, n1.key. */
void hub_write_identity(const struct set *set, const struct identity *identity);

/* For auto_(). */
void hub_identity_free(struct identity *identity);

/* Begins to dial as name with the given identity. */
void hub_dial_begin(struct set *set, struct node *node, const struct identity *identity,
                    const char *name, const char *use);

/* Whether a struct node is open or refused; for hub_wait. */
bool hub_is_decided(void *arg);

/* Dials as name with the given identity and waits until it is open or refused. */
void hub_dial_as(struct set *set, struct node *node, const struct identity *identity,
                 const char *name, const char *use);

/* Waits until the controller has been told exactly this: "+n1 -n1 ". */
void hub_expect_sessions(struct set *set, const char *text);

/* Sends a message; route is the inside of that object. */
void hub_say(struct node *node, const char *id, const char *parent, const char *route,
             const char *content);

/* Waits for message number which (from 0) of the hub and reads it. */
void hub_frame(struct node *node, size_t which, struct px_kubeedge_in *in);

/* Ends the link, and forgets its messages. */
void hub_end(struct node *node);

/* The controller sends n1 a version of an object. */
void hub_send_object(struct set *set, const char *key, const char *version, bool gone);

/* The node acknowledges a message. */
void hub_ack(struct node *node, const struct px_kubeedge_in *in);

/* Whether a struct node is closed; for hub_wait. */
bool hub_is_closed(void *arg);

#endif
