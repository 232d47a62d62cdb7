// SPDX-License-Identifier: Apache-2.0
// Messages on their way into the store, by the policy.
#include <sys/statvfs.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

struct item {
    struct stream *stream;
    struct cor_buf body; /* owned */
    uint64_t cause;
    uint64_t seq;
    uint16_t number;
    struct cor_mono came;
};

/* What a batch does to one stream. */
struct change {
    struct stream *stream;
    uint64_t id, incarnation, high;
    uint64_t offered, refused, accepted, dropped; /* dropped: was never stored */
    uint64_t rows, bytes;
    uint64_t room;  /* bytes to be freed by dropping the oldest; 0: none */
    uint64_t fence; /* of those behind this one */
    struct ob_dropped gone;
};

struct cor_outbox_batch {
    struct cor_outbox *outbox;
    struct item *items; /* owned */
    size_t count, cap;
    struct change *changes; /* owned */
    size_t change_count, change_cap;
    int64_t born;
    int64_t clock; /* to be stored; -1: not now */
    bool sealed;
};

enum { FIRST_CAP = 8, CLOCK_STEP_S = 10 };

struct cor_outbox_batch *cor_outbox_batch_new(struct cor_outbox *outbox)
{
    struct cor_outbox_batch *batch = cor_alloc(sizeof(*batch));
    batch->outbox = outbox;
    return batch;
}

static struct change *change_of(struct cor_outbox_batch *batch, struct stream *stream)
{
    /* Messages of a stream often come one behind the other. */
    for (size_t i = batch->change_count; i-- > 0;) {
        if (batch->changes[i].stream == stream) {
            return &batch->changes[i];
        }
    }
    if (batch->change_count == batch->change_cap) {
        batch->change_cap = batch->change_cap == 0 ? FIRST_CAP : batch->change_cap * 2;
        batch->changes = cor_realloc(batch->changes, batch->change_cap, sizeof(*batch->changes));
    }
    struct change *change = &batch->changes[batch->change_count++];
    *change = (struct change){.stream = stream};
    return change;
}

static bool is_disk_low(struct cor_outbox *outbox)
{
    struct statvfs fs;
    struct cor_mono now = cor_loop_now(outbox->spec.loop);
    if (outbox->spec.folder != NULL && outbox->spec.policy->reserve_bytes > 0 &&
        (outbox->disk_looked.us == 0 || cor_mono_since(now, outbox->disk_looked) >= COR_SEC(1))) {
        outbox->disk_looked = now;
        outbox->disk_low = statvfs(outbox->spec.folder, &fs) == 0 &&
                           (uint64_t)fs.f_bavail * fs.f_frsize < outbox->spec.policy->reserve_bytes;
    }
    return outbox->disk_low;
}

/* Of the least important streams that lose their oldest, the one that has most. It is at most as
 * important as the one that needs room. NULL: none. */
static struct stream *victim(const struct cor_outbox *outbox, enum cor_priority priority)
{
    struct stream *worst = NULL;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        struct stream *s = value;
        if (s->rule->full != COR_POLICY_DROP_OLDEST || s->rule->priority < priority ||
            s->rows == 0) {
            continue;
        }
        if (worst == NULL || s->rule->priority > worst->rule->priority ||
            (s->rule->priority == worst->rule->priority && s->bytes > worst->bytes)) {
            worst = s;
        }
    }
    return worst;
}

static void make_room(struct cor_outbox_batch *batch, struct stream *stream, uint64_t bytes)
{
    struct change *change = change_of(batch, stream);
    if (change->room == 0) {
        stream->fences++; /* what is to go must not be sent meanwhile */
        change->fence = stream->touched > stream->acked ? stream->touched : stream->acked;
    }
    change->room += bytes;
}

