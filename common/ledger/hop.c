// SPDX-License-Identifier: Apache-2.0
#include "common/ledger/hop.h"

#include <inttypes.h>

#include "common/base/map.h"
#include "common/base/mem.h"

struct hop_stream {
    char *name; /* owned */
    uint64_t incarnation;
    uint64_t confirmed; /* by the next one */
    uint64_t told;      /* to the one before */
    struct cor_ledger_counts n;
};

struct cor_hop {
    const char *flow; /* borrowed */
    size_t max;
    bool first;
    struct cor_map *streams;  /* name -> struct hop_stream, owned */
    struct cor_map *numbers;  /* number -> struct hop_stream */
    struct hop_stream others; /* of those beyond max; places unknown */
};

static void stream_free(void *value)
{
    struct hop_stream *stream = value;
    cor_free(stream->name);
    cor_free(stream);
}

struct cor_hop *cor_hop_new(const char *flow, size_t max, bool first)
{
    struct cor_hop *hop = cor_alloc(sizeof(*hop));
    hop->flow = flow;
    hop->max = max;
    hop->first = first;
    hop->streams = cor_map_new(stream_free);
    hop->numbers = cor_map_new(NULL);
    return hop;
}

void cor_hop_free(struct cor_hop **hop)
{
    if (*hop != NULL) {
        cor_map_free(&(*hop)->numbers);
        cor_map_free(&(*hop)->streams);
        cor_freep(hop);
    }
}

static struct cor_view key_of(const uint64_t *number)
{
    return (struct cor_view){(const char *)number, sizeof(*number)};
}

static struct hop_stream *find(struct cor_hop *hop, uint64_t number)
{
    struct hop_stream *stream = cor_map_get(hop->numbers, key_of(&number));
    return stream == NULL ? &hop->others : stream;
}

/* The stream of this name; NULL: there are too many. */
static struct hop_stream *find_or_make(struct cor_hop *hop, struct cor_view name)
{
    struct hop_stream *stream = cor_map_get(hop->streams, name);
    if (stream == NULL && cor_map_count(hop->streams) < hop->max) {
        stream = cor_alloc(sizeof(*stream));
        stream->name = cor_view_dup(name);
        cor_map_set(hop->streams, name, stream);
    }
    return stream;
}

static uint64_t most(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* All up to after was confirmed to the origin. What is not in these books was not confirmed by the
 * next one, and will not be, for it believes the origin. */
static void believe(const struct cor_hop *hop, struct hop_stream *stream, uint64_t after)
{
    if (after > stream->told && hop->first) {
        stream->n.offered += after - stream->told;
        stream->n.accepted += after - stream->told;
    }
    stream->told = most(stream->told, after);
    stream->confirmed = most(stream->confirmed, after);
}

void cor_hop_open(struct cor_hop *hop, const struct cor_wire_open *open)
{
    auto_(cor_freep) char *number = cor_sprintf("#%" PRIu64, open->stream);
    struct hop_stream *stream =
        find_or_make(hop, open->name.len > 0 ? open->name : cor_view_of(number));
    if (stream == NULL) {
        (void)cor_map_del(hop->numbers, key_of(&open->stream));
        return;
    }
    if (stream->incarnation != open->incarnation) {
        stream->incarnation = open->incarnation;
        stream->told = open->after;
        stream->confirmed = open->after;
    } else {
        believe(hop, stream, open->after);
    }
    cor_map_set(hop->numbers, key_of(&open->stream), stream);
}

void cor_hop_received(struct cor_hop *hop, uint64_t number)
{
    find(hop, number)->n.received++;
}

void cor_hop_passed(struct cor_hop *hop, uint64_t number)
{
    find(hop, number)->n.passed++;
}

void cor_hop_refused(struct cor_hop *hop, uint64_t number)
{
    cor_ledger_refuse(&find(hop, number)->n, 1);
}

void cor_hop_confirmed(struct cor_hop *hop, uint64_t number, uint64_t seq)
{
    struct hop_stream *stream = find(hop, number);
    if (stream != &hop->others && seq > stream->confirmed) {
        stream->n.delivered += seq - stream->confirmed;
        stream->confirmed = seq;
    }
}

void cor_hop_told(struct cor_hop *hop, uint64_t number, uint64_t seq)
{
    struct hop_stream *stream = find(hop, number);
    if (stream != &hop->others && seq > stream->told) {
        stream->n.offered += seq - stream->told;
        stream->n.accepted += seq - stream->told;
        stream->told = seq;
    }
}

static void tell(const struct cor_hop *hop, const struct hop_stream *stream, const char *name,
                 struct cor_ledger_writer *out)
{
    struct cor_ledger_row row = {.flow = hop->flow,
                                 .role = COR_LEDGER_HOP,
                                 .stream = cor_view_of(name),
                                 .n = stream->n,
                                 .at = {stream->incarnation, stream->confirmed}};
    cor_ledger_row(out, &row);
}

void cor_hop_books(const struct cor_hop *hop, struct cor_ledger_writer *out)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(hop->streams, &at, NULL, &value)) {
        const struct hop_stream *stream = value;
        tell(hop, stream, stream->name, out);
    }
    if (hop->others.n.received > 0) {
        tell(hop, &hop->others, "others", out);
    }
}

void cor_hop_sum(const struct cor_hop *hop, struct cor_ledger_counts *sum)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(hop->streams, &at, NULL, &value)) {
        cor_ledger_add(sum, &((const struct hop_stream *)value)->n);
    }
    cor_ledger_add(sum, &hop->others.n);
}
