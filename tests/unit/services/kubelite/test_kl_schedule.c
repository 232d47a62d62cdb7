// SPDX-License-Identifier: Apache-2.0
#include "common/base/buf.h"
#include "kl_test.h"
#include "services/kubelite/schedule.h"

#define READY "'conditions':[{'type':'Ready','status':'True'}]"

static void test_misfits(void **state)
{
    (void)state;
    static const struct {
        const char *pod;
        const char *node;
        const char *why; /* NULL: fits */
    } cases[] = {
        {"{}", "{'status':{" READY "}}", NULL},
        {"{}", "{'status':{}}", "node(s) were not ready"},
        {"{}", "{'spec':{'unschedulable':true},'status':{" READY "}}",
         "node(s) were unschedulable"},
        {"{'spec':{'nodeSelector':{'disk':'ssd'}}}", "{'status':{" READY "}}",
         "node(s) didn't match Pod's node affinity"},
        {"{'spec':{'nodeSelector':{'disk':'ssd'}}}",
         "{'metadata':{'labels':{'disk':'ssd'}},'status':{" READY "}}", NULL},
        {"{}", "{'spec':{'taints':[{'key':'k','effect':'NoSchedule'}]},'status':{" READY "}}",
         "node(s) had taint that the pod didn't tolerate"},
        {"{'spec':{'tolerations':[{'key':'k','operator':'Exists'}]}}",
         "{'spec':{'taints':[{'key':'k','effect':'NoSchedule'}]},'status':{" READY "}}", NULL},
        {"{'spec':{'tolerations':[{'key':'k','value':'w'}]}}",
         "{'spec':{'taints':[{'key':'k','value':'v','effect':'NoSchedule'}]},'status':{" READY "}}",
         "node(s) had taint that the pod didn't tolerate"},
        {"{}", "{'spec':{'taints':[{'key':'k','effect':'PreferNoSchedule'}]},'status':{" READY "}}",
         NULL},
        {"{'spec':{'containers':[{'resources':{'requests':{'cpu':'2'}}}]}}",
         "{'status':{'allocatable':{'cpu':'1500m'}," READY "}}", "Insufficient cpu"},
        {"{'spec':{'containers':[{'resources':{'requests':{'memory':'1Gi'}}}]}}",
         "{'status':{'allocatable':{'memory':'1Gi'}," READY "}}", NULL},
        {"{'spec':{'overhead':{'cpu':'600m'},'containers':[{'resources':{'requests':{'cpu':'1'}}}]}"
         "}",
         "{'status':{'allocatable':{'cpu':'1500m'}," READY "}}", "Insufficient cpu"},
        {"{'spec':{'containers':[{'resources':{'requests':{'example.com/a':'1'}}}]}}",
         "{'status':{" READY "}}", "Insufficient extended resources"},
        {"{'spec':{'containers':[{'resources':{'requests':{'example.com/a':'2'}}}]}}",
         "{'metadata':{'name':'n1'},'status':{'allocatable':{'example.com/a':'2'}," READY "}}",
         "Insufficient extended resources"},
        {"{'spec':{'containers':[{'resources':{'requests':{'example.com/a':'1'}}}]}}",
         "{'metadata':{'name':'n1'},'status':{'allocatable':{'example.com/a':'2'}," READY "}}",
         NULL},
        {"{'spec':{'initContainers':[{'resources':{'requests':{'hugepages-2Mi':'4Mi'}}}]}}",
         "{'status':{'allocatable':{'hugepages-2Mi':'2Mi'}," READY "}}",
         "Insufficient extended resources"},
        {"{}", "{'metadata':{'name':'n1'},'status':{'allocatable':{'pods':'1'}," READY "}}",
         "Too many pods"},
        {"{'spec':{'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
         "'nodeSelectorTerms':[{'matchExpressions':[{'key':'z','operator':'In','values':['a','b']}]"
         "}]}}}}}",
         "{'metadata':{'labels':{'z':'b'}},'status':{" READY "}}", NULL},
        {"{'spec':{'affinity':{'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{"
         "'nodeSelectorTerms':[{'matchExpressions':[{'key':'z','operator':'DoesNotExist'}]}]}}}}}",
         "{'metadata':{'labels':{'z':'b'}},'status':{" READY "}}",
         "node(s) didn't match Pod's node affinity"},
    };
    auto_(cor_json_free) struct cor_json *pods =
        test_json("[{'spec':{'nodeName':'n1','containers':[{'resources':{'requests':{'example.com/"
                  "a':'1'}}}]}}"
                  "]");
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json(cases[i].pod);
        auto_(cor_json_free) struct cor_json *node = test_json(cases[i].node);
        const char *why = kl_misfit(pod, node, pods);
        if ((why == NULL) != (cases[i].why == NULL) ||
            (why != NULL && strcmp(why, cases[i].why) != 0)) {
            fail_msg("case %zu: %s", i, why == NULL ? "fits" : why);
        }
    }
}

