// SPDX-License-Identifier: Apache-2.0
// What leaves the store: what the sink has committed, what is too old, what has no room. Acks are
// gathered for a while, so that they cost few commits: a row too many is only sent again, and the
// sink knows it.
#include "common/base/mem.h"
#include "private.h"

enum { GATHER_US = 20000, AGE_PARTS = 16 };

struct entry {
    struct stream *stream;
    uint64_t id, seq;
    uint64_t rows, bytes; /* that went */
};

struct ack_write {
    struct cor_outbox *outbox;
    int64_t clock;
    size_t count;
    struct entry entries[];
};

void ob_store_ack(struct stream *stream)
{
    struct cor_outbox *outbox = stream->outbox;
    if (cor_list_empty(&stream->acking)) {
        cor_list_add(&outbox->acking, &stream->acking);
    }
    if (!outbox->ack_writing && !cor_timer_running(outbox->ack_timer)) {
        cor_timer_start(outbox->ack_timer, GATHER_US);
    }
}

static enum cor_code run_entry(struct cor_db *db, const struct cor_outbox *outbox,
                               struct entry *entry, struct cor_err *err)
{
    struct cor_stmt *stmt = ob_use(db, outbox, FORGET);
    bool found = false;
    enum cor_code code = COR_OK;
    entry->rows = 0;
    entry->bytes = 0;
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)entry->id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)entry->seq));
    while ((code = cor_stmt_next(stmt, &found, err)) == COR_OK && found) {
        entry->rows++;
        entry->bytes += (uint64_t)cor_stmt_i64(stmt, 0);
    }
    if (code != COR_OK) {
        return code;
    }
    stmt = ob_use(db, outbox, SET_ACKED);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)entry->id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)entry->seq));
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)entry->rows));
    cor_stmt_bind(stmt, 4, COR_INT((int64_t)entry->bytes));
    return cor_stmt_run(stmt, err);
}

static enum cor_code run_acks(struct cor_db *db, void *self, struct cor_err *err)
{
    struct ack_write *write = self;
    enum cor_code code = ob_put_clock(db, write->outbox, write->clock, err);
    for (size_t i = 0; i < write->count && code == COR_OK; i++) {
        code = run_entry(db, write->outbox, &write->entries[i], err);
    }
    return code;
}

static void acks_stored(void *self, enum cor_code code, const struct cor_err *err)
{
    struct ack_write *write = self;
    struct cor_outbox *outbox = write->outbox;
    outbox->ack_writing = false;
    if (code != COR_OK) {
        LOGE(outbox->spec.log, "outbox.ack-not-stored", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
    }
    for (size_t i = 0; i < write->count; i++) {
        struct entry *entry = &write->entries[i];
        if (code != COR_OK) {
            ob_store_ack(entry->stream); /* again, later */
            continue;
        }
        entry->stream->rows -= entry->rows;
        entry->stream->bytes -= entry->bytes;
        entry->stream->n.delivered += entry->rows;
        outbox->rows -= entry->rows;
        outbox->bytes -= entry->bytes;
    }
    cor_free(write);
    if (!cor_list_empty(&outbox->acking)) {
        cor_timer_start(outbox->ack_timer, GATHER_US);
    }
    ob_maybe_room(outbox);
}

void ob_on_ack_timer(void *self)
{
    struct cor_outbox *outbox = self;
    struct cor_err err = COR_ERR_NONE;
    size_t count = 0;
    COR_LIST_EACH (counted, &outbox->acking) {
        count++;
    }
    struct ack_write *write = cor_alloc(sizeof(*write) + count * sizeof(write->entries[0]));
    write->outbox = outbox;
    write->clock = ob_seconds(outbox);
    COR_LIST_EACH (node, &outbox->acking) {
        struct stream *stream = COR_LIST_OBJECT(node, struct stream, acking);
        cor_list_del(&stream->acking);
        write->entries[write->count++] =
            (struct entry){.stream = stream, .id = stream->id, .seq = stream->acked};
    }
    outbox->ack_writing = true;
    if (cor_store_write(outbox->spec.store, run_acks, acks_stored, write, &err) != COR_OK) {
        acks_stored(write, err.code, &err);
    }
}

/* ---- dropping
 * ------------------------------------------------------------------------------------
 */

/* Walks the oldest until enough is found; the last one is *last_r, 0: none. */
static enum cor_code walk(struct cor_stmt *stmt, uint64_t bytes, int64_t born,
                          struct ob_dropped *dropped, uint64_t *last_r, struct cor_err *err)
{
    bool found = true;
    while (found && (bytes == 0 || dropped->bytes < bytes)) {
        enum cor_code code = cor_stmt_next(stmt, &found, err);
        if (code != COR_OK) {
            return code;
        }
        if (!found || (born >= 0 && cor_stmt_i64(stmt, 1) > born)) {
            break;
        }
        *last_r = (uint64_t)cor_stmt_i64(stmt, 0);
        dropped->rows++;
        dropped->bytes += (uint64_t)cor_stmt_i64(stmt, 2);
    }
    cor_stmt_reset(stmt);
    return COR_OK;
}

enum cor_code ob_drop(struct cor_db *db, const struct cor_outbox *outbox, uint64_t id,
                      uint64_t after, uint64_t bytes, int64_t born, struct ob_dropped *dropped_r,
                      struct cor_err *err)
{
    uint64_t last = 0;
    struct cor_stmt *stmt = ob_use(db, outbox, OLDEST);
    *dropped_r = (struct ob_dropped){0};
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)after));
    enum cor_code code = walk(stmt, bytes, born, dropped_r, &last, err);
    if (code != COR_OK || last == 0) {
        return code;
    }
    stmt = ob_use(db, outbox, DROP);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)after));
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)last));
    code = cor_stmt_run(stmt, err);
    stmt = ob_use(db, outbox, SET_DROPPED);
    int64_t rows = (int64_t)dropped_r->rows;
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)id));
    cor_stmt_bind(stmt, 2, COR_INT(born < 0 ? rows : 0));
    cor_stmt_bind(stmt, 3, COR_INT(born < 0 ? 0 : rows));
    cor_stmt_bind(stmt, 4, COR_INT((int64_t)dropped_r->bytes));
    return code == COR_OK ? cor_stmt_run(stmt, err) : code;
}

