// SPDX-License-Identifier: Apache-2.0
// What seam_ws.c (connections) and seam_fetch.c (listeners, requests) share.
#ifndef SIM_SEAM_WS_H
#define SIM_SEAM_WS_H

#include "common/base/list.h"
#include "common/ws/http.h"
#include "common/ws/ws.h"
#include "world.h"

struct cor_ws {
    struct cor_link link;
    struct sim_core *core;
    struct cor_loop *loop;
    struct cor_ws_limits limits;
    struct cor_link servers;
    struct cor_link requests; /* of its clients, not answered yet */
};

struct cor_ws_server {
    struct cor_link link;
    struct cor_ws *ws;
    struct cor_ws_listen listen; /* its tls is not valid any more: what counts follows */
    struct cor_certs roots, chain;
    struct cor_cert *cert;
};

/* What a client shows when it connects: struct cor_ws_ask. Owned copies. */
struct sim_ask {
    char **headers; /* name, value, ... NULL */
    struct cor_cert *cert;
    struct cor_certs roots; /* whom it trusts... */
    bool trust_any;         /* ...unless it trusts anybody */
};

/* Copies what target says. */
void sim_ask_fill(struct sim_ask *ask, const struct cor_ws_target *target);
void sim_ask_clear(struct sim_ask *ask);

/* Whether client and server accept each other's certificates. */
bool sim_ask_is_trusted(const struct sim_ask *ask, const struct cor_ws_server *server);

/* Who listens on port; NULL: nobody. */
struct cor_ws_server *sim_ws_server(int port);

/* Requests to and from a core that has died. */
void sim_fetch_died(struct sim_core *core);

/* Its clients hear of no answer any more. */
void sim_fetch_end(struct cor_ws *ws);

#endif
