// SPDX-License-Identifier: Apache-2.0
// GET: one object, lists, watches.
#include <string.h>

#include "api.h"

#include "common/base/mem.h"
#include "common/base/text.h"
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

struct kl_selector *kl_read_selector(const struct kl_request *request, struct kl_fail *fail)
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
    struct cor_buf type;    /* what built-in kinds leave out of items */
    struct cor_json *table; /* instead, when a Table is wanted */
    struct cor_wall now;
};

/* Items of built-in kinds do not say what they are: the list does. Stored texts have both words at
 * one end. */
static void add_item(struct listing *listing, struct cor_view text)
{
    struct cor_view type = cor_buf_as_view(&listing->type);
    if (type.len > 0 && text.len > type.len + 2) {
        const char *end = text.ptr + text.len - type.len - 1;
        if (memcmp(text.ptr + 1, type.ptr, type.len) == 0 && text.ptr[type.len + 1] == ',') {
            cor_buf_str(&listing->items, "{");
            text = (struct cor_view){text.ptr + type.len + 2, text.len - type.len - 2};
        } else if (memcmp(end, type.ptr, type.len) == 0 && end[-1] == ',') {
            cor_buf_add(&listing->items, text.ptr, text.len - type.len - 2);
            text = COR_VIEW("}");
        }
    }
    cor_buf_view(&listing->items, text);
}

static bool on_row(void *self, struct cor_view text)
{
    struct listing *listing = self;
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (listing->selector != NULL || listing->table != NULL) {
        if (cor_json_parse(text, SIZE_MAX, 0, &object, NULL) != COR_OK ||
            !kl_selector_matches(listing->selector, object)) {
            return false;
        }
    }
    if (listing->table != NULL) {
        kl_table_add(listing->table, listing->request->route.kind, object,
                     listing->request->include, listing->now);
        return true;
    }
    cor_buf_str(&listing->items, listing->items.len == 0 ? "" : ",");
    add_item(listing, text);
    return true;
}

static bool number_of(const struct kl_request *request, const char *name, int64_t *number_r,
                      struct kl_fail *fail)
{
    auto_(cor_freep) char *text = cor_query_get(request->query, name);
    if (text == NULL || text[0] == '\0') {
        return true;
    }
    if (!cor_view_i64(cor_view_of(text), number_r) || *number_r < 0) {
        bool version = strcmp(name, "resourceVersion") == 0;
        (void)kl_fail_bad(fail,
                          version ? "Invalid value: \"%s\": resourceVersion must be a number"
                                  : "strconv.ParseInt: parsing \"%s\": invalid syntax",
                          text);
        return false;
    }
    return true;
}

/* Where a list is to go on (continueToken of k8s.io/apiserver/pkg/storage/etcd3). */
struct place {
    int64_t rv;
    char *ns;   /* owned */
    char *name; /* owned */
};

static void place_free(struct place *place)
{
    cor_freep(&place->ns);
    cor_freep(&place->name);
}

static char *encode_place(const struct kl_route *route, int64_t rv, const char *ns,
                          const char *name)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_buf coded = {0};
    bool spaced = route->kind->namespaced && route->ns == NULL;
    cor_buf_fmt(&text, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":\"%s%s%s\\u0000\"}",
                (long long)rv, spaced ? ns : "", spaced ? "/" : "", name);
    cor_base64url(&coded, cor_buf_as_view(&text));
    return cor_buf_take(&coded);
}

static bool decode_place(const struct kl_route *route, const char *token, struct place *place)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *value = NULL;
    if (!cor_base64_decode(&text, cor_view_of(token)) ||
        cor_json_parse(cor_buf_as_view(&text), 4096, COR_JSON_NUL, &value, NULL) != COR_OK) {
        return false;
    }
    struct cor_view rest = cor_json_as_view(cor_json_get(value, "start"));
    struct cor_view ns = cor_view_of(route->ns == NULL ? "" : route->ns);
    place->rv = cor_json_int_at(value, "rv", 0);
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '\0') {
        rest.len--;
    }
    if (route->kind->namespaced && route->ns == NULL && !cor_view_split(&rest, '/', &ns)) {
        return false;
    }
    place->ns = cor_view_dup(ns);
    place->name = cor_view_dup(rest);
    return place->rv != 0 && rest.len > 0 &&
           strcmp(cor_json_str_at(value, "v", ""), "meta.k8s.io/v1") == 0;
}

