// SPDX-License-Identifier: Apache-2.0
// The passes of the controllers over a real store, with a clock of the test's own.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kl_test.h"
#include "services/kubelite/controller.h"

struct fixture {
    char folder[64];
    struct kl_api api;
};

static int setup(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    (void)snprintf(f->folder, sizeof(f->folder), "/tmp/kl-controllers.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    auto_(cor_freep) char *path = cor_sprintf("%s/kube.db", f->folder);
    f->api.loop = cor_loop_new();
    f->api.log = cor_log_new("test", COR_LEVEL_WARN);
    f->api.kinds = kl_kinds_new();
    f->api.ca_pem = "CA";
    assert_int_equal(kl_storage_open(path, f->api.loop, &f->api.storage, NULL), COR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm", ".lock"};
    struct fixture *f = *state;
    struct cor_log *log = (struct cor_log *)(uintptr_t)f->api.log;
    kl_storage_close(&f->api.storage);
    kl_kinds_free(&f->api.kinds);
    cor_log_free(&log);
    cor_loop_free(&f->api.loop);
    for (size_t i = 0; i < COR_COUNT(ends); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/kube.db%s", f->folder, ends[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(f->folder), 0);
    cor_free(f);
    return 0;
}

static void on_settled(void *self, enum cor_code code, const struct cor_err *err,
                       const struct kl_change *change)
{
    (void)err;
    (void)change;
    assert_int_equal(code, COR_OK);
    cor_loop_stop(self);
}

/* What was decided is committed, so that passes see it. */
static void settle(struct fixture *f)
{
    struct cor_loop *loop = f->api.loop;
    assert_int_equal(kl_storage_settle(f->api.storage, on_settled, loop, NULL), COR_OK);
    cor_loop_run(loop);
}

/* Pods need an account. */
static void create_account(struct fixture *f)
{
    kl_own_create(&f->api, kl_builtin(KL_SERVICEACCOUNT),
                  test_json("{'metadata':{'name':'default','namespace':'d'}}"));
    settle(f);
}

static void create(struct fixture *f, enum kl_builtin kind, const char *text)
{
    kl_own_create(&f->api, kl_builtin(kind), test_json(text));
    settle(f);
}

static struct cor_json *get(struct fixture *f, enum kl_builtin kind, const char *ns,
                            const char *name)
{
    return kl_storage_get(f->api.storage, kl_builtin(kind), ns, name);
}

#define NODE                                                                                       \
    "{'metadata':{'name':'n1'},'status':{'conditions':[{'type':'Ready','status':'True'},{'type':"  \
    "'DiskPressure','status':'False'}]}}"

static void test_late_node(void **state)
{
    struct fixture *f = *state;
    struct cor_wall now = cor_wall_now();
    create(f, KL_NODE, NODE);
    kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(39)});
    auto_(cor_json_free) struct cor_json *fine = get(f, KL_NODE, NULL, "n1");
    assert_null(cor_json_at(fine, "spec.taints"));
    kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(42)});
    auto_(cor_json_free) struct cor_json *late = get(f, KL_NODE, NULL, "n1");
    const struct cor_json *conditions = cor_json_at(late, "status.conditions");
    for (size_t i = 0; i < cor_json_count(conditions); i++) {
        assert_string_equal(cor_json_str_at(cor_json_item(conditions, i), "status", ""), "Unknown");
    }
    const struct cor_json *taints = cor_json_at(late, "spec.taints");
    assert_int_equal(cor_json_count(taints), 2);
    assert_string_equal(cor_json_str_at(cor_json_item(taints, 0), "key", ""),
                        "node.kubernetes.io/unreachable");
}

/* Nobody looks at nodes before one can be late, nor never again. */
static void test_when_to_look_again(void **state)
{
    struct fixture *f = *state;
    struct cor_wall now = cor_wall_now();
    assert_int_equal(kl_nodes_pass(&f->api, now), COR_SEC(40));
    create(f, KL_NODE, NODE);
    int64_t young = kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(10)});
    assert_in_range(young, COR_SEC(28), COR_SEC(31));
    assert_int_equal(kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(38)}), COR_SEC(5));
    assert_int_equal(kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(50)}), COR_SEC(5));
    assert_int_equal(kl_nodes_pass(&f->api, (struct cor_wall){now.us - COR_SEC(900)}), COR_SEC(40));
}

static void test_lease_keeps_a_node_alive(void **state)
{
    struct fixture *f = *state;
    struct cor_wall now = cor_wall_now();
    char time[COR_RFC3339_SIZE];
    cor_wall_format_us((struct cor_wall){now.us + COR_SEC(100)}, time);
    create(f, KL_NODE, NODE);
    auto_(cor_freep) char *lease = cor_sprintf(
        "{'metadata':{'name':'n1','namespace':'kube-node-lease'},'spec':{'renewTime':'%s'}}", time);
    create(f, KL_LEASE, lease);
    kl_nodes_pass(&f->api, (struct cor_wall){now.us + COR_SEC(130)});
    auto_(cor_json_free) struct cor_json *node = get(f, KL_NODE, NULL, "n1");
    assert_null(cor_json_at(node, "spec.taints"));
}

