// SPDX-License-Identifier: Apache-2.0
// A file system for SQLite in memory, which knows what of each file has reached the disk. A kill
// keeps what was written; a power cut keeps what was synced and, of the rest, any sectors in any
// combination. Writes fail while the disk is full, or once with an I/O error.
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"

enum { SECTOR = 512, REGION = 32 * 1024, REGIONS_MAX = 64, BLOCK = 32 * 1024 };

/* A write that the disk need not have: what was there before, to take it back. */
struct undo {
    struct cor_link link;
    size_t offset;
    size_t len;      /* of the new bytes */
    size_t old_len;  /* of the old ones: what lay within the file */
    size_t size_was; /* of the file */
    bool truncates;
    bool stays;   /* no write: the tail of a file that is truncated */
    char bytes[]; /* the old ones; once they are back in the file, the new ones */
};

struct file {
    struct cor_link link;
    char *path;
    enum sim_machine machine;
    char **blocks; /* behind size they may hold anything */
    size_t block_count;
    size_t size;
    struct cor_link unsynced;
    struct cor_link handles;
    uint64_t version;           /* counts what may have changed it */
    char *regions[REGIONS_MAX]; /* shared memory of the WAL index */
    unsigned shared[SQLITE_SHM_NLOCK];
    void *exclusive[SQLITE_SHM_NLOCK];
    bool deleted;
};

struct handle {
    sqlite3_file base;
    struct cor_link link;
    struct file *file;
    struct sim_core *core;
    uint64_t life;
    int lock;
    uint16_t shm_shared; /* bit per lock */
    uint16_t shm_exclusive;
};

static struct file *file_find(const char *path)
{
    COR_LIST_EACH (node, &sim_world()->files) {
        struct file *file = COR_LIST_OBJECT(node, struct file, link);
        if (!file->deleted && strcmp(file->path, path) == 0) {
            return file;
        }
    }
    return NULL;
}

static struct file *file_new(const char *path)
{
    struct file *file = cor_alloc(sizeof(*file));
    file->path = cor_strdup(path);
    file->machine = sim_self() == NULL ? SIM_CLOUD : sim_self()->machine;
    cor_list_init(&file->unsynced);
    cor_list_init(&file->handles);
    cor_list_add(&sim_world()->files, &file->link);
    return file;
}

/* ---- crashes ---- */

static void shm_release(struct handle *h)
{
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        if ((h->shm_shared & (1u << i)) != 0) {
            h->file->shared[i]--;
        }
        if ((h->shm_exclusive & (1u << i)) != 0) {
            h->file->exclusive[i] = NULL;
        }
    }
    h->shm_shared = 0;
    h->shm_exclusive = 0;
}

static void shm_drop(struct file *file)
{
    for (size_t i = 0; i < REGIONS_MAX; i++) {
        cor_freep(&file->regions[i]);
    }
}

void sim_files_died(struct sim_core *core)
{
    COR_LIST_EACH (node, &sim_world()->files) {
        struct file *file = COR_LIST_OBJECT(node, struct file, link);
        COR_LIST_EACH (other, &file->handles) {
            struct handle *h = COR_LIST_OBJECT(other, struct handle, link);
            if (h->core == core) {
                shm_release(h);
                cor_list_del(other);
            }
        }
        if (cor_list_empty(&file->handles)) {
            shm_drop(file);
        }
    }
}

static void forget_unsynced(struct file *file)
{
    COR_LIST_EACH (node, &file->unsynced) {
        cor_list_del(node);
        cor_free(COR_LIST_OBJECT(node, struct undo, link));
    }
}

static void grow(struct file *file, size_t size)
{
    size_t count = (size + BLOCK - 1) / BLOCK;
    if (count > file->block_count) {
        file->blocks = cor_realloc(file->blocks, count, sizeof(*file->blocks));
        while (file->block_count < count) {
            file->blocks[file->block_count++] = cor_alloc(BLOCK);
        }
    }
}

/* Bytes at, and after it in the same block; *n becomes at most their number. */
static char *bytes_at(const struct file *file, size_t at, size_t *n)
{
    size_t left = BLOCK - at % BLOCK;
    *n = *n < left ? *n : left;
    return file->blocks[at / BLOCK] + at % BLOCK;
}

static void get(const struct file *file, size_t at, char *out, size_t len)
{
    while (len > 0) {
        size_t n = len;
        const char *from = bytes_at(file, at, &n);
        memcpy(out, from, n);
        at += n;
        out += n;
        len -= n;
    }
}

