// SPDX-License-Identifier: Apache-2.0
// Service account tokens at the edge: which cached one serves a request, and when to ask for a new
// one. Due after 80 % of its life or 24 h, as in the kubelet (pkg/kubelet/token); an overdue token
// is still better than none while the cloud is away. Pure.
#ifndef META_TOKEN_H
#define META_TOKEN_H

#include <stdbool.h>

#include "common/base/buf.h"
#include "common/clock/clock.h"
#include "common/json/json.h"

/* Appends the name under which the answer to request (a TokenRequest for key) is kept: equal for
 * requests that one token serves. */
void meta_token_name(struct cor_view key, const struct cor_json *request, struct cor_buf *out);

/* Reads status.expirationTimestamp of a TokenRequest. False if it has none. */
bool meta_token_expiry(const struct cor_json *answer, struct cor_wall *expiry_r);

/* Whether a token issued and expiring then is to be refreshed now. */
bool meta_token_due(struct cor_wall issued, struct cor_wall expiry, struct cor_wall now);

#endif
