// SPDX-License-Identifier: Apache-2.0
// When a container's log is put aside, under which name, and what becomes of those that were. Pure.
// Source: k8s.io/kubernetes pkg/kubelet/logs/container_log_manager.go. Any thread.
#ifndef EDGED_ROTATE_H
#define EDGED_ROTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/clock/clock.h"

struct rotate_rules {
    int64_t max_size;  /* bytes of one file; 0: logs are left alone */
    int64_t max_files; /* of one container, with the one that is being written; 2 at least */
    int64_t look_us;   /* how often the logs are looked at */
};

/* Whether a log of this size is put aside now. */
bool rotate_is_due(const struct rotate_rules *rules, int64_t size);

/* When to look again at a log that has grown by grown bytes in elapsed_us: at the time at which it
 * is full if it goes on so, between 1 s and look_us. */
int64_t rotate_next_look(const struct rotate_rules *rules, int64_t size, int64_t grown,
                         int64_t elapsed_us);

/* The name under which log (a path or a name) is kept: "<log>.<date>-<time>", UTC. Returns owned.
 */
char *rotate_name(const char *log, struct cor_wall now) COR_MALLOC;

/* What happens to a file that was put aside. */
enum rotate_fate {
    ROTATE_KEEP,
    ROTATE_REMOVE,
    ROTATE_COMPRESS, /* to the same name with ".gz" */
};

/* The fates of names (of files in log's folder; sorted by this) into fates. log is "N.log", of life
 * N of the container: logs of lives before N - 1 are removed, as their containers are, other
 * names are kept. Of log's what was left half done is removed; the newest stays as it is. */
void rotate_fates(const struct rotate_rules *rules, const char *log, char **names, size_t count,
                  enum rotate_fate *fates);

/* Whether name is of a file that was put aside from log and is not compressed. */
bool rotate_is_plain(const char *log, const char *name);

#endif
