// SPDX-License-Identifier: Apache-2.0
// Volumes that a controller attaches to the node: it is told which are in use before they are
// mounted, so that it does not take them away, and says when they are there. Source:
// k8s.io/kubernetes pkg/kubelet/volumemanager, pkg/volume/csi/csi_attacher.go.
#include <dirent.h>
#include <string.h>

#include "common/base/mem.h"
#include "csi_private.h"

/* A Pod uses a volume. */
struct use {
    struct cor_link link;
    char *uid;
    char *name;
};

static void use_free(struct use *use)
{
    cor_list_del(&use->link);
    cor_free(use->uid);
    cor_free(use->name);
    cor_free(use);
}

static bool is_used(const struct csi *csi, const char *uid, const char *name)
{
    COR_LIST_EACH (link, &csi->uses) {
        const struct use *use = COR_LIST_OBJECT(link, struct use, link);
        if (strcmp(use->uid, uid) == 0 && strcmp(use->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void use_begin(struct csi *csi, const char *uid, const char *name)
{
    if (!is_used(csi, uid, name)) {
        struct use *use = cor_alloc(sizeof(*use));
        use->uid = cor_strdup(uid);
        use->name = cor_strdup(name);
        cor_list_add(&csi->uses, &use->link);
    }
}

void csi_use_end(struct csi *csi, const char *uid)
{
    bool changed = false;
    COR_LIST_EACH (link, &csi->uses) {
        struct use *use = COR_LIST_OBJECT(link, struct use, link);
        if (strcmp(use->uid, uid) == 0) {
            use_free(use);
            changed = true;
        }
    }
    if (changed && !csi->closing) {
        registrar_volumes(csi->agent->registrar);
    }
}

struct cor_json *csi_volumes_in_use(const struct csi *csi)
{
    struct cor_json *out = cor_json_array();
    auto_(cor_json_free) struct cor_json *seen = cor_json_object();
    COR_LIST_EACH (link, &csi->uses) {
        const struct use *use = COR_LIST_OBJECT(link, struct use, link);
        if (cor_json_get(seen, use->name) == NULL) {
            cor_json_set(seen, use->name, cor_json_bool(true));
            cor_json_add(out, cor_json_str(use->name));
        }
    }
    return out;
}

/* ---- what was in use before ---- */

struct loading {
    struct csi *csi;
    const char *uid;
};

static bool load_one(void *self, const char *folder)
{
    const struct loading *loading = self;
    auto_(cor_json_free) struct cor_json *data = csi_read_data(folder);
    if (cor_json_str_at(data, "attachmentID", "")[0] != '\0') {
        auto_(cor_freep) char *name = csi_unique_name(cor_json_str_at(data, "driverName", ""),
                                                      cor_json_str_at(data, "volumeHandle", ""));
        use_begin(loading->csi, loading->uid, name);
    }
    return true;
}

void csi_uses_load(struct csi *csi)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/pods", csi->agent->cfg->root_dir);
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct loading loading = {csi, entry->d_name};
        if (entry->d_name[0] != '.') {
            csi_each_volume(csi->agent->cfg->root_dir, entry->d_name, load_one, &loading);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void csi_uses_free(struct csi *csi)
{
    COR_LIST_EACH (link, &csi->uses) {
        use_free(COR_LIST_OBJECT(link, struct use, link));
    }
}

/* ---- attaching ---- */

static void end(struct csi_attach *attach, const char *error)
{
    cor_freep(&attach->name);
    attach->fn(attach->self, error);
}

static void on_attachment(void *self, int status, struct cor_view body)
{
    struct csi_attach *attach = self;
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = csi_attached(attach->volume, status, body, &err);
    end(attach, code == COR_OK ? NULL : err.text);
}

static void ask(struct csi_attach *attach)
{
    struct agent *agent = attach->csi->agent;
    auto_(cor_freep) char *name = csi_attachment_name(attach->volume, agent->cfg->node_name);
    auto_(cor_freep) char *key = cor_sprintf("null/volumeattachment/%s", name);
    if (!meta_call(agent->meta, PX_VERB_GET, key, 0, (struct cor_view){0}, on_attachment, attach)) {
        on_attachment(attach, 0, COR_VIEW("metamanager does not answer"));
    }
}

/* Without a link nobody can be told, and nobody detaches: the last word of the API counts. */
static bool may_ask(const struct csi_attach *attach)
{
    const struct agent *agent = attach->csi->agent;
    return !agent->link || registrar_has_told(agent->registrar, attach->name);
}

void csi_attach(struct csi *csi, struct csi_attach *attach, const char *uid,
                struct csi_volume *volume, void (*fn)(void *self, const char *error), void *self)
{
    *attach = (struct csi_attach){.csi = csi,
                                  .volume = volume,
                                  .name = csi_unique_name(volume->driver, volume->handle),
                                  .fn = fn,
                                  .self = self};
    use_begin(csi, uid, attach->name);
    if (may_ask(attach)) {
        ask(attach);
    } else {
        cor_list_add(&csi->waiting, &attach->link);
        registrar_volumes(csi->agent->registrar);
    }
}

void csi_node_reported(struct csi *csi, bool taken)
{
    if (csi == NULL) {
        return;
    }
    COR_LIST_EACH (link, &csi->waiting) {
        struct csi_attach *attach = COR_LIST_OBJECT(link, struct csi_attach, link);
        if (!csi->closing && may_ask(attach)) {
            cor_list_del(&attach->link);
            ask(attach);
        } else if (!taken) {
            cor_list_del(&attach->link);
            end(attach, "Volume has not been added to the list of VolumesInUse in the node's "
                        "volume status");
        }
    }
}
