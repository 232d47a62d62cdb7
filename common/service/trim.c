// SPDX-License-Identifier: Apache-2.0
#include "trim.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum cor_mapping_line cor_mapping_line(const char *line, struct cor_mapping *mapping)
{
    unsigned long start = 0;
    unsigned long end = 0;
    unsigned long inode = 0;
    char rights[5] = "";
    if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &start, &end, rights, &inode) == 4) {
        bool fixed = strcmp(rights, "r-xp") == 0 || strcmp(rights, "r--p") == 0;
        *mapping = (struct cor_mapping){start, end, fixed && inode != 0 && start < end, 0};
        return COR_MAPPING_BEGIN;
    }
    (void)sscanf(line, "Anonymous: %lu kB", &mapping->dirty);
    return strncmp(line, "VmFlags:", strlen("VmFlags:")) == 0 ? COR_MAPPING_END : COR_MAPPING_MORE;
}

bool cor_mapping_is_clean(const struct cor_mapping *mapping)
{
    return mapping->is_file && mapping->dirty == 0;
}

void cor_trim(void)
{
    (void)malloc_trim(0);
    FILE *maps = fopen("/proc/self/smaps", "re");
    if (maps == NULL) {
        return; /* no /proc: nothing is given back, nothing is broken */
    }
    char line[512];
    struct cor_mapping mapping = {0};
    while (fgets(line, sizeof(line), maps) != NULL) {
        if (cor_mapping_line(line, &mapping) == COR_MAPPING_END && cor_mapping_is_clean(&mapping)) {
            (void)madvise((void *)(uintptr_t)mapping.start, mapping.end - mapping.start,
                          MADV_DONTNEED);
        }
    }
    (void)fclose(maps);
    (void)malloc_trim(0);
}
