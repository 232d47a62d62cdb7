// SPDX-License-Identifier: Apache-2.0
// The folder of static Pods' manifests: its files are told when it is opened, and whenever one
// changes (inotify; nothing is polled). Hidden files and folders in it are left alone, links are
// followed. Files are read on the loop thread: they are few, small and local. Loop thread only.
#ifndef EDGED_MANIFEST_FOLDER_H
#define EDGED_MANIFEST_FOLDER_H

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/log/log.h"
#include "common/loop/loop.h"

enum { FOLDER_FILES_MAX = 256 };

struct folder;

struct folder_events {
    /* The file has this content now. Views and path are valid during the call. */
    void (*file)(void *self, const char *path, struct cor_view text);
    /* It cannot be read. */
    void (*unreadable)(void *self, const char *path, const struct cor_err *err);
    /* It is no more. */
    void (*gone)(void *self, const char *path);
};

/* Opens the folder (borrows path, events; they must outlive it), which is made when it is not
 * there; folder_look tells its files. One that cannot be made or goes away is tried for again.
 * COR_IO: the system watches no more. Returns owned in *folder_r. */
COR_NODISCARD enum cor_code folder_open(struct cor_loop *loop, struct cor_log *log,
                                        const char *path, const struct folder_events *events,
                                        void *self, struct folder **folder_r, struct cor_err *err);

/* That file was there before this process: it is told, be it as gone. */
void folder_know(struct folder *folder, const char *name);

/* Tells all files, from within. While the folder cannot be listed nobody knows which are there: the
 * known ones are unreadable then, not gone. */
void folder_look(struct folder *folder);

/* Closes; *folder becomes NULL. For auto_(). */
void folder_close(struct folder **folder);

#endif
