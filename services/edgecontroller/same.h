// SPDX-License-Identifier: Apache-2.0
// Whether an object of the API is the one that somebody wanted to create: so a create whose answer
// was lost can be looked at instead of being taken for a failure. Pure.
#ifndef EC_SAME_H
#define EC_SAME_H

#include <stdbool.h>

#include "common/json/json.h"

/* Whether found has all that sent asked for, members that the API sets by itself aside
 * (metadata.uid, resourceVersion, creationTimestamp, generation, managedFields; status). What found
 * has beyond it is defaults. */
bool ec_is_created_from(const struct cor_json *found, const struct cor_json *sent);

#endif
