// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"

#define ONE "'containers':[{'name':'c','image':'i:1'"

static void test_all_fields(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(
        "{'nodeName':'n1','serviceAccountName':'sa','hostNetwork':true,'restartPolicy':'OnFailure',"
        "'terminationGracePeriodSeconds':7,'hostname':'h','dnsPolicy':'None',"
        "'dnsConfig':{'nameservers':['1.1.1.1'],'options':[{'name':'ndots','value':'2'},{'name':'"
        "edns0'}]},"
        "'securityContext':{'runAsUser':5,'fsGroup':9,'supplementalGroups':[8],'seccompProfile':{'"
        "type':'RuntimeDefault'}},"
        "'imagePullSecrets':[{'name':'reg'}],'hostAliases':[{'ip':'1.2.3.4','hostnames':['a','b']}]"
        ","
        "'initContainers':[{'name':'i0','image':'x'}],"
        "'containers':[{'name':'c','image':'host:5/x','command':['sh'],'args':['-c','x'],"
        "'ports':[{'containerPort':80,'hostPort':80,'protocol':'UDP'}],"
        "'resources':{'limits':{'cpu':'500m','memory':'64Mi'},'requests':{'cpu':'500m'}},"
        "'env':[{'name':'A','valueFrom':{'secretKeyRef':{'name':'s','key':'k','optional':true}}}],"
        "'envFrom':[{'prefix':'P_','configMapRef':{'name':'cm'}}],"
        "'volumeMounts':[{'name':'v','mountPath':'/v','subPath':'a/b','readOnly':true}],"
        "'securityContext':{'runAsUser':0,'capabilities':{'drop':['ALL']},'"
        "allowPrivilegeEscalation':false}}],"
        "'volumes':[{'name':'v','configMap':{'name':'cm','defaultMode':256,'items':[{'key':'k','"
        "path':'d/f','mode':384}]}},"
        "{'name':'e','emptyDir':{'medium':'Memory','sizeLimit':'1Mi'}},{'name':'h','hostPath':{'"
        "path':'/x','type':'Directory'}},"
        "{'name':'t','projected':{'sources':[{'serviceAccountToken':{'path':'token','"
        "expirationSeconds':3607}}]}},"
        "{'name':'n','iscsi':{'iqn':'x'}}]}");
    assert_string_equal(pod->account, "sa");
    assert_int_equal(pod->restart, POD_RESTART_ON_FAILURE);
    assert_int_equal(pod->grace_seconds, 7);
    assert_string_equal(pod->dns_options.item[0], "ndots:2");
    assert_string_equal(pod->dns_options.item[1], "edns0");
    assert_int_equal(pod->group_count, 2);
    assert_int_equal(pod->groups[1], 9);
    assert_string_equal(pod->pull_secrets.item[0], "reg");
    assert_string_equal(pod->aliases[0].names.item[1], "b");
    assert_int_equal(pod->init_count, 1);
    const struct pod_container *c = pod_container(pod, 1);
    assert_string_equal(c->image, "host:5/x:latest");
    assert_int_equal(c->pull, POD_PULL_ALWAYS);
    assert_int_equal(c->ports[0].host_port, 80);
    assert_int_equal(c->ports[0].protocol, 1);
    assert_int_equal(c->resources.cpu_limit.n, 500);
    assert_int_equal(c->resources.memory_limit.n, 64 << 20);
    assert_int_equal(c->env[0].from, POD_ENV_SECRET);
    assert_true(c->env[0].optional);
    assert_string_equal(c->env_from[0].prefix, "P_");
    assert_string_equal(c->mounts[0].sub_path, "a/b");
    assert_true(c->security.user.given);
    assert_int_equal(c->security.user.n, 0);
    assert_true(c->security.no_new_privs);
    assert_int_equal(c->security.seccomp, 0);
    assert_int_equal(pod_container(pod, 0)->security.user.n, 5);
    assert_int_equal(pod->volume_count, 5);
    assert_int_equal(pod->volumes[0].default_mode, 0400);
    assert_int_equal(pod->volumes[0].sources[0].items[0].mode, 0600);
    assert_true(pod->volumes[1].memory);
    assert_int_equal(pod->volumes[1].size.n, 1 << 20);
    assert_int_equal(pod->volumes[3].sources[0].expiration_seconds, 3607);
    assert_int_equal(pod->volumes[4].type, POD_VOLUME_UNSUPPORTED);
    assert_string_equal(pod->volumes[4].unsupported, "iscsi");
    assert_int_equal(pod->qos, POD_QOS_BURSTABLE);
}