static enum cor_admit decide(struct cor_outbox_batch *batch, struct stream *stream, uint64_t len)
{
    struct cor_outbox *outbox = batch->outbox;
    enum cor_admit what =
        cor_policy_admit(outbox->spec.policy, stream->rule, len, stream->bytes + stream->adding,
                         outbox->bytes, is_disk_low(outbox));
    /* What the sink may have had is never dropped: then there is an end to what is taken, too. */
    bool over = stream->bytes + stream->adding > 2 * stream->rule->max_bytes ||
                outbox->bytes / 5 * 4 > outbox->spec.policy->queue_bytes;
    if (over && (what == COR_ADMIT_DROP_OWN || what == COR_ADMIT_DROP_OTHER)) {
        return COR_ADMIT_DROP_IT;
    }
    if (what == COR_ADMIT_DROP_OWN) {
        make_room(batch, stream, len);
    }
    if (what == COR_ADMIT_DROP_OTHER) {
        struct stream *other = victim(outbox, stream->rule->priority);
        if (other == NULL) { /* nothing less important is there */
            return stream->rule->full == COR_POLICY_REFUSE ? COR_ADMIT_REFUSE : COR_ADMIT_DROP_IT;
        }
        make_room(batch, other, len);
    }
    return what;
}

static void append(struct cor_outbox_batch *batch, struct item item)
{
    if (batch->count == batch->cap) {
        batch->cap = batch->cap == 0 ? FIRST_CAP : batch->cap * 2;
        batch->items = cor_realloc(batch->items, batch->cap, sizeof(*batch->items));
    }
    batch->items[batch->count++] = item;
}

enum cor_code cor_outbox_batch_add(struct cor_outbox_batch *batch, struct cor_view name,
                                   uint64_t cause, uint16_t number, struct cor_buf *body)
{
    must(!batch->sealed);
    struct cor_outbox *outbox = batch->outbox;
    struct stream *stream = ob_stream(outbox, name);
    enum cor_admit what = decide(batch, stream, body->len);
    struct change *change = change_of(batch, stream);
    change->offered++;
    if (what == COR_ADMIT_REFUSE) {
        change->refused++;
        cor_buf_free(body);
        return COR_BUSY;
    }
    change->accepted++;
    if (what == COR_ADMIT_DROP_IT) {
        change->dropped++;
        cor_buf_free(body);
        return COR_OK;
    }
    change->rows++;
    change->bytes += body->len;
    stream->adding += body->len;
    outbox->bytes += body->len;
    outbox->rows++;
    append(batch, (struct item){stream, *body, cause, 0, number, cor_loop_now(outbox->spec.loop)});
    *body = (struct cor_buf){0};
    return COR_OK;
}

bool cor_outbox_batch_spare(struct cor_outbox_batch *batch, struct cor_view name, uint64_t bytes,
                            unsigned count)
{
    must(!batch->sealed);
    struct stream *stream = ob_stream(batch->outbox, name);
    if (stream->bytes + stream->adding < bytes) {
        return false;
    }
    struct change *change = change_of(batch, stream);
    change->offered += count;
    change->accepted += count;
    change->dropped += count;
    return true;
}

bool cor_outbox_batch_is_empty(const struct cor_outbox_batch *batch)
{
    return batch->change_count == 0;
}

void cor_outbox_batch_seal(struct cor_outbox_batch *batch)
{
    must(!batch->sealed);
    struct cor_outbox *outbox = batch->outbox;
    batch->sealed = true;
    batch->born = ob_seconds(outbox);
    batch->clock = batch->born - outbox->seconds_stored >= CLOCK_STEP_S ? batch->born : -1;
    for (size_t i = 0; i < batch->change_count; i++) {
        ob_name(batch->changes[i].stream);
    }
    for (size_t i = 0; i < batch->count; i++) {
        batch->items[i].seq = ++batch->items[i].stream->assigned;
    }
    for (size_t i = 0; i < batch->change_count; i++) {
        struct change *change = &batch->changes[i];
        change->id = change->stream->id;
        change->incarnation = change->stream->incarnation;
        change->high = change->stream->assigned;
    }
}

static enum cor_code put_change(struct cor_db *db, const struct cor_outbox *outbox,
                                const struct change *c, struct cor_err *err)
{
    const struct cor_arg args[] = {
        COR_INT((int64_t)c->id),
        COR_INT(outbox->spec.number),
        COR_TEXT(cor_view_of(c->stream->name)), /* set once, before it could get here */
        COR_INT((int64_t)c->incarnation),
        COR_INT((int64_t)c->high),
        COR_INT((int64_t)c->offered),
        COR_INT((int64_t)c->refused),
        COR_INT((int64_t)c->accepted),
        COR_INT((int64_t)c->dropped),
        COR_INT((int64_t)c->rows),
        COR_INT((int64_t)c->bytes),
    };
    struct cor_stmt *stmt = ob_use(db, outbox, PUT_STREAM);
    for (size_t i = 0; i < COR_COUNT(args); i++) {
        cor_stmt_bind(stmt, (int)i + 1, args[i]);
    }
    return cor_stmt_run(stmt, err);
}

