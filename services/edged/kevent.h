// SPDX-License-Identifier: Apache-2.0
// Events as kubelet records them: core/v1 Event objects, equal ones counted instead of repeated.
// Pure. Source: client-go tools/record (event.go, events_cache.go). Any thread.
#ifndef EDGED_KEVENT_H
#define EDGED_KEVENT_H

#include "common/clock/clock.h"
#include "common/json/json.h"

enum { KEVENT_MEMORY = 64 }; /* events that are remembered for counting */

/* What an event is about. Borrowed. */
struct kevent_about {
    const char *kind;
    const char *api_version;
    const char *ns; /* "" for a node */
    const char *name;
    const char *uid;
    const char *field_path; /* "spec.containers{web}", or "" */
};

struct kevent {
    char *key; /* "<ns>/event/<name>" */
    bool first;
    struct cor_json *body; /* the Event; of a counted one {"event":..,"patchData":".."} as KubeEdge
                              has it: patchData is the text of a strategic-merge patch */
};

struct kevent_log;

/* A memory of what was told by this node. Returns owned. */
struct kevent_log *kevent_log_new(const char *node);

/* Frees; *log becomes NULL. For auto_(). */
void kevent_log_free(struct kevent_log **log);

/* Makes the event to send. Returns owned content in *out; free with kevent_free. */
void kevent_make(struct kevent_log *log, const struct kevent_about *about, bool warning,
                 const char *reason, const char *message, struct cor_wall now, struct kevent *out);

/* The last one made under this key could not be sent: it is not counted on. */
void kevent_forget(struct kevent_log *log, const char *key);

/* Frees the content. */
void kevent_free(struct kevent *event);

#endif
