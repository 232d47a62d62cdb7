// SPDX-License-Identifier: Apache-2.0
// Sub paths of volumes, and the removal of all that a pod has left.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "disk_private.h"
#include "disk_tree.h"

enum { FOLDER = 0750, SUB_FOLDER = 0777 };

/* Opens path below folder; links are followed, but never out of folder. */
static int open_inside(int folder, const char *path)
{
    struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, folder, path, &how, sizeof(how));
}

/* Makes the folders of path that are missing, part by part, each opened inside of the volume. */
static int make_inside(int volume, const char *path)
{
    int fd = open_inside(volume, path);
    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    auto_(cor_freep) char *copy = cor_strdup(path);
    size_t done = 0;
    while (done < strlen(path)) {
        done += strcspn(path + done, "/");
        copy[done] = '\0';
        char *slash = strrchr(copy, '/');
        const char *name = slash == NULL ? copy : slash + 1;
        auto_(cor_freep) char *before =
            slash == NULL ? cor_strdup(".") : cor_memdup(copy, (size_t)(slash - copy));
        auto_(cor_fd_close) int parent = open_inside(volume, before);
        if (parent < 0 ||
            (name[0] != '\0' && mkdirat(parent, name, SUB_FOLDER) != 0 && errno != EEXIST)) {
            return -1;
        }
        copy[done] = path[done];
        done += path[done] == '/' ? 1 : 0;
    }
    return open_inside(volume, path);
}

struct nested {
    int volume;
    const char *failed; /* NULL: none */
    int sys;
};

static void make_nested(void *self, const char *path)
{
    struct nested *nested = self;
    auto_(cor_fd_close) int fd = make_inside(nested->volume, path);
    if (fd < 0 && nested->failed == NULL) {
        nested->failed = path;
        nested->sys = errno;
    }
}

enum cor_code disk_make_nested(const char *root, const struct pod *pod,
                               const struct pod_volume *volume, struct cor_err *err)
{
    if (volume->type == POD_VOLUME_HOST_PATH || volume->type == POD_VOLUME_CLAIM ||
        volume->type == POD_VOLUME_EXTERNAL) {
        return COR_OK;
    }
    auto_(cor_freep) char *base = disk_volume_path(root, pod, volume);
    auto_(cor_fd_close) int folder = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct nested nested = {.volume = folder};
    pod_each_nested(pod, volume, make_nested, &nested);
    return nested.failed == NULL
               ? COR_OK
               : cor_err_sys(err, COR_IO, nested.sys, "mount point \"%.100s\"", nested.failed);
}

static enum cor_code make_target(const char *target, bool folder, struct cor_err *err)
{
    auto_(cor_freep) char *parent = cor_memdup(target, (size_t)(strrchr(target, '/') - target));
    enum cor_code code = cor_mkdirs(folder ? target : parent, FOLDER, err);
    if (code != COR_OK || folder) {
        return code;
    }
    auto_(cor_fd_close) int fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0640);
    return fd >= 0 ? COR_OK : cor_err_sys(err, COR_IO, errno, "%s", target);
}

/* The bind mount holds on to what was checked: a container cannot put a link in its place later. */
static enum cor_code bind(int fd, const char *target, struct cor_err *err)
{
    struct stat st;
    char source[40];
    if (fstat(fd, &st) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", target);
    }
    (void)umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW); /* of an attempt before */
    enum cor_code code = make_target(target, S_ISDIR(st.st_mode), err);
    if (code != COR_OK) {
        return code;
    }
    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
        return cor_err_sys(err, COR_IO, errno, "mounting sub path at %s", target);
    }
    return COR_OK;
}

enum cor_code disk_sub_path(const char *root, const struct pod *pod,
                            const struct pod_volume *volume, const struct pod_container *container,
                            size_t mount_index, const char *sub_path, char **path_r,
                            struct cor_err *err)
{
    auto_(cor_freep) char *base = disk_volume_path(root, pod, volume);
    auto_(cor_freep) char *target =
        cor_sprintf("%s/pods/%s/volume-subpaths/%s/%s/%zu", root, pod->uid, volume->name,
                    container->name, mount_index);
    auto_(cor_fd_close) int folder = open(base, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", base);
    }
    if (!pod_path_is_inside(sub_path)) {
        return cor_err_set(err, COR_DENIED, "subPath \"%.100s\" leads out of the volume", sub_path);
    }
    auto_(cor_fd_close) int fd = make_inside(folder, sub_path);
    if (fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "subPath \"%.100s\" of volume \"%s\"", sub_path,
                           volume->name);
    }
    enum cor_code code = bind(fd, target, err);
    if (code == COR_OK) {
        *path_r = take(&target);
    }
    return code;
}

/* Unmounts all below path, the deepest first: the list of mounts is read before any is undone. */
static void unmount_below(const char *path)
{
    enum { LINE = 4096, MOUNTS_MAX = 4096 };
    auto_(cor_freep) char **found = cor_calloc(MOUNTS_MAX, sizeof(*found));
    auto_(cor_freep) char *below = cor_sprintf("%s/", path);
    size_t count = 0;
    char line[LINE];
    FILE *file = fopen("/proc/self/mounts", "re");
    while (file != NULL && count < MOUNTS_MAX && fgets(line, LINE, file) != NULL) {
        struct cor_view rest = cor_view_of(line);
        struct cor_view part = {0};
        (void)cor_view_split(&rest, ' ', &part);
        if (cor_view_split(&rest, ' ', &part) && cor_view_starts(part, below)) {
            found[count++] = cor_view_dup(part);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    while (count > 0) {
        count--;
        (void)umount2(found[count], MNT_DETACH | UMOUNT_NOFOLLOW);
        cor_free(found[count]);
    }
}

static void remove_path(const char *path)
{
    const char *slash = strrchr(path, '/');
    auto_(cor_freep) char *parent = cor_memdup(path, (size_t)(slash - path));
    auto_(cor_fd_close) int folder = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder >= 0) {
        disk_tree_remove(folder, slash + 1);
    }
}

void disk_remove_cgroup(const char *cgroup)
{
    auto_(cor_freep) char *unified = cor_sprintf("/sys/fs/cgroup%s", cgroup);
    (void)rmdir(unified);
    DIR *dir = opendir("/sys/fs/cgroup");
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            auto_(cor_freep) char *path = cor_sprintf("/sys/fs/cgroup/%s%s", entry->d_name, cgroup);
            (void)rmdir(path);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

/* Removes the folders pod<uid> in path for which fn says that nobody has them; those in use stay.
 */
static void sweep(const char *path, bool (*is_stray)(void *self, const char *uid), void *self)
{
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "pod", 3) == 0 && is_stray(self, entry->d_name + 3)) {
            (void)unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void disk_sweep_cgroups(const char *cgroup, bool (*is_stray)(void *self, const char *uid),
                        void *self)
{
    DIR *dir = opendir("/sys/fs/cgroup");
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, "..") != 0) { /* "." is the unified hierarchy */
            auto_(cor_freep) char *path = cor_sprintf("/sys/fs/cgroup/%s%s", entry->d_name, cgroup);
            sweep(path, is_stray, self);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void disk_remove(const char *root, const char *log_dir, const char *uid)
{
    auto_(cor_freep) char *path = disk_pod_path(root, uid, "");
    unmount_below(path);
    remove_path(path);
    if (log_dir[0] != '\0') {
        remove_path(log_dir);
    }
}
