// SPDX-License-Identifier: Apache-2.0
// Which drivers there are: sockets in the folder of registrations, watched by inotify.
#include "csi.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "csi_private.h"
#include "services/edged/csi/csi.pb-c.h"

enum { ANSWER_S = 10, SCAN_S = 10, DRIVERS_MAX = 64, NAME_MAX_BYTES = 63 };
enum {
    STAGE_UNSTAGE = 1,
    GET_VOLUME_STATS = 2,
    EXPAND_VOLUME = 3,
    SINGLE_NODE_MULTI_WRITER = 5,
    VOLUME_MOUNT_GROUP = 6
};

/* ---- turns ---- */

static bool is_busy(const struct csi *csi, const char *key)
{
    COR_LIST_EACH (link, &csi->turns) {
        const struct csi_turn *turn = COR_LIST_OBJECT(link, struct csi_turn, link);
        if (turn->active && strcmp(turn->key, key) == 0) {
            return true;
        }
    }
    return false;
}

void csi_turn_begin(struct csi *csi, struct csi_turn *turn, const char *key, void (*go)(void *self),
                    void *self)
{
    bool busy = is_busy(csi, key);
    *turn = (struct csi_turn){
        .csi = csi, .key = cor_strdup(key), .active = !busy, .go = go, .self = self};
    cor_list_add(&csi->turns, &turn->link);
    if (!busy) {
        go(self);
    }
}

void csi_turn_end(struct csi_turn *turn)
{
    if (turn->key == NULL) {
        return;
    }
    struct csi *csi = turn->csi;
    auto_(cor_freep) char *key = take(&turn->key);
    cor_list_del(&turn->link);
    COR_LIST_EACH (link, &csi->turns) {
        struct csi_turn *next = COR_LIST_OBJECT(link, struct csi_turn, link);
        if (!is_busy(csi, key) && strcmp(next->key, key) == 0) {
            next->active = true;
            next->go(next->self);
            return;
        }
    }
}

/* ---- drivers ---- */

struct csi_driver *csi_find(const struct csi *csi, const char *name)
{
    COR_LIST_EACH (link, &csi->drivers) {
        struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (driver->ready && !driver->dead && strcmp(driver->name, name) == 0) {
            return driver;
        }
    }
    return NULL;
}

static void driver_free(struct csi_driver *driver)
{
    cor_list_del(&driver->link);
    driver->dead = true;
    csi_client_free(&driver->registration);
    csi_client_free(&driver->node);
    cor_free(driver->path);
    cor_free(driver->name);
    csi_node_info_free(&driver->info);
    cor_free(driver);
}

static void on_bury(void *self)
{
    struct csi *csi = self;
    COR_LIST_EACH (link, &csi->drivers) {
        struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (driver->dead) {
            driver_free(driver);
        }
    }
}

static void bury(struct csi_driver *driver)
{
    if (driver->ready) {
        csi_node_driver(driver->csi->node, driver, true);
    }
    driver->dead = true;
    driver->ready = false;
    cor_timer_start(driver->csi->bury, 0);
}

/* It is tried again with the next look at the folder. */
static void give_up(struct csi_driver *driver, const char *text)
{
    if (!driver->dead) {
        LOGW(driver->csi->agent->log, "edged.csi-driver-refused", "socket=%s reason=%s",
             cor_log_esc(cor_view_of(driver->path)), cor_log_esc(cor_view_of(text)));
        bury(driver);
        cor_timer_start(driver->csi->scan, COR_SEC(SCAN_S));
    }
}

static void on_told(void *self, const struct csi_answer *answer)
{
    struct csi_driver *driver = self;
    if (answer->code != COR_OK && answer->code != COR_GONE) {
        give_up(driver, answer->text);
    }
}

static void tell(struct csi_driver *driver, bool taken, const char *error)
{
    Csi__V1__RegistrationStatus status = CSI__V1__REGISTRATION_STATUS__INIT;
    status.plugin_registered = taken;
    status.error = (char *)(uintptr_t)error;
    csi_client_ask(driver->registration,
                   "/pluginregistration.Registration/NotifyRegistrationStatus", &status.base,
                   COR_SEC(ANSWER_S), on_told, driver);
}

/* A driver that is refused is told, and forgotten when it has heard. */
static void refuse(struct csi_driver *driver, const char *text)
{
    tell(driver, false, text);
    LOGW(driver->csi->agent->log, "edged.csi-driver-refused", "socket=%s reason=%s",
         cor_log_esc(cor_view_of(driver->path)), cor_log_esc(cor_view_of(text)));
}

