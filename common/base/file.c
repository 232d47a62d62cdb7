// SPDX-License-Identifier: Apache-2.0
#include "common/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"

void cor_fd_close(int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd);
        *fd = -1;
    }
}

enum cor_code cor_file_read(const char *path, size_t max, struct cor_buf *out, struct cor_err *err)
{
    auto_(cor_fd_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return cor_err_sys(err, errno == ENOENT ? COR_NOTFOUND : COR_IO, errno, "%s", path);
    }
    size_t before = out->len;
    for (;;) {
        char chunk[4096];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            out->len = before;
            return cor_err_sys(err, COR_IO, errno, "%s", path);
        }
        if (n == 0) {
            return COR_OK;
        }
        if (out->len - before + (size_t)n > max) {
            out->len = before;
            return cor_err_set(err, COR_TOOBIG, "%s: over %zu bytes", path, max);
        }
        cor_buf_add(out, chunk, (size_t)n);
    }
}

static int write_all(int fd, struct cor_view content)
{
    while (content.len > 0) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        content.ptr += n;
        content.len -= (size_t)n;
    }
    return 0;
}

static int sync_folder_of(const char *path)
{
    auto_(cor_freep) char *folder = cor_strdup(path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) {
        slash[slash == folder ? 1 : 0] = '\0';
    }
    auto_(cor_fd_close) int fd =
        open(slash == NULL ? "." : folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -1 : fsync(fd);
}

enum cor_code cor_file_write(const char *path, struct cor_view content, mode_t mode,
                             struct cor_err *err)
{
    auto_(cor_freep) char *temporary = cor_sprintf("%s.XXXXXX", path);
    auto_(cor_fd_close) int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "%s", temporary);
    }
    if (fchmod(fd, mode) != 0 || write_all(fd, content) != 0 || fsync(fd) != 0 ||
        rename(temporary, path) != 0) {
        int why = errno;
        (void)unlink(temporary);
        return cor_err_sys(err, COR_IO, why, "%s", path);
    }
    if (sync_folder_of(path) != 0) {
        return cor_err_sys(err, COR_IO, errno, "folder of %s", path);
    }
    return COR_OK;
}

static bool is_made(const char *path, mode_t mode)
{
    return mkdir(path, mode) == 0 || errno == EEXIST;
}

/* From its end: mostly all but the last folders are there. What is cut off ends in zeros. */
static bool make_all(char *path, mode_t mode)
{
    size_t full = strlen(path), at = full;
    while (!is_made(path, mode)) {
        char *slash = errno == ENOENT ? strrchr(path, '/') : NULL;
        if (slash == NULL || slash == path) {
            return false;
        }
        *slash = '\0';
        at = (size_t)(slash - path);
    }
    while (at < full) {
        path[at] = '/';
        at += strlen(path + at);
        if (!is_made(path, mode)) {
            return false;
        }
    }
    return true;
}

enum cor_code cor_mkdirs(const char *path, mode_t mode, struct cor_err *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return COR_OK;
    }
    auto_(cor_freep) char *partial = cor_strdup(path);
    if (!make_all(partial, mode)) {
        return cor_err_sys(err, COR_IO, errno, "%s", partial);
    }
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return cor_err_set(err, COR_IO, "%s: not a folder", path);
    }
    return COR_OK;
}
