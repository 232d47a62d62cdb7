// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/pack/pack.h"

enum { BIG = 300000 };

static void fill(struct cor_buf *out, size_t len, bool noise)
{
    srand(1);
    for (size_t i = 0; i < len; i++) {
        char c = noise ? (char)rand() : "{\"name\":\"value\"},"[i % 17];
        cor_buf_view(out, (struct cor_view){&c, 1});
    }
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    static const size_t sizes[] = {200, 250, 251, 1000, 3834, 3835, 16384, 16385, BIG};
    for (size_t i = 0; i < COR_COUNT(sizes); i++) {
        auto_(cor_buf_free) struct cor_buf plain = {0};
        auto_(cor_buf_free) struct cor_buf packed = {0};
        auto_(cor_buf_free) struct cor_buf again = {0};
        fill(&plain, sizes[i], false);
        cor_buf_str(&packed, "x");
        cor_buf_str(&again, "y");
        assert_true(cor_pack(cor_buf_as_view(&plain), &packed));
        assert_true(packed.len < plain.len / 4);
        struct cor_view in = {packed.data + 1, packed.len - 1};
        assert_int_equal(cor_unpack(in, plain.len, &again, NULL), COR_OK);
        struct cor_view out = {again.data + 1, again.len - 1};
        assert_true(cor_view_eq(out, cor_buf_as_view(&plain)));
    }
}

static void what_gets_no_smaller_stays(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 1000, BIG};
    for (size_t i = 0; i < COR_COUNT(sizes); i++) {
        auto_(cor_buf_free) struct cor_buf plain = {0};
        auto_(cor_buf_free) struct cor_buf packed = {0};
        fill(&plain, sizes[i], true);
        assert_false(cor_pack(cor_buf_as_view(&plain), &packed));
        assert_int_equal(packed.len, 0);
    }
}

/* Cut off, of another size, changed, with something behind it; a bomb takes no more than it says.
 */
static void bad_data_is_refused(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf plain = {0};
    auto_(cor_buf_free) struct cor_buf packed = {0};
    auto_(cor_buf_free) struct cor_buf out = {0};
    fill(&plain, BIG, false);
    assert_true(cor_pack(cor_buf_as_view(&plain), &packed));
    static const size_t sizes[] = {0, 1, BIG - 1, BIG + 1, SIZE_MAX / 2};
    for (size_t i = 0; i < COR_COUNT(sizes); i++) {
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(cor_unpack(cor_buf_as_view(&packed), sizes[i], &out, &err), COR_INVALID);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(out.len, 0);
    }
    for (size_t len = 0; len < packed.len; len++) {
        struct cor_view cut = {packed.data, len};
        assert_int_equal(cor_unpack(cut, BIG, &out, NULL), COR_INVALID);
    }
    cor_buf_str(&packed, "x");
    assert_int_equal(cor_unpack(cor_buf_as_view(&packed), BIG, &out, NULL), COR_INVALID);
    packed.len--;
    packed.data[packed.len / 2] ^= 0x40;
    assert_int_equal(cor_unpack(cor_buf_as_view(&packed), BIG, &out, NULL), COR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(what_gets_no_smaller_stays),
        cmocka_unit_test(bad_data_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
