// SPDX-License-Identifier: Apache-2.0
#include "opened.h"

#include <string.h>

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/mem.h"

/* What volumes are found by: a claim or a Secret. */
struct hub {
    struct cor_map *home;
    struct cor_link edges;
    char name[]; /* "ns/name" */
};

/* A volume of a claim names a Secret. */
struct edge {
    struct cor_link of_volume;
    struct cor_link of_claim;
    struct cor_link of_secret;
    struct hub *claim;
    struct hub *secret;
};

struct volume {
    struct cor_link edges;
};

struct ec_opened {
    struct cor_map *volumes; /* name to struct volume, owned */
    struct cor_map *claims;  /* "ns/name" to struct hub, owned */
    struct cor_map *secrets; /* the same */
};

static void leave(struct hub *hub, struct cor_link *link)
{
    cor_list_del(link);
    if (cor_list_empty(&hub->edges)) {
        (void)cor_map_del(hub->home, cor_view_of(hub->name));
    }
}

static void volume_free(void *value)
{
    struct volume *volume = value;
    COR_LIST_EACH (link, &volume->edges) {
        struct edge *edge = COR_LIST_OBJECT(link, struct edge, of_volume);
        leave(edge->claim, &edge->of_claim);
        leave(edge->secret, &edge->of_secret);
        cor_free(edge);
    }
    cor_free(volume);
}

struct ec_opened *ec_opened_new(void)
{
    struct ec_opened *opened = cor_alloc(sizeof(*opened));
    opened->volumes = cor_map_new(volume_free);
    opened->claims = cor_map_new(cor_free);
    opened->secrets = cor_map_new(cor_free);
    return opened;
}

void ec_opened_free(struct ec_opened **opened)
{
    if (*opened != NULL) {
        cor_map_free(&(*opened)->volumes);
        cor_map_free(&(*opened)->claims);
        cor_map_free(&(*opened)->secrets);
        cor_freep(opened);
    }
}

static struct hub *hub_of(struct cor_map *home, const char *ns, const char *name)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", ns, name);
    struct hub *hub = cor_map_get(home, cor_view_of(key));
    if (hub == NULL) {
        hub = cor_alloc(sizeof(*hub) + strlen(key) + 1);
        hub->home = home;
        memcpy(hub->name, key, strlen(key));
        cor_list_init(&hub->edges);
        cor_map_set(home, cor_view_of(key), hub);
    }
    return hub;
}

struct addition {
    struct ec_opened *opened;
    const struct cor_json *volume;
    struct volume *row; /* NULL: it has no Secret yet */
};

static void add(void *self, const char *ns, const char *name)
{
    struct addition *a = self;
    if (a->row == NULL) {
        a->row = cor_alloc(sizeof(*a->row));
        cor_list_init(&a->row->edges);
    }
    struct edge *edge = cor_alloc(sizeof(*edge));
    edge->claim =
        hub_of(a->opened->claims, cor_json_str_at(a->volume, "spec.claimRef.namespace", ""),
               cor_json_str_at(a->volume, "spec.claimRef.name", ""));
    edge->secret = hub_of(a->opened->secrets, ns, name);
    cor_list_add(&edge->claim->edges, &edge->of_claim);
    cor_list_add(&edge->secret->edges, &edge->of_secret);
    cor_list_add(&a->row->edges, &edge->of_volume);
}

void ec_volume_secrets(const struct cor_json *volume, ec_opened_fn fn, void *self)
{
    static const char *const MEMBERS[] = {"nodeStageSecretRef", "nodePublishSecretRef",
                                          "nodeExpandSecretRef"};
    const struct cor_json *csi = cor_json_at(volume, "spec.csi");
    for (size_t i = 0; i < COR_COUNT(MEMBERS); i++) {
        const struct cor_json *ref = cor_json_get(csi, MEMBERS[i]);
        bool again = false;
        for (size_t k = 0; k < i; k++) { /* often it is one for all */
            again = again || cor_json_equal(ref, cor_json_get(csi, MEMBERS[k]));
        }
        const char *ns = cor_json_str_at(ref, "namespace", "");
        const char *name = cor_json_str_at(ref, "name", "");
        if (!again && ns[0] != '\0' && name[0] != '\0') {
            fn(self, ns, name);
        }
    }
}

void ec_opened_put(struct ec_opened *opened, const struct cor_json *volume)
{
    struct addition addition = {opened, volume, NULL};
    ec_opened_del(opened, volume);
    if (cor_json_str_at(volume, "spec.claimRef.name", "")[0] != '\0') {
        ec_volume_secrets(volume, add, &addition);
    }
    if (addition.row != NULL) {
        cor_map_set(opened->volumes, cor_view_of(cor_json_str_at(volume, "metadata.name", "")),
                    addition.row);
    }
}

void ec_opened_del(struct ec_opened *opened, const struct cor_json *volume)
{
    (void)cor_map_del(opened->volumes, cor_view_of(cor_json_str_at(volume, "metadata.name", "")));
}

static void tell(const struct hub *hub, ec_opened_fn fn, void *self)
{
    const char *slash = strchr(hub->name, '/');
    auto_(cor_freep) char *ns = cor_memdup(hub->name, (size_t)(slash - hub->name));
    fn(self, ns, slash + 1);
}

void ec_opened_secrets(const struct ec_opened *opened, const char *ns, const char *claim,
                       ec_opened_fn fn, void *self)
{
    auto_(cor_freep) char *key = cor_sprintf("%s/%s", ns, claim);
    const struct hub *hub = cor_map_get(opened->claims, cor_view_of(key));
    if (hub != NULL) {
        COR_LIST_EACH (link, &hub->edges) {
            tell(COR_LIST_OBJECT(link, struct edge, of_claim)->secret, fn, self);
        }
    }
}

void ec_opened_claims(const struct ec_opened *opened, struct cor_view ns, struct cor_view secret,
                      ec_opened_fn fn, void *self)
{
    auto_(cor_freep) char *key = cor_sprintf("%.*s/%.*s", COR_VIEW_ARG(ns), COR_VIEW_ARG(secret));
    const struct hub *hub = cor_map_get(opened->secrets, cor_view_of(key));
    if (hub != NULL) {
        COR_LIST_EACH (link, &hub->edges) {
            tell(COR_LIST_OBJECT(link, struct edge, of_secret)->claim, fn, self);
        }
    }
}
