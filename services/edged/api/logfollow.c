// SPDX-License-Identifier: Apache-2.0
#include "logfollow.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "services/edged/logs/logfiles.h"

/* Files that a slow reader may be behind; more than are kept on the disk by default. */
enum { FILES_MAX = 8, EVENTS_ROOM = 4096 };

struct file {
    int fd;
    dev_t device;
    ino_t inode;
    bool closed; /* by its writer */
};

struct logwatch {
    int notify;
    struct cor_link follows;
};

struct logfollow {
    struct cor_link link;
    struct logwatch *watch;
    int number; /* of the folder in watch; several may have it */
    logfollow_fn fn;
    void *self;
    bool stirred;
    char *path;
    const char *name; /* in path */
    int folder;
    struct file files[FILES_MAX]; /* in order; the first is read now */
    size_t count;
    struct cor_mono waits; /* since when the first one waits for its writer; us 0: it does not */
};

/* Opens what is at the path, unless it is the last one still. False: there is none (errno). */
static bool add_file(struct logfollow *f)
{
    struct stat st;
    int fd = logfiles_open(f->folder, f->name);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return false;
    }
    const struct file *last = f->count > 0 ? &f->files[f->count - 1] : NULL;
    if (last != NULL && last->inode == st.st_ino && last->device == st.st_dev) {
        (void)close(fd);
        return true;
    }
    if (f->count == FILES_MAX) { /* what is read now is read to its end */
        (void)close(f->files[1].fd);
        memmove(&f->files[1], &f->files[2], (FILES_MAX - 2) * sizeof(f->files[0]));
        f->count--;
    }
    f->files[f->count++] = (struct file){.fd = fd, .device = st.st_dev, .inode = st.st_ino};
    return true;
}

enum cor_code logwatch_new(struct logwatch **watch_r, struct cor_err *err)
{
    int notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (notify < 0) {
        return cor_err_sys(err, COR_IO, errno, "inotify");
    }
    struct logwatch *watch = cor_alloc(sizeof(*watch));
    watch->notify = notify;
    cor_list_init(&watch->follows);
    *watch_r = watch;
    return COR_OK;
}

void logwatch_free(struct logwatch **watch)
{
    if (*watch != NULL) {
        must(cor_list_empty(&(*watch)->follows));
        cor_fd_close(&(*watch)->notify);
        cor_freep(watch);
    }
}

int logwatch_notify(const struct logwatch *watch)
{
    return watch->notify;
}

enum cor_code logfollow_open(struct logwatch *watch, const char *path, logfollow_fn fn, void *self,
                             struct logfollow **follow_r, struct cor_err *err)
{
    struct logfollow *f = cor_alloc(sizeof(*f));
    const char *slash = strrchr(path, '/');
    auto_(cor_freep) char *folder = cor_memdup(path, (size_t)(slash - path));
    *f = (struct logfollow){.watch = watch, .fn = fn, .self = self, .path = cor_strdup(path)};
    cor_list_add(&watch->follows, &f->link);
    f->name = f->path + (slash - path) + 1;
    f->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->number = inotify_add_watch(watch->notify, folder,
                                  IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE);
    bool good = f->folder >= 0 && f->number >= 0 && add_file(f);
    int error = errno;
    if (!good) {
        logfollow_free(&f);
        return cor_err_set(err, error == ENOENT ? COR_NOTFOUND : COR_IO, "%s", strerror(error));
    }
    *follow_r = f;
    return COR_OK;
}

/* The folder is watched no longer when it was the last one's. */
static void unwatch(const struct logwatch *watch, int number)
{
    COR_LIST_EACH (node, &watch->follows) {
        if (COR_LIST_OBJECT(node, struct logfollow, link)->number == number) {
            return;
        }
    }
    (void)inotify_rm_watch(watch->notify, number); /* fails where the folder has gone: as well */
}

void logfollow_free(struct logfollow **follow)
{
    struct logfollow *f = *follow;
    if (f == NULL) {
        return;
    }
    cor_list_del(&f->link);
    if (f->number >= 0) {
        unwatch(f->watch, f->number);
    }
    for (size_t i = 0; i < f->count; i++) {
        (void)close(f->files[i].fd);
    }
    cor_fd_close(&f->folder);
    cor_free(f->path);
    cor_freep(follow);
}

int logfollow_file(const struct logfollow *f)
{
    return f->files[0].fd;
}

static void note_closed(struct logfollow *f, const char *name)
{
    struct stat st;
    if (fstatat(f->folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        return;
    }
    for (size_t i = 0; i < f->count; i++) {
        if (f->files[i].inode == st.st_ino && f->files[i].device == st.st_dev) {
            f->files[i].closed = true;
        }
    }
}

static void take_event(struct logfollow *f, uint32_t mask, const char *name)
{
    bool mine = strcmp(name, f->name) == 0;
    if ((mask & IN_Q_OVERFLOW) != 0 || (mine && (mask & (IN_CREATE | IN_MOVED_TO)) != 0)) {
        (void)add_file(f);
    }
    if ((mask & IN_CLOSE_WRITE) != 0 && rotate_is_plain(f->name, name)) {
        note_closed(f, name);
    }
    f->stirred = true;
}

/* The event to those in the folder; that some were lost, to all. */
static void spread(const struct logwatch *watch, const struct inotify_event *event,
                   const char *name)
{
    COR_LIST_EACH (node, &watch->follows) {
        struct logfollow *f = COR_LIST_OBJECT(node, struct logfollow, link);
        if (f->number == event->wd || (event->mask & IN_Q_OVERFLOW) != 0) {
            take_event(f, event->mask, name);
        }
    }
}

void logwatch_look(struct logwatch *watch)
{
    _Alignas(struct inotify_event) char buf[EVENTS_ROOM];
    ssize_t n = 0;
    while ((n = read(watch->notify, buf, sizeof(buf))) > 0) {
        struct inotify_event event;
        for (ssize_t at = 0; at < n; at += (ssize_t)(sizeof(event) + event.len)) {
            memcpy(&event, buf + at, sizeof(event));
            spread(watch, &event, event.len > 0 ? buf + at + sizeof(event) : "");
        }
    }
    COR_LIST_EACH (node, &watch->follows) {
        struct logfollow *f = COR_LIST_OBJECT(node, struct logfollow, link);
        bool stirred = f->stirred;
        f->stirred = false;
        if (stirred && f->fn != NULL) {
            f->fn(f->self);
        }
    }
}

enum logfollow_at logfollow_turn(struct logfollow *f, struct cor_mono now)
{
    if (f->count < 2) {
        return LOGFOLLOW_LAST;
    }
    if (!f->files[0].closed && f->waits.us == 0) {
        f->waits = now;
    }
    if (!f->files[0].closed && cor_mono_since(now, f->waits) < COR_SEC(1)) {
        return LOGFOLLOW_WAIT;
    }
    (void)close(f->files[0].fd);
    f->count--;
    memmove(&f->files[0], &f->files[1], f->count * sizeof(f->files[0]));
    f->waits.us = 0;
    return LOGFOLLOW_NEXT;
}
