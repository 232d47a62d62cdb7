// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/expand.h"

static const char *value_of(const void *self, struct cor_view name)
{
    (void)self;
    if (cor_view_is(name, "A")) {
        return "1";
    }
    return cor_view_is(name, "EMPTY") ? "" : NULL;
}

/* Cases of the upstream table (expand_test.go) that matter here. */
static void test_cases(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"$(A)", "1"},
        {"-$(A)-$(A)-", "-1-1-"},
        {"$(EMPTY)x", "x"},
        {"$(NO)", "$(NO)"},
        {"$$(A)", "$(A)"},
        {"$$$(A)", "$1"},
        {"$$$$(A)", "$$(A)"},
        {"$", "$"},
        {"$$", "$"},
        {"a$b", "a$b"},
        {"$(A", "$(A"},
        {"$()", "$()"},
        {"$A", "$A"},
        {"$($(A))", "$($(A))"},
        {"x$(A)$", "x1$"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct cor_buf out = {0};
        expand(cor_view_of(cases[i].in), value_of, NULL, &out);
        auto_(cor_freep) char *text = cor_buf_take(&out);
        assert_string_equal(text, cases[i].out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};
    return cmocka_run_group_tests_name("expand", tests, NULL, NULL);
}
