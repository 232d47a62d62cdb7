// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "table.h"

enum { BOOKMARK_US = 60 * 1000000 };

struct watch {
    struct cor_link link;
    struct kl_watches *watches;
    const struct kl_kind *kind;
    char *key;
    char *ns;
    char *name;
    struct kl_selector *selector;
    enum kl_show show;
    enum kl_include include;
    bool bookmarks;
    bool headed; /* the table's columns were sent */
    int64_t from;
    int64_t sent; /* newest resourceVersion the client knows of */
    struct cor_stream *stream;
    struct cor_timer *timeout;
};

struct kl_watches {
    struct kl_api *api;
    struct cor_link list;
    struct cor_timer *bookmark;
    size_t count;
};

static void watch_free(struct watch *watch)
{
    watch->watches->count--;
    cor_list_del(&watch->link);
    cor_timer_free(&watch->timeout);
    kl_selector_free(&watch->selector);
    cor_freep(&watch->key);
    cor_freep(&watch->ns);
    cor_freep(&watch->name);
    cor_free(watch);
}

static void end(struct watch *watch)
{
    cor_stream_end(watch->stream);
    watch_free(watch);
}

static void on_closed(void *self)
{
    watch_free(self);
}

static void on_timeout(void *self)
{
    end(self);
}

/* A client that reads too slowly, or is gone. */
static void send(struct watch *watch, struct cor_view line)
{
    if (cor_stream_write(watch->stream, line) == COR_BUSY) {
        cor_stream_break(watch->stream);
        watch_free(watch);
    }
}

static void write_event(struct watch *watch, const char *type, const struct cor_json *object,
                        const char *text)
{
    auto_(cor_buf_free) struct cor_buf line = {0};
    cor_buf_fmt(&line, "{\"type\":\"%s\",\"object\":", type);
    if (watch->show == KL_SHOW_JSON) {
        cor_buf_str(&line, text);
    } else {
        auto_(cor_json_free) struct cor_json *table =
            kl_table_of(watch->kind, object, watch->show, watch->include, cor_wall_now());
        if (watch->headed) {
            cor_json_set(table, "columnDefinitions", cor_json_null());
        }
        watch->headed = true;
        cor_json_write(table, &line);
    }
    cor_buf_str(&line, "}\n");
    send(watch, cor_buf_as_view(&line));
}

/* What a change means to a client that only sees selected objects; NULL: nothing. */
static const char *event_type(const struct watch *watch, const struct kl_change *change)
{
    bool is = change->type != KL_DELETED && kl_selector_matches(watch->selector, change->object);
    bool was = kl_selector_matches(watch->selector, change->old);
    if (is) {
        return was ? "MODIFIED" : "ADDED";
    }
    return was ? "DELETED" : NULL;
}

static bool concerns(const struct watch *watch, const struct kl_change *change)
{
    return change->rv > watch->from && strcmp(watch->key, change->key) == 0 &&
           (watch->ns == NULL || strcmp(watch->ns, change->ns) == 0) &&
           (watch->name == NULL || strcmp(watch->name, change->name) == 0);
}

static void offer(void *self, const struct kl_change *change)
{
    struct watch *watch = self;
    if (!concerns(watch, change)) {
        return;
    }
    const char *type = event_type(watch, change);
    watch->sent = change->rv;
    if (type != NULL) {
        write_event(watch, type, change->object, change->text);
    }
}

static void on_change(void *self, const struct kl_change *change)
{
    struct kl_watches *watches = self;
    COR_LIST_EACH (node, &watches->list) {
        offer(COR_LIST_OBJECT(node, struct watch, link), change);
    }
}

static void bookmark(struct watch *watch, int64_t rv)
{
    auto_(cor_json_free) struct cor_json *object = cor_json_object();
    kl_set_type(watch->kind, object);
    cor_json_set_at(object, "metadata.resourceVersion", cor_json_fmt("%lld", (long long)rv));
    cor_json_set_at(object, "metadata.creationTimestamp", cor_json_null());
    if (watch->show != KL_SHOW_JSON) {
        return;
    }
    auto_(cor_freep) char *text = cor_json_text(object);
    auto_(cor_buf_free) struct cor_buf line = {0};
    cor_buf_fmt(&line, "{\"type\":\"BOOKMARK\",\"object\":%s}\n", text);
    send(watch, cor_buf_as_view(&line));
}

static void on_bookmark(void *self)
{
    struct kl_watches *watches = self;
    int64_t rv = kl_storage_rv(watches->api->storage);
    if (watches->count == 0) {
        cor_timer_stop(watches->bookmark);
    }
    COR_LIST_EACH (node, &watches->list) {
        struct watch *watch = COR_LIST_OBJECT(node, struct watch, link);
        if (watch->bookmarks && rv > watch->sent) {
            watch->sent = rv;
            bookmark(watch, rv);
        }
    }
}

struct kl_watches *kl_watches_new(struct kl_api *api)
{
    struct kl_watches *watches = cor_alloc(sizeof(*watches));
    watches->api = api;
    cor_list_init(&watches->list);
    watches->bookmark = cor_timer_new(api->loop, on_bookmark, watches);
    kl_storage_listen(api->storage, on_change, watches);
    return watches;
}

void kl_watches_free(struct kl_watches **watches)
{
    if (*watches == NULL) {
        return;
    }
    COR_LIST_EACH (node, &(*watches)->list) {
        end(COR_LIST_OBJECT(node, struct watch, link));
    }
    cor_timer_free(&(*watches)->bookmark);
    cor_freep(watches);
}

struct initial {
    struct watch *watch;
    struct cor_buf lines; /* objects as JSON texts, one a line */
};

