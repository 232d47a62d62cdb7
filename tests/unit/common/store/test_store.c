// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/store/store.h"

enum { PUT, GET, COUNT, LIMIT, BAD, FILL, HOLDS };

static const char *const statements[] = {
    [PUT] = "INSERT INTO t(k, v) VALUES(?1, ?2)",
    [GET] = "SELECT v FROM t WHERE k = ?1",
    [COUNT] = "SELECT count(*) FROM t",
    [LIMIT] = "PRAGMA max_page_count=20",
    [BAD] = "SELECT nothing FROM nowhere",
    [FILL] = "INSERT INTO t(k, v) VALUES(?1, zeroblob(200000))",
    [HOLDS] = "SELECT holds(?1, ?2)",
};
static const char *const steps[] = {
    "CREATE TABLE t(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
    "INSERT INTO t VALUES('second', 'step')",
};

struct fixture {
    char folder[64];
    char path[96];
    struct cor_store_spec spec;
    struct cor_store *store;
    struct cor_loop *loop;
    enum cor_code codes[1000];
    long order[1000];
    size_t done;
    size_t wanted;
};

/* A disk whose fsync of the write-ahead log fails on demand: wraps the default VFS. */
static sqlite3_vfs shim;
static sqlite3_vfs *real;
static int sync_fails;
static int syncs; /* of logs */
static sqlite3_io_methods methods;
static const sqlite3_io_methods *real_methods;

static int shim_sync(sqlite3_file *file, int flags)
{
    (void)__atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
    return __atomic_load_n(&sync_fails, __ATOMIC_SEQ_CST) != 0 ? SQLITE_IOERR_FSYNC
                                                               : real_methods->xSync(file, flags);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
    (void)vfs;
    int rc = real->xOpen(real, name, file, flags, out);
    if (rc == SQLITE_OK && (flags & SQLITE_OPEN_WAL) != 0) {
        if (real_methods == NULL) {
            real_methods = file->pMethods;
            methods = *real_methods;
            methods.xSync = shim_sync;
        }
        file->pMethods = &methods;
    }
    return rc;
}

static int setup_disk(void **state)
{
    (void)state;
    real = sqlite3_vfs_find(NULL);
    shim = *real;
    shim.zName = "shim";
    shim.xOpen = shim_open;
    return sqlite3_vfs_register(&shim, 1);
}

static int setup(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/store.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    (void)snprintf(f->path, sizeof(f->path), "%s/x.db", f->folder);
    f->spec = (struct cor_store_spec){.path = f->path,
                                      .check = true,
                                      .migrations = steps,
                                      .migration_count = 2,
                                      .statements = statements,
                                      .statement_count = COR_COUNT(statements)};
    f->loop = cor_loop_new();
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    __atomic_store_n(&sync_fails, 0, __ATOMIC_SEQ_CST);
    cor_store_close(&f->store);
    cor_loop_free(&f->loop);
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    for (size_t i = 0; i < COR_COUNT(ends); i++) {
        char name[128];
        (void)snprintf(name, sizeof(name), "%s%s", f->path, ends[i]);
        (void)unlink(name);
    }
    assert_int_equal(rmdir(f->folder), 0);
    cor_free(f);
    return 0;
}

struct job {
    struct fixture *f;
    size_t number;
    const char *key;
    bool fail_after;
};

static enum cor_code run_put(struct cor_db *db, void *self, struct cor_err *err)
{
    const struct job *job = self;
    struct cor_stmt *stmt = cor_db_use(db, PUT);
    cor_stmt_bind(stmt, 1, COR_TEXT(cor_view_of(job->key)));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)job->number));
    enum cor_code code = cor_stmt_run(stmt, err);
    return code == COR_OK && job->fail_after ? cor_err_set(err, COR_CONFLICT, "changed my mind")
                                             : code;
}

static void on_done(void *self, enum cor_code code, const struct cor_err *err)
{
    (void)err;
    struct job *job = self;
    struct fixture *f = job->f;
    f->codes[f->done] = code;
    f->order[f->done] = (long)job->number;
    if (++f->done == f->wanted) {
        cor_loop_stop(f->loop);
    }
}

static int64_t count_rows(struct fixture *f)
{
    bool row = false;
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(f->store), COUNT);
    assert_int_equal(cor_stmt_next(stmt, &row, NULL), COR_OK);
    assert_true(row);
    int64_t count = cor_stmt_i64(stmt, 0);
    cor_stmt_reset(stmt);
    return count;
}

static void test_migrations_run_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(count_rows(f), 1);
    cor_store_close(&f->store);
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_OK);
    assert_int_equal(count_rows(f), 1);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_newer_schema_is_refused(void **state)
{
    struct fixture *f = *state;
    cor_store_close(&f->store);
    struct cor_store_spec older = f->spec;
    older.migration_count = 1;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_open(&older, &f->store, &err), COR_UNSUPPORTED);
    assert_null(f->store);
}

