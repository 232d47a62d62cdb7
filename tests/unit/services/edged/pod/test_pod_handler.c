// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"

static struct pod *pod_with(const char *field)
{
    auto_(cor_freep) char *spec = cor_sprintf("{'containers':[{'name':'c','image':'i:1','ports':[{'"
                                              "name':'www','containerPort':80}],%s}]}",
                                              field);
    return pod_of(spec);
}

static void test_probe(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_with(
        "'livenessProbe':{'httpGet':{'path':'/h?x','port':'www','scheme':'HTTPS','host':'h',"
        "'httpHeaders':[{'name':'X-A','value':'b c'}]},'initialDelaySeconds':2,'timeoutSeconds':3,"
        "'periodSeconds':4,'failureThreshold':5,'terminationGracePeriodSeconds':6},"
        "'readinessProbe':{'grpc':{'port':9,'service':'s'},'successThreshold':2},"
        "'startupProbe':{'tcpSocket':{'port':'other'}},"
        "'lifecycle':{'postStart':{'exec':{'command':['a','b']}},'preStop':{'sleep':{'seconds':7}}"
        "}");
    const struct pod_container *c = pod_container(pod, 0);
    const struct pod_probe *p = c->probes[POD_LIVENESS];
    assert_int_equal(p->handler.act, POD_ACT_HTTP);
    assert_int_equal(p->handler.port, 80);
    assert_true(p->handler.https);
    assert_string_equal(p->handler.headers[0].value, "b c");
    assert_int_equal(p->delay_seconds, 2);
    assert_int_equal(p->timeout_seconds, 3);
    assert_int_equal(p->period_seconds, 4);
    assert_int_equal(p->success_threshold, 1);
    assert_int_equal(p->failure_threshold, 5);
    assert_int_equal(p->grace_seconds.n, 6);
    p = c->probes[POD_READINESS];
    assert_int_equal(p->handler.act, POD_ACT_GRPC);
    assert_string_equal(p->handler.service, "s");
    assert_int_equal(p->success_threshold, 2);
    assert_int_equal(p->timeout_seconds, 1); /* the defaults of core/v1 */
    assert_int_equal(p->period_seconds, 10);
    assert_int_equal(p->failure_threshold, 3);
    assert_false(p->grace_seconds.given);
    assert_int_equal(c->probes[POD_STARTUP]->handler.port, 0);
    assert_string_equal(c->probes[POD_STARTUP]->handler.port_name, "other");
    assert_string_equal(c->post_start->command.item[1], "b");
    assert_int_equal(c->pre_stop->seconds, 7);
}

static void test_bad(void **state)
{
    (void)state;
#define LIVE(handler, more) "'livenessProbe':{" handler more "}"
#define EXEC "'exec':{'command':['x']}"
    static const struct {
        const char *field;
        const char *says;
    } cases[] = {
        {LIVE("", ""), "livenessProbe: has no action"},
        {LIVE(EXEC, ",'tcpSocket':{'port':1}"), "livenessProbe: has more than one action"},
        {LIVE("'exec':{}", ""), "livenessProbe.command"},
        {LIVE("'exec':{'command':'x'}", ""), "command: expected a list"},
        {LIVE("'sleep':{'seconds':1}", ""), "has no action"},
        {LIVE(EXEC, ",'periodSeconds':-1"), "livenessProbe.periodSeconds"},
        {LIVE(EXEC, ",'periodSeconds':2147483648"), "livenessProbe.periodSeconds"},
        {LIVE(EXEC, ",'periodSeconds':'1'"), "livenessProbe.periodSeconds"},
        {LIVE(EXEC, ",'timeoutSeconds':-1"), "timeoutSeconds"},
        {LIVE(EXEC, ",'initialDelaySeconds':-1"), "initialDelaySeconds"},
        {LIVE(EXEC, ",'failureThreshold':-1"), "failureThreshold"},
        {LIVE(EXEC, ",'successThreshold':2"), "livenessProbe.successThreshold: must be 1"},
        {LIVE(EXEC, ",'terminationGracePeriodSeconds':0"), "terminationGracePeriodSeconds"},
        {"'readinessProbe':{" EXEC ",'terminationGracePeriodSeconds':1}", "must not be set"},
        {LIVE("'httpGet':{'port':0}", ""), "livenessProbe.port"},
        {LIVE("'httpGet':{'port':65536}", ""), "livenessProbe.port"},
        {LIVE("'httpGet':{'port':'-; rm'}", ""), "livenessProbe.port"},
        {LIVE("'httpGet':{'port':'0123456789abcdef'}", ""), "livenessProbe.port"},
        {LIVE("'httpGet':{'port':80,'scheme':'FTP'}", ""), "scheme"},
        {LIVE("'httpGet':{'port':80,'host':'a\\r\\nb'}", ""), "host"},
        {LIVE("'httpGet':{'port':80,'httpHeaders':[{'name':'a b'}]}", ""), "httpHeaders"},
        {LIVE("'httpGet':{'port':80,'httpHeaders':[{'name':'a','value':'x\\r\\nHost: y'}]}", ""),
         "httpHeaders"},
        {LIVE("'grpc':{'port':'www'}", ""), "livenessProbe.port"},
        {"'lifecycle':{'preStop':{'sleep':{'seconds':-1}}}", "lifecycle.preStop.seconds"},
        {"'lifecycle':{'postStart':{}}", "lifecycle.postStart: has no action"},
        {"'lifecycle':{'postStart':{'grpc':{'port':1}}}", "has no action"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *text = cor_sprintf(
            "{'metadata':{'name':'a','namespace':'b','uid':'u'},'spec':{'containers':[{'name':'c',"
            "'image':'i:1',%s}]}}",
            cases[i].field);
        struct pod *pod = NULL;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = pod_parse(json_of(text), &pod, &err);
        if (code == COR_OK || strstr(err.text, cases[i].says) == NULL) {
            fail_msg("case %zu: code %d: %s", i, (int)code, err.text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
