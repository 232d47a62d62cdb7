// SPDX-License-Identifier: Apache-2.0
// Fields of Pods that are newer than Kubernetes 1.20: kept as they are, checked, and what they mean
// to the API server.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "harness.h"

#define PODS "/api/v1/namespaces/default/pods"
#define STRICT PODS "?fieldValidation=Strict"

#define SPEC                                                                                       \
    "{'os':{'name':'linux'},'hostUsers':true,'schedulingGates':[{'name':'a.b/one'},{'name':"       \
    "'a.b/two'}],'resourceClaims':[{'name':'r','resourceClaimName':'c'}],'resources':{'limits':{"  \
    "'memory':'1Gi'}},'securityContext':{'appArmorProfile':{'type':'RuntimeDefault'},"             \
    "'supplementalGroupsPolicy':'Merge','seLinuxChangePolicy':'Recursive'},'initContainers':[{"    \
    "'name':'side','image':'i','restartPolicy':'Always'},{'name':'first','image':'i'}],'"          \
    "containers':[{'name':'c','image':'i',"                                                        \
    "'resizePolicy':[{'resourceName':'cpu','restartPolicy':'NotRequired'}],'resources':{'claims'"  \
    ":[{'name':'r','request':'q'}]},'securityContext':{'appArmorProfile':{'type':'Localhost',"     \
    "'localhostProfile':'p'}},'livenessProbe':{'grpc':{'port':9},'terminationGracePeriodSeconds'"  \
    ":7},'lifecycle':{'preStop':{'sleep':{'seconds':3}}},'volumeMounts':[{'name':'v','mountPath'"  \
    ":'/v','readOnly':true,'recursiveReadOnly':'IfPossible'}]}],'volumes':[{'name':'v','emptyDir'" \
    ":{}}]}"

static void create(struct fixture *f, const char *spec)
{
    auto_(cor_freep) char *pod = cor_sprintf("{'metadata':{'name':'web'},'spec':%s}", spec);
    call(f, "POST", STRICT, pod);
}

/* Text of the first container's member at path. */
static const char *of_container(struct fixture *f, const char *list, const char *path)
{
    const struct cor_json *container = cor_json_item(cor_json_at(f->body, list), 0);
    return cor_json_str_at(container, path, "");
}

static void test_fields_are_kept(void **state)
{
    struct fixture *f = *state;
    create(f, SPEC);
    assert_int_equal(f->status, 201);
    (void)stage_end(f->pid, SIGKILL);
    start(f);
    call(f, "GET", PODS "/web", NULL);
    assert_string_equal(at(f, "spec.os.name"), "linux");
    assert_string_equal(at(f, "spec.resources.limits.memory"), "1Gi");
    assert_string_equal(at(f, "spec.securityContext.appArmorProfile.type"), "RuntimeDefault");
    assert_string_equal(at(f, "spec.securityContext.supplementalGroupsPolicy"), "Merge");
    assert_string_equal(at(f, "spec.securityContext.seLinuxChangePolicy"), "Recursive");
    assert_true(cor_json_bool_at(f->body, "spec.hostUsers", false));
    assert_int_equal(cor_json_count(cor_json_at(f->body, "spec.resourceClaims")), 1);
    assert_string_equal(of_container(f, "spec.initContainers", "restartPolicy"), "Always");
    const struct cor_json *c = cor_json_item(cor_json_at(f->body, "spec.containers"), 0);
    assert_int_equal(cor_json_int_at(c, "livenessProbe.grpc.port", 0), 9);
    assert_string_equal(cor_json_str_at(c, "livenessProbe.grpc.service", "?"), "");
    assert_int_equal(cor_json_int_at(c, "livenessProbe.terminationGracePeriodSeconds", 0), 7);
    assert_int_equal(cor_json_int_at(c, "lifecycle.preStop.sleep.seconds", 0), 3);
    assert_string_equal(cor_json_str_at(c, "securityContext.appArmorProfile.localhostProfile", ""),
                        "p");
    const struct cor_json *mount = cor_json_item(cor_json_get(c, "volumeMounts"), 0);
    assert_string_equal(cor_json_str_at(mount, "recursiveReadOnly", ""), "IfPossible");
    assert_int_equal(cor_json_count(cor_json_at(c, "resources.claims")), 1);
    assert_int_equal(cor_json_count(cor_json_get(c, "resizePolicy")), 1);
}

