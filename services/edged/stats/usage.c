// SPDX-License-Identifier: Apache-2.0
#include "usage.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"

/* A limit of memory above this is none: version 1 says the largest number of whole pages. */
#define NO_LIMIT ((uint64_t)INT64_MAX - 65536)

enum { FILE_MAX = 256 * 1024, SECOND_NS = 1000000000 };

struct usage_place usage_place_at(const char *cgroups, const char *proc)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/cgroup.controllers", cgroups);
    return (struct usage_place){cgroups, proc, access(path, F_OK) == 0};
}

/* ---- reading ---- */

/* "" when it cannot be read. Returns owned. */
static char *read_text(char *path)
{
    auto_(cor_freep) char *owned = path;
    struct cor_buf text = {0};
    if (cor_file_read(owned, FILE_MAX, &text, NULL) != COR_OK) {
        cor_buf_clear(&text);
    }
    return cor_buf_take(&text);
}

static char *read_cgroup(const struct usage_place *place, const char *controller,
                         const char *cgroup, const char *file)
{
    return read_text(place->unified
                         ? cor_sprintf("%s%s/%s", place->cgroups, cgroup, file)
                         : cor_sprintf("%s/%s%s/%s", place->cgroups, controller, cgroup, file));
}

static uint64_t number_of(const char *text)
{
    uint64_t value = STATS_UNKNOWN;
    (void)cor_view_u64(cor_view_trim(cor_view_of(text)), &value);
    return value;
}

static uint64_t cgroup_number(const struct usage_place *place, const char *controller,
                              const char *cgroup, const char *file)
{
    auto_(cor_freep) char *text = read_cgroup(place, controller, cgroup, file);
    return number_of(text);
}

/* The number behind key in lines of "key number" or "key: number kB". */
static uint64_t line_of(const char *text, const char *key)
{
    struct cor_view rest = cor_view_of(text);
    struct cor_view line;
    size_t len = strlen(key);
    while (cor_view_split(&rest, '\n', &line)) {
        if (!cor_view_starts(line, key) || line.len == len || strchr(" :", line.ptr[len]) == NULL) {
            continue;
        }
        struct cor_view value =
            cor_view_trim((struct cor_view){line.ptr + len + 1, line.len - len - 1});
        struct cor_view number = {0};
        uint64_t n = STATS_UNKNOWN;
        bool kib = cor_view_ends(value, " kB");
        (void)cor_view_split(&value, ' ', &number);
        (void)cor_view_u64(number, &n);
        return n == STATS_UNKNOWN || !kib ? n : n * 1024;
    }
    return STATS_UNKNOWN;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a == STATS_UNKNOWN ? a : b == STATS_UNKNOWN ? a : a > b ? a - b : 0;
}

static uint64_t times(uint64_t a, uint64_t factor)
{
    return a == STATS_UNKNOWN ? a : a * factor;
}

/* ---- cgroups ---- */

static uint64_t cpu_total(const struct usage_place *place, const char *cgroup)
{
    if (!place->unified) {
        return cgroup_number(place, "cpuacct", cgroup, "cpuacct.usage");
    }
    auto_(cor_freep) char *text = read_cgroup(place, "", cgroup, "cpu.stat");
    return times(line_of(text, "usage_usec"), 1000);
}

/* What the two versions call the same. */
static const struct names {
    const char *usage, *limit, *rss, *cache, *inactive, *faults, *major_faults;
} NAMES[] = {
    {"memory.usage_in_bytes", "memory.limit_in_bytes", "total_rss", "total_cache",
     "total_inactive_file", "total_pgfault", "total_pgmajfault"},
    {"memory.current", "memory.max", "anon", "file", "inactive_file", "pgfault", "pgmajfault"},
};

/* Working set: what is used without the file cache that could be dropped at once, as cAdvisor
 * counts it. usage: STATS_UNKNOWN: of the file. */
