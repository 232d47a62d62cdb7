// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/link/digest.h"

static struct px_held_object object(const char *key, const char *uid, uint64_t content)
{
    return (struct px_held_object){cor_view_of(key), cor_view_of(uid), content};
}

/* Objects ns/pod/0 to ns/pod/count-1; that of number odd has another content. */
static void fill(struct px_digest *digest, unsigned count, unsigned odd)
{
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "ns/pod/%u", i);
        struct px_held_object o = object(key, "uid", i == odd ? 7 : 6);
        px_digest_add(digest, &o);
    }
}

static void sizes_follow_the_objects(void **state)
{
    (void)state;
    static const struct {
        size_t objects, buckets;
    } rows[] = {{0, 16}, {128, 16}, {129, 32}, {500, 64}, {1000000, 4096}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(px_digest_buckets(rows[i].objects), rows[i].buckets);
    }
}

static void one_change_is_one_bucket(void **state)
{
    (void)state;
    auto_(px_digest_free) struct px_digest a = {0};
    auto_(px_digest_free) struct px_digest b = {0};
    auto_(cor_buf_free) struct cor_buf bits = {0};
    px_digest_init(&a, 64);
    px_digest_init(&b, 64);
    fill(&a, 500, UINT32_MAX);
    fill(&b, 500, UINT32_MAX);
    assert_int_equal(px_digest_differ(&a, &b, &bits), 0);
    fill(&a, 500, 3);
    fill(&b, 500, UINT32_MAX);
    cor_buf_clear(&bits);
    assert_int_equal(px_digest_differ(&a, &b, &bits), 1);
    assert_int_equal(bits.len, 8);
    assert_true(px_digest_is_wanted(cor_buf_as_view(&bits), COR_VIEW("ns/pod/3"), 64));
    unsigned wanted = 0;
    for (unsigned i = 0; i < 500; i++) {
        char key[32];
        (void)snprintf(key, sizeof(key), "ns/pod/%u", i);
        wanted += px_digest_is_wanted(cor_buf_as_view(&bits), cor_view_of(key), 64);
    }
    assert_in_range(wanted, 1, 24);
    assert_false(px_digest_is_wanted(COR_VIEW(""), COR_VIEW("ns/pod/3"), 64));
}

/* A swap of two contents, a moved uid, and the order in which objects come. */
static void what_matters_and_what_does_not(void **state)
{
    (void)state;
    const struct px_held_object rows[][2] = {
        {object("a/pod/x", "u", 1), object("a/pod/y", "u", 2)},
        {object("a/pod/x", "u", 2), object("a/pod/y", "u", 1)},
        {object("a/pod/x", "v", 1), object("a/pod/y", "u", 2)},
        {object("a/pod/y", "u", 2), object("a/pod/x", "u", 1)},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(px_digest_free) struct px_digest a = {0};
        auto_(px_digest_free) struct px_digest b = {0};
        auto_(cor_buf_free) struct cor_buf bits = {0};
        px_digest_init(&a, PX_DIGEST_MIN);
        px_digest_init(&b, PX_DIGEST_MIN);
        for (size_t n = 0; n < 2; n++) {
            px_digest_add(&a, &rows[0][n]);
            px_digest_add(&b, &rows[i][n]);
        }
        assert_int_equal(px_digest_differ(&a, &b, &bits) == 0, i == 0 || i == 3);
    }
}

static void sums_are_read_as_written(void **state)
{
    (void)state;
    auto_(px_digest_free) struct px_digest a = {0};
    auto_(px_digest_free) struct px_digest b = {0};
    auto_(cor_buf_free) struct cor_buf sums = {0};
    auto_(cor_buf_free) struct cor_buf bits = {0};
    px_digest_init(&a, 16);
    fill(&a, 100, 5);
    px_digest_write(&a, &sums);
    struct px_held held = {.buckets = 16, .sums = cor_buf_as_view(&sums)};
    assert_int_equal(px_digest_read(&held, &b, NULL), COR_OK);
    assert_int_equal(px_digest_differ(&a, &b, &bits), 0);
}

static void odd_sums_are_refused(void **state)
{
    (void)state;
    static const char bytes[PX_DIGEST_MAX * 16];
    static const struct {
        uint64_t buckets;
        size_t len;
    } rows[] = {{0, 0}, {8, 64}, {16, 127}, {24, 192}, {8192, 65536}, {UINT64_MAX, 128}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct px_digest digest = {0};
        struct px_held held = {.buckets = rows[i].buckets, .sums = {bytes, rows[i].len}};
        assert_int_equal(px_digest_read(&held, &digest, NULL), COR_INVALID);
        assert_null(digest.sums);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_follow_the_objects),
        cmocka_unit_test(one_change_is_one_bucket),
        cmocka_unit_test(what_matters_and_what_does_not),
        cmocka_unit_test(sums_are_read_as_written),
        cmocka_unit_test(odd_sums_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