/* bytes NULL: zeros. The file has room. */
static void put(struct file *file, size_t at, const char *bytes, size_t len)
{
    while (len > 0) {
        size_t n = len;
        char *to = bytes_at(file, at, &n);
        if (bytes == NULL) {
            memset(to, 0, n);
        } else {
            memcpy(to, bytes, n);
            bytes += n;
        }
        at += n;
        len -= n;
    }
}

static void set_size(struct file *file, size_t size)
{
    grow(file, size);
    if (size > file->size) {
        put(file, file->size, NULL, size - file->size);
    }
    file->size = size;
}

/* Some sectors of the write reach the disk all the same. */
static void redo_some(struct file *file, const struct undo *undo)
{
    if (undo->truncates) {
        if (sim_chance(SIM_DISK, 500000)) {
            set_size(file, undo->len);
        }
        return;
    }
    uint64_t mood = sim_pick(SIM_DISK, 4); /* none, all, or torn */
    for (size_t at = 0; at < undo->len; at += SECTOR) {
        size_t n = undo->len - at < SECTOR ? undo->len - at : SECTOR;
        bool kept = mood == 1 || (mood >= 2 && sim_chance(SIM_DISK, 500000));
        if (kept) {
            if (undo->offset + at + n > file->size) {
                set_size(file, undo->offset + at + n);
            }
            put(file, undo->offset + at, undo->bytes + at, n);
        }
    }
}

/* Puts back what was there before the write and keeps what the write has brought: writes behind
 * it have been taken back. */
static void take_back(struct file *file, struct undo *undo)
{
    bool is_write = !undo->truncates && !undo->stays;
    auto_(cor_freep) char *brought = is_write ? cor_alloc(undo->len + 1) : NULL;
    if (is_write) {
        get(file, undo->offset, brought, undo->len);
    }
    put(file, undo->offset, undo->bytes, undo->old_len);
    set_size(file, undo->size_was);
    if (is_write) {
        memcpy(undo->bytes, brought, undo->len);
    }
}

static void power_cut(struct file *file)
{
    file->version++;
    for (struct cor_link *node = file->unsynced.prev; node != &file->unsynced; node = node->prev) {
        take_back(file, COR_LIST_OBJECT(node, struct undo, link));
    }
    COR_LIST_EACH (node, &file->unsynced) {
        redo_some(file, COR_LIST_OBJECT(node, struct undo, link));
    }
    forget_unsynced(file);
}

void sim_files_power(enum sim_machine machine)
{
    COR_LIST_EACH (node, &sim_world()->files) {
        struct file *file = COR_LIST_OBJECT(node, struct file, link);
        if (file->machine == machine) {
            power_cut(file);
        }
    }
}

uint64_t sim_files_version(const char *path)
{
    uint64_t sum = 0;
    COR_LIST_EACH (node, &sim_world()->files) {
        const struct file *file = COR_LIST_OBJECT(node, struct file, link);
        sum += cor_view_starts(cor_view_of(file->path), path) ? file->version + 1 : 0;
    }
    return sum;
}

/* ---- one file ---- */

static struct handle *handle_of(sqlite3_file *base)
{
    return (struct handle *)(void *)base;
}

static int on_close(sqlite3_file *base)
{
    struct handle *h = handle_of(base);
    if (h->file == NULL) {
        return SQLITE_OK;
    }
    shm_release(h);
    cor_list_del(&h->link);
    if (cor_list_empty(&h->file->handles)) {
        shm_drop(h->file);
    }
    h->file = NULL;
    return SQLITE_OK;
}