static void on_initial(void *self, struct cor_view text)
{
    struct initial *initial = self;
    const struct watch *watch = initial->watch;
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (watch->selector != NULL || watch->name != NULL || watch->show != KL_SHOW_JSON) {
        if (cor_json_parse(text, SIZE_MAX, 0, &object, NULL) != COR_OK ||
            !kl_selector_matches(watch->selector, object)) {
            return;
        }
        const char *name = cor_json_str_at(object, "metadata.name", "");
        if (watch->name != NULL && strcmp(name, watch->name) != 0) {
            return;
        }
    }
    cor_buf_view(&initial->lines, text);
    cor_buf_str(&initial->lines, "\n");
}

/* All that is there, as ADDED. The texts are gathered first: what is sent may end the watch. */
static void send_initial(struct watch *watch)
{
    struct initial initial = {.watch = watch};
    watch->from =
        kl_storage_list(watch->watches->api->storage, watch->kind, watch->ns, on_initial, &initial);
    watch->sent = watch->from;
    struct cor_view rest = cor_buf_as_view(&initial.lines);
    struct cor_view line;
    struct cor_buf out = {0};
    while (cor_view_split(&rest, '\n', &line)) {
        if (line.len == 0) {
            continue;
        }
        cor_buf_str(&out, "{\"type\":\"ADDED\",\"object\":");
        auto_(cor_json_free) struct cor_json *object = NULL;
        if (watch->show != KL_SHOW_JSON &&
            cor_json_parse(line, SIZE_MAX, 0, &object, NULL) == COR_OK) {
            auto_(cor_json_free) struct cor_json *table =
                kl_table_of(watch->kind, object, watch->show, watch->include, cor_wall_now());
            if (watch->headed) {
                cor_json_set(table, "columnDefinitions", cor_json_null());
            }
            watch->headed = true;
            cor_json_write(table, &out);
        } else {
            cor_buf_view(&out, line);
        }
        cor_buf_str(&out, "}\n");
    }
    cor_buf_free(&initial.lines);
    if (out.len > 0) {
        send(watch, cor_buf_as_view(&out));
    }
    cor_buf_free(&out);
}

static struct watch *watch_new(struct kl_watches *watches, const struct kl_watch_spec *spec)
{
    struct watch *watch = cor_alloc(sizeof(*watch));
    struct cor_buf key = {0};
    kl_kind_key(spec->kind, &key);
    watch->watches = watches;
    watch->kind = spec->kind;
    watch->key = cor_buf_take(&key);
    watch->ns = cor_strdup(spec->ns);
    watch->name = cor_strdup(spec->name);
    watch->selector = spec->selector;
    watch->show = spec->show;
    watch->include = spec->include;
    watch->bookmarks = spec->bookmarks;
    watch->from = spec->from;
    watch->sent = spec->from;
    watch->timeout = cor_timer_new(watches->api->loop, on_timeout, watch);
    cor_timer_start(watch->timeout, spec->timeout_us);
    cor_list_add(&watches->list, &watch->link);
    watches->count++;
    if (!cor_timer_running(watches->bookmark)) {
        cor_timer_repeat(watches->bookmark, BOOKMARK_US);
    }
    return watch;
}

/* Gathers events of the past; the stream does not exist yet while the history is read. */
struct past {
    struct watch *watch;
    struct kl_change *changes;
    size_t count;
    size_t room;
};

static void on_past(void *self, const struct kl_change *change)
{
    struct past *past = self;
    if (!concerns(past->watch, change)) {
        return;
    }
    if (past->count == past->room) {
        past->room = past->room == 0 ? 16 : past->room * 2;
        past->changes = cor_realloc(past->changes, past->room, sizeof(*past->changes));
    }
    past->changes[past->count++] = (struct kl_change){.type = change->type,
                                                      .key = cor_strdup(change->key),
                                                      .ns = cor_strdup(change->ns),
                                                      .name = cor_strdup(change->name),
                                                      .rv = change->rv,
                                                      .object = cor_json_ref(change->object),
                                                      .old = cor_json_ref(change->old),
                                                      .text = cor_strdup(change->text)};
}

/* Sends the gathered events as one piece, then forgets them. */
static void replay(struct kl_watches *watches, struct past *past)
{
    size_t before = watches->count;
    for (size_t i = 0; i < past->count; i++) {
        struct kl_change *change = &past->changes[i];
        if (watches->count == before) {
            offer(past->watch, change);
        }
        cor_free(change->key);
        cor_free(change->ns);
        cor_free(change->name);
        cor_free(change->text);
        cor_json_free(&change->object);
        cor_json_free(&change->old);
    }
    cor_free(past->changes);
}

enum cor_code kl_watch_open(struct kl_watches *watches, const struct kl_watch_spec *spec,
                            struct cor_exchange *exchange)
{
    struct watch *watch = watch_new(watches, spec);
    struct past past = {.watch = watch};
    if (spec->from > 0) {
        enum cor_code code =
            kl_storage_history(watches->api->storage, spec->kind, spec->from, on_past, &past);
        if (code != COR_OK) {
            watch->selector = NULL; /* the caller keeps it */
            watch_free(watch);
            return code;
        }
    }
    watch->stream = cor_exchange_stream(exchange, 200, "application/json", on_closed, watch);
    if (spec->from == 0) {
        send_initial(watch);
    } else {
        replay(watches, &past);
    }
    return COR_OK;
}

void kl_watches_end(struct kl_watches *watches, const struct kl_kind *kind)
{
    COR_LIST_EACH (node, &watches->list) {
        struct watch *watch = COR_LIST_OBJECT(node, struct watch, link);
        if (watch->kind == kind) {
            end(watch);
        }
    }
}

size_t kl_watches_count(const struct kl_watches *watches)
{
    return watches->count;
}
