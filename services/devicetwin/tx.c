// SPDX-License-Identifier: Apache-2.0
// Transactions on twin.db: one gathers while the one before it is being written.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "devicetwin.h"

/* What happens to the rows of one device. */
struct touched {
    bool removed; /* first of all its rows go */
    bool device;
    struct cor_map *twins; /* by name; values are not owned */
};

struct row {
    enum dt_sql statement;
    char *args[3]; /* owned; NULL behind the last */
};

/* A place in a stream: the last message of it. */
struct placed {
    struct cor_inbox_place place;
    uint64_t stream;
};

struct dt_tx {
    struct dt *dt;
    struct cor_map *touched; /* device id -> struct touched, owned */
    struct row *rows;        /* owned; made when it is sealed */
    size_t row_count;
    struct cor_outbox_batch *out; /* publications, owned */
    struct placed *placed;        /* owned; to be acknowledged */
    size_t placed_count, placed_cap;
    uint64_t cause; /* of the message being handled */
};

static void drop_touched(void *value)
{
    struct touched *touched = value;
    cor_map_free(&touched->twins);
    cor_free(touched);
}

struct dt_tx *dt_tx_begin(struct dt *dt)
{
    if (dt->gathering == NULL) {
        struct dt_tx *tx = cor_alloc(sizeof(*tx));
        tx->dt = dt;
        tx->touched = cor_map_new(drop_touched);
        tx->out = cor_outbox_batch_new(dt->outbox);
        dt->gathering = tx;
    }
    dt->gathering->cause = cor_bus_cause(dt->service->bus);
    return dt->gathering;
}

/* ---- gathering ----------------------------------------------------------------------------------
 */

static struct touched *touch(struct dt_tx *tx, const char *id)
{
    struct touched *touched = cor_map_get(tx->touched, cor_view_of(id));
    if (touched == NULL) {
        touched = cor_alloc(sizeof(*touched));
        touched->twins = cor_map_new(NULL);
        cor_map_set(tx->touched, cor_view_of(id), touched);
    }
    return touched;
}

void dt_tx_device(struct dt_tx *tx, const struct dt_device *device)
{
    touch(tx, device->id)->device = true;
}

void dt_tx_twin(struct dt_tx *tx, const struct dt_device *device, const struct dt_twin *twin)
{
    cor_map_set(touch(tx, device->id)->twins, cor_view_of(twin->name), tx);
}

void dt_tx_remove(struct dt_tx *tx, const char *id)
{
    struct touched *touched = touch(tx, id);
    touched->removed = true;
    touched->device = false;
    cor_map_free(&touched->twins);
    touched->twins = cor_map_new(NULL);
}

/* "device/NS/NAME" of a device topic; "node" of others. */
static char *stream_of(struct cor_view topic)
{
    static const char DEVICE[] = "$hw/events/device/";
    struct cor_view rest = topic;
    struct cor_view ns = {0};
    struct cor_view name = {0};
    if (!cor_view_starts(topic, DEVICE)) {
        return cor_strdup("node");
    }
    rest.ptr += sizeof(DEVICE) - 1;
    rest.len -= sizeof(DEVICE) - 1;
    (void)cor_view_split(&rest, '/', &ns);
    (void)cor_view_split(&rest, '/', &name);
    return cor_sprintf("device/%.*s/%.*s", COR_VIEW_ARG(ns), COR_VIEW_ARG(name));
}

void dt_tx_publish(struct dt_tx *tx, char *topic, struct cor_json *payload)
{
    auto_(cor_freep) char *owned_topic = topic;
    auto_(cor_json_free) struct cor_json *owned = payload;
    auto_(cor_freep) char *text = cor_json_text(owned);
    auto_(cor_freep) char *stream = stream_of(cor_view_of(topic));
    auto_(cor_buf_free) struct cor_buf body = {0};
    struct px_mqtt_out out = {.topic = cor_view_of(topic), .payload = cor_view_of(text)};
    bool fits = strlen(text) <= 1u << 20;
    if (fits) {
        cor_encode(&px_mqtt_out_table, &out, &body);
    }
    if (!fits || cor_outbox_batch_add(tx->out, cor_view_of(stream), tx->cause, PX_mqtt_out,
                                      &body) != COR_OK) {
        tx->dt->unsent++; /* too long, or refused by the policy */
        LOGW(tx->dt->service->log, "twin.not-published", "topic=%s unsent=%" PRIu64,
             cor_log_esc(cor_view_of(topic)), tx->dt->unsent);
    }
}

bool dt_tx_answers(struct dt_tx *tx, struct dt_device *device, unsigned count)
{
    struct dt *dt = tx->dt;
    auto_(cor_freep) char *stream = cor_sprintf("device/%s", device->id);
    bool in_pace = dt_pace_take(&dt->answers, &device->answers, (uint32_t)dt->cfg->answers_each_s,
                                cor_loop_now(dt->service->loop));
    return !cor_outbox_batch_spare(tx->out, cor_view_of(stream),
                                   in_pace ? (uint64_t)dt->cfg->answers_bytes : 0, count);
}

void dt_tx_place(struct dt_tx *tx, uint64_t stream, uint64_t seq)
{
    struct placed now = {cor_inbox_place(tx->dt->inbox, stream, seq), stream};
    for (size_t i = tx->placed_count; i-- > 0;) {
        struct placed *before = &tx->placed[i];
        if (before->stream == stream && before->place.source == now.place.source &&
            before->place.incarnation == now.place.incarnation) {
            before->place.seq = seq;
            before->place.count += now.place.count;
            return;
        }
    }
    if (tx->placed_count == tx->placed_cap) {
        tx->placed_cap = tx->placed_cap == 0 ? 4 : tx->placed_cap * 2;
        tx->placed = cor_realloc(tx->placed, tx->placed_cap, sizeof(*tx->placed));
    }
    tx->placed[tx->placed_count++] = now;
}

