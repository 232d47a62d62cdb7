// SPDX-License-Identifier: Apache-2.0
// A client of the broker that publishes for all devices, QoS 1, at a rate.
#ifndef TORTURE_PUBLISHER_H
#define TORTURE_PUBLISHER_H

#include "common/base/err.h"
#include "common/loop/loop.h"
#include "ledger.h"

struct publisher_spec {
    const char *host; /* path of a unix socket when port is 0 */
    int port;
    const char *topic; /* device D publishes on <topic>/D */
    size_t devices;
    size_t bytes;      /* of a payload, at least */
    uint64_t rate;     /* messages a second; 0: as fast as the broker acknowledges */
    uint64_t flight;   /* un-acknowledged at once */
    uint64_t count;    /* in all; 0: until publisher_stop */
    uint64_t behind;   /* acknowledged and not arrived at once; 0: any number */
    size_t properties; /* > 0: twin updates of so many, on the topic itself */
    struct cor_loop *loop;
    struct ledger *ledger;
};

struct publisher;

/* Connects and begins. COR_IO: the broker is not there. Returns owned. */
COR_NODISCARD enum cor_code publisher_new(const struct publisher_spec *spec,
                                          struct publisher **publisher_r, struct cor_err *err);

/* Publishes nothing new; acknowledgements are still heard. */
void publisher_stop(struct publisher *publisher);

/* Whether it was stopped or has published count messages. */
bool publisher_is_done(const struct publisher *publisher);

/* Frees; *publisher becomes NULL. */
void publisher_free(struct publisher **publisher);

#endif
