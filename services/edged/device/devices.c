// SPDX-License-Identifier: Apache-2.0
// The plug-ins of the node: they come, tell what they have, and go.
#include "devices.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "devices_private.h"
#include "services/edged/agent.h"

/* Names in the folder, the kubelet's (DevicePluginPath, KubeletSocket,
 * kubeletDeviceManagerCheckpoint)
 */
#define SOCKET "kubelet.sock"
#define CHECKPOINT "kubelet_internal_checkpoint"

enum { REQUEST_MAX = 64 * 1024, CHECKPOINT_MAX = 64 * 1024 * 1024 };

/* ---- what the node has ---- */

static void report_stock(struct devices *devices)
{
    struct cor_json *capacity = cor_json_object();
    struct cor_json *allocatable = cor_json_object();
    const char *resource = NULL;
    int64_t all = 0;
    int64_t healthy = 0;
    size_t at = 0;
    while (stock_next(devices->stock, &at, &resource, &all, &healthy)) {
        cor_json_set(capacity, resource, cor_json_fmt("%lld", (long long)all));
        cor_json_set(allocatable, resource, cor_json_fmt("%lld", (long long)healthy));
    }
    registrar_resources(devices->agent->registrar, capacity, allocatable);
}

static void expire(void *self)
{
    struct devices *devices = self;
    struct cor_mono now = cor_loop_now(devices->agent->loop);
    struct cor_mono next =
        stock_expire(devices->stock, now, COR_SEC(devices->agent->cfg->devices_gone_seconds));
    if (next.us != INT64_MAX) {
        cor_timer_start(devices->expire, next.us - now.us);
    }
    report_stock(devices);
}

/* ---- plug-ins ---- */

struct plugin *devices_plugin(const struct devices *devices, const char *resource)
{
    COR_LIST_EACH (link, &devices->slots) {
        const struct devices_slot *slot = COR_LIST_OBJECT(link, struct devices_slot, link);
        if (!slot->dead && strcmp(plugin_resource(slot->plugin), resource) == 0) {
            return slot->plugin;
        }
    }
    return NULL;
}

static void slot_free(struct devices_slot *slot)
{
    cor_list_del(&slot->link);
    plugin_free(&slot->plugin);
    cor_free(slot);
}

static void on_bury(void *self)
{
    struct devices *devices = self;
    COR_LIST_EACH (link, &devices->slots) {
        struct devices_slot *slot = COR_LIST_OBJECT(link, struct devices_slot, link);
        if (slot->dead) {
            slot_free(slot);
        }
    }
}

static void bury(struct devices_slot *slot)
{
    slot->dead = true;
    cor_timer_start(slot->devices->bury, 0);
}

static void on_ended(void *self, struct plugin *plugin, const char *text)
{
    struct devices_slot *slot = self;
    struct devices *devices = slot->devices;
    if (slot->dead) {
        return; /* another one has taken its place */
    }
    LOGW(devices->agent->log, "edged.device-plugin-gone", "resource=%s reason=%s",
         plugin_resource(plugin), cor_log_esc(cor_view_of(text)));
    stock_lose(devices->stock, plugin_resource(plugin), cor_loop_now(devices->agent->loop));
    bury(slot);
    expire(devices);
}

static void on_devices(void *self, struct plugin *plugin, const struct stock_device *list,
                       size_t count)
{
    struct devices_slot *slot = self;
    struct devices *devices = slot->devices;
    struct cor_err err = COR_ERR_NONE;
    if (slot->dead) {
        return;
    }
    if (stock_set(devices->stock, plugin_resource(plugin), list, count, &err) != COR_OK) {
        on_ended(slot, plugin, err.text);
        return;
    }
    LOGI(devices->agent->log, "edged.devices", "resource=%s count=%zu", plugin_resource(plugin),
         count);
    report_stock(devices);
}

static const struct plugin_events events = {on_devices, on_ended};

bool devices_add(struct devices *devices, const char *path, const char *resource,
                 const struct plugin_options *options, struct cor_err *err)
{
    bool known = stock_has(devices->stock, resource);
    if (stock_register(devices->stock, resource, err) != COR_OK) {
        return false;
    }
    COR_LIST_EACH (link, &devices->slots) {
        struct devices_slot *old = COR_LIST_OBJECT(link, struct devices_slot, link);
        if (!old->dead && strcmp(plugin_resource(old->plugin), resource) == 0) {
            bury(old);
        }
    }
    struct devices_slot *slot = cor_alloc(sizeof(*slot));
    slot->devices = devices;
    cor_list_add(&devices->slots, &slot->link);
    slot->plugin = plugin_new(devices->agent->loop, path, resource, options, &events, slot);
    LOGI(devices->agent->log, "edged.device-plugin", "resource=%s socket=%s", resource, path);
    if (!known) {
        devices_save(devices);
    }
    return true;
}

