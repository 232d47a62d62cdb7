// SPDX-License-Identifier: Apache-2.0
// What a Rule means, with the RuleEndpoints that it names (rules.kubeedge.io/v1; KubeEdge
// cloud/pkg/router/rule and provider). Pure.
#ifndef EC_RULE_H
#define EC_RULE_H

#include <stdbool.h>

#include "common/json/json.h"

enum ec_rule_kind {
    EC_RULE_BAD,     /* cannot be served; why says it */
    EC_RULE_UPLOAD,  /* eventbus to rest: a topic of a node's broker to an HTTP target */
    EC_RULE_PUBLISH, /* rest to eventbus: the REST entrance to a topic */
};

enum { EC_BATCH_MAX = 1000 };

/* All strings are owned, "" when the kind has no use for them. */
struct ec_rule {
    enum ec_rule_kind kind;
    char *why;
    char *node;  /* UPLOAD */
    char *topic; /* UPLOAD: on the broker, <namespace>/<topic>. PUBLISH: the target's, as it is */
    char *url;   /* UPLOAD */
    char *path;  /* PUBLISH: without slashes at its ends */
    unsigned batch; /* UPLOAD: messages in one POST, at least 1 */
    bool ndjson;    /* a batch is lines, not an array */
};

/* Reads rule; source and target are its endpoints, NULL when they are not there (yet). Fills
 * *rule_r, which ec_rule_clear empties. */
void ec_rule_read(const struct cor_json *rule, const struct cor_json *source,
                  const struct cor_json *target, struct ec_rule *rule_r);

/* Whether messages go the same way by both. */
bool ec_rule_same(const struct ec_rule *a, const struct ec_rule *b);

/* Frees what it owns. */
void ec_rule_clear(struct ec_rule *rule);

#endif
