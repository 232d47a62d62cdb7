// SPDX-License-Identifier: Apache-2.0
// Hostile Pods on a real edged and containerd: each is refused in words that name the field, or
// runs; edged lives, and nothing is made on the machine outside of the Pods' own folders.
#include <sys/stat.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define BOX "{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sleep','600']"

static const struct {
    const char *name;
    const char *spec; /* %s: the test's folder */
    const char *says; /* beginning of the message of its failure; NULL: it runs */
} cases[] = {
    {"name-up", "{'containers':[{'name':'../../x','image':'i'}]}", "spec.containers[0].name: "},
    {"name-num", "{'containers':[{'name':7,'image':'i'}]}", "spec.containers[0].name: "},
    {"name-none", "{'containers':[{'image':'i'}]}", "spec.containers[0].name: Required value"},
    {"none", "{}", "spec.containers: Required value"},
    {"no-list", "{'containers':{'name':'c'}}", "spec.containers: "},
    {"image-num", "{'containers':[{'name':'c','image':['i']}]}", "spec.containers[0].image: "},
    {"twice", "{'containers':[" BOX "}," BOX "}]}", "spec.containers[1].name: Duplicate value"},
    {"args", "{'containers':[" BOX ",'args':'rm -rf /'}]}", "spec.containers[0].args: "},
    {"nul", "{'containers':[" BOX ",'args':['a\\u0000b']}]}", "spec.containers[0].args[0]: "},
    {"host-up",
     "{'containers':[" BOX "}],'volumes':[{'name':'v','hostPath':{'path':"
     "'%s/kubelet/../out','type':'DirectoryOrCreate'}}]}",
     "spec.volumes[0].hostPath.path: "},
    {"host-type",
     "{'containers':[" BOX "}],'volumes':[{'name':'v','hostPath':{'path':'%s/out',"
     "'type':'Pipe'}}]}",
     "spec.volumes[0].hostPath.type: Unsupported value"},
    {"sub-up",
     "{'containers':[" BOX ",'volumeMounts':[{'name':'v','mountPath':'/v','subPath':"
     "'../../../../../out'}]}],'volumes':[{'name':'v','emptyDir':{}}]}",
     "spec.containers[0].volumeMounts[0].subPath: "},
    {"item-up",
     "{'containers':[" BOX "}],'volumes':[{'name':'v','configMap':{'name':'cm','items':"
     "[{'key':'k','path':'../../../../../out'}]}}]}",
     "spec.volumes[0].configMap.items[0].path: "},
    {"cm-up", "{'containers':[" BOX "}],'volumes':[{'name':'v','configMap':{'name':'../../x'}}]}",
     "spec.volumes[0].configMap.name: "},
    {"volume-up", "{'containers':[" BOX "}],'volumes':[{'name':'../../../out','emptyDir':{}}]}",
     "spec.volumes[0].name: "},
    {"mode",
     "{'containers':[" BOX "}],'volumes':[{'name':'v','configMap':{'name':'cm',"
     "'defaultMode':-1}}]}",
     "spec.volumes[0].configMap.defaultMode: "},
    {"user", "{'containers':[" BOX ",'securityContext':{'runAsUser':-1}}]}",
     "spec.containers[0].securityContext.runAsUser: "},
    {"port", "{'containers':[" BOX ",'ports':[{'containerPort':99999999999}]}]}",
     "spec.containers[0].ports[0].containerPort: "},
    {"memory", "{'containers':[" BOX ",'resources':{'limits':{'memory':'-1Gi'}}}]}",
     "spec.containers[0].resources.limits.memory: "},
    {"deadline", "{'activeDeadlineSeconds':-1,'containers':[" BOX "}]}",
     "spec.activeDeadlineSeconds: "},
    {"restart", "{'restartPolicy':'$(reboot)','containers':[" BOX "}]}", "spec.restartPolicy: "},
    {"profile",
     "{'containers':[" BOX ",'securityContext':{'seccompProfile':{'type':'Localhost',"
     "'localhostProfile':'../../../etc/passwd'}}}]}",
     "spec.containers[0].securityContext.seccompProfile.localhostProfile: "},
    {"alias",
     "{'hostAliases':[{'ip':'1.2.3.4\\n6.6.6.6 kubernetes','hostnames':['a']}],"
     "'containers':[" BOX "}]}",
     "spec.hostAliases[0].ip: "},
    {"sysctl",
     "{'securityContext':{'sysctls':[{'name':'../../kernel/core_pattern','value':'x'}]},"
     "'containers':[" BOX "}]}",
     "spec.securityContext.sysctls[0].name: "},
    /* what runs, and touches nothing */
    {"mount-up",
     "{'containers':[" BOX ",'volumeMounts':[{'name':'v','mountPath':"
     "'/../../../..%s/out'}]}],'volumes':[{'name':'v','emptyDir':{}}]}",
     NULL},
    {"shell",
     "{'containers':[" BOX ",'args':['$(touch %s/out)','`touch /out`',';reboot'],'env':[{"
     "'name':'X','value':'$(rm -rf /)'}]}]}",
     NULL},
    {"grace", "{'terminationGracePeriodSeconds':-1,'containers':[" BOX "}]}", NULL},
};

