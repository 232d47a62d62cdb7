// SPDX-License-Identifier: Apache-2.0
#include "services/edged/admit/admit.h"

#include "../fixture.h"

#define C "'containers':[{'name':'c','image':'i'"
#define CPU(n) C ",'resources':{'requests':{'cpu':'" n "'}}}]"
#define AFFINITY(term)                                                                             \
    "'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"               \
    "'nodeSelectorTerms':[" term "]}}}," C "}]"
#define EXPRESSION(key, op, values)                                                                \
    AFFINITY("{'matchExpressions':[{'key':'" key "','operator':'" op "','values':[" values "]}]}")

static const char NODE[] =
    "{'metadata':{'labels':{'kubernetes.io/os':'linux','zone':'a','size':'7'}},'spec':{'taints':["
    "{'key':'k','value':'v','effect':'NoExecute'},{'key':'s','effect':'NoSchedule'}]}}";

#define TOLERANT "'tolerations':[{'key':'k','operator':'Equal','value':'v'}],"

/* One Pod, and what the node says; "" takes it. */
struct row {
    const char *spec;
    const char *reason;
    const char *message; /* NULL: does not matter */
};

static const struct row ROWS[] = {
    {TOLERANT CPU("500m"), "", NULL},
    {TOLERANT CPU("501m"), "OutOfcpu",
     "Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000"},
    {TOLERANT "'overhead':{'cpu':'1m','memory':'1'}," CPU("500m"), "OutOfcpu",
     "Node didn't have enough resource: cpu, requested: 501, used: 1500, capacity: 2000"},
    {TOLERANT C ",'resources':{'limits':{'example.com/a':'2','hugepages-2Mi':'2Mi'}}}]", "", NULL},
    {TOLERANT C ",'resources':{'limits':{'example.com/a':'3'}}}]", "OutOfexample.com/a",
     "Node didn't have enough resource: example.com/a, requested: 3, used: 1, capacity: 3"},
    {TOLERANT C ",'resources':{'limits':{'hugepages-2Mi':'4Mi'}}}]", "OutOfhugepages-2Mi",
     "Node didn't have enough resource: hugepages-2Mi, requested: 4194304, used: 0, capacity: "
     "2097152"},
    {TOLERANT C ",'resources':{'limits':{'example.com/unknown':'3'}}}]", "", NULL},
    {TOLERANT "'initContainers':[{'name':'i','image':'i','restartPolicy':'Always','resources':{"
              "'limits':{'example.com/a':'1'}}},{'name':'k','image':'i','resources':{'limits':{"
              "'example.com/a':'2'}}}]," C "}]",
     "OutOfexample.com/a", NULL},
    {TOLERANT C ",'resources':{'requests':{'memory':'1000'}}}]", "OutOfmemory",
     "Node didn't have enough resource: memory, requested: 1000, used: 100, capacity: 1000"},
    {TOLERANT C ",'resources':{'requests':{'ephemeral-storage':'11'}}}]", "OutOfephemeral-storage",
     NULL},
    {TOLERANT "'initContainers':[{'name':'i','image':'i','resources':{'requests':{'cpu':'600m'}}}]"
              "," CPU("100m"),
     "OutOfcpu", NULL},
    {TOLERANT "'initContainers':[{'name':'i','image':'i','restartPolicy':'Always','resources':{"
              "'requests':{'cpu':'300m'}}}]," CPU("300m"),
     "OutOfcpu", NULL},
    {TOLERANT "'nodeSelector':{'zone':'a'}," C "}]", "", NULL},
    {TOLERANT "'nodeSelector':{'zone':'b'}," C "}]", "NodeAffinity",
     "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"},
    {TOLERANT "'nodeSelector':{'kubernetes.io/os':'windows'}," C "}]",
     "PodOSSelectorNodeLabelDoesNotMatch", NULL},
    {TOLERANT "'os':{'name':'windows'}," C "}]", "PodOSNotSupported",
     "Failed to admit pod as the OS field doesn't match node OS"},
    {TOLERANT EXPRESSION("zone", "In", "'b','a'"), "", NULL},
    {TOLERANT EXPRESSION("zone", "NotIn", "'b','a'"), "NodeAffinity", NULL},
    {TOLERANT EXPRESSION("none", "NotIn", "'b'"), "", NULL},
    {TOLERANT EXPRESSION("zone", "Exists", ""), "", NULL},
    {TOLERANT EXPRESSION("zone", "DoesNotExist", ""), "NodeAffinity", NULL},
    {TOLERANT EXPRESSION("size", "Gt", "'6'"), "", NULL},
    {TOLERANT EXPRESSION("size", "Lt", "'7'"), "NodeAffinity", NULL},
    {TOLERANT EXPRESSION("zone", "Gt", "'6'"), "NodeAffinity", NULL},
    {TOLERANT EXPRESSION("zone", "Is", "'a'"), "NodeAffinity", NULL},
    {TOLERANT AFFINITY(""), "NodeAffinity", NULL},
    {TOLERANT AFFINITY("{}"), "NodeAffinity", NULL},
    {TOLERANT AFFINITY("{'matchFields':[{'key':'metadata.name','operator':'In','values':['n1']}]}"),
     "", NULL},
    {TOLERANT AFFINITY("{'matchFields':[{'key':'metadata.name','operator':'In','values':['n2']}]},"
                       "{'matchExpressions':[{'key':'zone','operator':'Exists'}]}"),
     "", NULL},
    {C "}]", "TaintToleration",
     "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"},
    {"'tolerations':[{'operator':'Exists'}]," C "}]", "", NULL},
    {"'tolerations':[{'key':'k','operator':'Exists','effect':'NoExecute'}]," C "}]", "", NULL},
    {"'tolerations':[{'key':'k','operator':'Exists','effect':'NoSchedule'}]," C "}]",
     "TaintToleration", NULL},
    {"'tolerations':[{'key':'k','value':'w'}]," C "}]", "TaintToleration", NULL},
    {TOLERANT C ",'ports':[{'containerPort':1,'hostPort':80}]}]", "NodePorts",
     "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"},
    {TOLERANT C ",'ports':[{'containerPort':1,'hostPort':80,'protocol':'UDP'}]}]", "", NULL},
    {TOLERANT C ",'ports':[{'containerPort':80}]}]", "", NULL},
    {TOLERANT "'securityContext':{'sysctls':[{'name':'net.ipv4.tcp_syncookies','value':'1'}]}," C
              "}]",
     "", NULL},
    {TOLERANT "'securityContext':{'sysctls':[{'name':'net.core.somaxconn','value':'1'}]}," C "}]",
     "", NULL},
    {TOLERANT "'securityContext':{'sysctls':[{'name':'kernel.msgmax','value':'1'}]}," C "}]",
     "SysctlForbidden", "forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
    {TOLERANT "'hostNetwork':true,'securityContext':{'sysctls':[{'name':'net.ipv4.tcp_syncookies',"
              "'value':'1'}]}," C "}]",
     "SysctlForbidden",
     "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net "
     "enabled"},
};

static const char OTHER[] =
    "{'containers':[{'name':'c','image':'i','ports':[{'containerPort':80,'hostPort':80}],"
    "'resources':{'requests':{'cpu':'1500m','memory':'100'},'limits':{'example.com/a':'1'}}}]}";

static void the_node_takes_what_fits(void **state)
{
    (void)state;
    static const char *const SYSCTLS[] = {"net.core.*"};
    static const struct pod_extra EXTRAS[] = {{"example.com/a", 3}, {"hugepages-2Mi", 2 << 20}};
    auto_(cor_json_free) struct cor_json *object = test_json(NODE);
    auto_(pod_free) struct pod *other = pod_of(OTHER);
    const struct pod *const others[] = {other};
    const struct admit_node node = {.name = "n1",
                                    .object = object,
                                    .cpu_milli = 2000,
                                    .memory = 1000,
                                    .storage = 10,
                                    .pods = 110,
                                    .extras = EXTRAS,
                                    .extra_count = 2,
                                    .sysctls = SYSCTLS,
                                    .sysctl_count = 1};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct admit_refusal refusal = {.reason = ""};
        auto_(cor_freep) char *spec = cor_sprintf("{%s}", ROWS[i].spec);
        auto_(pod_free) struct pod *pod = pod_of(spec);
        bool taken = admit_pod(&node, others, 1, pod, &refusal);
        if (taken != (ROWS[i].reason[0] == '\0') || strcmp(refusal.reason, ROWS[i].reason) != 0) {
            fail_msg("row %zu: \"%s\" %s", i, refusal.reason, taken ? "taken" : refusal.message);
        }
        if (ROWS[i].message != NULL) {
            assert_string_equal(refusal.message, ROWS[i].message);
        }
    }
}

