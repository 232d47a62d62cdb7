// SPDX-License-Identifier: Apache-2.0
// edged with a real containerd and a peer in metamanager's place.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

static bool is_succeeded(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_status(cloud, name), "phase", ""), "Succeeded") == 0;
}

struct waits {
    const char *name;
    const char *reason;
};

static bool waits_for(struct cloud *cloud, void *with)
{
    const struct waits *waits = with;
    return strcmp(cor_json_str_at(cloud_container(cloud, waits->name), "state.waiting.reason", ""),
                  waits->reason) == 0;
}

static bool is_absent(struct cloud *cloud, void *path)
{
    (void)cloud;
    return access(path, F_OK) != 0;
}

#define WEB                                                                                        \
    "{'containers':[{'name':'web','image':'coracle.local/web:1',"                                  \
    "'readinessProbe':{'tcpSocket':{'port':80},'periodSeconds':1}}]}"

static bool node_is_ready(struct cloud *cloud, void *with)
{
    (void)with;
    const struct cor_json *ready = cor_json_item(cor_json_get(cloud->node_status, "conditions"), 3);
    return strcmp(cor_json_str_at(ready, "reason", ""), "EdgeReady") == 0;
}

static void test_node_is_registered(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, cloud_has_event, (void *)(uintptr_t) "Starting", PATIENCE,
                      "event of the node");
    const struct cor_json *labels = cor_json_at(cloud->node, "metadata.labels");
    assert_string_equal(cor_json_as_str(cor_json_get(labels, "node-role.kubernetes.io/edge"), "?"),
                        "");
    assert_string_equal(cor_json_str_at(cloud->node, "metadata.name", ""), "n1");
    struct cor_mono start = cor_mono_now();
    while (cloud->renewals < 3) { /* lease-seconds is 1 here */
        cor_loop_run(cloud->loop);
        assert_true(cor_mono_since(cor_mono_now(), start) < PATIENCE);
    }
    assert_string_equal(cor_json_str_at(cloud->lease, "spec.holderIdentity", ""), "n1");
    assert_string_equal(cor_json_str_at(cloud->lease, "metadata.resourceVersion", ""), "9");
    const struct cor_json *owners = cor_json_at(cloud->lease, "metadata.ownerReferences");
    assert_string_equal(cor_json_str_at(cor_json_item(owners, 0), "uid", ""), "node-uid");
    (void)cloud_await(cloud, node_is_ready, NULL, PATIENCE, "EdgeReady");
}

/* GET / of the pod's web server. */
static void expect_http(const char *ip)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
    assert_int_equal(inet_pton(AF_INET, ip, &address.sin_addr), 1);
    auto_(cor_fd_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    static const char request[] = "GET / HTTP/1.0\r\n\r\n";
    assert_int_equal(write(fd, request, sizeof(request) - 1), sizeof(request) - 1);
    char answer[2048] = "";
    size_t len = 0;
    ssize_t n = 0;
    while (len + 1 < sizeof(answer) && (n = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    assert_non_null(strstr(answer, "hello from the edge"));
}

/* It listens, and not only runs. */
static bool is_served(struct cloud *cloud, void *name)
{
    const struct cor_json *container = cloud_container(cloud, name);
    return cor_json_as_bool(cor_json_get(container, "ready"), false);
}

static void test_a_web_pod(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, cloud_has_event, (void *)(uintptr_t) "Starting", PATIENCE,
                      "edged is up");
    cloud_put_pod(cloud, "web", WEB);
    int64_t us =
        cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "web", PATIENCE, "web runs");
    print_message("from the object to Running: %lld ms\n", (long long)(us / 1000));
    (void)cloud_await(cloud, is_served, (void *)(uintptr_t) "web", PATIENCE, "web is ready");
    expect_http(cor_json_str_at(cloud_status(cloud, "web"), "podIP", ""));
    auto_(cor_freep) char *id =
        cor_strdup(cor_json_str_at(cloud_container(cloud, "web"), "containerID", ""));
    assert_int_equal(strncmp(id, "containerd://", 13), 0);

    cloud_kill_edged(cloud, SIGKILL);
    cloud_start_edged(cloud);
    size_t renewals = cloud->renewals;
    struct cor_mono start = cor_mono_now();
    while (cloud->renewals < renewals + 3) { /* it is back and at work for a while */
        cor_loop_run(cloud->loop);
        assert_true(cor_mono_since(cor_mono_now(), start) < PATIENCE);
    }
    assert_true(cloud_is_running(cloud, (void *)(uintptr_t) "web"));
    assert_string_equal(cor_json_str_at(cloud_container(cloud, "web"), "containerID", ""), id);
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "web"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
    assert_string_equal(
        cloud->last_delete,
        "default/pod/web {\"gracePeriodSeconds\":0,\"preconditions\":{\"uid\":\"uid-web\"}}");
}

