// SPDX-License-Identifier: Apache-2.0
// Instead of the HTTP target: a subscriber of the same broker. What is measured then is the broker
// alone, the floor of everything that goes through it.
#ifndef TORTURE_SUBSCRIBER_H
#define TORTURE_SUBSCRIBER_H

#include "common/base/err.h"
#include "common/loop/loop.h"
#include "ledger.h"

struct subscriber;

/* Subscribes to <topic>/# with QoS 1 and runs the loop until the broker has said yes (SUBACK), at
 * most 10 s: what is published before that has no subscriber. COR_IO: the broker is not there, or
 * says no. Returns owned. */
COR_NODISCARD enum cor_code subscriber_new(struct cor_loop *loop, struct ledger *ledger,
                                           const char *host, int port, const char *topic,
                                           struct subscriber **subscriber_r, struct cor_err *err);

/* Frees; *subscriber becomes NULL. */
void subscriber_free(struct subscriber **subscriber);

#endif
