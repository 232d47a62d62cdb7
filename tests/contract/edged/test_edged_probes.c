// SPDX-License-Identifier: Apache-2.0
// Probes with a real containerd: what they say of containers, and what follows. The Pods of a case
// run side by side, for each waits for some periods.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define BUSYBOX "'image':'coracle.local/busybox:1','command':['/bin/sh','-c',"
#define SLEEP "'sleep 600'"

/* An event of this reason on this Pod whose message has this text. */
struct told {
    const char *pod;
    const char *reason;
    const char *text;
};

static bool is_told(struct cloud *cloud, void *with)
{
    const struct told *told = with;
    for (size_t i = 0; i < cor_json_count(cloud->events); i++) {
        const struct cor_json *event = cor_json_item(cloud->events, i);
        if (strcmp(cor_json_str_at(event, "involvedObject.name", ""), told->pod) == 0 &&
            strcmp(cor_json_str_at(event, "reason", ""), told->reason) == 0 &&
            strstr(cor_json_str_at(event, "message", ""), told->text) != NULL) {
            return true;
        }
    }
    return false;
}

static void await_told(struct cloud *cloud, const char *pod, const char *reason, const char *text)
{
    struct told told = {pod, reason, text};
    (void)cloud_await(cloud, is_told, &told, PATIENCE, text);
}

static bool is_started_not_ready(struct cloud *cloud, void *name)
{
    return cor_json_bool_at(cloud_container(cloud, name), "started", false) &&
           !cor_json_bool_at(cloud_container(cloud, name), "ready", true);
}

static const char *condition(struct cloud *cloud, const char *pod, const char *type,
                             const char *field)
{
    const struct cor_json *list = cor_json_get(cloud_status(cloud, pod), "conditions");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "type", ""), type) == 0) {
            return cor_json_str_at(cor_json_item(list, i), field, "");
        }
    }
    return "";
}

static bool is_ready_condition(struct cloud *cloud, void *name)
{
    return strcmp(condition(cloud, name, "Ready", "status"), "True") == 0;
}

static void test_liveness(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "exec",
                  "{'containers':[{'name':'c'," BUSYBOX "'touch /tmp/ok; sleep 1; rm /tmp/ok; exec "
                  "sleep 600'],'livenessProbe':{'exec':{'command':['cat','/tmp/ok']},"
                  "'periodSeconds':1,'failureThreshold':1,'terminationGracePeriodSeconds':1}}]}");
    cloud_put_pod(cloud, "http",
                  "{'terminationGracePeriodSeconds':1,'containers':[{'name':'web','image':'coracle."
                  "local/web:1','ports':[{'name':'www','containerPort':80}],'livenessProbe':{"
                  "'httpGet':{'path':'/none','port':'www'},'periodSeconds':1,'failureThreshold':2}"
                  "}]}");
    cloud_put_pod(cloud, "well",
                  "{'containers':[{'name':'web','image':'coracle.local/web:1','livenessProbe':{"
                  "'httpGet':{'path':'/','port':80},'periodSeconds':1,'failureThreshold':1,"
                  "'initialDelaySeconds':1}}]}");
    cloud_put_pod(cloud, "slow",
                  "{'restartPolicy':'Never','containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'livenessProbe':{'exec':{'command':['sleep','7']},'periodSeconds':1,"
                  "'timeoutSeconds':1,'failureThreshold':1,'terminationGracePeriodSeconds':1}}]}");
    await_told(cloud, "exec", "Unhealthy", "Liveness probe failed: cat: can't open '/tmp/ok'");
    await_told(cloud, "exec", "Killing", "Container c failed liveness probe, will be restarted");
    (void)cloud_await(cloud, cloud_is_restarted, CLOUD_NAME("exec"), PATIENCE, "exec restarts");
    await_told(cloud, "http", "Unhealthy",
               "Liveness probe failed: HTTP probe failed with statuscode: 404");
    (void)cloud_await(cloud, cloud_is_restarted, CLOUD_NAME("http"), PATIENCE, "http restarts");
    await_told(cloud, "slow", "Unhealthy", "Liveness probe failed: command \"sleep 7\" timed out");
    await_told(cloud, "slow", "Killing", "Container c failed liveness probe");
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "well"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
}

static bool is_not_ready(struct cloud *cloud, void *name)
{
    return strcmp(condition(cloud, name, "Ready", "status"), "False") == 0 &&
           cor_json_bool_at(cloud_container(cloud, name), "started", false);
}

/* Readiness changes with what is probed, and survives a restart of edged; a container that has not
 * started is not probed for it. */
