// SPDX-License-Identifier: Apache-2.0
// What a node asks of the Kubernetes API, as the link says it: an operation on a resource, and
// answers of several shapes. Both directions of both ends. Pure. Any thread.
#ifndef PX_KUBEEDGE_CALLS_H
#define PX_KUBEEDGE_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/kubeedge/message.h"
#include "proto/proto.h"

/* A call in the words of messages.def. PATCH of a node or a pod means its status. */
struct px_kubeedge_call {
    enum px_verb verb;
    enum px_patch patch;
    char *key;           /* owned */
    struct cor_buf body; /* owned; JSON */
};

/* Frees what the struct owns. For auto_(). */
void px_kubeedge_call_free(struct px_kubeedge_call *call);

/* At the edge: operation and resource (owned, in *resource_r) that say this call, and the content
 * (appended to content as JSON). false if the link has no words for it. */
bool px_kubeedge_ask(enum px_verb verb, struct cor_view key, struct cor_view body,
                     const char **operation_r, char **resource_r, struct cor_buf *content);

/* In the cloud: the call that a message means. False if it means none. */
bool px_kubeedge_asked(const struct px_kubeedge_in *in, struct px_kubeedge_call *call_r);

/* Whether KubeEdge answers such a message at all: not if it is about an event. */
bool px_kubeedge_is_answered(struct cor_view key);

/* An answer: HTTP status, and JSON of the object or the metav1.Status. */
struct px_kubeedge_answer {
    uint64_t status;
    struct cor_view body; /* absent: none */
};

/* In the cloud: appends the content that answers a message with operation on resource (as the node
 * wrote it). Sets *is_error_r and *is_ok_r for px_kubeedge_needs_ack. */
void px_kubeedge_answer(const char *operation, const char *resource,
                        const struct px_kubeedge_answer *answer, struct cor_buf *content,
                        bool *is_ok_r, bool *is_error_r);

/* At the edge: status and body (appended to out as JSON) that a content stands for. key: what was
 * asked; objects without kind and apiVersion get them. */
uint64_t px_kubeedge_answered(struct cor_view key, struct cor_json *content, struct cor_buf *out);

#endif
