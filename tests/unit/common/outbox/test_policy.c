// SPDX-License-Identifier: Apache-2.0
// Rules of a bounded queue: what is read, what fits, what is done.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/outbox/policy.h"

static void filters_fit_as_in_mqtt(void **state)
{
    static const struct {
        const char *filter, *name;
        bool fits;
    } ROWS[] = {
        {"topic/#", "topic/a", true},
        {"topic/#", "topic/a/b", true},
        {"topic/#", "topics", false},
        {"topic/+", "topic/a", true},
        {"topic/+", "topic/a/b", false},
        {"topic/a", "topic/a", true},
        {"topic/a", "topic/a/b", false},
        {"topic/a/b", "topic/a", false},
        {"#", "x", true},
        {"topic/+/c", "topic/b/c", true},
        {"topic/+/c", "topic/b/d", false},
        {"+/a//b", "topic/a//b", true},
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (cor_policy_fits(cor_view_of(ROWS[i].filter), cor_view_of(ROWS[i].name)) !=
            ROWS[i].fits) {
            fail_msg("%s %s", ROWS[i].filter, ROWS[i].name);
        }
    }
}

static void rules_are_read(void **state)
{
    static const char *const LINES[] = {
        "topic/plant/# priority=high share=25 max-age=7d full=refuse",
        "device/+/+  priority=low  max-bytes=64k  full=drop-newest",
    };
    (void)state;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_policy_free) struct cor_policy policy = {0};
    assert_int_equal(cor_policy_parse(LINES, 2, 1000000, &policy, &err), COR_OK);
    const struct cor_policy_rule *rule = cor_policy_find(&policy, COR_VIEW("topic/plant/x"));
    assert_int_equal(rule->priority, COR_PRIORITY_HIGH);
    assert_int_equal(rule->max_bytes, 250000);
    assert_int_equal(rule->max_age_s, 7 * 86400);
    assert_int_equal(rule->full, COR_POLICY_REFUSE);
    rule = cor_policy_find(&policy, COR_VIEW("device/default/x"));
    assert_int_equal(rule->max_bytes, 65536);
    assert_int_equal(rule->max_age_s, 0);
    rule = cor_policy_find(&policy, COR_VIEW("topic/other"));
    assert_int_equal(rule->max_bytes, 500000);
    assert_int_equal(rule->full, COR_POLICY_DROP_OLDEST);
}

static void what_is_no_rule_is_refused(void **state)
{
    static const char *const LINES[] = {
        "",
        "a priority=urgent",
        "a share=0",
        "a share=101",
        "a full=never",
        "a max-age=",
        "a max-bytes=1T",
        "a max-age=-1",
        "a size=3",
        "a full",
        "a =",
        "a max-bytes=0",
        "a max-bytes=9999999999999G",
    };
    (void)state;
    for (size_t i = 0; i < COR_COUNT(LINES); i++) {
        struct cor_err err = COR_ERR_NONE;
        auto_(cor_policy_free) struct cor_policy policy = {0};
        if (cor_policy_parse(&LINES[i], 1, 1000, &policy, &err) != COR_INVALID) {
            fail_msg("\"%s\" was taken", LINES[i]);
        }
    }
}

static void what_is_done_depends_on_who_is_full(void **state)
{
    static const struct {
        enum cor_policy_full full;
        uint64_t message, stream, whole;
        bool disk_low;
        enum cor_admit want;
    } ROWS[] = {
        {COR_POLICY_REFUSE, 10, 90, 900, false, COR_ADMIT},
        {COR_POLICY_REFUSE, 11, 90, 900, false, COR_ADMIT_REFUSE},
        {COR_POLICY_DROP_OLDEST, 11, 90, 900, false, COR_ADMIT_DROP_OWN},
        {COR_POLICY_DROP_NEWEST, 11, 90, 900, false, COR_ADMIT_DROP_IT},
        {COR_POLICY_DROP_OLDEST, 10, 0, 990, false, COR_ADMIT},
        {COR_POLICY_DROP_OLDEST, 10, 0, 991, false, COR_ADMIT_DROP_OTHER},
        {COR_POLICY_REFUSE, 10, 0, 991, false, COR_ADMIT_DROP_OTHER},
        {COR_POLICY_REFUSE, 10, 0, 0, true, COR_ADMIT_DROP_OTHER},
    };
    struct cor_policy policy = {.queue_bytes = 1000};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_policy_rule rule = {.full = ROWS[i].full, .max_bytes = 100};
        if (cor_policy_admit(&policy, &rule, ROWS[i].message, ROWS[i].stream, ROWS[i].whole,
                             ROWS[i].disk_low) != ROWS[i].want) {
            fail_msg("row %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_fit_as_in_mqtt),
        cmocka_unit_test(rules_are_read),
        cmocka_unit_test(what_is_no_rule_is_refused),
        cmocka_unit_test(what_is_done_depends_on_who_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
