// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/strategic.h"

static void test_patches(void **state)
{
    (void)state;
    static const struct {
        const struct k8s_type *type;
        const char *target;
        const char *patch;
        const char *result; /* NULL: refused */
    } cases[] = {
        /* lists of objects merge by key */
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a','image':'1'},{'name':'b','image':'2'}]}",
         "{'containers':[{'name':'b','image':'3'},{'name':'c','image':'4'}]}",
         "{'containers':[{'name':'a','image':'1'},{'name':'b','image':'3'},{'name':'c',"
         "'image':'4'}]}"},
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a'},{'name':'b'}]}",
         "{'containers':[{'name':'a','$patch':'delete'}]}", "{'containers':[{'name':'b'}]}"},
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a','image':'1','tty':true}]}",
         "{'containers':[{'name':'a','image':'2','$patch':'replace'}]}",
         "{'containers':[{'name':'a','image':'2'}]}"},
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a'},{'name':'b'}]}",
         "{'containers':[{'$patch':'replace'},{'name':'c'}]}", "{'containers':[{'name':'c'}]}"},
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a'}]}", "{'containers':[{'image':'x'}]}",
         NULL},
        /* order */
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a'},{'name':'b'}]}",
         "{'$setElementOrder/containers':[{'name':'b'},{'name':'a'}]}",
         "{'containers':[{'name':'b'},{'name':'a'}]}"},
        {&k8s_core_v1_PodSpec, "{'containers':[{'name':'a'}]}",
         "{'$setElementOrder/containers':[{'name':'z'},{'name':'a'}],'containers':[{'name':'z'}]}",
         "{'containers':[{'name':'z'},{'name':'a'}]}"},
        /* lists without a merge strategy are replaced */
        {&k8s_core_v1_PodSpec, "{'tolerations':[{'key':'a'}]}", "{'tolerations':[{'key':'b'}]}",
         "{'tolerations':[{'key':'b'}]}"},
        /* sets */
        {&k8s_meta_v1_ObjectMeta, "{'finalizers':['a','b']}", "{'finalizers':['b','c']}",
         "{'finalizers':['a','b','c']}"},
        {&k8s_meta_v1_ObjectMeta, "{'finalizers':['a','b']}",
         "{'$deleteFromPrimitiveList/finalizers':['a']}", "{'finalizers':['b']}"},
        /* maps and null */
        {&k8s_meta_v1_ObjectMeta, "{'labels':{'a':'1','b':'2'}}", "{'labels':{'a':null,'c':'3'}}",
         "{'labels':{'b':'2','c':'3'}}"},
        {&k8s_meta_v1_ObjectMeta, "{'labels':{'a':'1'}}", "{'labels':{'$patch':'replace','b':'2'}}",
         "{'labels':{'b':'2'}}"},
        /* retainKeys: a volume changes its kind */
        {&k8s_core_v1_PodSpec, "{'volumes':[{'name':'v','emptyDir':{}}]}",
         "{'volumes':[{'name':'v','$retainKeys':['name','secret'],'secret':{'secretName':'s'}}]}",
         "{'volumes':[{'name':'v','secret':{'secretName':'s'}}]}"},
        /* nested */
        {&k8s_core_v1_Pod,
         "{'spec':{'containers':[{'name':'a','env':[{'name':'X','value':'1'}]}]}}",
         "{'spec':{'containers':[{'name':'a','env':[{'name':'Y','value':'2'}]}]}}",
         "{'spec':{'containers':[{'name':'a','env':[{'name':'X','value':'1'},{'name':'Y','value':"
         "'2'}]}]}}"},
        {&k8s_core_v1_Pod, "{}", "[]", NULL},
        {&k8s_core_v1_Pod, "{'spec':{'containers':[]}}", "{'spec':{'containers':{'a':1}}}", NULL},
        {&k8s_core_v1_Pod, "{}", "{'spec':{'nodeName':'n','hostname':null}}",
         "{'spec':{'nodeName':'n'}}"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *patch = test_json(cases[i].patch);
        auto_(cor_json_free) struct cor_json *out = NULL;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code =
            kl_strategic_apply(cases[i].type, test_json(cases[i].target), patch, &out, &err);
        if ((code == COR_OK) != (cases[i].result != NULL)) {
            fail_msg("case %zu: %s", i, err.text);
        }
        if (code == COR_OK) {
            expect_json(out, cases[i].result, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_patches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