static void test_killed_process_is_restarted(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "die",
                  "{'containers':[{'name':'c','image':'coracle.local/busybox:1',"
                  "'command':['/bin/sh','-c','test -e /keep/second && exec sleep 1000; touch "
                  "/keep/second; echo last words >/dev/termination-log; exit 5'],"
                  "'volumeMounts':[{'name':'keep','mountPath':'/keep'}]}],"
                  "'volumes':[{'name':'keep','emptyDir':{}}]}");
    (void)cloud_await(cloud, cloud_is_restarted, (void *)(uintptr_t) "die", PATIENCE, "restart");
    const struct cor_json *last =
        cor_json_at(cloud_container(cloud, "die"), "lastState.terminated");
    assert_int_equal(cor_json_int_at(last, "exitCode", -1), 5);
    assert_string_equal(cor_json_str_at(last, "message", ""), "last words\n");
    cloud_delete_pods(cloud);
    auto_(cor_freep) char *left = cor_sprintf("%s/kubelet/pods/uid-die", cloud->dir);
    assert_true(is_absent(cloud, left));
}

#define ALL_VOLUMES                                                                                \
    "'volumes':[{'name':'cm','configMap':{'name':'settings'}},"                                    \
    "{'name':'s','secret':{'secretName':'hidden','defaultMode':256}},"                             \
    "{'name':'e','emptyDir':{'medium':'Memory','sizeLimit':'1Mi'}},"                               \
    "{'name':'d','downwardAPI':{'items':[{'path':'labels','fieldRef':{'fieldPath':'metadata."      \
    "labels'}}]}},"                                                                                \
    "{'name':'p','projected':{'sources':[{'serviceAccountToken':{'path':'token','"                 \
    "expirationSeconds':3607}},"                                                                   \
    "{'configMap':{'name':'settings','items':[{'key':'color','path':'deep/color'}]}}]}},"          \
    "{'name':'h','hostPath':{'path':'%s/host','type':'DirectoryOrCreate'}}]"

static void test_volumes_env_and_updates(void **state)
{
    struct cloud *cloud = *state;
    cloud_put(cloud, "default/configmap/settings",
              json_of("{'kind':'ConfigMap','data':{'color':'blue'}}"));
    cloud_put(cloud, "default/secret/hidden",
              json_of("{'kind':'Secret','data':{'password':'aHVudGVyMg=='}}"));
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'serviceAccountName':'default','hostname':'box','restartPolicy':'Never','initContainers':"
        "[{'name':'first','image':'coracle.local/busybox:1',"
        "'command':['/bin/sh','-c','mkdir -p /h/sub && echo from-init "
        ">/h/sub/init'],'volumeMounts':[{'name':'h','mountPath':'/h'}]}],"
        "'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c'],"
        "'args':['(cat /cm/color; echo; cat /s/password; echo; cat /d/labels; echo; cat /p/token; "
        "echo; cat /p/deep/color; echo;"
        " cat /sub/init; echo $GREETING $COLOR $PASS $NAME $CPU; hostname; df /e | tail -1 | cut "
        "-c1-5; stat -Lc %%a /s/password; id -u) >/h/out; echo $(GREETING)'],"
        "'env':[{'name':'COLOR','valueFrom':{'configMapKeyRef':{'name':'settings','key':'color'}}},"
        "{'name':'PASS','valueFrom':{'secretKeyRef':{'name':'hidden','key':'password'}}},"
        "{'name':'NAME','valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}},"
        "{'name':'CPU','valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'1m'}}},"
        "{'name':'GREETING','value':'ahoy-$(COLOR)'}],"
        "'resources':{'limits':{'cpu':'500m','memory':'64Mi'}},"
        "'volumeMounts':[{'name':'cm','mountPath':'/cm'},{'name':'s','mountPath':'/"
        "s'},{'name':'e','mountPath':'/e'},"
        "{'name':'d','mountPath':'/d'},{'name':'p','mountPath':'/p'},{'name':'h','mountPath':'/h'},"
        "{'name':'h','mountPath':'/sub','subPath':'sub','readOnly':true}]}]," ALL_VOLUMES "}",
        cloud->dir);
    cloud_put_pod(cloud, "all", spec);
    (void)cloud_await(cloud, is_succeeded, (void *)(uintptr_t) "all", PATIENCE, "all succeeds");
    auto_(cor_freep) char *path = cor_sprintf("%s/host/out", cloud->dir);
    struct cloud_file out = {path, "blue\nhunter2\napp=\"all\"\ntoken-1\nblue\nfrom-init\n"
                                   "ahoy-blue blue hunter2 all 500\nbox\ntmpfs\n400\n0\n"};
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(out.path, 4096, &text, NULL), COR_OK);
    assert_string_equal(text.data, out.content);
    auto_(cor_freep) char *log = cor_sprintf("%s/logs/default_all_uid-all/c/0.log", cloud->dir);
    cor_buf_clear(&text);
    assert_int_equal(cor_file_read(log, 4096, &text, NULL), COR_OK);
    assert_non_null(strstr(text.data, " stdout F ahoy-blue\n"));
    cloud_delete_pods(cloud);
}

