// SPDX-License-Identifier: Apache-2.0
#include "bound.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "opened.h"
#include "refs.h"

/* A node that has some. */
struct node {
    struct ec_bound *bound;
    struct cor_link rows;
    char name[];
};

/* A Pod or Device. */
struct row {
    struct cor_link link; /* in its node's rows */
    struct node *node;
    size_t len;
    char text[]; /* namespace, name, then what it names, a letter before each; each ends in NUL */
};

struct ec_bound {
    struct cor_map *nodes; /* name to struct node, owned */
    struct cor_map *rows;  /* "ns/name" to struct row, owned */
    struct ec_opened *opened;
};

static void row_free(void *value)
{
    struct row *row = value;
    struct node *node = row->node;
    cor_list_del(&row->link);
    cor_free(row);
    if (cor_list_empty(&node->rows)) {
        (void)cor_map_del(node->bound->nodes, cor_view_of(node->name));
    }
}

struct ec_bound *ec_bound_new(void)
{
    struct ec_bound *bound = cor_alloc(sizeof(*bound));
    bound->nodes = cor_map_new(cor_free);
    bound->rows = cor_map_new(row_free);
    bound->opened = ec_opened_new();
    return bound;
}

void ec_bound_free(struct ec_bound **bound)
{
    if (*bound != NULL) {
        cor_map_free(&(*bound)->rows);
        cor_map_free(&(*bound)->nodes);
        ec_opened_free(&(*bound)->opened);
        cor_freep(bound);
    }
}

static struct node *node_of(struct ec_bound *bound, struct cor_view name)
{
    struct node *node = cor_map_get(bound->nodes, name);
    if (node == NULL) {
        node = cor_alloc(sizeof(*node) + name.len + 1);
        node->bound = bound;
        memcpy(node->name, name.ptr, name.len);
        cor_list_init(&node->rows);
        cor_map_set(bound->nodes, name, node);
    }
    return node;
}

static void add_text(struct cor_buf *out, const char *text)
{
    cor_buf_add(out, text, strlen(text) + 1);
}

/* What is asked for and what rows have: a letter and a name. */
static void add_ref(void *self, const char *type, const char *name)
{
    struct cor_buf *out = self;
    cor_buf_add(out, type, 1);
    add_text(out, name);
}

/* Calls fn for each claim of a Pod. */
static void each_claim(const struct cor_json *object,
                       void (*fn)(void *self, const char *type, const char *name), void *self)
{
    const struct cor_json *volumes = cor_json_at(object, "spec.volumes");
    for (size_t i = 0; i < cor_json_count(volumes); i++) {
        const char *claim =
            cor_json_str_at(cor_json_item(volumes, i), "persistentVolumeClaim.claimName", "");
        if (claim[0] != '\0') {
            fn(self, "p", claim);
        }
    }
}

static char *key_of(struct cor_view ns, struct cor_view name)
{
    return cor_sprintf("%.*s/%.*s", COR_VIEW_ARG(ns), COR_VIEW_ARG(name));
}

static char *key_of_object(const struct cor_json *object)
{
    return cor_sprintf("%s/%s", cor_json_str_at(object, "metadata.namespace", ""),
                       cor_json_str_at(object, "metadata.name", ""));
}

/* The mirror of a static Pod, which its node has made, has none: it would have the node choose. */
static const char *account_of(const struct cor_json *object)
{
    const struct cor_json *marks = cor_json_at(object, "metadata.annotations");
    bool mirror = cor_json_get(marks, "kubernetes.io/config.mirror") != NULL;
    return mirror ? "" : cor_json_str_at(object, "spec.serviceAccountName", "default");
}

void ec_bound_put(struct ec_bound *bound, const struct cor_json *object)
{
    auto_(cor_freep) char *key = key_of_object(object);
    auto_(cor_buf_free) struct cor_buf text = {0};
    const char *name = ec_node_of(object);
    if (name[0] == '\0') {
        (void)cor_map_del(bound->rows, cor_view_of(key));
        return;
    }
    add_text(&text, cor_json_str_at(object, "metadata.namespace", ""));
    add_text(&text, cor_json_str_at(object, "metadata.name", ""));
    add_ref(&text, "a", account_of(object));
    ec_pod_refs(object, add_ref, &text);
    each_claim(object, add_ref, &text);
    add_ref(&text, "m", cor_json_str_at(object, "spec.deviceModelRef.name", ""));
    struct row *row = cor_alloc(sizeof(*row) + text.len);
    row->node = node_of(bound, cor_view_of(name));
    row->len = text.len;
    memcpy(row->text, text.data, text.len);
    cor_list_add(&row->node->rows, &row->link);
    cor_map_set(bound->rows, cor_view_of(key), row);
}

void ec_bound_del(struct ec_bound *bound, const struct cor_json *object)
{
    auto_(cor_freep) char *key = key_of_object(object);
    (void)cor_map_del(bound->rows, cor_view_of(key));
}