/* A step that older programs can live with: they open the file, and it is not taken again. */
static void test_additions_keep_the_version(void **state)
{
    static const char *const added[] = {"CREATE TABLE added (x)"};
    struct fixture *f = *state;
    struct cor_err err = COR_ERR_NONE;
    struct cor_store_spec newer = f->spec;
    newer.additions = added;
    newer.addition_count = 1;
    newer.each_time = "INSERT INTO added VALUES (1)";
    for (int i = 0; i < 2; i++) {
        cor_store_close(&f->store);
        assert_int_equal(cor_store_open(&newer, &f->store, &err), COR_OK);
        cor_store_close(&f->store);
        assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_OK);
        assert_int_equal(count_rows(f), 1);
    }
    cor_store_close(&f->store);
    newer.each_time = "INSERT INTO nowhere VALUES (1)";
    assert_int_not_equal(cor_store_open(&newer, &f->store, &err), COR_OK);
    assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_OK);
}

static void test_bad_migration_changes_nothing(void **state)
{
    struct fixture *f = *state;
    cor_store_close(&f->store);
    static const char *const bad[] = {"", "", "INSERT INTO t VALUES('x', 'y'); garbage"};
    struct cor_store_spec next = f->spec;
    next.migrations = bad;
    next.migration_count = 3;
    struct cor_err err = COR_ERR_NONE;
    assert_int_not_equal(cor_store_open(&next, &f->store, &err), COR_OK);
    assert_non_null(strstr(err.text, "version 3"));
    assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_OK);
    assert_int_equal(count_rows(f), 1);
}

static void test_second_process_is_kept_out(void **state)
{
    struct fixture *f = *state;
    struct cor_store *other = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_open(&f->spec, &other, &err), COR_BUSY);
    assert_null(other);
}

static void test_damaged_file(void **state)
{
    struct fixture *f = *state;
    cor_store_close(&f->store);
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 300; i++) {
        assert_true(fprintf(file, "this is no database %d\n", i) > 0);
    }
    assert_int_equal(fclose(file), 0);
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_open(&f->spec, &f->store, &err), COR_IO);
    assert_non_null(strstr(err.text, f->path));
}

static void test_writes_end_in_order_and_fail_alone(void **state)
{
    struct fixture *f = *state;
    cor_store_start(f->store, f->loop);
    static struct job jobs[300];
    static char keys[300][16];
    f->wanted = 300;
    for (size_t i = 0; i < 300; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "k%zu", i % 10 == 9 ? i - 1 : i);
        jobs[i] = (struct job){f, i, keys[i], i % 10 == 5};
        assert_int_equal(cor_store_write(f->store, run_put, on_done, &jobs[i], NULL), COR_OK);
    }
    assert_int_equal(cor_store_pending(f->store), 300);
    cor_loop_run(f->loop);
    assert_int_equal(cor_store_pending(f->store), 0);
    for (size_t i = 0; i < 300; i++) {
        assert_int_equal(f->order[i], i);
        enum cor_code want = i % 10 == 9 ? COR_EXISTS : i % 10 == 5 ? COR_CONFLICT : COR_OK;
        assert_int_equal(f->codes[i], want);
    }
    assert_int_equal(count_rows(f), 1 + 300 - 60);
}

/* In a transaction of its own. */
static void test_a_write_without_others_fails_whole(void **state)
{
    struct fixture *f = *state;
    cor_store_start(f->store, f->loop);
    struct job good = {f, 0, "a", false};
    struct job bad = {f, 0, "b", true};
    struct job twice = {f, 0, "a", false};
    struct job after = {f, 0, "c", false};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_write_now(f->store, run_put, &good, NULL), COR_OK);
    assert_int_equal(cor_store_write_now(f->store, run_put, &bad, &err), COR_CONFLICT);
    assert_int_equal(cor_store_write_now(f->store, run_put, &twice, &err), COR_EXISTS);
    assert_int_equal(cor_store_write_now(f->store, run_put, &after, NULL), COR_OK);
    assert_false(cor_store_broken(f->store));
    assert_int_equal(count_rows(f), 1 + 2);
    f->wanted = 1;
    struct job queued = {f, 0, "d", true};
    assert_int_equal(cor_store_write(f->store, run_put, on_done, &queued, NULL), COR_OK);
    cor_loop_run(f->loop);
    assert_int_equal(f->codes[0], COR_CONFLICT);
    assert_int_equal(count_rows(f), 1 + 2);
}

