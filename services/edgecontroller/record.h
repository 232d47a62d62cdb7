// SPDX-License-Identifier: Apache-2.0
// What a node that speaks KubeEdge's dialect has: one ObjectSync (ClusterObjectSync for objects of
// the cluster) for each object and node, named <node>.<uid of the object>
// (reliablesyncs.kubeedge.io/v1alpha1; cloud/pkg/cloudhub/dispatcher, cloud/pkg/synccontroller).
// Pure.
#ifndef EC_RECORD_H
#define EC_RECORD_H

#include "common/base/view.h"
#include "common/json/json.h"

#define EC_RECORD_API "reliablesyncs.kubeedge.io/v1alpha1"

/* Version of an object that the node has not acknowledged yet. */
#define EC_RECORD_NONE "0"

/* What a record is about. */
struct ec_subject {
    const char *node;
    const char *uid;
    const char *ns; /* "": of the cluster */
    const char *api_version;
    const char *kind;
    const char *name;
};

/* Name of the record. Returns owned. */
char *ec_record_name(const char *node, const char *uid);

/* Node and uid that a record's name says (borrowed from it). False: it is none. */
bool ec_record_split(struct cor_view name, struct cor_view *node_r, struct cor_view *uid_r);

/* The record as it is made, without a status: that is a resource of its own. Returns owned. */
struct cor_json *ec_record_new(const struct ec_subject *subject);

/* Merge patch of its status: the node has this version. Returns owned. */
struct cor_json *ec_record_patch(const char *version);

/* The version that a record (NULL: there is none) says; "" when it says none. Borrowed. */
const char *ec_record_version(const struct cor_json *record);

/* Whether a node with that record has version of the object already. */
bool ec_record_covers(const struct cor_json *record, struct cor_view version);

#endif
