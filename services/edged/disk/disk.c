// SPDX-License-Identifier: Apache-2.0
// Folders and plain volumes.
#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "disk_private.h"
#include "services/edged/cgroup/huge.h"

enum { FOLDER = 0750, PUBLIC = 0755, EMPTY_DIR = 0777 };

char *disk_pod_path(const char *root, const char *uid, const char *rest)
{
    return cor_sprintf("%s/pods/%s%s%s", root, uid, rest[0] == '\0' ? "" : "/", rest);
}

enum cor_code disk_make_pod(const char *root, const char *log_dir, const struct pod *pod,
                            struct cor_err *err)
{
    static const char *const folders[] = {"volumes", "containers"};
    for (size_t i = 0; i < COR_COUNT(folders); i++) {
        auto_(cor_freep) char *path = disk_pod_path(root, pod->uid, folders[i]);
        enum cor_code code = cor_mkdirs(path, FOLDER, err);
        if (code != COR_OK) {
            return code;
        }
    }
    for (size_t i = 0; i < pod_container_count(pod); i++) {
        auto_(cor_freep) char *logs = cor_sprintf("%s/%s", log_dir, pod_container(pod, i)->name);
        enum cor_code code = cor_mkdirs(logs, PUBLIC, err);
        if (code != COR_OK) {
            return code;
        }
    }
    return COR_OK;
}

/* The machine's own folder, not one of the pod. */
static bool is_on_host(const struct pod_volume *volume)
{
    return volume->type == POD_VOLUME_HOST_PATH ||
           (volume->type == POD_VOLUME_CLAIM && volume->external == POD_EXTERNAL_NONE);
}

char *disk_volume_path(const char *root, const struct pod *pod, const struct pod_volume *volume)
{
    static const char *const kinds[] = {
        [POD_VOLUME_EMPTY_DIR] = "empty-dir",     [POD_VOLUME_HOST_PATH] = "host-path",
        [POD_VOLUME_CONFIGMAP] = "configmap",     [POD_VOLUME_SECRET] = "secret",
        [POD_VOLUME_DOWNWARD] = "downward-api",   [POD_VOLUME_PROJECTED] = "projected",
        [POD_VOLUME_CLAIM] = "local-volume",      [POD_VOLUME_EXTERNAL] = "external",
        [POD_VOLUME_UNSUPPORTED] = "unsupported",
    };
    if (is_on_host(volume)) {
        return cor_strdup(volume->path);
    }
    if (volume->external != POD_EXTERNAL_NONE) {
        bool csi = volume->external == POD_EXTERNAL_CSI;
        return cor_sprintf("%s/pods/%s/volumes/kubernetes.io~%s/%s%s", root, pod->uid,
                           csi ? "csi" : "nfs", volume->name, csi ? "/mount" : "");
    }
    return cor_sprintf("%s/pods/%s/volumes/kubernetes.io~%s/%s", root, pod->uid,
                       kinds[volume->type], volume->name);
}

bool disk_is_mounted(const char *path)
{
    struct stat here;
    struct stat above;
    auto_(cor_freep) char *parent = cor_sprintf("%s/..", path);
    return stat(path, &here) == 0 && stat(parent, &above) == 0 && here.st_dev != above.st_dev;
}

enum cor_code disk_mount_tmpfs(const char *path, int64_t size, struct cor_err *err)
{
    char options[48] = "";
    if (size > 0) {
        (void)snprintf(options, sizeof(options), "size=%" PRId64, size);
    }
    if (disk_is_mounted(path) || mount("tmpfs", path, "tmpfs", 0, options) == 0) {
        return COR_OK;
    }
    return cor_err_sys(err, COR_IO, errno, "mounting a tmpfs at %s", path);
}

