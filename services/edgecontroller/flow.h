// SPDX-License-Identifier: Apache-2.0
// The messages of one stream of uploads that wait here for their target, in order, and the stream's
// place. Pure.
#ifndef EC_FLOW_H
#define EC_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/list.h"
#include "common/base/view.h"

/* One message. */
struct ec_upload {
    struct cor_link link;
    uint64_t seq;
    int64_t time_us; /* UTC when the last hop sent it */
    char *topic;     /* owned */
    char *payload;   /* owned */
    size_t len;
};

struct ec_flow_queue {
    uint64_t received;  /* last sequence taken */
    uint64_t committed; /* last sequence that needs not come again */
    struct cor_link list;
    size_t count;
    size_t bytes; /* of payloads */
};

/* What is done with a message that has come. */
enum ec_taken {
    EC_TAKEN,
    EC_TAKEN_BEFORE, /* it waits here already */
    EC_OVER,         /* it was committed before: say so again */
    EC_FULL,
};

/* Bounds of what waits. */
struct ec_flow_limit {
    size_t count, bytes;
};

/* Empty, nothing received. */
void ec_flow_init(struct ec_flow_queue *queue);

/* A message has come: is kept (copied), or not. */
enum ec_taken ec_flow_take(struct ec_flow_queue *queue, struct ec_flow_limit limit,
                           const struct ec_upload *message);

/* The message whose turn it is; NULL: none. Borrowed. */
const struct ec_upload *ec_flow_head(const struct ec_flow_queue *queue);

/* How many messages from the head on go together: same topic, not empty, at most max, of at most
 * bytes; at least 1 when there is a head. */
size_t ec_flow_batch(const struct ec_flow_queue *queue, size_t max, size_t bytes);

/* The first count messages are over: forgets them and moves committed on. Returns their bytes. */
size_t ec_flow_pop(struct ec_flow_queue *queue, size_t count);

/* What waits up to seq was committed elsewhere: forgets it. Returns how many, and their bytes. */
size_t ec_flow_skip(struct ec_flow_queue *queue, uint64_t seq, size_t *bytes_r);

/* Forgets all that waits; received and committed start anew. Returns their bytes. */
size_t ec_flow_clear(struct ec_flow_queue *queue);

#endif