/* ---- age
 * -----------------------------------------------------------------------------------------
 */

struct age_write {
    struct stream *stream;
    uint64_t id, fence;
    int64_t born;
    struct ob_dropped gone;
};

static enum cor_code run_age(struct cor_db *db, void *self, struct cor_err *err)
{
    struct age_write *write = self;
    return ob_drop(db, write->stream->outbox, write->id, write->fence, 0, write->born, &write->gone,
                   err);
}

static void aged(void *self, enum cor_code code, const struct cor_err *err)
{
    struct age_write *write = self;
    struct stream *stream = write->stream;
    struct cor_outbox *outbox = stream->outbox;
    stream->fences--;
    if (code != COR_OK) {
        LOGE(outbox->spec.log, "outbox.age-failed", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
    } else {
        stream->n.expired += write->gone.rows;
        stream->rows -= write->gone.rows;
        stream->bytes -= write->gone.bytes;
        outbox->rows -= write->gone.rows;
        outbox->bytes -= write->gone.bytes;
    }
    cor_free(write);
    ob_ready(stream);
    ob_pump(outbox);
    ob_maybe_room(outbox);
}

static void age_out(struct stream *stream)
{
    struct cor_outbox *outbox = stream->outbox;
    struct cor_err err = COR_ERR_NONE;
    struct age_write *write = cor_alloc(sizeof(*write));
    *write = (struct age_write){
        .stream = stream,
        .id = stream->id,
        .fence = stream->touched > stream->acked ? stream->touched : stream->acked,
        .born = ob_seconds(outbox) - stream->rule->max_age_s - 1,
    };
    stream->fences++;
    if (write->born < 0) {
        aged(write, COR_OK, NULL);
    } else if (cor_store_write(outbox->spec.store, run_age, aged, write, &err) != COR_OK) {
        aged(write, err.code, &err);
    }
}

/* Looks only while there is something that can grow too old. */
void ob_watch_age(struct cor_outbox *outbox)
{
    size_t at = 0;
    void *value = NULL;
    int64_t least = 0;
    if (cor_timer_running(outbox->age_timer)) {
        return;
    }
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        const struct stream *stream = value;
        int64_t age = stream->rule->max_age_s;
        if (age > 0 && stream->rows > 0 && (least == 0 || age < least)) {
            least = age;
        }
    }
    if (least > 0) {
        int64_t part = least / AGE_PARTS;
        cor_timer_start(outbox->age_timer, COR_SEC(part > 1 ? part : 1));
    }
}

void ob_on_age_timer(void *self)
{
    struct cor_outbox *outbox = self;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        struct stream *stream = value;
        if (stream->rule->max_age_s > 0 && stream->rows > 0) {
            age_out(stream);
        }
    }
    ob_watch_age(outbox);
}
