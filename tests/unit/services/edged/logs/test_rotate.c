// SPDX-License-Identifier: Apache-2.0
#include "services/edged/logs/rotate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/mem.h"

static const struct rotate_rules RULES = {
    .max_size = 1000, .max_files = 5, .look_us = 10 * 1000 * 1000};

static void full_ones_are_put_aside(void **state)
{
    (void)state;
    static const struct rotate_rules NEVER = {.max_size = 0, .max_files = 5};
    assert_false(rotate_is_due(&RULES, 999));
    assert_true(rotate_is_due(&RULES, 1000));
    assert_false(rotate_is_due(&RULES, -1));
    assert_false(rotate_is_due(&NEVER, 1 << 30));
    auto_(cor_freep) char *name = rotate_name("/l/0.log", (struct cor_wall){1700000000000000});
    assert_string_equal(name, "/l/0.log.20231114-221320");
}

static void fast_ones_are_looked_at_sooner(void **state)
{
    (void)state;
    static const struct {
        int64_t size, grown, elapsed, next;
    } ROWS[] = {
        {0, 0, COR_SEC(10), COR_SEC(10)},     /* silent */
        {500, 500, COR_SEC(10), COR_SEC(10)}, /* full just then */
        {500, 100, COR_SEC(1), COR_SEC(5)},   /* full in 5 s */
        {900, 900, COR_SEC(1), COR_SEC(1)},   /* full at once: not sooner than in a second */
        {0, 1 << 30, COR_SEC(1), COR_SEC(1)}, /* floods */
        {10, 1, COR_SEC(10), COR_SEC(10)},    /* slow */
        {500, 100, 0, COR_SEC(10)},           /* no time has passed */
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(rotate_next_look(&RULES, ROWS[i].size, ROWS[i].grown, ROWS[i].elapsed),
                         ROWS[i].next);
    }
}

/* One letter a name, in the order of the names: k kept, r removed, c compressed. */
static void check_fates(const char *const *given, size_t count, const char *fates)
{
    enum { MOST = 16 };
    char *names[MOST];
    enum rotate_fate got[MOST];
    assert_true(count <= MOST && strlen(fates) == count);
    for (size_t i = 0; i < count; i++) {
        names[i] = cor_strdup(given[i]);
    }
    rotate_fates(&RULES, "0.log", names, count, got);
    for (size_t i = 0; i < count; i++) {
        if ("krc"[got[i]] != fates[i]) {
            fail_msg("%s: %c, not %c", names[i], "krc"[got[i]], fates[i]);
        }
        cor_free(names[i]);
    }
}

static void old_ones_are_compressed_then_removed(void **state)
{
    (void)state;
    static const char *const FIRST[] = {"0.log", "0.log.20260101-000000", ".", ".."};
    check_fates(FIRST, COR_COUNT(FIRST), "kkkk"); /* ".", "..", "0.log", the newest */
    static const char *const SECOND[] = {"0.log.20260101-000002", "0.log.20260101-000001", "0.log"};
    check_fates(SECOND, COR_COUNT(SECOND), "kck");
    static const char *const MANY[] = {
        "0.log",
        "0.log.20260101-000001.gz",
        "0.log.20260101-000002.gz",
        "0.log.20260101-000003.gz",
        "0.log.20260101-000004",
        "0.log.20260101-000005",
    };
    check_fates(MANY, COR_COUNT(MANY), "krkkck"); /* four and the one that is written */
    static const char *const HALF[] = {"0.log",
                                       "0.log.20260101-000001",
                                       "0.log.20260101-000001.gz",
                                       "0.log.20260101-000002.tmp",
                                       "0.log.20260101-000002",
                                       "1.log.20250101-000000",
                                       "10.log"};
    check_fates(HALF, COR_COUNT(HALF), "krkkrkk");
}

/* Of life 3 and the one before it can be asked. */
static void logs_of_former_lives_go(void **state)
{
    (void)state;
    static const char *const GIVEN[] = {
        "0.log", "1.log", "1.log.20260101-000000.gz", "2.log", "2.log.20260101-000000", "3.log",
        "log",   "x.log"};
    char *names[COR_COUNT(GIVEN)];
    enum rotate_fate got[COR_COUNT(GIVEN)];
    for (size_t i = 0; i < COR_COUNT(GIVEN); i++) {
        names[i] = cor_strdup(GIVEN[i]);
    }
    rotate_fates(&RULES, "3.log", names, COR_COUNT(GIVEN), got);
    for (size_t i = 0; i < COR_COUNT(GIVEN); i++) {
        assert_int_equal(got[i], i < 3 ? ROTATE_REMOVE : ROTATE_KEEP);
        cor_free(names[i]);
    }
}

static void compressed_ones_are_not_plain(void **state)
{
    (void)state;
    assert_true(rotate_is_plain("0.log", "0.log.20260101-000001"));
    assert_false(rotate_is_plain("0.log", "0.log.20260101-000001.gz"));
    assert_false(rotate_is_plain("0.log", "0.log.20260101-000001.tmp"));
    assert_false(rotate_is_plain("0.log", "0.log"));
    assert_false(rotate_is_plain("0.log", "10.log.20260101-000001"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_ones_are_put_aside),
        cmocka_unit_test(fast_ones_are_looked_at_sooner),
        cmocka_unit_test(old_ones_are_compressed_then_removed),
        cmocka_unit_test(logs_of_former_lives_go),
        cmocka_unit_test(compressed_ones_are_not_plain),
    };
    return cmocka_run_group_tests_name("rotate", tests, NULL, NULL);
}
