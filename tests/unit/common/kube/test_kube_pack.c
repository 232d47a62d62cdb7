// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/kube/pack.h"

static void what_is_unpacked_is_what_was_packed(void **state)
{
    (void)state;
    static const char *const TEXTS[] = {
        "null",
        "true",
        "[]",
        "{}",
        "[0,1,-1,63,64,-64,-65,9223372036854775807,-9223372036854775808]",
        "[0.5,-1e300]",
        "[\"\",\"metadata\",\"x\",\"zzz\"]",
        "{\"z\":1,\"a\":{\"name\":[null,false]}}",
        "\"0a1b2c3d-0000-4fff-8abc-0123456789ab\"",
        "\"0A1B2C3D-0000-4fff-8abc-0123456789ab\"",
        "\"0a1b2c3d-0000-4fff-8abc-0123456789ag\"",
        "\"0a1b2c3d+0000-4fff-8abc-0123456789ab\"",
        "[\"2026-11-25T20:00:00Z\",\"1970-01-01T00:00:00Z\",\"1969-12-31T23:59:59Z\"]",
        "[\"2026-13-25T20:00:00Z\",\"2026-11-25T24:00:00Z\",\"2026-11-25t20:00:00Z\"]",
        "\"2026-11-25T20:00:00.123456Z\"",
        "\"containerd://0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
        "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF\"",
        "\"0123456789012345678901234567890123456789012345678901234567890123\"",
        "\"a string of more than sixty-three bytes that is not made of hexadecimal digits at all\"",
        "\"\u00e4\u00f6\"",
    };
    for (size_t i = 0; i < COR_COUNT(TEXTS); i++) {
        auto_(cor_json_free) struct cor_json *value = NULL;
        auto_(cor_buf_free) struct cor_buf packed = {0};
        assert_int_equal(cor_json_parse(cor_view_of(TEXTS[i]), 4096, 0, &value, NULL), COR_OK);
        cor_kube_pack(value, &packed);
        auto_(cor_json_free) struct cor_json *again = cor_kube_unpack(cor_buf_as_view(&packed));
        auto_(cor_freep) char *a = cor_json_text(value);
        auto_(cor_freep) char *b = cor_json_text(again);
        assert_string_equal(a, b);
        for (size_t len = 0; len < packed.len; len++) {
            assert_null(cor_kube_unpack((struct cor_view){packed.data, len}));
        }
    }
}

static void words_are_found(void **state)
{
    (void)state;
    size_t count = 0;
    for (; cor_kube_word_at(count) != NULL; count++) {
        struct cor_view word = cor_view_of(cor_kube_word_at(count));
        assert_int_equal(cor_kube_word(word), count);
        auto_(cor_freep) char *longer = cor_sprintf("%s\001", word.ptr);
        assert_int_equal(cor_kube_word(cor_view_of(longer)), -1);
        assert_int_equal(cor_kube_word((struct cor_view){word.ptr, word.len + 1}), -1); /* a NUL */
        int shorter = cor_kube_word((struct cor_view){word.ptr, word.len - 1});
        assert_true(shorter < 0 || strlen(cor_kube_word_at((size_t)shorter)) == word.len - 1);
    }
    assert_in_range(count, 200, 128 + 256); /* those that two bytes can name */
    assert_int_equal(cor_kube_word(COR_VIEW("no such word")), -1);
    assert_int_equal(cor_kube_word(COR_VIEW("")), -1);
}

static void garbage_is_nothing(void **state)
{
    (void)state;
    static const struct cor_view ROWS[] = {
        COR_VIEW(""),
        COR_VIEW("\x80\xff"),                     /* no such word */
        COR_VIEW("\x87\xff\xff\xff\xff\xff\x7f"), /* an array longer than memory */
        COR_VIEW("\x86\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
        COR_VIEW("\x88\x01\x81\x81"), /* a key that is no string */
        COR_VIEW("\x81\x81"),         /* two values */
        COR_VIEW("\xbf"),
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_null(cor_kube_unpack(ROWS[i]));
    }
    char deep[1200];
    for (size_t i = 0; i + 1 < sizeof(deep); i += 2) {
        memcpy(deep + i, "\x87\x01", 2);
    }
    assert_null(cor_kube_unpack((struct cor_view){deep, sizeof(deep)}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unpacked_is_what_was_packed),
        cmocka_unit_test(words_are_found),
        cmocka_unit_test(garbage_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