static void test_choice(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *nodes =
        test_json("[{'metadata':{'name':'n1'},'status':{" READY
                  "}},{'metadata':{'name':'n2'},'status':{" READY
                  "}},{'metadata':{'name':'n3'},'status':{}}]");
    auto_(cor_json_free) struct cor_json *pods = test_json(
        "[{'spec':{'nodeName':'n1'}},{'spec':{'nodeName':'n2'},'status':{'phase':'Failed'}}]");
    auto_(cor_json_free) struct cor_json *pod = test_json("{}");
    auto_(cor_json_free) struct cor_json *picky = test_json("{'spec':{'nodeSelector':{'a':'b'}}}");
    auto_(cor_buf_free) struct cor_buf why = {0};
    const struct cor_json *node = kl_choose_node(pod, nodes, pods, NULL, &why);
    assert_string_equal(cor_json_str_at(node, "metadata.name", ""), "n2");
    auto_(cor_json_free) struct cor_json *no_nodes = cor_json_array();
    cor_buf_clear(&why);
    assert_null(kl_choose_node(pod, no_nodes, pods, NULL, &why));
    assert_string_equal(why.data, "no nodes available to schedule pods");
    cor_buf_clear(&why);
    assert_null(kl_choose_node(picky, nodes, pods, NULL, &why));
    assert_string_equal(why.data, "0/3 nodes are available: 2 node(s) didn't match Pod's node "
                                  "affinity, 1 node(s) were not ready.");
}

static void test_tolerates_for(void **state)
{
    (void)state;
    static const struct {
        const char *tolerations;
        int64_t seconds;
    } cases[] = {
        {"[]", 0},
        {"[{'key':'k','operator':'Exists'}]", 0}, /* the other one is not */
        {"[{'operator':'Exists'}]", KL_FOR_EVER},
        {"[{'key':'k','operator':'Exists'},{'key':'m','value':'v'}]", KL_FOR_EVER},
        {"[{'key':'k','operator':'Exists'},{'key':'m','value':'w'}]", 0},
        {"[{'operator':'Exists','effect':'NoSchedule'}]", 0},
        {"[{'operator':'Exists','effect':'NoExecute','tolerationSeconds':30}]", 30},
        {"[{'key':'k','operator':'Exists'},{'operator':'Exists','tolerationSeconds':7}]", 7},
        {"[{'key':'k','operator':'Exists','tolerationSeconds':9},{'operator':'Exists',"
         "'tolerationSeconds':7}]",
         7},
        {"[{'operator':'Exists','tolerationSeconds':-5}]", 0},
        {"[{'operator':'Exists','tolerationSeconds':9223372036854775807}]", INT32_MAX},
    };
    auto_(cor_json_free) struct cor_json *node = test_json(
        "{'spec':{'taints':[{'key':'k','effect':'NoExecute'},{'key':'s','effect':'NoSchedule'},{"
        "'key':'m','value':'v','effect':'NoExecute'}]}}");
    auto_(cor_json_free) struct cor_json *calm =
        test_json("{'spec':{'taints':[{'key':'k','effect':'NoSchedule'}]}}");
    assert_true(kl_is_evicting(node));
    assert_false(kl_is_evicting(calm));
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *pod = cor_json_object();
        cor_json_set_at(pod, "spec.tolerations", test_json(cases[i].tolerations));
        assert_int_equal(kl_tolerates_for(pod, node), cases[i].seconds);
        assert_int_equal(kl_tolerates_for(pod, calm), KL_FOR_EVER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misfits),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_tolerates_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
