// SPDX-License-Identifier: Apache-2.0
#include "common/outbox/outbox.h"

#include <inttypes.h>
#include <sys/random.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum { INSERT, NEXT, FORGET, SET_ACKED, GET_STREAM, ADD_STREAM, GET_LAST };

struct cor_outbox {
    struct cor_outbox_spec spec;
    struct cor_origin *origin;
    uint64_t incarnation;
    uint64_t announced; /* insertions on their way to the store */
    uint64_t committed; /* highest sequence known to be in the store */
    uint64_t acked;
    bool pumping;
};

/* What the store knows of a stream at start. */
struct place {
    const struct cor_outbox_spec *spec;
    uint64_t incarnation;
    uint64_t acked;
    uint64_t last;
};

static struct cor_stmt *use(struct cor_db *db, const struct cor_outbox_spec *spec, size_t which)
{
    struct cor_stmt *stmt = cor_db_use(db, spec->statements + which);
    if (which != SET_ACKED) {
        cor_stmt_bind(stmt, 1, COR_INT((int64_t)spec->stream));
    }
    return stmt;
}

static enum cor_code add_stream(struct cor_db *db, struct place *place, struct cor_err *err)
{
    int64_t random = 0;
    must(getrandom(&random, sizeof(random), 0) == (ssize_t)sizeof(random));
    place->incarnation = (uint64_t)random >> 1;
    struct cor_stmt *stmt = use(db, place->spec, ADD_STREAM);
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)place->incarnation));
    return cor_stmt_run(stmt, err);
}

static enum cor_code read_place(struct cor_db *db, void *self, struct cor_err *err)
{
    struct place *place = self;
    bool found = false;
    struct cor_stmt *stmt = use(db, place->spec, GET_STREAM);
    enum cor_code code = cor_stmt_next(stmt, &found, err);
    if (code != COR_OK) {
        return code;
    }
    if (!found) {
        return add_stream(db, place, err);
    }
    place->incarnation = (uint64_t)cor_stmt_i64(stmt, 0);
    place->acked = (uint64_t)cor_stmt_i64(stmt, 1);
    cor_stmt_reset(stmt);
    stmt = use(db, place->spec, GET_LAST);
    code = cor_stmt_next(stmt, &found, err);
    if (code == COR_OK && found) {
        place->last = (uint64_t)cor_stmt_i64(stmt, 0);
        cor_stmt_reset(stmt);
    }
    return code;
}

enum cor_code cor_outbox_new(const struct cor_outbox_spec *spec, struct cor_outbox **outbox_r,
                             struct cor_err *err)
{
    struct place place = {.spec = spec};
    enum cor_code code = cor_store_write_now(spec->store, read_place, &place, err);
    if (code != COR_OK) {
        return code;
    }
    struct cor_outbox *outbox = cor_alloc(sizeof(*outbox));
    outbox->spec = *spec;
    outbox->incarnation = place.incarnation;
    outbox->acked = place.acked;
    outbox->committed = place.last > place.acked ? place.last : place.acked;
    *outbox_r = outbox;
    return COR_OK;
}

void cor_outbox_free(struct cor_outbox **outbox)
{
    if (*outbox != NULL) {
        cor_origin_free(&(*outbox)->origin);
        cor_freep(outbox);
    }
}

/* Sends the row at the cursor of NEXT. False: stop, resume() comes. */
static bool send_row(struct cor_outbox *outbox, struct cor_stmt *stmt)
{
    struct cor_event event = {.seq = (uint64_t)cor_stmt_i64(stmt, 0),
                              .cause = (uint64_t)cor_stmt_i64(stmt, 1),
                              .number = (uint16_t)cor_stmt_i64(stmt, 2),
                              .raw = cor_stmt_bytes(stmt, 3)};
    if (cor_message_find(outbox->spec.messages, event.number) == NULL) {
        LOGE(outbox->spec.log, "outbox.unreadable", "stream=%u seq=%" PRIu64, outbox->spec.stream,
             event.seq);
        return false;
    }
    return cor_origin_send(outbox->origin, &event) == COR_OK;
}