static void the_last_place_is_taken(void **state)
{
    (void)state;
    struct admit_refusal refusal;
    auto_(pod_free) struct pod *pod = pod_of("{'containers':[{'name':'c','image':'i'}]}");
    const struct pod *const others[] = {pod, pod};
    struct admit_node node = {.name = "n1", .cpu_milli = 1, .memory = 1, .storage = 1, .pods = 3};
    assert_true(admit_pod(&node, others, 2, pod, &refusal)); /* labels and taints are not known */
    node.pods = 2;
    assert_false(admit_pod(&node, others, 2, pod, &refusal));
    assert_string_equal(refusal.reason, "OutOfpods");
    assert_string_equal(refusal.message,
                        "Node didn't have enough resource: pods, requested: 1, used: 2, capacity: "
                        "2");
}

/* By field, by the Pod's field, by annotation; who asks for nothing is taken. */
static void test_apparmor(void **state)
{
    (void)state;
    static const struct {
        const char *notes;
        const char *spec;
        bool asks;
    } cases[] = {
        {"{}", "{'containers':[{'name':'c','image':'i'}]}", false},
        {"{}",
         "{'containers':[{'name':'c','image':'i','securityContext':{'appArmorProfile':{'type':"
         "'RuntimeDefault'}}}]}",
         true},
        {"{}",
         "{'containers':[{'name':'c','image':'i','securityContext':{'appArmorProfile':{'type':"
         "'Unconfined'}}}]}",
         false},
        {"{}",
         "{'securityContext':{'appArmorProfile':{'type':'Localhost','localhostProfile':'x'}},"
         "'containers':[{'name':'c','image':'i'}]}",
         true},
        {"{'container.apparmor.security.beta.kubernetes.io/c':'runtime/default'}",
         "{'containers':[{'name':'c','image':'i'}]}", true},
        {"{'container.apparmor.security.beta.kubernetes.io/c':'unconfined'}",
         "{'containers':[{'name':'c','image':'i'}]}", false},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct admit_refusal refusal = {.reason = ""};
        struct admit_node node = {.name = "n1", .cpu_milli = 1, .memory = 1, .pods = 3};
        struct cor_json *object =
            test_json("{'metadata':{'name':'web','namespace':'default','uid':'u1'}}");
        auto_(pod_free) struct pod *pod = NULL;
        cor_json_set_at(object, "metadata.annotations", test_json(cases[i].notes));
        cor_json_set(object, "spec", test_json(cases[i].spec));
        assert_int_equal(pod_parse(object, &pod, NULL), COR_OK);
        assert_int_equal(admit_pod(&node, NULL, 0, pod, &refusal), !cases[i].asks);
        assert_string_equal(refusal.reason, cases[i].asks ? "AppArmor" : "");
        node.apparmor = true;
        assert_true(admit_pod(&node, NULL, 0, pod, &refusal));
    }
}

