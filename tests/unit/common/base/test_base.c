// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/base/file.h"
#include "common/base/handle.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/clock/clock.h"
#include "common/log/log.h"

static void errors_carry_code_and_one_line(void **state)
{
    (void)state;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_err_set(&err, COR_NOTFOUND, "no\nsuch %s", "thing"), COR_NOTFOUND);
    assert_string_equal(err.text, "no such thing");
    assert_int_equal(cor_err_wrap(&err, "loading %d", 7), COR_NOTFOUND);
    assert_string_equal(err.text, "loading 7: no such thing");
    assert_int_equal(cor_err_set(NULL, COR_BUSY, "x"), COR_BUSY);
    char big[400];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)cor_err_set(&err, COR_IO, "%s", big);
    assert_string_equal(err.text + strlen(err.text) - 3, "...");
}

static void numbers_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t value;
    } ROWS[] = {
        {"0", true, 0},
        {"-1", true, -1},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"", false, 0},
        {"-", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1x", false, 0},
        {"99999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        int64_t value = 0;
        bool good = cor_view_i64(cor_view_of(ROWS[i].text), &value);
        assert_int_equal(good, ROWS[i].good);
        assert_true(!good || value == ROWS[i].value);
    }
}

static void views_split_into_parts(void **state)
{
    (void)state;
    struct cor_view rest = COR_VIEW("a//b");
    struct cor_view part;
    static const char *const WANT[] = {"a", "", "b"};
    for (size_t i = 0; i < COR_COUNT(WANT); i++) {
        assert_true(cor_view_split(&rest, '/', &part));
        assert_true(cor_view_is(part, WANT[i]));
    }
    assert_false(cor_view_split(&rest, '/', &part));
}

static void utf8_is_checked(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        bool good;
    } ROWS[] = {
        {"plain", true},
        {"\xc3\xa9", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x9a\xa3", true},
        {"\xff", false},
        {"\xc3", false},
        {"\xc0\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xe0\x80\x80", false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(cor_view_is_utf8(cor_view_of(ROWS[i].bytes)), ROWS[i].good);
        for (int before = 0; before < 18; before++) { /* at any place among ASCII */
            auto_(cor_freep) char *text =
                cor_sprintf("%.*s%s0123456789", before, "abcdefghijklmnopqr", ROWS[i].bytes);
            assert_int_equal(cor_view_is_utf8(cor_view_of(text)), ROWS[i].good);
        }
    }
    assert_false(cor_view_is_utf8((struct cor_view){"a\0b", 3}));
    assert_int_equal(cor_view_utf8_len((struct cor_view){"0123456789\0abcdefgh", 19}), 10);
    assert_int_equal(cor_view_utf8_len(COR_VIEW("01234567\xc3\xa4\xc3")), 10);
}

static void map_keeps_what_it_is_given(void **state)
{
    (void)state;
    auto_(cor_map_free) struct cor_map *map = cor_map_new(cor_free);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        int *value = cor_alloc(sizeof(*value));
        *value = i;
        cor_map_set(map, cor_view_of(key), value);
    }
    for (int i = 0; i < 5000; i += 2) {
        char key[16];
        (void)snprintf(key, sizeof(key), "k%d", i);
        assert_true(cor_map_del(map, cor_view_of(key)));
        assert_false(cor_map_del(map, cor_view_of(key)));
    }
    assert_int_equal(cor_map_count(map), 2500);
    size_t at = 0;
    void *value = NULL;
    int seen = 0;
    while (cor_map_next(map, &at, NULL, &value)) {
        assert_int_equal(*(int *)value, seen * 2 + 1); /* in the order of insertion */
        seen++;
    }
    assert_int_equal(seen, 2500);
    assert_null(cor_map_get(map, COR_VIEW("k0")));
    assert_int_equal(*(int *)cor_map_get(map, COR_VIEW("k4999")), 4999);
}

static void map_keys_may_hold_any_byte(void **state)
{
    (void)state;
    auto_(cor_map_free) struct cor_map *map = cor_map_new(NULL);
    int one = 1;
    int two = 2;
    cor_map_set(map, (struct cor_view){"a\0b", 3}, &one);
    cor_map_set(map, (struct cor_view){"a\0c", 3}, &two);
    assert_ptr_equal(cor_map_get(map, (struct cor_view){"a\0b", 3}), &one);
    assert_null(cor_map_get(map, COR_VIEW("a")));
}