static int on_read(sqlite3_file *base, void *out, int amount, sqlite3_int64 offset)
{
    const struct file *file = handle_of(base)->file;
    size_t at = (size_t)offset;
    size_t want = (size_t)amount;
    size_t have = at >= file->size ? 0 : file->size - at;
    size_t n = have < want ? have : want;
    if (n > 0) {
        get(file, at, out, n);
    }
    memset((char *)out + n, 0, want - n);
    return n == want ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

/* What the state of the machine's disk says to a write. */
static int verdict(const struct file *file, int error)
{
    switch (sim_disk_get(file->machine)) {
    case SIM_DISK_FULL:
        return SQLITE_FULL;
    case SIM_DISK_ERROR_ONCE:
        sim_disk_set(file->machine, SIM_DISK_WELL);
        return error;
    default:
        return SQLITE_OK;
    }
}

static void remember(struct file *file, size_t at, size_t n, bool stays)
{
    size_t old = at >= file->size ? 0 : file->size - at;
    old = old < n ? old : n;
    struct undo *undo = cor_realloc(NULL, 1, sizeof(*undo) + n);
    *undo = (struct undo){
        .offset = at, .len = n, .old_len = old, .size_was = file->size, .stays = stays};
    get(file, at, undo->bytes, old);
    cor_list_init(&undo->link);
    cor_list_add(&file->unsynced, &undo->link);
}

static int on_write(sqlite3_file *base, const void *bytes, int amount, sqlite3_int64 offset)
{
    struct file *file = handle_of(base)->file;
    size_t at = (size_t)offset;
    size_t n = (size_t)amount;
    file->version++;
    sim_point();
    int rc = verdict(file, SQLITE_IOERR_WRITE);
    if (rc != SQLITE_OK) {
        return rc;
    }
    remember(file, at, n, false);
    if (at + n > file->size) {
        grow(file, at + n);
        if (at > file->size) {
            put(file, file->size, NULL, at - file->size);
        }
        file->size = at + n;
    }
    put(file, at, bytes, n);
    return SQLITE_OK;
}

static int on_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *file = handle_of(base)->file;
    file->version++;
    sim_point();
    if ((size_t)size < file->size) { /* the tail's bytes come back with a power cut */
        remember(file, (size_t)size, file->size - (size_t)size, true);
    }
    struct undo *undo = cor_alloc(sizeof(*undo));
    undo->truncates = true;
    undo->len = (size_t)size;
    undo->size_was = file->size;
    cor_list_add(&file->unsynced, &undo->link);
    set_size(file, (size_t)size);
    return SQLITE_OK;
}

static int on_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct file *file = handle_of(base)->file;
    sim_point();
    int rc = verdict(file, SQLITE_IOERR_FSYNC);
    if (rc == SQLITE_FULL) {
        rc = SQLITE_OK; /* what was written has its place */
    }
    if (rc == SQLITE_OK) {
        forget_unsynced(file);
    }
    return rc;
}

static int on_size(sqlite3_file *base, sqlite3_int64 *size_r)
{
    *size_r = (sqlite3_int64)handle_of(base)->file->size;
    return SQLITE_OK;
}

/* ---- locks of the database file: a store has one writer, WAL's own locks do the rest ---- */

static int on_lock(sqlite3_file *base, int level)
{
    struct handle *h = handle_of(base);
    if (level == SQLITE_LOCK_EXCLUSIVE) {
        COR_LIST_EACH (node, &h->file->handles) {
            const struct handle *other = COR_LIST_OBJECT(node, struct handle, link);
            if (other != h && other->lock != SQLITE_LOCK_NONE) {
                return SQLITE_BUSY;
            }
        }
    }
    h->lock = level > h->lock ? level : h->lock;
    return SQLITE_OK;
}

static int on_unlock(sqlite3_file *base, int level)
{
    handle_of(base)->lock = level;
    return SQLITE_OK;
}

static int on_check_lock(sqlite3_file *base, int *reserved_r)
{
    (void)base;
    *reserved_r = 0;
    return SQLITE_OK;
}

static int on_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int on_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int on_device(sqlite3_file *base)
{
    (void)base;
    return 0;
}

/* ---- shared memory ---- */

static int on_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct file *file = handle_of(base)->file;
    must(region < REGIONS_MAX && size == REGION);
    if (file->regions[region] == NULL && extend != 0) {
        file->regions[region] = cor_alloc(REGION);
    }
    *out = file->regions[region];
    return SQLITE_OK;
}

static int shm_take(struct handle *h, int i, bool exclusive)
{
    struct file *file = h->file;
    bool mine = (h->shm_shared & (1u << i)) != 0;
    if (file->exclusive[i] != NULL && file->exclusive[i] != h) {
        return SQLITE_BUSY;
    }
    if (exclusive && file->shared[i] > (mine ? 1u : 0u)) {
        return SQLITE_BUSY;
    }
    return SQLITE_OK;
}

static void shm_set(struct handle *h, int i, int flags)
{
    uint16_t bit = (uint16_t)(1u << i);
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        h->file->shared[i] -= (h->shm_shared & bit) != 0 ? 1 : 0;
        h->file->exclusive[i] = (h->shm_exclusive & bit) != 0 ? NULL : h->file->exclusive[i];
        h->shm_shared = (uint16_t)(h->shm_shared & ~bit);
        h->shm_exclusive = (uint16_t)(h->shm_exclusive & ~bit);
    } else if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
        h->file->exclusive[i] = h;
        h->shm_exclusive = (uint16_t)(h->shm_exclusive | bit);
    } else if ((h->shm_shared & bit) == 0) {
        h->file->shared[i]++;
        h->shm_shared = (uint16_t)(h->shm_shared | bit);
    }
}