const char *ec_bound_node(const struct ec_bound *bound, struct cor_view ns, struct cor_view name)
{
    auto_(cor_freep) char *key = key_of(ns, name);
    const struct row *row = cor_map_get(bound->rows, cor_view_of(key));
    return row == NULL ? NULL : row->node->name;
}

/* The text behind this one. */
static const char *behind(const char *text)
{
    return text + strlen(text) + 1;
}

/* In rows, a serviceaccount has the letter a: s is for secrets. */
static char letter_of(const char *type)
{
    return strcmp(type, "serviceaccount") == 0 ? 'a' : type[0];
}

static bool names(const struct row *row, struct cor_view ns, char letter, struct cor_view name)
{
    bool is_found = false;
    if (!cor_view_is(ns, row->text)) {
        return false;
    }
    for (const char *ref = behind(behind(row->text)); !is_found && ref < row->text + row->len;
         ref = behind(ref)) {
        is_found = ref[0] == letter && cor_view_is(name, ref + 1);
    }
    return is_found;
}

static bool node_needs(const struct node *node, struct cor_view ns, char letter,
                       struct cor_view name)
{
    COR_LIST_EACH (link, &node->rows) {
        if (names(COR_LIST_OBJECT(link, struct row, link), ns, letter, name)) {
            return true;
        }
    }
    return false;
}

/* ---- what the volumes behind claims name ---- */

void ec_bound_put_volume(struct ec_bound *bound, const struct cor_json *volume)
{
    ec_opened_put(bound->opened, volume);
}

void ec_bound_del_volume(struct ec_bound *bound, const struct cor_json *volume)
{
    ec_opened_del(bound->opened, volume);
}

struct claimed {
    const struct node *node;
    bool found;
};

static void look_for_claim(void *self, const char *ns, const char *name)
{
    struct claimed *claimed = self;
    claimed->found =
        claimed->found || node_needs(claimed->node, cor_view_of(ns), 'p', cor_view_of(name));
}

static bool opens(const struct ec_bound *bound, const struct node *node, struct cor_view ns,
                  struct cor_view secret)
{
    struct claimed claimed = {node, false};
    ec_opened_claims(bound->opened, ns, secret, look_for_claim, &claimed);
    return claimed.found;
}

struct opening {
    const struct ec_bound *bound;
    const char *ns; /* of a Pod */
    void (*on_node)(void *self, const char *node);
    void (*on_secret)(void *self, const char *ns, const char *name);
    void *self;
};

static void tell_secrets(void *self, const char *type, const char *claim)
{
    const struct opening *o = self;
    (void)type;
    ec_opened_secrets(o->bound->opened, o->ns, claim, o->on_secret, o->self);
}

void ec_bound_opened(const struct ec_bound *bound, const struct cor_json *pod,
                     void (*fn)(void *self, const char *ns, const char *name), void *self)
{
    struct opening opening = {.bound = bound,
                              .ns = cor_json_str_at(pod, "metadata.namespace", ""),
                              .on_secret = fn,
                              .self = self};
    each_claim(pod, tell_secrets, &opening);
}

static void tell_claimers(void *self, const char *ns, const char *claim)
{
    const struct opening *o = self;
    ec_bound_needing(o->bound, ns, "persistentvolumeclaim", claim, o->on_node, o->self);
}

/* ---- */

bool ec_bound_need(const struct ec_bound *bound, struct cor_view node, struct cor_view ns,
                   const char *type, struct cor_view name)
{
    const struct node *found = cor_map_get(bound->nodes, node);
    return found != NULL && (node_needs(found, ns, letter_of(type), name) ||
                             (strcmp(type, "secret") == 0 && opens(bound, found, ns, name)));
}

void ec_bound_of(const struct ec_bound *bound, struct cor_view node,
                 void (*fn)(void *self, const char *ns, const char *name), void *self)
{
    const struct node *found = cor_map_get(bound->nodes, node);
    if (found == NULL) {
        return;
    }
    COR_LIST_EACH (link, &found->rows) {
        const struct row *row = COR_LIST_OBJECT(link, struct row, link);
        fn(self, row->text, behind(row->text));
    }
}

void ec_bound_needing(const struct ec_bound *bound, const char *ns, const char *type,
                      const char *name, void (*fn)(void *self, const char *node), void *self)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(bound->nodes, &at, NULL, &value)) {
        const struct node *node = value;
        if (node_needs(node, cor_view_of(ns), letter_of(type), cor_view_of(name))) {
            fn(self, node->name);
        }
    }
    if (strcmp(type, "secret") == 0) {
        struct opening opening = {.bound = bound, .on_node = fn, .self = self};
        ec_opened_claims(bound->opened, cor_view_of(ns), cor_view_of(name), tell_claimers,
                         &opening);
    }
}
