// SPDX-License-Identifier: Apache-2.0
#include "replay.h"

#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "ops.h"

enum { FILES = 64, SECTOR = 512 };

struct image {
    struct cor_buf bytes; /* what is surely there */
    char *name;
    size_t *pending; /* offsets in the log of operations not synced */
    size_t count;
    bool exists;
};

struct replay {
    struct cor_buf log;
    size_t *ops; /* offsets in the log */
    size_t count;
    size_t at;
    uint64_t acks;
    struct image files[FILES];
};

static struct op op_at(const struct replay *r, size_t offset)
{
    struct op op;
    memcpy(&op, r->log.data + offset, sizeof(op));
    return op;
}

struct replay *replay_open(const char *log)
{
    struct cor_err err = COR_ERR_NONE;
    struct replay *r = cor_alloc(sizeof(*r));
    if (cor_file_read(log, (size_t)1 << 32, &r->log, &err) != COR_OK) {
        (void)fprintf(stderr, "%s\n", err.text);
        replay_free(&r);
        return NULL;
    }
    size_t room = 0;
    for (size_t at = 0; at + sizeof(struct op) <= r->log.len;) {
        struct op op = op_at(r, at);
        if (op.file > FILES || op.len > r->log.len - at - sizeof(op)) {
            break; /* the end of a recording that was killed */
        }
        if (r->count == room) {
            room = room == 0 ? 4096 : room * 2;
            r->ops = cor_realloc(r->ops, room, sizeof(*r->ops));
        }
        r->ops[r->count++] = at;
        at += sizeof(op) + op.len;
    }
    return r;
}

void replay_free(struct replay **replay)
{
    if (*replay == NULL) {
        return;
    }
    for (size_t i = 0; i < FILES; i++) {
        cor_buf_free(&(*replay)->files[i].bytes);
        cor_free((*replay)->files[i].name);
        cor_free((*replay)->files[i].pending);
    }
    cor_buf_free(&(*replay)->log);
    cor_free((*replay)->ops);
    cor_freep(replay);
}

size_t replay_count(const struct replay *replay)
{
    return replay->count;
}

static void resize(struct cor_buf *bytes, size_t len)
{
    static const char ZEROS[4096];
    while (bytes->len < len) {
        size_t more = len - bytes->len < sizeof(ZEROS) ? len - bytes->len : sizeof(ZEROS);
        cor_buf_view(bytes, (struct cor_view){ZEROS, more});
    }
    bytes->len = len;
}

static void put(struct cor_buf *bytes, size_t at, const char *data, size_t len)
{
    if (bytes->len < at + len) {
        resize(bytes, at + len);
    }
    memcpy(bytes->data + at, data, len);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* A write of which each sector is there or not. */
static void put_torn(struct cor_buf *bytes, const struct op *op, const char *data, uint64_t *random)
{
    for (size_t done = 0; done < op->len;) {
        size_t to_edge = SECTOR - (op->offset + done) % SECTOR;
        size_t len = to_edge < op->len - done ? to_edge : (size_t)op->len - done;
        if (next_random(random) % 2 == 0) {
            put(bytes, (size_t)op->offset + done, data + done, len);
        }
        done += len;
    }
}

static void apply(const struct replay *r, struct cor_buf *bytes, size_t offset)
{
    struct op op = op_at(r, offset);
    if (op.kind == OP_WRITE) {
        put(bytes, (size_t)op.offset, r->log.data + offset + sizeof(op), (size_t)op.len);
    } else if (op.kind == OP_TRUNCATE) {
        resize(bytes, (size_t)op.offset);
    }
}

static void sync_file(const struct replay *r, struct image *file)
{
    for (size_t i = 0; i < file->count; i++) {
        apply(r, &file->bytes, file->pending[i]);
    }
    file->count = 0;
}

static void hold(struct image *file, size_t offset)
{
    file->pending = cor_realloc(file->pending, file->count + 1, sizeof(*file->pending));
    file->pending[file->count++] = offset;
}

static void step(struct replay *r, size_t offset)
{
    struct op op = op_at(r, offset);
    if (op.kind == OP_ACK) {
        r->acks++;
        return;
    }
    if (op.file == 0) {
        return;
    }
    struct image *file = &r->files[op.file - 1];
    if (op.kind == OP_OPEN && file->name == NULL) {
        file->name = cor_memdup(r->log.data + offset + sizeof(op), (size_t)op.len);
        file->exists = true;
    } else if (op.kind == OP_OPEN) {
        file->exists = true;
    } else if (op.kind == OP_SYNC) {
        sync_file(r, file);
    } else if (op.kind == OP_UNLINK) {
        file->bytes.len = 0;
        file->count = 0;
        file->exists = false;
    } else {
        hold(file, offset);
    }
}

uint64_t replay_to(struct replay *replay, size_t at)
{
    for (; replay->at < at && replay->at < replay->count; replay->at++) {
        step(replay, replay->ops[replay->at]);
    }
    return replay->acks;
}

/* Each operation that was not synced is there, is not, or is there in part. */
static void apply_some(const struct replay *r, struct cor_buf *bytes, size_t offset,
                       uint64_t *random)
{
    struct op op = op_at(r, offset);
    uint64_t fate = next_random(random) % 4;
    if (fate == 0) {
        return;
    }
    if (fate == 1 && op.kind == OP_WRITE) {
        put_torn(bytes, &op, r->log.data + offset + sizeof(op), random);
    } else {
        apply(r, bytes, offset);
    }
}

bool replay_write(const struct replay *replay, uint64_t seed, const char *dir)
{
    uint64_t random = seed * 0x9e3779b97f4a7c15u + 1;
    for (size_t i = 0; i < FILES; i++) {
        const struct image *file = &replay->files[i];
        if (file->name == NULL || !file->exists) {
            continue;
        }
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        cor_buf_view(&bytes, cor_buf_as_view(&file->bytes));
        for (size_t at = 0; at < file->count; at++) {
            apply_some(replay, &bytes, file->pending[at], &random);
        }
        auto_(cor_freep) char *path = cor_sprintf("%s%s", dir, file->name);
        FILE *out = fopen(path, "we");
        if (out == NULL || (bytes.len > 0 && fwrite(bytes.data, bytes.len, 1, out) != 1) ||
            fclose(out) != 0) {
            return false;
        }
    }
    return true;
}
