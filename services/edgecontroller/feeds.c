// SPDX-License-Identifier: Apache-2.0
#include "feeds.h"

#include <inttypes.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/path.h"
#include "reach.h"
#include "record.h"
#include "records.h"

/* Mirrors at once; one that nobody watches is kept for a while, as nodes come back. */
enum { FEEDS_MAX = 256, IDLE_US = 60 * 1000 * 1000 };

/* One collection, as selected. */
struct feed {
    struct ec_feeds *feeds;
    const struct ec_reach *reach;
    char *ns; /* owned; "": all */
    struct cor_informer *informer;
    struct cor_map *nodes; /* that watch it, to struct watcher (borrowed) */
};

/* A node that watches something. */
struct watcher {
    char *node;              /* owned */
    struct cor_map *has;     /* key -> struct feed (borrowed) */
    struct cor_map *implied; /* kind -> its row in reach.c: what its records say it watches */
    bool whole;              /* nothing is implied any more */
    bool unrepaired;         /* its records have not been looked at since its watches changed */
};

struct ec_feeds {
    struct ec *ec;
    struct cor_map *all;      /* key -> struct feed, owned */
    struct cor_map *watchers; /* node -> struct watcher, owned */
    struct cor_timer *repair; /* runs when records are to be looked at */
    struct cor_timer *sweep;  /* runs while there may be feeds that nobody watches */
};

static void feed_drop(void *value)
{
    struct feed *feed = value;
    cor_informer_free(&feed->informer);
    cor_map_free(&feed->nodes);
    cor_free(feed->ns);
    cor_free(feed);
}

/* Takes its feeds from it; the feeds stay. */
static void watcher_drop(void *value)
{
    struct watcher *watcher = value;
    size_t at = 0;
    void *feed = NULL;
    while (cor_map_next(watcher->has, &at, NULL, &feed)) {
        (void)cor_map_del(((struct feed *)feed)->nodes, cor_view_of(watcher->node));
    }
    cor_map_free(&watcher->has);
    cor_map_free(&watcher->implied);
    cor_free(watcher->node);
    cor_free(watcher);
}

/* ---- to the nodes ---- */

static void send(const struct feed *feed, const char *node, struct cor_json *object, bool gone)
{
    auto_(cor_json_free) struct cor_json *copy = cor_json_copy(object);
    ec_reach_shape(feed->reach, copy);
    ec_send_as(feed->feeds->ec, node, &feed->reach->info, copy, gone);
}

/* Whether another feed of the same kind of objects has it for the node. */
static bool has_otherwise(const struct watcher *watcher, const struct feed *feed,
                          const struct cor_json *object)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(watcher->has, &at, NULL, &value)) {
        const struct feed *other = value;
        if (other != feed && other->reach == feed->reach &&
            cor_reflector_has(cor_informer_mirror(other->informer), ec_ns(object),
                              ec_name(object))) {
            return true;
        }
    }
    return false;
}

static void on_changed(void *self, enum cor_change change, struct cor_json *object,
                       struct cor_json *old)
{
    struct feed *feed = self;
    size_t at = 0;
    void *value = NULL;
    if (change != COR_DELETED && old != NULL && !ec_differs(object, old)) {
        return;
    }
    while (cor_map_next(feed->nodes, &at, NULL, &value)) {
        const struct watcher *watcher = value;
        if (change != COR_DELETED || !has_otherwise(watcher, feed, object)) {
            send(feed, watcher->node, object, change == COR_DELETED);
        }
    }
}

static void on_synced(void *self)
{
    struct feed *feed = self;
    cor_timer_start(feed->feeds->repair, 0);
}

static void send_feed(struct feed *feed, const char *node)
{
    struct ec *ec = feed->feeds->ec;
    size_t at = 0;
    struct cor_json *object = NULL;
    while ((object = cor_reflector_next(cor_informer_mirror(feed->informer), &at)) != NULL) {
        send(feed, node, object, false);
        cor_json_free(&object);
        ec_give_back(ec);
    }
}

void ec_feeds_send(struct ec_feeds *feeds, const char *node)
{
    const struct watcher *watcher = cor_map_get(feeds->watchers, cor_view_of(node));
    size_t at = 0;
    void *feed = NULL;
    while (watcher != NULL && cor_map_next(watcher->has, &at, NULL, &feed)) {
        send_feed(feed, node);
    }
}

