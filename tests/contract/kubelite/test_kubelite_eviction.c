// SPDX-License-Identifier: Apache-2.0
// Evictions: what PodDisruptionBudgets put off, and what not.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "harness.h"

#define PODS "/api/v1/namespaces/default/pods"
#define BUDGETS "/apis/policy/v1/namespaces/default/poddisruptionbudgets"

static void make_pod(struct fixture *f, const char *name, const char *phase, const char *ready)
{
    auto_(cor_freep) char *pod =
        cor_sprintf("{'metadata':{'name':'%s','labels':{'app':'web'}},'spec':{'nodeName':'n1',"
                    "'containers':[{'name':'c','image':'i'}]}}",
                    name);
    auto_(cor_freep) char *path = cor_sprintf(PODS "/%s/status", name);
    auto_(cor_freep) char *status = cor_sprintf(
        "{'status':{'phase':'%s','conditions':[{'type':'Ready','status':'%s'}]}}", phase, ready);
    call(f, "POST", PODS, pod);
    assert_int_equal(f->status, 201);
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = path,
                              .body = status,
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
}

static void make_budget(struct fixture *f, const char *name, const char *spec)
{
    auto_(cor_freep) char *budget =
        cor_sprintf("{'apiVersion':'policy/v1','kind':'PodDisruptionBudget','metadata':{'name':"
                    "'%s'},'spec':{'selector':{'matchLabels':{'app':'web'}},%s}}",
                    name, spec);
    call(f, "POST", BUDGETS, budget);
}

/* The status of an eviction, with what its deleteOptions say. */
static long evict(struct fixture *f, const char *name, const char *options)
{
    auto_(cor_freep) char *path = cor_sprintf(PODS "/%s/eviction", name);
    auto_(cor_freep) char *body =
        cor_sprintf("{'apiVersion':'policy/v1','kind':'Eviction','metadata':{'name':'%s'}%s%s}",
                    name, options[0] == '\0' ? "" : ",'deleteOptions':", options);
    call(f, "POST", path, body);
    return f->status;
}

static bool is_going(struct fixture *f, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf(PODS "/%s", name);
    call(f, "GET", path, NULL);
    return f->status == 404 || at(f, "metadata.deletionTimestamp")[0] != '\0';
}

static void test_without_a_budget(void **state)
{
    struct fixture *f = *state;
    make_pod(f, "a", "Running", "True");
    assert_int_equal(evict(f, "a", "{'dryRun':['All']}"), 201);
    assert_false(is_going(f, "a"));
    assert_int_equal(evict(f, "a", "{'preconditions':{'uid':'other'}}"), 409);
    assert_false(is_going(f, "a"));
    assert_int_equal(evict(f, "a", "{'gracePeriodSeconds':7}"), 201);
    assert_string_equal(at(f, "status"), "Success");
    assert_true(is_going(f, "a"));
    assert_int_equal(cor_json_int_at(f->body, "metadata.deletionGracePeriodSeconds", 0), 7);
    assert_int_equal(evict(f, "none", ""), 404);
    call(f, "POST", PODS "/a/eviction", "{'metadata':{'name':'b'}}");
    assert_int_equal(f->status, 400);
    call(f, "POST", PODS "/a/eviction", "[]");
    assert_int_equal(f->status, 400);
    call(f, "GET", PODS "/a/eviction", NULL);
    assert_int_equal(f->status, 405);
}

static void test_a_budget_puts_off(void **state)
{
    struct fixture *f = *state;
    make_pod(f, "a", "Running", "True");
    make_pod(f, "b", "Running", "True");
    make_pod(f, "c", "Running", "True");
    make_pod(f, "sick", "Running", "False");
    make_pod(f, "waits", "Pending", "False");
    make_budget(f, "web", "'minAvailable':2");
    assert_int_equal(f->status, 201);
    assert_int_equal(evict(f, "a", ""), 201);
    assert_int_equal(evict(f, "b", ""), 429);
    assert_string_equal(at(f, "reason"), "TooManyRequests");
    assert_string_equal(at(f, "message"),
                        "Cannot evict pod as it would violate the pod's disruption budget.");
    assert_non_null(strstr(f->text.data, "The disruption budget web needs 2 healthy pods and has "
                                         "2 currently"));
    assert_false(is_going(f, "b"));
    assert_int_equal(evict(f, "sick", ""), 201); /* the others are enough */
    assert_int_equal(evict(f, "waits", ""), 201);
    call(f, "DELETE", PODS "/b", NULL); /* a deletion asks nobody */
    assert_int_equal(f->status, 200);
    assert_true(is_going(f, "b"));
    make_budget(f, "second", "'maxUnavailable':'50%'");
    assert_int_equal(f->status, 201);
    assert_int_equal(evict(f, "c", ""), 500);
    call(f, "DELETE", BUDGETS "/web", NULL);
    assert_int_equal(f->status, 200);
    assert_int_equal(evict(f, "c", ""), 429); /* one of one is to be half at least */
}

/* What its status says: "ALLOWED/HEALTHY/DESIRED/EXPECTED REASON". */
static char *standing(struct fixture *f)
{
    const struct cor_json *condition = cor_json_item(cor_json_at(f->body, "status.conditions"), 0);
    return cor_sprintf("%d/%d/%d/%d %s",
                       (int)cor_json_int_at(f->body, "status.disruptionsAllowed", -1),
                       (int)cor_json_int_at(f->body, "status.currentHealthy", -1),
                       (int)cor_json_int_at(f->body, "status.desiredHealthy", -1),
                       (int)cor_json_int_at(f->body, "status.expectedPods", -1),
                       cor_json_str_at(condition, "reason", ""));
}

