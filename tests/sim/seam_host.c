// SPDX-License-Identifier: Apache-2.0
// In place of edged's disk.c, disk_content.c, disk_mount.c, logfiles.c, signals.c and hostinfo.c:
// pods' folders and what the machine is. Only whether a volume has content is remembered, as the
// real one is over a crash.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/map.h"
#include "common/base/mem.h"
#include "services/edged/cgroup/groupfs.h"
#include "services/edged/disk/disk.h"
#include "services/edged/evict/signals.h"
#include "services/edged/logs/logfiles.h"
#include "services/edged/node/hostinfo.h"
#include "world.h"

static struct cor_map *written(void)
{
    static struct cor_map *map;
    if (map == NULL) {
        map = cor_map_new(NULL);
    }
    return map;
}

void huge_read(const char *root, struct huge *out)
{
    (void)root;
    *out = (struct huge){0};
}

enum cor_code groupfs_set(const char *root, const char *path, const struct podgroup *limits,
                          struct cor_err *err)
{
    (void)root;
    (void)path;
    (void)limits;
    (void)err;
    return COR_OK;
}

enum cor_code disk_make_pod(const char *root, const char *log_dir, const struct pod *pod,
                            struct cor_err *err)
{
    (void)root;
    (void)log_dir;
    (void)pod;
    (void)err;
    sim_point();
    return COR_OK;
}

bool disk_is_mounted(const char *path)
{
    (void)path;
    return false;
}

char *disk_volume_path(const char *root, const struct pod *pod, const struct pod_volume *volume)
{
    return cor_sprintf("%s/pods/%s/volumes/%s", root, pod->uid, volume->name);
}

enum cor_code disk_make_volume(const char *root, const struct pod *pod,
                               const struct pod_volume *volume, struct cor_err *err)
{
    (void)root;
    (void)pod;
    (void)volume;
    (void)err;
    return COR_OK;
}

enum cor_code disk_make_nested(const char *root, const struct pod *pod,
                               const struct pod_volume *volume, struct cor_err *err)
{
    (void)root;
    (void)pod;
    (void)volume;
    (void)err;
    return COR_OK;
}

enum cor_code disk_write_volume(const char *root, const struct pod *pod,
                                const struct pod_volume *volume, const struct payload *payload,
                                int64_t stamp, struct cor_err *err)
{
    (void)payload;
    (void)stamp;
    (void)err;
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    sim_point();
    cor_map_set(written(), cor_view_of(path), written());
    return COR_OK;
}

bool disk_volume_is_written(const char *root, const struct pod *pod,
                            const struct pod_volume *volume)
{
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    return cor_map_get(written(), cor_view_of(path)) != NULL;
}

enum cor_code disk_sub_path(const char *root, const struct pod *pod,
                            const struct pod_volume *volume, const struct pod_container *container,
                            size_t mount_index, const char *sub_path, char **path_r,
                            struct cor_err *err)
{
    (void)container;
    (void)mount_index;
    (void)err;
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    *path_r = cor_sprintf("%s/%s", path, sub_path);
    return COR_OK;
}

enum cor_code disk_write_hosts(const char *root, const struct pod *pod, struct cor_view content,
                               char **path_r, struct cor_err *err)
{
    (void)content;
    (void)err;
    *path_r = cor_sprintf("%s/pods/%s/etc-hosts", root, pod->uid);
    return COR_OK;
}

enum cor_code disk_make_message(const char *root, const struct pod *pod, const char *container,
                                uint32_t attempt, char **path_r, struct cor_err *err)
{
    (void)err;
    *path_r = cor_sprintf("%s/pods/%s/%s-%u", root, pod->uid, container, attempt);
    return COR_OK;
}

void disk_read_message(const char *root, const struct pod *pod, const char *container,
                       uint32_t attempt, struct cor_buf *out)
{
    (void)root;
    (void)pod;
    (void)container;
    (void)attempt;
    (void)out;
}

void disk_read_log_tail(const char *log_dir, const char *container, uint32_t attempt,
                        struct cor_buf *out)
{
    (void)log_dir;
    (void)container;
    (void)attempt;
    (void)out;
}

void disk_remove(const char *root, const char *log_dir, const char *uid)
{
    (void)root;
    (void)log_dir;
    (void)uid;
    sim_point();
}

void disk_remove_cgroup(const char *cgroup)
{
    (void)cgroup;
}

void disk_each_pod(const char *root, void (*fn)(void *self, const char *uid), void *self)
{
    (void)root;
    (void)fn;
    (void)self;
}

void disk_sweep_cgroups(const char *cgroup, bool (*is_stray)(void *self, const char *uid),
                        void *self)
{
    (void)cgroup;
    (void)is_stray;
    (void)self;
}

void disk_each_log(const char *logs, void (*fn)(void *self, const char *folder), void *self)
{
    (void)logs;
    (void)fn;
    (void)self;
}

int logfiles_open(int folder, const char *name)
{
    (void)folder;
    (void)name;
    errno = ENOENT;
    return -1;
}

int64_t logfiles_size(const char *log)
{
    (void)log;
    return 0;
}

enum cor_code logfiles_move(const char *from, const char *to, struct cor_err *err)
{
    (void)from;
    (void)to;
    (void)err;
    return COR_OK;
}

void logfiles_tidy(const struct rotate_rules *rules, const char *log)
{
    (void)rules;
    (void)log;
}

/* ---- the machine ---- */

void signals_read(const struct signals_place *place, struct evict_seen *seen)
{
    (void)place;
    memset(seen, 0, EVICT_SIGNALS * sizeof(*seen));
}

int signals_notify(const struct signals_place *place, int64_t bytes)
{
    (void)place;
    (void)bytes;
    return -1;
}

int64_t signals_memory_used(const struct signals_place *place)
{
    (void)place;
    return -1;
}

void hostinfo_read(struct hostinfo *info, const char *folder)
{
    (void)folder;
    *info = (struct hostinfo){.machine_id = cor_strdup("m"),
                              .system_uuid = cor_strdup("u"),
                              .boot_id = cor_strdup("b"),
                              .kernel = cor_strdup("6.1.0"),
                              .os_image = cor_strdup("Debian GNU/Linux 12"),
                              .ip = cor_strdup("192.0.2.1"),
                              .arch = "amd64",
                              .cpus = 2,
                              .memory = (int64_t)4 << 30,
                              .storage = (int64_t)40 << 30};
}

void hostinfo_free(struct hostinfo *info)
{
    cor_free(info->machine_id);
    cor_free(info->system_uuid);
    cor_free(info->boot_id);
    cor_free(info->kernel);
    cor_free(info->os_image);
    cor_free(info->ip);
    *info = (struct hostinfo){0};
}

char *hostinfo_ip(void)
{
    return cor_strdup("192.0.2.1");
}

int64_t hostinfo_storage_total(const char *folder)
{
    (void)folder;
    return (int64_t)40 << 30;
}

int64_t hostinfo_storage_free(const char *folder)
{
    (void)folder;
    return (int64_t)20 << 30;
}