/* ---- what nodes have, by their records, and the API has no more ---- */

static bool is_listed(const struct watcher *watcher)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(watcher->has, &at, NULL, &value)) {
        const struct feed *feed = value;
        if (!cor_reflector_is_synced(cor_informer_mirror(feed->informer))) {
            return false;
        }
    }
    return true;
}

static bool has_uid(const struct feed *feed, const char *ns, const char *name, struct cor_view uid)
{
    auto_(cor_json_free) struct cor_json *object =
        cor_reflector_get(cor_informer_mirror(feed->informer), ns, name);
    return object != NULL && cor_view_is(uid, cor_json_str_at(object, "metadata.uid", ""));
}

/* Whether a record is about something that the node watches and that is not there. */
static bool is_lost(const struct watcher *watcher, const struct ec_reach *reach, const char *ns,
                    const char *name, struct cor_view uid)
{
    size_t at = 0;
    void *value = NULL;
    bool covered = false;
    while (cor_map_next(watcher->has, &at, NULL, &value)) {
        const struct feed *feed = value;
        bool covers = feed->reach == reach && (feed->ns[0] == '\0' || strcmp(feed->ns, ns) == 0);
        if (covers && has_uid(feed, ns, name, uid)) {
            return false;
        }
        covered = covered || covers;
    }
    return covered;
}

static void check_record(struct ec_feeds *feeds, struct cor_view ns_view, struct cor_view name_view)
{
    struct cor_view node;
    struct cor_view uid;
    const struct watcher *watcher =
        ec_record_split(name_view, &node, &uid) ? cor_map_get(feeds->watchers, node) : NULL;
    if (watcher == NULL || !watcher->unrepaired || !is_listed(watcher)) {
        return;
    }
    auto_(cor_freep) char *ns = cor_view_dup(ns_view);
    auto_(cor_freep) char *record_name = cor_view_dup(name_view);
    const struct cor_json *record = ec_get(feeds->ec, EC_SYNCS, ns, record_name);
    const char *name = cor_json_str_at(record, "spec.objectName", "");
    const struct ec_reach *reach = ec_reach_of_kind(cor_json_str_at(record, "spec.objectKind", ""));
    if (reach != NULL && is_lost(watcher, reach, ns, name, uid)) {
        struct ec_lost lost = {EC_KINDS, cor_view_of(ns), cor_view_of(name), uid};
        ec_send_gone_as(feeds->ec, watcher->node, &reach->info, &lost);
    }
    ec_give_back(feeds->ec);
}

static bool some_unrepaired(const struct ec_feeds *feeds)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(feeds->watchers, &at, NULL, &value)) {
        if (((const struct watcher *)value)->unrepaired && is_listed(value)) {
            return true;
        }
    }
    return false;
}

static void on_repair(void *self)
{
    struct ec_feeds *feeds = self;
    size_t at = 0;
    struct cor_view ns;
    struct cor_view name;
    void *value = NULL;
    if (!ec_is_synced(feeds->ec, EC_SYNCS) || !some_unrepaired(feeds)) {
        return; /* ec_feeds_repair */
    }
    while (ec_next_name(feeds->ec, EC_SYNCS, &at, &ns, &name)) {
        check_record(feeds, ns, name);
    }
    at = 0;
    while (cor_map_next(feeds->watchers, &at, NULL, &value)) {
        struct watcher *watcher = value;
        watcher->unrepaired = watcher->unrepaired && !is_listed(watcher);
    }
}

void ec_feeds_repair(struct ec_feeds *feeds)
{
    cor_timer_start(feeds->repair, 0);
}

/* ---- who watches what ---- */

