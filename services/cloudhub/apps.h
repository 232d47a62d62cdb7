// SPDX-License-Identifier: Apache-2.0
// What a node's own API (KubeEdge's MetaServer) asks: reads, watches and the few writes that a node
// may do. edgecontroller says what the node may; here messages become its calls, and a node's
// watches are kept, also while it is away: an EdgeCore does not say them again. Loop thread only.
#ifndef CLOUDHUB_APPS_H
#define CLOUDHUB_APPS_H

#include "hub.h"

/* What hub->watches is at first. Returns owned. */
struct cor_map *apps_watches_new(void);

/* A session has begun: the controller is told what the node watched before. */
void apps_begin(struct session *session);

/* Handles a message of class PX_UP_DYNAMIC. */
void apps_take(struct session *session, const struct px_kubeedge_in *in);

/* Tells a controller that has come what the node watches, if anything. */
void apps_tell(struct session *session);

#endif
