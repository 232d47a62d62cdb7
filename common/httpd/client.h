// SPDX-License-Identifier: Apache-2.0
// One GET as a client: HTTP/1.1 to a numeric address, or HTTPS without looking at the server's
// certificate: for health checks, which ask a server whether it answers, not who it is. Loop thread
// only; nothing blocks.
#ifndef COR_HTTPD_CLIENT_H
#define COR_HTTPD_CLIENT_H

#include "common/httpd/head.h"
#include "common/loop/loop.h"

struct cor_client;

/* What came. Valid during the call. */
struct cor_client_answer {
    const char *failure;         /* NULL: the answer is complete, or body_max of it is here */
    const struct cor_head *head; /* with failure NULL */
    struct cor_view body;
};

struct cor_client_spec {
    const char *address; /* as cor_pipe_connect takes it */
    bool tls;
    const char *server_name; /* for TLS; "" or an address: none is named */
    struct cor_view request; /* all of it, head and blank line; ends the connection */
    size_t body_max;         /* the rest of the body is not waited for */
    void (*done)(void *self, const struct cor_client_answer *answer); /* once; may free */
    void *self;
};

/* Connects and asks. spec is borrowed for the call. Returns owned. */
struct cor_client *cor_client_new(struct cor_loop *loop, const struct cor_client_spec *spec);

/* Whether the connection stands. */
bool cor_client_is_open(const struct cor_client *client);

/* Closes; nothing is told any more. *client becomes NULL. For auto_(). */
void cor_client_free(struct cor_client **client);

#endif
