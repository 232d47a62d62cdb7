// SPDX-License-Identifier: Apache-2.0
// Labels, annotations and taints that the settings give the Node. What they give is written down in
// an annotation of the Node, so that what they give no more can be taken away; what others have set
// stays. Pure. Any thread.
#ifndef EDGED_MARKS_H
#define EDGED_MARKS_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/conf/conf.h"
#include "common/json/json.h"
#include "nodeobj.h"

/* Whether the texts of the settings are such: "key=value", for taints "key=value:Effect" or
 * "key:Effect". COR_INVALID names the setting and the text. */
COR_NODISCARD enum cor_code marks_check(const struct cor_conf_strs *labels,
                                        const struct cor_conf_strs *annotations,
                                        const struct cor_conf_strs *taints, struct cor_err *err);

/* Puts the settings' annotations into the Node's, and what the settings give. annotations is an
 * object. */
void marks_annotate(const struct node_info *info, struct cor_json *annotations);

/* A merge patch of the labels and annotations of a Node that is there. wanted: what node_object
 * made; there (may be NULL: not known): the Node as the API has it. Taints are left alone, as by
 * the kubelet, which may not set them (NodeRestriction), and so is the annotation for autonomy,
 * which is for people to change. Returns owned. */
struct cor_json *marks_patch(const struct cor_json *wanted, const struct cor_json *there);

#endif
