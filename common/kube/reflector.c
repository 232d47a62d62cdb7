// SPDX-License-Identifier: Apache-2.0
#include "common/kube/reflector.h"

#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/clock/backoff.h"
#include "common/clock/clock.h"
#include "common/kube/pack.h"
#include "common/kube/path.h"

/* Longest JSON text of one event or item; objects in etcd are far smaller. */
enum { EVENT_MAX = 16 * 1024 * 1024, PAGE = 500, GONE = 410, TOO_MANY = 429, PAGES_LOST_MAX = 2 };
enum { SILENCE_S = 150, LASTED_S = 5 };

struct entry {
    uint64_t round; /* the list that showed it last */
    size_t len;
    char packed[];
};

struct cor_reflector {
    struct cor_reflector_sink sink;
    char *api_version, *kind; /* owned */
    struct cor_map *entries;  /* "ns/name" to struct entry */
    size_t bytes;             /* of all entries */
    struct cor_buf work;      /* an object that is being packed */
    char *version;            /* owned; watch from here */
    char *next_page;          /* owned; NULL: the next list begins anew */
    uint64_t round;           /* number of the list under way or done */
    bool listing;             /* it is under way */
    unsigned pages_lost;      /* 410 within a list, since the last complete one */
    bool synced;
    bool has_bookmarks; /* the server sends them */
    struct cor_backoff backoff;
};

struct cor_reflector *cor_reflector_new(struct cor_reflector_sink sink, const char *api_version,
                                        const char *kind)
{
    struct cor_reflector *r = cor_alloc(sizeof(*r));
    r->sink = sink;
    r->api_version = cor_strdup(api_version);
    r->kind = cor_strdup(kind);
    r->entries = cor_map_new(cor_free);
    r->backoff = (struct cor_backoff){.first_us = COR_MS(20), .last_us = COR_SEC(10)};
    return r;
}

void cor_reflector_free(struct cor_reflector **reflector)
{
    if (*reflector != NULL) {
        cor_map_free(&(*reflector)->entries);
        cor_buf_free(&(*reflector)->work);
        cor_free((*reflector)->api_version);
        cor_free((*reflector)->kind);
        cor_free((*reflector)->version);
        cor_free((*reflector)->next_page);
        cor_freep(reflector);
    }
}

void cor_reflector_query(const struct cor_reflector *r, bool watch, struct cor_buf *out)
{
    if (watch) {
        cor_buf_fmt(out, "watch=true&allowWatchBookmarks=true&timeoutSeconds=%d&resourceVersion=",
                    COR_WATCH_SECONDS);
        cor_percent_encode(cor_view_of(r->version), out);
        return;
    }
    cor_buf_fmt(out, "limit=%d", r->pages_lost < PAGES_LOST_MAX ? PAGE : 0);
    if (r->next_page != NULL) {
        cor_buf_str(out, "&continue=");
        cor_percent_encode(cor_view_of(r->next_page), out);
    }
}

static char *key_of(const char *ns, const char *name)
{
    return cor_sprintf("%s/%s", ns == NULL ? "" : ns, name);
}

static void set_text(char **field, const char *text)
{
    cor_free(*field);
    *field = text == NULL || text[0] == 0 ? NULL : cor_strdup(text);
}

static void tell(struct cor_reflector *r, enum cor_change change, struct cor_json *object,
                 struct cor_json *old)
{
    r->sink.changed(r->sink.self, change, object, old);
}

static bool same(const struct cor_json *a, const struct cor_json *b, const char *path)
{
    return strcmp(cor_json_str_at(a, path, ""), cor_json_str_at(b, path, "")) == 0;
}

/* A watch may repeat what a list has shown already. */
static bool is_older(const struct cor_json *object, const struct cor_json *old)
{
    uint64_t a = 0;
    uint64_t b = 0;
    return cor_view_u64(cor_json_as_view(cor_json_at(object, "metadata.resourceVersion")), &a) &&
           cor_view_u64(cor_json_as_view(cor_json_at(old, "metadata.resourceVersion")), &b) &&
           a < b;
}

static struct cor_json *object_of(const struct entry *entry)
{
    return cor_kube_unpack((struct cor_view){entry->packed, entry->len});
}

static void put(struct cor_reflector *r, struct cor_view key, const struct cor_json *object)
{
    const struct entry *old = cor_map_get(r->entries, key);
    r->bytes -= old == NULL ? 0 : old->len;
    cor_buf_clear(&r->work);
    cor_kube_pack(object, &r->work);
    struct entry *entry = cor_alloc(sizeof(*entry) + r->work.len);
    entry->round = r->round;
    entry->len = r->work.len;
    memcpy(entry->packed, r->work.data, r->work.len);
    r->bytes += entry->len;
    cor_map_set(r->entries, key, entry);
}

