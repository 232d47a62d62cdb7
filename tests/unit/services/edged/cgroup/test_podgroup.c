// SPDX-License-Identifier: Apache-2.0
// Limits of Pods' cgroups and huge pages, with files as the kernel would have them.
#include "../fixture.h"
#include "common/base/file.h"
#include "services/edged/cgroup/groupfs.h"
#include "tests/support/process.h"

#define LIMITS(cpu, memory) "'resources':{'limits':{'cpu':'" cpu "','memory':'" memory "'}}"

static const struct huge two_sizes = {
    .sizes = {{"hugepages-2Mi", "2MB", 2 << 20, 8}, {"hugepages-1Gi", "1GB", 1 << 30, 0}},
    .count = 2};

static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int64_t shares, quota, memory, small, large;
    } rows[] = {
        {"{'containers':[{'name':'c','image':'i'}]}", 2, 0, 0, 0, 0},
        {"{'containers':[{'name':'c','image':'i'," LIMITS("500m", "1Ki") "}]}", 512, 50000, 1024, 0,
         0},
        {"{'containers':[{'name':'c','image':'i'," LIMITS(
             "500m", "1Ki") "},{'name':'d','image':"
                            "'i'," LIMITS("1",
                                          "2Ki") "}],'overhead':{'cpu':'250m','memory':'100'}}",
         1792, 175000, 3172, 0, 0},
        /* one without a limit has no end */
        {"{'containers':[{'name':'c','image':'i'," LIMITS(
             "500m", "1Ki") "},{'name':'d','image':"
                            "'i','resources':{'limits':{'memory':'1Ki'}}}]}",
         512, 0, 2048, 0, 0},
        {"{'containers':[{'name':'c','image':'i','resources':{'requests':{'cpu':'1'}}}]}", 1024, 0,
         0, 0, 0},
        /* init containers are alone, but for the sidecars before them */
        {"{'initContainers':[{'name':'s','image':'i','restartPolicy':'Always'," LIMITS(
             "1",
             "1Ki") "},{'name':'i','image':'i'," LIMITS("2",
                                                        "4Ki") "}],'containers':[{"
                                                               "'name':'c','image':'i'," LIMITS(
                                                                   "500m", "1Ki") "}]}",
         3072, 300000, 5120, 0, 0},
        {"{'containers':[{'name':'c','image':'i','resources':{'limits':{'hugepages-2Mi':'4Mi',"
         "'cpu':'1','memory':'1Ki'}}},{'name':'d','image':'i','resources':{'limits':{"
         "'hugepages-2Mi':'2Mi','hugepages-1Gi':'1Gi','cpu':'1','memory':'1Ki'}}}]}",
         2048, 200000, 2048, 6 << 20, 1 << 30},
        /* the Pod's own limit, whatever its containers have */
        {"{'resources':{'limits':{'cpu':'2','memory':'8Ki'}},'containers':[{'name':'c','image':'i',"
         "" LIMITS("500m", "1Ki") "},{'name':'d','image':'i'}],'overhead':{'memory':'100'}}",
         512, 200000, 8292, 0, 0},
        {"{'resources':{'limits':{'memory':'8Ki'},'requests':{'cpu':'1'}},'containers':[{'name':'c'"
         ",'image':'i'}]}",
         1024, 0, 8192, 0, 0},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(pod_free) struct pod *pod = pod_of(rows[i].spec);
        struct podgroup out;
        podgroup_limits(pod, &two_sizes, 0, &out);
        if (out.cpu_shares != rows[i].shares || out.cpu_quota != rows[i].quota ||
            out.memory != rows[i].memory || out.pages[0] != rows[i].small ||
            out.pages[1] != rows[i].large) {
            fail_msg("row %zu: %lld %lld %lld %lld %lld", i, (long long)out.cpu_shares,
                     (long long)out.cpu_quota, (long long)out.memory, (long long)out.pages[0],
                     (long long)out.pages[1]);
        }
    }
}

static void put(const char *dir, const char *path, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *whole = cor_sprintf("%s/%s", dir, path);
    auto_(cor_freep) char *folder = cor_memdup(whole, (size_t)(strrchr(whole, '/') - whole));
    assert_int_equal(cor_mkdirs(folder, 0755, &err), COR_OK);
    assert_int_equal(cor_file_write(whole, cor_view_of(text), 0644, &err), COR_OK);
}

static void holds(const char *dir, const char *path, const char *text)
{
    auto_(cor_freep) char *found = test_read(dir, path);
    if (strcmp(found, text) != 0) {
        fail_msg("%s: \"%s\", not \"%s\"", path, found, text);
    }
}

#define FULL                                                                                       \
    "{'containers':[{'name':'c','image':'i','resources':{'limits':{'cpu':'500m','memory':'1Mi',"   \
    "'hugepages-2Mi':'4Mi'}}}]}"

