// SPDX-License-Identifier: Apache-2.0
// Who gets a message of the link, what must be acknowledged, and how resource paths change on the
// way. The rules of CloudHub (cloud/pkg/cloudhub/dispatcher, common) and EdgeHub
// (edge/pkg/edgehub/messagehandler), with their substring tests. Pure. Any thread.
#ifndef PX_KUBEEDGE_RULES_H
#define PX_KUBEEDGE_RULES_H

#include <stdbool.h>

#include "proto/kubeedge/message.h"

/* What CloudHub does with a message from the edge; first match wins. */
enum px_kubeedge_up {
    PX_UP_KEEPALIVE, /* session is alive */
    PX_UP_CONTROL,   /* config, ping, pong: answered by the transport with "ack" */
    PX_UP_VOLUME,    /* answer to a CSI request */
    PX_UP_ACK,       /* of the message named by parent */
    PX_UP_ERROR,     /* information only */
    PX_UP_UPLOAD,    /* to the router */
    PX_UP_TASK,      /* to the task manager */
    PX_UP_CA,        /* asks for the API server's CA */
    PX_UP_FORGED,    /* says that it comes from the cloud */
    PX_UP_DYNAMIC,   /* to the dynamic controller */
    PX_UP_DEVICE,    /* to the device controller */
    PX_UP_EDGE,      /* to the edge controller */
};

/* Class of a message from the edge. */
enum px_kubeedge_up px_kubeedge_up(const struct px_kubeedge_in *in);

/* What EdgeHub does with a message from the cloud. */
enum px_kubeedge_down {
    PX_DOWN_CONTROL,    /* as above */
    PX_DOWN_ANSWER,     /* to who asked the message named by parent */
    PX_DOWN_META,       /* an object for the metadata store */
    PX_DOWN_TWIN,       /* to the device twins */
    PX_DOWN_EVENTBUS,   /* to the MQTT side */
    PX_DOWN_SERVICEBUS, /* to the HTTP side */
    PX_DOWN_TASK,       /* to the task manager */
    PX_DOWN_DROP,
};

/* Class of a message from the cloud. */
enum px_kubeedge_down px_kubeedge_down(const struct px_kubeedge_in *in);

/* What noAckRequired looks at. path is the full resource, "node/<node>/...". */
struct px_kubeedge_shape {
    const char *path;
    const char *source;
    const char *group;
    const char *operation;
    bool is_ok;    /* content is the string "OK" */
    bool is_error; /* content is an error value */
};

/* Whether CloudHub waits for the edge's ack of such a message. */
bool px_kubeedge_needs_ack(const struct px_kubeedge_shape *shape);

/* Appends path without "node/<node>/", as it goes down: two elements are taken off a path of three
 * or more that begins with the letters "node". */
void px_kubeedge_trim(const char *path, struct cor_buf *out);

/* Whether the edge has to acknowledge this message from the cloud: objects without parent, and
 * answers that carry a resourceVersion. More than EdgeCore does; the others would be repeated for
 * ever. */
bool px_kubeedge_must_ack(const struct px_kubeedge_in *in);

#endif