static void test_status_is_kept(void **state)
{
    struct fixture *f = *state;
    create(f, SPEC);
    assert_int_equal(f->status, 201);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = PODS "/web/status",
                              .body = "{'status':{'hostIP':'10.0.0.1','hostIPs':[{'ip':'10.0.0.1'},"
                                      "{'ip':'fd00::1'}]}}",
                              .type = "application/strategic-merge-patch+json"});
    assert_int_equal(f->status, 200);
    call(f, "GET", PODS "/web", NULL);
    assert_int_equal(cor_json_count(cor_json_at(f->body, "status.hostIPs")), 2);
}

static void test_bad_ones(void **state)
{
    struct fixture *f = *state;
#define ONE(more) "{'containers':[{'name':'c','image':'i'" more "}]}"
    static const struct {
        const char *spec;
        long status;
        const char *says;
    } cases[] = {
        {ONE(",'restartPolicy':'Always'"), 422,
         "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers"},
        {"{'initContainers':[{'name':'s','image':'i','restartPolicy':'Never'}],'containers':[{"
         "'name':'c','image':'i'}]}",
         422,
         "spec.initContainers[0].restartPolicy: Unsupported value: \"Never\": supported values: "
         "\"Always\""},
        {ONE(",'livenessProbe':{'grpc':{'port':9},'tcpSocket':{'port':1}}"), 422,
         "may not specify more than 1 handler type"},
        {ONE(",'livenessProbe':{'grpc':{'port':'x'}}"), 400, ""},
        {ONE(",'lifecycle':{'preStop':{'sleeps':{'seconds':3}}}"), 400, "unknown field"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        create(f, cases[i].spec);
        if (f->status != cases[i].status || strstr(at(f, "message"), cases[i].says) == NULL) {
            fail_msg("case %zu: %ld %s", i, f->status, f->text.data);
        }
    }
    call(f, "GET", PODS, NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 0);
}

static long set_gates(struct fixture *f, const char *gates)
{
    auto_(cor_freep) char *patch = cor_sprintf("{'spec':{'schedulingGates':%s}}", gates);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = PODS "/web",
                              .body = patch,
                              .type = "application/merge-patch+json"});
    return f->status;
}

/* A gated Pod gets no node until the last gate is gone; gates only go. */
static void test_gates(void **state)
{
    struct fixture *f = *state;
    call(f, "POST", "/api/v1/nodes",
         "{'metadata':{'name':'n1'},'status':{'allocatable':{'cpu':'4','memory':'4Gi','pods':'9'},"
         "'conditions':[{'type':'Ready','status':'True'}]}}");
    assert_int_equal(f->status, 201);
    create(f, SPEC);
    assert_int_equal(f->status, 201);
    call(f, "POST", PODS,
         "{'metadata':{'name':'other'},'spec':{'containers':[{'name':'c','image':'i'"
         "}],'nodeName':''}}");
    assert_int_equal(f->status, 201);
    assert_int_equal(set_gates(f, "[{'name':'a.b/three'}]"), 422);
    assert_int_equal(set_gates(f, "[{'name':'a.b/two'}]"), 200);
    call(f, "GET", PODS "/web", NULL);
    assert_string_equal(at(f, "spec.nodeName"), "");
    assert_int_equal(set_gates(f, "[{'name':'a.b/two'},{'name':'a.b/one'}]"), 422);
    assert_int_equal(set_gates(f, "null"), 200);
    auto_(cor_freep) char *watch =
        cor_sprintf(PODS "?watch=1&timeoutSeconds=10&fieldSelector=metadata.name%%3Dweb"
                         "&resourceVersion=%s",
                    at(f, "metadata.resourceVersion"));
    f->lines_wanted = 1; /* it is bound, or told why not */
    call(f, "GET", watch, NULL);
    f->lines_wanted = 0;
    assert_non_null(strstr(f->text.data, "\"PodScheduled\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fields_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_status_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_ones, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gates, setup, teardown),
    };
    return cmocka_run_group_tests_name("kubelite pods", tests, NULL, NULL);
}