static void test_readiness(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "turn",
                  "{'volumes':[{'name':'v','emptyDir':{}}],'containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'volumeMounts':[{'name':'v','mountPath':'/v'}],'readinessProbe':{'exec':{"
                  "'command':['cat','/v/ok']},'periodSeconds':1,'failureThreshold':1}}]}");
    cloud_put_pod(cloud, "stays",
                  "{'containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'readinessProbe':{'exec':{'command':['true']},'periodSeconds':600}}]}");
    cloud_put_pod(cloud, "starts",
                  "{'volumes':[{'name':'v','emptyDir':{}}],'containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'volumeMounts':[{'name':'v','mountPath':'/v'}],'startupProbe':{'exec':{"
                  "'command':['cat','/v/up']},'periodSeconds':1,'failureThreshold':60},"
                  "'readinessProbe':{'exec':{'command':['false']},'periodSeconds':1}}]}");
    cloud_put_pod(cloud, "refused",
                  "{'containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'readinessProbe':{'httpGet':{'port':81},'periodSeconds':1}}]}");
    auto_(cor_freep) char *ok =
        cor_sprintf("%s/kubelet/pods/uid-turn/volumes/kubernetes.io~empty-dir/v/ok", cloud->dir);
    await_told(cloud, "turn", "Unhealthy", "Readiness probe failed: cat: can't open '/v/ok'");
    assert_int_equal(cor_file_write(ok, COR_VIEW("x"), 0644, NULL), COR_OK);
    (void)cloud_await(cloud, is_ready_condition, CLOUD_NAME("turn"), PATIENCE, "turn is ready");
    assert_int_equal(unlink(ok), 0);
    (void)cloud_await(cloud, is_not_ready, CLOUD_NAME("turn"), PATIENCE, "turn is not ready");
    assert_string_equal(condition(cloud, "turn", "ContainersReady", "message"),
                        "containers with unready status: [c]");
    auto_(cor_freep) char *up =
        cor_sprintf("%s/kubelet/pods/uid-starts/volumes/kubernetes.io~empty-dir/v/up", cloud->dir);
    await_told(cloud, "starts", "Unhealthy", "Startup probe failed: cat: can't open '/v/up'");
    assert_false(is_started_not_ready(cloud, CLOUD_NAME("starts")));
    assert_int_equal(cor_file_write(up, COR_VIEW("x"), 0644, NULL), COR_OK);
    (void)cloud_await(cloud, is_started_not_ready, CLOUD_NAME("starts"), PATIENCE,
                      "it has started");
    await_told(cloud, "starts", "Unhealthy", "Readiness probe failed: ");
    await_told(cloud, "refused", "Unhealthy", "connect: connection refused");
    (void)cloud_await(cloud, is_ready_condition, CLOUD_NAME("stays"), PATIENCE, "stays is ready");
    cloud_kill_edged(cloud, SIGKILL);
    cor_json_free(&cloud->events); /* what is told from here on is the next one's */
    cloud->events = cor_json_array();
    cloud_start_edged(cloud);
    await_told(cloud, "turn", "Unhealthy", "Readiness probe failed: cat: can't open '/v/ok'");
    assert_true(is_ready_condition(cloud, CLOUD_NAME("stays")));
    cloud_delete_pods(cloud);
}

#define LAST_WORD(word) "'f() { echo " word " >>/h/order; exit 0; }; trap f TERM; sleep 600 & wait'"
#define HOST "'volumeMounts':[{'name':'h','mountPath':'/h'}]"

/* postStart before the container counts as running; preStop before the signal; sidecars last. */
static void test_hooks(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_freep) char *order = cor_sprintf("%s/order", cloud->dir);
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'volumes':[{'name':'h','hostPath':{'path':'%s'}}],"
        "'initContainers':[{'name':'side','restartPolicy':'Always'," BUSYBOX
            LAST_WORD("side") "]," HOST "}],'containers':[{'name':'main'," BUSYBOX LAST_WORD(
                "main") "]," HOST
                        ",'lifecycle':{'postStart':{'exec':{'command':['/bin/sh','-c','echo begin "
                        ">/h/order']}},'preStop':{'exec':{'command':['/bin/sh','-c','echo hook "
                        ">>/h/order']}}}}]}",
        cloud->dir);
    struct cloud_file all = {order, "begin\nhook\nmain\nside\n"};
    cloud_put_pod(cloud, "hooked", spec);
    cloud_put_pod(cloud, "fails",
                  "{'terminationGracePeriodSeconds':1,'containers':[{'name':'c'," BUSYBOX SLEEP
                  "],'lifecycle':{'postStart':{'exec':{'command':['false']}},'preStop':{'httpGet':{"
                  "'port':1}}}}]}");
    cloud_put_pod(cloud, "sleeps",
                  "{'containers':[{'name':'c'," BUSYBOX LAST_WORD(
                      "none") "],'livenessProbe':{"
                              "'tcpSocket':{'port':1},'periodSeconds':1,'initialDelaySeconds':1},'"
                              "lifecycle':{"
                              "'preStop':{'sleep':{'seconds':1}}}}]}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("hooked"), PATIENCE, "hooked runs");
    await_told(cloud, "fails", "FailedPostStartHook", "PostStartHook failed");
    await_told(cloud, "fails", "Killing", "FailedPostStartHook");
    await_told(cloud, "fails", "FailedPreStopHook", "PreStopHook failed");
    await_told(cloud, "fails", "BackOff", "Back-off restarting failed container c");
    await_told(cloud, "sleeps", "Unhealthy", ":1: connect: connection refused");
    cloud_mark_deleted(cloud, "hooked", 10);
    (void)cloud_await(cloud, cloud_has_file, &all, PATIENCE, "all in order");
    cloud_delete_pods(cloud);
}

static bool has_debugged(struct cloud *cloud, void *name)
{
    const struct cor_json *status =
        cor_json_item(cor_json_get(cloud_status(cloud, name), "ephemeralContainerStatuses"), 0);
    return cor_json_int_at(status, "state.terminated.exitCode", -1) == 0;
}

/* A container that comes later, and sees the processes of another one. */
static void test_ephemeral(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "web", "{'containers':[{'name':'web','image':'coracle.local/web:1'}]}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("web"), PATIENCE, "web runs");
    cloud_put_pod(cloud, "web",
                  "{'containers':[{'name':'web','image':'coracle.local/web:1'}],"
                  "'ephemeralContainers':[{'name':'d'," BUSYBOX
                  "'grep httpd /proc/1/cmdline'],'targetContainerName':'web'}]}");
    (void)cloud_await(cloud, has_debugged, CLOUD_NAME("web"), PATIENCE, "it saw web's process");
    assert_true(cloud_is_running(cloud, CLOUD_NAME("web")));
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "web"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_liveness, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_readiness, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_hooks, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_ephemeral, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged probes", tests, NULL, NULL);
}
