// SPDX-License-Identifier: Apache-2.0
#include "revoked.h"

#include <inttypes.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/kube/informer.h"
#include "common/kube/path.h"
#include "secret.h"

enum { TRIES_MAX = 5 };

struct revoked {
    struct revoked_spec spec;
    struct cor_informer *informer;
    struct cor_link writes;
    bool known;
};

struct write {
    struct cor_link link;
    struct revoked *revoked;
    struct cor_kube_call *call;
    char *node;
    char *value;
    unsigned tries;
    revoked_fn fn;
    void *self;
};

bool revoked_judge(const struct cor_json *secret, const char *node, struct cor_wall from)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    int64_t since = 0;
    if (cor_json_get(cor_json_get(secret, "data"), node) == NULL) {
        return false;
    }
    bool readable = secret_get(secret, node, &text) && cor_view_i64(cor_buf_as_view(&text), &since);
    return !readable || from.us + COR_SEC(ISSUED_BEFORE_S) < COR_SEC(since);
}

bool revoked_has(const struct revoked *revoked, const char *node, struct cor_wall from)
{
    auto_(cor_json_free) struct cor_json *secret =
        cor_reflector_get(cor_informer_mirror(revoked->informer), revoked->spec.ns, REVOKED_SECRET);
    return revoked_judge(secret, node, from);
}

/* ---- watching ---- */

static void on_changed(void *self, enum cor_change change, struct cor_json *object,
                       struct cor_json *old)
{
    struct revoked *revoked = self;
    (void)change;
    (void)object;
    (void)old;
    if (revoked->known) {
        revoked->spec.changed(revoked->spec.self);
    }
}

static void on_synced(void *self)
{
    struct revoked *revoked = self;
    if (!revoked->known) {
        revoked->known = true;
        revoked->spec.known(revoked->spec.self);
    }
}

static void path_of(const struct revoked *revoked, const char *name, struct cor_buf *out)
{
    struct cor_kube_ref ref = {
        .group_version = "v1", .ns = revoked->spec.ns, .plural = "secrets", .name = name};
    cor_kube_path(&ref, out);
}

struct revoked *revoked_new(const struct revoked_spec *spec)
{
    struct revoked *revoked = cor_alloc(sizeof(*revoked));
    auto_(cor_buf_free) struct cor_buf path = {0};
    revoked->spec = *spec;
    cor_list_init(&revoked->writes);
    path_of(revoked, NULL, &path);
    struct cor_informer_spec informer = {
        .path = path.data,
        .selector = "fieldSelector=metadata.name%3D" REVOKED_SECRET,
        .sink = {.self = revoked, .changed = on_changed, .synced = on_synced},
    };
    revoked->informer = cor_informer_new(spec->loop, spec->kube, spec->log, &informer);
    return revoked;
}

/* ---- writing ---- */

static void finish(struct write *write, enum cor_code code)
{
    revoked_fn fn = write->fn;
    void *self = write->self;
    cor_list_del(&write->link);
    cor_kube_cancel(&write->call);
    cor_free(write->node);
    cor_free(write->value);
    cor_free(write);
    fn(self, code);
}

void revoked_free(struct revoked **revoked)
{
    if (*revoked != NULL) {
        COR_LIST_EACH (node, &(*revoked)->writes) {
            finish(COR_LIST_OBJECT(node, struct write, link), COR_RETRY);
        }
        cor_informer_free(&(*revoked)->informer);
        cor_freep(revoked);
    }
}

static void send(struct write *write, bool patch, cor_kube_fn fn)
{
    auto_(cor_buf_free) struct cor_buf path = {0};
    auto_(cor_buf_free) struct cor_buf body = {0};
    auto_(cor_json_free) struct cor_json *object =
        patch ? cor_json_object() : secret_new(write->revoked->spec.ns, REVOKED_SECRET);
    secret_set(object, write->node, cor_view_of(write->value));
    cor_json_write(object, &body);
    path_of(write->revoked, patch ? REVOKED_SECRET : NULL, &path);
    struct cor_kube_request request = {.method = patch ? "PATCH" : "POST",
                                       .path = path.data,
                                       .content_type = patch ? COR_KUBE_MERGE : COR_KUBE_JSON,
                                       .body = cor_buf_as_view(&body),
                                       .timeout_us = COR_SEC(10)};
    write->tries++;
    write->call = cor_kube_send(write->revoked->spec.kube, &request, fn, write);
}

static void on_patched(void *self, const struct cor_kube_response *response);

static void on_made(void *self, const struct cor_kube_response *response)
{
    struct write *write = self;
    write->call = NULL;
    if (response->code == COR_EXISTS && write->tries < TRIES_MAX) {
        send(write, true, on_patched); /* somebody else has made it */
    } else {
        finish(write, response->code == COR_OK ? COR_OK : COR_RETRY);
    }
}

static void on_patched(void *self, const struct cor_kube_response *response)
{
    struct write *write = self;
    write->call = NULL;
    if (response->code == COR_NOTFOUND && write->tries < TRIES_MAX) {
        send(write, false, on_made);
    } else {
        finish(write, response->code == COR_OK ? COR_OK : COR_RETRY);
    }
}

void revoked_add(struct revoked *revoked, const char *node, revoked_fn fn, void *self)
{
    struct write *write = cor_alloc(sizeof(*write));
    write->revoked = revoked;
    write->node = cor_strdup(node);
    write->value = cor_sprintf("%" PRId64, cor_wall_now().us / 1000000);
    write->fn = fn;
    write->self = self;
    cor_list_init(&write->link);
    cor_list_add(&revoked->writes, &write->link);
    send(write, true, on_patched);
}
