// SPDX-License-Identifier: Apache-2.0
// What seam_kube.c (clients of the Kubernetes API) and seam_httpd.c (its server) share: a flow is
// one request with its answer, which outlives both ends.
#ifndef SIM_SEAM_HTTP_H
#define SIM_SEAM_HTTP_H

#include "common/base/buf.h"
#include "common/base/list.h"
#include "world.h"

struct cor_kube_call;
struct cor_exchange;
struct cor_stream;

struct sim_flow {
    struct cor_link link;
    struct sim_core *client;
    struct sim_core *server;
    struct cor_kube_call *call;    /* NULL: the client has gone or got its end */
    struct cor_exchange *exchange; /* until it is answered */
    struct cor_stream *stream;     /* until it has ended */
    bool broken;                   /* the connection is no more */
    int64_t busy_until;            /* of the answer's parts, which arrive in order */
    /* The request; owned. */
    char *method;
    char *target;
    char *type;
    char *user; /* common name of the client's certificate */
    char *group;
    struct cor_buf body;
};

/* Runs on the server: hands the request to whoever serves, or refuses the connection. */
void sim_httpd_take(void *flow);

/* Runs on the server: the client has gone. */
void sim_httpd_hangup(void *flow);

/* Sends the client a part of an answer (takes bytes): status 0 breaks the connection. */
struct sim_part {
    struct sim_flow *flow;
    int status;
    int64_t retry_after_us;
    bool last;
    struct cor_buf bytes;
};
void sim_flow_send(struct sim_part *part);

/* Runs on the client: part arrives. */
void sim_kube_take(void *part);

/* Ends the calls of a core, or of its clients. */
void sim_httpd_died(struct sim_core *core);

#endif
