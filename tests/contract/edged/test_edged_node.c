// SPDX-License-Identifier: Apache-2.0
// The node as a whole, with a real containerd: what it takes, what it removes, what it tells.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

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

/* ---- shortage ---- */

static void say_memory(int free_kib)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *dir = cor_sprintf("%s/root/proc", getenv("TEST_DIR"));
    auto_(cor_freep) char *path = cor_sprintf("%s/meminfo", dir);
    auto_(cor_freep) char *text =
        cor_sprintf("MemTotal: 4000000 kB\nMemFree: %d kB\nInactive(file): 0 kB\n", free_kib);
    assert_int_equal(cor_mkdirs(dir, 0755, &err), COR_OK);
    assert_int_equal(cor_file_write(path, cor_view_of(text), 0644, &err), COR_OK);
}

static const char *condition(const struct cor_json *status, const char *type, const char *key)
{
    const struct cor_json *list = cor_json_get(status, "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_str_at(cor_json_item(list, i), key, "");
        }
    }
    return "";
}

static bool has_reason(struct cloud *cloud, void *reason)
{
    return strcmp(condition(cloud->node_status, "MemoryPressure", "reason"), reason) == 0;
}

#define GREEDY                                                                                     \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'x=$(head -c 8000000 /dev/zero | tr \\\\0 x); sleep 1000']}]}"

static void test_memory_runs_short(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "greedy", GREEDY);
    cloud_put_pod(cloud, "modest", SLEEPER(",'resources':{'requests':{'memory':'64Mi'}}"));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("greedy"), PATIENCE, "it runs");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("modest"), PATIENCE, "it runs");
    say_memory(50000);
    int64_t us = cloud_await(cloud, has_failed, CLOUD_NAME("greedy"), PATIENCE, "it goes");
    print_message("evicted after %lld ms\n", (long long)us / 1000);
    say_memory(3000000); /* what a real one would have freed */
    const struct cor_json *status = cloud_status(cloud, "greedy");
    const char *message = cor_json_str_at(status, "message", "");
    static const char BEGIN[] = "The node was low on resource: memory. Threshold quantity: 100Mi, "
                                "available: 50000Ki. Container c was using ";
    assert_string_equal(cor_json_str_at(status, "reason", ""), "Evicted");
    if (strncmp(message, BEGIN, strlen(BEGIN)) != 0 ||
        strstr(message, ", request is 0, has larger consumption of memory. ") == NULL) {
        fail_msg("%s", message);
    }
    assert_string_equal(condition(status, "DisruptionTarget", "reason"), "TerminationByKubelet");
    (void)cloud_await(cloud, has_reason, CLOUD_NAME("KubeletHasInsufficientMemory"), PATIENCE,
                      "the Node says so");
    cloud_put_pod(cloud, "late", SLEEPER(""));
    check_refused(cloud, "late", "Evicted");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, "late"), "message", ""),
                        "Pod was rejected: The node had condition: [MemoryPressure]. ");
    (void)cloud_await(cloud, has_reason, CLOUD_NAME("KubeletHasSufficientMemory"), PATIENCE,
                      "it is over");
    assert_true(cloud_is_running(cloud, CLOUD_NAME("modest")));
    cloud_delete_pods(cloud);
}

#define WRITER(limits, volume)                                                                     \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'head -c 3000000 /dev/zero >/v/file; sleep 1000'],'volumeMounts':[{'name':'v','mountPath':"   \
    "'/v'}]" limits "}],'volumes':[{'name':'v','emptyDir':{" volume "}}]}"

static void check_evicted(struct cloud *cloud, const char *name, const char *message)
{
    int64_t us = cloud_await(cloud, has_failed, CLOUD_NAME(name), PATIENCE, "it goes");
    print_message("%s: evicted after %lld ms\n", name, (long long)us / 1000);
    assert_string_equal(cor_json_str_at(cloud_status(cloud, name), "reason", ""), "Evicted");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, name), "message", ""), message);
}