/* The API server's gate may be open though the runtime cannot do it. */
static void test_strict_groups(void **state)
{
    (void)state;
    struct admit_refusal refusal = {.reason = ""};
    struct admit_node node = {.name = "n1", .cpu_milli = 1, .memory = 1, .pods = 3};
    auto_(pod_free) struct pod *merge = pod_of(
        "{'securityContext':{'supplementalGroupsPolicy':'Merge'},'containers':[{'name':'c','image':"
        "'i'}]}");
    auto_(pod_free) struct pod *strict = pod_of(
        "{'securityContext':{'supplementalGroupsPolicy':'Strict'},'containers':[{'name':'c','image'"
        ":'i'}]}");
    assert_true(admit_pod(&node, NULL, 0, merge, &refusal));
    assert_false(admit_pod(&node, NULL, 0, strict, &refusal));
    assert_string_equal(refusal.reason, "SupplementalGroupsPolicyNotSupported");
    assert_string_equal(refusal.message,
                        "SupplementalGroupsPolicy=Strict is not supported in this node");
}

/* What the Pod itself asks for, over what its containers do. */
static void test_level(void **state)
{
    (void)state;
#define LEVEL(level, containers) "{'resources':" level ",'containers':[" containers "]}"
#define ASKS "{'name':'c','image':'i','resources':{'requests':{'cpu':'100m','memory':'64Mi'}}}"
#define ASKS_NOT "{'name':'c','image':'i'}"
    enum { MI = 1024 * 1024 };
    static const struct {
        const char *spec;
        int64_t cpu, memory;
        enum pod_qos qos;
    } cases[] = {
        {LEVEL("{'requests':{'cpu':'2','memory':'1Gi'}}", ASKS), 2000, 1024 * MI,
         POD_QOS_BURSTABLE},
        {LEVEL("{'requests':{'cpu':'2'}}", ASKS), 2000, 64 * MI, POD_QOS_BURSTABLE},
        {LEVEL("{'limits':{'cpu':'2','memory':'1Gi'}}", ASKS), 100, 64 * MI, POD_QOS_GUARANTEED},
        {LEVEL("{'limits':{'cpu':'2','memory':'1Gi'}}", ASKS_NOT), 2000, 1024 * MI,
         POD_QOS_GUARANTEED},
        {LEVEL("{'limits':{'memory':'1Gi'}}", ASKS_NOT), 0, 1024 * MI, POD_QOS_BURSTABLE},
        {LEVEL("{}", ASKS_NOT), 0, 0, POD_QOS_BEST_EFFORT},
        {LEVEL("{}", ASKS), 100, 64 * MI, POD_QOS_BURSTABLE},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(pod_free) struct pod *pod = pod_of(cases[i].spec);
        struct pod_resources asked = admit_requests(pod);
        assert_int_equal(asked.cpu_request.n, cases[i].cpu);
        assert_int_equal(asked.memory_request.n, cases[i].memory);
        assert_int_equal(pod->qos, cases[i].qos);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_node_takes_what_fits),
        cmocka_unit_test(the_last_place_is_taken),
        cmocka_unit_test(test_apparmor),
        cmocka_unit_test(test_strict_groups),
        cmocka_unit_test(test_level),
    };
    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
