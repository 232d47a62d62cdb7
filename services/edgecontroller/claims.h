// SPDX-License-Identifier: Apache-2.0
// Which of several replicas of the cloud side has a node: the one that claimed it last, by two
// annotations of its Node. "cloudcore" is KubeEdge's, the replica's address
// (common/constants EdgeMappingCloudKey; cloud/pkg/router/listener/http.go); "coracle.io/link"
// names the link. The resourceVersion of the write is the fence: who sees another's claim in a
// later version has lost the node, and closes its link. Loop thread only, but for the pure parts.
#ifndef EC_CLAIMS_H
#define EC_CLAIMS_H

#include "edgecontroller.h"

#define EC_CLAIM_ADDRESS "cloudcore"
#define EC_CLAIM_LINK "coracle.io/link"

struct ec_claims;

/* ec is borrowed and must outlive it. Without replica.address in its configuration it is the only
 * replica: then nothing is claimed. Returns owned. */
struct ec_claims *ec_claims_new(struct ec *ec);

/* Frees, before the client of the API. *claims becomes NULL. */
void ec_claims_free(struct ec_claims **claims);

/* A node's link has begun, or (claimed) is there still and had been claimed when this controller
 * was not there yet. */
void ec_claims_begin(struct ec_claims *claims, const struct px_node_session *session);

/* The node's link (NULL: every link) has ended. */
void ec_claims_end(struct ec_claims *claims, const char *node);

/* A Node is so now: somebody may have claimed it. */
void ec_claims_look(struct ec_claims *claims, const struct cor_json *node);

/* Address of the other replica that has the node; NULL: none has it, as far as known. Borrowed
 * until the loop goes round. */
const char *ec_claims_owner(const struct ec_claims *claims, const char *node);

/* Pure: what a Node says about a claim that was written in version (0: some time ago). */
enum ec_claim_state {
    EC_CLAIM_OURS, /* or it is older than the claim */
    EC_CLAIM_NONE, /* nobody's: it is another Node of that name */
    EC_CLAIM_LOST,
};
enum ec_claim_state ec_claim_state(const struct cor_json *node, const char *claim,
                                   uint64_t version);

#endif
