// SPDX-License-Identifier: Apache-2.0
// What a node sends with a call, and what of it goes to the API. The API server believes
// edgecontroller, which may do more than a node; so what Kubernetes' NodeRestriction
// (plugin/pkg/admission/noderestriction) keeps from a node is kept from it here. Pure.
#ifndef EC_BODY_H
#define EC_BODY_H

#include "bound.h"
#include "common/base/attr.h"
#include "common/base/err.h"
#include "proto/proto.h"

/* Who sends what. All borrowed; key is one that ec_is_own has let through. */
struct ec_said {
    const struct ec_bound *pods;
    const char *node;
    const char *node_uid; /* of its Node; NULL: not known */
    enum px_verb verb;
    const struct px_key *key;
    struct cor_view body;
};

/* *out_r (owned): what goes to the API; NULL: nothing. COR_DENIED: it speaks for somebody else, or
 * takes what is not the node's. COR_INVALID: no JSON object where one is needed. */
COR_NODISCARD enum cor_code ec_body(const struct ec_said *said, struct cor_json **out_r,
                                    struct cor_err *err);

/* The uid that a PATCH or DELETE of a Pod speaks of: uid when it names none itself. */
void ec_body_pin(struct cor_json *body, enum px_verb verb, const char *uid);

/* Borrowed; "": none. */
const char *ec_body_uid(const struct cor_json *body, enum px_verb verb);

/* A Node as it goes to the API (its status.addresses, if it says any): its kubelet is asked at
 * address, an IP address, and port: the first InternalIP and the Hostname are that. The node's own
 * addresses stay behind it. */
void ec_body_point(struct cor_json *node, const char *address, int64_t port);

#endif