/* limit, continue and resourceVersion of a list. place keeps what slice points to. */
static bool read_slice(const struct kl_request *request, struct kl_slice *slice,
                       struct place *place, struct kl_fail *fail)
{
    auto_(cor_freep) char *token = cor_query_get(request->query, "continue");
    auto_(cor_freep) char *version = cor_query_get(request->query, "resourceVersion");
    auto_(cor_freep) char *match = cor_query_get(request->query, "resourceVersionMatch");
    int64_t limit = 0;
    bool exact = match != NULL && strcmp(match, "Exact") == 0;
    bool any = version != NULL && strcmp(version, "0") == 0;
    if (!number_of(request, "limit", &limit, fail) ||
        !number_of(request, "resourceVersion", &slice->rv, fail)) {
        return false;
    }
    *slice = (struct kl_slice){.ns = request->route.ns,
                               .after_ns = "",
                               .after_name = "",
                               .rv = exact || limit > 0 ? slice->rv : 0,
                               .limit = any ? 0 : (size_t)limit};
    if (token == NULL || token[0] == '\0') {
        return true;
    }
    if (version != NULL && version[0] != '\0' && !any) {
        (void)kl_fail_bad(fail, "specifying resource version is not allowed when using continue");
        return false;
    }
    if (!decode_place(&request->route, token, place)) {
        (void)kl_fail_bad(fail, "invalid continue token: continue key is not valid");
        return false;
    }
    slice->limit = (size_t)limit;
    slice->rv = place->rv < 0 ? 0 : place->rv;
    slice->after_ns = place->ns;
    slice->after_name = place->name;
    return true;
}

/* The history does not reach back to the moment of the list's first page. */
static void reply_expired(struct kl_request *request, const struct place *place)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (place->name == NULL) {
        (void)kl_fail_other(&fail, 410, "Expired",
                            "The resourceVersion for the provided list is too old.");
        kl_reply_fail(request, &fail);
        return;
    }
    (void)kl_fail_other(
        &fail, 410, "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list.");
    auto_(cor_json_free) struct cor_json *status = kl_fail_json(&fail);
    auto_(cor_freep) char *token = encode_place(&request->route, -1, place->ns, place->name);
    cor_json_set_at(status, "metadata.continue", cor_json_str(token));
    kl_reply(request, 410, NULL, status);
}

/* metadata of the list. Returns owned. */
static struct cor_json *list_meta(const struct kl_request *request, const struct kl_slice *slice,
                                  bool selects)
{
    struct cor_json *meta = cor_json_object();
    cor_json_set(meta, "resourceVersion", cor_json_fmt("%lld", (long long)slice->rv));
    if (slice->more) {
        auto_(cor_freep) char *token =
            encode_place(&request->route, slice->rv, slice->last_ns, slice->last_name);
        cor_json_set(meta, "continue", cor_json_str(token));
        if (!selects) {
            cor_json_set(meta, "remainingItemCount", cor_json_int(slice->remaining));
        }
    }
    return meta;
}

static void reply_items(struct kl_request *request, struct listing *listing,
                        const struct cor_json *meta)
{
    const struct kl_kind *kind = request->route.kind;
    auto_(cor_buf_free) struct cor_buf version = {0};
    auto_(cor_freep) char *meta_text = cor_json_text(meta);
    struct cor_buf text = {0};
    kl_kind_api_version(kind, &version);
    cor_buf_fmt(&text, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
                kind->list_kind, version.data, meta_text);
    (void)cor_buf_room(&text, listing->items.len + 4);
    cor_buf_view(&text, cor_buf_as_view(&listing->items));
    cor_buf_free(&listing->items);
    cor_buf_str(&text, "]}\n");
    kl_reply_text(request, 200, &text);
}

static void reply_list(struct kl_request *request, struct listing *listing,
                       const struct kl_slice *slice)
{
    auto_(cor_json_free) struct cor_json *meta =
        list_meta(request, slice, listing->selector != NULL);
    if (listing->table == NULL) {
        reply_items(request, listing, meta);
        return;
    }
    cor_json_set(listing->table, "metadata", take(&meta));
    kl_reply(request, 200, NULL, listing->table);
}

void kl_read_list(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(place_free) struct place place = {0};
    struct kl_slice slice = {0};
    auto_(kl_selector_free) struct kl_selector *selector = kl_read_selector(request, &fail);
    if (fail.status != 0 || !read_slice(request, &slice, &place, &fail)) {
        kl_reply_fail(request, &fail);
        return;
    }
    const struct kl_kind *kind = request->route.kind;
    struct listing listing = {.request = request, .selector = selector, .now = cor_wall_now()};
    if (request->show != KL_SHOW_JSON) {
        listing.table = kl_table_new(kind, request->show);
    } else if (kind->type != NULL) {
        auto_(cor_buf_free) struct cor_buf version = {0};
        kl_kind_api_version(kind, &version);
        cor_buf_fmt(&listing.type, "\"kind\":\"%s\",\"apiVersion\":\"%s\"", kind->kind,
                    version.data);
    }
    if (kl_storage_page(request->api->storage, kind, &slice, on_row, &listing) == COR_OK) {
        reply_list(request, &listing, &slice);
    } else {
        reply_expired(request, &place);
    }
    cor_buf_free(&listing.items);
    cor_buf_free(&listing.type);
    cor_json_free(&listing.table);
    cor_freep(&slice.last_ns);
    cor_freep(&slice.last_name);
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
    auto_(kl_selector_free) struct kl_selector *selector = kl_read_selector(request, &fail);
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
