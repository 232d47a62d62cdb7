// SPDX-License-Identifier: Apache-2.0
#include "recent.h"

#include <string.h>

#include "common/base/mem.h"

struct eb_recent_entry {
    uint64_t hash;
    uint16_t number;
};

enum { FIRST_CAP = 64, STORED = sizeof(uint64_t) + sizeof(uint16_t) };

/* FNV-1a, 64 bits. */
static uint64_t mix(uint64_t hash, struct cor_view bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        hash = (hash ^ (unsigned char)bytes.ptr[i]) * 0x100000001b3u;
    }
    return hash;
}

uint64_t eb_recent_hash(struct cor_view topic, struct cor_view payload)
{
    /* A byte that is in no topic keeps the two apart. */
    return mix(mix(mix(0xcbf29ce484222325u, topic), COR_VIEW("\0")), payload);
}

void eb_recent_begin(struct eb_recent *recent)
{
    recent->at = 0;
    recent->comparing = recent->count > 0;
}

bool eb_recent_is_again(struct eb_recent *recent, uint16_t number, uint64_t hash)
{
    if (number == 0) {
        return false;
    }
    for (size_t i = recent->at; recent->comparing && i < recent->count; i++) {
        if (recent->entries[i].number == number && recent->entries[i].hash == hash) {
            recent->at = i + 1;
            return true;
        }
    }
    recent->comparing = false;
    return false;
}

static void forget(struct eb_recent *recent, size_t count)
{
    recent->count -= count;
    recent->first += count;
    recent->at = recent->at > count ? recent->at - count : 0;
    memmove(recent->entries, recent->entries + count, recent->count * sizeof(*recent->entries));
}

void eb_recent_add(struct eb_recent *recent, uint16_t number, uint64_t hash)
{
    if (number == 0) {
        return; /* QoS 0 never comes again */
    }
    if (recent->count >= EB_RECENT_MAX) {
        forget(recent, EB_RECENT_MAX / 2);
    }
    if (recent->count == recent->cap) {
        recent->cap = recent->cap == 0 ? FIRST_CAP : recent->cap * 2;
        recent->entries = cor_realloc(recent->entries, recent->cap, sizeof(*recent->entries));
    }
    recent->entries[recent->count++] = (struct eb_recent_entry){hash, number};
}

uint64_t eb_recent_end(const struct eb_recent *recent)
{
    return recent->first + recent->count;
}

uint64_t eb_recent_reached(const struct eb_recent *recent)
{
    return recent->comparing ? recent->first + recent->at : eb_recent_end(recent);
}

void eb_recent_confirmed(struct eb_recent *recent, uint64_t end)
{
    if (end <= recent->first) {
        return;
    }
    size_t count = (size_t)(end - recent->first);
    forget(recent, count < recent->count ? count : recent->count);
    if (recent->count == 0) { /* a burst's memory is not kept */
        cor_freep(&recent->entries);
        recent->cap = 0;
    }
}

void eb_recent_write(const struct eb_recent *recent, uint64_t from, struct cor_buf *out)
{
    size_t at = from > recent->first ? (size_t)(from - recent->first) : 0;
    for (; at < recent->count; at++) {
        cor_buf_add(out, &recent->entries[at].hash, sizeof(uint64_t));
        cor_buf_add(out, &recent->entries[at].number, sizeof(uint16_t));
    }
}

bool eb_recent_read(struct eb_recent *recent, struct cor_view data, uint64_t end)
{
    size_t count = data.len / STORED;
    if (data.len % STORED != 0 || count > EB_RECENT_MAX || end < count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct eb_recent_entry entry;
        memcpy(&entry.hash, data.ptr + i * STORED, sizeof(entry.hash));
        memcpy(&entry.number, data.ptr + i * STORED + sizeof(entry.hash), sizeof(entry.number));
        eb_recent_add(recent, entry.number, entry.hash);
    }
    recent->first = end - recent->count;
    return true;
}

void eb_recent_free(struct eb_recent *recent)
{
    cor_freep(&recent->entries);
    *recent = (struct eb_recent){0};
}
