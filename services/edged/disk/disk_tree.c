// SPDX-License-Identifier: Apache-2.0
#include "disk_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"

void disk_tree_each(int folder, void (*fn)(void *self, const char *name), void *self)
{
    int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    if (dir == NULL) {
        cor_fd_close(&copy);
        return;
    }
    const struct dirent *entry = NULL;
    while ((entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            fn(self, entry->d_name);
        }
    }
    (void)closedir(dir);
}

struct below {
    int folder;
    dev_t device;
    int depth;
};

enum { DEPTH_MAX = 256 }; /* open files on the way down; deeper trees are left */

static void remove_below(void *self, const char *name)
{
    const struct below *above = self;
    struct stat st;
    if (unlinkat(above->folder, name, 0) == 0 ||
        fstatat(above->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISDIR(st.st_mode) ||
        st.st_dev != above->device || above->depth >= DEPTH_MAX) {
        return;
    }
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    auto_(cor_fd_close) int folder = openat(above->folder, name, flags);
    if (folder >= 0) {
        struct below below = {folder, above->device, above->depth + 1};
        disk_tree_each(folder, remove_below, &below);
        (void)unlinkat(above->folder, name, AT_REMOVEDIR);
    }
}

void disk_tree_remove(int folder, const char *name)
{
    struct stat st;
    if (fstat(folder, &st) == 0) {
        struct below below = {folder, st.st_dev, 0};
        remove_below(&below, name);
    }
}
