// SPDX-License-Identifier: Apache-2.0
// Device plug-ins: a real one (gRPC's own library), a real edged and containerd.
#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define RESOURCE "example.com/probe"

/* Each start of the container appends a line to /out/NAME; it ends when /out/stop-NAME is there. */
#define TAKER                                                                                      \
    "{'restartPolicy':'Always','containers':[{'name':'c','image':'coracle.local/busybox:1',"       \
    "'resources':{'limits':{'" RESOURCE "':'%d'}},'command':['/bin/sh','-c','dev=none; "           \
    "[ -c /dev/probe0 ] && echo x > /dev/probe0 && dev=here; echo ids=$PROBE_IDS own=$OWN "        \
    "data=$(cat /probe-data) dev=$dev >> /out/%s; while [ ! -e /out/stop-%s ]; do sleep 0.1; "     \
    "done; rm /out/stop-%s'],'env':[{'name':'OWN','value':'mine'}],'volumeMounts':[{'name':"       \
    "'out','mountPath':'/out'}]}],'volumes':[{'name':'out','hostPath':{'path':'%s'}}]}"

struct test {
    struct cloud *cloud;
    pid_t plugin;
    char *log;
};

static struct test test;

static char *plugins_dir(const struct cloud *cloud)
{
    return cor_sprintf("%s/kubelet/device-plugins", cloud->dir);
}

static void start_plugin(struct cloud *cloud, const char *count)
{
    auto_(cor_freep) char *dir = plugins_dir(cloud);
    test.plugin = fork();
    if (test.plugin == 0) {
        const char *program = CORACLE_SOURCE_DIR "/tests/contract/edged/device_plugin.py";
        execl(program, program, dir, RESOURCE, count, test.log, (char *)NULL);
        _exit(127);
    }
    must(test.plugin > 0);
}

static void stop_plugin(void)
{
    if (test.plugin > 0) {
        (void)kill(test.plugin, SIGKILL);
        must(waitpid(test.plugin, NULL, 0) == test.plugin);
        test.plugin = 0;
    }
}

static int set_up(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    int code = cloud_set_up_with(state, "devices:\n  gone-seconds: 2\n");
    struct cloud *cloud = *state;
    test = (struct test){cloud, 0, cor_sprintf("%s/plugin.log", cloud->dir)};
    auto_(cor_freep) char *data = cor_sprintf("%s.data", test.log);
    must(cor_file_write(data, COR_VIEW("gift"), 0644, &err) == COR_OK);
    return code;
}

static int tear_down(void **state)
{
    stop_plugin();
    cor_freep(&test.log);
    return cloud_tear_down(state);
}

/* ---- conditions ---- */

/* What the node has now, as it was told last: "capacity/allocatable". */
static bool node_has(struct cloud *cloud, void *what)
{
    char text[64];
    const struct cor_json *registered = cor_json_get(cloud->node, "status");
    const struct cor_json *status =
        cor_json_get(cloud->node_status, "capacity") != NULL ? cloud->node_status : registered;
    (void)snprintf(
        text, sizeof(text), "%s/%s",
        cor_json_as_str(cor_json_get(cor_json_get(status, "capacity"), RESOURCE), "none"),
        cor_json_as_str(cor_json_get(cor_json_get(status, "allocatable"), RESOURCE), "none"));
    return strcmp(text, what) == 0;
}

static char *file_of(const struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/out/%s", cloud->dir, name);
    auto_(cor_buf_free) struct cor_buf text = {0};
    enum cor_code code = cor_file_read(path, 65536, &text, NULL);
    return code == COR_OK ? cor_buf_take(&text) : cor_strdup("");
}

struct line {
    const char *name;
    const char *text;
};

static bool is_written(struct cloud *cloud, void *with)
{
    const struct line *line = with;
    auto_(cor_freep) char *text = file_of(cloud, line->name);
    return strcmp(text, line->text) == 0;
}

static void await_file(struct cloud *cloud, const char *name, const char *text)
{
    struct line line = {name, text};
    (void)cloud_await(cloud, is_written, &line, PATIENCE, text);
}

