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
    OUTBOX,
    INBOX = OUTBOX + COR_OUTBOX_STATEMENTS
};

static const char *const MIGRATIONS[] = {
    COR_OUTBOX_MIGRATION
    "CREATE TABLE device (id TEXT PRIMARY KEY, row TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE twin (device TEXT, name TEXT, row TEXT NOT NULL, PRIMARY KEY (device, name))"
    " WITHOUT ROWID;"
    "CREATE TABLE place (stream INTEGER PRIMARY KEY, incarnation INTEGER NOT NULL,"
    " seq INTEGER NOT NULL);",
    COR_OUTBOX_MIGRATION_2 COR_INBOX_MIGRATION
    "INSERT INTO inbox SELECT 1, '#' || stream, incarnation, seq, seq FROM place; DROP TABLE "
    "place;",
};

static const char *const SQL[] = {
    [PUT_DEVICE] = "INSERT OR REPLACE INTO device (id, row) VALUES (?, ?)",
    [DEL_DEVICE] = "DELETE FROM device WHERE id = ?",
    [PUT_TWIN] = "INSERT OR REPLACE INTO twin (device, name, row) VALUES (?, ?, ?)",
    [DEL_TWINS] = "DELETE FROM twin WHERE device = ?",
    [DEVICES] = "SELECT id, row FROM device",
    [TWINS] = "SELECT device, name, row FROM twin",
    [OUTBOX] = COR_OUTBOX_SQL,
    [INBOX] = COR_INBOX_SQL,
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

size_t dt_store_inbox(void)
{
    return INBOX;
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

/* ---- transactions -------------------------------------------------------------------------------
 */

struct row {
    enum statement statement;
    char *args[3]; /* owned; NULL behind the last */
};

struct dt_tx {
    struct dt *dt;
    struct row *rows;
    size_t row_count;
    struct cor_outbox_batch *out; /* publications, owned */
    struct cor_inbox_place place; /* of the message to acknowledge, if there is one */
    uint64_t stream;              /* its stream; 0: none */
    uint64_t cause;
};

struct dt_tx *dt_tx_new(struct dt *dt)
{
    struct dt_tx *tx = cor_alloc(sizeof(*tx));
    tx->dt = dt;
    tx->cause = cor_bus_cause(dt->service->bus);
    tx->out = cor_outbox_batch_new(dt->outbox);
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

/* "device/NS/NAME" of a device topic; "node/NAME" of others. */
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

void dt_tx_place(struct dt_tx *tx, uint64_t stream, uint64_t seq)
{
    tx->stream = stream;
    tx->place = cor_inbox_place(tx->dt->inbox, stream, seq);
}

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
    return code == COR_OK ? cor_inbox_run(tx->dt->inbox, &tx->place, db, err) : code;
}

static void tx_free(struct dt_tx *tx)
{
    for (size_t i = 0; i < tx->row_count; i++) {
        for (int a = 0; a < 3; a++) {
            cor_free(tx->rows[i].args[a]);
        }
    }
    cor_free(tx->rows);
    cor_free(tx);
}

static void tx_done(void *self, enum cor_code code, const struct cor_err *err)
{
    struct dt_tx *tx = self;
    struct dt *dt = tx->dt;
    cor_outbox_batch_end(&tx->out, code == COR_OK);
    if (code != COR_OK) {
        cor_service_fail(dt->service, err);
    } else if (tx->stream != 0) {
        cor_inbox_done(&tx->place);
        cor_commit(dt->bus, tx->stream, tx->place.seq);
    }
    tx_free(tx);
}

void dt_tx_commit(struct dt_tx *tx)
{
    struct cor_err err = COR_ERR_NONE;
    cor_outbox_batch_seal(tx->out);
    if (cor_store_write(tx->dt->store, tx_run, tx_done, tx, &err) != COR_OK) {
        tx_done(tx, err.code, &err);
    }
}
