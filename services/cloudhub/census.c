// SPDX-License-Identifier: Apache-2.0
#include "census.h"

#include <stdio.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/kube/informer.h"
#include "common/kube/path.h"
#include "secret.h"

/* Nodes come in crowds: one write for all that have come within so long; longer when there are
 * many, for whoever watches is sent all of them each time. A Secret has room for some 15,000. */
enum { WRITE_AFTER_US = 1000000, MANY = 100, MANY_AFTER_US = 10000000, RETRY_US = 5000000 };

struct census {
    struct census_spec spec;
    struct cor_map *rows;  /* node -> struct census_row, owned */
    struct cor_map *fresh; /* node -> "": to be written */
    char *next;            /* NULL: no rotation */
    struct cor_timer *timer;
    struct cor_kube_call *call;
    struct cor_informer *informer;
};

/* ---- pure ---- */

static bool is_of(const struct census_row *row, const struct cor_cert *ca)
{
    char id[ROTATION_ID_LEN + 1];
    rotation_id(ca, id);
    return strcmp(row->ca, id) == 0;
}

bool census_is_against(const struct census_row *row, const struct rotation *rotation,
                       const struct rotation_wish *wish)
{
    switch (wish->step) {
    case ROTATION_PROMOTE:
        return row->trust == CENSUS_NO || row->trust == CENSUS_UNABLE;
    case ROTATION_FINISH:
        return !wish->keep && !is_of(row, rotation->next);
    case ROTATION_ABORT:
        return is_of(row, rotation->next);
    default:
        return false;
    }
}

void census_write(const struct census_row *row, const char *next, struct cor_buf *out)
{
    cor_buf_fmt(out, "%s %s %c", next, row->ca, (int)row->trust);
}

bool census_read(struct cor_view text, const char *next, struct census_row *row_r)
{
    struct cor_view rest = text;
    struct cor_view of;
    struct cor_view ca;
    struct cor_view trust;
    if (!cor_view_split(&rest, ' ', &of) || !cor_view_split(&rest, ' ', &ca) ||
        !cor_view_split(&rest, ' ', &trust) || rest.ptr != NULL || !cor_view_is(of, next) ||
        ca.len != ROTATION_ID_LEN || trust.len != 1 || strchr("unyx", trust.ptr[0]) == NULL) {
        return false;
    }
    (void)snprintf(row_r->ca, sizeof(row_r->ca), "%.*s", COR_VIEW_ARG(ca));
    row_r->trust = (enum census_trust)trust.ptr[0];
    return true;
}

/* ---- writing ---- */

static void path_of(const struct census *census, const char *name, struct cor_buf *out)
{
    struct cor_kube_ref ref = {
        .group_version = "v1", .ns = census->spec.ns, .plural = "secrets", .name = name};
    cor_kube_path(&ref, out);
}

/* The rows that are to be written, as a Secret or the change of one; one that is gone is null. */
static struct cor_json *news_of(const struct census *census, bool patch)
{
    struct cor_json *secret =
        patch ? cor_json_object() : secret_new(census->spec.ns, CENSUS_SECRET);
    size_t at = 0;
    struct cor_view node;
    while (cor_map_next(census->fresh, &at, &node, NULL)) {
        const struct census_row *row = cor_map_get(census->rows, node);
        auto_(cor_freep) char *name = cor_view_dup(node);
        auto_(cor_buf_free) struct cor_buf text = {0};
        if (row != NULL) {
            census_write(row, census->next, &text);
            secret_set(secret, name, cor_buf_as_view(&text));
        } else if (patch) {
            secret_set(secret, name, COR_VIEW(""));
            cor_json_set(cor_json_get(secret, "data"), name, cor_json_null());
        }
    }
    return secret;
}

static void on_answer(void *self, const struct cor_kube_response *response);

static void send(struct census *census, bool patch)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf body = {0};
    auto_(cor_json_free) struct cor_json *object = news_of(census, patch);
    cor_json_write(object, &body);
    path_of(census, patch ? CENSUS_SECRET : NULL, &path);
    struct cor_kube_request request = {.method = patch ? "PATCH" : "POST",
                                       .path = path.data,
                                       .content_type = patch ? COR_KUBE_MERGE : COR_KUBE_JSON,
                                       .body = cor_buf_as_view(&body),
                                       .timeout_us = COR_SEC(10)};
    cor_map_free(&census->fresh); /* what fails is put back */
    census->fresh = cor_map_new(NULL);
    census->call = cor_kube_send(census->spec.kube, &request, on_answer, census);
}

static void mark(struct census *census, struct cor_view node)
{
    cor_map_set(census->fresh, node, census); /* any value: it is a set */
}