static void on_node_info(void *self, const struct csi_answer *answer)
{
    struct csi_driver *driver = self;
    Csi__V1__NodeGetInfoResponse *info =
        answer->code != COR_OK
            ? NULL
            : csi__v1__node_get_info_response__unpack(NULL, answer->message.len,
                                                      (const uint8_t *)answer->message.ptr);
    if (driver->dead) {
        csi__v1__node_get_info_response__free_unpacked(info, NULL);
        return;
    }
    if (info == NULL) {
        give_up(driver, answer->code != COR_OK ? answer->text : "NodeGetInfo cannot be read");
        return;
    }
    driver->ready = true;
    LOGI(driver->csi->agent->log, "edged.csi-driver", "name=%s node=%s", driver->name,
         cor_log_esc(cor_view_of(info->node_id)));
    csi_node_info_read(info, &driver->info);
    csi__v1__node_get_info_response__free_unpacked(info, NULL);
    csi_node_driver(driver->csi->node, driver, false);
    tell(driver, true, "");
}

static void note_ability(struct csi_abilities *can, int type)
{
    can->stages = can->stages || type == STAGE_UNSTAGE;
    can->grows = can->grows || type == EXPAND_VOLUME;
    can->has_stats = can->has_stats || type == GET_VOLUME_STATS;
    can->sets_group = can->sets_group || type == VOLUME_MOUNT_GROUP;
    can->one_writer = can->one_writer || type == SINGLE_NODE_MULTI_WRITER;
}

static void on_capabilities(void *self, const struct csi_answer *answer)
{
    struct csi_driver *driver = self;
    Csi__V1__NodeGetCapabilitiesResponse *all =
        answer->code != COR_OK
            ? NULL
            : csi__v1__node_get_capabilities_response__unpack(NULL, answer->message.len,
                                                              (const uint8_t *)answer->message.ptr);
    if (!driver->dead && all == NULL) {
        give_up(driver,
                answer->code != COR_OK ? answer->text : "NodeGetCapabilities cannot be read");
    }
    for (size_t i = 0; all != NULL && i < all->n_capabilities; i++) {
        const Csi__V1__NodeRpc *rpc = all->capabilities[i]->rpc;
        note_ability(&driver->can, rpc == NULL ? 0 : rpc->type);
    }
    csi__v1__node_get_capabilities_response__free_unpacked(all, NULL);
    if (!driver->dead) {
        Csi__V1__Empty request = CSI__V1__EMPTY__INIT;
        csi_client_ask(driver->node, "/csi.v1.Node/NodeGetInfo", &request.base,
                       COR_SEC(CSI_TIMEOUT_S), on_node_info, driver);
    }
}

