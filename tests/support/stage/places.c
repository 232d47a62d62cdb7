// SPDX-License-Identifier: Apache-2.0
#include "tests/support/stage/places.h"

#include <stdio.h>

#include "common/base/must.h"

static struct stage_place *place_of(struct stage_places *places, uint64_t stream)
{
    for (size_t i = 0; i < places->count; i++) {
        if (places->items[i].stream == stream) {
            return &places->items[i];
        }
    }
    must(places->count < STAGE_PLACES);
    struct stage_place *place = &places->items[places->count++];
    place->stream = stream;
    return place;
}

uint64_t stage_places_open(struct stage_places *places, const struct cor_wire_open *open)
{
    struct stage_place *place = place_of(places, open->stream);
    (void)snprintf(place->name, sizeof(place->name), "%.*s", COR_VIEW_ARG(open->name));
    if (place->incarnation != open->incarnation) {
        place->incarnation = open->incarnation;
        place->seq = 0;
    }
    return place->seq;
}

uint64_t stage_places_take(struct stage_places *places, const struct cor_in *in)
{
    struct stage_place *place = place_of(places, in->head->stream);
    uint64_t before = place->seq;
    place->seq = in->head->seq;
    cor_commit(in->port, in->head->stream, in->head->seq);
    return before;
}
