// SPDX-License-Identifier: Apache-2.0
#include "gc.h"

#include <string.h>

#include "common/base/mem.h"
#include "controller.h"
#include "meta.h"
#include "write.h"

struct kl_gc {
    struct kl_api *api;
    struct cor_json *places; /* [key, ns, name]: of objects to look at; owned */
    struct cor_json *gone;   /* uids; owned */
    struct cor_timer *timer;
};

/* Names are gathered first: looking at them changes what is read. */
static void add_place(void *self, const char *key, const char *ns, const char *name)
{
    struct cor_json *places = self;
    struct cor_json *place = cor_json_array();
    cor_json_add(place, cor_json_str(key));
    cor_json_add(place, cor_json_str(ns));
    cor_json_add(place, cor_json_str(name));
    cor_json_add(places, place);
}

static struct cor_json *dependents_of(struct kl_api *api, const char *uid)
{
    struct cor_json *places = cor_json_array();
    kl_storage_dependents(api->storage, uid, add_place, places);
    return places;
}

static const char *part(const struct cor_json *place, size_t index)
{
    return cor_json_as_str(cor_json_item(place, index), "");
}

/* The newest state of what is at a place; NULL when it is not there. Returns owned. */
static struct cor_json *look(struct kl_api *api, const struct cor_json *place,
                             const struct kl_kind **kind_r)
{
    *kind_r = kl_kinds_of_key(api->kinds, part(place, 0));
    return *kind_r == NULL ? NULL
                           : kl_storage_look(api->storage, *kind_r, part(place, 1), part(place, 2));
}

static bool leaves_foreground(const struct cor_json *object)
{
    return kl_meta_deleting(object) && kl_meta_has_finalizer(object, kl_finalizer_foreground);
}

/* The owner that a reference of a dependent in ns means; NULL when it is gone. *known_r: whether
 * its kind is served. Returns owned. */
static struct cor_json *owner_of(struct kl_api *api, const struct cor_json *ref, const char *ns,
                                 bool *known_r)
{
    const struct kl_kind *kind = kl_kinds_named(api->kinds, cor_json_str_at(ref, "apiVersion", ""),
                                                cor_json_str_at(ref, "kind", ""));
    *known_r = kind != NULL;
    if (kind == NULL) {
        return NULL;
    }
    auto_(cor_json_free) struct cor_json *owner = kl_storage_look(
        api->storage, kind, kind->namespaced ? ns : NULL, cor_json_str_at(ref, "name", ""));
    bool same = strcmp(kl_meta_str(owner, "uid"), cor_json_str_at(ref, "uid", "-")) == 0;
    return same ? take(&owner) : NULL;
}

static bool counts(struct kl_api *api, const struct cor_json *ref, const char *ns,
                   struct kl_owners *owners)
{
    bool known = false;
    auto_(cor_json_free) struct cor_json *owner = owner_of(api, ref, ns, &known);
    bool waiting = owner != NULL && leaves_foreground(owner);
    bool solid = !known || (owner != NULL && !waiting);
    owners->solid += solid ? 1 : 0;
    owners->waiting += waiting ? 1 : 0;
    owners->dangling += !solid && !waiting ? 1 : 0;
    return solid;
}

/* Sorts the owners of object; kept (may be NULL) gets the references that count. */
static struct kl_owners sort_owners(struct kl_api *api, const struct cor_json *object,
                                    struct cor_json *kept)
{
    struct kl_owners owners = {0};
    const char *ns = kl_meta_str(object, "namespace");
    const struct cor_json *refs = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = 0; i < cor_json_count(refs); i++) {
        struct cor_json *ref = cor_json_item(refs, i);
        if (counts(api, ref, ns, &owners) && kept != NULL) {
            cor_json_add(kept, cor_json_ref(ref));
        }
    }
    return owners;
}

enum kl_fate kl_gc_fate(const struct kl_owners *owners, const struct cor_json *object,
                        bool has_dependents)
{
    if (kl_meta_deleting(object) || owners->dangling + owners->waiting == 0) {
        return KL_FATE_STAY;
    }
    if (owners->solid > 0) {
        return KL_FATE_UNTIE;
    }
    if (owners->waiting > 0 && has_dependents) {
        return KL_FATE_FOREGROUND;
    }
    if (kl_meta_has_finalizer(object, kl_finalizer_orphan)) {
        return KL_FATE_ORPHAN;
    }
    return kl_meta_has_finalizer(object, kl_finalizer_foreground) ? KL_FATE_FOREGROUND
                                                                  : KL_FATE_BACKGROUND;
}

