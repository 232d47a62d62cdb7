// SPDX-License-Identifier: Apache-2.0
// What others write into a Pod while it is here, with a real edged and containerd.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define GATED                                                                                      \
    "{'terminationGracePeriodSeconds':1,'readinessGates':[{'conditionType':'lb'}],'containers':["  \
    "{'name':'c','image':'coracle.local/busybox:1','command':['sleep','1000']}]}"

static const struct cor_json *condition(struct cloud *cloud, const char *name, const char *type)
{
    const struct cor_json *list = cor_json_get(cloud_status(cloud, name), "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_item(list, i);
        }
    }
    return NULL;
}

static bool is_closed(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(condition(cloud, name, "Ready"), "reason", ""),
                  "ReadinessGatesNotReady") == 0;
}

static bool is_ready(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(condition(cloud, name, "Ready"), "status", ""), "True") == 0;
}

/* As a controller does: into the status of the Pod that the API has. */
static void set_gate(struct cloud *cloud, const char *name, const char *status)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", name);
    struct cor_json *pod = cor_json_copy(cor_map_get(cloud->objects, cor_view_of(key)));
    struct cor_json *one = cor_json_object();
    cor_json_set(one, "type", cor_json_str("lb"));
    cor_json_set(one, "status", cor_json_str(status));
    cor_json_add(cor_json_at(pod, "status.conditions"), one);
    cloud_put(cloud, key, pod);
}

static void test_gates(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "gated", GATED);
    (void)cloud_await(cloud, is_closed, CLOUD_NAME("gated"), PATIENCE, "the gate is closed");
    assert_string_equal(cor_json_str_at(condition(cloud, "gated", "ContainersReady"), "status", ""),
                        "True");
    set_gate(cloud, "gated", "True");
    int64_t us = cloud_await(cloud, is_ready, CLOUD_NAME("gated"), PATIENCE, "it is open");
    print_message("ready %lld ms after the gate opened\n", (long long)us / 1000);
    assert_null(condition(cloud, "gated", "lb")); /* it is another's to write */
    set_gate(cloud, "gated", "False");
    (void)cloud_await(cloud, is_closed, CLOUD_NAME("gated"), PATIENCE, "it is closed again");
    cloud_delete_pods(cloud);
}

static int with_labels(void **state)
{
    return cloud_set_up_with(state, "events: false\nnode.labels: [zone=b]\n");
}

static bool has_marks(struct cloud *cloud, void *with)
{
    (void)with;
    return cloud->node_marks != NULL;
}

/* A Node that was there is told what the settings say by now, once. */
static void test_labels_of_a_known_node(void **state)
{
    struct cloud *cloud = *state;
    cloud_kill_edged(cloud, SIGKILL);
    cloud->has_node = true;
    cloud_put(cloud, "null/node/n1",
              json_of("{'kind':'Node','metadata':{'name':'n1','uid':'node-uid','labels':{'zone':"
                      "'a','rack':'1','foreign':'x'},'annotations':{'coracle.io/settings':"
                      "'{\\u0022labels\\u0022:[\\u0022zone\\u0022,\\u0022rack\\u0022]}'}}}"));
    cor_json_free(&cloud->node_marks);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, has_marks, NULL, PATIENCE, "the Node is updated");
    const struct cor_json *labels = cor_json_at(cloud->node_marks, "metadata.labels");
    assert_string_equal(cor_json_as_str(cor_json_get(labels, "zone"), ""), "b");
    assert_int_equal(cor_json_type(cor_json_get(labels, "rack")), COR_JSON_NULL);
    assert_non_null(cor_json_get(labels, "rack"));
    assert_null(cor_json_get(labels, "foreign"));
    cloud_put_pod(cloud, "one", GATED); /* for the books */
    (void)cloud_await(cloud, is_closed, CLOUD_NAME("one"), PATIENCE, "it runs");
    cloud_delete_pods(cloud);
}

static void put_held(struct cloud *cloud, const char *image)
{
    cloud_put(cloud, "default/pod/held",
              json_of("{'kind':'Pod','metadata':{'name':'held','namespace':'default','uid':"
                      "'uid-held','annotations':{'edge.kubeedge.io/hold-upgrade':'true'}},'spec':{"
                      "'nodeName':'n1','terminationGracePeriodSeconds':1,'containers':[{'name':"
                      "'c','image':'%s','command':['sleep','1000']}]}}",
                      image));
}

static bool is_held(struct cloud *cloud, void *name)
{
    return condition(cloud, name, "HeldUpgrade") != NULL;
}

static bool is_told_again(struct cloud *cloud, void *before)
{
    return cloud->patches > *(size_t *)before;
}

static bool has_update(struct cloud *cloud, void *image)
{
    const char *is = cor_json_str_at(cloud_container(cloud, "held"), "image", "");
    return strcmp(is, image) == 0;
}

/* Asks edged to let Pods go. */
static enum cor_code unhold(struct cloud *cloud, const char *args, struct cor_buf *answer)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/r/ctl/edged", cloud->dir);
    return tool_ask(path, "unhold", cor_view_of(args), 3000, answer, &err);
}

/* It waits, whatever edged goes through; what is started then is what it was updated to. */
static void test_held_pods(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_buf_free) struct cor_buf answer = {0};
    put_held(cloud, "coracle.local/none:1");
    (void)cloud_await(cloud, is_held, CLOUD_NAME("held"), PATIENCE, "it is held");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, "held"), "phase", ""), "Pending");
    assert_string_equal(cor_json_str_at(condition(cloud, "held", "HeldUpgrade"), "reason", ""),
                        "HoldUpgradeEnabled");
    size_t patches = cloud->patches;
    cloud_kill_edged(cloud, SIGKILL);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_told_again, &patches, PATIENCE, "it is told again");
    assert_true(is_held(cloud, CLOUD_NAME("held")));
    put_held(cloud, "coracle.local/busybox:1");
    (void)cloud_await(cloud, has_update, CLOUD_NAME("coracle.local/busybox:1"), PATIENCE,
                      "the update is taken");
    assert_true(is_held(cloud, CLOUD_NAME("held")));
    cloud_put_pod(cloud, "other", GATED);
    (void)cloud_await(cloud, is_closed, CLOUD_NAME("other"), PATIENCE, "another one runs");
    assert_null(cor_json_get(cloud_container(cloud, "held"), "containerID"));
    assert_int_equal(unhold(cloud, "{\"pod\":\"default/other\"}", &answer), COR_NOTFOUND);
    assert_int_equal(unhold(cloud, "{\"pod\":\"held\"}", &answer), COR_INVALID);
    assert_int_equal(unhold(cloud, "{\"node\":\"n2\"}", &answer), COR_NOTFOUND);
    assert_int_equal(unhold(cloud, "{\"pod\":\"default/held\"}", &answer), COR_OK);
    assert_string_equal(answer.data, "{\"released\":[\"default/held\"]}");
    cloud_kill_edged(cloud, SIGKILL); /* what was said counts all the same */
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("held"), PATIENCE, "it runs");
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gates, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_held_pods, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_labels_of_a_known_node, with_labels, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged update", tests, NULL, NULL);
}
