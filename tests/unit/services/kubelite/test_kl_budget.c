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
        int64_t replicas, expected, desired;
    } ROWS[] = {
        {BUDGET("'minAvailable':2"), 0, 5, 2},     {BUDGET("'minAvailable':'50%'"), 0, 5, 3},
        {BUDGET("'maxUnavailable':1"), 0, 5, 4},   {BUDGET("'maxUnavailable':'30%'"), 0, 5, 3},
        {BUDGET("'maxUnavailable':9"), 0, 5, 0},   {BUDGET("'minAvailable':'100%'"), 4, 4, 4},
        {BUDGET("'maxUnavailable':1"), 10, 10, 9}, {BUDGET("'x':1"), 0, 5, 0},
    };
    auto_(cor_json_free) struct cor_json *pods = js(PODS);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *budget = js(ROWS[i].budget);
        struct kl_budget count = kl_budget_count(budget, pods, ROWS[i].replicas);
        assert_int_equal(count.healthy, 3);
        assert_int_equal(count.expected, ROWS[i].expected);
        assert_int_equal(count.desired, ROWS[i].desired);
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
        auto_(cor_json_free) struct cor_json *pod = js(ROWS[i].pod);
        assert_int_equal(kl_budget_exempts(pod), ROWS[i].exempt);
        assert_int_equal(kl_budget_is_healthy(pod), ROWS[i].healthy);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_stay_is_counted),
        cmocka_unit_test(some_pods_count_in_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
