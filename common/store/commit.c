// SPDX-License-Identifier: Apache-2.0
// The queue, what a commit is, and the way back to the loop.
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

struct write {
    struct cor_link link;
    cor_store_run_fn run;
    cor_store_done_fn done;
    void *self;
    struct cor_ops *ops; /* owned; NULL unless it came from cor_store_ops */
    enum cor_code code;
    struct cor_err err;
};

static enum cor_code fail_broken(struct cor_err *err)
{
    return cor_err_set(err, COR_IO, "the store stopped writing after a disk error");
}

/* Notes a failure of the connection; only then may the store be called broken. */
static enum cor_code failed(struct cor_store *store, int rc, const char *what, struct cor_err *err)
{
    if (cor_db_is_fatal(rc)) {
        atomic_store(&store->broken, true);
    }
    return cor_db_fail(&store->writer, rc, what, err);
}

static enum cor_code say(struct cor_store *store, enum cor_db_word word, struct cor_err *err)
{
    int rc = cor_db_say(&store->writer, word);
    return rc == SQLITE_OK ? COR_OK : failed(store, rc, cor_db_text(word), err);
}

/* Takes back what the write did. */
static enum cor_code undo(struct cor_store *store)
{
    enum cor_code code = say(store, COR_DB_UNDO, NULL);
    return code == COR_OK ? say(store, COR_DB_RELEASE, NULL) : code;
}

/* One write within the open transaction. alone: what undoes it undoes the transaction, and SQLite
 * need not keep the pages as they were before it. */
static enum cor_code run_one(struct cor_store *store, struct write *write, bool alone)
{
    enum cor_code code = alone ? COR_OK : say(store, COR_DB_SAVE, &write->err);
    if (code != COR_OK) {
        return code;
    }
    code = write->run(&store->writer, write->self, &write->err);
    if (code == COR_OK) {
        return alone ? COR_OK : say(store, COR_DB_RELEASE, &write->err);
    }
    if (cor_db_is_fatal(sqlite3_extended_errcode(store->writer.raw))) {
        atomic_store(&store->broken, true);
    }
    if (!alone && sqlite3_get_autocommit(store->writer.raw) == 0) {
        enum cor_code undone = undo(store);
        must(undone == COR_OK || cor_store_broken(store));
    }
    return code;
}

static void fail_all(struct cor_link *batch, enum cor_code code, const struct cor_err *err)
{
    COR_LIST_EACH (node, batch) {
        struct write *write = COR_LIST_OBJECT(node, struct write, link);
        if (write->code == COR_OK) {
            write->code = code;
            write->err = *err;
        }
    }
}

/* SQLite itself undoes the whole transaction on a full disk and the like. */
static enum cor_code run_batch(struct cor_store *store, struct cor_link *batch, struct cor_err *err)
{
    enum cor_code code = say(store, COR_DB_BEGIN_WRITE, err);
    if (code != COR_OK) {
        return code;
    }
    bool alone = batch->next->next == batch;
    COR_LIST_EACH (node, batch) {
        struct write *write = COR_LIST_OBJECT(node, struct write, link);
        write->code = run_one(store, write, alone);
        if (sqlite3_get_autocommit(store->writer.raw) != 0 || (alone && write->code != COR_OK)) {
            *err = write->err;
            return write->code != COR_OK ? write->code : COR_INTERNAL;
        }
    }
    return cor_store_broken(store) ? fail_broken(err) : say(store, COR_DB_COMMIT, err);
}

void cor_store_commit(struct cor_store *store, struct cor_link *batch)
{
    struct cor_err err = COR_ERR_NONE;
    must(pthread_mutex_lock(&store->writer_lock) == 0);
    enum cor_code code =
        cor_store_broken(store) ? fail_broken(&err) : run_batch(store, batch, &err);
    if (code != COR_OK) {
        if (sqlite3_get_autocommit(store->writer.raw) == 0) {
            (void)cor_db_exec(&store->writer, "ROLLBACK", NULL);
        }
        fail_all(batch, code, &err);
    }
    must(pthread_mutex_unlock(&store->writer_lock) == 0);
}

static void move_all(struct cor_link *from, struct cor_link *to)
{
    COR_LIST_EACH (node, from) {
        cor_list_del(node);
        cor_list_add(to, node);
    }
}

bool cor_store_take(struct cor_store *store, struct cor_link *batch)
{
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    move_all(&store->waiting, batch);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
    return !cor_list_empty(batch);
}

void cor_store_finish(struct cor_store *store, struct cor_link *batch)
{
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    move_all(batch, &store->finished);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
}

static void tell_broken(struct cor_store *store)
{
    void (*fn)(void *, const struct cor_err *) = store->on_broken;
    struct cor_err err = COR_ERR_NONE;
    if (fn != NULL && cor_store_broken(store) && !store->stopping) {
        store->on_broken = NULL;
        (void)fail_broken(&err);
        (void)cor_err_wrap(&err, "%s", store->path);
        fn(store->on_broken_self, &err);
    }
}

void cor_store_on_broken(struct cor_store *store, void (*fn)(void *self, const struct cor_err *err),
                         void *self)
{
    store->on_broken = fn;
    store->on_broken_self = self;
}

