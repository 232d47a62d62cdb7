// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: what the cloud says of the CAs that vouch for it, and of this node's
// certificate. Blocks on the disk when there is something new. Loop thread only.
#ifndef EDGEHUB_TRUST_H
#define EDGEHUB_TRUST_H

#include "hub.h"
#include "proto/link/frame.h"

/* Takes a LINK_TRUST: stores the CAs, says so, and renews when it is asked to. COR_INVALID. What
 * cannot be written is said later: the cloud tells it again with the next connection. */
COR_NODISCARD enum cor_code trust_take(struct hub *hub, const struct px_frame *frame,
                                       struct cor_err *err);

#endif
