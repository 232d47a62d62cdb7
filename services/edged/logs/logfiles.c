// SPDX-License-Identifier: Apache-2.0
#include "logfiles.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/pack/gzip.h"

enum { NAMES_MAX = 4096 };

/* Files of a folder. */
struct names {
    char *items[NAMES_MAX]; /* owned */
    size_t count;
};

int64_t logfiles_size(const char *log)
{
    struct stat st;
    return lstat(log, &st) == 0 ? (int64_t)st.st_size : -1;
}

enum cor_code logfiles_move(const char *from, const char *to, struct cor_err *err)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) != 0) {
        return cor_err_set(err, COR_IO, "%s to %s: %s", from, to, strerror(errno));
    }
    return COR_OK;
}

static void compress_file(int folder, const char *name)
{
    struct stat st;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *half = cor_sprintf("%s.tmp", name);
    auto_(cor_freep) char *whole = cor_sprintf("%s.gz", name);
    auto_(cor_fd_close) int from = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (from < 0 || fstat(from, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    auto_(cor_fd_close) int to = openat(
        folder, half, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, st.st_mode & 0777);
    if (to >= 0 && cor_gzip(from, to, &err) == COR_OK &&
        renameat(folder, half, folder, whole) == 0) {
        (void)unlinkat(folder, name, 0);
    } else {
        (void)unlinkat(folder, half, 0);
    }
}

/* Name of what was put aside of log last; NULL: nothing. Returns owned. */
static char *newest_aside(int folder, const char *log)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry = NULL;
    char *newest = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (rotate_is_plain(log, entry->d_name) &&
            (newest == NULL || strcmp(entry->d_name, newest) > 0)) {
            cor_free(newest);
            newest = cor_strdup(entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return newest;
}

int logfiles_open(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    auto_(cor_freep) char *aside = newest_aside(folder, name);
    errno = ENOENT;
    return aside == NULL ? -1 : openat(folder, aside, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static void read_names(int folder, struct names *names)
{
    int copy = dup(folder);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry = NULL;
    while (dir != NULL && names->count < NAMES_MAX && (entry = readdir(dir)) != NULL) {
        names->items[names->count++] = cor_strdup(entry->d_name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

void logfiles_tidy(const struct rotate_rules *rules, const char *log)
{
    const char *slash = strrchr(log, '/');
    auto_(cor_freep) char *path = cor_memdup(log, (size_t)(slash - log));
    auto_(cor_freep) struct names *names = cor_alloc(sizeof(*names));
    auto_(cor_fd_close) int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0) {
        return;
    }
    read_names(folder, names);
    auto_(cor_freep) enum rotate_fate *fates = cor_calloc(names->count + 1, sizeof(*fates));
    rotate_fates(rules, slash + 1, names->items, names->count, fates);
    for (size_t i = 0; i < names->count; i++) {
        if (fates[i] == ROTATE_REMOVE) {
            (void)unlinkat(folder, names->items[i], 0);
        } else if (fates[i] == ROTATE_COMPRESS) {
            compress_file(folder, names->items[i]);
        }
        cor_free(names->items[i]);
    }
}