static void read_memory(const struct usage_place *place, const char *cgroup, uint64_t usage,
                        struct stats_memory *memory)
{
    const struct names *names = &NAMES[place->unified ? 1 : 0];
    auto_(cor_freep) char *text = read_cgroup(place, "memory", cgroup, "memory.stat");
    memory->usage =
        usage != STATS_UNKNOWN ? usage : cgroup_number(place, "memory", cgroup, names->usage);
    memory->limit = cgroup_number(place, "memory", cgroup, names->limit);
    memory->limit = memory->limit > NO_LIMIT ? STATS_UNKNOWN : memory->limit;
    memory->rss = line_of(text, names->rss);
    memory->cache = line_of(text, names->cache);
    memory->faults = line_of(text, names->faults);
    memory->major_faults = line_of(text, names->major_faults);
    memory->working_set = less(memory->usage, line_of(text, names->inactive));
    memory->available = memory->working_set == STATS_UNKNOWN
                            ? STATS_UNKNOWN
                            : less(memory->limit, memory->working_set);
}

void usage_of_cgroup(const struct usage_place *place, const char *cgroup, int64_t now_ns,
                     struct stats_cpu *cpu, struct stats_memory *memory, uint64_t *processes)
{
    *cpu = stats_no_cpu();
    *memory = stats_no_memory();
    cpu->time_ns = now_ns;
    memory->time_ns = now_ns;
    cpu->total_ns = cpu_total(place, cgroup);
    read_memory(place, cgroup, STATS_UNKNOWN, memory);
    if (processes != NULL) {
        *processes = cgroup_number(place, "pids", cgroup, "pids.current");
    }
}

long usage_process(const struct usage_place *place, const char *cgroup)
{
    auto_(cor_freep) char *text = read_cgroup(place, "cpuacct", cgroup, "cgroup.procs");
    struct cor_view rest = cor_view_of(text);
    struct cor_view line = {0};
    int64_t pid = 0;
    (void)cor_view_split(&rest, '\n', &line);
    return cor_view_i64(line, &pid) && pid > 0 && pid <= INT32_MAX ? (long)pid : 0;
}

/* ---- the node ---- */

/* Time that all CPUs were busy, from the first line of /proc/stat. */
static uint64_t busy_ns(const struct usage_place *place)
{
    enum { IDLE = 3, IOWAIT = 4, FIELDS = 8 };
    auto_(cor_freep) char *text = read_text(cor_sprintf("%s/stat", place->proc));
    struct cor_view rest = cor_view_of(text);
    struct cor_view line = {0};
    struct cor_view field;
    uint64_t ticks = 0;
    (void)cor_view_split(&rest, '\n', &line);
    if (!cor_view_starts(line, "cpu ")) {
        return STATS_UNKNOWN;
    }
    line = cor_view_trim((struct cor_view){line.ptr + 4, line.len - 4});
    for (int i = 0; i < FIELDS && cor_view_split(&line, ' ', &field); i++) {
        uint64_t n = 0;
        (void)cor_view_u64(field, &n);
        ticks += i == IDLE || i == IOWAIT ? 0 : n;
    }
    long hz = sysconf(_SC_CLK_TCK);
    return hz <= 0 ? STATS_UNKNOWN : ticks * (SECOND_NS / (uint64_t)hz);
}

void usage_of_node(const struct usage_place *place, int64_t now_ns, uint64_t total,
                   struct stats_cpu *cpu, struct stats_memory *memory)
{
    auto_(cor_freep) char *text = read_text(cor_sprintf("%s/meminfo", place->proc));
    uint64_t used = less(line_of(text, "MemTotal"), line_of(text, "MemFree"));
    usage_of_cgroup(place, "", now_ns, cpu, memory, NULL);
    if (cpu->total_ns == STATS_UNKNOWN) {
        cpu->total_ns = busy_ns(place);
    }
    if (memory->usage == STATS_UNKNOWN) { /* version 2 has it not at the root */
        read_memory(place, "", used, memory);
    }
    if (memory->cache == STATS_UNKNOWN) {
        memory->working_set = less(memory->usage, line_of(text, "Inactive(file)"));
        memory->cache = line_of(text, "Cached");
    }
    memory->limit = total;
    memory->available = less(total, memory->working_set);
}