/* ---- sealing: rows are made of what is in memory ------------------------------------------------
 */

/* Takes the strings. */
static void add_row(struct dt_tx *tx, enum dt_sql statement, char *a, char *b, char *c)
{
    tx->rows = cor_realloc(tx->rows, tx->row_count + 1, sizeof(*tx->rows));
    tx->rows[tx->row_count++] = (struct row){statement, {a, b, c}};
}

static void add_twins(struct dt_tx *tx, const struct dt_device *device, const struct cor_map *names)
{
    size_t at = 0;
    struct cor_view name;
    while (cor_map_next(names, &at, &name, NULL)) {
        const struct dt_twin *twin = cor_map_get(device->twins, name);
        if (twin != NULL) {
            auto_(cor_json_free) struct cor_json *row = dt_row_of_twin(twin);
            add_row(tx, DT_SQL_PUT_TWIN, cor_strdup(device->id), cor_strdup(twin->name),
                    cor_json_text(row));
        }
    }
}

static void seal(struct dt_tx *tx)
{
    size_t at = 0;
    struct cor_view id;
    void *value = NULL;
    while (cor_map_next(tx->touched, &at, &id, &value)) {
        const struct touched *touched = value;
        const struct dt_device *device = cor_map_get(tx->dt->devices, id);
        if (touched->removed) {
            add_row(tx, DT_SQL_DEL_DEVICE, cor_view_dup(id), NULL, NULL);
            add_row(tx, DT_SQL_DEL_TWINS, cor_view_dup(id), NULL, NULL);
        }
        if (device != NULL && touched->device) {
            auto_(cor_json_free) struct cor_json *row = dt_row_of_device(device);
            add_row(tx, DT_SQL_PUT_DEVICE, cor_strdup(device->id), cor_json_text(row), NULL);
        }
        if (device != NULL) {
            add_twins(tx, device, touched->twins);
        }
    }
    cor_outbox_batch_seal(tx->out);
}

/* ---- writing ------------------------------------------------------------------------------------
 */

static enum cor_code run_row(struct cor_db *db, const struct row *row, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, row->statement);
    for (int i = 0; i < 3 && row->args[i] != NULL; i++) {
        cor_stmt_bind(stmt, i + 1, COR_TEXT(cor_view_of(row->args[i])));
    }
    return cor_stmt_run(stmt, err);
}

static enum cor_code tx_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct dt_tx *tx = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < tx->row_count && code == COR_OK; i++) {
        code = run_row(db, &tx->rows[i], err);
    }
    if (code == COR_OK) {
        code = cor_outbox_batch_run(tx->out, db, err);
    }
    for (size_t i = 0; i < tx->placed_count && code == COR_OK; i++) {
        code = cor_inbox_run(tx->dt->inbox, &tx->placed[i].place, db, err);
    }
    return code;
}

static void tx_free(struct dt_tx *tx)
{
    for (size_t i = 0; i < tx->row_count; i++) {
        for (size_t a = 0; a < COR_COUNT(tx->rows[i].args); a++) {
            cor_free(tx->rows[i].args[a]);
        }
    }
    cor_map_free(&tx->touched);
    cor_free(tx->rows);
    cor_free(tx->placed);
    cor_free(tx);
}

static void write_gathered(struct dt *dt);

static void tx_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct dt_tx *tx = self;
    struct dt *dt = tx->dt;
    dt->writing = false;
    cor_outbox_batch_end(&tx->out, code == COR_OK);
    if (code != COR_OK) {
        cor_service_fail(dt->service, err);
    }
    for (size_t i = 0; i < tx->placed_count && code == COR_OK; i++) {
        cor_inbox_done(&tx->placed[i].place);
        cor_commit_lazily(dt->bus, tx->placed[i].stream, tx->placed[i].place.seq);
    }
    tx_free(tx);
    if (code == COR_OK && !dt->stopping) {
        write_gathered(dt);
    }
}

static void write_gathered(struct dt *dt)
{
    struct dt_tx *tx = dt->gathering;
    struct cor_err err = COR_ERR_NONE;
    if (tx == NULL) {
        return;
    }
    if (tx->placed_count == 0 && cor_map_count(tx->touched) == 0 &&
        cor_outbox_batch_is_empty(tx->out)) {
        return; /* it goes on gathering */
    }
    dt->gathering = NULL;
    dt->writing = true;
    seal(tx);
    if (cor_store_write(dt->store, tx_run, tx_done, tx, &err) != COR_OK) {
        tx_done(tx, err.code, &err);
    }
}

void dt_tx_commit(struct dt_tx *tx)
{
    if (!tx->dt->writing) {
        write_gathered(tx->dt);
    }
}

void dt_tx_stop(struct dt *dt)
{
    dt->stopping = true;
    if (dt->store != NULL) {
        write_gathered(dt);
    }
}

void dt_tx_forget(struct dt *dt)
{
    if (dt->gathering != NULL) {
        cor_outbox_batch_seal(dt->gathering->out);
        cor_outbox_batch_end(&dt->gathering->out, false);
        tx_free(dt->gathering);
        dt->gathering = NULL;
    }
}