/* What breaks a rule is refused with the field's name; nothing aborts. */
static void test_bad_pods(void **state)
{
    (void)state;
    static const struct {
        const char *object;
        const char *says;
    } cases[] = {
        {"{}", "metadata"},
        {"null", "metadata"},
        {"[]", "metadata"},
        {"'x'", "metadata"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'../x'},'spec':{" ONE "}]}}", "uid"},
        {"{'metadata':{'name':'a','namespace':'b'},'spec':{" ONE "}]}}", "uid"},
        {"{'metadata':{'name':'A/B','namespace':'b','uid':'u'},'spec':{" ONE "}]}}", "name"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{}}", "spec.containers"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{'containers':{}}}",
         "must be of type array"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{'containers':[null]}}",
         "spec.containers[0]"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{'containers':[{'name':'../"
         "x','image':'i'}]}}",
         "name"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         "},{'name':'c','image':'i'}]}}",
         "Duplicate value"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         ",'ports':[{'containerPort':-1}]}]}}",
         "ports"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         ",'ports':[{'containerPort':80,'hostPort':70000}]}]}}",
         "ports"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         ",'volumeMounts':[{'name':'v','mountPath':'/x','subPath':'a/../../b'}]}]}}",
         "subPath"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         ",'volumeMounts':[{'name':'v','mountPath':'/x','subPath':'/etc'}]}]}}",
         "subPath"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         ",'resources':{'limits':{'cpu':'lots'}}}]}}",
         "quantities"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE ",'env':[{}]}]}}",
         "env[0]"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE ",'env':'x'}]}}",
         "must be of type array"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         "}],'volumes':[{'name':'v'},{'name':'v'}]}}",
         "Duplicate value"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         "}],'volumes':[{'emptyDir':{}}]}}",
         "volumes[0]"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         "}],'volumes':[{'name':'v','configMap':{'name':'x','items':[{'key':'k','path':'../"
         "x'}]}}]}}",
         "path"},
        {"{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{" ONE
         "}],'volumes':[{'name':'v','configMap':{'name':'x','defaultMode':4096}}]}}",
         "defaultMode"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct pod *pod = NULL;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = pod_parse(test_json(cases[i].object), &pod, &err);
        if (code == COR_OK || strstr(err.text, cases[i].says) == NULL) {
            fail_msg("case %zu: code %d: %s", i, (int)code, err.text);
        }
        assert_null(pod);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct cor_json *object = test_json("{'metadata':{'name':'a','namespace':'b','uid':'u'}}");
    struct cor_json *list = cor_json_array();
    for (int i = 0; i <= POD_CONTAINERS_MAX; i++) {
        struct cor_json *container = cor_json_object();
        cor_json_set(container, "name", cor_json_fmt("c%d", i));
        cor_json_set(container, "image", cor_json_str("i"));
        cor_json_add(list, container);
    }
    cor_json_set_at(object, "spec.containers", list);
    struct pod *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(pod_parse(object, &pod, &err), COR_INVALID);
}

static void test_qos_and_oom(void **state)
{
    (void)state;
    static const struct {
        const char *resources;
        enum pod_qos qos;
        int64_t oom;
    } cases[] = {
        {"{}", POD_QOS_BEST_EFFORT, 1000},
        {"{'limits':{'cpu':'1','memory':'1Gi'}}", POD_QOS_GUARANTEED, -997},
        {"{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'1','memory':'1Gi'}}",
         POD_QOS_GUARANTEED, -997},
        {"{'limits':{'cpu':'1','memory':'1Gi'},'requests':{'cpu':'500m','memory':'1Gi'}}",
         POD_QOS_BURSTABLE, 500},
        {"{'requests':{'memory':'1Gi'}}", POD_QOS_BURSTABLE, 500},
        {"{'requests':{'cpu':'1'}}", POD_QOS_BURSTABLE, 999},
        {"{'limits':{'cpu':'1'}}", POD_QOS_BURSTABLE, 999},
        {"{'requests':{'memory':'9Gi'}}", POD_QOS_BURSTABLE, 3},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *spec = cor_sprintf("{" ONE ",'resources':%s}]}", cases[i].resources);
        auto_(pod_free) struct pod *pod = pod_of(spec);
        int64_t oom = pod_oom_score(pod, pod_container(pod, 0), INT64_C(2) << 30);
        if (pod->qos != cases[i].qos || oom != cases[i].oom) {
            fail_msg("%s: qos %d oom %lld", cases[i].resources, (int)pod->qos, (long long)oom);
        }
    }
}

static void test_bad_image_is_not_fatal(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod =
        pod_of("{'containers':[{'name':'c','image':'Not An Image'}]}");
    assert_string_equal(pod_container(pod, 0)->image_error, "invalid reference format");
}

static void test_paths(void **state)
{
    (void)state;
    assert_true(pod_path_is_inside("a/b..c/.d"));
    assert_true(pod_path_is_inside(""));
    assert_false(pod_path_is_inside("a/.."));
    assert_false(pod_path_is_inside("../a"));
    assert_false(pod_path_is_inside("/a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields),
        cmocka_unit_test(test_bad_pods),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_qos_and_oom),
        cmocka_unit_test(test_bad_image_is_not_fatal),
        cmocka_unit_test(test_paths),
    };
    return cmocka_run_group_tests_name("pod", tests, NULL, NULL);
}
