// SPDX-License-Identifier: Apache-2.0
// What cgroups (version 1 and 2), /proc and statvfs tell of use: small files that the kernel makes
// up, so reading them does not wait for a disk. What a file does not tell stays unknown. Any
// thread.
#ifndef EDGED_USAGE_H
#define EDGED_USAGE_H

#include "stats.h"

/* Where things are; "/sys/fs/cgroup" and "/proc" but in tests. Borrowed. */
struct usage_place {
    const char *cgroups;
    const char *proc;
    bool unified; /* cgroups is version 2 */
};

/* The place; looks which version there is. */
struct usage_place usage_place_at(const char *cgroups, const char *proc);

/* CPU, memory (what the limit leaves included) and, unless processes is NULL, processes of a
 * cgroup: "/kubepods/pod1". Times are now_ns. */
void usage_of_cgroup(const struct usage_place *place, const char *cgroup, int64_t now_ns,
                     struct stats_cpu *cpu, struct stats_memory *memory, uint64_t *processes);

/* The same of the whole node with total bytes of memory. */
void usage_of_node(const struct usage_place *place, int64_t now_ns, uint64_t total,
                   struct stats_cpu *cpu, struct stats_memory *memory);

/* Some process in the cgroup; 0: there is none. */
long usage_process(const struct usage_place *place, const char *cgroup);

/* Interfaces of the network that process pid is in, 0: this one, but those without interest: the
 * loopback and the node's ends of pods' networks. Returns how many; at most STATS_NETS_MAX. */
size_t usage_nets(const struct usage_place *place, long pid, struct stats_net *out);

/* The file system that path is on. */
struct stats_fs usage_fs(const char *path);

/* When the machine was started; 0: unknown. */
int64_t usage_booted_ns(const struct usage_place *place);

/* Highest number of processes, and how many there are; STATS_UNKNOWN. */
void usage_pids(const struct usage_place *place, uint64_t *most_r, uint64_t *now_r);

/* Resident memory of this process, in bytes; STATS_UNKNOWN. */
uint64_t usage_own_rss(const struct usage_place *place);

#endif
