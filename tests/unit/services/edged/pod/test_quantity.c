// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/quantity.h"

static void test_quantities(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t milli;
        int64_t value;
    } cases[] = {
        {"1", true, 1000, 1},
        {"0", true, 0, 0},
        {"100m", true, 100, 1},
        {"1.5", true, 1500, 2},
        {".5", true, 500, 1},
        {"2.", true, 2000, 2},
        {"64Mi", true, INT64_C(67108864000), 67108864},
        {"1.5Gi", true, INT64_C(1610612736000), 1610612736},
        {"1k", true, 1000000, 1000},
        {"1e3", true, 1000000, 1000},
        {"1E3", true, 1000000, 1000},
        {"1e-3", true, 1, 1},
        {"5E", true, INT64_MAX, INT64_C(5000000000000000000)},
        {"1Ei", true, INT64_MAX, INT64_C(1) << 60},
        {"9999999999999999999Ei", true, INT64_MAX, INT64_MAX},
        {"1n", true, 1, 1},
        {"1500u", true, 2, 1},
        {"-1", true, -1000, -1},
        {"+2", true, 2000, 2},
        {"", false, 0, 0},
        {"m", false, 0, 0},
        {"1.2.3", false, 0, 0},
        {"1mi", false, 0, 0},
        {"1 ", false, 0, 0},
        {"0x1", false, 0, 0},
        {"1e99999999999", false, 0, 0},
        {"99999999999999999999", false, 0, 0},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        int64_t milli = 77;
        int64_t value = 77;
        bool good = quantity_milli(cor_view_of(cases[i].text), &milli) &&
                    quantity_value(cor_view_of(cases[i].text), &value);
        if (good != cases[i].good ||
            (good && (milli != cases[i].milli || value != cases[i].value))) {
            fail_msg("%s: %d %lld %lld", cases[i].text, good, (long long)milli, (long long)value);
        }
    }
}

static void test_of_json(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *json = test_json("[2,'250m',true,null,1.5]");
    int64_t milli = 0;
    assert_true(quantity_json_milli(cor_json_item(json, 0), &milli));
    assert_int_equal(milli, 2000);
    assert_true(quantity_json_milli(cor_json_item(json, 1), &milli));
    assert_int_equal(milli, 250);
    assert_false(quantity_json_value(cor_json_item(json, 2), &milli));
    assert_false(quantity_json_value(cor_json_item(json, 3), &milli));
    assert_true(quantity_json_milli(cor_json_item(json, 4), &milli)); /* cpu: 1.5 */
    assert_int_equal(milli, 1500);
    assert_false(quantity_json_value(NULL, &milli));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_quantities),
                                       cmocka_unit_test(test_of_json)};
    return cmocka_run_group_tests_name("quantity", tests, NULL, NULL);
}
