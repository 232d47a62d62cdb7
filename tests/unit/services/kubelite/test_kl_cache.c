// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/kubelite/cache.h"

static void put(struct kl_cache *cache, const char *id, int64_t rv, size_t size)
{
    kl_cache_put(cache, cor_view_of(id), rv, cor_json_int(rv), size);
}

/* resourceVersion of what is kept; 0: nothing. */
static int64_t got(struct kl_cache *cache, const char *id, int64_t rv)
{
    auto_(cor_json_free) struct cor_json *object = kl_cache_get(cache, cor_view_of(id), rv);
    return cor_json_as_int(object, 0);
}

static void what_is_put_is_found(void **state)
{
    (void)state;
    auto_(kl_cache_free) struct kl_cache *cache = kl_cache_new(100);
    put(cache, "a", 3, 10);
    assert_int_equal(got(cache, "a", 0), 3);
    assert_int_equal(got(cache, "a", 3), 3);
    assert_int_equal(got(cache, "a", 4), 0);
    assert_int_equal(got(cache, "b", 0), 0);
    kl_cache_drop(cache, COR_VIEW("a"));
    kl_cache_drop(cache, COR_VIEW("a"));
    assert_int_equal(got(cache, "a", 0), 0);
    assert_int_equal(kl_cache_size(cache), 0);
}

static void the_newer_one_stays(void **state)
{
    (void)state;
    auto_(kl_cache_free) struct kl_cache *cache = kl_cache_new(100);
    put(cache, "a", 5, 10);
    put(cache, "a", 4, 20);
    assert_int_equal(got(cache, "a", 0), 5);
    put(cache, "a", 6, 30);
    assert_int_equal(got(cache, "a", 0), 6);
    assert_int_equal(kl_cache_size(cache), 30);
}

static void the_one_unused_for_longest_goes(void **state)
{
    (void)state;
    auto_(kl_cache_free) struct kl_cache *cache = kl_cache_new(100);
    put(cache, "a", 1, 40);
    put(cache, "b", 2, 40);
    assert_int_equal(got(cache, "a", 0), 1);
    put(cache, "c", 3, 40);
    assert_int_equal(got(cache, "b", 0), 0);
    assert_int_equal(got(cache, "a", 0), 1);
    assert_int_equal(got(cache, "c", 0), 3);
    put(cache, "big", 4, 101);
    assert_int_equal(got(cache, "big", 0), 0);
    assert_int_equal(kl_cache_size(cache), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_is_found),
        cmocka_unit_test(the_newer_one_stays),
        cmocka_unit_test(the_one_unused_for_longest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
