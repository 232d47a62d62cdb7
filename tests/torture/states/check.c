// SPDX-License-Identifier: Apache-2.0
#include "check.h"

#include <inttypes.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

static bool is_sound(sqlite3 *db, struct cor_buf *why)
{
    sqlite3_stmt *stmt = NULL;
    const char *said = "";
    int rc = sqlite3_prepare_v2(db, "PRAGMA integrity_check(1)", -1, &stmt, NULL);
    if (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        said = (const char *)sqlite3_column_text(stmt, 0);
    }
    bool sound = said != NULL && strcmp(said, "ok") == 0;
    if (!sound) {
        cor_buf_fmt(why, "integrity_check: %s %s", said, sqlite3_errmsg(db));
    }
    (void)sqlite3_finalize(stmt);
    return sound;
}

static bool has_table(sqlite3 *db)
{
    return sqlite3_table_column_metadata(db, NULL, "outbox", "body", NULL, NULL, NULL, NULL,
                                         NULL) == SQLITE_OK;
}

/* Number of the message in body, from 1; 0: none. */
static uint64_t number_of(const void *body, size_t len, uint64_t devices)
{
    const char *at = body == NULL ? NULL : memmem(body, len, "{\"d\":", 5);
    if (at == NULL) {
        return 0;
    }
    char text[64] = "";
    size_t left = len - (size_t)(at - (const char *)body);
    memcpy(text, at, left < sizeof(text) - 1 ? left : sizeof(text) - 1);
    char *end = NULL;
    uint64_t device = strtoull(text + 5, &end, 10);
    if (strncmp(end, ",\"s\":", 5) != 0) {
        return 0;
    }
    return (strtoull(end + 5, NULL, 10) - 1) * devices + device + 1;
}

static bool has_all(sqlite3 *db, uint64_t acked, uint64_t devices, struct cor_buf *why)
{
    sqlite3_stmt *stmt = NULL;
    auto_(cor_freep) uint8_t *seen = cor_calloc(acked + 1, 1);
    uint64_t doubled = 0;
    int rc = sqlite3_prepare_v2(db, "SELECT body FROM outbox", -1, &stmt, NULL);
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        uint64_t number =
            number_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0), devices);
        if (number >= 1 && number <= acked) {
            doubled += seen[number];
            seen[number] = 1;
        }
    }
    (void)sqlite3_finalize(stmt);
    uint64_t missing = 0;
    for (uint64_t i = 1; i <= acked; i++) {
        missing += seen[i] == 0;
    }
    if (missing > 0 || doubled > 0) {
        cor_buf_fmt(why, "acked=%" PRIu64 " missing=%" PRIu64 " doubled=%" PRIu64, acked, missing,
                    doubled);
    }
    return missing == 0 && doubled == 0;
}

bool check_outbox(const char *path, uint64_t acked, uint64_t devices, struct cor_buf *why)
{
    sqlite3 *db = NULL;
    bool good =
        sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK;
    if (!good) {
        cor_buf_fmt(why, "open: %s", sqlite3_errmsg(db));
    }
    (void)sqlite3_exec(db, "PRAGMA synchronous=OFF", NULL, NULL, NULL); /* it is thrown away */
    good = good && is_sound(db, why);
    if (good && has_table(db)) {
        good = has_all(db, acked, devices, why);
    } else if (good && acked > 0) {
        cor_buf_fmt(why, "acked=%" PRIu64 " and no table", acked);
        good = false;
    }
    (void)sqlite3_close(db);
    return good;
}
