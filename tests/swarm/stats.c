// SPDX-License-Identifier: Apache-2.0
#include "stats.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"

enum { TEXT_MAX = 16384 };

void stats_add(struct stats *stats, int64_t value)
{
    if (stats->count == stats->cap) {
        stats->cap = stats->cap == 0 ? 256 : stats->cap * 2;
        stats->items = cor_realloc(stats->items, stats->cap, sizeof(*stats->items));
    }
    stats->items[stats->count++] = value;
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

int64_t stats_at(struct stats *stats, unsigned thousandth)
{
    if (stats->count == 0) {
        return 0;
    }
    qsort(stats->items, stats->count, sizeof(*stats->items), by_size);
    size_t at = stats->count * thousandth / 1000;
    return stats->items[at < stats->count ? at : stats->count - 1];
}

void stats_free(struct stats *stats)
{
    cor_free(stats->items);
    *stats = (struct stats){0};
}

/* The first number of a thread's schedstat: nanoseconds on a processor. */
static int64_t thread_us(int pid, const char *thread)
{
    auto_(cor_freep) char *path = cor_sprintf("/proc/%d/task/%s/schedstat", pid, thread);
    auto_(cor_buf_free) struct cor_buf text = {0};
    return cor_file_read(path, TEXT_MAX, &text, NULL) == COR_OK
               ? strtoll(text.data, NULL, 10) / 1000
               : 0;
}

int64_t stats_cpu_us(int pid)
{
    auto_(cor_freep) char *path = cor_sprintf("/proc/%d/task", pid);
    DIR *dir = opendir(path);
    int64_t sum = 0;
    for (const struct dirent *it = NULL; dir != NULL && (it = readdir(dir)) != NULL;) {
        sum += it->d_name[0] == '.' ? 0 : thread_us(pid, it->d_name);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return sum;
}

int64_t stats_kib(int pid, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("/proc/%d/status", pid);
    auto_(cor_freep) char *line = cor_sprintf("%s:", name);
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (cor_file_read(path, TEXT_MAX, &text, NULL) != COR_OK) {
        return 0;
    }
    const char *at = strstr(text.data, line);
    return at == NULL ? 0 : strtoll(at + strlen(line), NULL, 10);
}