static void drop(struct cor_reflector *r, struct cor_view key)
{
    const struct entry *entry = cor_map_get(r->entries, key);
    r->bytes -= entry == NULL ? 0 : entry->len;
    (void)cor_map_del(r->entries, key);
}

/* Without what nobody reads, and with what items of lists lack. */
static void prepare(const struct cor_reflector *r, struct cor_json *object)
{
    struct cor_json *metadata = cor_json_get(object, "metadata");
    if (cor_json_is_object(metadata)) {
        cor_json_del(metadata, "managedFields");
    }
    if (r->kind != NULL && cor_json_get(object, "kind") == NULL) {
        cor_json_set(object, "kind", cor_json_str(r->kind));
        cor_json_set(object, "apiVersion", cor_json_str(r->api_version));
    }
}

/* object exists: from a list (listed) or a watch. False if it has no name. */
static bool apply(struct cor_reflector *r, struct cor_json *object, bool listed)
{
    const char *name = cor_json_str_at(object, "metadata.name", NULL);
    if (name == NULL) {
        return false;
    }
    auto_(cor_freep) char *key = key_of(cor_json_str_at(object, "metadata.namespace", NULL), name);
    struct entry *entry = cor_map_get(r->entries, cor_view_of(key));
    auto_(cor_json_free) struct cor_json *old = entry == NULL ? NULL : object_of(entry);
    bool replaced = old != NULL && !same(object, old, "metadata.uid");
    if (old != NULL && !replaced &&
        (same(object, old, "metadata.resourceVersion") || (!listed && is_older(object, old)))) {
        entry->round = r->round;
        return true;
    }
    if (replaced) {
        tell(r, COR_DELETED, old, old);
    }
    prepare(r, object);
    put(r, cor_view_of(key), object);
    tell(r, old == NULL || replaced ? COR_ADDED : COR_CHANGED, object, replaced ? NULL : old);
    return true;
}

/* object, with its last state, is no more. */
static bool gone(struct cor_reflector *r, struct cor_json *object)
{
    const char *name = cor_json_str_at(object, "metadata.name", NULL);
    if (name == NULL) {
        return false;
    }
    auto_(cor_freep) char *key = key_of(cor_json_str_at(object, "metadata.namespace", NULL), name);
    struct entry *entry = cor_map_get(r->entries, cor_view_of(key));
    if (entry == NULL) {
        return true;
    }
    auto_(cor_json_free) struct cor_json *old = object_of(entry);
    drop(r, cor_view_of(key));
    prepare(r, object);
    tell(r, COR_DELETED, object, old);
    return true;
}

/* What the finished list did not show is gone. */
static void sweep(struct cor_reflector *r)
{
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    while (cor_map_next(r->entries, &at, &key, &value)) {
        struct entry *entry = value;
        if (entry->round != r->round) {
            auto_(cor_json_free) struct cor_json *old = object_of(entry);
            drop(r, key);
            tell(r, COR_DELETED, old, old);
        }
    }
}

enum cor_code cor_reflector_item(struct cor_reflector *r, struct cor_view item)
{
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (!r->listing) {
        r->listing = true;
        r->round++;
    }
    enum cor_code code = cor_json_parse(item, EVENT_MAX, 0, &object, NULL);
    return code == COR_OK && apply(r, object, true) ? COR_OK : COR_INVALID;
}

struct cor_reflector_step cor_reflector_listed(struct cor_reflector *r, const struct cor_json *body,
                                               double random)
{
    const struct cor_json *items = cor_json_get(body, "items");
    const char *version = cor_json_str_at(body, "metadata.resourceVersion", "");
    if (!cor_json_is_object(body) || version[0] == 0 ||
        !(cor_json_is_null(items) || cor_json_is_array(items))) {
        return cor_reflector_failed(r, (struct cor_reflector_end){0}, random);
    }
    if (!r->listing) {
        r->listing = true; /* it had no items */
        r->round++;
    }
    set_text(&r->next_page, cor_json_str_at(body, "metadata.continue", NULL));
    set_text(&r->version, version);
    if (r->next_page != NULL) {
        return (struct cor_reflector_step){.watch = false};
    }
    r->listing = false;
    r->pages_lost = 0;
    sweep(r);
    r->synced = true;
    if (r->sink.synced != NULL) {
        r->sink.synced(r->sink.self);
    }
    return (struct cor_reflector_step){.watch = true};
}