static struct feed *feed_new(struct ec_feeds *feeds, const struct ec_reach *reach,
                             const struct px_watched *row)
{
    struct ec *ec = feeds->ec;
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf selector = {0};
    auto_(cor_freep) char *group_version = cor_view_dup(row->group_version);
    struct feed *feed = cor_alloc(sizeof(*feed));
    feed->feeds = feeds;
    feed->reach = reach;
    feed->ns = cor_view_dup(row->ns);
    feed->nodes = cor_map_new(NULL);
    struct cor_kube_ref ref = {.group_version = group_version,
                               .ns = feed->ns[0] == '\0' ? NULL : feed->ns,
                               .plural = reach->plural};
    cor_kube_path(&ref, &path);
    if (row->labels.len > 0) {
        cor_buf_str(&selector, "labelSelector=");
        cor_percent_encode(row->labels, &selector);
    }
    if (row->fields.len > 0) {
        cor_buf_fmt(&selector, "%sfieldSelector=", selector.len == 0 ? "" : "&");
        cor_percent_encode(row->fields, &selector);
    }
    struct cor_informer_spec spec = {
        .path = path.data,
        .selector = selector.len == 0 ? NULL : selector.data,
        .api_version = group_version,
        .kind = reach->info.kind,
        .sink = {.self = feed, .changed = on_changed, .synced = on_synced},
    };
    feed->informer = cor_informer_new(ec->service->loop, ec->kube, ec->service->log, &spec);
    return feed;
}

/* The feed of a row, made if there is none; NULL: there are too many. */
static struct feed *feed_of(struct ec_feeds *feeds, const struct ec_reach *reach,
                            const struct px_watched *row, struct cor_view key)
{
    struct feed *feed = cor_map_get(feeds->all, key);
    if (feed == NULL && cor_map_count(feeds->all) >= FEEDS_MAX) {
        LOGW(feeds->ec->service->log, "controller.too-many-watches", "feeds=%zu plural=%s",
             cor_map_count(feeds->all), reach->plural);
        return NULL;
    }
    if (feed == NULL) {
        feed = feed_new(feeds, reach, row);
        cor_map_set(feeds->all, key, feed);
    }
    return feed;
}

static void add_watch(struct ec_feeds *feeds, struct watcher *watcher, const struct px_watched *row,
                      const struct cor_map *had)
{
    const struct ec_reach *reach = ec_reach_of(row->group_version, row->plural);
    if (reach == NULL || !reach->lists || reach->pushed) {
        return; /* refused, or sent in any case */
    }
    auto_(cor_freep) char *key = cor_sprintf(
        "%.*s %.*s %.*s %.*s\n%.*s", COR_VIEW_ARG(row->group_version), COR_VIEW_ARG(row->plural),
        COR_VIEW_ARG(row->ns), COR_VIEW_ARG(row->labels), COR_VIEW_ARG(row->fields));
    struct feed *feed = feed_of(feeds, reach, row, cor_view_of(key));
    if (feed == NULL || cor_map_get(watcher->has, cor_view_of(key)) != NULL) {
        return;
    }
    cor_map_set(watcher->has, cor_view_of(key), feed);
    cor_map_set(feed->nodes, cor_view_of(watcher->node), watcher);
    if (had == NULL || cor_map_get(had, cor_view_of(key)) == NULL) {
        watcher->unrepaired = true;
        send_feed(feed, watcher->node);
    }
}

static void forget(struct ec_feeds *feeds, struct cor_view node)
{
    if (cor_map_del(feeds->watchers, node) && !cor_timer_running(feeds->sweep)) {
        cor_timer_start(feeds->sweep, IDLE_US);
    }
}

static struct cor_map *keys_of(const struct watcher *watcher)
{
    struct cor_map *keys = cor_map_new(NULL);
    size_t at = 0;
    struct cor_view key;
    void *feed = NULL;
    while (watcher != NULL && cor_map_next(watcher->has, &at, &key, &feed)) {
        cor_map_set(keys, key, feed);
    }
    return keys;
}

static struct watcher *watcher_new(struct ec_feeds *feeds, struct cor_view node)
{
    struct watcher *watcher = cor_alloc(sizeof(*watcher));
    watcher->node = cor_view_dup(node);
    watcher->has = cor_map_new(NULL);
    watcher->implied = cor_map_new(NULL);
    cor_map_set(feeds->watchers, node, watcher);
    return watcher;
}

/* All objects of the kind, whatever was selected: the node's own API selects again. */
static void add_implied(struct ec_feeds *feeds, struct watcher *watcher,
                        const struct ec_reach *reach, const struct cor_map *had)
{
    struct px_watched row = {.group_version = cor_view_of(reach->info.api_version),
                             .plural = cor_view_of(reach->plural)};
    cor_map_set(watcher->implied, cor_view_of(reach->info.kind), (void *)(uintptr_t)reach);
    add_watch(feeds, watcher, &row, had);
}

