// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/podspec.h"
#include "services/kubelite/strategy.h"

#define POD(spec) "{'metadata':{'name':'p','namespace':'d'},'spec':" spec "}"
#define ONE(more) POD("{'containers':[{'name':'c','image':'i'" more "}]}")

static void test_bad_specs(void **state)
{
    (void)state;
    static const struct {
        const char *pod;
        const char *field; /* of the first cause; NULL: good */
        const char *text;
    } cases[] = {
        {ONE(""), NULL, NULL},
        {POD("{}"), "spec.containers", "Required value"},
        {POD("{'containers':[{'name':'C','image':'i'}]}"), "spec.containers[0].name", "RFC 1123"},
        {POD("{'containers':[{'name':'c'}]}"), "spec.containers[0].image", "Required value"},
        {POD("{'containers':[{'name':'c','image':'i'},{'name':'c','image':'i'}]}"),
         "spec.containers[1].name", "Duplicate value: \"c\""},
        {ONE(",'ports':[{'containerPort':-1}]"), "spec.containers[0].ports[0].containerPort",
         "must be between 1 and 65535"},
        {ONE(",'ports':[{'containerPort':80,'protocol':'XTP'}]"),
         "spec.containers[0].ports[0].protocol", "supported values: \"SCTP\", \"TCP\", \"UDP\""},
        {ONE(",'volumeMounts':[{'name':'v','mountPath':'/x'}]"),
         "spec.containers[0].volumeMounts[0].name", "Not found: \"v\""},
        {POD("{'volumes':[{'name':'v'}],'containers':[{'name':'c','image':'i','volumeMounts':[{"
             "'name':'v','mountPath':'/x','subPath':'../y'}]}]}"),
         "spec.containers[0].volumeMounts.subPath", "must not contain '..'"},
        {POD("{'volumes':[{'name':'v','hostPath':{'path':'/a/../b'}}],'containers':[{'name':'c',"
             "'image':'i'}]}"),
         "spec.volumes[0].hostPath.path", "must not contain '..'"},
        {POD("{'volumes':[{'name':'v','emptyDir':{},'secret':{'secretName':'s'}}],'containers':[{"
             "'name':'c','image':'i'}]}"),
         "spec.volumes[0].secret", "may not specify more than 1 volume type"},
        {POD("{'volumes':[{'name':'v','configMap':{'name':'m','defaultMode':4096}}],'containers':["
             "{'name':'c','image':'i'}]}"),
         "spec.volumes[0].configMap.defaultMode", "0777"},
        {POD("{'restartPolicy':'Maybe','containers':[{'name':'c','image':'i'}]}"),
         "spec.restartPolicy", "supported values: \"Always\", \"OnFailure\", \"Never\""},
        {ONE(",'env':[{'name':'1x'}]"), "spec.containers[0].env[0].name", "must not start with"},
        {ONE(",'livenessProbe':{}"), "spec.containers[0].livenessProbe", "handler type"},
        {ONE(",'resources':{'requests':{'cpu':'2'},'limits':{'cpu':'1'}}"),
         "spec.containers[0].resources.requests", "less than or equal to cpu limit"},
        {POD("{'tolerations':[{'operator':'Equal'}],'containers':[{'name':'c','image':'i'}]}"),
         "spec.tolerations[0].operator", "operator must be Exists"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *body = test_json(cases[i].pod);
        auto_(kl_fail_free) struct kl_fail fail = {0};
        auto_(kl_causes_free) struct kl_causes causes = {0};
        struct cor_json *pod = NULL;
        if (kl_decode(kl_builtin(KL_POD), body, &pod, NULL, &fail) != COR_OK) {
            fail_msg("case %zu: %s", i, fail.message);
        }
        kl_podspec_check(cor_json_get(pod, "spec"), &causes);
        const struct cor_json *first = cor_json_item(causes.list, 0);
        if ((first == NULL) != (cases[i].field == NULL)) {
            fail_msg("case %zu: %zu causes", i, cor_json_count(causes.list));
        }
        if (first != NULL) {
            assert_string_equal(cor_json_str_at(first, "field", ""), cases[i].field);
            assert_non_null(strstr(cor_json_str_at(first, "message", ""), cases[i].text));
        }
        cor_json_free(&pod);
    }
}

static void test_filling(void **state)
{
    (void)state;
    static const struct {
        const char *image;
        const char *policy;
    } cases[] = {
        {"busybox", "Always"},
        {"busybox:latest", "Always"},
        {"busybox:1.35", "IfNotPresent"},
        {"host:5000/a/b", "Always"},
        {"host:5000/a/b:1", "IfNotPresent"},
        {"a@sha256:00", "IfNotPresent"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json("{'spec':{'containers':[{}]}}");
        struct cor_json *container = cor_json_item(cor_json_at(pod, "spec.containers"), 0);
        cor_json_set(container, "image", cor_json_str(cases[i].image));
        kl_pod_fill(pod);
        assert_string_equal(cor_json_str_at(container, "imagePullPolicy", ""), cases[i].policy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_filling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