static bool is_logged(struct cloud *cloud, void *text)
{
    (void)cloud;
    auto_(cor_buf_free) struct cor_buf log = {0};
    return cor_file_read(test.log, 65536, &log, NULL) == COR_OK && strstr(log.data, text) != NULL;
}

static bool is_refused(struct cloud *cloud, void *name)
{
    const struct cor_json *status = cloud_status(cloud, name);
    return strcmp(cor_json_str_at(status, "phase", ""), "Failed") == 0 &&
           strcmp(cor_json_str_at(status, "reason", ""), "UnexpectedAdmissionError") == 0;
}

static void await_refused(struct cloud *cloud, const char *name, const char *message)
{
    (void)cloud_await(cloud, is_refused, CLOUD_NAME(name), PATIENCE, "refused");
    assert_string_equal(cor_json_str_at(cloud_status(cloud, name), "message", ""), message);
    assert_true(cloud_has_event(cloud, CLOUD_NAME("UnexpectedAdmissionError")));
}

static void put_taker(struct cloud *cloud, const char *name, int count)
{
    auto_(cor_freep) char *out = cor_sprintf("%s/out", cloud->dir);
    struct cor_err err = COR_ERR_NONE;
    must(cor_mkdirs(out, 0755, &err) == COR_OK);
    auto_(cor_freep) char *spec = cor_sprintf(TAKER, count, name, name, name, out);
    cloud_put_pod(cloud, name, spec);
}

static void restart_container(struct cloud *cloud, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/out/stop-%s", cloud->dir, name);
    must(cor_file_write(path, COR_VIEW(""), 0644, &err) == COR_OK);
}

static bool is_gone(struct cloud *cloud, void *name)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", (const char *)name);
    return cor_map_get(cloud->objects, cor_view_of(key)) == NULL;
}

#define NO_MORE                                                                                    \
    "Pod was rejected: Allocate failed due to requested number of devices unavailable for "        \
    "" RESOURCE ". Requested: 1, Available: 0, which is unexpected"

/* ---- tests ---- */

/* A Pod gets what the plug-in says; when none is left the next one is refused; what was given stays
 * given over edged's death, and the plug-in registers again; a Pod that goes gives back. */
static void test_life(void **state)
{
    struct cloud *cloud = *state;
    start_plugin(cloud, "2");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("2/2"), PATIENCE, "two devices");
    put_taker(cloud, "one", 1);
    await_file(cloud, "one", "ids=dev-1 own=mine data=gift dev=here\n");
    assert_true(is_logged(cloud, CLOUD_NAME("preferred size=1 of dev-0,dev-1\nallocate dev-1\n")));
    assert_true(is_logged(cloud, CLOUD_NAME("prestart dev-1\n")));
    put_taker(cloud, "two", 1);
    await_file(cloud, "two", "ids=dev-0 own=mine data=gift dev=here\n");
    put_taker(cloud, "three", 1);
    await_refused(cloud, "three", NO_MORE);

    cloud_kill_edged(cloud, SIGKILL);
    cor_json_free(&cloud->node_status); /* what the next one says counts */
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("dev-0\nregistered\n"), PATIENCE,
                      "registered again");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("2/2"), PATIENCE, "two devices again");
    put_taker(cloud, "four", 1);
    await_refused(cloud, "four", NO_MORE);
    restart_container(cloud, "two");
    await_file(cloud, "two",
               "ids=dev-0 own=mine data=gift dev=here\nids=dev-0 own=mine data=gift dev=here\n");
    assert_true(is_logged(cloud, CLOUD_NAME("registered\nprestart dev-0\n")));

    cloud_mark_deleted(cloud, "one", 1);
    (void)cloud_await(cloud, is_gone, CLOUD_NAME("one"), PATIENCE, "one is gone");
    put_taker(cloud, "five", 1);
    await_file(cloud, "five", "ids=dev-1 own=mine data=gift dev=here\n");
    cloud_delete_pods(cloud);
}

/* A device that fails is not counted; neither are those of a plug-in that dies, and after a while
 * there are none. Pods that run go on; new ones are refused. */
