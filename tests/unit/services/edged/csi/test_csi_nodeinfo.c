// SPDX-License-Identifier: Apache-2.0
#include "services/edged/csi/nodeinfo.h"

#include "../fixture.h"

/* Drivers that were there, that are gone, that are here; what is to be. */
static void test_drivers(void **state)
{
    (void)state;
    static const struct {
        const char *had, *gone, *here, *is;
        bool again;
    } rows[] = {
        {"[]", "{}", "[]", "[]", false},
        {"[]", "{}", "[{'name':'a','nodeID':'1'}]", "[{'name':'a','nodeID':'1'}]", false},
        /* one that has not come yet stays */
        {"[{'name':'a','nodeID':'1'}]", "{}", "[{'name':'b','nodeID':'2'}]",
         "[{'name':'a','nodeID':'1'},{'name':'b','nodeID':'2'}]", false},
        {"[{'name':'a','nodeID':'1'}]", "{'a':true}", "[]", "[]", false},
        /* one that went and came */
        {"[{'name':'a','nodeID':'1','topologyKeys':null}]", "{'a':true}",
         "[{'name':'a','nodeID':'1','topologyKeys':[]}]",
         "[{'name':'a','nodeID':'1','topologyKeys':null}]", false},
        {"[{'name':'a','nodeID':'1'}]", "{}", "[{'name':'a','nodeID':'2'}]", "[]", true},
        {"[{'name':'a','nodeID':'1','allocatable':{'count':3}}]", "{}",
         "[{'name':'a','nodeID':'1'}]", "[]", true},
        {"[{'name':'a','nodeID':'1','topologyKeys':['x']}]", "{}",
         "[{'name':'a','nodeID':'1','topologyKeys':['y']}]", "[]", true},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        bool again = false;
        auto_(cor_json_free) struct cor_json *had = test_json(rows[i].had);
        auto_(cor_json_free) struct cor_json *gone = test_json(rows[i].gone);
        auto_(cor_json_free) struct cor_json *here = test_json(rows[i].here);
        auto_(cor_json_free) struct cor_json *want = test_json(rows[i].is);
        auto_(cor_json_free) struct cor_json *is = csi_node_drivers(had, gone, here, &again);
        assert_true(cor_json_equal(is, want));
        assert_int_equal(again, rows[i].again);
        assert_true(csi_node_same(is, want));
    }
}

static void test_answers(void **state)
{
    (void)state;
    Csi__V1__KeyText zone = CSI__V1__KEY_TEXT__INIT;
    Csi__V1__KeyText *segments[] = {&zone};
    Csi__V1__Topology topology = CSI__V1__TOPOLOGY__INIT;
    Csi__V1__NodeGetInfoResponse answer = CSI__V1__NODE_GET_INFO_RESPONSE__INIT;
    char id[] = "i-1";
    char key[] = "d/zone";
    char value[] = "z";
    zone.key = key;
    zone.value = value;
    topology.segments = segments;
    topology.n_segments = 1;
    answer.node_id = id;
    static const struct {
        int64_t most;
        const char *entry;
    } rows[] = {
        {0, "{\"name\":\"d\",\"nodeID\":\"i-1\",\"topologyKeys\":[\"d/zone\"]}"},
        {-1, "{\"name\":\"d\",\"nodeID\":\"i-1\",\"topologyKeys\":[\"d/zone\"]}"},
        {INT64_MAX,
         "{\"name\":\"d\",\"nodeID\":\"i-1\",\"topologyKeys\":[\"d/zone\"],\"allocatable\":{"
         "\"count\":2147483647}}"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(csi_node_info_free) struct csi_node_info info = {0};
        answer.max_volumes_per_node = rows[i].most;
        answer.accessible_topology = &topology;
        csi_node_info_read(&answer, &info);
        auto_(cor_json_free) struct cor_json *entry = csi_node_entry("d", &info);
        auto_(cor_freep) char *text = cor_json_text(entry);
        assert_string_equal(text, rows[i].entry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drivers),
                                       cmocka_unit_test(test_answers)};
    return cmocka_run_group_tests_name("csi nodeinfo", tests, NULL, NULL);
}
