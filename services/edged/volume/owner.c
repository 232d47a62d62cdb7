// SPDX-License-Identifier: Apache-2.0
#include "owner.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/mem.h"

enum { FILE_MODE = 0660, FOLDER_MODE = 0770 };

static mode_t mode_of(const struct stat *st)
{
    mode_t more = S_ISDIR(st->st_mode) ? FOLDER_MODE | S_ISGID : FILE_MODE;
    return (st->st_mode & 07777) | more;
}

/* Nothing is followed: who has the volume mounted may put links into it meanwhile. */
static int give_one(const char *path, const struct stat *st, gid_t group)
{
    int error = fchownat(AT_FDCWD, path, (uid_t)-1, group, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
    if (error == 0 && !S_ISLNK(st->st_mode) &&
        fchmodat(AT_FDCWD, path, mode_of(st), AT_SYMLINK_NOFOLLOW) != 0) {
        error = errno;
    }
    return error;
}

static bool is_given(const char *path, gid_t group)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_gid == group &&
           (st.st_mode & 07777) == mode_of(&st);
}

int owner_give_now(const char *path, gid_t group, bool on_mismatch)
{
    char *paths[] = {(char *)(uintptr_t)path, NULL};
    if (on_mismatch && is_given(path, group)) {
        return 0;
    }
    /* It goes into each folder and makes sure that it is the one that it has seen. */
    FTS *fts = fts_open(paths, FTS_PHYSICAL, NULL);
    const FTSENT *entry = NULL;
    int error = fts == NULL ? errno : 0;
    while (fts != NULL && (entry = fts_read(fts)) != NULL) {
        int one = entry->fts_errno;
        if (entry->fts_info != FTS_DP && one == 0) {
            one = give_one(entry->fts_accpath, entry->fts_statp, group);
        }
        error = entry->fts_level == FTS_ROOTLEVEL && error == 0 ? one : error;
    }
    if (fts != NULL) {
        (void)fts_close(fts);
    }
    return error;
}

struct owner {
    struct cor_child *child;
    struct cor_timer *failed; /* there is no child */
    int error;
    owner_fn fn;
    void *self;
};

static void end(struct owner *owner, int error)
{
    cor_child_free(&owner->child);
    cor_timer_free(&owner->failed);
    owner->fn(owner->self, error);
    cor_free(owner);
}

static void on_child(void *self, int pid, int status)
{
    (void)pid;
    end(self, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR);
}

static void on_failed(void *self)
{
    struct owner *owner = self;
    end(owner, owner->error);
}

void owner_give(struct cor_loop *loop, const char *path, gid_t group, bool on_mismatch, owner_fn fn,
                void *self)
{
    struct owner *owner = cor_alloc(sizeof(*owner));
    pid_t pid = fork();
    if (pid == 0) {
        _exit(owner_give_now(path, group, on_mismatch));
    }
    *owner = (struct owner){.error = errno, .fn = fn, .self = self};
    if (pid > 0) {
        owner->child = cor_child_new(loop, pid, on_child, owner);
    } else {
        owner->failed = cor_timer_new(loop, on_failed, owner);
        cor_timer_start(owner->failed, 0);
    }
}