static void test_ops_are_copied_and_atomic(void **state)
{
    struct fixture *f = *state;
    cor_store_start(f->store, f->loop);
    char key[8] = "a";
    struct cor_arg args[] = {COR_TEXT(cor_view_of(key)), COR_BLOB(COR_VIEW("A"))};
    struct cor_op ops[] = {{PUT, args, 2}, {PUT, args, 2}};
    struct job first = {f, 1, NULL, false};
    struct job second = {f, 2, NULL, false};
    f->wanted = 2;
    assert_int_equal(cor_store_ops(f->store, ops, 1, on_done, &first, NULL), COR_OK);
    (void)snprintf(key, sizeof(key), "b");
    args[0].bytes = cor_view_of(key);
    assert_int_equal(cor_store_ops(f->store, ops, 2, on_done, &second, NULL), COR_OK);
    key[0] = 'z';
    cor_loop_run(f->loop);
    assert_int_equal(f->codes[0], COR_OK);
    assert_int_equal(f->codes[1], COR_EXISTS);
    assert_int_equal(count_rows(f), 2);
    struct cor_stmt *stmt = cor_db_use(cor_store_reader(f->store), GET);
    cor_stmt_bind(stmt, 1, COR_TEXT(COR_VIEW("a")));
    bool row = false;
    assert_int_equal(cor_stmt_next(stmt, &row, NULL), COR_OK);
    assert_true(row);
    assert_true(cor_view_is(cor_stmt_bytes(stmt, 0), "A"));
    cor_stmt_reset(stmt);
}

static void test_close_commits_what_waits(void **state)
{
    struct fixture *f = *state;
    cor_store_start(f->store, f->loop);
    static struct job jobs[50];
    static char keys[50][16];
    for (size_t i = 0; i < 50; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), "c%zu", i);
        jobs[i] = (struct job){f, i, keys[i], false};
        assert_int_equal(cor_store_write(f->store, run_put, on_done, &jobs[i], NULL), COR_OK);
    }
    cor_store_close(&f->store);
    assert_int_equal(f->done, 50);
    assert_int_equal(cor_store_open(&f->spec, &f->store, NULL), COR_OK);
    assert_int_equal(count_rows(f), 51);
}

static void test_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    cor_store_close(&f->store);
    f->spec.max_pending = 2;
    assert_int_equal(cor_store_open(&f->spec, &f->store, NULL), COR_OK);
    cor_store_start(f->store, f->loop);
    struct job jobs[] = {{f, 0, "x", false}, {f, 1, "y", false}, {f, 2, "z", false}};
    f->wanted = 2;
    assert_int_equal(cor_store_write(f->store, run_put, on_done, &jobs[0], NULL), COR_OK);
    assert_int_equal(cor_store_write(f->store, run_put, on_done, &jobs[1], NULL), COR_OK);
    assert_int_equal(cor_store_write(f->store, run_put, on_done, &jobs[2], NULL), COR_BUSY);
    cor_loop_run(f->loop);
    assert_int_equal(count_rows(f), 3);
}

static void on_broken(void *self, const struct cor_err *err)
{
    assert_int_equal(err->code, COR_IO);
    ++*(int *)self;
}

static void test_failed_fsync_is_final(void **state)
{
    struct fixture *f = *state;
    int told = 0;
    cor_store_start(f->store, f->loop);
    cor_store_on_broken(f->store, on_broken, &told);
    __atomic_store_n(&sync_fails, 1, __ATOMIC_SEQ_CST);
    struct job lost = {f, 0, "lost", false};
    f->wanted = 1;
    assert_int_equal(cor_store_write(f->store, run_put, on_done, &lost, NULL), COR_OK);
    cor_loop_run(f->loop);
    assert_int_equal(f->codes[0], COR_IO);
    assert_true(cor_store_broken(f->store));
    assert_int_equal(told, 1);
    __atomic_store_n(&sync_fails, 0, __ATOMIC_SEQ_CST);
    struct job late = {f, 1, "late", false};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_write_now(f->store, run_put, &late, &err), COR_IO);
    assert_int_equal(count_rows(f), 1);
}

static void copy_file(const char *from, const char *to)
{
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_file_read(from, 1 << 24, &bytes, &err), COR_OK);
    assert_int_equal(cor_file_write(to, cor_buf_as_view(&bytes), 0600, &err), COR_OK);
}

/* A killed process may have written a commit and not synced it: who reads it must not promise it to
 * anybody before it is. */
