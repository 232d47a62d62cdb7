// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/crd.h"
#include "services/kubelite/table.h"

static void test_ages(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {
        {-5, "<invalid>"},  {0, "0s"},          {119, "119s"},    {120, "2m"},    {125, "2m5s"},
        {599, "9m59s"},     {600, "10m"},       {10799, "179m"},  {10800, "3h"},  {10860, "3h1m"},
        {86400, "24h"},     {172800, "2d"},     {176400, "2d1h"}, {691200, "8d"}, {63072000, "2y"},
        {63158400, "2y1d"}, {315360000, "10y"},
    };
    struct cor_wall then = {1000000000000};
    char text[COR_RFC3339_SIZE];
    cor_wall_format(then, text);
    auto_(cor_json_free) struct cor_json *time = cor_json_str(text);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_buf_free) struct cor_buf age = {0};
        kl_age(time, (struct cor_wall){then.us + COR_SEC(cases[i].seconds)}, &age);
        assert_string_equal(age.data, cases[i].text);
    }
    auto_(cor_buf_free) struct cor_buf age = {0};
    kl_age(NULL, then, &age);
    assert_string_equal(age.data, "<unknown>");
}

static void test_pod_cells(void **state)
{
    (void)state;
    static const struct {
        const char *pod;
        const char *cells; /* the first four */
    } cases[] = {
        {"{'spec':{'containers':[{}]},'status':{'phase':'Pending'}}", "['p','0/1','Pending',0]"},
        {"{'spec':{'containers':[{},{}]},'status':{'phase':'Running','containerStatuses':[{'ready':"
         "true,'restartCount':2,'state':{'running':{}}},{'ready':false,'restartCount':1,'state':{"
         "'waiting':{'reason':'CrashLoopBackOff'}}}]}}",
         "['p','1/2','CrashLoopBackOff',3]"},
        {"{'spec':{'containers':[{}]},'status':{'phase':'Succeeded','containerStatuses':[{'ready':"
         "false,'restartCount':0,'state':{'terminated':{'exitCode':0,'reason':'Completed'}}}]}}",
         "['p','0/1','Completed',0]"},
        {"{'spec':{'containers':[{}]},'status':{'phase':'Failed','containerStatuses':[{'state':{"
         "'terminated':{'exitCode':3}}}]}}",
         "['p','0/1','ExitCode:3',0]"},
        {"{'spec':{'containers':[{}],'initContainers':[{},{}]},'status':{'phase':'Pending',"
         "'initContainerStatuses':[{'state':{'terminated':{'exitCode':0}}},{'restartCount':4,"
         "'state':{'running':{}}}]}}",
         "['p','0/1','Init:1/2',4]"},
        {"{'metadata':{'deletionTimestamp':'2020-01-01T00:00:00Z'},'spec':{'containers':[{}]},"
         "'status':{'phase':'Running'}}",
         "['p','0/1','Terminating',0]"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json(cases[i].pod);
        auto_(cor_json_free) struct cor_json *cells = cor_json_array();
        cor_json_set_at(pod, "metadata.name", cor_json_str("p"));
        kl_pod_cells(pod, (struct cor_wall){0}, cells);
        while (cor_json_count(cells) > 4) {
            cor_json_put(cells, 4, NULL);
        }
        expect_json(cells, cases[i].cells, i);
    }
}

static void test_node_cells(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *node = test_json(
        "{'metadata':{'name':'n','labels':{'node-role.kubernetes.io/edge':'',"
        "'node-role.kubernetes.io/agent':''}},'spec':{'unschedulable':true},'status':{"
        "'conditions':[{'type':'Ready','status':'True'}],'addresses':[{'type':'InternalIP',"
        "'address':'10.0.0.1'}],'nodeInfo':{'kubeletVersion':'v1'}}}");
    auto_(cor_json_free) struct cor_json *cells = cor_json_array();
    kl_node_cells(node, (struct cor_wall){0}, cells);
    expect_json(cells,
                "['n','Ready,SchedulingDisabled','agent,edge','<unknown>','v1','10.0.0.1','<none>',"
                "'<unknown>','<unknown>','<unknown>']",
                0);
}

static void test_json_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        const char *value;
    } cases[] = {
        {".spec.x", "1"}, {".spec.list[1].y", "'b'"},  {".spec.list[9].y", "null"},
        {".a\\.b", "2"},  {".spec.none.deep", "null"}, {".spec.list[x]", "null"},
        {"spec.x", "1"},  {".spec.x[0]", "null"},
    };
    auto_(cor_json_free) struct cor_json *object =
        test_json("{'spec':{'x':1,'list':[{'y':'a'},{'y':'b'}]},'a.b':2}");
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *value = kl_crd_json_path(object, cases[i].path);
        auto_(cor_json_free) struct cor_json *shown =
            value == NULL ? cor_json_null() : cor_json_ref(value);
        expect_json(shown, cases[i].value, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_pod_cells),
        cmocka_unit_test(test_node_cells),
        cmocka_unit_test(test_json_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