static void mark_all(struct census *census)
{
    size_t at = 0;
    struct cor_view node;
    while (cor_map_next(census->rows, &at, &node, NULL)) {
        mark(census, node);
    }
}

static void write_after(struct census *census, int64_t us)
{
    if (census->next != NULL && cor_map_count(census->fresh) > 0 && census->call == NULL &&
        !cor_timer_running(census->timer)) {
        cor_timer_start(census->timer, us);
    }
}

static void write_soon(struct census *census)
{
    write_after(census, cor_map_count(census->rows) < MANY ? WRITE_AFTER_US : MANY_AFTER_US);
}

static void on_answer(void *self, const struct cor_kube_response *response)
{
    struct census *census = self;
    census->call = NULL;
    if (response->code == COR_OK) {
        write_soon(census);
        return;
    }
    mark_all(census);
    if (census->next == NULL) {
        return;
    }
    if (response->code == COR_NOTFOUND) {
        send(census, false);
        return;
    }
    if (response->code != COR_EXISTS) {
        LOGW(census->spec.log, "hub.ca.census", "status=%d reason=%s", response->status,
             cor_log_esc(cor_view_of(response->text)));
    }
    write_after(census, response->code == COR_EXISTS ? 0 : RETRY_US);
}

static void on_timer(void *self)
{
    struct census *census = self;
    if (census->next != NULL && census->call == NULL && cor_map_count(census->fresh) > 0) {
        send(census, true);
    }
}

/* ---- reading ---- */

static void on_changed(void *self, enum cor_change change, struct cor_json *object,
                       struct cor_json *old)
{
    struct census *census = self;
    const struct cor_json *data = cor_json_get(object, "data");
    void *at = NULL;
    const char *node = NULL;
    struct cor_json *value = NULL;
    (void)old;
    while (change != COR_DELETED && census->next != NULL &&
           cor_json_each(data, &at, &node, &value)) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        struct census_row row;
        /* What is still to be written is newer. */
        if (cor_map_get(census->fresh, cor_view_of(node)) == NULL &&
            secret_get(object, node, &text) &&
            census_read(cor_buf_as_view(&text), census->next, &row)) {
            cor_map_set(census->rows, cor_view_of(node), cor_memdup(&row, sizeof(row)));
        }
    }
}

static void watch(struct census *census)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    path_of(census, NULL, &path);
    struct cor_informer_spec spec = {
        .path = path.data,
        .selector = "fieldSelector=metadata.name%3D" CENSUS_SECRET,
        .sink = {.self = census, .changed = on_changed},
    };
    census->informer =
        cor_informer_new(census->spec.loop, census->spec.kube, census->spec.log, &spec);
}

/* ---- life ---- */

struct census *census_new(const struct census_spec *spec)
{
    struct census *census = cor_alloc(sizeof(*census));
    census->spec = *spec;
    census->rows = cor_map_new(cor_free);
    census->fresh = cor_map_new(NULL);
    census->timer = cor_timer_new(spec->loop, on_timer, census);
    return census;
}

void census_free(struct census **census)
{
    if (*census != NULL) {
        cor_kube_cancel(&(*census)->call);
        cor_informer_free(&(*census)->informer);
        cor_timer_free(&(*census)->timer);
        cor_map_free(&(*census)->rows);
        cor_map_free(&(*census)->fresh);
        cor_free((*census)->next);
        cor_freep(census);
    }
}

void census_begin(struct census *census, const char *next)
{
    bool same = (next == NULL) == (census->next == NULL) &&
                (next == NULL || strcmp(next, census->next) == 0);
    if (same) {
        return;
    }
    cor_map_free(&census->rows);
    cor_map_free(&census->fresh);
    cor_informer_free(&census->informer);
    cor_free(census->next);
    census->rows = cor_map_new(cor_free);
    census->fresh = cor_map_new(NULL);
    census->next = cor_strdup(next);
    if (next != NULL) {
        watch(census);
    }
}

void census_note(struct census *census, const char *node, const struct census_row *row)
{
    struct cor_view key = cor_view_of(node);
    const struct census_row *known = cor_map_get(census->rows, key);
    if (census->next == NULL ||
        (known != NULL && known->trust == row->trust && strcmp(known->ca, row->ca) == 0)) {
        return;
    }
    cor_map_set(census->rows, key, cor_memdup(row, sizeof(*row)));
    mark(census, key);
    write_soon(census);
}

void census_forget(struct census *census, const char *node)
{
    if (cor_map_del(census->rows, cor_view_of(node))) {
        mark(census, cor_view_of(node));
        write_soon(census);
    }
}

bool census_next(const struct census *census, size_t *at, struct cor_view *node_r,
                 const struct census_row **row_r)
{
    void *value = NULL;
    bool more = cor_map_next(census->rows, at, node_r, &value);
    *row_r = value;
    return more;
}