static void test_config_map_update_reaches_the_file(void **state)
{
    struct cloud *cloud = *state;
    cloud_put(cloud, "default/configmap/settings",
              json_of("{'kind':'ConfigMap','data':{'color':'blue'}}"));
    cloud_put_pod(cloud, "web",
                  "{'containers':[{'name':'web','image':'coracle.local/"
                  "web:1','volumeMounts':[{'name':'v','mountPath':'/v'}]}],"
                  "'volumes':[{'name':'v','configMap':{'name':'settings'}}]}");
    (void)cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "web", PATIENCE, "web runs");
    auto_(cor_freep) char *path =
        cor_sprintf("%s/kubelet/pods/uid-web/volumes/kubernetes.io~configmap/v/color", cloud->dir);
    struct cloud_file file = {path, "blue"};
    (void)cloud_await(cloud, cloud_has_file, &file, PATIENCE, "first content");
    cloud_put(cloud, "default/configmap/settings",
              json_of("{'kind':'ConfigMap','data':{'color':'green'}}"));
    file.content = "green";
    int64_t us = cloud_await(cloud, cloud_has_file, &file, COR_SEC(10), "new content");
    print_message("ConfigMap update to file: %lld ms\n", (long long)(us / 1000));
    cloud_delete_pods(cloud);
}

static void test_pods_that_cannot_start_say_why(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "image", "{'containers':[{'name':'c','image':'Not An Image'}]}");
    cloud_put_pod(cloud, "never",
                  "{'containers':[{'name':'c','image':'nothing:1','imagePullPolicy':'Never'}]}");
    cloud_put_pod(cloud, "pull", "{'containers':[{'name':'c','image':'127.0.0.1:1/nothing:1'}]}");
    cloud_put_pod(cloud, "config",
                  "{'containers':[{'name':'c','image':'coracle.local/"
                  "web:1','envFrom':[{'configMapRef':{'name':'missing'}}]}]}");
    cloud_put_pod(cloud, "mount",
                  "{'containers':[{'name':'c','image':'coracle.local/"
                  "web:1'}],'volumes':[{'name':'v','nfs':{'server':'x','path':'/'}}]}");
    cloud_put_pod(
        cloud, "exec",
        "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/no/such/"
        "program']}]}");
    struct waits waits[] = {{"image", "InvalidImageName"},
                            {"never", "ErrImageNeverPull"},
                            {"pull", "ImagePullBackOff"},
                            {"config", "CreateContainerConfigError"},
                            {"exec", "CrashLoopBackOff"}};
    for (size_t i = 0; i < COR_COUNT(waits); i++) {
        (void)cloud_await(cloud, waits_for, &waits[i], PATIENCE, waits[i].name);
    }
    assert_string_equal(
        cor_json_str_at(cloud_container(cloud, "config"), "state.waiting.message", ""),
        "configmap \"missing\" not found");
    (void)cloud_await(cloud, cloud_has_event, (void *)(uintptr_t) "FailedMount", PATIENCE,
                      "event FailedMount");
    (void)cloud_await(cloud, cloud_has_event, (void *)(uintptr_t) "Failed", PATIENCE,
                      "event Failed");
    cloud_put(cloud, "default/configmap/missing", json_of("{'kind':'ConfigMap','data':{'A':'1'}}"));
    (void)cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "config", PATIENCE,
                      "config runs when it can");
    cloud_put_pod(cloud, "broken",
                  "{'containers':[{'name':'c','image':'x','ports':[{'containerPort':-1}]}]}");
    struct cor_mono start = cor_mono_now();
    while (strcmp(cor_json_str_at(cloud_status(cloud, "broken"), "reason", ""), "InvalidPod") !=
           0) {
        cor_loop_run(cloud->loop);
        assert_true(cor_mono_since(cor_mono_now(), start) < PATIENCE);
    }
    cloud_gone(cloud, "default/pod/broken");
    cloud_delete_pods(cloud);
}

