// SPDX-License-Identifier: Apache-2.0
// edged over time: how fast Pods start, what it weighs, what it survives.
#include <dirent.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000, PODS = 9 };

#define WEB "{'containers':[{'name':'web','image':'coracle.local/web:1'}]}"

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

/* KiB of a line "Name:  N kB" of a process's smaps_rollup. */
static int64_t smaps(pid_t pid, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("/proc/%d/smaps_rollup", (int)pid);
    auto_(cor_buf_free) struct cor_buf text = {0};
    int64_t kib = 0;
    assert_int_equal(cor_file_read(path, 8192, &text, NULL), COR_OK);
    const char *line = strstr(text.data, name);
    if (line != NULL) {
        kib = strtoll(strchr(line, ':') + 1, NULL, 10);
    }
    return kib;
}

/* About 0.3 s on two idle cores (RunPodSandbox is most of it); the bound leaves room for a busy
 * machine. */
static void test_pods_start_fast(void **state)
{
    struct cloud *cloud = *state;
    int64_t times[PODS];
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME("Starting"), PATIENCE, "edged is up");
    for (size_t i = 0; i < PODS; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "p%zu", i);
        cloud_put_pod(cloud, name, WEB);
        times[i] = cloud_await(cloud, cloud_is_running, name, PATIENCE, name);
    }
    print_message("%d pods: ", PODS);
    qsort(times, PODS, sizeof(times[0]), by_value);
    print_message("min %lld ms, p50 %lld ms, max %lld ms\n", (long long)times[0] / 1000,
                  (long long)times[PODS / 2] / 1000, (long long)times[PODS - 1] / 1000);
    print_message("with %d pods: anonymous %lld KiB, PSS %lld KiB\n", PODS,
                  (long long)smaps(cloud->edged, "Anonymous"),
                  (long long)smaps(cloud->edged, "\nPss"));
    assert_true(times[PODS / 2] < COR_SEC(3));
    cloud_delete_pods(cloud);
}

static pid_t containerd_pid(void)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/containerd.pid", getenv("CONTAINERS_RUN"));
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(path, 32, &text, NULL), COR_OK);
    return (pid_t)strtol(text.data, NULL, 10);
}

static void run_up(void)
{
    auto_(cor_freep) char *program = cor_sprintf("%s/deploy/containers/up", CORACLE_SOURCE_DIR);
    auto_(cor_freep) char *log = cor_sprintf("%s/up.log", getenv("TEST_DIR"));
    pid_t pid = fork();
    if (pid == 0) {
        (void)freopen(log, "a", stdout);
        (void)freopen(log, "a", stderr);
        execl(program, program, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void test_containerd_is_killed(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "web", WEB);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("web"), PATIENCE, "web runs");
    auto_(cor_freep) char *id =
        cor_strdup(cor_json_str_at(cloud_container(cloud, "web"), "containerID", ""));
    kill(containerd_pid(), SIGKILL);
    run_up();
    struct cor_mono start = cor_mono_now();
    cloud_put_pod(cloud, "next", WEB);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("next"), COR_SEC(20),
                      "the next pod runs");
    print_message("a pod runs %lld ms after containerd is back\n",
                  (long long)cor_mono_since(cor_mono_now(), start) / 1000);
    assert_string_equal(cor_json_str_at(cloud_container(cloud, "web"), "containerID", ""), id);
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "web"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
}

/* Kills each process whose command line has this text. */
static void kill_all_with(const char *text)
{
    DIR *dir = opendir("/proc");
    const struct dirent *entry = NULL;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        auto_(cor_freep) char *path = cor_sprintf("/proc/%s/cmdline", entry->d_name);
        auto_(cor_buf_free) struct cor_buf line = {0};
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9' ||
            cor_file_read(path, 65536, &line, NULL) != COR_OK || line.len == 0) {
            continue;
        }
        if (memmem(line.data, line.len, text, strlen(text)) != NULL) {
            kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
        }
    }
    (void)closedir(dir);
}

/* All processes gone, state kept: in this pid namespace they are all ours. */
static void test_everything_is_killed(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "web", WEB);
    cloud_put_pod(cloud, "job",
                  "{'restartPolicy':'Never','containers':[{'name':'c','image':'coracle.local/"
                  "busybox:1','command':['/bin/true']}]}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("web"), PATIENCE, "web runs");
    struct cor_mono start = cor_mono_now();
    while (strcmp(cor_json_str_at(cloud_status(cloud, "job"), "phase", ""), "Succeeded") != 0) {
        cor_loop_run(cloud->loop);
        assert_true(cor_mono_since(cor_mono_now(), start) < PATIENCE);
    }
    cloud_kill_edged(cloud, SIGKILL);
    kill(containerd_pid(), SIGKILL);
    kill_all_with("containerd-shim");
    kill_all_with("httpd");
    kill_all_with("/pause");
    run_up();
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, cloud_is_restarted, CLOUD_NAME("web"), PATIENCE, "web runs again");
    const struct cor_json *last =
        cor_json_at(cloud_container(cloud, "web"), "lastState.terminated");
    assert_int_not_equal(cor_json_int_at(last, "exitCode", 0), 0);
    assert_string_equal(cor_json_str_at(cloud_status(cloud, "job"), "phase", ""), "Succeeded");
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pods_start_fast, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_containerd_is_killed, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_everything_is_killed, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged life", tests, NULL, NULL);
}
