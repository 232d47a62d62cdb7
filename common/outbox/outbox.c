// SPDX-License-Identifier: Apache-2.0
// The outbox and its streams: finding, making, loading, counting.
#include "common/outbox/outbox.h"

#include <inttypes.h>
#include <sys/random.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

/* Numbers of streams that a peer of minor 0 could have are left to it. */
enum { FIRST_ID = COR_STREAM_MAX_0 + 1, NAME_MAX_LEN = 512 };

static const char OTHERS[] = "others";

struct cor_stmt *ob_use(struct cor_db *db, const struct cor_outbox *outbox, enum outbox_sql which)
{
    return cor_db_use(db, outbox->spec.statements + (size_t)which);
}

static uint64_t chance(void)
{
    uint64_t random = 0;
    must(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    return random >> 1;
}

static void stream_free(void *value)
{
    struct stream *stream = value;
    COR_LIST_EACH (node, &stream->flights) {
        ob_land(COR_LIST_OBJECT(node, struct flight, link));
    }
    cor_list_del(&stream->ready);
    cor_list_del(&stream->acking);
    cor_origin_free(&stream->origin);
    cor_free(stream->name);
    cor_free(stream);
}

static struct stream *stream_new(struct cor_outbox *outbox, struct cor_view name)
{
    struct stream *stream = cor_alloc(sizeof(*stream));
    stream->outbox = outbox;
    stream->name = cor_view_dup(name);
    stream->rule = cor_policy_find(outbox->spec.policy, name);
    stream->caught_up = true;
    cor_list_init(&stream->ready);
    cor_list_init(&stream->acking);
    cor_list_init(&stream->flights);
    cor_map_set(outbox->streams, name, stream);
    return stream;
}

struct stream *ob_stream(struct cor_outbox *outbox, struct cor_view name)
{
    struct stream *stream = cor_map_get(outbox->streams, name);
    if (stream != NULL) {
        return stream;
    }
    if (cor_map_count(outbox->streams) >= outbox->spec.streams_max || name.len > NAME_MAX_LEN) {
        name = cor_view_of(OTHERS);
        stream = cor_map_get(outbox->streams, name);
    }
    if (stream == NULL) {
        stream = stream_new(outbox, name);
        stream->id = 0; /* it gets one with its first row */
    }
    return stream;
}

static uint64_t u64(struct cor_stmt *stmt, int column)
{
    return (uint64_t)cor_stmt_i64(stmt, column);
}

static void load_stream(struct cor_outbox *outbox, struct cor_stmt *stmt)
{
    struct stream *stream = stream_new(outbox, cor_stmt_bytes(stmt, 1));
    stream->id = u64(stmt, 0);
    stream->incarnation = u64(stmt, 2);
    stream->acked = u64(stmt, 3);
    stream->high = u64(stmt, 4);
    stream->assigned = stream->high;
    stream->n = (struct cor_ledger_counts){.offered = u64(stmt, 5),
                                           .refused = u64(stmt, 6),
                                           .accepted = u64(stmt, 7),
                                           .delivered = u64(stmt, 8),
                                           .expired = u64(stmt, 9),
                                           .dropped = u64(stmt, 10)};
    stream->rows = u64(stmt, 11);
    stream->bytes = u64(stmt, 12);
    stream->caught_up = stream->rows == 0;
    /* What the process before this one had under way may be at the sink. */
    stream->touched = stream->acked + WINDOW_STREAM;
    outbox->rows += stream->rows;
    outbox->bytes += stream->bytes;
}

static enum cor_code load(struct cor_outbox *outbox, struct cor_err *err)
{
    struct cor_db *db = cor_store_reader(outbox->spec.store);
    struct cor_stmt *stmt = ob_use(db, outbox, STREAMS);
    bool found = false;
    enum cor_code code = COR_OK;
    cor_stmt_bind(stmt, 1, COR_INT(outbox->spec.number));
    while ((code = cor_stmt_next(stmt, &found, err)) == COR_OK && found) {
        load_stream(outbox, stmt);
    }
    if (code != COR_OK) {
        return code;
    }
    stmt = ob_use(db, outbox, GET_CLOCK);
    code = cor_stmt_next(stmt, &found, err);
    outbox->seconds = code == COR_OK && found ? cor_stmt_i64(stmt, 0) : 0;
    outbox->seconds_stored = outbox->seconds;
    cor_stmt_reset(stmt);
    return code;
}

static enum cor_code next_id(struct cor_outbox *outbox, struct cor_err *err)
{
    struct cor_stmt *stmt = ob_use(cor_store_reader(outbox->spec.store), outbox, LAST_ID);
    bool found = false;
    enum cor_code code = cor_stmt_next(stmt, &found, err);
    uint64_t last = code == COR_OK && found ? u64(stmt, 0) : 0;
    cor_stmt_reset(stmt);
    /* Outboxes of a store do not share numbers: each counts in steps of the possible outboxes. */
    uint64_t first = last < FIRST_ID ? FIRST_ID : last + 1;
    outbox->last_id =
        first + (COR_STREAM_MAX_0 + 1) - first % (COR_STREAM_MAX_0 + 1) + outbox->spec.number;
    return code;
}

void ob_name(struct stream *stream)
{
    if (stream->id == 0) {
        stream->id = stream->outbox->last_id;
        stream->outbox->last_id += COR_STREAM_MAX_0 + 1;
        stream->incarnation = chance();
    }
}

enum cor_code cor_outbox_new(const struct cor_outbox_spec *spec, struct cor_outbox **outbox_r,
                             struct cor_err *err)
{
    must(spec->number >= 1 && spec->number <= COR_STREAM_MAX_0 && spec->streams_max > 1);
    struct cor_outbox *outbox = cor_alloc(sizeof(*outbox));
    outbox->spec = *spec;
    outbox->streams = cor_map_new(stream_free);
    outbox->began = cor_loop_now(spec->loop);
    outbox->merged_incarnation = chance();
    for (size_t i = 0; i < COR_PRIORITIES; i++) {
        cor_list_init(&outbox->ready[i]);
    }
    cor_list_init(&outbox->acking);
    cor_list_init(&outbox->merged_flights);
    outbox->ack_timer = cor_timer_new(spec->loop, ob_on_ack_timer, outbox);
    outbox->age_timer = cor_timer_new(spec->loop, ob_on_age_timer, outbox);
    enum cor_code code = load(outbox, err);
    if (code == COR_OK) {
        code = next_id(outbox, err);
    }
    if (code != COR_OK) {
        cor_outbox_free(&outbox);
        return code;
    }
    ob_watch_age(outbox);
    *outbox_r = outbox;
    return COR_OK;
}

void cor_outbox_free(struct cor_outbox **outbox)
{
    struct cor_outbox *self = *outbox;
    if (self == NULL) {
        return;
    }
    cor_map_free(&self->streams);
    cor_origin_free(&self->merged);
    cor_timer_free(&self->ack_timer);
    cor_timer_free(&self->age_timer);
    cor_freep(outbox);
}

int64_t ob_seconds(const struct cor_outbox *outbox)
{
    int64_t us = cor_mono_since(cor_loop_now(outbox->spec.loop), outbox->began);
    return outbox->seconds + us / COR_SEC(1);
}

enum cor_code ob_put_clock(struct cor_db *db, const struct cor_outbox *outbox, int64_t seconds,
                           struct cor_err *err)
{
    struct cor_stmt *stmt = ob_use(db, outbox, SET_CLOCK);
    cor_stmt_bind(stmt, 1, COR_INT(seconds));
    return cor_stmt_run(stmt, err);
}

uint64_t cor_outbox_count(const struct cor_outbox *outbox)
{
    return outbox->rows;
}

uint64_t cor_outbox_bytes(const struct cor_outbox *outbox)
{
    return outbox->bytes;
}

bool cor_outbox_is_full(struct cor_outbox *outbox)
{
    bool full = outbox->bytes >= outbox->spec.policy->queue_bytes;
    outbox->told_full = outbox->told_full || full;
    return full;
}

void ob_maybe_room(struct cor_outbox *outbox)
{
    if (outbox->told_full && outbox->bytes < outbox->spec.policy->queue_bytes &&
        outbox->spec.room != NULL) {
        outbox->told_full = false;
        outbox->spec.room(outbox->spec.self);
    }
}

void cor_outbox_books(struct cor_outbox *outbox, struct cor_ledger_writer *out)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        const struct stream *stream = value;
        struct cor_ledger_row row = {.flow = outbox->spec.flow,
                                     .role = COR_LEDGER_ORIGIN,
                                     .durable = true,
                                     .stream = cor_view_of(stream->name),
                                     .n = stream->n,
                                     .at = {stream->incarnation, stream->acked}};
        row.n.stored = stream->rows;
        cor_ledger_row(out, &row);
    }
}

