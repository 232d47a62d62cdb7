// SPDX-License-Identifier: Apache-2.0
#include "folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "manifest.h"

enum { EVENTS_ROOM = 4096, AGAIN_S = 10 };

struct folder {
    struct cor_loop *loop;
    struct cor_log *log;
    const char *path;
    const struct folder_events *events;
    void *self;
    int notify;
    int watch;
    struct cor_io *io;
    struct cor_timer *again; /* runs while there is no folder, or it cannot be listed */
    struct cor_map *files;   /* names that were told; values are not used */
};

static bool is_hidden(const char *name)
{
    return name[0] == '.' || name[0] == '\0';
}

static char *path_of(const struct folder *f, const char *name)
{
    return cor_sprintf("%s/%s", f->path, name);
}

static void tell_gone(struct folder *f, const char *name)
{
    auto_(cor_freep) char *path = path_of(f, name);
    if (cor_map_del(f->files, cor_view_of(name))) {
        f->events->gone(f->self, path);
    }
}

static void tell(struct folder *f, const char *name)
{
    struct stat st;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_freep) char *path = path_of(f, name);
    bool known = cor_map_get(f->files, cor_view_of(name)) != NULL;
    if (stat(path, &st) != 0 && errno == ENOENT) {
        tell_gone(f, name);
        return;
    }
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* a pipe would keep us waiting */
        tell_gone(f, name);
        return;
    }
    if (!known && cor_map_count(f->files) >= FOLDER_FILES_MAX) {
        (void)cor_err_set(&err, COR_TOOBIG, "more than %d files", FOLDER_FILES_MAX);
        f->events->unreadable(f->self, path, &err);
        return;
    }
    cor_map_set(f->files, cor_view_of(name), f);
    if (cor_file_read(path, MANIFEST_MAX, &text, &err) == COR_OK) {
        f->events->file(f->self, path, cor_buf_as_view(&text));
    } else if (err.code == COR_NOTFOUND) {
        tell_gone(f, name);
    } else {
        f->events->unreadable(f->self, path, &err);
    }
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_shown(const struct dirent *entry)
{
    return !is_hidden(entry->d_name);
}

static bool is_in(struct cor_view name, struct dirent *const *list, int count)
{
    for (int i = 0; i < count; i++) {
        if (cor_view_is(name, list[i]->d_name)) {
            return true;
        }
    }
    return false;
}

void folder_know(struct folder *f, const char *name)
{
    cor_map_set(f->files, cor_view_of(name), f);
}

/* Nobody says what is in it. */
static void tell_unlisted(struct folder *f, const struct cor_err *err)
{
    size_t at = 0;
    struct cor_view name;
    while (cor_map_next(f->files, &at, &name, NULL)) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%.*s", f->path, COR_VIEW_ARG(name));
        f->events->unreadable(f->self, path, err);
    }
    if (!cor_timer_running(f->again)) {
        cor_timer_start(f->again, COR_SEC(AGAIN_S));
    }
}

void folder_look(struct folder *f)
{
    struct dirent **list = NULL;
    struct cor_err err = COR_ERR_NONE;
    size_t at = 0;
    struct cor_view name;
    int count = scandir(f->path, &list, is_shown, by_name);
    if (count < 0 && (errno != ENOENT || f->watch < 0)) {
        (void)cor_err_set(&err, COR_IO, "listing %s: %s", f->path, strerror(errno));
        tell_unlisted(f, &err);
        return;
    }
    while (cor_map_next(f->files, &at, &name, NULL)) {
        if (!is_in(name, list, count)) {
            auto_(cor_freep) char *gone = cor_view_dup(name);
            tell_gone(f, gone);
        }
    }
    for (int i = 0; i < count; i++) {
        tell(f, list[i]->d_name);
    }
    for (int i = 0; i < count; i++) {
        free(list[i]); /* scandir's */
    }
    free(list);
}

static enum cor_code watch(struct folder *f, struct cor_err *err)
{
    enum cor_code code = cor_mkdirs(f->path, 0755, err);
    if (code != COR_OK) {
        return code;
    }
    f->watch = inotify_add_watch(f->notify, f->path,
                                 IN_CREATE | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE | IN_DELETE_SELF |
                                     IN_MOVE_SELF | IN_ONLYDIR);
    return f->watch < 0 ? cor_err_set(err, COR_IO, "watching %s: %s", f->path, strerror(errno))
                        : COR_OK;
}

static void watch_or_later(struct folder *f)
{
    struct cor_err err = COR_ERR_NONE;
    if (watch(f, &err) != COR_OK) {
        LOGW(f->log, "edged.manifests-not-watched", "error=%s", cor_log_esc(cor_view_of(err.text)));
        cor_timer_start(f->again, COR_SEC(AGAIN_S));
    }
}

/* The folder itself went away. */
static void on_again(void *self)
{
    struct folder *f = self;
    watch_or_later(f);
    folder_look(f);
}

/* A file that is being written is read when its writer has closed it; nobody writes into a link
 * that is made. */
static bool is_complete(const struct folder *f, const struct inotify_event *event)
{
    struct stat st;
    auto_(cor_freep) char *path = path_of(f, event->name);
    return (event->mask & IN_CREATE) == 0 ||
           (lstat(path, &st) == 0 && (S_ISLNK(st.st_mode) || st.st_nlink > 1));
}

static void on_event(struct folder *f, const struct inotify_event *event)
{
    bool self_gone =
        event->wd == f->watch && (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT)) != 0;
    if (self_gone) {
        (void)inotify_rm_watch(f->notify, f->watch);
        f->watch = -1;
        cor_timer_start(f->again, 0);
    } else if ((event->mask & IN_Q_OVERFLOW) != 0) {
        folder_look(f);
    } else if (event->wd == f->watch && event->len > 0 && !is_hidden(event->name) &&
               is_complete(f, event)) {
        tell(f, event->name);
    }
}

static void on_notify(void *self, int fd, int events)
{
    (void)events;
    struct folder *f = self;
    _Alignas(struct inotify_event) char room[EVENTS_ROOM];
    ssize_t len = read(fd, room, sizeof(room));
    for (ssize_t at = 0; at < len;) {
        const struct inotify_event *event = (const struct inotify_event *)(void *)(room + at);
        on_event(f, event);
        at += (ssize_t)(sizeof(*event) + event->len);
    }
}

enum cor_code folder_open(struct cor_loop *loop, struct cor_log *log, const char *path,
                          const struct folder_events *events, void *self, struct folder **folder_r,
                          struct cor_err *err)
{
    struct folder *f = cor_alloc(sizeof(*f));
    *f = (struct folder){
        .loop = loop, .log = log, .path = path, .events = events, .self = self, .watch = -1};
    f->files = cor_map_new(NULL);
    f->again = cor_timer_new(loop, on_again, f);
    f->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (f->notify < 0) {
        folder_close(&f);
        return cor_err_set(err, COR_IO, "inotify: %s", strerror(errno));
    }
    watch_or_later(f);
    f->io = cor_io_new(loop, f->notify, COR_READ, on_notify, f);
    *folder_r = f;
    return COR_OK;
}

void folder_close(struct folder **folder)
{
    if (*folder == NULL) {
        return;
    }
    struct folder *f = *folder;
    cor_io_free(&f->io);
    cor_timer_free(&f->again);
    cor_fd_close(&f->notify);
    cor_map_free(&f->files);
    cor_freep(folder);
}