static void set_full(const char *root)
{
    auto_(pod_free) struct pod *pod = pod_of(FULL);
    struct podgroup limits;
    struct cor_err err = COR_ERR_NONE;
    podgroup_limits(pod, &two_sizes, 100, &limits);
    if (groupfs_set(root, "/a/pod1", &limits, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
}

/* Version 1, where each controller has a hierarchy; hugetlb is in the unified one. A file that is
 * not there is left out. */
static void test_version_1(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    static const char *const files[] = {
        "cpu/a/pod1/cpu.shares",         "cpu/a/pod1/cpu.cfs_period_us",
        "cpu/a/pod1/cpu.cfs_quota_us",   "memory/a/pod1/memory.limit_in_bytes",
        "pids/a/pod1/pids.max",          "unified/a/pod1/hugetlb.2MB.max",
        "unified/cgroup.subtree_control"};
    for (size_t i = 0; i < COR_COUNT(files); i++) {
        put(dir, files[i], "");
    }
    put(dir, "unified/cgroup.controllers", "hugetlb\n");
    set_full(dir);
    holds(dir, files[0], "512");
    holds(dir, files[1], "100000");
    holds(dir, files[2], "50000");
    holds(dir, files[3], "1048576");
    holds(dir, files[4], "100");
    holds(dir, files[5], "4194304");
    holds(dir, files[6], "+hugetlb"); /* for hugetlb.1GB.max, which is not there */
    holds(dir, "unified/a/pod1/hugetlb.1GB.max", "");
    test_dir_free(&dir);
}

/* Version 2: controllers are passed on from the top. */
static void test_version_2(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    static const char *const files[] = {"a/pod1/cpu.weight", "a/pod1/cpu.max", "a/pod1/pids.max"};
    for (size_t i = 0; i < COR_COUNT(files); i++) {
        put(dir, files[i], "");
    }
    put(dir, "cgroup.controllers", "cpuset cpu memory pids\n");
    put(dir, "cgroup.subtree_control", "");
    put(dir, "a/cgroup.subtree_control", "");
    put(dir, "a/pod1/cgroup.subtree_control", "");
    set_full(dir);
    holds(dir, files[0], "20");
    holds(dir, files[1], "50000 100000");
    holds(dir, files[2], "100");
    holds(dir, "cgroup.subtree_control", "+memory");
    holds(dir, "a/cgroup.subtree_control", "+memory");
    holds(dir, "a/pod1/cgroup.subtree_control", "");
    test_dir_free(&dir);
}

static void test_machine(void **state)
{
    (void)state;
    char *dir = test_dir_new();
    struct huge huge;
    int64_t bytes = -1;
    huge_read(dir, &huge);
    assert_int_equal(huge.count, 0);
    put(dir, "sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "1\n");
    put(dir, "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "64\n");
    put(dir, "sys/kernel/mm/hugepages/hugepages-64kB/nr_hugepages", "junk\n");
    put(dir, "sys/kernel/mm/hugepages/hugepages-64kB/free_hugepages", "5\n");
    put(dir, "sys/kernel/mm/hugepages/other/nr_hugepages", "5\n");
    huge_read(dir, &huge);
    assert_int_equal(huge.count, 3);
    assert_string_equal(huge.sizes[0].resource, "hugepages-64Ki");
    assert_string_equal(huge.sizes[0].page, "64KB");
    assert_int_equal(huge.sizes[0].pages, 0);
    assert_string_equal(huge.sizes[1].resource, "hugepages-2Mi");
    assert_string_equal(huge.sizes[1].page, "2MB");
    assert_string_equal(huge.sizes[2].resource, "hugepages-1Gi");
    assert_string_equal(huge.sizes[2].page, "1GB");
    assert_int_equal(huge_total(&huge), (1 << 30) + (128 << 20));
    assert_true(huge_find(&huge, "hugepages-2Mi", &bytes));
    assert_int_equal(bytes, 128 << 20);
    assert_false(huge_find(&huge, "hugepages-3Mi", &bytes));
    test_dir_free(&dir);
}

static void test_medium(void **state)
{
    (void)state;
#define POD(medium, a, b)                                                                          \
    "{'containers':[{'name':'c','image':'i','resources':{'limits':{" a "}}},{'name':'d','image':"  \
    "'i','resources':{'limits':{" b "}}}],'volumes':[{'name':'v','emptyDir':{'medium':'" medium    \
    "'}}]}"
    static const struct {
        const char *spec;
        const char *size;
        const char *error;
    } rows[] = {
        {POD("HugePages", "'hugepages-2Mi':'2Mi'", "'hugepages-2Mi':'2Mi'"), "2Mi", ""},
        {POD("HugePages-2Mi", "'hugepages-2Mi':'2Mi'", "'hugepages-1Gi':'1Gi'"), "2Mi", ""},
        {POD("HugePages-2048Ki", "'hugepages-2Mi':'2Mi'", ""), "2Mi", ""},
        {POD("HugePages", "'hugepages-2Mi':'2Mi'", "'hugepages-1Gi':'1Gi'"), "",
         "medium: HugePages can't be used if container requests multiple huge page sizes"},
        {POD("HugePages", "", ""), "",
         "medium HugePages: hugePages storage requested, but there is no resource request for huge "
         "pages"},
        {POD("HugePages-1Gi", "'hugepages-2Mi':'2Mi'", ""), "",
         "medium HugePages-1Gi: hugePages storage requested, but there is no resource request for "
         "huge pages"},
        {POD("HugePages-x", "'hugepages-2Mi':'2Mi'", ""), "",
         "medium HugePages-x: its size is no quantity"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(pod_free) struct pod *pod = pod_of(rows[i].spec);
        const char *size = "";
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = huge_medium(pod, &pod->volumes[0], &size, &err);
        assert_string_equal(err.text, rows[i].error);
        assert_string_equal(size, rows[i].size);
        assert_int_equal(code == COR_OK, rows[i].error[0] == '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2), cmocka_unit_test(test_machine),
        cmocka_unit_test(test_medium),
    };
    return cmocka_run_group_tests_name("pod group", tests, NULL, NULL);
}