void ec_feeds_imply(struct ec_feeds *feeds, const char *node, const char *kind)
{
    const struct ec_reach *reach = ec_reach_of_kind(kind);
    struct watcher *watcher = cor_map_get(feeds->watchers, cor_view_of(node));
    if (reach == NULL ||
        (watcher != NULL &&
         (watcher->whole || cor_map_get(watcher->implied, cor_view_of(kind)) != NULL))) {
        return;
    }
    add_implied(feeds, watcher != NULL ? watcher : watcher_new(feeds, cor_view_of(node)), reach,
                NULL);
    ec_feeds_repair(feeds);
}

/* Goes on with what the records imply. */
static void keep_implied(struct ec_feeds *feeds, struct watcher *watcher,
                         const struct cor_map *implied, const struct cor_map *had)
{
    size_t at = 0;
    void *reach = NULL;
    while (cor_map_next(implied, &at, NULL, &reach)) {
        add_implied(feeds, watcher, reach, had);
    }
}

enum cor_code ec_on_watches(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct ec *ec = self;
    struct ec_feeds *feeds = ec->feeds;
    const struct px_node_watches *message = body;
    const struct ec_session *session = cor_map_get(ec->sessions, message->node);
    (void)in;
    (void)err;
    if (session == NULL || session->epoch != message->epoch) {
        return COR_OK;
    }
    struct watcher *before = cor_map_get(feeds->watchers, message->node);
    auto_(cor_map_free) struct cor_map *had = keys_of(before);
    auto_(cor_map_free) struct cor_map *implied = before == NULL ? NULL : take(&before->implied);
    bool unrepaired = before != NULL && before->unrepaired;
    forget(feeds, message->node);
    struct watcher *watcher = watcher_new(feeds, message->node);
    watcher->unrepaired = unrepaired;
    watcher->whole = message->whole;
    const struct px_watched *rows = message->watches.items;
    for (size_t i = 0; i < message->watches.count; i++) {
        add_watch(feeds, watcher, &rows[i], had);
    }
    if (implied != NULL && !message->whole) {
        keep_implied(feeds, watcher, implied, had);
    }
    ec_feeds_repair(feeds);
    return COR_OK;
}

void ec_feeds_end(struct ec_feeds *feeds, const char *node)
{
    if (node != NULL) {
        forget(feeds, cor_view_of(node));
        return;
    }
    cor_map_free(&feeds->watchers);
    feeds->watchers = cor_map_new(watcher_drop);
    cor_timer_start(feeds->sweep, IDLE_US);
}

/* ---- the whole ---- */

static void on_sweep(void *self)
{
    struct ec_feeds *feeds = self;
    size_t at = 0;
    struct cor_view key;
    void *value = NULL;
    while (cor_map_next(feeds->all, &at, &key, &value)) {
        if (cor_map_count(((const struct feed *)value)->nodes) == 0) {
            (void)cor_map_del(feeds->all, key);
        }
    }
}

struct ec_feeds *ec_feeds_new(struct ec *ec)
{
    struct ec_feeds *feeds = cor_alloc(sizeof(*feeds));
    feeds->ec = ec;
    feeds->all = cor_map_new(feed_drop);
    feeds->watchers = cor_map_new(watcher_drop);
    feeds->repair = cor_timer_new(ec->service->loop, on_repair, feeds);
    feeds->sweep = cor_timer_new(ec->service->loop, on_sweep, feeds);
    return feeds;
}

void ec_feeds_free(struct ec_feeds **feeds)
{
    if (*feeds != NULL) {
        cor_map_free(&(*feeds)->watchers);
        cor_map_free(&(*feeds)->all);
        cor_timer_free(&(*feeds)->repair);
        cor_timer_free(&(*feeds)->sweep);
        cor_freep(feeds);
    }
}

void ec_feeds_stats(const struct ec_feeds *feeds, struct cor_buf *out)
{
    cor_buf_fmt(out, ",\"watched\":%zu,\"watchers\":%zu", cor_map_count(feeds->all),
                cor_map_count(feeds->watchers));
}
