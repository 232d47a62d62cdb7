// SPDX-License-Identifier: Apache-2.0
#include "services/kubelite/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "kl_test.h"

#define BUDGET(spec)                                                                               \
    "{'metadata':{'name':'b','namespace':'default'},'spec':{'selector':{'matchLabels':{'a':'b'}}"  \
    "," spec "}}"
#define POD(ns, labels, phase, ready, more)                                                        \
    "{'metadata':{'namespace':'" ns "','labels':{" labels "}" more "},'status':{'phase':'" phase   \
    "','conditions':[{'type':'Ready','status':'" ready "'}]}}"
#define GOOD POD("default", "'a':'b'", "Running", "True", "")

#define GOING ",'deletionTimestamp':'2026-01-01T00:00:00Z'"

/* Three that are well, one that is not, one that goes, one that has ended; two of no concern. */
#define PODS                                                                                       \
    "[" GOOD "," GOOD "," GOOD "," POD("default", "'a':'b'", "Running", "False", "") "," POD(      \
        "default", "'a':'b'", "Running", "True",                                                   \
        GOING) "," POD("default", "'a':'b'", "Failed", "True",                                     \
                       "") "," POD("other", "'a':'b'", "Running", "True",                          \
                                   "") "," POD("default", "'a':'c'", "Running", "True", "") "]"

static void what_must_stay_is_counted(void **state)
{
    (void)state;
    static const struct {
        const char *budget;
        int64_t scale, expected, desired, allowed;
    } ROWS[] = {
        {BUDGET("'minAvailable':2"), -1, 6, 2, 1},
        {BUDGET("'minAvailable':'50%'"), -1, 6, 3, 0},
        {BUDGET("'maxUnavailable':1"), -1, 6, 5, 0},
        {BUDGET("'maxUnavailable':'30%'"), -1, 6, 4, 0},
        {BUDGET("'maxUnavailable':9"), -1, 6, 0, 3},
        {BUDGET("'minAvailable':'100%'"), 4, 4, 4, 0},
        {BUDGET("'maxUnavailable':1"), 10, 10, 9, 0},
        {BUDGET("'x':1"), -1, 6, 0, 3},
        {BUDGET("'maxUnavailable':1"), 3, 3, 2, 1},
        {BUDGET("'maxUnavailable':1"), 0, 0, 0, 0},
    };
    auto_(cor_json_free) struct cor_json *pods = test_json(PODS);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *budget = test_json(ROWS[i].budget);
        struct kl_budget count = kl_budget_count(budget, pods, ROWS[i].scale);
        assert_int_equal(count.healthy, 3);
        assert_int_equal(count.expected, ROWS[i].expected);
        assert_int_equal(count.desired, ROWS[i].desired);
        assert_int_equal(count.allowed, ROWS[i].allowed);
    }
}

static void some_pods_count_in_none(void **state)
{
    (void)state;
    static const struct {
        const char *pod;
        bool exempt, healthy;
    } ROWS[] = {
        {GOOD, false, true},
        {POD("default", "", "Running", "False", ""), false, false},
        {POD("default", "", "Pending", "False", ""), true, false},
        {POD("default", "", "Succeeded", "False", ""), true, false},
        {POD("default", "", "Failed", "False", ""), true, false},
        {POD("default", "", "Running", "True", ",'deletionTimestamp':'2026-01-01T00:00:00Z'"), true,
         true},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *pod = test_json(ROWS[i].pod);
        assert_int_equal(kl_budget_exempts(pod), ROWS[i].exempt);
        assert_int_equal(kl_budget_is_healthy(pod), ROWS[i].healthy);
    }
}

static void the_sick_may_go_first(void **state)
{
    (void)state;
    static const struct {
        const char *budget;
        struct kl_budget count;
        bool healthy, sick; /* whether one of those may go */
    } ROWS[] = {
        {BUDGET("'minAvailable':2"), {.healthy = 2, .desired = 2}, false, true},
        {BUDGET("'minAvailable':2"), {.healthy = 1, .desired = 2}, false, false},
        {BUDGET("'minAvailable':0"), {.healthy = 0, .desired = 0}, false, false},
        {BUDGET("'minAvailable':1"), {.healthy = 2, .desired = 1, .allowed = 1}, true, true},
        {BUDGET("'minAvailable':2,'unhealthyPodEvictionPolicy':'AlwaysAllow'"),
         {.healthy = 1, .desired = 2},
         false,
         true},
        {BUDGET("'minAvailable':2,'unhealthyPodEvictionPolicy':'IfHealthyBudget'"),
         {.healthy = 1, .desired = 2},
         false,
         false},
    };
    auto_(cor_json_free) struct cor_json *good = test_json(GOOD);
    auto_(cor_json_free) struct cor_json *sick =
        test_json(POD("default", "", "Running", "False", ""));
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *budget = test_json(ROWS[i].budget);
        assert_int_equal(kl_budget_lets_go(budget, &ROWS[i].count, good), ROWS[i].healthy);
        assert_int_equal(kl_budget_lets_go(budget, &ROWS[i].count, sick), ROWS[i].sick);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_stay_is_counted),
        cmocka_unit_test(some_pods_count_in_none),
        cmocka_unit_test(the_sick_may_go_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
