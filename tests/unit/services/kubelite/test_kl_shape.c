// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/shape.h"

static void test_go_round_trip(void **state)
{
    (void)state;
    static const struct {
        const struct k8s_type *type;
        bool defaults;
        const char *in;
        const char *out; /* NULL: a wrong type */
    } cases[] = {
        {&k8s_core_v1_ContainerPort, false, "{'containerPort':80,'name':''}",
         "{'containerPort':80}"},
        {&k8s_core_v1_ContainerPort, true, "{}", "{'containerPort':0,'protocol':'TCP'}"},
        {&k8s_core_v1_ContainerPort, false, "{'containerPort':'80'}", NULL},
        {&k8s_core_v1_ContainerPort, false, "{'containerPort':1.5}", NULL},
        {&k8s_core_v1_ContainerPort, false, "{'containerPort':4294967296}", NULL},
        {&k8s_core_v1_ContainerPort, false, "{'containerPort':1,'hostPort':null}",
         "{'containerPort':1}"},
        {&k8s_core_v1_EmptyDirVolumeSource, false, "{'medium':'','sizeLimit':'1024Ki'}",
         "{'sizeLimit':'1Mi'}"},
        {&k8s_core_v1_ResourceFieldSelector, false, "{'resource':'limits.cpu'}",
         "{'resource':'limits.cpu','divisor':'0'}"},
        {&k8s_core_v1_ResourceRequirements, false, "{'limits':{'cpu':0.1,'memory':1024}}",
         "{'limits':{'cpu':'100m','memory':'1024'}}"},
        {&k8s_core_v1_ResourceRequirements, false, "{'limits':{'cpu':'many'}}", NULL},
        {&k8s_core_v1_Probe, true, "{'tcpSocket':{'port':'http'},'timeoutSeconds':5}",
         "{'tcpSocket':{'port':'http'},'timeoutSeconds':5,'periodSeconds':10,'successThreshold':1,"
         "'failureThreshold':3}"},
        {&k8s_core_v1_PodCondition, false,
         "{'type':'Ready','status':'True','lastTransitionTime':'2020-01-01T02:00:00.5+01:00'}",
         "{'type':'Ready','status':'True','lastProbeTime':null,"
         "'lastTransitionTime':'2020-01-01T01:00:00Z'}"},
        {&k8s_core_v1_PodCondition, false, "{'lastProbeTime':'yesterday'}", NULL},
        {&k8s_coordination_v1_LeaseSpec, false, "{'renewTime':'2020-01-01T00:00:00Z'}",
         "{'renewTime':'2020-01-01T00:00:00.000000Z'}"},
        {&k8s_core_v1_HostPathVolumeSource, true, "{'path':'/x'}", "{'path':'/x','type':''}"},
        {&k8s_core_v1_LocalObjectReference, false, "[]", NULL},
        {&k8s_core_v1_Capabilities, false, "{'add':[],'drop':['ALL']}", "{'drop':['ALL']}"},
        {&k8s_core_v1_Capabilities, false, "{'add':[1]}", NULL},
        {&k8s_core_v1_SecurityContext, false, "{'privileged':false}", "{'privileged':false}"},
        {&k8s_core_v1_Secret, false, "{'metadata':{},'data':{'a':'!!'}}", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *in = test_json(cases[i].in);
        auto_(kl_shape_free) struct kl_shape shape = {.defaults = cases[i].defaults};
        auto_(cor_json_free) struct cor_json *out = kl_shape_object(&shape, cases[i].type, in);
        if (cases[i].out == NULL) {
            assert_non_null(shape.error);
        } else {
            if (shape.error != NULL) {
                fail_msg("case %zu: %s", i, shape.error);
            }
            expect_json(out, cases[i].out, i);
        }
    }
}

static void test_unknown_fields_are_named(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *in = test_json(
        "{'metadata':{'name':'x'},'spec':{'contianers':[],'containers':[{'name':'a','imge':1}]}}");
    auto_(kl_shape_free) struct kl_shape shape = {0};
    auto_(cor_json_free) struct cor_json *out = kl_shape_object(&shape, &k8s_core_v1_Pod, in);
    expect_json(shape.unknown,
                "['unknown field \\'spec.containers[0].imge\\'','unknown field "
                "\\'spec.contianers\\'']",
                0);
    assert_null(cor_json_at(out, "spec.contianers"));
}

static void test_errors_say_where(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *in = test_json("{'spec':{'containers':[{'image':5}]}}");
    auto_(kl_shape_free) struct kl_shape shape = {0};
    auto_(cor_json_free) struct cor_json *out = kl_shape_object(&shape, &k8s_core_v1_Pod, in);
    assert_string_equal(shape.error, "spec.containers[0].image: expected a string, found a number");
}

/* Defaulting what is in shape changes nothing. */
static void test_shape_is_stable(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *in = test_json(
        "{'spec':{'containers':[{'name':'a','image':'b','livenessProbe':{'httpGet':{'port':1}},"
        "'resources':{'limits':{'cpu':'1000m'}}}],'volumes':[{'name':'v','secret':{}}]}}");
    auto_(kl_shape_free) struct kl_shape shape = {.defaults = true};
    auto_(cor_json_free) struct cor_json *once = kl_shape_object(&shape, &k8s_core_v1_Pod, in);
    auto_(cor_json_free) struct cor_json *twice = kl_shape_object(&shape, &k8s_core_v1_Pod, once);
    assert_true(cor_json_equal(once, twice));
    assert_string_equal(cor_json_str_at(once, "spec.restartPolicy", ""), "Always");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_go_round_trip),
        cmocka_unit_test(test_unknown_fields_are_named),
        cmocka_unit_test(test_errors_say_where),
        cmocka_unit_test(test_shape_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
