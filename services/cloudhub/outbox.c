// SPDX-License-Identifier: Apache-2.0
#include "outbox.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "proto/proto.h"

/* Versions of one object that wait in order: only another uid (deleted and made anew) makes a
 * second one; beyond this number the newest wins anyway. */
enum { CHAIN_MAX = 4 };

enum place { READY, FLYING, RESTING };

struct version {
    struct cor_link link;
    struct outbox_item item; /* its texts lie behind */
    char texts[];
};

struct entry {
    struct cor_link link; /* in ready, flying or resting, oldest first */
    struct cor_link versions;
    size_t count;
    enum place place;
    unsigned writes;
    struct cor_mono since; /* last write, or begin of the rest */
    char key[];
};

struct outbox {
    struct outbox_limits limits;
    struct cor_map *entries; /* key to struct entry */
    struct cor_map *known;   /* keys that the node has; NULL: nobody asks */
    struct cor_link ready;
    struct cor_link flying;
    struct cor_link resting;
    size_t flying_count;
    size_t models_flying; /* of flying_count, DeviceModels */
    size_t version_count;
    struct cor_ledger_counts n; /* without stored */
};

static void version_free(struct version *version)
{
    cor_list_del(&version->link);
    cor_free(version);
}

static void entry_free(void *value)
{
    struct entry *entry = value;
    cor_list_del(&entry->link);
    COR_LIST_EACH (node, &entry->versions) {
        version_free(COR_LIST_OBJECT(node, struct version, link));
    }
    cor_free(entry);
}

struct outbox *outbox_new(const struct outbox_limits *limits)
{
    struct outbox *outbox = cor_alloc(sizeof(*outbox));
    outbox->limits = *limits;
    outbox->entries = cor_map_new(entry_free);
    outbox->known = cor_map_new(NULL);
    cor_list_init(&outbox->ready);
    cor_list_init(&outbox->flying);
    cor_list_init(&outbox->resting);
    return outbox;
}

void outbox_free(struct outbox **outbox)
{
    if (*outbox != NULL) {
        cor_map_free(&(*outbox)->entries);
        cor_map_free(&(*outbox)->known);
        cor_freep(outbox);
    }
}

void outbox_forget_keys(struct outbox *outbox)
{
    cor_map_free(&outbox->known);
}

static struct version *first(const struct entry *entry)
{
    return COR_LIST_OBJECT(entry->versions.next, struct version, link);
}

static struct version *last(const struct entry *entry)
{
    return COR_LIST_OBJECT(entry->versions.prev, struct version, link);
}

static bool is_type(const struct entry *entry, const char *type)
{
    struct px_key key;
    return px_key_parse(cor_view_of(entry->key), &key) && cor_view_is(key.type, type);
}

static void move(struct outbox *outbox, struct entry *entry, enum place place)
{
    struct cor_link *lists[] = {&outbox->ready, &outbox->flying, &outbox->resting};
    if (entry->place == FLYING && place != FLYING) {
        outbox->flying_count--;
        outbox->models_flying -= is_type(entry, "devicemodel");
    } else if (entry->place != FLYING && place == FLYING) {
        outbox->flying_count++;
        outbox->models_flying += is_type(entry, "devicemodel");
    }
    cor_list_del(&entry->link);
    entry->place = place;
    cor_list_add(lists[place], &entry->link);
}

static bool same_uid(const struct outbox_item *item, const struct outbox_put *put)
{
    return item->uid[0] == 0 || put->uid.len == 0 || cor_view_is(put->uid, item->uid);
}

/* Whether what is put says nothing that item does not say already. */
static bool is_stale(const struct outbox_item *item, const struct outbox_put *put)
{
    uint64_t a = 0;
    uint64_t b = 0;
    if (!same_uid(item, put) || put->gone) {
        return false;
    }
    bool is_known = cor_view_u64(put->version, &a) && cor_view_u64(cor_view_of(item->version), &b);
    if (item->gone && item->uid[0] != 0 && put->uid.len > 0) {
        return !px_key_returns(put->key) || (is_known && a < b);
    }
    return !item->gone && is_known && a <= b;
}

/* Copies a text to *at, which moves behind it. */
static char *copy_text(char **at, struct cor_view text)
{
    char *copy = *at;
    if (text.len > 0) {
        memcpy(copy, text.ptr, text.len);
    }
    *at += text.len + 1; /* zeroed memory ends it */
    return copy;
}

