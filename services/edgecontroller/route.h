// SPDX-License-Identifier: Apache-2.0
// A node's call as a request to the Kubernetes API. Pure.
#ifndef EC_ROUTE_H
#define EC_ROUTE_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "proto/proto.h"

struct ec_route {
    const char *method;
    const char *content_type;
    char *path; /* owned */
};

/* The request that a call means. False: no such thing is asked of the API for a node. */
bool ec_route(enum px_verb verb, enum px_patch patch, struct cor_view key,
              struct ec_route *route_r);

/* The request that gets the object of key, whether or not nodes may ask it: to look at what a write
 * has done. False: no such kind. Free with ec_route_free. */
bool ec_route_object(struct cor_view key, struct ec_route *route_r);

/* Frees what the route owns. For auto_(). */
void ec_route_free(struct ec_route *route);

#endif