/* ---- the folder ---- */

void devices_save(struct devices *devices)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *json = stock_save(devices->stock);
    auto_(cor_freep) char *text = cor_json_text(json);
    if (cor_file_write(devices->checkpoint, cor_view_of(text), 0600, &err) != COR_OK) {
        LOGE(devices->agent->log, "edged.devices-not-kept", "error=%s",
             cor_log_esc(cor_view_of(err.text)));
    }
}

static void load(struct devices *devices)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *json = NULL;
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = cor_file_read(devices->checkpoint, CHECKPOINT_MAX, &text, &err);
    if (code == COR_NOTFOUND) {
        return;
    }
    if (code == COR_OK) {
        code = cor_json_parse(cor_buf_as_view(&text), CHECKPOINT_MAX, 0, &json, &err);
    }
    if (code != COR_OK) {
        LOGW(devices->agent->log, "edged.devices-unreadable", "file=%s error=%s",
             devices->checkpoint, cor_log_esc(cor_view_of(err.text)));
        return;
    }
    stock_load(devices->stock, json);
}

/* As the kubelet does: plug-ins that miss their socket, or see ours come, register again. */
static void sweep(const char *dir)
{
    DIR *folder = opendir(dir);
    struct dirent *entry = NULL;
    struct stat st;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, CHECKPOINT) != 0 &&
            fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            !S_ISDIR(st.st_mode)) {
            (void)unlinkat(dirfd(folder), entry->d_name, 0);
        }
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
}

static enum cor_code open_door(struct devices *devices, struct cor_err *err)
{
    static const struct cor_grpc_method methods[] = {
        {"/v1beta1.Registration/Register", devices_register}};
    auto_(cor_freep) char *path = cor_sprintf("%s/" SOCKET, devices->dir);
    enum cor_code code = cor_mkdirs(devices->dir, 0750, err);
    if (code != COR_OK) {
        return code;
    }
    sweep(devices->dir);
    return cor_grpc_server_open(devices->agent->loop,
                                &(struct cor_grpc_server_conf){.socket_path = path,
                                                               .mode = 0600,
                                                               .methods = methods,
                                                               .method_count = COR_COUNT(methods),
                                                               .message_max = REQUEST_MAX,
                                                               .self = devices},
                                &devices->server, err);
}

struct devices *devices_new(struct agent *agent)
{
    const char *dir = agent->cfg->devices_dir;
    struct cor_err err = COR_ERR_NONE;
    if (dir[0] == '\0') {
        return NULL;
    }
    struct devices *devices = cor_alloc(sizeof(*devices));
    devices->agent = agent;
    devices->dir =
        dir[0] == '/' ? cor_strdup(dir) : cor_sprintf("%s/%s", agent->cfg->root_dir, dir);
    devices->checkpoint = cor_sprintf("%s/" CHECKPOINT, devices->dir);
    devices->stock = stock_new();
    cor_list_init(&devices->slots);
    devices->bury = cor_timer_new(agent->loop, on_bury, devices);
    devices->expire = cor_timer_new(agent->loop, expire, devices);
    load(devices);
    if (open_door(devices, &err) != COR_OK) {
        LOGE(agent->log, "edged.no-device-plugins", "error=%s", cor_log_esc(cor_view_of(err.text)));
        devices_free(&devices);
        return NULL;
    }
    report_stock(devices);
    return devices;
}

void devices_free(struct devices **devices)
{
    if (*devices == NULL) {
        return;
    }
    struct devices *d = *devices;
    d->closing = true;
    cor_grpc_server_free(&d->server);
    COR_LIST_EACH (link, &d->slots) {
        COR_LIST_OBJECT(link, struct devices_slot, link)->dead = true;
    }
    on_bury(d);
    cor_timer_free(&d->bury);
    cor_timer_free(&d->expire);
    stock_free(&d->stock);
    cor_free(d->dir);
    cor_free(d->checkpoint);
    cor_freep(devices);
}
