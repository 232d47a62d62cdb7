// SPDX-License-Identifier: Apache-2.0
// The node as a whole, with a real containerd: what it takes, what it removes, what it tells.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 20 * 1000 * 1000 };

#define WEB "coracle.local/web:1"
#define SLEEPER(more)                                                                              \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['sleep','1000']" more \
    "}]}"

static bool names_image(const struct cor_json *status, const char *name)
{
    const struct cor_json *images = cor_json_get(status, "images");
    for (size_t i = 0; i < cor_json_count(images); i++) {
        const struct cor_json *names = cor_json_get(cor_json_item(images, i), "names");
        for (size_t k = 0; k < cor_json_count(names); k++) {
            if (strcmp(cor_json_as_str(cor_json_item(names, k), ""), name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static bool has_web(struct cloud *cloud, void *with)
{
    (void)with;
    return names_image(cloud->node_status, WEB);
}

static bool has_no_web(struct cloud *cloud, void *with)
{
    (void)with;
    return cloud->node_status != NULL && cor_json_get(cloud->node_status, "images") != NULL &&
           !names_image(cloud->node_status, WEB);
}

/* Any disk is as full as these thresholds say: what nobody uses goes, the rest stays, and the Node
 * tells of it. */
static void test_unused_images_go(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "user", SLEEPER(""));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("user"), PATIENCE, "it runs");
    int64_t us = cloud_await(cloud, has_no_web, NULL, PATIENCE, "the unused image goes");
    print_message("the unused image went %lld ms later\n", (long long)us / 1000);
    assert_true(names_image(cloud->node_status, "coracle.local/busybox:1"));
    assert_true(names_image(cloud->node_status, "coracle.local/pause:1"));
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME("FreeDiskSpaceFailed"), PATIENCE,
                      "it was not enough");
    cloud_put_pod(cloud, "next", SLEEPER(""));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("next"), PATIENCE, "pause is still here");
    cloud_delete_pods(cloud);
}

static bool has_failed(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_status(cloud, name), "phase", ""), "Failed") == 0;
}

static void check_refused(struct cloud *cloud, const char *name, const char *reason)
{
    (void)cloud_await(cloud, has_failed, CLOUD_NAME(name), PATIENCE, "it fails");
    const struct cor_json *status = cloud_status(cloud, name);
    const char *message = cor_json_str_at(status, "message", "");
    assert_string_equal(cor_json_str_at(status, "reason", ""), reason);
    if (strncmp(message, "Pod was rejected: ", strlen("Pod was rejected: ")) != 0) {
        fail_msg("%s: %s", name, message);
    }
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME(reason), PATIENCE, "an event tells it");
}

static void test_what_does_not_fit_is_refused(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_web, NULL, PATIENCE, "the Node's status names images");
    cloud_put(cloud, "null/node/n1",
              json_of("{'kind':'Node','metadata':{'name':'n1','uid':'node-uid','labels':{'zone':"
                      "'a'}},'spec':{'taints':[{'key':'k','effect':'NoExecute'}]}}"));
#define TOLERANT "'tolerations':[{'operator':'Exists'}],"
    cloud_put_pod(cloud, "first",
                  "{" TOLERANT "'nodeSelector':{'zone':'a'},'containers':[{'name':'c','image':'"
                  "coracle.local/busybox:1','command':['sleep','1000'],'ports':[{'containerPort':1,"
                  "'hostPort':7777}]}]}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("first"), PATIENCE, "it runs");
    cloud_put_pod(cloud, "large",
                  "{" TOLERANT "'containers':[{'name':'c','image':'coracle.local/busybox:1',"
                  "'resources':{'requests':{'cpu':'100000'}}}]}");
    check_refused(cloud, "large", "OutOfcpu");
    cloud_put_pod(cloud, "port",
                  "{" TOLERANT "'containers':[{'name':'c','image':'coracle.local/busybox:1',"
                  "'ports':[{'containerPort':2,'hostPort':7777}]}]}");
    check_refused(cloud, "port", "NodePorts");
    cloud_put_pod(cloud, "zone",
                  "{" TOLERANT "'nodeSelector':{'zone':'b'},'containers':[{'name':'c','image':"
                  "'coracle.local/busybox:1'}]}");
    check_refused(cloud, "zone", "NodeAffinity");
    cloud_put_pod(cloud, "taint", SLEEPER(""));
    check_refused(cloud, "taint", "TaintToleration");
    cloud_kill_edged(cloud, SIGKILL); /* what was taken is not judged again */
    cor_json_free(&cloud->node_status);
    cor_map_set(cloud->objects, COR_VIEW("null/node/n1"),
                json_of("{'kind':'Node','metadata':{'name':'n1','uid':'node-uid'}}"));
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, has_web, NULL, PATIENCE, "edged is back");
    assert_true(cloud_is_running(cloud, CLOUD_NAME("first")));
    cloud_delete_pods(cloud);
}

static int set_up(void **state)
{
    return cloud_set_up_with(state, "images:\n  high-percent: 1\n  low-percent: 0\n  "
                                    "min-age-seconds: 0\n  period-seconds: 1\n");
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_does_not_fit_is_refused, cloud_set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_unused_images_go, set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged node", tests, NULL, NULL);
}
