// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/match.h"

/* The first rows are those of KubeEdge's cloud/pkg/router/utils/path_test.go. */
static void patterns_match_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *target;
        bool matches;
    } ROWS[] = {
        {"/", "/fakenodeid/a/b/c", true},
        {"/a/{sdsd}", "/fakenodeid/a/b/c", true},
        {"/a/{sdsd}/{dddd}", "/fakenodeid/a/b/c", true},
        {"/a/", "/fakenodeid/a/b/c", true},
        {"/a", "/fakenodeid/a/b/c", true},
        {"/a/b/c", "/fakenodeid/a/b/c", true},
        {"/a/b/d", "/fakenodeid/a/b/c", false},
        {"/default/a", "/n1/default/a", true},
        {"/default/a", "/n1/default/abc", true}, /* nothing ends the pattern */
        {"/default/a", "/n1/x/default/a", true},
        {"/default/a", "/n1/default/b", false},
        {"/default/{x}/set", "/n1/default/lamp/set", true},
        {"/default/{x}/set", "/n1/default//set", false},
        {"/default/{x}/set", "/n1/default/a/b/set", false},
        {"/default/{x}{y}", "/n1/default/a", false},
        {"/default/{x}{y}", "/n1/default/ab", true},
        {"/default/a{x}b", "/n1/default/abbb", true},
        {"/default/{x}", "/n1/default/?q=1", true},
        {"/default/{x}", "/n1/default/", false},
        {"/default/{}", "/n1/default/a", false},
        {"/default/{}", "/n1/default/{}", true},
        {"/default/a.b", "/n1/default/axb", false}, /* no regular expression here */
        {"/default/a", "", false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (ec_match(ROWS[i].pattern, cor_view_of(ROWS[i].target)) != ROWS[i].matches) {
            fail_msg("%s on %s", ROWS[i].pattern, ROWS[i].target);
        }
    }
}

static void long_ones_match_nothing_and_take_no_time(void **state)
{
    (void)state;
    auto_(cor_freep) char *pattern = cor_alloc(EC_PATTERN_MAX + 2);
    auto_(cor_freep) char *target = cor_alloc(EC_TARGET_MAX + 2);
    memset(pattern, 'a', EC_PATTERN_MAX + 1);
    memset(target, 'a', EC_TARGET_MAX + 1);
    assert_false(ec_match("a", cor_view_of(target)));
    target[EC_TARGET_MAX] = '\0';
    assert_true(ec_match("a", cor_view_of(target)));
    assert_false(ec_match(pattern, cor_view_of(target)));
    assert_false(ec_match("{x}{x}{x}{x}{x}{x}{x}{x}{x}{x}{x}{x}/", cor_view_of(target)));
}

static void the_more_particular_wins(void **state)
{
    (void)state;
    static const char *const ROWS[][2] = {
        {"/default/a/b", "/default/a"},        {"/default/a/{x}", "/default/a"},
        {"/default/a/b", "/default/a/{name}"}, {"/default/ab", "/default/a"},
        {"/default/b", "/default/a"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_true(ec_match_order(ROWS[i][0], ROWS[i][1]) > 0);
        assert_true(ec_match_order(ROWS[i][1], ROWS[i][0]) < 0);
    }
}

static void topics_have_the_rest_of_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *topic, *path, *target, *want;
    } ROWS[] = {
        {"test", "a", "/n1/default/a", "test"},
        {"test", "a", "/n1/default/a/b", "test/b"}, /* seen on KubeEdge 1.23 */
        {"test/", "a", "/n1/default/a/b", "test/b"},
        {"test/", "a", "/n1/default/a", "test/"},
        {"test", "a", "/n1/default/a/b?q=1", "test/b?q=1"},
        {"test", "a", "/n1/default/abc", "test/bc"},
        {"test", "{x}", "/n1/default/a", "test/a"}, /* a pattern is not cut off */
        {"test", "a", "/n1/x/default/a", "test/default/a"},
        {"test", "a", "/n1/default", NULL},
        {"test", "", "/n1/default/", "test"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_freep) char *topic =
            ec_match_topic(ROWS[i].topic, ROWS[i].path, cor_view_of(ROWS[i].target));
        if (ROWS[i].want == NULL) {
            assert_null(topic);
        } else {
            assert_string_equal(topic, ROWS[i].want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_match_anywhere),
        cmocka_unit_test(long_ones_match_nothing_and_take_no_time),
        cmocka_unit_test(the_more_particular_wins),
        cmocka_unit_test(topics_have_the_rest_of_the_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
