// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/quantity.h"

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out; /* NULL: refused */
        int64_t milli;
    } cases[] = {
        {"1", "1", 1000},
        {"0", "0", 0},
        {"100m", "100m", 100},
        {"0.1", "100m", 100},
        {"1000m", "1", 1000},
        {"1.5", "1500m", 1500},
        {"1024", "1024", 1024000},
        {"1Ki", "1Ki", 1024000},
        {"1024Ki", "1Mi", 1048576000},
        {"1.5Gi", "1536Mi", 1610612736000},
        {"0.5Ki", "512", 512000},
        {"1000k", "1M", 1000000000},
        {"1e3", "1e3", 1000000},
        {"12e6", "12e6", 12000000000},
        {"-1", "-1", -1000},
        {"134217728", "134217728", 134217728000},
        {"2E", "2E", INT64_MAX},
        {"1u", "1u", 1},
        {"64Mi", "64Mi", 67108864000},
        {"", NULL, 0},
        {"x", NULL, 0},
        {"1x", NULL, 0},
        {"1.2.3", NULL, 0},
        {"1 Gi", NULL, 0},
        {"99999999999999999999", NULL, 0},
        {"1e99", NULL, 0},
        {".", NULL, 0},
        {"9E9E", NULL, 0},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct kl_quantity quantity;
        auto_(cor_buf_free) struct cor_buf out = {0};
        bool ok = kl_quantity_parse(cor_view_of(cases[i].in), &quantity);
        if (ok != (cases[i].out != NULL)) {
            fail_msg("case %zu: %s", i, cases[i].in);
        }
        if (ok) {
            kl_quantity_format(quantity, &out);
            assert_string_equal(out.data, cases[i].out);
        }
        assert_int_equal(kl_quantity_milli(cor_view_of(cases[i].in)), cases[i].milli);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_canonical)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