static enum cor_code put_item(struct cor_db *db, const struct cor_outbox_batch *batch,
                              const struct item *item, struct cor_err *err)
{
    struct cor_stmt *stmt = ob_use(db, batch->outbox, INSERT);
    cor_stmt_bind(stmt, 1,
                  COR_INT((int64_t)item->stream->id)); /* set before the batch was sealed */
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)item->seq));
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)item->cause));
    cor_stmt_bind(stmt, 4, COR_INT(item->number));
    cor_stmt_bind(stmt, 5, COR_INT(batch->born));
    cor_stmt_bind(stmt, 6, COR_BLOB(cor_buf_as_view(&item->body)));
    return cor_stmt_run(stmt, err);
}

enum cor_code cor_outbox_batch_run(struct cor_outbox_batch *batch, struct cor_db *db,
                                   struct cor_err *err)
{
    const struct cor_outbox *outbox = batch->outbox;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < batch->change_count && code == COR_OK; i++) {
        struct change *change = &batch->changes[i];
        change->gone = (struct ob_dropped){0};
        if (change->room > 0) {
            code = ob_drop(db, outbox, change->id, change->fence, change->room, -1, &change->gone,
                           err);
        }
        if (code == COR_OK) {
            code = put_change(db, outbox, change, err);
        }
    }
    for (size_t i = 0; i < batch->count && code == COR_OK; i++) {
        code = put_item(db, batch, &batch->items[i], err);
    }
    return code == COR_OK && batch->clock >= 0 ? ob_put_clock(db, outbox, batch->clock, err) : code;
}

static void take_change(struct cor_outbox *outbox, const struct change *c, bool committed)
{
    struct stream *s = c->stream;
    s->adding -= c->bytes;
    s->fences -= c->room > 0 ? 1 : 0;
    if (!committed) {
        outbox->bytes -= c->bytes;
        outbox->rows -= c->rows;
        return;
    }
    s->n.offered += c->offered;
    s->n.refused += c->refused;
    s->n.accepted += c->accepted;
    s->n.dropped += c->dropped + c->gone.rows;
    s->rows += c->rows - c->gone.rows;
    s->bytes += c->bytes - c->gone.bytes;
    s->bytes_in += c->bytes;
    s->high = c->high > s->high ? c->high : s->high;
    outbox->rows -= c->gone.rows;
    outbox->bytes -= c->gone.bytes;
}

/* A message of a stream that has nothing older to send goes out as it is, unread from the disk. */
static void send_item(const struct item *item)
{
    struct stream *stream = item->stream;
    uint64_t next = stream->origin != NULL ? cor_origin_next(stream->origin) : 0;
    next = stream->outbox->merged != NULL ? item->seq : next;
    struct cor_event event = {.seq = item->seq,
                              .skip = item->seq - next,
                              .number = item->number,
                              .cause = item->cause,
                              .raw = cor_buf_as_view(&item->body)};
    bool direct = stream->caught_up && stream->fences == 0 && next != 0 && next <= item->seq &&
                  ob_may_send(stream) && ob_send(stream, &event, item->came);
    if (!direct) {
        stream->caught_up = false;
        ob_open(stream);
        ob_ready(stream);
    }
}

void cor_outbox_batch_end(struct cor_outbox_batch **batch, bool committed)
{
    struct cor_outbox_batch *self = *batch;
    struct cor_outbox *outbox = self->outbox;
    for (size_t i = 0; i < self->change_count; i++) {
        take_change(outbox, &self->changes[i], committed);
        if (self->changes[i].room > 0) {
            ob_ready(self->changes[i].stream);
        }
    }
    if (committed && self->clock > outbox->seconds_stored) {
        outbox->seconds_stored = self->clock;
    }
    for (size_t i = 0; i < self->count; i++) {
        if (committed && outbox->port != NULL) {
            send_item(&self->items[i]);
        } else if (committed) {
            self->items[i].stream->caught_up = false;
        }
        cor_buf_free(&self->items[i].body);
    }
    cor_free(self->items);
    cor_free(self->changes);
    cor_freep(batch);
    ob_watch_age(outbox);
    ob_pump(outbox);
}