static struct version *version_new(const struct outbox_put *put)
{
    size_t texts = put->key.len + put->uid.len + put->version.len + put->source.len +
                   put->body.len + 5; /* each ends in 0 */
    struct version *version = cor_alloc(sizeof(*version) + texts);
    char *at = version->texts;
    cor_list_init(&version->link);
    version->item.key = copy_text(&at, put->key);
    version->item.uid = copy_text(&at, put->uid);
    version->item.version = copy_text(&at, put->version);
    version->item.source = copy_text(&at, put->source);
    version->item.body = put->body.ptr == NULL ? NULL : copy_text(&at, put->body);
    version->item.body_len = put->body.len;
    version->item.content = put->content;
    version->item.gone = put->gone;
    must(strlen(put->id) == COR_UUID_LEN);
    memcpy(version->item.id, put->id, COR_UUID_LEN);
    return version;
}

static struct entry *entry_of(struct outbox *outbox, struct cor_view key)
{
    struct entry *entry = cor_map_get(outbox->entries, key);
    if (entry == NULL) {
        entry = cor_alloc(sizeof(*entry) + key.len + 1);
        memcpy(entry->key, key.ptr, key.len);
        cor_list_init(&entry->link);
        cor_list_init(&entry->versions);
        cor_map_set(outbox->entries, key, entry);
        move(outbox, entry, READY);
    }
    return entry;
}

bool outbox_put(struct outbox *outbox, const struct outbox_put *put)
{
    struct entry *entry = entry_of(outbox, put->key);
    if (entry->count > 0 && is_stale(&last(entry)->item, put)) {
        cor_ledger_accept(&outbox->n, 1, &outbox->n.superseded);
        return false;
    }
    bool last_flies = entry->place == FLYING && entry->count == 1;
    if (entry->count > 0 && !last_flies &&
        (same_uid(&last(entry)->item, put) || entry->count >= CHAIN_MAX)) {
        version_free(last(entry));
        entry->count--;
        outbox->version_count--;
        outbox->n.superseded++;
    }
    outbox->n.offered++;
    outbox->n.accepted++;
    outbox->version_count++;
    cor_list_add(&entry->versions, &version_new(put)->link);
    entry->count++;
    if (entry->place == RESTING) {
        entry->writes = 0;
        move(outbox, entry, READY); /* perhaps the node can take this one */
    }
    return true;
}

static const struct outbox_item *write_first(struct outbox *outbox, struct entry *entry,
                                             struct cor_mono now)
{
    entry->since = now;
    entry->writes++;
    move(outbox, entry, FLYING); /* to the end of the list */
    first(entry)->item.fresh =
        outbox->known == NULL || cor_map_get(outbox->known, cor_view_of(entry->key)) == NULL;
    return &first(entry)->item;
}

static void rest(struct outbox *outbox, struct entry *entry, struct cor_mono now)
{
    entry->writes = 0;
    entry->since = now;
    move(outbox, entry, RESTING);
}

static struct entry *due(const struct cor_link *list, int64_t after_us, struct cor_mono now)
{
    if (cor_list_empty(list)) {
        return NULL;
    }
    struct entry *entry = COR_LIST_OBJECT(list->next, struct entry, link);
    return cor_mono_since(now, entry->since) >= after_us ? entry : NULL;
}

/* An EdgeCore takes what comes in no order: a device that overtakes its model is not given to its
 * mapper (edge/pkg/devicetwin/dtmanager/dmiworker.go). */
static struct entry *first_ready(const struct outbox *outbox)
{
    COR_LIST_EACH (node, &outbox->ready) {
        struct entry *entry = COR_LIST_OBJECT(node, struct entry, link);
        if (outbox->models_flying == 0 || !is_type(entry, "device")) {
            return entry;
        }
    }
    return NULL;
}

const struct outbox_item *outbox_next(struct outbox *outbox, struct cor_mono now)
{
    struct entry *entry = NULL;
    while ((entry = due(&outbox->resting, outbox->limits.rest_us, now)) != NULL) {
        move(outbox, entry, READY);
    }
    while ((entry = due(&outbox->flying, outbox->limits.resend_us, now)) != NULL) {
        if (entry->writes < outbox->limits.writes) {
            return write_first(outbox, entry, now);
        }
        rest(outbox, entry, now);
    }
    if (outbox->flying_count < outbox->limits.window && (entry = first_ready(outbox)) != NULL) {
        return write_first(outbox, entry, now);
    }
    return NULL;
}

/* Most acknowledge in the order in which they were sent to, and the window is small. */
static struct entry *flying_with(const struct outbox *outbox, struct cor_view id)
{
    COR_LIST_EACH (node, &outbox->flying) {
        struct entry *entry = COR_LIST_OBJECT(node, struct entry, link);
        if (cor_view_is(id, first(entry)->item.id)) {
            return entry;
        }
    }
    return NULL;
}

