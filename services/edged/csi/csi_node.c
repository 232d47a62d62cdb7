// SPDX-License-Identifier: Apache-2.0
// The CSINode of this node, by which schedulers and provisioners know its drivers; their ids in an
// annotation of the Node, and their topology in its labels.
#include <string.h>

#include "common/base/mem.h"
#include "csi_private.h"

enum { OBJECT_MAX = 1024 * 1024, RETRY_FIRST_MS = 500, RETRY_LAST_MS = 60000 };

#define ID_ANNOTATION "csi.volume.kubernetes.io/nodeid"

struct csi_node {
    struct csi *csi;
    struct cor_json *known; /* spec.drivers as the API has them; NULL: to be asked for */
    struct cor_json *gone;  /* members: drivers that were here and are no more */
    struct cor_json *sending;
    struct cor_timer *retry;
    int64_t retry_us;
    bool absent; /* the API has no CSINode */
    bool busy;
    bool due;       /* something has changed since */
    bool marks_due; /* the Node is to be told, too */
};

static char *key_of(const struct csi_node *node, const char *type)
{
    return cor_sprintf("null/%s/%s", type, node->csi->agent->cfg->node_name);
}

static void go_on(struct csi_node *node);

static void on_retry(void *self)
{
    go_on(self);
}

struct csi_node *csi_node_new(struct csi *csi)
{
    struct csi_node *node = cor_alloc(sizeof(*node));
    node->csi = csi;
    node->gone = cor_json_object();
    node->due = true;
    node->retry = cor_timer_new(csi->agent->loop, on_retry, node);
    return node;
}

void csi_node_free(struct csi_node **node)
{
    if (*node != NULL) {
        cor_json_free(&(*node)->known);
        cor_json_free(&(*node)->gone);
        cor_json_free(&(*node)->sending);
        cor_timer_free(&(*node)->retry);
        cor_freep(node);
    }
}

static struct cor_json *drivers_here(const struct csi_node *node)
{
    struct cor_json *out = cor_json_array();
    COR_LIST_EACH (link, &node->csi->drivers) {
        const struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (driver->ready && !driver->dead && csi_node_find(out, driver->name) == NULL) {
            cor_json_add(out, csi_node_entry(driver->name, &driver->info));
        }
    }
    return out;
}

/* No answer, or one that another try may change. */
static bool is_passing(int status)
{
    return status == 0 || status == 429 || status >= 500;
}

/* What cannot pass is tried again when something has changed. */
static void failed(struct csi_node *node, const char *what, int status, struct cor_view answer)
{
    node->due = true;
    if (!is_passing(status)) {
        LOGW(node->csi->agent->log, "edged.csi-node-refused", "what=%s status=%d answer=%s", what,
             status, cor_log_esc(answer));
        return;
    }
    node->retry_us = node->retry_us == 0 ? COR_MS(RETRY_FIRST_MS) : node->retry_us * 2;
    node->retry_us =
        node->retry_us > COR_MS(RETRY_LAST_MS) ? COR_MS(RETRY_LAST_MS) : node->retry_us;
    cor_timer_start(node->retry, node->retry_us);
}

/* ---- the Node ---- */

static void on_marked(void *self, int status, struct cor_view body)
{
    struct csi_node *node = self;
    node->busy = false;
    if (status / 100 != 2) {
        node->marks_due = true;
        failed(node, "labels", status, body);
    } else {
        node->retry_us = 0;
        go_on(node);
    }
}

void csi_add_topology(const struct csi *csi, struct cor_json *labels)
{
    if (csi == NULL) {
        return;
    }
    COR_LIST_EACH (link, &csi->drivers) {
        const struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        void *at = NULL;
        const char *key = NULL;
        struct cor_json *value = NULL;
        while (driver->ready && !driver->dead &&
               cor_json_each(driver->info.segments, &at, &key, &value)) {
            cor_json_set(labels, key, cor_json_ref(value));
        }
    }
}

static struct cor_json *marks_of(const struct csi_node *node)
{
    struct cor_json *patch = cor_json_object();
    auto_(cor_json_free) struct cor_json *ids = cor_json_object();
    struct cor_json *labels = cor_json_object();
    struct cor_json *notes = cor_json_object();
    COR_LIST_EACH (link, &node->csi->drivers) {
        const struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (driver->ready && !driver->dead) {
            cor_json_set(ids, driver->name, cor_json_str(driver->info.id));
        }
    }
    csi_add_topology(node->csi, labels);
    auto_(cor_freep) char *text = cor_json_text(ids);
    cor_json_set(notes, ID_ANNOTATION,
                 cor_json_count(ids) > 0 ? cor_json_str(text) : cor_json_null());
    cor_json_set_at(patch, "metadata.annotations", notes);
    cor_json_set_at(patch, "metadata.labels", labels);
    return patch;
}

static void send_marks(struct csi_node *node)
{
    auto_(cor_json_free) struct cor_json *patch = marks_of(node);
    auto_(cor_freep) char *text = cor_json_text(patch);
    auto_(cor_freep) char *key = key_of(node, "nodepatch");
    node->marks_due = false;
    node->busy = meta_call(node->csi->agent->meta, PX_VERB_PATCH, key, PX_PATCH_STRATEGIC,
                           cor_view_of(text), on_marked, node);
    if (!node->busy) {
        node->marks_due = true;
        failed(node, "labels", 0, (struct cor_view){0});
    }
}

