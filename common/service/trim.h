// SPDX-License-Identifier: Apache-2.0
// Private to common/service: gives back what only the start needed. Starting touches far more code
// than running does (relocation, TLS and database set-up); those pages of programs and libraries
// stay mapped until memory is short, and on a small machine five services keep more of them than of
// their own data.
#ifndef COR_SERVICE_TRIM_H
#define COR_SERVICE_TRIM_H

#include <stdbool.h>

/* One mapping of a process, gathered from the lines of /proc/PID/smaps. */
struct cor_mapping {
    unsigned long start, end;
    bool is_file;        /* private mapping of a file that cannot be written to */
    unsigned long dirty; /* KiB that are the process's own: relocated, then protected */
};

/* What a line is to the mapping being gathered. */
enum cor_mapping_line {
    COR_MAPPING_BEGIN, /* a new mapping begins: it is in *mapping */
    COR_MAPPING_MORE,  /* a detail, noted if it counts */
    COR_MAPPING_END,   /* the last detail (VmFlags): the mapping is whole */
};

/* Takes one line of /proc/PID/smaps. Pure. */
enum cor_mapping_line cor_mapping_line(const char *line, struct cor_mapping *mapping);

/* Whether its pages can be given back: they are the file's own, so nothing is lost. Pure. */
bool cor_mapping_is_clean(const struct cor_mapping *mapping);

/* Gives free heap memory back, and unmaps the clean pages of programs and libraries: they are
 * mapped again from the page cache when they are needed, which code that runs does at once and code
 * of the start never does. Takes a few milliseconds, once. */
void cor_trim(void);

#endif