static bool is_name(const char *name)
{
    size_t len = strlen(name);
    bool good = len > 0 && len <= NAME_MAX_BYTES && name[0] != '.' && name[0] != '-';
    for (const char *c = name; *c != '\0'; c++) {
        good = good && ((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        (*c >= '0' && *c <= '9') || *c == '.' || *c == '-');
    }
    return good;
}

static bool knows_version_1(const Csi__V1__PluginInfo *info)
{
    for (size_t i = 0; i < info->n_supported_versions; i++) {
        const char *version = info->supported_versions[i];
        version += version[0] == 'v' ? 1 : 0;
        if (version[0] == '1' && version[1] == '.') {
            return true;
        }
    }
    return false;
}

static const char *why_not(const Csi__V1__PluginInfo *info)
{
    if (strcmp(info->type, "CSIPlugin") != 0) {
        return "plugin types other than CSIPlugin are not registered here";
    }
    if (!is_name(info->name)) {
        return "the name is no name of a CSI driver";
    }
    if (!knows_version_1(info)) {
        return "none of the CSI versions reported by the driver is supported: it must be 1.x";
    }
    return info->endpoint[0] != '/' ? "the endpoint is no absolute path" : NULL;
}

static void on_info(void *self, const struct csi_answer *answer)
{
    struct csi_driver *driver = self;
    Csi__V1__PluginInfo *info =
        answer->code != COR_OK ? NULL
                               : csi__v1__plugin_info__unpack(NULL, answer->message.len,
                                                              (const uint8_t *)answer->message.ptr);
    if (driver->dead) {
        csi__v1__plugin_info__free_unpacked(info, NULL);
        return;
    }
    const char *reason = info == NULL ? NULL : why_not(info);
    if (info == NULL) {
        give_up(driver, answer->code != COR_OK ? answer->text : "GetInfo cannot be read");
    } else if (reason != NULL) {
        refuse(driver, reason);
    } else {
        Csi__V1__Empty request = CSI__V1__EMPTY__INIT;
        driver->name = cor_strdup(info->name);
        driver->node = csi_client_new(driver->csi->agent->loop, info->endpoint);
        csi_client_ask(driver->node, "/csi.v1.Node/NodeGetCapabilities", &request.base,
                       COR_SEC(CSI_TIMEOUT_S), on_capabilities, driver);
    }
    csi__v1__plugin_info__free_unpacked(info, NULL);
}

/* ---- the folder ---- */

static struct csi_driver *by_path(const struct csi *csi, const char *path)
{
    COR_LIST_EACH (link, &csi->drivers) {
        struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (!driver->dead && strcmp(driver->path, path) == 0) {
            return driver;
        }
    }
    return NULL;
}

static bool is_same(const struct csi_driver *driver, const struct stat *st)
{
    return driver->inode == st->st_ino && driver->changed.tv_sec == st->st_ctim.tv_sec &&
           driver->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static void add(struct csi *csi, const char *path, const struct stat *st)
{
    struct csi_driver *driver = by_path(csi, path);
    if (driver != NULL && is_same(driver, st)) {
        return;
    }
    if (driver != NULL) {
        bury(driver);
    }
    driver = cor_alloc(sizeof(*driver));
    driver->csi = csi;
    driver->path = cor_strdup(path);
    driver->inode = st->st_ino;
    driver->changed = st->st_ctim;
    cor_list_add(&csi->drivers, &driver->link);
    driver->registration = csi_client_new(csi->agent->loop, path);
    Csi__V1__InfoRequest request = CSI__V1__INFO_REQUEST__INIT;
    csi_client_ask(driver->registration, "/pluginregistration.Registration/GetInfo", &request.base,
                   COR_SEC(ANSWER_S), on_info, driver);
}

static void drop_missing(struct csi *csi)
{
    COR_LIST_EACH (link, &csi->drivers) {
        struct csi_driver *driver = COR_LIST_OBJECT(link, struct csi_driver, link);
        if (!driver->dead && access(driver->path, F_OK) != 0) {
            LOGI(csi->agent->log, "edged.csi-driver-gone", "socket=%s",
                 cor_log_esc(cor_view_of(driver->path)));
            bury(driver);
        }
    }
}

static void scan(void *self)
{
    struct csi *csi = self;
    DIR *dir = opendir(csi->folder);
    const struct dirent *entry = NULL;
    size_t count = 0;
    drop_missing(csi);
    while (dir != NULL && count < DRIVERS_MAX && (entry = readdir(dir)) != NULL) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", csi->folder, entry->d_name);
        struct stat st;
        if (entry->d_name[0] != '.' && lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
            add(csi, path, &st);
            count++;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void on_notify(void *self, int fd, int events)
{
    char bytes[4096];
    (void)events;
    while (read(fd, bytes, sizeof(bytes)) > 0) {}
    scan(self);
}

static enum cor_code watch(struct csi *csi, struct cor_err *err)
{
    enum cor_code code = cor_mkdirs(csi->folder, 0750, err);
    if (code != COR_OK) {
        return code;
    }
    csi->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (csi->notify < 0 ||
        inotify_add_watch(csi->notify, csi->folder,
                          IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM) < 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", csi->folder);
    }
    csi->io = cor_io_new(csi->agent->loop, csi->notify, COR_READ, on_notify, csi);
    return COR_OK;
}

struct csi *csi_new(struct agent *agent)
{
    struct cor_err err = COR_ERR_NONE;
    if (!agent->cfg->csi_enabled) {
        return NULL;
    }
    struct csi *csi = cor_alloc(sizeof(*csi));
    csi->agent = agent;
    csi->notify = -1;
    csi->folder = cor_sprintf("%s/plugins_registry", agent->cfg->root_dir);
    cor_list_init(&csi->drivers);
    cor_list_init(&csi->turns);
    cor_list_init(&csi->endings);
    cor_list_init(&csi->uses);
    cor_list_init(&csi->waiting);
    cor_list_init(&csi->stats);
    cor_list_init(&csi->growths);
    csi->scan = cor_timer_new(agent->loop, scan, csi);
    csi->bury = cor_timer_new(agent->loop, on_bury, csi);
    csi->node = csi_node_new(csi);
    csi_grow_start(csi);
    if (watch(csi, &err) != COR_OK) {
        LOGE(agent->log, "edged.no-csi", "error=%s", cor_log_esc(cor_view_of(err.text)));
        csi_free(&csi);
        return NULL;
    }
    csi_uses_load(csi);
    scan(csi);
    return csi;
}

void csi_free(struct csi **csi)
{
    if (*csi == NULL) {
        return;
    }
    struct csi *c = *csi;
    c->closing = true;
    csi_drop_endings(c);
    COR_LIST_EACH (link, &c->drivers) {
        driver_free(COR_LIST_OBJECT(link, struct csi_driver, link));
    }
    csi_drop_endings(c);
    csi_node_reported(c, false);
    csi_uses_free(c);
    csi_stats_end(c, NULL);
    csi_grow_end(c, NULL);
    cor_timer_free(&c->grow);
    csi_node_free(&c->node);
    cor_io_free(&c->io);
    cor_fd_close(&c->notify);
    cor_timer_free(&c->scan);
    cor_timer_free(&c->bury);
    cor_free(c->folder);
    cor_freep(csi);
}
