// SPDX-License-Identifier: Apache-2.0
// What is bad in probes and hooks is in test_pod_input.c.
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