/* kubelet's SetVolumeOwnership: the group owns the folder, and so what is made in it. */
static enum cor_code own(const char *path, const struct pod *pod, mode_t mode, struct cor_err *err)
{
    bool grouped = pod->fs_group.given;
    if ((grouped && chown(path, (uid_t)-1, (gid_t)pod->fs_group.n) != 0) ||
        chmod(path, grouped ? mode | S_ISGID | 0070 : mode) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    return COR_OK;
}

static enum cor_code mount_huge(const char *path, const struct pod *pod,
                                const struct pod_volume *volume, struct cor_err *err)
{
    const char *size = "";
    enum cor_code code = huge_medium(pod, volume, &size, err);
    auto_(cor_freep) char *options = cor_sprintf("pagesize=%s", size);
    if (code != COR_OK || disk_is_mounted(path) ||
        mount("nodev", path, "hugetlbfs", 0, options) == 0) {
        return code;
    }
    return cor_err_sys(err, COR_IO, errno, "mounting huge pages of %s at %s", size, path);
}

static enum cor_code make_empty_dir(const char *path, const struct pod *pod,
                                    const struct pod_volume *volume, struct cor_err *err)
{
    enum cor_code code = cor_mkdirs(path, FOLDER, err);
    if (code == COR_OK && volume->memory) {
        code = disk_mount_tmpfs(path, volume->size.n, err);
    }
    if (code == COR_OK && volume->huge) {
        code = mount_huge(path, pod, volume, err);
    }
    return code == COR_OK ? own(path, pod, EMPTY_DIR, err) : code;
}

/* Types of hostPath (core/v1 HostPathType): what must be there, and what is made if it is not. */
static const struct host_type {
    const char *name;
    mode_t type; /* S_IFMT bits; 0: anything */
    enum { NOTHING, A_FOLDER, A_FILE } make;
    const char *text;
} host_types[] = {
    {"", 0, NOTHING, ""},
    {"DirectoryOrCreate", S_IFDIR, A_FOLDER, "a directory"},
    {"Directory", S_IFDIR, NOTHING, "a directory"},
    {"FileOrCreate", S_IFREG, A_FILE, "a file"},
    {"File", S_IFREG, NOTHING, "a file"},
    {"Socket", S_IFSOCK, NOTHING, "a socket file"},
    {"CharDevice", S_IFCHR, NOTHING, "a character device"},
    {"BlockDevice", S_IFBLK, NOTHING, "a block device"},
};

static const struct host_type *host_type_of(const char *name)
{
    for (size_t i = 0; i < COR_COUNT(host_types); i++) {
        if (strcmp(host_types[i].name, name) == 0) {
            return &host_types[i];
        }
    }
    return NULL;
}

static enum cor_code make_missing(const char *path, const struct host_type *type,
                                  struct cor_err *err)
{
    if (type->make == A_FOLDER) {
        return cor_mkdirs(path, PUBLIC, err);
    }
    auto_(cor_fd_close) int fd = -1;
    if (type->make == A_FILE) {
        fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    }
    return type->make == NOTHING || fd >= 0 ? COR_OK : cor_err_sys(err, COR_IO, errno, "%s", path);
}

static enum cor_code check_host_path(const struct pod_volume *volume, struct cor_err *err)
{
    const struct host_type *type = host_type_of(volume->path_type);
    struct stat st = {0};
    if (type == NULL) {
        return cor_err_set(err, COR_INVALID, "%.60s is an invalid volume type", volume->path_type);
    }
    if (volume->path[0] != '/') {
        return cor_err_set(err, COR_INVALID, "hostPath %.100s is not absolute", volume->path);
    }
    if (stat(volume->path, &st) != 0 && errno == ENOENT) {
        enum cor_code code = make_missing(volume->path, type, err);
        if (code != COR_OK) {
            return code;
        }
        st.st_mode = 0;
        (void)stat(volume->path, &st);
    }
    if (type->type != 0 && (st.st_mode & S_IFMT) != type->type) {
        return cor_err_set(err, COR_INVALID, "hostPath type check failed: %.100s is not %s",
                           volume->path, type->text);
    }
    return COR_OK;
}

enum cor_code disk_make_volume(const char *root, const struct pod *pod,
                               const struct pod_volume *volume, struct cor_err *err)
{
    if (is_on_host(volume)) {
        return check_host_path(volume, err);
    }
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    return make_empty_dir(path, pod, volume, err);
}

enum cor_code disk_write_hosts(const char *root, const struct pod *pod, struct cor_view content,
                               char **path_r, struct cor_err *err)
{
    auto_(cor_freep) char *path = disk_pod_path(root, pod->uid, "etc-hosts");
    auto_(cor_fd_close) int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, content.ptr, content.len) != (ssize_t)content.len) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    *path_r = take(&path);
    return COR_OK;
}

