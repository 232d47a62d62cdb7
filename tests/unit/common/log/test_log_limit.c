// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/log/limit.h"

static unsigned try_lines(struct cor_log_limit *limit, int64_t at_s, unsigned count,
                          uint64_t *unsaid)
{
    unsigned said = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t missing = 0;
        if (cor_log_limit(limit, (struct cor_mono){COR_SEC(at_s)}, &missing)) {
            said++;
            *unsaid += missing;
        }
    }
    return said;
}

static void a_flood_is_counted(void **state)
{
    (void)state;
    struct cor_log_limit limit = {0};
    uint64_t unsaid = 0;
    assert_int_equal(try_lines(&limit, 1000, 10000, &unsaid), COR_LOG_BURST);
    assert_int_equal(unsaid, 0);
    assert_int_equal(try_lines(&limit, 1001, 10000, &unsaid), 1);
    assert_int_equal(unsaid, 10000 - COR_LOG_BURST);
    assert_int_equal(try_lines(&limit, 1001, 1, &unsaid), 0);
    assert_int_equal(try_lines(&limit, 1004, 100, &unsaid), 3);
    assert_int_equal(unsaid, 20000 - COR_LOG_BURST);
}

static void silence_gives_all_places_back(void **state)
{
    (void)state;
    struct cor_log_limit limit = {0};
    uint64_t unsaid = 0;
    (void)try_lines(&limit, 5, 30, &unsaid);
    assert_int_equal(try_lines(&limit, 5000, 100, &unsaid), COR_LOG_BURST);
    assert_int_equal(try_lines(&limit, 5000, 1, &unsaid), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flood_is_counted),
        cmocka_unit_test(silence_gives_all_places_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
