// SPDX-License-Identifier: Apache-2.0
// MQTT topics: where a message goes, and what may be published or subscribed. Pure.
// The subscriptions and where each leads are KubeEdge's (edge/pkg/eventbus/mqtt/client.go).
#ifndef EB_TOPIC_H
#define EB_TOPIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

enum eb_way {
    EB_NOWHERE,  /* not a topic */
    EB_TO_TWIN,  /* a device topic */
    EB_TO_CLOUD, /* an upload */
    EB_DROPPED,  /* the broker says how many publications it has dropped since its start */
};

/* Where a message on topic goes. */
enum eb_way eb_topic_way(struct cor_view topic);

/* Name of the stream that a message on topic is part of: "device/NS/NAME", "node/NAME" or
 * "topic/TOPIC". Returns owned. */
char *eb_topic_stream(struct cor_view topic);

/* A name that may be published on (MQTT 3.1.1 section 4.7): 1..65535 bytes of UTF-8, no wildcards.
 */
bool eb_topic_is_name(struct cor_view topic);

/* A filter that may be subscribed to: like a name, with '+' and '#' where they may stand. */
bool eb_topic_is_filter(struct cor_view filter);

/* The fixed subscriptions. */
extern const char *const EB_TOPICS[];
extern const size_t EB_TOPIC_COUNT;

/* How many messages the broker has dropped since it said before; its number begins at 0 with it. */
uint64_t eb_dropped_since(uint64_t before, uint64_t said);

#endif
