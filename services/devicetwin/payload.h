// SPDX-License-Identifier: Apache-2.0
// The JSON that devices, applications and the cloud read and write about twins (KubeEdge
// edge/pkg/devicetwin/dttype). Pure.
#ifndef DT_PAYLOAD_H
#define DT_PAYLOAD_H

#include "common/base/attr.h"
#include "common/json/json.h"
#include "twin.h"

/* {"event_id", "timestamp"}: the head of every payload. Returns owned. */
struct cor_json *dt_payload(const char *event_id, int64_t now_ms);

/* {"event_id", "timestamp", "code", "reason"}. Returns owned. */
struct cor_json *dt_payload_error(const char *event_id, int64_t now_ms, int code,
                                  const char *reason);

/* MsgTwin of a twin, with versions or without. Returns owned; a JSON null for a deleted twin. */
struct cor_json *dt_msg_twin(const struct dt_twin *twin, bool versions);

/* {name: MsgTwin} of all live twins. Returns owned. */
struct cor_json *dt_msg_twins(const struct dt_device *device);

/* {name: MsgTwin} of the changed twins, for twin/update/result. Returns owned. */
struct cor_json *dt_msg_changed(const struct dt_change *change);

/* {name: {"last": MsgTwin or null, "current": MsgTwin or null}}, for twin/update/document; before
 * the change is applied. Returns owned. */
struct cor_json *dt_msg_document(const struct dt_device *device, const struct dt_change *change);

/* Sets "twin" and "delta" of a twin/update/delta payload. False: nothing differs, there is nothing
 * to send. */
bool dt_set_delta(const struct dt_device *device, struct cor_json *payload);

/* {name: MsgTwin with versions} of the twins the cloud has not confirmed. NULL when there is none.
 * Returns owned. */
struct cor_json *dt_msg_dirty(const struct dt_device *device);

/* The device without twins, as membership messages have it. Returns owned. */
struct cor_json *dt_msg_device(const struct dt_device *device);

/* The rows of twin.db. Read: false if the text is none of ours. */
struct cor_json *dt_row_of_twin(const struct dt_twin *twin);
struct dt_twin *dt_twin_of_row(struct cor_view name, const struct cor_json *row);
struct cor_json *dt_row_of_device(const struct dt_device *device);
struct dt_device *dt_device_of_row(struct cor_view id, const struct cor_json *row);

#endif
