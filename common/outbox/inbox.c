// SPDX-License-Identifier: Apache-2.0
#include "common/outbox/inbox.h"

#include <inttypes.h>

#include "common/base/map.h"
#include "common/base/mem.h"

enum { ALL, PUT };

struct inbox_source {
    char *name; /* owned */
    uint64_t incarnation, seq;
    uint64_t taken;  /* last one that is written or on its way */
    uint64_t opened; /* what its origin said is confirmed: the bus believes it */
    uint64_t accepted, duplicates;
};

struct cor_inbox {
    struct cor_inbox_spec spec;
    struct cor_map *sources; /* name -> struct inbox_source, owned */
    struct cor_map *streams; /* number in this session -> struct inbox_source */
};

static void source_free(void *value)
{
    struct inbox_source *source = value;
    cor_free(source->name);
    cor_free(source);
}

static struct inbox_source *source_of(struct cor_inbox *inbox, struct cor_view name)
{
    struct inbox_source *source = cor_map_get(inbox->sources, name);
    if (source == NULL) {
        source = cor_alloc(sizeof(*source));
        source->name = cor_view_dup(name);
        cor_map_set(inbox->sources, name, source);
    }
    return source;
}

enum cor_code cor_inbox_new(const struct cor_inbox_spec *spec, struct cor_inbox **inbox_r,
                            struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(spec->store), spec->statements + ALL);
    struct cor_inbox *inbox = cor_alloc(sizeof(*inbox));
    bool found = false;
    enum cor_code code = COR_OK;
    inbox->spec = *spec;
    inbox->sources = cor_map_new(source_free);
    inbox->streams = cor_map_new(NULL);
    cor_stmt_bind(stmt, 1, COR_INT(spec->number));
    while ((code = cor_stmt_next(stmt, &found, err)) == COR_OK && found) {
        struct inbox_source *source = source_of(inbox, cor_stmt_bytes(stmt, 0));
        source->incarnation = (uint64_t)cor_stmt_i64(stmt, 1);
        source->seq = (uint64_t)cor_stmt_i64(stmt, 2);
        source->taken = source->seq;
        source->accepted = (uint64_t)cor_stmt_i64(stmt, 3);
    }
    if (code != COR_OK) {
        cor_inbox_free(&inbox);
        return code;
    }
    *inbox_r = inbox;
    return COR_OK;
}

void cor_inbox_free(struct cor_inbox **inbox)
{
    if (*inbox != NULL) {
        cor_map_free(&(*inbox)->streams);
        cor_map_free(&(*inbox)->sources);
        cor_freep(inbox);
    }
}

static struct cor_view key_of(const uint64_t *stream)
{
    return (struct cor_view){(const char *)stream, sizeof(*stream)};
}

uint64_t cor_inbox_open(struct cor_inbox *inbox, const struct cor_wire_open *open)
{
    /* A peer of minor 0 gives no names: its stream is called by its number. */
    auto_(cor_freep) char *number = cor_sprintf("#%" PRIu64, open->stream);
    struct inbox_source *source =
        source_of(inbox, open->name.len > 0 ? open->name : cor_view_of(number));
    if (source->incarnation != open->incarnation) {
        source->incarnation = open->incarnation;
        source->seq = 0;
        source->taken = 0;
    }
    source->opened = open->after;
    cor_map_set(inbox->streams, key_of(&open->stream), source);
    return source->seq;
}

bool cor_inbox_is_taken(struct cor_inbox *inbox, uint64_t stream, uint64_t seq)
{
    struct inbox_source *source = cor_map_get(inbox->streams, key_of(&stream));
    bool taken = source != NULL && seq <= source->taken;
    if (taken) {
        source->duplicates++;
    }
    return taken;
}

struct cor_inbox_place cor_inbox_place(struct cor_inbox *inbox, uint64_t stream, uint64_t seq)
{
    struct inbox_source *source = cor_map_get(inbox->streams, key_of(&stream));
    if (source != NULL && seq > source->taken) {
        source->taken = seq;
    }
    return (struct cor_inbox_place){.source = source,
                                    .incarnation = source == NULL ? 0 : source->incarnation,
                                    .seq = seq,
                                    .count = 1};
}

enum cor_code cor_inbox_run(const struct cor_inbox *inbox, const struct cor_inbox_place *place,
                            struct cor_db *db, struct cor_err *err)
{
    if (place->source == NULL) {
        return COR_OK;
    }
    struct cor_stmt *stmt = cor_db_use(db, inbox->spec.statements + PUT);
    cor_stmt_bind(stmt, 1, COR_INT(inbox->spec.number));
    cor_stmt_bind(stmt, 2, COR_TEXT(cor_view_of(place->source->name))); /* never changes */
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)place->incarnation));
    cor_stmt_bind(stmt, 4, COR_INT((int64_t)place->seq));
    cor_stmt_bind(stmt, 5, COR_INT((int64_t)place->count));
    return cor_stmt_run(stmt, err);
}

void cor_inbox_done(const struct cor_inbox_place *place)
{
    struct inbox_source *source = place->source;
    if (source == NULL) {
        return;
    }
    source->accepted += place->count;
    if (source->incarnation == place->incarnation && place->seq > source->seq) {
        source->seq = place->seq;
    }
}

static void tell_repeats(const struct cor_inbox *inbox, const struct cor_port *port,
                         struct cor_ledger_writer *out)
{
    struct cor_ledger_row row = {.flow = inbox->spec.flow,
                                 .role = COR_LEDGER_SINK,
                                 .durable = true,
                                 .stream = COR_VIEW("(dropped by the bus)"),
                                 .n = {.duplicates = cor_port_duplicates(port)}};
    if (row.n.duplicates > 0) {
        cor_ledger_row(out, &row);
    }
}

void cor_inbox_books(struct cor_inbox *inbox, const struct cor_port *port,
                     struct cor_ledger_writer *out)
{
    if (port != NULL) {
        tell_repeats(inbox, port, out);
    }
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(inbox->sources, &at, NULL, &value)) {
        const struct inbox_source *source = value;
        struct cor_ledger_row row = {.flow = inbox->spec.flow,
                                     .role = COR_LEDGER_SINK,
                                     .durable = true,
                                     .stream = cor_view_of(source->name),
                                     .n = {.offered = source->accepted,
                                           .accepted = source->accepted,
                                           .delivered = source->accepted,
                                           .duplicates = source->duplicates},
                                     .at = {source->incarnation, source->seq > source->opened
                                                                     ? source->seq
                                                                     : source->opened}};
        cor_ledger_row(out, &row);
    }
}
