// SPDX-License-Identifier: Apache-2.0
// What kubelets are asked, and where they are.
#include "kl_test.h"
#include "services/kubelite/kubelet.h"

static const char ONE[] =
    "{'metadata':{'name':'web','namespace':'default'},'spec':{'nodeName':'n1',"
    "'containers':[{'name':'c'}],'initContainers':[{'name':'i'}],"
    "'ephemeralContainers':[{'name':'e'}]}}";
static const char TWO[] =
    "{'metadata':{'name':'web','namespace':'default'},'spec':{'nodeName':'n1',"
    "'containers':[{'name':'a'},{'name':'b'}],'initContainers':[{'name':'i'},"
    "{'name':'j'}]}}";
static const char FREE[] = "{'metadata':{'name':'web','namespace':'default'},'spec':{"
                           "'containers':[{'name':'c'}]}}";

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *pod;
        enum kl_sub sub;
        const char *query;
        int status;       /* 0: good */
        const char *text; /* path, or message */
    } CASES[] = {
        {ONE, KL_SUB_LOG, "", 0, "/containerLogs/default/web/c"},
        {ONE, KL_SUB_LOG, "container=e&follow=true&tailLines=0&timestamps=true&previous=1", 0,
         "/containerLogs/default/web/e?follow=true&previous=true&tailLines=0&timestamps=true"},
        {ONE, KL_SUB_LOG, "limitBytes=5&sinceSeconds=60", 0,
         "/containerLogs/default/web/c?limitBytes=5&sinceSeconds=60"},
        {ONE, KL_SUB_LOG, "sinceTime=2026-11-26T05%3A00%3A00%2B01%3A00", 0,
         "/containerLogs/default/web/c?sinceTime=2026-11-26T04%3A00%3A00Z"},
        {FREE, KL_SUB_LOG, "follow=false", 0, "/containerLogs/default/web/c"},
        {TWO, KL_SUB_LOG, "", 400,
         "a container name must be specified for pod web, choose one of: [a b] or one of the init "
         "containers: [i j]"},
        {TWO, KL_SUB_LOG, "container=b", 0, "/containerLogs/default/web/b"},
        {ONE, KL_SUB_LOG, "container=..%2f..", 400, "container ../.. is not valid for pod web"},
        {ONE, KL_SUB_LOG, "tailLines=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax"},
        {ONE, KL_SUB_LOG, "tailLines=-1", 422,
         "PodLogOptions \"web\" is invalid: tailLines: Invalid value: -1: must be greater than or "
         "equal to 0"},
        {ONE, KL_SUB_LOG, "limitBytes=0", 422,
         "PodLogOptions \"web\" is invalid: limitBytes: Invalid value: 0: must be greater than 0"},
        {ONE, KL_SUB_EXEC,
         "command=sh&command=-c&command=echo+%22hi%22%20%26&stdin=true&stdout=true&tty=true&stderr="
         "false",
         0,
         "/exec/default/web/c?command=sh&command=-c&command=echo+%22hi%22%20%26&input=1&output=1&"
         "tty=1"},
        {ONE, KL_SUB_ATTACH, "container=c&stdout=1&stderr=1", 0,
         "/attach/default/web/c?error=1&output=1"},
        {FREE, KL_SUB_EXEC, "command=ls", 400, "pod web does not have a host assigned"},
        {ONE, KL_SUB_PORTFORWARD, "", 0, "/portForward/default/web"},
        {TWO, KL_SUB_PORTFORWARD, "ports=80&ports=81", 0,
         "/portForward/default/web?port=80&port=81"},
        {FREE, KL_SUB_PORTFORWARD, "", 400, "pod web does not have a host assigned"},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json(CASES[i].pod);
        auto_(cor_buf_free) struct cor_buf path = {0};
        auto_(kl_fail_free) struct kl_fail fail = {0};
        struct kl_kubelet_ask ask = {CASES[i].sub, pod, cor_view_of(CASES[i].query)};
        enum cor_code code = kl_kubelet_path(&ask, &path, &fail);
        assert_int_equal(fail.status, CASES[i].status);
        assert_string_equal(code == COR_OK ? path.data : fail.message, CASES[i].text);
    }
}

static void test_hosts(void **state)
{
    (void)state;
    static const struct {
        const char *node;
        const char *host; /* NULL: none */
    } CASES[] = {
        {"{'status':{'addresses':[{'type':'Hostname','address':'n1'},"
         "{'type':'InternalIP','address':'10.0.0.1'}]}}",
         "10.0.0.1:10250"},
        {"{'status':{'addresses':[{'type':'Hostname','address':'n1'}],"
         "'daemonEndpoints':{'kubeletEndpoint':{'Port':10003}}}}",
         "n1:10003"},
        {"{'status':{'addresses':[{'type':'InternalIP','address':'fd00::1'}]}}", "[fd00::1]:10250"},
        {"{'status':{'addresses':[{'type':'InternalIP','address':'x/../y'}]}}", NULL},
        {"{'status':{'addresses':[{'type':'InternalIP','address':'u@h'},"
         "{'type':'InternalIP','address':'h'}]}}",
         "h:10250"},
        {"{'status':{'addresses':[{'type':'InternalIP','address':'h'}],"
         "'daemonEndpoints':{'kubeletEndpoint':{'Port':70000}}}}",
         NULL},
        {"{'status':{'addresses':[{'type':'ExternalDNS','address':'h'}]}}", NULL},
        {"{'status':{'addresses':{'type':1}}}", NULL},
        {"{}", NULL},
    };
    char *types[] = {(char[]){"InternalIP"}, (char[]){"ExternalIP"}, (char[]){"Hostname"}};
    struct cor_conf_strs list = {.items = types, .count = COR_COUNT(types)};
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        auto_(cor_json_free) struct cor_json *node = test_json(CASES[i].node);
        auto_(cor_buf_free) struct cor_buf host = {0};
        auto_(kl_fail_free) struct kl_fail fail = {0};
        enum cor_code code = kl_kubelet_host(node, &list, &host, &fail);
        assert_int_equal(code == COR_OK, CASES[i].host != NULL);
        if (CASES[i].host != NULL) {
            assert_string_equal(host.data, CASES[i].host);
        }
    }
}

static void test_protocols(void **state)
{
    (void)state;
    static const struct {
        const char *upgrade, *offered;
        bool translated;
    } CASES[] = {
        {"websocket", "v5.channel.k8s.io", true},
        {"WebSocket", " v5.channel.k8s.io ,SPDY/3.1+portforward.k8s.io", true},
        {"websocket", "SPDY/3.1+portforward.k8s.io", true},
        {"websocket", "v5.channel.k8s.io, v4.channel.k8s.io", false},
        {"websocket", "v4.channel.k8s.io", false},
        {"websocket", "portforward.k8s.io", false},
        {"websocket", "", false},
        {"websocket", NULL, false},
        {"SPDY/3.1", "v5.channel.k8s.io", false},
        {NULL, "v5.channel.k8s.io", false},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        assert_int_equal(kl_kubelet_needs_translation(CASES[i].upgrade, CASES[i].offered),
                         CASES[i].translated);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