static void set_owners(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *old,
                       struct cor_json *refs)
{
    struct cor_json *object = cor_json_copy(old);
    cor_json_set(kl_meta(object), "ownerReferences", cor_json_count(refs) > 0 ? refs : NULL);
    if (cor_json_count(refs) == 0) {
        cor_json_free(&refs);
    }
    kl_own_update(api, kind, object, cor_json_ref((struct cor_json *)(uintptr_t)old));
}

/* A dependent: does it go with its owners? */
static void attempt(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *object)
{
    static const char *const policies[] = {[KL_FATE_ORPHAN] = "Orphan",
                                           [KL_FATE_FOREGROUND] = "Foreground",
                                           [KL_FATE_BACKGROUND] = "Background"};
    auto_(cor_json_free) struct cor_json *kept = cor_json_array();
    struct kl_owners owners = sort_owners(api, object, kept);
    auto_(cor_json_free) struct cor_json *own = dependents_of(api, kl_meta_str(object, "uid"));
    enum kl_fate fate = kl_gc_fate(&owners, object, cor_json_count(own) > 0);
    if (fate == KL_FATE_UNTIE) {
        set_owners(api, kind, object, take(&kept));
    } else if (fate != KL_FATE_STAY) {
        kl_own_remove(api, kind, object, policies[fate]);
    }
}

/* Nothing holds the object back any more on the collector's side. */
static void drop_finalizer(struct kl_api *api, const struct kl_kind *kind,
                           const struct cor_json *old, const char *finalizer)
{
    struct cor_json *object = cor_json_copy(old);
    kl_meta_drop_finalizer(object, finalizer);
    kl_own_update(api, kind, object, cor_json_ref((struct cor_json *)(uintptr_t)old));
}

/* Dependents forget their owner; then it may go. */
static void orphan(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *owner)
{
    const char *uid = kl_meta_str(owner, "uid");
    auto_(cor_json_free) struct cor_json *places = dependents_of(api, uid);
    for (size_t i = 0; i < cor_json_count(places); i++) {
        const struct kl_kind *of = NULL;
        auto_(cor_json_free) struct cor_json *one = look(api, cor_json_item(places, i), &of);
        struct cor_json *refs = cor_json_copy(cor_json_at(one, "metadata.ownerReferences"));
        for (size_t r = cor_json_count(refs); r > 0; r--) {
            if (strcmp(cor_json_str_at(cor_json_item(refs, r - 1), "uid", ""), uid) == 0) {
                cor_json_put(refs, r - 1, NULL);
            }
        }
        if (one != NULL) {
            set_owners(api, of, one, refs);
        } else {
            cor_json_free(&refs);
        }
    }
    drop_finalizer(api, kind, owner, kl_finalizer_orphan);
}

static bool blocks(const struct cor_json *object, const char *uid)
{
    const struct cor_json *refs = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = 0; i < cor_json_count(refs); i++) {
        const struct cor_json *ref = cor_json_item(refs, i);
        if (strcmp(cor_json_str_at(ref, "uid", ""), uid) == 0) {
            return cor_json_bool_at(ref, "blockOwnerDeletion", false);
        }
    }
    return false;
}

/* Dependents go first; the owner when those that block it are gone. */
static void foreground(struct kl_api *api, const struct kl_kind *kind, const struct cor_json *owner)
{
    const char *uid = kl_meta_str(owner, "uid");
    size_t blocking = 0;
    auto_(cor_json_free) struct cor_json *places = dependents_of(api, uid);
    for (size_t i = 0; i < cor_json_count(places); i++) {
        const struct kl_kind *of = NULL;
        auto_(cor_json_free) struct cor_json *one = look(api, cor_json_item(places, i), &of);
        if (one != NULL) {
            attempt(api, of, one);
            auto_(cor_json_free) struct cor_json *left = look(api, cor_json_item(places, i), &of);
            blocking += left != NULL && blocks(left, uid) ? 1 : 0;
        }
    }
    if (blocking == 0) {
        drop_finalizer(api, kind, owner, kl_finalizer_foreground);
    }
}

