// SPDX-License-Identifier: Apache-2.0
// twin.db, and transactions on it.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "devicetwin.h"

enum statement {
    PUT_DEVICE,
    DEL_DEVICE,
    PUT_TWIN,
    DEL_TWINS,
    DEVICES,
    TWINS,
    GET_PLACE,
    SET_PLACE,
    OUTBOX
};

static const char *const MIGRATIONS[] = {
    COR_OUTBOX_MIGRATION
    "CREATE TABLE device (id TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE twin (device TEXT, name TEXT, row TEXT NOT NULL, PRIMARY KEY (device, name))"
    " WITHOUT ROWID;"
    "CREATE TABLE place (stream INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"
    " seq INTEGER NOT NULL);",
};

static const char *const SQL[] = {
    [PUT_DEVICE] = "INSERT OR REPLACE INTO device (id, row) VALUES (?, ?)",
    [DEL_DEVICE] = "DELETE FROM device WHERE id = ?",
    [PUT_TWIN] = "INSERT OR REPLACE INTO twin (device, name, row) VALUES (?, ?, ?)",
    [DEL_TWINS] = "DELETE FROM twin WHERE device = ?",
    [DEVICES] = "SELECT id, row FROM device",
    [TWINS] = "SELECT device, name, row FROM twin",
    [GET_PLACE] = "SELECT seq FROM place WHERE stream = ? AND incarnation = ?",
    [SET_PLACE] = "INSERT OR REPLACE INTO place (stream, incarnation, seq) VALUES (?, ?, ?)",
    [OUTBOX] = COR_OUTBOX_SQL,
};

void dt_store_describe(struct cor_store_spec *spec)
{
    spec->migrations = MIGRATIONS;
    spec->migration_count = COR_COUNT(MIGRATIONS);
    spec->statements = SQL;
    spec->statement_count = COR_COUNT(SQL);
}

size_t dt_store_outbox(void)
{
    return OUTBOX;
}

/* ---- loading ------------------------------------------------------------------------------------
 */

enum { ROW_MAX = 65536 };

static enum cor_code load_device(struct dt *dt, struct cor_stmt *stmt, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *row = NULL;
    if (cor_json_parse(cor_stmt_bytes(stmt, 1), ROW_MAX, 0, &row, err) != COR_OK) {
        return cor_err_wrap(err, "device row in the store");
    }
    struct dt_device *device = dt_device_of_row(cor_stmt_bytes(stmt, 0), row);
    cor_map_set(dt->devices, cor_view_of(device->id), device);
    return COR_OK;
}

static enum cor_code load_twin(struct dt *dt, struct cor_stmt *stmt, struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *row = NULL;
    struct dt_device *device = cor_map_get(dt->devices, cor_stmt_bytes(stmt, 0));
    if (device == NULL) {
        return COR_OK;
    }
    if (cor_json_parse(cor_stmt_bytes(stmt, 2), ROW_MAX, 0, &row, err) != COR_OK) {
        return cor_err_wrap(err, "twin row in the store");
    }
    struct dt_twin *twin = dt_twin_of_row(cor_stmt_bytes(stmt, 1), row);
    cor_map_set(device->twins, cor_view_of(twin->name), twin);
    return COR_OK;
}

static enum cor_code load(struct dt *dt, enum statement statement,
                          enum cor_code (*fn)(struct dt *, struct cor_stmt *, struct cor_err *),
                          struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(dt->store), statement);
    bool found = false;
    enum cor_code code = COR_OK;
    while ((code = cor_stmt_next(stmt, &found, err)) == COR_OK && found) {
        code = fn(dt, stmt, err);
        if (code != COR_OK) {
            cor_stmt_reset(stmt);
            return code;
        }
    }
    return code;
}

enum cor_code dt_store_load(struct dt *dt, struct cor_err *err)
{
    enum cor_code code = load(dt, DEVICES, load_device, err);
    return code == COR_OK ? load(dt, TWINS, load_twin, err) : code;
}

uint64_t dt_store_place(struct dt *dt, uint64_t stream, uint64_t incarnation)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(dt->store), GET_PLACE);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)stream));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)incarnation));
    bool found = false;
    if (cor_stmt_next(stmt, &found, &err) != COR_OK) {
        LOGE(dt->service->log, "twin.read-failed", "error=%s", cor_log_esc(cor_view_of(err.text)));
        return 0;
    }
    uint64_t seq = found ? (uint64_t)cor_stmt_i64(stmt, 0) : 0;
    cor_stmt_reset(stmt);
    return seq;
}

/* ---- transactions -------------------------------------------------------------------------------
 */

struct row {
    enum statement statement;
    char *args[3]; /* owned; NULL behind the last */
};

struct out {
    struct cor_buf body; /* encoded MQTT_OUT, owned */
    uint64_t seq;
};

struct dt_tx {
    struct dt *dt;
    struct row *rows;
    size_t row_count;
    struct out *outs;
    size_t out_count;
    uint64_t stream, seq, incarnation; /* stream 0: no message to acknowledge */
    uint64_t cause;
};

