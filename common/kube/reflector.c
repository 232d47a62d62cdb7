// SPDX-License-Identifier: Apache-2.0
#include "common/kube/reflector.h"

#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/clock/backoff.h"
#include "common/clock/clock.h"
#include "common/kube/path.h"

/* Longest JSON text of one event; objects in etcd are far smaller. */
enum { EVENT_MAX = 16 * 1024 * 1024, PAGE = 500 };

struct entry {
    struct cor_json *object; /* owned reference */
    uint64_t round;          /* the list that showed it last */
};

struct cor_reflector {
    struct cor_reflector_sink sink;
    struct cor_map *entries; /* "ns/name" to struct entry */
    char *version;           /* owned; watch from here */
    char *next_page;         /* owned; NULL: the next list begins anew */
    uint64_t round;          /* number of the list under way or done */
    bool synced;
    struct cor_backoff backoff;
};

static void entry_free(void *value)
{
    struct entry *entry = value;
    cor_json_free(&entry->object);
    cor_free(entry);
}

struct cor_reflector *cor_reflector_new(struct cor_reflector_sink sink)
{
    struct cor_reflector *r = cor_alloc(sizeof(*r));
    r->sink = sink;
    r->entries = cor_map_new(entry_free);
    r->backoff = (struct cor_backoff){.first_us = COR_MS(20), .last_us = COR_SEC(30)};
    return r;
}

void cor_reflector_free(struct cor_reflector **reflector)
{
    if (*reflector != NULL) {
        cor_map_free(&(*reflector)->entries);
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
    cor_buf_fmt(out, "limit=%d", PAGE);
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

static void put(struct cor_reflector *r, struct cor_view key, struct cor_json *object)
{
    struct entry *entry = cor_map_get(r->entries, key);
    if (entry == NULL) {
        entry = cor_alloc(sizeof(*entry));
        cor_map_set(r->entries, key, entry);
    }
    cor_json_free(&entry->object);
    entry->object = cor_json_ref(object);
    entry->round = r->round;
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
    auto_(cor_json_free) struct cor_json *old = entry == NULL ? NULL : cor_json_ref(entry->object);
    bool replaced = old != NULL && !same(object, old, "metadata.uid");
    if (old != NULL && !replaced &&
        (same(object, old, "metadata.resourceVersion") || (!listed && is_older(object, old)))) {
        entry->round = r->round;
        return true;
    }
    if (replaced) {
        tell(r, COR_DELETED, old, old);
    }
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
    auto_(cor_json_free) struct cor_json *old = cor_json_ref(entry->object);
    cor_map_del(r->entries, cor_view_of(key));
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
            auto_(cor_json_free) struct cor_json *old = cor_json_ref(entry->object);
            cor_map_del(r->entries, key);
            tell(r, COR_DELETED, old, old);
        }
    }
}

/* Items of a typed list come without kind and apiVersion; the list's own say them. */
static void complete(const struct cor_json *list, struct cor_json *item)
{
    struct cor_view kind = cor_json_as_view(cor_json_get(list, "kind"));
    if (!cor_json_is_object(item) || cor_json_get(item, "kind") != NULL ||
        !cor_view_ends(kind, "List")) {
        return;
    }
    kind.len -= 4;
    cor_json_set(item, "kind", cor_json_view(kind));
    cor_json_set(item, "apiVersion", cor_json_str(cor_json_str_at(list, "apiVersion", "v1")));
}

struct cor_reflector_step cor_reflector_listed(struct cor_reflector *r, const struct cor_json *body,
                                               double random)
{
    const struct cor_json *items = cor_json_get(body, "items");
    const char *version = cor_json_str_at(body, "metadata.resourceVersion", "");
    if (!cor_json_is_object(body) || version[0] == 0 ||
        !(items == NULL || cor_json_is_null(items) || cor_json_is_array(items))) {
        return cor_reflector_failed(r, false, 0, 0, random);
    }
    if (r->next_page == NULL) {
        r->round++;
    }
    for (size_t i = 0; cor_json_is_array(items) && i < cor_json_count(items); i++) {
        struct cor_json *item = cor_json_item(items, i);
        complete(body, item);
        (void)apply(r, item, true);
    }
    set_text(&r->next_page, cor_json_str_at(body, "metadata.continue", NULL));
    set_text(&r->version, version);
    if (r->next_page != NULL) {
        return (struct cor_reflector_step){.watch = false};
    }
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
    bool done = strcmp(type, "BOOKMARK") == 0  ? version != NULL
                : strcmp(type, "DELETED") == 0 ? gone(r, object)
                : strcmp(type, "ADDED") == 0 || strcmp(type, "MODIFIED") == 0
                    ? apply(r, object, false)
                    : false;
    if (done && version != NULL) {
        set_text(&r->version, version);
        cor_backoff_reset(&r->backoff);
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

struct cor_reflector_step cor_reflector_failed(struct cor_reflector *r, bool watch, int status,
                                               int64_t retry_after_us, double random)
{
    int64_t delay = cor_backoff_next(&r->backoff, random);
    if (delay < retry_after_us) {
        delay = retry_after_us + (int64_t)((double)delay * random);
    }
    /* 410: the version, or the page of the list, is gone. Other refusals: perhaps so too. */
    bool refused = status >= 400 && status < 500 && status != 429;
    if (!watch || refused) {
        set_text(&r->next_page, NULL);
    }
    return (struct cor_reflector_step){.watch = watch && !refused, .delay_us = delay};
}

struct cor_reflector_step cor_reflector_ended(struct cor_reflector *r, int64_t lasted_us,
                                              double random)
{
    if (lasted_us >= COR_SEC(5)) {
        cor_backoff_reset(&r->backoff);
        return (struct cor_reflector_step){.watch = true};
    }
    return (struct cor_reflector_step){.watch = true,
                                       .delay_us = cor_backoff_next(&r->backoff, random)};
}

struct cor_json *cor_reflector_get(const struct cor_reflector *r, const char *ns, const char *name)
{
    auto_(cor_freep) char *key = key_of(ns, name);
    struct entry *entry = cor_map_get(r->entries, cor_view_of(key));
    return entry == NULL ? NULL : entry->object;
}

struct cor_json *cor_reflector_next(const struct cor_reflector *r, size_t *at)
{
    void *value = NULL;
    return cor_map_next(r->entries, at, NULL, &value) ? ((struct entry *)value)->object : NULL;
}

size_t cor_reflector_count(const struct cor_reflector *r)
{
    return cor_map_count(r->entries);
}

bool cor_reflector_is_synced(const struct cor_reflector *r)
{
    return r->synced;
}