static void pump(struct cor_outbox *outbox)
{
    if (outbox->pumping || outbox->origin == NULL) {
        return;
    }
    outbox->pumping = true;
    uint64_t next = cor_origin_next(outbox->origin);
    while (next != 0 && next <= outbox->committed) {
        struct cor_stmt *stmt = use(cor_store_reader(outbox->spec.store), &outbox->spec, NEXT);
        cor_stmt_bind(stmt, 2, COR_INT((int64_t)next - 1));
        struct cor_err err = COR_ERR_NONE;
        bool found = false;
        bool go_on = cor_stmt_next(stmt, &found, &err) == COR_OK && found;
        go_on = go_on && send_row(outbox, stmt);
        cor_stmt_reset(stmt);
        next = go_on ? cor_origin_next(outbox->origin) : 0;
    }
    outbox->pumping = false;
}

static void on_resume(void *self, uint64_t after)
{
    (void)after;
    pump(self);
}

static void on_forgotten(void *self, enum cor_code code, const struct cor_err *err)
{
    struct cor_outbox *outbox = self;
    if (code != COR_OK) {
        LOGE(outbox->spec.log, "outbox.ack-not-stored", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
    }
}

static void on_acked(void *self, uint64_t seq)
{
    struct cor_outbox *outbox = self;
    outbox->acked = seq;
    struct cor_arg forget[] = {COR_INT((int64_t)outbox->spec.stream), COR_INT((int64_t)seq)};
    struct cor_arg acked[] = {COR_INT((int64_t)seq), COR_INT((int64_t)outbox->spec.stream)};
    struct cor_op ops[] = {
        {outbox->spec.statements + FORGET, forget, COR_COUNT(forget)},
        {outbox->spec.statements + SET_ACKED, acked, COR_COUNT(acked)},
    };
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_ops(outbox->spec.store, ops, COR_COUNT(ops), on_forgotten, outbox, &err) !=
        COR_OK) {
        on_forgotten(outbox, err.code, &err); /* a later ack covers this one */
    }
}

void cor_outbox_attach(struct cor_outbox *outbox, struct cor_port *port)
{
    static const struct cor_origin_ops OPS = {on_resume, on_acked};
    struct cor_origin_spec spec = {.stream = outbox->spec.stream,
                                   .incarnation = outbox->incarnation,
                                   .last = outbox->committed,
                                   .acked = outbox->acked};
    outbox->origin = cor_origin_new(port, &spec, &OPS, outbox);
}

bool cor_outbox_room(struct cor_outbox *outbox)
{
    if (cor_outbox_count(outbox) >= outbox->spec.max) {
        return false;
    }
    outbox->announced++;
    return true;
}

enum cor_code cor_outbox_insert(struct cor_db *db, const struct cor_outbox_spec *spec,
                                uint64_t cause, uint16_t number, struct cor_view body,
                                uint64_t *seq_r, struct cor_err *err)
{
    bool found = false;
    struct cor_stmt *stmt = use(db, spec, INSERT);
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)cause));
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)number));
    cor_stmt_bind(stmt, 4, COR_BLOB(body));
    enum cor_code code = cor_stmt_next(stmt, &found, err);
    if (code != COR_OK) {
        return code;
    }
    *seq_r = found ? (uint64_t)cor_stmt_i64(stmt, 0) : 0;
    cor_stmt_reset(stmt);
    return found ? COR_OK : cor_err_set(err, COR_INTERNAL, "outbox stream is not there");
}

void cor_outbox_committed(struct cor_outbox *outbox, uint64_t seq)
{
    must(outbox->announced > 0);
    outbox->announced--;
    outbox->committed = seq > outbox->committed ? seq : outbox->committed;
    pump(outbox);
}

uint64_t cor_outbox_count(const struct cor_outbox *outbox)
{
    return outbox->committed - outbox->acked + outbox->announced;
}