struct dt_tx *dt_tx_new(struct dt *dt)
{
    struct dt_tx *tx = cor_alloc(sizeof(*tx));
    tx->dt = dt;
    tx->cause = cor_bus_cause(dt->service->bus);
    return tx;
}

/* Takes the strings. */
static void add_row(struct dt_tx *tx, enum statement statement, char *a, char *b, char *c)
{
    tx->rows = cor_realloc(tx->rows, tx->row_count + 1, sizeof(*tx->rows));
    tx->rows[tx->row_count++] = (struct row){statement, {a, b, c}};
}

void dt_tx_device(struct dt_tx *tx, const struct dt_device *device)
{
    auto_(cor_json_free) struct cor_json *row = dt_row_of_device(device);
    add_row(tx, PUT_DEVICE, cor_strdup(device->id), cor_json_text(row), NULL);
}

void dt_tx_twin(struct dt_tx *tx, const struct dt_device *device, const struct dt_twin *twin)
{
    auto_(cor_json_free) struct cor_json *row = dt_row_of_twin(twin);
    add_row(tx, PUT_TWIN, cor_strdup(device->id), cor_strdup(twin->name), cor_json_text(row));
}

void dt_tx_remove(struct dt_tx *tx, const char *id)
{
    add_row(tx, DEL_DEVICE, cor_strdup(id), NULL, NULL);
    add_row(tx, DEL_TWINS, cor_strdup(id), NULL, NULL);
}

void dt_tx_publish(struct dt_tx *tx, char *topic, struct cor_json *payload)
{
    auto_(cor_freep) char *owned_topic = topic;
    auto_(cor_json_free) struct cor_json *owned = payload;
    auto_(cor_freep) char *text = cor_json_text(owned);
    if (strlen(text) > 1u << 20 || !cor_outbox_room(tx->dt->outbox)) {
        tx->dt->unsent++;
        LOGW(tx->dt->service->log, "twin.not-published", "topic=%s unsent=%" PRIu64,
             cor_log_esc(cor_view_of(topic)), tx->dt->unsent);
        return;
    }
    struct px_mqtt_out out = {.topic = cor_view_of(topic), .payload = cor_view_of(text)};
    tx->outs = cor_realloc(tx->outs, tx->out_count + 1, sizeof(*tx->outs));
    struct out *slot = &tx->outs[tx->out_count++];
    *slot = (struct out){0};
    cor_encode(&px_mqtt_out_table, &out, &slot->body);
}

void dt_tx_place(struct dt_tx *tx, uint64_t stream, uint64_t seq)
{
    tx->stream = stream;
    tx->seq = seq;
    tx->incarnation = tx->dt->incarnation;
}

static enum cor_code run_row(struct cor_db *db, const struct row *row, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, row->statement);
    for (int i = 0; i < 3 && row->args[i] != NULL; i++) {
        cor_stmt_bind(stmt, i + 1, COR_TEXT(cor_view_of(row->args[i])));
    }
    return cor_stmt_run(stmt, err);
}

static enum cor_code run_place(struct cor_db *db, const struct dt_tx *tx, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, SET_PLACE);
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)tx->stream));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)tx->incarnation));
    cor_stmt_bind(stmt, 3, COR_INT((int64_t)tx->seq));
    return cor_stmt_run(stmt, err);
}

static enum cor_code tx_run(struct cor_db *db, void *self, struct cor_err *err)
{
    struct dt_tx *tx = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < tx->row_count && code == COR_OK; i++) {
        code = run_row(db, &tx->rows[i], err);
    }
    for (size_t i = 0; i < tx->out_count && code == COR_OK; i++) {
        code = cor_outbox_insert(db, &tx->dt->outbox_spec, tx->cause, PX_mqtt_out,
                                 cor_buf_as_view(&tx->outs[i].body), &tx->outs[i].seq, err);
    }
    return code == COR_OK && tx->stream != 0 ? run_place(db, tx, err) : code;
}

static void tx_free(struct dt_tx *tx)
{
    for (size_t i = 0; i < tx->row_count; i++) {
        for (int a = 0; a < 3; a++) {
            cor_free(tx->rows[i].args[a]);
        }
    }
    for (size_t i = 0; i < tx->out_count; i++) {
        cor_buf_free(&tx->outs[i].body);
    }
    cor_free(tx->rows);
    cor_free(tx->outs);
    cor_free(tx);
}

static void tx_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct dt_tx *tx = self;
    struct dt *dt = tx->dt;
    for (size_t i = 0; i < tx->out_count; i++) {
        cor_outbox_committed(dt->outbox, code == COR_OK ? tx->outs[i].seq : 0);
    }
    if (code != COR_OK) {
        cor_service_fail(dt->service, err);
    } else if (tx->stream != 0) {
        cor_commit(dt->bus, tx->stream, tx->seq);
    }
    tx_free(tx);
}

void dt_tx_commit(struct dt_tx *tx)
{
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_write(tx->dt->store, tx_run, tx_done, tx, &err) != COR_OK) {
        tx_done(tx, err.code, &err);
    }
}
