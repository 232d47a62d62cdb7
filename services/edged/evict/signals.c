// SPDX-License-Identifier: Apache-2.0
#include "signals.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "services/edged/stats/usage.h"

enum { FILE_MAX = 65536 };

static struct evict_seen seen_of(uint64_t available, uint64_t capacity)
{
    bool known = available != STATS_UNKNOWN && capacity != STATS_UNKNOWN && capacity > 0 &&
                 available <= INT64_MAX && capacity <= INT64_MAX;
    return (struct evict_seen){known, known ? (int64_t)available : 0,
                               known ? (int64_t)capacity : 0};
}

/* MemTotal in bytes; STATS_UNKNOWN. */
static uint64_t memory_total(const char *proc)
{
    static const char KEY[] = "MemTotal:";
    auto_(cor_freep) char *path = cor_sprintf("%s/meminfo", proc);
    auto_(cor_buf_free) struct cor_buf text = {0};
    uint64_t kib = 0;
    const char *at = cor_file_read(path, FILE_MAX, &text, NULL) == COR_OK && text.len > 0
                         ? memmem(text.data, text.len, KEY, sizeof(KEY) - 1)
                         : NULL;
    if (at == NULL) {
        return STATS_UNKNOWN;
    }
    at += sizeof(KEY) - 1;
    struct cor_view rest =
        cor_view_trim((struct cor_view){at, (size_t)(text.data + text.len - at)});
    struct cor_view number = {0};
    (void)cor_view_split(&rest, ' ', &number);
    return cor_view_u64(number, &kib) ? kib * 1024 : STATS_UNKNOWN;
}

static void read_memory(const struct signals_place *place, struct evict_seen *seen)
{
    struct stats_cpu cpu;
    struct stats_memory memory;
    auto_(cor_freep) char *proc = cor_sprintf("%s/proc", place->root);
    auto_(cor_freep) char *cgroups = cor_sprintf("%s/sys/fs/cgroup", place->root);
    struct usage_place where = usage_place_at(cgroups, proc);
    uint64_t total = memory_total(proc);
    usage_of_node(&where, 0, total, &cpu, &memory);
    seen[EVICT_MEMORY] = seen_of(memory.available, total);
    uint64_t most = STATS_UNKNOWN;
    uint64_t now = STATS_UNKNOWN;
    usage_pids(&where, &most, &now);
    bool known = most != STATS_UNKNOWN && now != STATS_UNKNOWN;
    seen[EVICT_PIDS] = seen_of(!known ? STATS_UNKNOWN : most > now ? most - now : 0, most);
}

void signals_read(const struct signals_place *place, struct evict_seen *seen)
{
    struct stats_fs node = usage_fs(place->node_folder);
    struct stats_fs image = usage_fs(place->image_folder);
    read_memory(place, seen);
    seen[EVICT_NODEFS] = seen_of(node.available, node.capacity);
    seen[EVICT_NODEFS_INODES] = seen_of(node.inodes_free, node.inodes);
    seen[EVICT_IMAGEFS] = seen_of(image.available, image.capacity);
    seen[EVICT_IMAGEFS_INODES] = seen_of(image.inodes_free, image.inodes);
}

int64_t signals_memory_used(const struct signals_place *place)
{
    auto_(cor_freep) char *path =
        cor_sprintf("%s/sys/fs/cgroup/memory/memory.usage_in_bytes", place->root);
    auto_(cor_buf_free) struct cor_buf text = {0};
    int64_t used = -1;
    if (cor_file_read(path, FILE_MAX, &text, NULL) != COR_OK ||
        !cor_view_i64(cor_view_trim(cor_buf_as_view(&text)), &used)) {
        return -1;
    }
    return used;
}

int signals_notify(const struct signals_place *place, int64_t bytes)
{
    char line[96];
    auto_(cor_freep) char *usage =
        cor_sprintf("%s/sys/fs/cgroup/memory/memory.usage_in_bytes", place->root);
    auto_(cor_freep) char *control =
        cor_sprintf("%s/sys/fs/cgroup/memory/cgroup.event_control", place->root);
    auto_(cor_fd_close) int usage_fd = open(usage, O_RDONLY | O_CLOEXEC);
    auto_(cor_fd_close) int control_fd = open(control, O_WRONLY | O_CLOEXEC);
    int event = usage_fd < 0 || control_fd < 0 ? -1 : eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (event < 0) {
        return -1;
    }
    int len = snprintf(line, sizeof(line), "%d %d %" PRId64, event, usage_fd, bytes);
    if (write(control_fd, line, (size_t)len) != len) {
        (void)close(event);
        return -1;
    }
    return event;
}
