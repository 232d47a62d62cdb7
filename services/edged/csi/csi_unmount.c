// SPDX-License-Identifier: Apache-2.0
// NodeUnpublishVolume of all that a Pod has, and NodeUnstageVolume of what nobody else has. From
// files: a Pod may be one of which nothing else is known.
#include <dirent.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "csi_private.h"
#include "services/edged/csi/csi.pb-c.h"

enum { DATA_MAX = 65536, RETRY_FIRST_MS = 500, RETRY_LAST_MS = 60000, VOLUMES_MAX = 1024 };

struct csi_ending {
    struct cor_link link;
    struct csi *csi;
    char *uid;
    char **folders; /* of its volumes, with vol_data.json */
    size_t count;
    size_t at; /* the one that is undone */
    struct cor_json *data;
    struct csi_turn turn;
    struct cor_timer *retry;
    int64_t wait_us;
    void (*fn)(void *self, bool all);
    void *self;
};

static void next(struct csi_ending *ending);

/* ---- files ---- */

struct cor_json *csi_read_data(const char *folder)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/vol_data.json", folder);
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *json = NULL;
    if (cor_file_read(path, DATA_MAX, &text, NULL) != COR_OK ||
        cor_json_parse(cor_buf_as_view(&text), DATA_MAX, 0, &json, NULL) != COR_OK) {
        return NULL;
    }
    return json;
}

void csi_each_volume(const char *root, const char *uid, bool (*fn)(void *self, const char *folder),
                     void *self)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/pods/%s/volumes/kubernetes.io~csi", root, uid);
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    bool more = true;
    while (dir != NULL && more && (entry = readdir(dir)) != NULL) {
        auto_(cor_freep) char *folder = cor_sprintf("%s/%s", path, entry->d_name);
        more = entry->d_name[0] == '.' || fn(self, folder);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

/* Whether another folder is of the same PersistentVolume. */
struct search {
    const char *pv;
    const char *but;
    bool found;
};

static bool is_other(void *self, const char *folder)
{
    struct search *search = self;
    auto_(cor_json_free) struct cor_json *data = csi_read_data(folder);
    search->found = strcmp(folder, search->but) != 0 &&
                    strcmp(cor_json_str_at(data, "specVolID", ""), search->pv) == 0;
    return !search->found;
}

static bool is_used(const char *root, const char *pv, const char *but)
{
    struct search search = {pv, but, false};
    auto_(cor_freep) char *path = cor_sprintf("%s/pods", root);
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir != NULL && !search.found && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            csi_each_volume(root, entry->d_name, is_other, &search);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return search.found;
}

static void remove_mount(const char *path)
{
    (void)umount2(path, UMOUNT_NOFOLLOW); /* a driver should have */
    (void)rmdir(path);
}

static void remove_folder(const char *folder)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/vol_data.json", folder);
    (void)unlink(path);
    (void)rmdir(folder);
}

/* ---- one volume ---- */

static const char *root_of(const struct csi_ending *ending)
{
    return ending->csi->agent->cfg->root_dir;
}

static void ending_end(struct csi_ending *ending, bool all)
{
    cor_list_del(&ending->link);
    csi_turn_end(&ending->turn);
    if (all) {
        csi_use_end(ending->csi, ending->uid);
        csi_stats_end(ending->csi, ending->uid);
        csi_grow_end(ending->csi, ending->uid);
    }
    ending->fn(ending->self, all);
    for (size_t i = 0; i < ending->count; i++) {
        cor_free(ending->folders[i]);
    }
    cor_json_free(&ending->data);
    cor_timer_free(&ending->retry);
    cor_free(ending->folders);
    cor_free(ending->uid);
    cor_free(ending);
}

static void try_later(struct csi_ending *ending, const char *text)
{
    const int64_t last = COR_MS(RETRY_LAST_MS);
    if (ending->csi->closing) {
        ending_end(ending, false);
        return;
    }
    LOGW(ending->csi->agent->log, "edged.csi-unmount-failed", "uid=%s volume=%s error=%s",
         ending->uid, cor_log_esc(cor_view_of(cor_json_str_at(ending->data, "volumeHandle", ""))),
         cor_log_esc(cor_view_of(text)));
    csi_turn_end(&ending->turn);
    ending->wait_us = ending->wait_us == 0 ? COR_MS(RETRY_FIRST_MS) : ending->wait_us * 2;
    ending->wait_us = ending->wait_us > last ? last : ending->wait_us;
    cor_timer_start(ending->retry, ending->wait_us);
}

/* False: it is tried again later. */
static bool ask(struct csi_ending *ending, const char *call, const char *path, csi_answer_fn fn)
{
    const char *name = cor_json_str_at(ending->data, "driverName", "");
    struct csi_driver *driver = ending->csi->closing ? NULL : csi_find(ending->csi, name);
    Csi__V1__NodeUnmountRequest request = CSI__V1__NODE_UNMOUNT_REQUEST__INIT;
    if (driver == NULL) {
        try_later(ending, "the driver is not registered");
        return false;
    }
    request.volume_id = (char *)(uintptr_t)cor_json_str_at(ending->data, "volumeHandle", "");
    request.path = (char *)(uintptr_t)path;
    csi_client_ask(driver->node, call, &request.base, COR_SEC(CSI_TIMEOUT_S), fn, ending);
    return true;
}