/* ---- the CSINode ---- */

static void keep(struct csi_node *node, struct cor_json *drivers)
{
    cor_json_free(&node->known);
    node->known =
        drivers != NULL && cor_json_is_array(drivers) ? cor_json_ref(drivers) : cor_json_array();
}

static void on_sent(void *self, int status, struct cor_view body)
{
    struct csi_node *node = self;
    node->busy = false;
    if (status / 100 == 2) {
        keep(node, node->sending);
        node->absent = false;
        node->retry_us = 0;
    } else if (status == 404 || status == 409) { /* it went, or came, meanwhile */
        cor_json_free(&node->known);
        node->absent = false;
        failed(node, "drivers", 0, body);
    } else {
        failed(node, "drivers", status, body);
    }
    cor_json_free(&node->sending);
    if (status / 100 == 2) {
        go_on(node);
    }
}

static struct cor_json *object_of(const struct csi_node *node)
{
    struct cor_json *out = cor_json_object();
    struct cor_json *owners = cor_json_array();
    struct cor_json *owner = cor_json_object();
    cor_json_set(out, "apiVersion", cor_json_str("storage.k8s.io/v1"));
    cor_json_set(out, "kind", cor_json_str("CSINode"));
    cor_json_set_at(out, "metadata.name", cor_json_str(node->csi->agent->cfg->node_name));
    cor_json_set(owner, "apiVersion", cor_json_str("v1"));
    cor_json_set(owner, "kind", cor_json_str("Node"));
    cor_json_set(owner, "name", cor_json_str(node->csi->agent->cfg->node_name));
    cor_json_set(owner, "uid", cor_json_str(registrar_uid(node->csi->agent->registrar)));
    cor_json_add(owners, owner);
    cor_json_set_at(out, "metadata.ownerReferences", owners);
    return out;
}

static void send_drivers(struct csi_node *node, struct cor_json *drivers)
{
    auto_(cor_json_free) struct cor_json *body = node->absent ? object_of(node) : cor_json_object();
    auto_(cor_freep) char *key = key_of(node, "csinode");
    cor_json_set_at(body, "spec.drivers", cor_json_ref(drivers));
    auto_(cor_freep) char *text = cor_json_text(body);
    node->sending = drivers;
    node->busy = meta_call(node->csi->agent->meta, node->absent ? PX_VERB_CREATE : PX_VERB_PATCH,
                           key, PX_PATCH_MERGE, cor_view_of(text), on_sent, node);
    if (!node->busy) {
        cor_json_free(&node->sending);
        failed(node, "drivers", 0, (struct cor_view){0});
    }
}

static void on_read(void *self, int status, struct cor_view body)
{
    struct csi_node *node = self;
    auto_(cor_json_free) struct cor_json *object = NULL;
    node->busy = false;
    node->absent = status == 404;
    if (status == 200 && cor_json_parse(body, OBJECT_MAX, 0, &object, NULL) != COR_OK) {
        status = 500;
    }
    if (status != 200 && status != 404) {
        failed(node, "drivers", status, body);
        return;
    }
    keep(node, cor_json_at(object, "spec.drivers"));
    go_on(node);
}

static void ask(struct csi_node *node)
{
    auto_(cor_freep) char *key = key_of(node, "csinode");
    node->busy =
        meta_call(node->csi->agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_read, node);
    if (!node->busy) {
        failed(node, "drivers", 0, (struct cor_view){0});
    }
}

/* One step of what is due; the answer to it comes here again. */
static void go_on(struct csi_node *node)
{
    struct agent *agent = node->csi->agent;
    bool again = false;
    if (node->busy || !agent->link || registrar_uid(agent->registrar)[0] == '\0') {
        return;
    }
    if (node->due && node->known == NULL) {
        ask(node);
        return;
    }
    if (node->due) {
        auto_(cor_json_free) struct cor_json *here = drivers_here(node);
        auto_(cor_json_free) struct cor_json *drivers =
            csi_node_drivers(node->known, node->gone, here, &again);
        node->due = again;
        if (node->absent || !csi_node_same(node->known, drivers)) {
            send_drivers(node, cor_json_ref(drivers));
            return;
        }
    }
    if (node->marks_due) {
        send_marks(node);
    }
}

void csi_node_driver(struct csi_node *node, const struct csi_driver *driver, bool gone)
{
    if (gone) {
        cor_json_set(node->gone, driver->name, cor_json_bool(true));
    } else {
        cor_json_del(node->gone, driver->name);
    }
    node->due = true;
    node->marks_due = true;
    if (!gone) {
        go_on(node);
    } else {
        cor_timer_start(node->retry, 0); /* it is still among those that are here */
    }
}

void csi_node_look(struct csi *csi, bool anew)
{
    if (csi == NULL || csi->closing) {
        return;
    }
    if (anew && !csi->node->busy) {
        cor_json_free(&csi->node->known);
        csi->node->marks_due = true;
    }
    csi->node->due = true;
    csi->node->retry_us = 0;
    go_on(csi->node);
}
