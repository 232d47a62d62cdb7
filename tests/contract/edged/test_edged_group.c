// SPDX-License-Identifier: Apache-2.0
// What a whole Pod is limited to, and huge pages, on a real edged and containerd. How many huge
// pages the machine has is what the test says.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

static char *machine(void)
{
    return cor_sprintf("%s/machine", getenv("TEST_DIR"));
}

static int set_up(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *root = machine();
    auto_(cor_freep) char *pages = cor_sprintf("%s/sys/kernel/mm/hugepages/hugepages-2048kB", root);
    auto_(cor_freep) char *file = cor_sprintf("%s/nr_hugepages", pages);
    must(cor_mkdirs(pages, 0755, &err) == COR_OK);
    must(cor_file_write(file, COR_VIEW("4\n"), 0644, &err) == COR_OK);
    auto_(cor_freep) char *more =
        cor_sprintf("  pids-limit: 20\nevict:\n  hard: []\n  root: %s\n", root);
    return cloud_set_up_with(state, more);
}

/* The first of the files that is there: the group below kubepods in version 1, or 2. */
static char *group_value(const char *group, const char *v1, const char *v2)
{
    const char *const at[] = {v1, v2};
    for (size_t i = 0; i < COR_COUNT(at); i++) {
        char controller[16] = "";
        (void)snprintf(controller, sizeof(controller), "%.*s/", (int)strcspn(at[i], "."), at[i]);
        auto_(cor_freep) char *path =
            cor_sprintf("/sys/fs/cgroup/%s%s/kubepods/%s/%s", i == 0 ? controller : "",
                        getenv("TEST_CGROUP"), group, at[i]);
        auto_(cor_buf_free) struct cor_buf text = {0};
        if (cor_file_read(path, 256, &text, NULL) == COR_OK) {
            return cor_buf_take(&text);
        }
    }
    return cor_strdup("no such file");
}

static char *written(const struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", cloud->dir, name);
    auto_(cor_buf_free) struct cor_buf text = {0};
    return cor_file_read(path, 65536, &text, NULL) == COR_OK ? cor_buf_take(&text) : cor_strdup("");
}

static bool has_tried(struct cloud *cloud, void *name)
{
    auto_(cor_freep) char *text = written(cloud, name);
    return strstr(text, "done") != NULL;
}

/* The group of the Pod holds all of its containers: it may have no more processes than the node
 * says, and no more memory than they together. */
static void test_group(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'containers':[{'name':'c','image':'coracle.local/busybox:1','resources':{'limits':{"
        "'cpu':'500m','memory':'64Mi'}},'command':['/bin/sh','-c','(for i in $(seq 60); do sleep "
        "600 & done) > /out/forks 2>&1; echo done >> /out/forks; sleep 600'],'volumeMounts':[{"
        "'name':'out','mountPath':'/out'}]},{'name':'d','image':'coracle.local/busybox:1',"
        "'resources':{'limits':{'cpu':'1','memory':'32Mi'}},'command':['sleep','600']}],'volumes':["
        "{'name':'out','hostPath':{'path':'%s'}}]}",
        cloud->dir);
    cloud_put_pod(cloud, "many", spec);
    cloud_put_pod(cloud, "level",
                  "{'resources':{'limits':{'memory':'48Mi'}},'containers':[{'name':'c','image':"
                  "'coracle.local/busybox:1','command':['sleep','600']}]}");
    (void)cloud_await(cloud, has_tried, CLOUD_NAME("forks"), PATIENCE, "it has tried");
    auto_(cor_freep) char *forks = written(cloud, "forks");
    assert_non_null(strstr(forks, "can't fork"));
    auto_(cor_freep) char *pids = group_value("poduid-many", "pids.max", "pids.max");
    auto_(cor_freep) char *memory =
        group_value("poduid-many", "memory.limit_in_bytes", "memory.max");
    auto_(cor_freep) char *shares = group_value("poduid-many", "cpu.shares", "cpu.weight");
    assert_string_equal(pids, "20\n");
    assert_string_equal(memory, "100663296\n");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("level"), PATIENCE, "the other runs");
    auto_(cor_freep) char *level =
        group_value("burstable/poduid-level", "memory.limit_in_bytes", "memory.max");
    assert_string_equal(level, "50331648\n"); /* the Pod's own limit */
    assert_true(strcmp(shares, "1536\n") == 0 || strcmp(shares, "59\n") == 0);
    cloud_delete_pods(cloud);
    auto_(cor_freep) char *gone = group_value("poduid-many", "pids.max", "pids.max");
    assert_string_equal(gone, "no such file");
}

static bool has_pages(struct cloud *cloud, void *with)
{
    (void)with;
    const struct cor_json *status = cor_json_get(cloud->node, "status");
    return strcmp(
               cor_json_as_str(cor_json_get(cor_json_get(status, "capacity"), "hugepages-2Mi"), ""),
               "8192Ki") == 0;
}

static bool is_refused(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_status(cloud, name), "reason", ""), "OutOfhugepages-2Mi") ==
           0;
}