const struct outbox_item *outbox_flying_with(const struct outbox *outbox, struct cor_view id)
{
    const struct entry *entry = flying_with(outbox, id);
    return entry == NULL ? NULL : &first(entry)->item;
}

void outbox_delayed(struct outbox *outbox, struct cor_mono now)
{
    COR_LIST_EACH (node, &outbox->flying) {
        COR_LIST_OBJECT(node, struct entry, link)->since = now;
    }
}

/* The node has what an entry says now, or has it no more. */
static void remember(struct outbox *outbox, const struct entry *entry, bool gone)
{
    if (outbox->known == NULL) {
        return;
    }
    if (gone) {
        (void)cor_map_del(outbox->known, cor_view_of(entry->key));
    } else {
        cor_map_set(outbox->known, cor_view_of(entry->key), outbox);
    }
}

/* Frees it. */
static void entry_end(struct outbox *outbox, struct entry *entry)
{
    (void)cor_map_take(outbox->entries, cor_view_of(entry->key));
    entry_free(entry);
}

bool outbox_acked(struct outbox *outbox, struct cor_view id)
{
    struct entry *entry = flying_with(outbox, id);
    if (entry == NULL) {
        return false;
    }
    remember(outbox, entry, first(entry)->item.gone);
    move(outbox, entry, READY);
    version_free(first(entry));
    outbox->version_count--;
    outbox->n.delivered++;
    entry->count--;
    entry->writes = 0;
    if (entry->count == 0) {
        entry_end(outbox, entry);
    }
    return true;
}

bool outbox_failed(struct outbox *outbox, struct cor_view id, struct cor_mono now)
{
    struct entry *entry = flying_with(outbox, id);
    if (entry == NULL) {
        return false;
    }
    rest(outbox, entry, now);
    return true;
}

void outbox_each(const struct outbox *outbox,
                 void (*fn)(void *self, const struct outbox_item *item), void *self)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->entries, &at, NULL, &value)) {
        const struct entry *entry = value;
        if (entry->count > 0 && !last(entry)->item.gone) {
            fn(self, &last(entry)->item);
        }
    }
}

static size_t has_entry(struct outbox *outbox, struct entry *entry,
                        bool (*is_had)(void *self, const struct outbox_item *item), void *self)
{
    if (entry->count == 0 || last(entry)->item.gone || !is_had(self, &last(entry)->item)) {
        return 0;
    }
    move(outbox, entry, READY);
    outbox->version_count -= entry->count;
    outbox->n.delivered++;
    outbox->n.superseded += entry->count - 1;
    remember(outbox, entry, false);
    entry_end(outbox, entry);
    return 1;
}

size_t outbox_has(struct outbox *outbox, bool (*is_had)(void *self, const struct outbox_item *item),
                  void *self)
{
    size_t count = 0;
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(outbox->entries, &at, NULL, &value)) {
        count += has_entry(outbox, value, is_had, self);
    }
    return count;
}

size_t outbox_has_one(struct outbox *outbox, struct cor_view key,
                      bool (*is_had)(void *self, const struct outbox_item *item), void *self)
{
    struct entry *entry = cor_map_get(outbox->entries, key);
    return entry == NULL ? 0 : has_entry(outbox, entry, is_had, self);
}

const struct outbox_item *outbox_find(const struct outbox *outbox, struct cor_view key)
{
    const struct entry *entry = cor_map_get(outbox->entries, key);
    return entry == NULL || entry->count == 0 ? NULL : &last(entry)->item;
}

static int64_t until(const struct cor_link *list, int64_t after_us, struct cor_mono now)
{
    if (cor_list_empty(list)) {
        return -1;
    }
    struct entry *entry = COR_LIST_OBJECT(list->next, struct entry, link);
    int64_t left = after_us - cor_mono_since(now, entry->since);
    return left > 0 ? left : 0;
}

int64_t outbox_wait(const struct outbox *outbox, struct cor_mono now)
{
    int64_t resend = until(&outbox->flying, outbox->limits.resend_us, now);
    int64_t wake = until(&outbox->resting, outbox->limits.rest_us, now);
    return resend < 0 ? wake : wake < 0 || resend < wake ? resend : wake;
}

void outbox_books(const struct outbox *outbox, struct cor_ledger_counts *sum)
{
    cor_ledger_add(sum, &outbox->n);
    sum->stored += outbox->version_count;
}

void outbox_end_books(const struct outbox *outbox, struct cor_ledger_counts *sum)
{
    cor_ledger_add(sum, &outbox->n);
    sum->superseded += outbox->version_count;
}

size_t outbox_count(const struct outbox *outbox)
{
    return cor_map_count(outbox->entries);
}

size_t outbox_flying(const struct outbox *outbox)
{
    return outbox->flying_count;
}
