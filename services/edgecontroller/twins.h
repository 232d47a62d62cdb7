// SPDX-License-Identifier: Apache-2.0
// Twins as the cloud shows them: status.twins of DeviceStatus and Device
// (devices.kubeedge.io/v1beta1). Pure.
#ifndef EC_TWINS_H
#define EC_TWINS_H

#include "common/json/json.h"

/* The list of twins after a report ({"<property>": MsgTwin, ...}): what the report names replaces
 * what was, properties that device's spec has not are left out. current may be NULL. Returns owned.
 */
struct cor_json *ec_twins_after(const struct cor_json *device, const struct cor_json *current,
                                const struct cor_json *report);

#endif