static void test_who_writes_too_much_goes(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "volume", WRITER("", "'sizeLimit':'1Mi'"));
    cloud_put_pod(cloud, "pod", WRITER(",'resources':{'limits':{'ephemeral-storage':'1Mi'}}", ""));
    cloud_put_pod(
        cloud, "small",
        WRITER(",'resources':{'limits':{'ephemeral-storage':'10Mi'}}", "'sizeLimit':'10Mi'"));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("small"), PATIENCE, "it runs");
    check_evicted(cloud, "volume", "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ");
    check_evicted(cloud, "pod",
                  "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ");
    assert_true(cloud_is_running(cloud, CLOUD_NAME("small")));
    cloud_delete_pods(cloud);
}

/* ---- shutdown ---- */

static bool has_ended(struct cloud *cloud, void *with)
{
    (void)with;
    int status = 0;
    if (waitpid(cloud->edged, &status, WNOHANG) == 0) {
        return false;
    }
    cloud->edged = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    return true;
}

static bool is_terminated(struct cloud *cloud, void *name)
{
    const struct cor_json *status = cloud_status(cloud, name);
    return has_failed(cloud, name) &&
           cor_json_at(cloud_container(cloud, name), "state.terminated") != NULL &&
           strcmp(cor_json_str_at(status, "reason", ""), "Terminated") == 0;
}

static bool says_so(struct cloud *cloud, void *with)
{
    (void)with;
    const char *message = condition(cloud->node_status, "Ready", "message");
    return strcmp(message, "node is shutting down") == 0;
}

static const char *finished(struct cloud *cloud, const char *name)
{
    return cor_json_str_at(cloud_container(cloud, name), "state.terminated.finishedAt", "");
}

/* It ends by itself: a busy machine has time. */
#define SLOW_TO_END                                                                                \
    "'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"       \
    "'end() { sleep 1.1; exit 0; }; trap end TERM; while :; do sleep 0.1; done']}]"

static void test_pods_end_before_the_machine(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "plain", "{" SLOW_TO_END "}");
    cloud_put_pod(cloud, "critical", "{'priority':2000001000," SLOW_TO_END "}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("plain"), PATIENCE, "it runs");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("critical"), PATIENCE, "it runs");
    cloud_kill_edged(cloud, SIGTERM); /* without --drain they go on */
    cloud->drains = true;
    cor_json_free(&cloud->node_status);
    cloud_start_edged(cloud);
    /* test_unused_images_go has removed that image */
    (void)cloud_await(cloud, has_no_web, NULL, PATIENCE, "edged is back");
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "plain"), "restartCount", -1), 0);
    assert_true(cloud_is_running(cloud, CLOUD_NAME("plain")));
    assert_int_equal(kill(cloud->edged, SIGTERM), 0);
    (void)cloud_await(cloud, says_so, NULL, PATIENCE, "the Node says that it is shutting down");
    (void)cloud_await(cloud, is_terminated, CLOUD_NAME("plain"), PATIENCE, "it ends");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, "plain"), "message", ""),
                        "Pod was terminated in response to imminent node shutdown.");
    (void)cloud_await(cloud, is_terminated, CLOUD_NAME("critical"), PATIENCE, "it ends, too");
    assert_true(strcmp(finished(cloud, "plain"), finished(cloud, "critical")) < 0);
    int64_t us = cloud_await(cloud, has_ended, NULL, PATIENCE, "edged ends");
    print_message("edged ended %lld ms after the last Pod\n", (long long)us / 1000);
}

static int set_up_short(void **state)
{
    auto_(cor_freep) char *more =
        cor_sprintf("evict:\n  hard: [\"memory.available<100Mi\"]\n  look-seconds: 1\n  "
                    "transition-seconds: 2\n  measure-seconds: 1\n  root: %s/root\n",
                    getenv("TEST_DIR"));
    return cloud_set_up_with(state, more);
}

static int set_up_drain(void **state)
{
    return cloud_set_up_with(state, "shutdown:\n  grace-seconds: 30\n  "
                                    "critical-seconds: 15\n");
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
        cmocka_unit_test_setup_teardown(test_memory_runs_short, set_up_short, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_who_writes_too_much_goes, set_up_short,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_pods_end_before_the_machine, set_up_drain,
                                        cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged node", tests, NULL, NULL);
}
