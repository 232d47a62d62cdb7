// SPDX-License-Identifier: Apache-2.0
// Pods on nodes with NoExecute taints: which go, and when.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "harness.h"

#define PODS "/api/v1/namespaces/default/pods"
#define EVENTS "/api/v1/namespaces/default/events"
#define NODE "/api/v1/nodes/n1"
#define TAINTS(list) "{'spec':{'taints':[" list "]}}"
#define HOT "{'key':'hot','effect':'NoExecute'}"

static void make_pod(struct fixture *f, const char *name, const char *tolerations)
{
    auto_(cor_freep) char *pod = cor_sprintf(
        "{'metadata':{'name':'%s'},'spec':{'nodeName':'n1','tolerations':[%s],'containers':[{"
        "'name':'c','image':'i'}]}}",
        name, tolerations);
    call(f, "POST", PODS, pod);
    assert_int_equal(f->status, 201);
}

static void make_pods(struct fixture *f)
{
    call(f, "POST", "/api/v1/nodes", "{'metadata':{'name':'n1'}}");
    assert_int_equal(f->status, 201);
    make_pod(f, "never", "");
    make_pod(f, "always", "{'key':'hot','operator':'Exists'}");
    make_pod(f, "second", "{'key':'hot','operator':'Exists','tolerationSeconds':1}");
}

static void taint(struct fixture *f, const char *taints)
{
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = NODE,
                              .body = taints,
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
}

static bool is_going(struct fixture *f, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf(PODS "/%s", name);
    call(f, "GET", path, NULL);
    return f->status == 404 || at(f, "metadata.deletionTimestamp")[0] != '\0';
}

/* Waits until so many Pods go from their node; since what version. */
static void await_going(struct fixture *f, const char *version, size_t count)
{
    enum { EVENTS_MAX = 16 };
    auto_(cor_freep) char *watch =
        cor_sprintf(PODS "?watch=1&timeoutSeconds=30&resourceVersion=%s", version);
    for (f->lines_wanted = 1; f->lines_wanted <= EVENTS_MAX; f->lines_wanted++) {
        size_t found = 0;
        call(f, "GET", watch, NULL);
        for (const char *p = f->text.data; (p = strstr(p, "deletionTimestamp")) != NULL; p++) {
            found++;
        }
        if (found >= count) {
            f->lines_wanted = 0;
            return;
        }
    }
    fail_msg("%zu do not go: %s", count, f->text.data);
}

static void test_who_goes(void **state)
{
    struct fixture *f = *state;
    make_pods(f);
    taint(f, TAINTS("{'key':'hot','effect':'NoSchedule'}"));
    auto_(cor_freep) char *version = cor_strdup(at(f, "metadata.resourceVersion"));
    assert_false(is_going(f, "never"));
    taint(f, TAINTS(HOT));
    await_going(f, version, 1);
    assert_true(is_going(f, "never"));
    await_going(f, version, 2);
    assert_true(is_going(f, "second"));
    assert_false(is_going(f, "always"));
    call(f, "GET", EVENTS, NULL);
    assert_non_null(strstr(f->text.data, "Marking for deletion Pod default/never"));
    assert_null(strstr(f->text.data, "default/always"));
}

/* A Pod that comes to such a node goes, too; one whose node is well again stays. */
static void test_comes_and_stays(void **state)
{
    struct fixture *f = *state;
    make_pods(f);
    taint(f, TAINTS("{'key':'cold','effect':'NoExecute'},"
                    "{'key':'node.kubernetes.io/not-ready','effect':'NoExecute'}"));
    auto_(cor_freep) char *version = cor_strdup(at(f, "metadata.resourceVersion"));
    make_pod(f, "late", "{'key':'cold','operator':'Exists'}"); /* 300 s by default */
    make_pod(f, "wrong", "{'key':'warm','operator':'Exists'}");
    taint(f, TAINTS(""));
    await_going(f, version, 4);
    assert_true(is_going(f, "wrong"));
    assert_false(is_going(f, "late"));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_who_goes),
        T(test_comes_and_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
