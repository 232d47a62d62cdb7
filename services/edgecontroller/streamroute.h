// SPDX-License-Identifier: Apache-2.0
// Private to edgecontroller: who may ask which node's API (STREAM_ROUTE). Loop thread only.
#ifndef EC_STREAMROUTE_H
#define EC_STREAMROUTE_H

#include "edgecontroller.h"

/* Nothing asked yet. Returns owned. */
struct ec_routes *ec_routes_new(struct ec *ec);

/* Ends what is under way, before the API's client; *routes becomes NULL. */
void ec_routes_free(struct ec_routes **routes);

/* Handler of STREAM_ROUTE. */
enum cor_code ec_on_stream_route(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err);

/* Node of the Pod that a path names; "" when there is no such Pod, or it has none; NULL: the path
 * names no Pod. Returns owned. */
char *ec_route_pod_node(struct ec *ec, struct cor_view path);

#endif