static void test_loss(void **state)
{
    struct cloud *cloud = *state;
    start_plugin(cloud, "2");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("2/2"), PATIENCE, "two devices");
    put_taker(cloud, "one", 1);
    await_file(cloud, "one", "ids=dev-1 own=mine data=gift dev=here\n");
    assert_int_equal(kill(test.plugin, SIGUSR1), 0);
    (void)cloud_await(cloud, node_has, CLOUD_NAME("2/1"), PATIENCE, "one is unhealthy");
    put_taker(cloud, "two", 1);
    await_refused(cloud, "two", NO_MORE);
    stop_plugin();
    (void)cloud_await(cloud, node_has, CLOUD_NAME("2/0"), PATIENCE, "the plug-in died");
    put_taker(cloud, "three", 1);
    await_refused(cloud, "three",
                  "Pod was rejected: Allocate failed due to no healthy devices present; cannot "
                  "allocate unhealthy devices " RESOURCE ", which is unexpected");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("0/0"), PATIENCE, "they are forgotten");
    assert_true(cloud_is_running(cloud, CLOUD_NAME("one")));
    start_plugin(cloud, "3");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("3/3"), PATIENCE, "it is there again");
    cloud_delete_pods(cloud);
}

static bool is_asked_again(struct cloud *cloud, void *with)
{
    (void)cloud;
    (void)with;
    auto_(cor_buf_free) struct cor_buf log = {0};
    if (cor_file_read(test.log, 65536, &log, NULL) != COR_OK) {
        return false;
    }
    return test_count(log.data, "\nallocate dev-0\n") == 3;
}

/* The plug-in cannot give: the Pod fails. Registrations that break a rule are refused. */
static void test_refusals(void **state)
{
    struct cloud *cloud = *state;
    struct cor_err err = COR_ERR_NONE;
    start_plugin(cloud, "1");
    (void)cloud_await(cloud, node_has, CLOUD_NAME("1/1"), PATIENCE, "one device");
    auto_(cor_freep) char *refuse = cor_sprintf("%s.refuse", test.log);
    must(cor_file_write(refuse, COR_VIEW(""), 0644, &err) == COR_OK);
    put_taker(cloud, "one", 1);
    await_refused(cloud, "one",
                  "Pod was rejected: Allocate failed due to rpc error: code = Unknown desc = "
                  "Exception calling application: it burns, which is unexpected");
    assert_int_equal(unlink(refuse), 0);
    put_taker(cloud, "two", 1);
    await_file(cloud, "two", "ids=dev-0 own=mine data=gift dev=here\n");
    cloud_delete_pods(cloud);

    /* one that does not answer holds up nobody, and edged may be stopped meanwhile */
    auto_(cor_freep) char *hang = cor_sprintf("%s.hang", test.log);
    must(cor_file_write(hang, COR_VIEW(""), 0644, &err) == COR_OK);
    put_taker(cloud, "slow", 1);
    (void)cloud_await(cloud, is_asked_again, NULL, PATIENCE, "it is asked");
    put_taker(cloud, "quick", 0);
    await_file(cloud, "quick", "ids= own=mine data= dev=none\n");
    cloud_kill_edged(cloud, SIGTERM);
    assert_int_equal(unlink(hang), 0);
    cloud_start_edged(cloud);
    await_file(cloud, "slow", "ids=dev-0 own=mine data=gift dev=here\n");

    auto_(cor_freep) char *dir = plugins_dir(cloud);
    pid_t bad = fork();
    if (bad == 0) {
        const char *program = CORACLE_SOURCE_DIR "/tests/contract/edged/device_plugin.py";
        execl(program, program, dir, "--bad", test.log, (char *)NULL);
        _exit(127);
    }
    (void)cloud_await(
        cloud, is_logged,
        CLOUD_NAME("refused requested API version \"v1alpha\" is not supported by kubelet. "
                   "Supported version is [\"v1beta1\"]\n"
                   "refused the ResourceName \"cpu\" is invalid\n"
                   "refused the ResourceName \"kubernetes.io/probe\" is invalid\n"
                   "refused the endpoint is no name of a socket beside this one\n"
                   "refused the endpoint is no name of a socket beside this one\n"
                   "refused the request cannot be read\n"
                   "refused request over the limit\n"),
        PATIENCE, "bad registrations");
    assert_int_equal(waitpid(bad, NULL, 0), bad);
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_loss, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refusals, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("edged device", tests, NULL, NULL);
}
