// SPDX-License-Identifier: Apache-2.0
#include "services/edged/stats/usage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/support/process.h"

static const int64_t NOW = 1700000000000000000;

static void put(const char *dir, const char *path, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *whole = cor_sprintf("%s/%s", dir, path);
    auto_(cor_freep) char *folder = cor_memdup(whole, (size_t)(strrchr(whole, '/') - whole));
    must(cor_mkdirs(folder, 0755, &err) == COR_OK);
    must(cor_file_write(whole, cor_view_of(text), 0644, &err) == COR_OK);
}

static void version_1_is_read(void **state)
{
    const char *dir = *state;
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t processes = 0;
    struct usage_place place = usage_place_at(dir, dir);
    put(dir, "cpuacct/a/b/cpuacct.usage", "123456789\n");
    put(dir, "memory/a/b/memory.usage_in_bytes", "1000000\n");
    put(dir, "memory/a/b/memory.limit_in_bytes", "4000000\n");
    put(dir, "memory/a/b/memory.stat",
        "cache 1\ntotal_rss_huge 7\ntotal_rss 300\ntotal_cache 400\ntotal_inactive_file 250000\n"
        "total_pgfault 12\ntotal_pgmajfault 3\n");
    put(dir, "pids/a/b/pids.current", "5\n");
    assert_false(place.unified);
    usage_of_cgroup(&place, "/a/b", NOW, &cpu, &memory, &processes);
    assert_int_equal(cpu.total_ns, 123456789);
    assert_int_equal(cpu.time_ns, NOW);
    assert_int_equal(memory.usage, 1000000);
    assert_int_equal(memory.working_set, 750000);
    assert_int_equal(memory.available, 3250000);
    assert_int_equal(memory.rss, 300);
    assert_int_equal(memory.cache, 400);
    assert_int_equal(memory.faults, 12);
    assert_int_equal(memory.major_faults, 3);
    assert_int_equal(processes, 5);
    put(dir, "memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    usage_of_cgroup(&place, "/a/b", NOW, &cpu, &memory, NULL);
    assert_int_equal(memory.limit, STATS_UNKNOWN);
    assert_int_equal(memory.available, STATS_UNKNOWN);
}

static void version_2_is_read(void **state)
{
    const char *dir = *state;
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t processes = 0;
    put(dir, "cgroup.controllers", "cpu memory pids\n");
    struct usage_place place = usage_place_at(dir, dir);
    put(dir, "a/cpu.stat", "usage_usec 42\nuser_usec 40\n");
    put(dir, "a/memory.current", "5000\n");
    put(dir, "a/memory.max", "max\n");
    put(dir, "a/memory.stat", "anon 10\nfile 20\ninactive_file 6000\npgfault 1\npgmajfault 0\n");
    put(dir, "a/pids.current", "2\n");
    put(dir, "a/cgroup.procs", "77\n78\n");
    assert_true(place.unified);
    usage_of_cgroup(&place, "/a", NOW, &cpu, &memory, &processes);
    assert_int_equal(cpu.total_ns, 42000);
    assert_int_equal(memory.usage, 5000);
    assert_int_equal(memory.working_set, 0); /* never less */
    assert_int_equal(memory.limit, STATS_UNKNOWN);
    assert_int_equal(memory.rss, 10);
    assert_int_equal(memory.cache, 20);
    assert_int_equal(processes, 2);
    assert_int_equal(usage_process(&place, "/a"), 77);
    assert_int_equal(usage_process(&place, "/none"), 0);
}

static void what_is_not_there_is_unknown(void **state)
{
    struct stats_cpu cpu;
    struct stats_memory memory;
    uint64_t processes = 0;
    struct usage_place place = usage_place_at(*state, *state);
    put(*state, "memory/x/memory.usage_in_bytes", "not a number\n");
    usage_of_cgroup(&place, "/x", NOW, &cpu, &memory, &processes);
    assert_int_equal(cpu.total_ns, STATS_UNKNOWN);
    assert_int_equal(memory.usage, STATS_UNKNOWN);
    assert_int_equal(memory.working_set, STATS_UNKNOWN);
    assert_int_equal(processes, STATS_UNKNOWN);
}

/* The root of version 2 has no memory.current; of neither here are there files of CPU. */
static void the_node_is_read(void **state)
{
    const char *dir = *state;
    struct stats_cpu cpu;
    struct stats_memory memory;
    put(dir, "cgroup.controllers", "cpu memory pids\n");
    put(dir, "memory.stat", "anon 1\nfile 2\ninactive_file 1024\n");
    put(dir, "meminfo", "MemTotal:       10 kB\nMemFree:        4 kB\nInactive(file):  1 kB\n");
    put(dir, "stat", "cpu  100 20 30 1000 500 5 5 40 0 0\ncpu0 1 1\nbtime 1700000000\n");
    struct usage_place place = usage_place_at(dir, dir);
    usage_of_node(&place, NOW, 10240, &cpu, &memory);
    assert_int_equal(cpu.total_ns, 2000000000); /* 200 ticks of 10 ms */
    assert_int_equal(memory.usage, 6144);
    assert_int_equal(memory.working_set, 5120);
    assert_int_equal(memory.available, 5120);
    assert_int_equal(usage_booted_ns(&place), NOW);
}

static void networks_are_read(void **state)
{
    const char *dir = *state;
    struct stats_net nets[STATS_NETS_MAX];
    struct usage_place place = usage_place_at(dir, dir);
    put(dir, "9/net/dev",
        "Inter-|   Receive      |  Transmit\n face |bytes packets|bytes packets\n"
        "    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0\n"
        "vethab: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  bad: 1 x\n"
        " a_name_that_is_too_long: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n"
        "  eth1:5 0 0 0 0 0 0 0 6 0 0 0 0 0 0 0\n");
    assert_int_equal(usage_nets(&place, 9, nets), 2);
    assert_string_equal(nets[0].name, "eth0");
    assert_int_equal(nets[0].rx_bytes, 100);
    assert_int_equal(nets[0].rx_packets, 10);
    assert_int_equal(nets[0].rx_errors, 1);
    assert_int_equal(nets[0].rx_dropped, 2);
    assert_int_equal(nets[0].tx_bytes, 200);
    assert_int_equal(nets[0].tx_packets, 20);
    assert_int_equal(nets[0].tx_errors, 3);
    assert_int_equal(nets[0].tx_dropped, 4);
    assert_string_equal(nets[1].name, "eth1");
    assert_int_equal(nets[1].rx_bytes, 5);
    assert_int_equal(usage_nets(&place, 10, nets), 0);
}

static int set_up(void **state)
{
    *state = test_dir_new();
    return 0;
}

static int tear_down(void **state)
{
    test_dir_free((char **)state);
    return 0;
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(version_1_is_read), CASE(version_2_is_read), CASE(what_is_not_there_is_unknown),
        CASE(the_node_is_read),  CASE(networks_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