static void test_pods_of_lost_nodes(void **state)
{
    static const char pod[] = "{'metadata':{'namespace':'d'},'spec':{'nodeName':'gone',"
                              "'containers':[{'name':'c','image':'i'}]}}";
    struct fixture *f = *state;
    static const char *const names[] = {"ran", "pinned"};
    create_account(f);
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        auto_(cor_json_free) struct cor_json *object = test_json(pod);
        cor_json_set_at(object, "metadata.name", cor_json_str(names[i]));
        kl_own_create(&f->api, kl_builtin(KL_POD), cor_json_ref(object));
    }
    settle(f);
    struct cor_json *started = get(f, KL_POD, "d", "ran");
    struct cor_json *old = cor_json_copy(started);
    cor_json_set_at(started, "status.startTime", cor_json_str("2020-01-01T00:00:00Z"));
    kl_own_update(&f->api, kl_builtin(KL_POD), started, old);
    settle(f);
    kl_podgc_pass(&f->api);
    assert_null(get(f, KL_POD, "d", "ran"));
    auto_(cor_json_free) struct cor_json *pinned = get(f, KL_POD, "d", "pinned");
    assert_non_null(pinned);
}

static void test_events_end(void **state)
{
    struct fixture *f = *state;
    struct cor_wall now = cor_wall_now();
    create(f, KL_EVENT,
           "{'metadata':{'name':'e','namespace':'d'},'involvedObject':{'namespace':'d'}}");
    kl_events_pass(&f->api, (struct cor_wall){now.us + COR_SEC(3500)});
    auto_(cor_json_free) struct cor_json *there = get(f, KL_EVENT, "d", "e");
    assert_non_null(there);
    kl_events_pass(&f->api, (struct cor_wall){now.us + COR_SEC(3610)});
    assert_null(get(f, KL_EVENT, "d", "e"));
}

static void test_scheduling(void **state)
{
    struct fixture *f = *state;
    create_account(f);
    create(f, KL_POD,
           "{'metadata':{'name':'p','namespace':'d'},'spec':{'containers':[{'name':'c','image':"
           "'i'}]}}");
    assert_true(kl_schedule_pass(&f->api));
    auto_(cor_json_free) struct cor_json *waits = get(f, KL_POD, "d", "p");
    const struct cor_json *condition = cor_json_item(cor_json_at(waits, "status.conditions"), 0);
    assert_string_equal(cor_json_str_at(condition, "reason", ""), "Unschedulable");
    create(f, KL_NODE, NODE);
    assert_false(kl_schedule_pass(&f->api));
    auto_(cor_json_free) struct cor_json *bound = get(f, KL_POD, "d", "p");
    assert_string_equal(cor_json_str_at(bound, "spec.nodeName", ""), "n1");
}

static void test_namespaces_are_furnished(void **state)
{
    struct fixture *f = *state;
    create(f, KL_NAMESPACE, "{'metadata':{'name':'d'}}");
    kl_namespaces_pass(&f->api);
    auto_(cor_json_free) struct cor_json *account = get(f, KL_SERVICEACCOUNT, "d", "default");
    auto_(cor_json_free) struct cor_json *config = get(f, KL_CONFIGMAP, "d", "kube-root-ca.crt");
    assert_non_null(account);
    assert_string_equal(cor_json_as_str(cor_json_get(cor_json_get(config, "data"), "ca.crt"), ""),
                        "CA");
}

static void test_history_and_versions(void **state)
{
    struct fixture *f = *state;
    int64_t before = kl_storage_rv(f->api.storage);
    create(f, KL_CONFIGMAP, "{'metadata':{'name':'c','namespace':'d'}}");
    assert_int_equal(kl_storage_rv(f->api.storage), before + 1);
    assert_int_equal(
        kl_storage_history(f->api.storage, kl_builtin(KL_CONFIGMAP), before + 2, NULL, NULL),
        COR_GONE);
    assert_int_equal(
        kl_storage_history(f->api.storage, kl_builtin(KL_CONFIGMAP), before + 1, NULL, NULL),
        COR_OK);
}

static void test_long_passes_are_followed_by_rest(void **state)
{
    static const int64_t ROWS[][2] = {
        {0, 0},
        {999, 0},
        {1000, 4000},
        {100000, 400000},
        {500000, 2000000},
        {500001, 2000000},
        {INT64_MAX, 2000000},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(kl_rest_us(ROWS[i][0]), ROWS[i][1]);
    }
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_late_node),
        TEST(test_when_to_look_again),
        TEST(test_lease_keeps_a_node_alive),
        TEST(test_pods_of_lost_nodes),
        TEST(test_events_end),
        TEST(test_scheduling),
        TEST(test_namespaces_are_furnished),
        TEST(test_history_and_versions),
        TEST(test_long_passes_are_followed_by_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
