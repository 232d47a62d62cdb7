// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: one request at port 10003, from its HTTP exchange to the node and back. Loop
// thread only.
#ifndef CLOUDHUB_VISIT_H
#define CLOUDHUB_VISIT_H

#include "common/httpd/httpd.h"
#include "hub.h"

/* A request has come. It joins visits, and *count, until it is over. */
void visit_begin(struct hub *hub, struct cor_link *visits, size_t *count,
                 struct cor_exchange *exchange);

/* Ends them all; the HTTP server is to be freed after. */
void visits_end(struct cor_link *visits);

#endif
