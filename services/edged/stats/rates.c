// SPDX-License-Identifier: Apache-2.0
#include "rates.h"

#include "common/base/map.h"
#include "common/base/mem.h"

enum { SECOND_NS = 1000000000 };

struct sample {
    struct stats_cpu cpu; /* the older one; with the rate that was last found */
    uint64_t turn;        /* when it was asked for */
};

struct rates {
    struct cor_map *samples;
    uint64_t turn;
};

struct rates *rates_new(void)
{
    struct rates *rates = cor_alloc(sizeof(*rates));
    rates->samples = cor_map_new(cor_free);
    return rates;
}

void rates_free(struct rates **rates)
{
    if (*rates != NULL) {
        cor_map_free(&(*rates)->samples);
        cor_freep(rates);
    }
}

void rates_apply(struct rates *rates, const char *key, struct stats_cpu *cpu)
{
    struct sample *sample = cor_map_get(rates->samples, cor_view_of(key));
    cpu->nano_cores = STATS_UNKNOWN;
    if (cpu->total_ns == STATS_UNKNOWN) {
        return;
    }
    if (sample == NULL) {
        sample = cor_alloc(sizeof(*sample));
        sample->cpu = *cpu;
        cor_map_set(rates->samples, cor_view_of(key), sample);
    }
    sample->turn = rates->turn;
    int64_t passed = cpu->time_ns - sample->cpu.time_ns;
    if (cpu->total_ns < sample->cpu.total_ns) { /* it was made anew */
        sample->cpu = *cpu;
    } else if (passed >= SECOND_NS) {
        double used = (double)(cpu->total_ns - sample->cpu.total_ns);
        cpu->nano_cores = (uint64_t)(used * SECOND_NS / (double)passed);
        sample->cpu = *cpu;
    } else {
        cpu->nano_cores = sample->cpu.nano_cores;
    }
}

void rates_turn(struct rates *rates)
{
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    while (cor_map_next(rates->samples, &at, &key, &value)) {
        if (((struct sample *)value)->turn != rates->turn) {
            (void)cor_map_del(rates->samples, key);
        }
    }
    rates->turn++;
}