/* Reads the budget, and what is told of it, until it says so. */
static void budget_says(struct fixture *f, const char *name, const char *expected)
{
    enum { CHANGES_MAX = 8 };
    auto_(cor_freep) char *path = cor_sprintf(BUDGETS "/%s", name);
    auto_(cor_freep) char *last = NULL;
    for (size_t i = 0; i < CHANGES_MAX; i++) {
        call(f, "GET", path, NULL);
        cor_free(last);
        last = standing(f);
        if (strcmp(last, expected) == 0) {
            return;
        }
        auto_(cor_freep) char *watch =
            cor_sprintf(BUDGETS "?watch=1&timeoutSeconds=5&resourceVersion=%s",
                        at(f, "metadata.resourceVersion"));
        f->lines_wanted = 1;
        call(f, "GET", watch, NULL);
        f->lines_wanted = 0;
    }
    fail_msg("%s: %s, not %s", name, last, expected);
}

static void test_status(void **state)
{
    struct fixture *f = *state;
    make_budget(f, "web", "'minAvailable':1");
    budget_says(f, "web", "0/0/1/0 InsufficientPods");
    make_pod(f, "a", "Running", "True");
    make_pod(f, "b", "Running", "False");
    budget_says(f, "web", "0/1/1/2 InsufficientPods");
    assert_int_equal(cor_json_int_at(f->body, "status.observedGeneration", 0), 1);
    make_pod(f, "c", "Running", "True");
    budget_says(f, "web", "1/2/1/3 SufficientPods");
    const struct cor_json *condition = cor_json_item(cor_json_at(f->body, "status.conditions"), 0);
    assert_string_equal(cor_json_str_at(condition, "type", ""), "DisruptionAllowed");
    assert_string_equal(cor_json_str_at(condition, "status", ""), "True");
    assert_string_equal(cor_json_str_at(condition, "message", "?"), "");
    send_ask(f, &(struct ask){.method = "PATCH",
                              .path = BUDGETS "/web",
                              .body = "{'spec':{'minAvailable':2}}",
                              .type = "application/merge-patch+json"});
    assert_int_equal(f->status, 200);
    budget_says(f, "web", "0/2/2/3 InsufficientPods");
    assert_int_equal(cor_json_int_at(f->body, "status.observedGeneration", 0), 2);
    call(f, "DELETE", PODS "/a?gracePeriodSeconds=0", NULL);
    budget_says(f, "web", "0/1/2/2 InsufficientPods");
    (void)stage_end(f->pid, SIGKILL);
    start(f);
    call(f, "DELETE", PODS "/b?gracePeriodSeconds=0", NULL);
    budget_says(f, "web", "0/1/2/1 InsufficientPods");
}

/* By parts, what controllers want counts: the Deployment's number, not that of the Pods there are.
 */
static void test_status_of_parts(void **state)
{
    struct fixture *f = *state;
    make_budget(f, "web", "'maxUnavailable':'30%'");
    budget_says(f, "web", "0/0/0/0 InsufficientPods");
    call(f, "POST", "/apis/apps/v1/namespaces/default/deployments",
         "{'metadata':{'name':'web'},'spec':{'replicas':4,'selector':{'matchLabels':{'app':'web'}},"
         "'template':{'metadata':{'labels':{'app':'web'}},'spec':{'containers':[{'name':'c',"
         "'image':'i'}]}}}}");
    assert_int_equal(f->status, 201);
    budget_says(f, "web", "0/0/2/4 InsufficientPods"); /* 30 % of 4 is 2, rounded up */
    call(f, "POST", "/api/v1/namespaces/default/configmaps", "{'metadata':{'name':'owner'}}");
    auto_(cor_freep) char *pod = cor_sprintf(
        "{'metadata':{'name':'alien','labels':{'app':'web'},'ownerReferences':[{'apiVersion':'v1',"
        "'kind':'ConfigMap','name':'owner','uid':'%s','controller':true}]},'spec':{'containers':[{"
        "'name':'c','image':'i'}]}}",
        at(f, "metadata.uid"));
    call(f, "POST", PODS, pod);
    assert_int_equal(f->status, 201);
    budget_says(f, "web", "0/0/2/4 SyncFailed");
    const struct cor_json *condition = cor_json_item(cor_json_at(f->body, "status.conditions"), 0);
    assert_string_equal(cor_json_str_at(condition, "message", ""),
                        "configmaps does not implement the scale subresource");
    call(f, "GET", BUDGETS "?limit=1", NULL);
    assert_int_equal(f->status, 200);
}

static void test_bad_budgets(void **state)
{
    struct fixture *f = *state;
    static const char *const BAD[] = {"'minAvailable':1,'maxUnavailable':1",
                                      "'minAvailable':-1",
                                      "'minAvailable':'1'",
                                      "'maxUnavailable':'101%'",
                                      "'maxUnavailable':'%'",
                                      "'maxUnavailable':'x%'"};
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        make_budget(f, "web", BAD[i]);
        assert_int_equal(f->status, 422);
    }
    call(f, "GET", BUDGETS, NULL);
    assert_int_equal(cor_json_count(cor_json_get(f->body, "items")), 0);
}

/* kubectl drain looks there before it asks for evictions. */
static void test_discovered(void **state)
{
    struct fixture *f = *state;
    call(f, "GET", "/api/v1", NULL);
    assert_non_null(strstr(f->text.data, "\"pods/eviction\""));
    call(f, "GET", "/apis/policy", NULL);
    assert_int_equal(f->status, 200);
    assert_string_equal(at(f, "preferredVersion.groupVersion"), "policy/v1");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_without_a_budget), T(test_a_budget_puts_off), T(test_status),
        T(test_status_of_parts),  T(test_bad_budgets),       T(test_discovered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