static enum cor_code error_event(const struct cor_json *status)
{
    return cor_json_int_at(status, "code", 0) == 410 ||
                   strcmp(cor_json_str_at(status, "reason", ""), "Expired") == 0
               ? COR_GONE
               : COR_RETRY;
}

static enum cor_code event(struct cor_reflector *r, const char *type, struct cor_json *object)
{
    if (strcmp(type, "ERROR") == 0) {
        return error_event(object);
    }
    const char *version = cor_json_str_at(object, "metadata.resourceVersion", NULL);
    r->has_bookmarks = r->has_bookmarks || strcmp(type, "BOOKMARK") == 0;
    bool done = strcmp(type, "BOOKMARK") == 0  ? version != NULL
                : strcmp(type, "DELETED") == 0 ? gone(r, object)
                : strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0
                    ? apply(r, object, false)
                    : false;
    if (done && version != NULL) {
        set_text(&r->version, version);
    }
    return done ? COR_OK : COR_INVALID;
}

enum cor_code cor_reflector_line(struct cor_reflector *r, struct cor_view line)
{
    auto_(cor_json_free) struct cor_json *tree = NULL;
    enum cor_code code = cor_json_parse(line, EVENT_MAX, 0, &tree, NULL);
    struct cor_json *object = cor_json_get(tree, "object");
    if (code != COR_OK || !cor_json_is_object(object)) {
        return COR_INVALID;
    }
    return event(r, cor_json_str_at(tree, "type", ""), object);
}

static void begin_list_anew(struct cor_reflector *r)
{
    set_text(&r->next_page, NULL);
    r->listing = false;
}

struct cor_reflector_step cor_reflector_failed(struct cor_reflector *r,
                                               struct cor_reflector_end end, double random)
{
    if (end.watch && end.lasted_us >= COR_SEC(LASTED_S)) {
        cor_backoff_reset(&r->backoff);
    }
    int64_t delay = cor_backoff_next(&r->backoff, random);
    if (delay < end.retry_after_us) {
        delay = end.retry_after_us + (int64_t)((double)delay * random);
    }
    /* 410: the version, or the page of the list, is gone. Other refusals: perhaps so too. */
    bool refused = end.status >= 400 && end.status < 500 && end.status != TOO_MANY;
    if (!end.watch && end.status == GONE) {
        r->pages_lost += r->next_page == NULL ? 0 : 1;
    }
    /* Of what the beginning of a list has shown, some may be gone when it is asked for again; later
     * pages are of one moment. */
    if (refused || end.watch || r->next_page == NULL) {
        begin_list_anew(r);
    }
    return (struct cor_reflector_step){.watch = end.watch && !refused, .delay_us = delay};
}

struct cor_reflector_step cor_reflector_ended(struct cor_reflector *r, int64_t lasted_us,
                                              double random)
{
    if (lasted_us >= COR_SEC(LASTED_S)) {
        cor_backoff_reset(&r->backoff);
        return (struct cor_reflector_step){.watch = true};
    }
    return (struct cor_reflector_step){.watch = true,
                                       .delay_us = cor_backoff_next(&r->backoff, random)};
}

int64_t cor_reflector_silence_us(const struct cor_reflector *r)
{
    return r->has_bookmarks ? COR_SEC(SILENCE_S) : 0;
}

bool cor_reflector_has(const struct cor_reflector *r, const char *ns, const char *name)
{
    auto_(cor_freep) char *key = key_of(ns, name);
    return cor_map_get(r->entries, cor_view_of(key)) != NULL;
}

struct cor_json *cor_reflector_get(const struct cor_reflector *r, const char *ns, const char *name)
{
    auto_(cor_freep) char *key = key_of(ns, name);
    const struct entry *entry = cor_map_get(r->entries, cor_view_of(key));
    return entry == NULL ? NULL : object_of(entry);
}

struct cor_json *cor_reflector_next(const struct cor_reflector *r, size_t *at)
{
    void *value = NULL;
    return cor_map_next(r->entries, at, NULL, &value) ? object_of(value) : NULL;
}

bool cor_reflector_next_name(const struct cor_reflector *r, size_t *at, struct cor_view *ns_r,
                             struct cor_view *name_r)
{
    *name_r = (struct cor_view){0};
    return cor_map_next(r->entries, at, name_r, NULL) && cor_view_split(name_r, '/', ns_r);
}

size_t cor_reflector_count(const struct cor_reflector *r)
{
    return cor_map_count(r->entries);
}

size_t cor_reflector_bytes(const struct cor_reflector *r)
{
    return r->bytes;
}

bool cor_reflector_is_synced(const struct cor_reflector *r)
{
    return r->synced;
}
