// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/env.h"

#define OBJECTS                                                                                    \
    "{'configmap/cm':{'data':{'A':'from-cm','b.c':'dotted','1x':'bad name'}},"                     \
    "'secret/s':{'data':{'PASS':'aHVudGVyMg==','BAD':'***'}}}"

/* Builds the environment of a container with these env and envFrom lists. */
static enum cor_code build(const char *env_list, const char *env_from, struct env *out,
                           struct cor_err *err)
{
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'serviceAccountName':'sa','nodeName':'n1','containers':[{'name':'c','image':'i:1',"
        "'resources':{'limits':{'cpu':'1500m'}},'env':%s,'envFrom':%s}]}",
        env_list, env_from);
    auto_(pod_free) struct pod *pod = pod_of(spec);
    cor_json_set_at(pod->object, "metadata.labels", test_json("{'z':'1'}"));
    struct objects objects = {test_json(OBJECTS), NULL};
    struct inputs inputs = inputs_of(&objects);
    enum cor_code code = env_build(pod, pod_container(pod, 0), &inputs, out, err);
    cor_json_free(&objects.all);
    return code;
}

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        const char *value;
    } cases[] = {
        {"'value':'plain'", "plain"},
        {"'value':'$(A)-$(NO)-$$(A)'", "from-cm-$(NO)-$(A)"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'metadata.name'}}", "web"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'metadata.namespace'}}", "default"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'metadata.uid'}}", "u1"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'spec.nodeName'}}", "n1"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'spec.serviceAccountName'}}", "sa"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'status.podIP'}}", "10.0.0.5"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'status.podIPs'}}", "10.0.0.5,fd00::5"},
        {"'valueFrom':{'fieldRef':{'fieldPath':'status.hostIP'}}", "192.0.2.1"},
        {"'valueFrom':{'resourceFieldRef':{'resource':'limits.cpu'}}", "2"},
        {"'valueFrom':{'resourceFieldRef':{'resource':'limits.cpu','divisor':'1m'}}", "1500"},
        {"'valueFrom':{'resourceFieldRef':{'resource':'limits.memory','divisor':'1Mi'}}", "1024"},
        {"'valueFrom':{'resourceFieldRef':{'resource':'requests.cpu'}}", "0"},
        {"'valueFrom':{'configMapKeyRef':{'name':'cm','key':'A'}}", "from-cm"},
        {"'valueFrom':{'secretKeyRef':{'name':'s','key':'PASS'}}", "hunter2"},
        {"'valueFrom':{'secretKeyRef':{'name':'no','key':'x','optional':true}}", NULL},
        {"'valueFrom':{'configMapKeyRef':{'name':'cm','key':'x','optional':true}}", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *list = cor_sprintf("[{'name':'X',%s}]", cases[i].from);
        auto_(env_free) struct env env = {0};
        struct cor_err err = COR_ERR_NONE;
        if (build(list, "[{'configMapRef':{'name':'cm'}}]", &env, &err) != COR_OK) {
            fail_msg("%s: %s", cases[i].from, err.text);
        }
        const char *value = env_get(&env, COR_VIEW("X"));
        if ((value == NULL) != (cases[i].value == NULL) ||
            (value != NULL && strcmp(value, cases[i].value) != 0)) {
            fail_msg("%s: %s", cases[i].from, value == NULL ? "absent" : value);
        }
    }
}

static void test_failures_in_kubelets_words(void **state)
{
    (void)state;
    static const struct {
        const char *env;
        const char *from;
        const char *says;
    } cases[] = {
        {"[]", "[{'configMapRef':{'name':'no'}}]", "configmap \"no\" not found"},
        {"[]", "[{'secretRef':{'name':'no'}}]", "secret \"no\" not found"},
        {"[{'name':'X','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}}]", "[]",
         "couldn't find key k in ConfigMap default/cm"},
        {"[{'name':'X','valueFrom':{'secretKeyRef':{'name':'s','key':'k'}}}]", "[]",
         "couldn't find key k in Secret default/s"},
        {"[{'name':'X','valueFrom':{'secretKeyRef':{'name':'s','key':'BAD'}}}]", "[]",
         "couldn't find key BAD in Secret default/s"},
        {"[{'name':'X','valueFrom':{'fieldRef':{'fieldPath':'status.phase'}}}]", "[]",
         "unsupported fieldPath: status.phase"},
        {"[{'name':'X','valueFrom':{'resourceFieldRef':{'resource':'limits.gpu'}}}]", "[]",
         "unsupported container resource: limits.gpu"},
        {"[{'name':'X','valueFrom':{'resourceFieldRef':{'containerName':'q','resource':'limits.cpu'"
         "}}}]",
         "[]", "container q not found"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(env_free) struct env env = {0};
        struct cor_err err = COR_ERR_NONE;
        assert_int_not_equal(build(cases[i].env, cases[i].from, &env, &err), COR_OK);
        assert_string_equal(err.text, cases[i].says);
    }
}

static void test_order_and_override(void **state)
{
    (void)state;
    auto_(env_free) struct env env = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        build("[{'name':'A','value':'mine'},{'name':'B','value':'$(A)!'}]",
              "[{'configMapRef':{'name':'cm'}},{'prefix':'S_','secretRef':{'name':'s'}},"
              "{'configMapRef':{'name':'no','optional':true}}]",
              &env, &err),
        COR_OK);
    assert_string_equal(env_get(&env, COR_VIEW("A")), "mine");
    assert_string_equal(env_get(&env, COR_VIEW("B")), "mine!");
    assert_string_equal(env_get(&env, COR_VIEW("b.c")), "dotted");
    assert_string_equal(env_get(&env, COR_VIEW("S_PASS")), "hunter2");
    assert_null(env_get(&env, COR_VIEW("1x")));
    assert_int_equal(env.count, 4);
    auto_(cor_freep) char *argument = env_expand(&env, "--user=$(S_PASS)$(Q)");
    assert_string_equal(argument, "--user=hunter2$(Q)");
}

static void test_labels_as_kubelet_prints_them(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of("{'containers':[{'name':'c','image':'i:1'}]}");
    cor_json_set_at(pod->object, "metadata.labels", test_json("{'z':'1','a':'two'}"));
    auto_(cor_buf_free) struct cor_buf out = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(inputs_field(pod, &test_facts, "metadata.labels", &out, &err), COR_OK);
    assert_string_equal(out.data, "a=\"two\"\nz=\"1\"");
    cor_buf_clear(&out);
    assert_int_equal(inputs_field(pod, &test_facts, "metadata.labels['a']", &out, &err), COR_OK);
    assert_string_equal(out.data, "two");
    cor_buf_clear(&out);
    assert_int_equal(inputs_field(pod, &test_facts, "metadata.annotations['no']", &out, &err),
                     COR_OK);
    assert_int_equal(out.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_failures_in_kubelets_words),
        cmocka_unit_test(test_order_and_override),
        cmocka_unit_test(test_labels_as_kubelet_prints_them),
    };
    return cmocka_run_group_tests_name("env", tests, NULL, NULL);
}