static bool has_failed(struct cloud *cloud, void *name)
{
    return strcmp(cor_json_str_at(cloud_status(cloud, name), "phase", ""), "Failed") == 0;
}

/* busybox's sleep refuses what is no number: that it was started is what counts. */
static bool was_started(struct cloud *cloud, void *name)
{
    const struct cor_json *status = cloud_container(cloud, name);
    return cor_json_at(status, "state.running") != NULL ||
           cor_json_at(status, "state.terminated") != NULL ||
           cor_json_at(status, "lastState.terminated") != NULL;
}

static void put(struct cloud *cloud, size_t i)
{
    auto_(cor_buf_free) struct cor_buf spec = {0};
    const char *rest = cases[i].spec;
    for (const char *at = strstr(rest, "%s"); at != NULL; at = strstr(rest, "%s")) {
        cor_buf_add(&spec, rest, (size_t)(at - rest));
        cor_buf_str(&spec, cloud->dir);
        rest = at + 2;
    }
    cor_buf_str(&spec, rest);
    cloud_put_pod(cloud, cases[i].name, spec.data);
}

static void look(struct cloud *cloud, size_t i)
{
    void *name = CLOUD_NAME(cases[i].name);
    if (cases[i].says == NULL) {
        (void)cloud_await(cloud, was_started, name, PATIENCE, cases[i].name);
        return;
    }
    (void)cloud_await(cloud, has_failed, name, PATIENCE, cases[i].name);
    const struct cor_json *status = cloud_status(cloud, cases[i].name);
    const char *message = cor_json_str_at(status, "message", "");
    assert_string_equal(cor_json_str_at(status, "reason", ""), "InvalidPod");
    if (strncmp(message, cases[i].says, strlen(cases[i].says)) != 0) {
        fail_msg("%s: %s", cases[i].name, message);
    }
}

static void test_hostile_pods(void **state)
{
    struct cloud *cloud = *state;
    struct stat st;
    auto_(cor_freep) char *out = cor_sprintf("%s/out", cloud->dir);
    cloud_put(cloud, "default/configmap/cm", json_of("{'data':{'k':'v'}}"));
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME("Starting"), PATIENCE, "edged is up");
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        put(cloud, i);
    }
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        look(cloud, i);
    }
    assert_int_equal(waitpid(cloud->edged, NULL, WNOHANG), 0);
    assert_int_not_equal(lstat(out, &st), 0);
    assert_int_not_equal(lstat("/out", &st), 0);
    cloud_delete_pods(cloud);
    assert_int_not_equal(lstat(out, &st), 0);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_hostile_pods, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged input", tests, NULL, NULL);
}
