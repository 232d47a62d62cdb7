// SPDX-License-Identifier: Apache-2.0
// What must hold of an outbox after a power cut.
#ifndef TORTURE_CHECK_H
#define TORTURE_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

/* Opens the database (which recovers it) and looks: it is sound, and of the messages 1 to acked
 * (payload {"d":D,"s":S,…} of so many devices in turn) each is there once. False: *why says what is
 * wrong. */
bool check_outbox(const char *path, uint64_t acked, uint64_t devices, struct cor_buf *why);

#endif