static void stale_handles_name_nothing(void **state)
{
    (void)state;
    struct cor_pool *pool = cor_pool_new(2);
    int a = 0;
    int b = 0;
    cor_handle ha = cor_pool_add(pool, &a);
    cor_handle hb = cor_pool_add(pool, &b);
    assert_int_equal(cor_pool_add(pool, &a), 0);
    assert_ptr_equal(cor_pool_del(pool, ha), &a);
    assert_null(cor_pool_get(pool, ha));
    cor_handle again = cor_pool_add(pool, &b);
    assert_int_not_equal(again, ha);
    assert_null(cor_pool_get(pool, ha));
    assert_ptr_equal(cor_pool_get(pool, hb), &b);
    assert_null(cor_pool_get(pool, 0));
    assert_null(cor_pool_get(pool, UINT64_MAX));
    cor_pool_free(&pool);
}

static void arena_has_a_limit(void **state)
{
    (void)state;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(1000);
    assert_non_null(cor_arena_alloc(arena, 900));
    assert_null(cor_arena_alloc(arena, 101));
    assert_null(cor_arena_alloc(arena, SIZE_MAX));
    cor_arena_reset(arena);
    char *bytes = cor_arena_alloc(arena, 1000);
    assert_non_null(bytes);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(bytes[i], 0);
    }
}

static void base64_goes_both_ways(void **state)
{
    (void)state;
    static const char *const ROWS[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"\xfb\xff", "+/8=", "-_8"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        for (int way = 1; way <= 2; way++) {
            auto_(cor_buf_free) struct cor_buf text = {0};
            auto_(cor_buf_free) struct cor_buf back = {0};
            (way == 1 ? cor_base64 : cor_base64url)(&text, cor_view_of(ROWS[i][0]));
            assert_true(cor_view_is(cor_buf_as_view(&text), ROWS[i][way]));
            assert_true(cor_base64_decode(&back, cor_buf_as_view(&text)));
            assert_true(cor_view_is(cor_buf_as_view(&back), ROWS[i][0]));
        }
    }
    static const char *const BAD[] = {"Z", "Zg=", "Z===", "Zm9v!", "Zg= ="};
    for (size_t i = 0; i < COR_COUNT(BAD); i++) {
        auto_(cor_buf_free) struct cor_buf back = {0};
        assert_false(cor_base64_decode(&back, cor_view_of(BAD[i])));
        assert_int_equal(back.len, 0);
    }
}

static void uuids_have_their_form(void **state)
{
    (void)state;
    char text[COR_UUID_LEN + 1];
    uint8_t bytes[16];
    cor_uuid_new(text);
    assert_int_equal(strlen(text), 36);
    assert_int_equal(text[14], '4');
    assert_non_null(strchr("89ab", text[19]));
    assert_true(cor_uuid_parse(cor_view_of(text), bytes));
    char again[COR_UUID_LEN + 1];
    cor_uuid_format(bytes, again);
    assert_string_equal(text, again);
    text[8] = 'x';
    assert_false(cor_uuid_parse(cor_view_of(text), bytes));
}

static void dns_names_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } ROWS[] = {{"edge-1", true}, {"a.b.c", true}, {"Edge", false}, {"-a", false},  {"a-", false},
                {"a..b", false},  {"", false},     {"a_b", false},  {"a/b", false}, {"1", true}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(cor_is_dns_subdomain(cor_view_of(ROWS[i].name)), ROWS[i].good);
    }
}

static void files_are_replaced_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/cor-base-XXXXXX";
    assert_non_null(mkdtemp(folder));
    auto_(cor_freep) char *below = cor_sprintf("%s/a/b", folder);
    auto_(cor_freep) char *path = cor_sprintf("%s/a/b/file", folder);
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_mkdirs(below, 0755, &err), COR_OK);
    assert_int_equal(cor_mkdirs(below, 0755, &err), COR_OK);
    assert_int_equal(cor_file_write(path, COR_VIEW("one"), 0600, &err), COR_OK);
    assert_int_equal(cor_file_write(path, COR_VIEW("second"), 0600, &err), COR_OK);
    auto_(cor_freep) char *under = cor_sprintf("%s/more/folders", path);
    assert_int_equal(cor_mkdirs(under, 0755, &err), COR_IO); /* a file is in the way */
    assert_int_equal(cor_mkdirs(path, 0755, &err), COR_IO);
    assert_int_equal(cor_mkdirs("/proc/self/none/at/all", 0755, &err), COR_IO);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(cor_file_read(path, 5, &text, &err), COR_TOOBIG);
    assert_int_equal(text.len, 0);
    assert_int_equal(cor_file_read(path, 100, &text, &err), COR_OK);
    assert_string_equal(text.data, "second");
    assert_int_equal(cor_file_read("/nonexistent/x", 100, &text, &err), COR_NOTFOUND);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(below), 0); /* no temporary file was left behind */
    *strrchr(below, '/') = '\0';
    assert_int_equal(rmdir(below), 0);
    assert_int_equal(rmdir(folder), 0);
}

