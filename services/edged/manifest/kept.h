// SPDX-License-Identifier: Apache-2.0
// The last good form of each manifest, in a folder of edged's own: a file that cannot be read or
// understood while edged starts must not end its Pod. One small JSON file each, named by a hash of
// the manifest's path. Blocks on the disk, as the reading of manifests does. Loop thread only.
#ifndef EDGED_MANIFEST_KEPT_H
#define EDGED_MANIFEST_KEPT_H

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

/* Keeps text as the good form of the manifest at path, durably; nothing is written when it is kept
 * already. dir is made when it is not there. COR_IO: what was kept before is kept. */
COR_NODISCARD enum cor_code kept_put(const char *dir, const char *path, struct cor_view text,
                                     struct cor_err *err);

/* Appends what is kept of the manifest at path. COR_NOTFOUND: nothing; COR_IO, COR_INVALID: it
 * cannot be used. */
COR_NODISCARD enum cor_code kept_get(const char *dir, const char *path, struct cor_buf *text,
                                     struct cor_err *err);

/* Forgets it. */
void kept_drop(const char *dir, const char *path);

/* Tells the path of each manifest that something is kept of; fn may put and drop. */
void kept_each(const char *dir, void (*fn)(void *self, const char *path), void *self);

#endif
