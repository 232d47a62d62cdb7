// SPDX-License-Identifier: Apache-2.0
// How far a sink that a test plays has come in each stream.
#ifndef TESTS_SUPPORT_PLACES_H
#define TESTS_SUPPORT_PLACES_H

#include "common/bus/bus.h"

enum { STAGE_PLACES = 64 };

struct stage_places {
    struct stage_place {
        uint64_t stream, incarnation, seq;
        char name[128];
    } items[STAGE_PLACES];
    size_t count;
};

/* For committed(): the place in the stream that is opened. Aborts when there are too many. */
uint64_t stage_places_open(struct stage_places *places, const struct cor_wire_open *open);

/* A message has come: commits it on port and moves the place. Returns the stream's place before. */
uint64_t stage_places_take(struct stage_places *places, const struct cor_in *in);

#endif