static void visit(struct kl_api *api, const struct cor_json *place)
{
    const struct kl_kind *kind = NULL;
    auto_(cor_json_free) struct cor_json *object = look(api, place, &kind);
    if (object == NULL) {
        return;
    }
    if (kl_meta_deleting(object) && kl_meta_has_finalizer(object, kl_finalizer_orphan)) {
        orphan(api, kind, object);
    } else if (leaves_foreground(object)) {
        foreground(api, kind, object);
    } else {
        attempt(api, kind, object);
    }
}

void kl_gc_pass(struct kl_gc *gc)
{
    auto_(cor_json_free) struct cor_json *gone = gc->gone;
    auto_(cor_json_free) struct cor_json *places = gc->places;
    gc->gone = cor_json_array();
    gc->places = cor_json_array();
    for (size_t i = 0; i < cor_json_count(gone); i++) {
        kl_storage_dependents(gc->api->storage, cor_json_as_str(cor_json_item(gone, i), ""),
                              add_place, places);
    }
    for (size_t i = 0; i < cor_json_count(places); i++) {
        visit(gc->api, cor_json_item(places, i));
    }
}

static void on_timer(void *self)
{
    kl_gc_pass(self);
}

/* Owners that wait in the foreground for the object that went. */
static void want_owners(struct kl_gc *gc, const struct cor_json *object)
{
    const char *ns = kl_meta_str(object, "namespace");
    const struct cor_json *refs = cor_json_at(object, "metadata.ownerReferences");
    for (size_t i = 0; i < cor_json_count(refs); i++) {
        const struct cor_json *ref = cor_json_item(refs, i);
        bool known = false;
        auto_(cor_json_free) struct cor_json *owner = owner_of(gc->api, ref, ns, &known);
        if (owner == NULL || !leaves_foreground(owner)) {
            continue;
        }
        auto_(cor_buf_free) struct cor_buf key = {0};
        kl_kind_key(kl_kinds_named(gc->api->kinds, cor_json_str_at(ref, "apiVersion", ""),
                                   cor_json_str_at(ref, "kind", "")),
                    &key);
        add_place(gc->places, key.data, kl_meta_str(owner, "namespace"),
                  kl_meta_str(owner, "name"));
    }
}

static void on_change(void *self, const struct kl_change *change)
{
    struct kl_gc *gc = self;
    const struct cor_json *refs = cor_json_at(change->object, "metadata.ownerReferences");
    bool same = change->old != NULL &&
                cor_json_equal(refs, cor_json_at(change->old, "metadata.ownerReferences"));
    if (change->type == KL_DELETED) {
        cor_json_add(gc->gone, cor_json_str(kl_meta_str(change->object, "uid")));
        want_owners(gc, change->object);
    } else if (kl_meta_deleting(change->object)
                   ? cor_json_count(cor_json_at(change->object, "metadata.finalizers")) > 0
                   : !same && cor_json_count(refs) > 0) {
        add_place(gc->places, change->key, change->ns, change->name);
    }
    bool idle = cor_json_count(gc->gone) + cor_json_count(gc->places) == 0;
    if (!idle && !cor_timer_running(gc->timer)) {
        cor_timer_start(gc->timer, 0);
    }
}

struct kl_gc *kl_gc_new(struct kl_api *api)
{
    struct kl_gc *gc = cor_alloc(sizeof(*gc));
    gc->api = api;
    gc->places = cor_json_array();
    gc->gone = cor_json_array();
    gc->timer = cor_timer_new(api->loop, on_timer, gc);
    kl_storage_listen(api->storage, on_change, gc);
    kl_storage_unsettled(api->storage, add_place, gc->places);
    if (cor_json_count(gc->places) > 0) {
        cor_timer_start(gc->timer, 0);
    }
    return gc;
}

void kl_gc_free(struct kl_gc **gc)
{
    if (*gc != NULL) {
        cor_timer_free(&(*gc)->timer);
        cor_json_free(&(*gc)->places);
        cor_json_free(&(*gc)->gone);
        cor_freep(gc);
    }
}
