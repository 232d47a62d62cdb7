// SPDX-License-Identifier: Apache-2.0
// What others write into a Pod while it is here, with a real edged and containerd.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 20 * 1000 * 1000 };

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

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gates, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged update", tests, NULL, NULL);
}