/* A callback may queue new writes. */
void cor_store_report(struct cor_store *store)
{
    struct cor_link ended;
    cor_list_init(&ended);
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    move_all(&store->finished, &ended);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
    while (!cor_list_empty(&ended)) {
        struct write *write = COR_LIST_OBJECT(ended.next, struct write, link);
        cor_list_del(&write->link);
        store->pending--;
        if (write->done != NULL) {
            write->done(write->self, write->code, &write->err);
        }
        cor_freep(&write->ops);
        cor_free(write);
    }
    tell_broken(store);
}

void cor_store_close(struct cor_store **store_p)
{
    struct cor_store *store = *store_p;
    if (store == NULL) {
        return;
    }
    if (store->started) {
        cor_store_end_thread(store);
    }
    cor_db_close(&store->own_reader);
    cor_db_close(&store->writer);
    (void)pthread_mutex_destroy(&store->writer_lock);
    (void)pthread_mutex_destroy(&store->queue_lock);
    (void)pthread_cond_destroy(&store->queue_filled);
    cor_fd_close(&store->lock_fd);
    cor_freep(&store->path);
    cor_freep(store_p);
}

static enum cor_code enqueue(struct cor_store *store, const struct write *wanted,
                             struct cor_err *err)
{
    must(store->started && !store->stopping);
    if (store->pending >= store->max_pending) {
        return cor_err_set(err, COR_BUSY, "%zu writes are waiting for the disk", store->pending);
    }
    struct write *write = cor_alloc(sizeof(*write));
    *write = *wanted;
    store->pending++;
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    cor_list_add(&store->waiting, &write->link);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
    cor_store_wake_thread(store);
    return COR_OK;
}

enum cor_code cor_store_write(struct cor_store *store, cor_store_run_fn run, cor_store_done_fn done,
                              void *self, struct cor_err *err)
{
    return enqueue(store, &(struct write){.run = run, .done = done, .self = self}, err);
}

/* Ops with their arguments in one block of memory; bytes follow the arrays. */
struct cor_ops {
    void *caller;
    cor_store_done_fn done;
    size_t count;
    struct cor_op *ops;
};

static enum cor_code run_ops(struct cor_db *db, void *self, struct cor_err *err)
{
    const struct cor_ops *ops = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < ops->count && code == COR_OK; i++) {
        struct cor_stmt *stmt = cor_db_use(db, ops->ops[i].statement);
        for (size_t a = 0; a < ops->ops[i].arg_count; a++) {
            cor_stmt_bind(stmt, (int)a + 1, ops->ops[i].args[a]);
        }
        code = cor_stmt_run(stmt, err);
    }
    return code;
}

static void done_ops(void *self, enum cor_code code, const struct cor_err *err)
{
    const struct cor_ops *ops = self;
    if (ops->done != NULL) {
        ops->done(ops->caller, code, err);
    }
}

static struct cor_ops *copy_ops(const struct cor_op *ops, size_t count)
{
    size_t args = 0;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        args += ops[i].arg_count;
        for (size_t a = 0; a < ops[i].arg_count; a++) {
            bytes += ops[i].args[a].bytes.len;
        }
    }
    struct cor_ops *copy =
        cor_alloc(sizeof(*copy) + count * sizeof(*ops) + args * sizeof(struct cor_arg) + bytes);
    copy->count = count;
    copy->ops = (struct cor_op *)(void *)(copy + 1);
    struct cor_arg *arg = (struct cor_arg *)(void *)(copy->ops + count);
    char *at = (char *)(arg + args);
    for (size_t i = 0; i < count; i++) {
        copy->ops[i] = (struct cor_op){ops[i].statement, arg, ops[i].arg_count};
        for (size_t a = 0; a < ops[i].arg_count; a++, arg++) {
            *arg = ops[i].args[a];
            if (arg->bytes.len > 0) {
                memcpy(at, arg->bytes.ptr, arg->bytes.len);
                arg->bytes.ptr = at;
                at += arg->bytes.len;
            }
        }
    }
    return copy;
}

enum cor_code cor_store_ops(struct cor_store *store, const struct cor_op *ops, size_t count,
                            cor_store_done_fn done, void *self, struct cor_err *err)
{
    auto_(cor_freep) struct cor_ops *copy = copy_ops(ops, count);
    copy->caller = self;
    copy->done = done;
    enum cor_code code = enqueue(
        store, &(struct write){.run = run_ops, .done = done_ops, .self = copy, .ops = copy}, err);
    if (code == COR_OK) {
        (void)take(&copy);
    }
    return code;
}

enum cor_code cor_store_write_now(struct cor_store *store, cor_store_run_fn run, void *self,
                                  struct cor_err *err)
{
    struct write write = {.run = run, .self = self};
    struct cor_link batch;
    cor_list_init(&batch);
    cor_list_add(&batch, &write.link);
    cor_store_commit(store, &batch);
    if (write.code != COR_OK && err != NULL) {
        *err = write.err;
    }
    return write.code;
}

size_t cor_store_pending(const struct cor_store *store)
{
    return store->pending;
}
