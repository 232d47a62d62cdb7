// SPDX-License-Identifier: Apache-2.0
// Single fields of Pods on a real edged and containerd: what they do, or in which words the node
// says that it cannot.
#include <sys/stat.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define BOX "'name':'c','image':'coracle.local/busybox:1'"
#define SLEEPS BOX ",'command':['/bin/sleep','600']"

/* What the Pod wrote into its hostPath. Returns owned. */
static char *written(const struct cloud *cloud, const char *name)
{
    struct cor_buf text = {0};
    auto_(cor_freep) char *path = cor_sprintf("%s/out/%s", cloud->dir, name);
    assert_int_equal(cor_file_read(path, 1 << 16, &text, NULL), COR_OK);
    cor_buf_str(&text, "");
    return cor_buf_take(&text);
}

static bool is_over(struct cloud *cloud, void *name)
{
    const char *phase = cor_json_str_at(cloud_status(cloud, name), "phase", "");
    return strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
}

static void write_profile(const struct cloud *cloud)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *folder = cor_sprintf("%s/kubelet/seccomp/p", cloud->dir);
    auto_(cor_freep) char *path = cor_sprintf("%s/a.json", folder);
    assert_int_equal(cor_mkdirs(folder, 0755, &err), COR_OK);
    assert_int_equal(cor_file_write(path,
                                    COR_VIEW("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":"
                                             "[{\"names\":[\"mkdir\",\"mkdirat\"],\"action\":"
                                             "\"SCMP_ACT_ERRNO\"}]}"),
                                    0644, &err),
                     COR_OK);
}

/* One container that looks at what it was given. */
static void test_what_they_do(void **state)
{
    struct cloud *cloud = *state;
    write_profile(cloud);
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'restartPolicy':'Never','hostname':'h','subdomain':'sub','setHostnameAsFQDN':true,"
        "'dnsPolicy':'Default','dnsConfig':{'searches':['of.the.pod']},'containers':[{" BOX ","
        "'command':['/bin/sh','-c','cd /out; hostname > name; cat /etc/resolv.conf > resolv; mkdir "
        "x 2> seccomp; grep -c \\\" /proc/\\\" /proc/self/mounts > masked; true'],"
        "'securityContext':{'procMount':'Unmasked','seccompProfile':{'type':'Localhost',"
        "'localhostProfile':'p/a.json'}},'volumeMounts':[{'name':'o','mountPath':'/out'}]}],"
        "'volumes':[{'name':'o','hostPath':{'path':'%s/out','type':'DirectoryOrCreate'}}]}",
        cloud->dir);
    cloud_put_pod(cloud, "box", spec);
    (void)cloud_await(cloud, is_over, CLOUD_NAME("box"), PATIENCE, "it has looked");
    auto_(cor_freep) char *name = written(cloud, "name");
    auto_(cor_freep) char *resolv = written(cloud, "resolv");
    auto_(cor_freep) char *seccomp = written(cloud, "seccomp");
    auto_(cor_freep) char *masked = written(cloud, "masked");
    assert_string_equal(name, "h.sub.default.svc.cluster.local\n");
    assert_non_null(strstr(resolv, "of.the.pod"));
    assert_non_null(strstr(seccomp, "Operation not permitted"));
    assert_string_equal(masked, "0\n");
    auto_(cor_buf_free) struct cor_buf own = {0};
    assert_int_equal(cor_file_read("/etc/resolv.conf", 1 << 16, &own, NULL), COR_OK);
    bool both = strstr(own.data, "nameserver") == NULL || strstr(resolv, "nameserver") != NULL;
    assert_true(both);
    cloud_delete_pods(cloud);
}

static bool cannot_be_configured(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_container(cloud, name), "state.waiting.reason", ""),
                  "CreateContainerConfigError") == 0;
}

static bool host_has_apparmor(void)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    return cor_file_read("/sys/module/apparmor/parameters/enabled", 16, &text, NULL) == COR_OK &&
           text.data[0] == 'Y';
}

static void test_what_cannot_be(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "users", "{'hostUsers':false,'containers':[{" SLEEPS "}]}");
    cloud_put_pod(cloud, "class", "{'runtimeClassName':'gvisor','containers':[{" SLEEPS "}]}");
    cloud_put_pod(cloud, "recursive",
                  "{'containers':[{" SLEEPS ",'volumeMounts':[{'name':'v','mountPath':'/v',"
                  "'readOnly':true,'recursiveReadOnly':'Enabled'}]}],'volumes':[{'name':'v',"
                  "'emptyDir':{}}]}");
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("can't set `spec.hostUsers: false`, runtime does not support user "
                                 "namespaces"),
                      PATIENCE, "user namespaces");
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("runtimeclass.node.k8s.io \"gvisor\" not found"), PATIENCE,
                      "runtime class");
    (void)cloud_await(cloud, cannot_be_configured, CLOUD_NAME("recursive"), PATIENCE,
                      "recursive read-only");
    if (!host_has_apparmor()) {
        cloud_put_pod(cloud, "armour",
                      "{'containers':[{" SLEEPS ",'securityContext':{'appArmorProfile':{'type':"
                      "'RuntimeDefault'}}}]}");
        (void)cloud_await(cloud, is_over, CLOUD_NAME("armour"), PATIENCE, "AppArmor");
        const struct cor_json *status = cloud_status(cloud, "armour");
        assert_string_equal(cor_json_str_at(status, "reason", ""), "AppArmor");
        assert_string_equal(cor_json_str_at(status, "message", ""),
                            "Pod was rejected: Cannot enforce AppArmor: AppArmor is not enabled on "
                            "the host");
    }
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_they_do, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged fields", tests, NULL, NULL);
}
