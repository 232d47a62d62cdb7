// SPDX-License-Identifier: Apache-2.0
// MQTT topics of devices (KubeEdge edge/pkg/devicetwin/dtmodule, dtcommon). Pure.
#ifndef DT_TOPIC_H
#define DT_TOPIC_H

#include "common/base/attr.h"
#include "common/base/view.h"

enum dt_action {
    DT_NO_ACTION, /* not a topic of ours */
    DT_TWIN_UPDATE,
    DT_TWIN_GET,
    DT_STATE_UPDATE,
    DT_MEMBERSHIP_GET,
    DT_ACTIONS
};

/* What a message on topic asks; *id_r is the device ("<namespace>/<name>") or the node (borrows).
 */
enum dt_action dt_topic_parse(struct cor_view topic, struct cor_view *id_r);

/* "$hw/events/device/<id>/<suffix>". Returns owned. */
char *dt_topic_device(const char *id, const char *suffix) COR_MALLOC;

/* "$hw/events/node/<node>/<suffix>". Returns owned. */
char *dt_topic_node(const char *node, const char *suffix) COR_MALLOC;

#endif