static void test_grace_is_respected(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_freep) char *spec =
        cor_sprintf("{'containers':[{'name':'c','image':'coracle.local/busybox:1',"
                    "'command':['/bin/sh','-c','trap \\\"echo bye >/h/bye; exit 0\\\" TERM; echo "
                    "up >/h/up; while :; do sleep 0.1; done'],"
                    "'volumeMounts':[{'name':'h','mountPath':'/"
                    "h'}]}],'volumes':[{'name':'h','hostPath':{'path':'%s'}}]}",
                    cloud->dir);
    cloud_put_pod(cloud, "stubborn",
                  "{'containers':[{'name':'c','image':'coracle.local/busybox:1',"
                  "'command':['/bin/sh','-c','sleep 1000']}]}");
    cloud_put_pod(cloud, "polite", spec);
    auto_(cor_freep) char *up_path = cor_sprintf("%s/up", cloud->dir);
    auto_(cor_freep) char *bye_path = cor_sprintf("%s/bye", cloud->dir);
    struct cloud_file up = {up_path, "up\n"};
    struct cloud_file bye = {bye_path, "bye\n"};
    (void)cloud_await(cloud, cloud_has_file, &up, PATIENCE, "polite is up");
    (void)cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "stubborn", PATIENCE,
                      "stubborn runs");
    struct cor_mono start = cor_mono_now();
    cloud_mark_deleted(cloud, "stubborn", 5);
    cloud_mark_deleted(cloud, "polite", 30);
    (void)cloud_await(cloud, cloud_has_file, &bye, PATIENCE, "polite said bye");
    assert_true(cor_mono_since(cor_mono_now(), start) < COR_SEC(5));
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, PATIENCE, "both gone");
    assert_true(cor_mono_since(cor_mono_now(), start) >= COR_SEC(5));
    assert_true(cloud_has_event(cloud, (void *)(uintptr_t) "Killing"));
}

static void test_offline(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, cloud_has_event, (void *)(uintptr_t) "Starting", PATIENCE,
                      "edged is up");
    cloud_link(cloud, false);
    cloud_put_pod(cloud, "web", WEB);
    auto_(cor_freep) char *log = cor_sprintf("%s/logs/default_web_uid-web/web/0.log", cloud->dir);
    struct cor_mono start = cor_mono_now();
    while (is_absent(cloud, log)) { /* it runs although nobody can be told */
        cor_loop_run(cloud->loop);
        assert_true(cor_mono_since(cor_mono_now(), start) < PATIENCE);
    }
    assert_null(cloud_status(cloud, "web"));
    cloud_link(cloud, true);
    (void)cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "web", COR_SEC(10),
                      "status after the link");
    cloud_delete_pods(cloud);
}

/* A pod that was deleted while edged was away is an orphan. */
static void test_orphan_is_removed(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "web",
                  "{'terminationGracePeriodSeconds':1,"
                  "'containers':[{'name':'web','image':'coracle.local/web:1'}]}");
    (void)cloud_await(cloud, cloud_is_running, (void *)(uintptr_t) "web", PATIENCE, "web runs");
    cloud_kill_edged(cloud, SIGTERM);
    cor_map_del(cloud->objects, COR_VIEW("default/pod/web"));
    auto_(cor_freep) char *folder = cor_sprintf("%s/kubelet/pods/uid-web", cloud->dir);
    assert_false(is_absent(cloud, folder));
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_absent, folder, COR_SEC(40), "the orphan's folder is gone");
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_node_is_registered, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_a_web_pod, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_killed_process_is_restarted, cloud_set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_volumes_env_and_updates, cloud_set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_config_map_update_reaches_the_file, cloud_set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_pods_that_cannot_start_say_why, cloud_set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_grace_is_respected, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_offline, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_orphan_is_removed, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged", tests, NULL, NULL);
}