/* Seconds since the oldest message was taken. */
static int64_t oldest(const struct stream *stream)
{
    const struct cor_outbox *outbox = stream->outbox;
    struct cor_stmt *stmt = ob_use(cor_store_reader(outbox->spec.store), outbox, OLDEST);
    bool found = false;
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)stream->id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)stream->acked));
    found = cor_stmt_next(stmt, &found, NULL) == COR_OK && found;
    int64_t age = found ? ob_seconds(outbox) - cor_stmt_i64(stmt, 1) : 0;
    cor_stmt_reset(stmt);
    return age;
}

static struct cor_json *stream_json(const struct stream *stream)
{
    struct cor_json *json = cor_json_object();
    cor_json_set(json, "stream", cor_json_str(stream->name));
    cor_json_set(json, "messages", cor_json_int((int64_t)stream->rows));
    cor_json_set(json, "bytes", cor_json_int((int64_t)stream->bytes));
    cor_json_set(json, "maxBytes", cor_json_int((int64_t)stream->rule->max_bytes));
    cor_json_set(json, "oldestSeconds", cor_json_int(stream->rows == 0 ? 0 : oldest(stream)));
    cor_json_set(json, "priority", cor_json_str(cor_priority_name(stream->rule->priority)));
    cor_json_set(json, "full", cor_json_str(cor_policy_full_name(stream->rule->full)));
    cor_json_set(json, "maxAgeSeconds", cor_json_int(stream->rule->max_age_s));
    cor_json_set(json, "accepted", cor_json_int((int64_t)stream->n.accepted));
    cor_json_set(json, "delivered", cor_json_int((int64_t)stream->n.delivered));
    cor_json_set(json, "refused", cor_json_int((int64_t)stream->n.refused));
    cor_json_set(json, "expired", cor_json_int((int64_t)stream->n.expired));
    cor_json_set(json, "dropped", cor_json_int((int64_t)stream->n.dropped));
    cor_json_set(json, "acceptedBytes", cor_json_int((int64_t)stream->bytes_in));
    return json;
}

/* Of those that were sent as they came; what waited is not among them. */
static struct cor_json *delays_json(const struct cor_delays *delays)
{
    struct cor_json *json = cor_json_object();
    cor_json_set(json, "count", cor_json_int((int64_t)cor_delays_known(delays)));
    cor_json_set(json, "p50Us", cor_json_int(cor_delays_at(delays, 50)));
    cor_json_set(json, "p99Us", cor_json_int(cor_delays_at(delays, 99)));
    return json;
}

struct cor_json *cor_outbox_queue(struct cor_outbox *outbox)
{
    struct cor_json *list = cor_json_array();
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        cor_json_add(list, stream_json(value));
    }
    struct cor_json *json = cor_json_object();
    cor_json_set(json, "flow", cor_json_str(outbox->spec.flow));
    cor_json_set(json, "messages", cor_json_int((int64_t)outbox->rows));
    cor_json_set(json, "bytes", cor_json_int((int64_t)outbox->bytes));
    cor_json_set(json, "maxBytes", cor_json_int((int64_t)outbox->spec.policy->queue_bytes));
    cor_json_set(json, "confirmed", delays_json(&outbox->delays));
    cor_json_set(json, "streams", list);
    return json;
}