#define ASKS(cpu)                                                                                  \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['sleep','600'],"      \
    "'resources':{'requests':{'cpu':'" cpu "'}}}],'terminationGracePeriodSeconds':0}"

static bool has_shares(struct cloud *cloud, void *wanted)
{
    const char *const *either = wanted;
    auto_(cor_freep) char *is = group_value("burstable", "cpu.shares", "cpu.weight");
    (void)cloud;
    return strcmp(is, either[0]) == 0 || strcmp(is, either[1]) == 0;
}

static void await_shares(struct cloud *cloud, const char *shares, const char *weight)
{
    const char *either[] = {shares, weight};
    (void)cloud_await(cloud, has_shares, either, PATIENCE, shares);
}

/* The Burstable Pods together have what they ask for, whoever comes and goes; the BestEffort ones
 * have the least there is. */
static void test_tiers(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "one", ASKS("250m"));
    await_shares(cloud, "256\n", "10\n");
    cloud_put_pod(cloud, "two", ASKS("500m"));
    await_shares(cloud, "768\n", "30\n");
    auto_(cor_freep) char *rest = group_value("besteffort", "cpu.shares", "cpu.weight");
    assert_true(strcmp(rest, "2\n") == 0 || strcmp(rest, "1\n") == 0);
    cloud_delete_pods(cloud);
    await_shares(cloud, "2\n", "1\n");
}

#define PAGES(bytes, rest)                                                                         \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','resources':{'limits':{"         \
    "'hugepages-2Mi':'" bytes "','memory':'32Mi','cpu':'1'}}," rest "}]"

/* They are counted by the node; a Pod may have them as a volume. */
static void test_pages(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_pages, NULL, PATIENCE, "the node has huge pages");
    auto_(cor_freep) char *spec = cor_sprintf(
        PAGES("6Mi", "'command':['/bin/sh','-c','grep /pages /proc/mounts > /out/mounts; echo done "
                     ">> /out/mounts; sleep 600'],'volumeMounts':[{'name':'pages','mountPath':"
                     "'/pages'},{'name':'out','mountPath':'/out'}]") ",'volumes':[{'name':'pages',"
                                                                     "'emptyDir':{'medium':'"
                                                                     "HugePages'}},{'name':'out','"
                                                                     "hostPath':{'path':'%s'}}]}",
        cloud->dir);
    cloud_put_pod(cloud, "pages", spec);
    (void)cloud_await(cloud, has_tried, CLOUD_NAME("mounts"), PATIENCE, "it has looked");
    auto_(cor_freep) char *mounts = written(cloud, "mounts");
    assert_non_null(strstr(mounts, " hugetlbfs "));
    assert_non_null(strstr(mounts, "pagesize=2M"));
    cloud_put_pod(cloud, "more", PAGES("4Mi", "'command':['sleep','600']") "}");
    (void)cloud_await(cloud, is_refused, CLOUD_NAME("more"), PATIENCE, "there are no more");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, "more"), "message", ""),
                        "Pod was rejected: Node didn't have enough resource: hugepages-2Mi, "
                        "requested: 4194304, used: 6291456, capacity: 8388608");
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_group, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_tiers, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_pages, set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged group", tests, NULL, NULL);
}
