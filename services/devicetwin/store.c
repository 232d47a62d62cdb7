// SPDX-License-Identifier: Apache-2.0
// twin.db: schema, statements, loading.
#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "devicetwin.h"

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
    [DT_SQL_PUT_DEVICE] = "INSERT OR REPLACE INTO device (id, row) VALUES (?, ?)",
    [DT_SQL_DEL_DEVICE] = "DELETE FROM device WHERE id = ?",
    [DT_SQL_PUT_TWIN] = "INSERT OR REPLACE INTO twin (device, name, row) VALUES (?, ?, ?)",
    [DT_SQL_DEL_TWINS] = "DELETE FROM twin WHERE device = ?",
    [DT_SQL_DEVICES] = "SELECT id, row FROM device",
    [DT_SQL_TWINS] = "SELECT device, name, row FROM twin",
    [DT_SQL_OUTBOX] = COR_OUTBOX_SQL,
    [DT_SQL_INBOX] = COR_INBOX_SQL,
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
    return DT_SQL_OUTBOX;
}

size_t dt_store_inbox(void)
{
    return DT_SQL_INBOX;
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

static enum cor_code load(struct dt *dt, enum dt_sql statement,
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
    enum cor_code code = load(dt, DT_SQL_DEVICES, load_device, err);
    return code == COR_OK ? load(dt, DT_SQL_TWINS, load_twin, err) : code;
}
