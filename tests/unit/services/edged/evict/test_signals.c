// SPDX-License-Identifier: Apache-2.0
#include "services/edged/evict/signals.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/support/process.h"

static void put(const char *dir, const char *path, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *whole = cor_sprintf("%s/%s", dir, path);
    auto_(cor_freep) char *folder = cor_memdup(whole, (size_t)(strrchr(whole, '/') - whole));
    must(cor_mkdirs(folder, 0755, &err) == COR_OK);
    must(cor_file_write(whole, cor_view_of(text), 0644, &err) == COR_OK);
}

static void what_is_left_is_read(void **state)
{
    const char *dir = *state;
    struct evict_seen seen[EVICT_SIGNALS];
    const struct signals_place place = {.root = dir, .node_folder = dir, .image_folder = ""};
    signals_read(&place, seen);
    assert_false(seen[EVICT_MEMORY].known);
    assert_false(seen[EVICT_PIDS].known);
    assert_false(seen[EVICT_IMAGEFS].known);
    assert_true(seen[EVICT_NODEFS].known);
    assert_true(seen[EVICT_NODEFS].available <= seen[EVICT_NODEFS].capacity);
    put(dir, "proc/meminfo", "MemTotal: 1000 kB\nMemFree: 300 kB\nInactive(file): 100 kB\n");
    put(dir, "proc/sys/kernel/pid_max", "4194304\n");
    signals_read(&place, seen);
    assert_true(seen[EVICT_MEMORY].known);
    assert_int_equal(seen[EVICT_MEMORY].capacity, 1000 * 1024);
    assert_int_equal(seen[EVICT_MEMORY].available, 400 * 1024);
    assert_int_equal(seen[EVICT_PIDS].capacity, 4194304);
    put(dir, "sys/fs/cgroup/memory/memory.usage_in_bytes", "819200\n");
    put(dir, "sys/fs/cgroup/memory/memory.stat", "total_inactive_file 102400\n");
    signals_read(&place, seen);
    assert_int_equal(seen[EVICT_MEMORY].available, 300 * 1024);
    assert_int_equal(signals_memory_used(&place), 819200);
}

static void the_kernel_is_asked_to_wake(void **state)
{
    const char *dir = *state;
    const struct signals_place place = {.root = dir, .node_folder = dir, .image_folder = ""};
    assert_int_equal(signals_notify(&place, 1000), -1);
    put(dir, "sys/fs/cgroup/memory/memory.usage_in_bytes", "1\n");
    put(dir, "sys/fs/cgroup/memory/cgroup.event_control", "");
    auto_(cor_fd_close) int fd = signals_notify(&place, 123456);
    assert_true(fd >= 0);
    auto_(cor_freep) char *said = test_read(dir, "sys/fs/cgroup/memory/cgroup.event_control");
    auto_(cor_freep) char *begin = cor_sprintf("%d ", fd);
    assert_int_equal(strncmp(said, begin, strlen(begin)), 0);
    assert_non_null(strstr(said, " 123456"));
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
    const struct CMUnitTest tests[] = {CASE(what_is_left_is_read),
                                       CASE(the_kernel_is_asked_to_wake)};
    return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