static char *message_path(const char *root, const struct pod *pod, const char *container,
                          uint32_t attempt)
{
    return cor_sprintf("%s/pods/%s/containers/%s/%08" PRIx32, root, pod->uid, container, attempt);
}

enum cor_code disk_make_message(const char *root, const struct pod *pod, const char *container,
                                uint32_t attempt, char **path_r, struct cor_err *err)
{
    auto_(cor_freep) char *folder =
        cor_sprintf("%s/pods/%s/containers/%s", root, pod->uid, container);
    auto_(cor_freep) char *path = message_path(root, pod, container, attempt);
    enum cor_code code = cor_mkdirs(folder, FOLDER, err);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_fd_close) int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0 || fchmod(fd, 0666) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    *path_r = take(&path);
    return COR_OK;
}

/* Appends at most max bytes from the end of a file that a container may have changed: no links, no
 * devices. */
static void read_end(const char *path, size_t max, struct cor_buf *out)
{
    struct stat st;
    auto_(cor_fd_close) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    off_t skip = st.st_size > (off_t)max ? st.st_size - (off_t)max : 0;
    char *room = cor_buf_room(out, max);
    ssize_t n = pread(fd, room, max, skip);
    size_t got = n > 0 ? (size_t)n : 0;
    room[got] = '\0';
    out->len += got;
}

void disk_read_message(const char *root, const struct pod *pod, const char *container,
                       uint32_t attempt, struct cor_buf *out)
{
    enum { MESSAGE_MAX = 4096 };
    auto_(cor_freep) char *path = message_path(root, pod, container, attempt);
    read_end(path, MESSAGE_MAX, out);
}

void disk_read_log_tail(const char *log_dir, const char *container, uint32_t attempt,
                        struct cor_buf *out)
{
    enum { TAIL_MAX = 8192, TEXT_MAX = 2048 };
    auto_(cor_freep) char *path = cor_sprintf("%s/%s/%" PRIu32 ".log", log_dir, container, attempt);
    auto_(cor_buf_free) struct cor_buf raw = {0};
    read_end(path, TAIL_MAX, &raw);
    struct cor_view rest = cor_buf_as_view(&raw);
    struct cor_view line;
    while (cor_view_split(&rest, '\n', &line)) {
        struct cor_view
            part; /* "<time> <stream> <tag> <text>": what is before the text is cut off */
        for (int i = 0; i < 3 && line.ptr != NULL; i++) {
            (void)cor_view_split(&line, ' ', &part);
        }
        if (line.ptr != NULL) {
            cor_buf_view(out, line);
            cor_buf_str(out, "\n");
        }
    }
    if (out->len > TEXT_MAX) {
        cor_buf_drop(out, out->len - TEXT_MAX);
    }
}

static void each(const char *path, void (*fn)(void *self, const char *name), void *self)
{
    /* To note when it was read would be a write to the disk of a node that does nothing. */
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOATIME);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            fn(self, entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    } else {
        cor_fd_close(&fd);
    }
}

void disk_each_pod(const char *root, void (*fn)(void *self, const char *uid), void *self)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/pods", root);
    each(path, fn, self);
}

void disk_each_log(const char *logs, void (*fn)(void *self, const char *folder), void *self)
{
    each(logs, fn, self);
}
