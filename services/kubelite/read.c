// SPDX-License-Identifier: Apache-2.0
// GET: one object, lists, watches.
#include <string.h>

#include "api.h"

#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "table.h"
#include "watch.h"

/* A watch lasts 30 to 60 minutes when the client does not say (min-request-timeout). */
enum { WATCH_MIN_S = 1800, WATCH_MAX_S = 3600 * 24 };

void kl_read_object(struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    struct cor_buf text = {0};
    if (!kl_storage_read(request->api->storage, route->kind, route->ns, route->name, &text)) {
        (void)kl_fail_notfound(&fail, route->kind, route->name);
        kl_reply_fail(request, &fail);
        return;
    }
    if (request->show == KL_SHOW_JSON) {
        cor_buf_str(&text, "\n");
        kl_reply_text(request, 200, &text);
        return;
    }
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (cor_json_parse(cor_buf_as_view(&text), SIZE_MAX, 0, &object, NULL) == COR_OK) {
        kl_reply(request, 200, route->kind, object);
    } else {
        (void)kl_fail_other(&fail, 500, "InternalError", "the stored object is damaged");
        kl_reply_fail(request, &fail);
    }
    cor_buf_free(&text);
}

static struct kl_selector *selector_of(const struct kl_request *request, struct kl_fail *fail)
{
    auto_(cor_freep) char *labels = cor_query_get(request->query, "labelSelector");
    auto_(cor_freep) char *fields = cor_query_get(request->query, "fieldSelector");
    struct kl_selector *selector = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (kl_selector_parse(request->route.kind, labels, fields, &selector, &err) != COR_OK) {
        (void)kl_fail_bad(fail, "%s", err.text);
    }
    return selector;
}

struct listing {
    const struct kl_request *request;
    const struct kl_selector *selector;
    struct cor_buf items;   /* "{..},{..}" */
    struct cor_json *table; /* instead, when a Table is wanted */
    struct cor_wall now;
};

static void on_row(void *self, struct cor_view text)
{
    struct listing *listing = self;
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (listing->selector != NULL || listing->table != NULL) {
        if (cor_json_parse(text, SIZE_MAX, 0, &object, NULL) != COR_OK ||
            !kl_selector_matches(listing->selector, object)) {
            return;
        }
    }
    if (listing->table != NULL) {
        kl_table_add(listing->table, listing->request->route.kind, object,
                     listing->request->include, listing->now);
        return;
    }
    cor_buf_str(&listing->items, listing->items.len == 0 ? "" : ",");
    cor_buf_view(&listing->items, text);
}

static void reply_items(struct kl_request *request, struct listing *listing, int64_t rv)
{
    const struct kl_kind *kind = request->route.kind;
    auto_(cor_buf_free) struct cor_buf version = {0};
    struct cor_buf text = {0};
    kl_kind_api_version(kind, &version);
    cor_buf_fmt(&text,
                "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":"
                "\"%lld\"},\"items\":[",
                kind->list_kind, version.data, (long long)rv);
    (void)cor_buf_room(&text, listing->items.len + 4);
    cor_buf_view(&text, cor_buf_as_view(&listing->items));
    cor_buf_free(&listing->items);
    cor_buf_str(&text, "]}\n");
    kl_reply_text(request, 200, &text);
}

void kl_read_list(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_selector_free) struct kl_selector *selector = selector_of(request, &fail);
    if (fail.status != 0) {
        kl_reply_fail(request, &fail);
        return;
    }
    const struct kl_route *route = &request->route;
    struct listing listing = {.request = request, .selector = selector, .now = cor_wall_now()};
    if (request->show != KL_SHOW_JSON) {
        listing.table = kl_table_new(route->kind, request->show);
    }
    int64_t rv = kl_storage_list(request->api->storage, route->kind, route->ns, on_row, &listing);
    if (listing.table == NULL) {
        reply_items(request, &listing, rv);
        return;
    }
    cor_json_set_at(listing.table, "metadata.resourceVersion", cor_json_fmt("%lld", (long long)rv));
    kl_reply(request, 200, NULL, listing.table);
    cor_json_free(&listing.table);
}

static bool number_of(const struct kl_request *request, const char *name, int64_t *number_r,
                      struct kl_fail *fail)
{
    auto_(cor_freep) char *text = cor_query_get(request->query, name);
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    if (!cor_view_i64(cor_view_of(text), number_r) || *number_r < 0) {
        (void)kl_fail_bad(fail, "Invalid value: \"%s\": %s must be a number", text, name);
        return false;
    }
    return true;
}

static void reply_gone(struct kl_request *request, int64_t from)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    (void)kl_fail_other(&fail, 410, "Expired", "too old resource version: %lld (%lld)",
                        (long long)from, (long long)kl_storage_last_rv(request->api->storage));
    kl_reply_fail(request, &fail);
}

void kl_read_watch(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    int64_t from = 0;
    int64_t seconds = 0;
    if (!number_of(request, "resourceVersion", &from, &fail) ||
        !number_of(request, "timeoutSeconds", &seconds, &fail)) {
        kl_reply_fail(request, &fail);
        return;
    }
    auto_(kl_selector_free) struct kl_selector *selector = selector_of(request, &fail);
    if (fail.status != 0) {
        kl_reply_fail(request, &fail);
        return;
    }
    if (seconds == 0) {
        seconds = WATCH_MIN_S + cor_mono_now().us % WATCH_MIN_S;
    }
    struct kl_watch_spec spec = {
        .kind = request->route.kind,
        .ns = request->route.ns,
        .name = request->route.name,
        .selector = selector,
        .show = request->show,
        .include = request->include,
        .from = from,
        .bookmarks = cor_query_is(request->query, "allowWatchBookmarks"),
        .timeout_us = COR_SEC(seconds > WATCH_MAX_S ? WATCH_MAX_S : seconds),
    };
    if (kl_watch_open(request->api->watches, &spec, request->exchange) != COR_OK) {
        reply_gone(request, from);
        return;
    }
    (void)take(&selector);
    kl_request_free(&request);
}