/* Against the C library: all days of some centuries, and far away. */
static void test_days_of_all_years(void **state)
{
    (void)state;
    char is[COR_RFC3339_SIZE];
    char should[COR_RFC3339_SIZE + 32];
    for (int64_t day = -719162; day<2932896; day += day> - 30000 && day < 60000 ? 1 : 97) {
        time_t s = day * 86400 + (day * 7919 % 86400 + 86400) % 86400;
        struct tm tm;
        assert_non_null(gmtime_r(&s, &tm));
        (void)snprintf(should, sizeof(should), "%04d-%02d-%02dT%02d:%02d:%02d.000007Z",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec);
        struct cor_wall t = {s * 1000000 + 7};
        struct cor_wall back = {0};
        cor_wall_format_us(t, is);
        assert_string_equal(is, should);
        assert_true(cor_wall_parse(cor_view_of(is), &back));
        assert_int_equal(back.us, t.us);
    }
    cor_wall_format_ns((struct cor_wall){INT64_MAX}, is);
    assert_string_equal(is, "294247-01-10T04:00:54.775807000Z");
    cor_wall_format_us((struct cor_wall){INT64_MIN}, is);
    assert_string_equal(is, "-290308-12-21T19:59:05.224192Z");
}

static void times_are_written_and_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
        int64_t us;
    } ROWS[] = {
        {"1970-01-01T00:00:00Z", true, 0},
        {"2026-08-06T06:58:26.5Z", true, 1785999506500000},
        {"2026-08-06T08:58:26.5+02:00", true, 1785999506500000},
        {"2026-08-06T06:58:26.123456789Z", true, 1785999506123456},
        {"2026-13-06T06:58:26Z", false, 0},
        {"2026-08-06T06:58:26", false, 0},
        {"2026-08-06T06:58:26.Z", false, 0},
        {"2026-08-06 nonsense", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_wall t = {-1};
        assert_int_equal(cor_wall_parse(cor_view_of(ROWS[i].text), &t), ROWS[i].good);
        assert_true(!ROWS[i].good || t.us == ROWS[i].us);
    }
    char text[COR_RFC3339_SIZE];
    cor_wall_format((struct cor_wall){1785999506500000}, text);
    assert_string_equal(text, "2026-08-06T06:58:26Z");
    cor_wall_format_us((struct cor_wall){1785999506500000}, text);
    assert_string_equal(text, "2026-08-06T06:58:26.500000Z");
}

static void foreign_text_cannot_break_a_log_line(void **state)
{
    (void)state;
    assert_string_equal(cor_log_esc(COR_VIEW("plain")), "plain");
    assert_string_equal(cor_log_esc(COR_VIEW("two words")), "\"two words\"");
    assert_string_equal(cor_log_esc(COR_VIEW("a\nERROR forged")), "\"a\\nERROR forged\"");
    assert_string_equal(cor_log_esc(COR_VIEW("\xff\x1b")), "\"\\xff\\x1b\"");
    char big[1000];
    memset(big, 'x', sizeof(big));
    assert_true(strlen(cor_log_esc((struct cor_view){big, sizeof(big)})) < 220);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_carry_code_and_one_line),
        cmocka_unit_test(numbers_are_read_strictly),
        cmocka_unit_test(views_split_into_parts),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(map_keeps_what_it_is_given),
        cmocka_unit_test(map_keys_may_hold_any_byte),
        cmocka_unit_test(stale_handles_name_nothing),
        cmocka_unit_test(arena_has_a_limit),
        cmocka_unit_test(base64_goes_both_ways),
        cmocka_unit_test(uuids_have_their_form),
        cmocka_unit_test(dns_names_are_checked),
        cmocka_unit_test(files_are_replaced_whole),
        cmocka_unit_test(times_are_written_and_read),
        cmocka_unit_test(test_days_of_all_years),
        cmocka_unit_test(foreign_text_cannot_break_a_log_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
