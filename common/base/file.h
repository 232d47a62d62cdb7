// SPDX-License-Identifier: Apache-2.0
// Whole files, bounded and atomic. These calls block on the disk: start-up, identity and
// configuration only, never a hot path. Any thread.
#ifndef COR_BASE_FILE_H
#define COR_BASE_FILE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

/* For auto_(): closes *fd if it is >= 0 and sets it to -1. */
void cor_fd_close(int *fd);

/* Appends the content of path to out. COR_NOTFOUND, COR_TOOBIG over max bytes, COR_IO; out
 * unchanged. */
COR_NODISCARD enum cor_code cor_file_read(const char *path, size_t max, struct cor_buf *out,
                                          struct cor_err *err);

/* Replaces path by content atomically: a temporary file beside it, fsync, rename, fsync of the
 * folder. mode is exact (umask does not count). COR_IO leaves the old file. */
COR_NODISCARD enum cor_code cor_file_write(const char *path, struct cor_view content, mode_t mode,
                                           struct cor_err *err);

/* Makes the folder and its parents, like mkdir -p; an existing folder is fine. COR_IO. */
COR_NODISCARD enum cor_code cor_mkdirs(const char *path, mode_t mode, struct cor_err *err);

#endif
