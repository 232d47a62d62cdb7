// SPDX-License-Identifier: Apache-2.0
// Contact lost deletes nothing: on a node that is marked autonomous, Pods tolerate for ever that
// the node is not ready or unreachable. Without that Kubernetes deletes them after five minutes
// (admission DefaultTolerationSeconds; pkg/controller/tainteviction), and the node ends them when
// it comes back. Loop thread only, but for the pure part.
#ifndef EC_TOLERATIONS_H
#define EC_TOLERATIONS_H

#include "edgecontroller.h"

/* Annotation of a Node: "true". edged registers its Node with it; KubeEdge's nodes get it by hand.
 */
#define EC_AUTONOMOUS "coracle.io/autonomous"

struct ec_tolerations;

/* ec is borrowed and must outlive it. Returns owned. */
struct ec_tolerations *ec_tolerations_new(struct ec *ec);

/* Frees, before the client of the API. *tolerations becomes NULL. */
void ec_tolerations_free(struct ec_tolerations **tolerations);

/* A Node is so now. One that becomes autonomous has its Pods looked at. */
void ec_tolerations_node(struct ec_tolerations *tolerations, const struct cor_json *node);

/* The Node is no more. */
void ec_tolerations_node_gone(struct ec_tolerations *tolerations, const char *node);

/* A Pod is so now: its tolerations are written when its node is autonomous and they must be. */
void ec_tolerations_pod(struct ec_tolerations *tolerations, const struct cor_json *pod);

/* Pure: the tolerations that a Pod needs so that it stays for ever; NULL: it has them, or it is
 * ending. A toleration with any other limit than default_seconds, which the API server adds by
 * itself, is somebody's wish and stays. Returns owned. */
struct cor_json *ec_tolerations_needed(const struct cor_json *pod, int64_t default_seconds);

#endif
