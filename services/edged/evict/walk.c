// SPDX-License-Identifier: Apache-2.0
#include "walk.h"

#include <fts.h>
#include <stddef.h>
#include <sys/stat.h>

uint64_t walk_bytes(const char *path)
{
    enum { BLOCK = 512 }; /* of st_blocks */
    char *paths[] = {(char *)(uintptr_t)path, NULL};
    uint64_t sum = 0;
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    const FTSENT *entry = NULL;
    while (fts != NULL && (entry = fts_read(fts)) != NULL) {
        if (entry->fts_info == FTS_F) {
            sum += (uint64_t)entry->fts_statp->st_blocks * BLOCK;
        }
    }
    if (fts != NULL) {
        (void)fts_close(fts);
    }
    return sum;
}