static void volume_done(struct csi_ending *ending)
{
    remove_folder(ending->folders[ending->at]);
    csi_turn_end(&ending->turn);
    ending->wait_us = 0;
    ending->at++;
    next(ending);
}

static char *staging_folder(const struct csi_ending *ending)
{
    return cor_sprintf("%s/plugins/kubernetes.io/csi/pv/%s", root_of(ending),
                       cor_json_str_at(ending->data, "specVolID", ""));
}

static void on_unstaged(void *self, const struct csi_answer *answer)
{
    struct csi_ending *ending = self;
    if (answer->code != COR_OK) {
        try_later(ending, answer->text);
        return;
    }
    auto_(cor_freep) char *folder = staging_folder(ending);
    auto_(cor_freep) char *path = cor_sprintf("%s/globalmount", folder);
    remove_mount(path);
    remove_folder(folder);
    volume_done(ending);
}

static void on_unpublished(void *self, const struct csi_answer *answer)
{
    struct csi_ending *ending = self;
    if (answer->code != COR_OK) {
        try_later(ending, answer->text);
        return;
    }
    const char *pv = cor_json_str_at(ending->data, "specVolID", "");
    const char *own = ending->folders[ending->at];
    auto_(cor_freep) char *mount = cor_sprintf("%s/mount", own);
    auto_(cor_freep) char *folder = staging_folder(ending);
    auto_(cor_freep) char *path = cor_sprintf("%s/globalmount", folder);
    auto_(cor_json_free) struct cor_json *staged = pv[0] == '\0' ? NULL : csi_read_data(folder);
    remove_mount(mount);
    if (staged == NULL || is_used(root_of(ending), pv, own)) {
        volume_done(ending);
        return;
    }
    (void)ask(ending, "/csi.v1.Node/NodeUnstageVolume", path, on_unstaged);
}

static void unpublish(void *self)
{
    struct csi_ending *ending = self;
    auto_(cor_freep) char *path = cor_sprintf("%s/mount", ending->folders[ending->at]);
    (void)ask(ending, "/csi.v1.Node/NodeUnpublishVolume", path, on_unpublished);
}

static void next(struct csi_ending *ending)
{
    cor_json_free(&ending->data);
    while (ending->at < ending->count && ending->data == NULL) {
        ending->data = csi_read_data(ending->folders[ending->at]);
        ending->at += ending->data == NULL ? 1 : 0; /* nothing was mounted there */
    }
    if (ending->at == ending->count) {
        ending_end(ending, true);
        return;
    }
    const char *pv = cor_json_str_at(ending->data, "specVolID", "");
    const char *handle = cor_json_str_at(ending->data, "volumeHandle", "");
    csi_turn_begin(ending->csi, &ending->turn, pv[0] != '\0' ? pv : handle, unpublish, ending);
}

static void on_retry(void *self)
{
    next(self);
}

/* ---- a Pod ---- */

static bool collect(void *self, const char *folder)
{
    struct csi_ending *ending = self;
    ending->folders = cor_realloc(ending->folders, ending->count + 1, sizeof(*ending->folders));
    ending->folders[ending->count++] = cor_strdup(folder);
    return ending->count < VOLUMES_MAX;
}

void csi_unmount(struct agent *agent, const char *uid, void (*fn)(void *self, bool all), void *self)
{
    struct csi *csi = agent->csi;
    if (csi == NULL) {
        fn(self, true);
        return;
    }
    struct csi_ending *ending = cor_alloc(sizeof(*ending));
    ending->csi = csi;
    ending->uid = cor_strdup(uid);
    ending->fn = fn;
    ending->self = self;
    ending->retry = cor_timer_new(agent->loop, on_retry, ending);
    cor_list_add(&csi->endings, &ending->link);
    csi_each_volume(agent->cfg->root_dir, uid, collect, ending);
    next(ending);
}

bool csi_is_unmounting(const struct csi *csi, const char *uid)
{
    if (csi == NULL) {
        return false;
    }
    COR_LIST_EACH (link, &csi->endings) {
        const struct csi_ending *ending = COR_LIST_OBJECT(link, struct csi_ending, link);
        if (strcmp(ending->uid, uid) == 0) {
            return true;
        }
    }
    return false;
}

/* Those that ask a driver end when its client goes. */
void csi_drop_endings(struct csi *csi)
{
    COR_LIST_EACH (link, &csi->endings) {
        struct csi_ending *ending = COR_LIST_OBJECT(link, struct csi_ending, link);
        if (cor_timer_running(ending->retry)) {
            ending_end(ending, false);
        }
    }
}
