// SPDX-License-Identifier: Apache-2.0
// Message ids across the link. KubeEdge's are version 4 UUIDs and opaque; ours carry the id of the
// bus message that led to them in their random bits, so that a tap can follow a cause from the
// cloud to the edge and back. Pure. Any thread.
#ifndef PX_KUBEEDGE_ID_H
#define PX_KUBEEDGE_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/text.h"
#include "common/base/view.h"

/* Writes the UUID of message id; nonce (its low 10 bits count) tells several of one id apart. */
void px_kubeedge_id_to_uuid(uint64_t id, uint16_t nonce, char out[COR_UUID_LEN + 1]);

/* Message id inside a UUID of ours. False if it is another's: the odds that chance makes one are
 * 1 to 2^48. */
bool px_kubeedge_id_from_uuid(struct cor_view uuid, uint64_t *id_r);

#endif