int64_t usage_booted_ns(const struct usage_place *place)
{
    auto_(cor_freep) char *text = read_text(cor_sprintf("%s/stat", place->proc));
    uint64_t seconds = line_of(text, "btime");
    return seconds > INT32_MAX * (uint64_t)4 ? 0 : (int64_t)seconds * SECOND_NS;
}

void usage_pids(const struct usage_place *place, uint64_t *most_r, uint64_t *now_r)
{
    struct sysinfo info;
    auto_(cor_freep) char *text = read_text(cor_sprintf("%s/sys/kernel/pid_max", place->proc));
    *most_r = number_of(text);
    *now_r = sysinfo(&info) == 0 ? info.procs : STATS_UNKNOWN;
}

uint64_t usage_own_rss(const struct usage_place *place)
{
    auto_(cor_freep) char *text = read_text(cor_sprintf("%s/self/status", place->proc));
    return line_of(text, "VmRSS");
}

struct stats_fs usage_fs(const char *path)
{
    struct statvfs fs;
    if (path[0] == '\0' || statvfs(path, &fs) != 0) {
        return stats_no_fs();
    }
    return (struct stats_fs){.capacity = (uint64_t)fs.f_blocks * fs.f_frsize,
                             .available = (uint64_t)fs.f_bavail * fs.f_frsize,
                             .used = (uint64_t)(fs.f_blocks - fs.f_bfree) * fs.f_frsize,
                             .inodes = fs.f_files,
                             .inodes_free = fs.f_ffree,
                             .inodes_used = fs.f_files - fs.f_ffree};
}

/* ---- networks ---- */

/* As cAdvisor leaves them out. */
static bool is_of_interest(struct cor_view name)
{
    return name.len > 0 && name.len < STATS_NAME_MAX && !cor_view_is(name, "lo") &&
           !cor_view_starts(name, "veth") && !cor_view_starts(name, "docker") &&
           !cor_view_starts(name, "nerdctl");
}

/* A line of /proc/net/dev behind the name. */
static bool read_counts(struct cor_view line, struct stats_net *net)
{
    enum { COLUMNS = 16, TRANSMIT = 8 };
    uint64_t n[COLUMNS] = {0};
    struct cor_view field;
    size_t count = 0;
    while (count < COLUMNS && cor_view_split(&line, ' ', &field)) {
        if (field.len > 0 && !cor_view_u64(field, &n[count++])) {
            return false;
        }
    }
    net->rx_bytes = n[0];
    net->rx_packets = n[1];
    net->rx_errors = n[2];
    net->rx_dropped = n[3];
    net->tx_bytes = n[TRANSMIT];
    net->tx_packets = n[TRANSMIT + 1];
    net->tx_errors = n[TRANSMIT + 2];
    net->tx_dropped = n[TRANSMIT + 3];
    return count == COLUMNS;
}

size_t usage_nets(const struct usage_place *place, long pid, struct stats_net *out)
{
    auto_(cor_freep) char *text =
        read_text(pid == 0 ? cor_sprintf("%s/net/dev", place->proc)
                           : cor_sprintf("%s/%ld/net/dev", place->proc, pid));
    struct cor_view rest = cor_view_of(text);
    struct cor_view line;
    size_t count = 0;
    while (count < STATS_NETS_MAX && cor_view_split(&rest, '\n', &line)) {
        struct cor_view name = {0};
        if (memchr(line.ptr, ':', line.len) == NULL || !cor_view_split(&line, ':', &name)) {
            continue; /* the head */
        }
        name = cor_view_trim(name);
        if (is_of_interest(name) && read_counts(line, &out[count])) {
            (void)snprintf(out[count].name, sizeof(out[count].name), "%.*s", COR_VIEW_ARG(name));
            count++;
        }
    }
    return count;
}
