// SPDX-License-Identifier: Apache-2.0
// What the API of an EdgeCore's node (MetaServer) asks of the cloud: an "Application", in the group
// dynamiccontroller (pkg/metaserver/application.go, key.go; cloud/pkg/dynamiccontroller). In the
// cloud's role. Pure. Any thread.
#ifndef PX_KUBEEDGE_APP_H
#define PX_KUBEEDGE_APP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/json/json.h"
#include "proto/kubeedge/calls.h"

enum px_app_verb {
    PX_APP_GET,
    PX_APP_LIST,
    PX_APP_WATCH,
    PX_APP_CREATE,
    PX_APP_DELETE,
    PX_APP_UPDATE,
    PX_APP_UPDATE_STATUS,
    PX_APP_PATCH,
    PX_APP_OTHER, /* none of KubeEdge's */
};

/* Longest key and name that are read. */
enum { PX_APP_KEY_MAX = 1024 };

/* An Application as read. Views borrow from the content. */
struct px_kubeedge_app {
    struct cor_view id;
    enum px_app_verb verb;
    bool discovery;       /* key is a path of discovery: nothing of the next four is set */
    struct cor_view key;  /* as it came */
    struct cor_view ns;   /* "": all, or of the cluster */
    struct cor_view name; /* "": none */
    struct cor_view plural;
    char *group_version; /* owned */
    struct cor_view sub;
    struct cor_json *option; /* owned; an object, or NULL: it is none */
    struct cor_buf body;     /* owned: the object of a write */
};

/* Reads content. False if it is no Application (the message has no answer then). Free with
 * px_kubeedge_app_free in any case. */
bool px_kubeedge_app_read(const struct cor_json *content, struct px_kubeedge_app *app_r);

/* Frees what the struct owns. For auto_(). */
void px_kubeedge_app_free(struct px_kubeedge_app *app);

/* The call that a write means, of those that nodes may do: statuses of nodes and Pods, Leases,
 * events, the end of a Pod. False: none. Free with px_kubeedge_call_free. */
bool px_kubeedge_app_call(const struct px_kubeedge_app *app, struct px_kubeedge_call *call_r);

/* The Application with its answer: approved, or rejected with the Status as Error. Returns owned.
 */
struct cor_json *px_kubeedge_app_answer(const struct cor_json *content, const char *node,
                                        const struct px_kubeedge_answer *answer);

#endif