static void test_what_is_found_in_the_log_is_synced(void **state)
{
    struct fixture *f = *state;
    struct job job = {f, 0, "kept", false};
    auto_(cor_freep) char *log = cor_sprintf("%s-wal", f->path);
    auto_(cor_freep) char *copy = cor_sprintf("%s/y.db", f->folder);
    auto_(cor_freep) char *copy_log = cor_sprintf("%s-wal", copy);
    auto_(cor_freep) char *copy_lock = cor_sprintf("%s.lock", copy);
    assert_int_equal(cor_store_write_now(f->store, run_put, &job, NULL), COR_OK);
    copy_file(f->path, copy);
    copy_file(log, copy_log);
    struct cor_store_spec spec = f->spec;
    struct cor_store *other = NULL;
    spec.path = copy;
    int before = __atomic_load_n(&syncs, __ATOMIC_SEQ_CST);
    assert_int_equal(cor_store_open(&spec, &other, NULL), COR_OK);
    assert_true(__atomic_load_n(&syncs, __ATOMIC_SEQ_CST) > before);
    cor_store_close(&other);
    (void)unlink(copy);
    (void)unlink(copy_lock);
}

static enum cor_code run_number(struct cor_db *db, void *self, struct cor_err *err)
{
    struct cor_stmt *stmt = cor_db_use(db, *(size_t *)self);
    if (*(size_t *)self == FILL) {
        cor_stmt_bind(stmt, 1, COR_TEXT(COR_VIEW("big")));
    }
    return cor_stmt_run(stmt, err);
}

static void test_full_disk_is_temporary(void **state)
{
    struct fixture *f = *state;
    size_t number = LIMIT;
    assert_int_equal(cor_store_write_now(f->store, run_number, &number, NULL), COR_OK);
    number = FILL;
    assert_int_equal(cor_store_write_now(f->store, run_number, &number, NULL), COR_RETRY);
    assert_false(cor_store_broken(f->store));
    struct job small = {f, 1, "small", false};
    assert_int_equal(cor_store_write_now(f->store, run_put, &small, NULL), COR_OK);
    assert_int_equal(count_rows(f), 2);
}

static void test_wrong_sql_is_an_error_not_a_crash(void **state)
{
    struct fixture *f = *state;
    size_t number = BAD;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_store_write_now(f->store, run_number, &number, &err), COR_INTERNAL);
    assert_non_null(strstr(err.text, "nowhere"));
}

static void test_reader_sees_one_moment(void **state)
{
    struct fixture *f = *state;
    cor_db_begin(cor_store_reader(f->store));
    assert_int_equal(count_rows(f), 1);
    struct job job = {f, 1, "new", false};
    assert_int_equal(cor_store_write_now(f->store, run_put, &job, NULL), COR_OK);
    assert_int_equal(count_rows(f), 1);
    cor_db_end(cor_store_reader(f->store));
    assert_int_equal(count_rows(f), 2);
}

static void test_sql_has_holds(void **state)
{
    const struct {
        struct cor_arg text, word;
        int64_t holds;
    } ROWS[] = {
        {COR_TEXT(COR_VIEW("a \"word\" in it")), COR_TEXT(COR_VIEW("\"word\"")), 1},
        {COR_TEXT(COR_VIEW("a word in it")), COR_TEXT(COR_VIEW("\"word\"")), 0},
        {COR_TEXT(COR_VIEW("wor")), COR_TEXT(COR_VIEW("word")), 0},
        {COR_TEXT(COR_VIEW("")), COR_TEXT(COR_VIEW("word")), 0},
        {COR_NIL, COR_TEXT(COR_VIEW("word")), 0},
        {COR_TEXT(COR_VIEW("word")), COR_NIL, 0},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        bool row = false;
        struct cor_stmt *stmt = cor_db_use(cor_store_reader(f->store), HOLDS);
        cor_stmt_bind(stmt, 1, ROWS[i].text);
        cor_stmt_bind(stmt, 2, ROWS[i].word);
        assert_int_equal(cor_stmt_next(stmt, &row, NULL), COR_OK);
        assert_true(row);
        assert_int_equal(cor_stmt_i64(stmt, 0), ROWS[i].holds);
        cor_stmt_reset(stmt);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_migrations_run_once),
        TEST(test_newer_schema_is_refused),
        TEST(test_additions_keep_the_version),
        TEST(test_bad_migration_changes_nothing),
        TEST(test_second_process_is_kept_out),
        TEST(test_damaged_file),
        TEST(test_writes_end_in_order_and_fail_alone),
        TEST(test_a_write_without_others_fails_whole),
        TEST(test_ops_are_copied_and_atomic),
        TEST(test_close_commits_what_waits),
        TEST(test_queue_is_bounded),
        TEST(test_failed_fsync_is_final),
        TEST(test_what_is_found_in_the_log_is_synced),
        TEST(test_full_disk_is_temporary),
        TEST(test_wrong_sql_is_an_error_not_a_crash),
        TEST(test_reader_sees_one_moment),
        TEST(test_sql_has_holds),
    };
    return cmocka_run_group_tests(tests, setup_disk, NULL);
}
