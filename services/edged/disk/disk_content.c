// SPDX-License-Identifier: Apache-2.0
// Volumes with content, replaced atomically. Source of the layout: k8s.io/kubernetes
// pkg/volume/util/atomic_writer.go.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "disk_private.h"
#include "disk_tree.h"

#define DATA "..data"
#define DATA_NEW "..data_tmp"

enum { FOLDER = 0750, CONTENT = 0755 };

static bool has_secrets(const struct pod_volume *volume)
{
    for (size_t i = 0; i < volume->source_count; i++) {
        enum pod_volume_type type = volume->sources[i].type;
        if (type == POD_VOLUME_SECRET || type == POD_VOLUME_PROJECTED) {
            return true;
        }
    }
    return false;
}

static enum cor_code write_file(int folder, const struct payload_file *file, const struct pod *pod,
                                struct cor_err *err)
{
    int flags = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW;
    auto_(cor_fd_close) int fd = openat(folder, file->path, flags, 0600);
    mode_t mode = (mode_t)file->mode;
    bool good = fd >= 0;
    for (size_t done = 0; good && done < file->data.len;) {
        ssize_t n = write(fd, file->data.data + done, file->data.len - done);
        good = n > 0;
        done += n > 0 ? (size_t)n : 0;
    }
    if (good && pod->fs_group.given) {
        mode |= 0440;
        good = fchown(fd, (uid_t)-1, (gid_t)pod->fs_group.n) == 0;
    }
    if (!good || fchmod(fd, mode) != 0) {
        return cor_err_sys(err, COR_IO, errno, "writing %.100s", file->path);
    }
    return COR_OK;
}

/* Makes the folders that path goes through, below folder. */
static enum cor_code make_parents(int folder, const char *path, struct cor_err *err)
{
    auto_(cor_freep) char *copy = cor_strdup(path);
    for (char *slash = strchr(copy, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdirat(folder, copy, CONTENT) == 0;
        if ((!made && errno != EEXIST) || (made && fchmodat(folder, copy, CONTENT, 0) != 0)) {
            return cor_err_sys(err, COR_IO, errno, "making folder %.100s", copy);
        }
        *slash = '/';
    }
    return COR_OK;
}

static enum cor_code write_files(int volume, const char *stamp, const struct payload *payload,
                                 const struct pod *pod, struct cor_err *err)
{
    if (mkdirat(volume, stamp, CONTENT) != 0 || fchmodat(volume, stamp, CONTENT, 0) != 0) {
        return cor_err_sys(err, COR_IO, errno, "making folder %s", stamp);
    }
    auto_(cor_fd_close) int folder = openat(volume, stamp, O_PATH | O_DIRECTORY | O_CLOEXEC);
    enum cor_code code = folder < 0 ? cor_err_sys(err, COR_IO, errno, "%s", stamp) : COR_OK;
    for (size_t i = 0; code == COR_OK && i < payload->count; i++) {
        code = make_parents(folder, payload->files[i].path, err);
        if (code == COR_OK) {
            code = write_file(folder, &payload->files[i], pod, err);
        }
    }
    return code;
}

/* First part of a path: the name that is seen in the volume. */
static char *first_part(const char *path)
{
    return cor_memdup(path, strcspn(path, "/"));
}

static enum cor_code link_names(int volume, const struct payload *payload, struct cor_err *err)
{
    for (size_t i = 0; i < payload->count; i++) {
        auto_(cor_freep) char *name = first_part(payload->files[i].path);
        auto_(cor_freep) char *target = cor_sprintf(DATA "/%s", name);
        if (symlinkat(target, volume, name) != 0 && errno != EEXIST) {
            return cor_err_sys(err, COR_IO, errno, "linking %.100s", name);
        }
    }
    return COR_OK;
}

struct stale {
    int volume;
    const struct payload *payload;
    const char *stamp;
};

static bool is_wanted(const struct payload *payload, const char *name)
{
    for (size_t i = 0; i < payload->count; i++) {
        size_t len = strcspn(payload->files[i].path, "/");
        if (strncmp(payload->files[i].path, name, len) == 0 && name[len] == '\0') {
            return true;
        }
    }
    return false;
}

/* Names that are no longer there, and folders of former contents. */
static void remove_stale(void *self, const char *name)
{
    const struct stale *stale = self;
    if (strcmp(name, DATA) == 0 || strcmp(name, stale->stamp) == 0) {
        return;
    }
    if (strncmp(name, "..", 2) == 0) {
        disk_tree_remove(stale->volume, name);
    } else if (!is_wanted(stale->payload, name)) {
        (void)unlinkat(stale->volume, name, 0);
    }
}

static enum cor_code swap(int volume, const char *stamp, struct cor_err *err)
{
    (void)unlinkat(volume, DATA_NEW, 0);
    if (symlinkat(stamp, volume, DATA_NEW) != 0 || renameat(volume, DATA_NEW, volume, DATA) != 0) {
        return cor_err_sys(err, COR_IO, errno, "swapping " DATA);
    }
    return COR_OK;
}

static enum cor_code open_volume(const char *path, const struct pod *pod,
                                 const struct pod_volume *volume, int *fd_r, struct cor_err *err)
{
    enum cor_code code = cor_mkdirs(path, FOLDER, err);
    if (code == COR_OK && has_secrets(volume)) {
        code = disk_mount_tmpfs(path, 0, err);
    }
    if (code != COR_OK) {
        return code;
    }
    *fd_r = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool grouped = pod->fs_group.given;
    if (*fd_r < 0 || (grouped && fchown(*fd_r, (uid_t)-1, (gid_t)pod->fs_group.n) != 0) ||
        fchmod(*fd_r, grouped ? 02777 : 0777) != 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", path);
    }
    return COR_OK;
}

enum cor_code disk_write_volume(const char *root, const struct pod *pod,
                                const struct pod_volume *volume, const struct payload *payload,
                                int64_t stamp, struct cor_err *err)
{
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    auto_(cor_freep) char *name = cor_sprintf("..%" PRId64, stamp);
    auto_(cor_fd_close) int fd = -1;
    enum cor_code code = open_volume(path, pod, volume, &fd, err);
    if (code != COR_OK) {
        return code;
    }
    code = write_files(fd, name, payload, pod, err);
    if (code == COR_OK) {
        code = swap(fd, name, err);
    }
    if (code != COR_OK) {
        disk_tree_remove(fd, name);
        return code;
    }
    code = link_names(fd, payload, err);
    struct stale stale = {fd, payload, name};
    disk_tree_each(fd, remove_stale, &stale);
    return code;
}

bool disk_volume_is_written(const char *root, const struct pod *pod,
                            const struct pod_volume *volume)
{
    auto_(cor_freep) char *path = disk_volume_path(root, pod, volume);
    auto_(cor_freep) char *data = cor_sprintf("%s/" DATA, path);
    return access(data, F_OK) == 0;
}