static int on_shm_lock(sqlite3_file *base, int offset, int n, int flags)
{
    struct handle *h = handle_of(base);
    bool takes = (flags & SQLITE_SHM_LOCK) != 0;
    for (int i = offset; takes && i < offset + n; i++) {
        if (shm_take(h, i, (flags & SQLITE_SHM_EXCLUSIVE) != 0) != SQLITE_OK) {
            return SQLITE_BUSY;
        }
    }
    for (int i = offset; i < offset + n; i++) {
        shm_set(h, i, flags);
    }
    return SQLITE_OK;
}

static void on_shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int on_shm_unmap(sqlite3_file *base, int drop)
{
    struct handle *h = handle_of(base);
    shm_release(h);
    if (drop != 0) {
        shm_drop(h->file);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 2,
    .xClose = on_close,
    .xRead = on_read,
    .xWrite = on_write,
    .xTruncate = on_truncate,
    .xSync = on_sync,
    .xFileSize = on_size,
    .xLock = on_lock,
    .xUnlock = on_unlock,
    .xCheckReservedLock = on_check_lock,
    .xFileControl = on_control,
    .xSectorSize = on_sector,
    .xDeviceCharacteristics = on_device,
    .xShmMap = on_shm_map,
    .xShmLock = on_shm_lock,
    .xShmBarrier = on_shm_barrier,
    .xShmUnmap = on_shm_unmap,
};

/* ---- the file system ---- */

static int on_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *flags_r)
{
    (void)vfs;
    struct handle *h = handle_of(base);
    memset(h, 0, sizeof(*h));
    must(path != NULL); /* temporary files are kept in memory by SQLite */
    struct file *file = file_find(path);
    h->file = file == NULL ? file_new(path) : file;
    h->core = sim_self();
    cor_list_init(&h->link);
    cor_list_add(&h->file->handles, &h->link);
    h->base.pMethods = &METHODS;
    if (flags_r != NULL) {
        *flags_r = flags;
    }
    return SQLITE_OK;
}

static int on_delete(sqlite3_vfs *vfs, const char *path, int sync)
{
    (void)vfs;
    (void)sync;
    struct file *file = file_find(path);
    if (file == NULL) {
        return SQLITE_IOERR_DELETE_NOENT;
    }
    file->deleted = true; /* a name is gone at once, as with a synced folder */
    return SQLITE_OK;
}

static int on_access(sqlite3_vfs *vfs, const char *path, int flags, int *result_r)
{
    (void)vfs;
    const struct file *file = file_find(path);
    *result_r = file != NULL && (flags != SQLITE_ACCESS_EXISTS || file->size > 0);
    return SQLITE_OK;
}

static int on_full_path(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
    (void)vfs;
    (void)snprintf(out, (size_t)size, "%s", path);
    return SQLITE_OK;
}

static int on_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    for (int i = 0; i < size; i++) {
        out[i] = (char)sim_pick(SIM_SECRET, 256);
    }
    return size;
}

static int on_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int on_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *now_r)
{
    (void)vfs;
    *now_r = cor_wall_now().us / 1000 + (sqlite3_int64)24405875 * 8640000;
    return SQLITE_OK;
}

static int on_time(sqlite3_vfs *vfs, double *now_r)
{
    sqlite3_int64 ms = 0;
    (void)on_time_ms(vfs, &ms);
    *now_r = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int on_error(sqlite3_vfs *vfs, int size, char *out)
{
    (void)vfs;
    (void)size;
    (void)out;
    return 0;
}

void sim_vfs_register(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = 512,
        .zName = "sim",
        .xOpen = on_open,
        .xDelete = on_delete,
        .xAccess = on_access,
        .xFullPathname = on_full_path,
        .xRandomness = on_randomness,
        .xSleep = on_sleep,
        .xCurrentTime = on_time,
        .xGetLastError = on_error,
        .xCurrentTimeInt64 = on_time_ms,
    };
    /* One thread, and nobody asks how much memory it has. */
    must(sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) == SQLITE_OK);
    must(sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) == SQLITE_OK);
    must(sqlite3_vfs_register(&vfs, 1) == SQLITE_OK);
}
