// SPDX-License-Identifier: Apache-2.0
// Text to value and back, copies.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/json/json.h"

static struct cor_json *parsed(const char *text, int flags)
{
    struct cor_json *value = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), SIZE_MAX, flags, &value, NULL), COR_OK);
    return value;
}

static void text_is_written_compact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *written;
    } rows[] = {
        {"null", "null"},
        {" true ", "true"},
        {"false", "false"},
        {"0", "0"},
        {"-1", "-1"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"0.5", "0.5"},
        {"1.0", "1.0"},
        {"1e3", "1000.0"},
        {"-1.5e300", "-1.5000000000000001e300"},
        {"\"\"", "\"\""},
        {"\"a\\/b\"", "\"a/b\""},
        {"\"\\\"\\\\\\b\\f\\n\\r\\t\"", "\"\\\"\\\\\\b\\f\\n\\r\\t\""},
        {"\"\\u0001\\u001f\\u007f\"", "\"\\u0001\\u001F\x7f\""},
        {"\"\\u00e4\\ud83d\\ude00\"", "\"\xc3\xa4\xf0\x9f\x98\x80\""},
        {"\"\\/x\\\\\"", "\"/x\\\\\""},
        {"\"\\n\"", "\"\\n\""},
        {"\t[\r\n true ,null, false , -12 ]\n", "[true,null,false,-12]"},
        {"-0", "0"},
        {"[\"\xc3\xa4\"]", "[\"\xc3\xa4\"]"},
        {"[]", "[]"},
        {"{ }", "{}"},
        {"[1, [2, []], {}]", "[1,[2,[]],{}]"},
        {"{\"b\": 1, \"a\": {\"c\": [null, \"x\"]}, \"\": 0}",
         "{\"b\":1,\"a\":{\"c\":[null,\"x\"]},\"\":0}"},
        {"{\"k\\n\\\"\": \"v\"}", "{\"k\\n\\\"\":\"v\"}"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *value = parsed(rows[i].text, 0);
        auto_(cor_freep) char *text = cor_json_text(value);
        assert_string_equal(text, rows[i].written);
    }
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{,}",
        "{\"a\":1,}",
        "{\"a\"}",
        "{\"a\" 1}",
        "{a:1}",
        "{\"a\":}",
        "[1 2]",
        "[1}",
        "{\"a\":1]",
        "01",
        "-",
        "-a",
        "1.",
        "1e",
        ".5",
        "+1",
        "tru",
        "truex",
        "nulll",
        "[true false]",
        "\"",
        "\"a",
        "\"\\\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"a\nb\"",
        "\"\xff\"",
        "\"\xc3\"",
        "\"\xed\xa0\x80\"",
        "{\"\xff\":1}",
        "\"\xf4\x90\x80\x80\"",
        "\"\xc0\x80\"",
        "1 2",
        "{} {}",
        "[1],",
        "\"\\ud800\"",
        "99999999999999999999",
    };
    for (size_t i = 0; i < COR_COUNT(texts); i++) {
        struct cor_json *value = NULL;
        if (cor_json_parse(cor_view_of(texts[i]), SIZE_MAX, 0, &value, NULL) == COR_OK) {
            fail_msg("taken: %s", texts[i]);
        }
        assert_null(value);
    }
}

static void nothing_is_no_value(void **state)
{
    (void)state;
    static const struct cor_view nothing[] = {{NULL, 0}, {"", 0}, {" ", 1}};
    for (size_t i = 0; i < COR_COUNT(nothing); i++) {
        struct cor_json *value = NULL;
        assert_int_equal(cor_json_parse(nothing[i], 100, 0, &value, NULL), COR_INVALID);
        assert_null(value);
    }
}

static void a_key_twice_is_the_last_one_or_refused(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":1,\"b\":2,\"a\":3}";
    auto_(cor_json_free) struct cor_json *value = parsed(text, 0);
    auto_(cor_freep) char *written = cor_json_text(value);
    assert_string_equal(written, "{\"a\":3,\"b\":2}");
    struct cor_json *none = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), SIZE_MAX, COR_JSON_STRICT, &none, NULL),
                     COR_INVALID);
}

static void a_prefix_is_read_when_asked_for(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value = parsed("{\"a\":1} rest", COR_JSON_PREFIX);
    assert_int_equal(cor_json_int_at(value, "a", 0), 1);
}

static void long_keys_and_numbers_are_read(void **state)
{
    (void)state;
    char key[301] = "";
    memset(key, 'k', 300);
    auto_(cor_freep) char *text = cor_sprintf(
        "{\"%s\":123456789012345678,\"%.128s\":1234567890123456789,\"\\u006b\":-7}", key, key);
    auto_(cor_json_free) struct cor_json *value = parsed(text, 0);
    assert_int_equal(cor_json_as_int(cor_json_get(value, key), 0), 123456789012345678);
    key[128] = '\0';
    assert_int_equal(cor_json_as_int(cor_json_get(value, key), 0), 1234567890123456789);
    assert_int_equal(cor_json_int_at(value, "k", 0), -7);
}

/* One byte or two at a random place become others. */
static void spoil(char *text, uint64_t *dice)
{
    static const char bytes[] =
        "{}[]\",:\\0123456789-+.eEtrufalsn \t\n\x01\x7f\xc3\xa4\xed\xa0\xff/b";
    for (int i = 0; i < 2; i++) {
        *dice = *dice * 6364136223846793005u + 1442695040888963407u;
        text[(*dice >> 33) % strlen(text)] = bytes[(*dice >> 20) % (sizeof(bytes) - 1)];
    }
}

/* With COR_JSON_PREFIX only jansson reads. */
static void both_readers_agree(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"a\":[1,-20,true,false,null,{}],\"b "
        "c\":{\"d\":\"x\\n\\\"y\",\"e\":\"\xc3\xa4\"},\"\":\"\"}",
        "[\"abc\",{\"k\":0,\"l\":10},[[],[1]],\"\\\\\", 7 ]",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p0\",\"generation\":3}}",
    };
    uint64_t dice = 1;
    for (size_t i = 0; i < 60000; i++) {
        auto_(cor_freep) char *text = cor_strdup(texts[i % COR_COUNT(texts)]);
        spoil(text, &dice);
        auto_(cor_json_free) struct cor_json *one = NULL;
        auto_(cor_json_free) struct cor_json *other = NULL;
        if (cor_json_parse(cor_view_of(text), SIZE_MAX, 0, &one, NULL) != COR_OK) {
            continue;
        }
        if (cor_json_parse(cor_view_of(text), SIZE_MAX, COR_JSON_PREFIX, &other, NULL) != COR_OK) {
            fail_msg("only one reader takes: %s", text);
        }
        auto_(cor_freep) char *is = cor_json_text(one);
        auto_(cor_freep) char *should = cor_json_text(other);
        assert_string_equal(is, should);
    }
}

static void a_nul_in_a_string_is_written(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value = parsed("[\"a\\u0000b\"]", COR_JSON_NUL);
    auto_(cor_freep) char *text = cor_json_text(value);
    assert_string_equal(text, "[\"a\\u0000b\"]");
}

static void indented_text_is_the_same_value(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value = parsed("{\"a\":[1,{\"b\":null}],\"c\":{}}", 0);
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write_pretty(value, &text);
    assert_string_equal(text.data,
                        "{\n  \"a\": [\n    1,\n    {\n      \"b\": null\n    }\n  ],\n  "
                        "\"c\": {}\n}");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * 600 + 1] = "";
    static const struct {
        size_t depth;
        enum cor_code code;
    } rows[] = {{512, COR_OK}, {513, COR_INVALID}, {600, COR_INVALID}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        memset(text, '[', rows[i].depth);
        memset(text + rows[i].depth, ']', rows[i].depth);
        text[2 * rows[i].depth] = '\0';
        auto_(cor_json_free) struct cor_json *value = NULL;
        assert_int_equal(cor_json_parse(cor_view_of(text), SIZE_MAX, 0, &value, NULL),
                         rows[i].code);
    }
}

/* Brackets in strings do not count, an escaped quote does not end one. */
static void depth_is_not_counted_in_strings(void **state)
{
    (void)state;
    char brackets[601] = "";
    memset(brackets, '[', 600);
    static const char *const forms[] = {"[\"%s\"]", "[\"\\\"%s\"]", "[\"\\\\\",\"%s\\\\\\\"\"]"};
    for (size_t i = 0; i < COR_COUNT(forms); i++) {
        auto_(cor_freep) char *text =
            cor_sprintf("%.*s%s%s", (int)(strstr(forms[i], "%s") - forms[i]), forms[i], brackets,
                        strstr(forms[i], "%s") + 2);
        auto_(cor_json_free) struct cor_json *value = NULL;
        assert_int_equal(cor_json_parse(cor_view_of(text), SIZE_MAX, 0, &value, NULL), COR_OK);
    }
}

static void a_copy_is_independent(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value =
        parsed("{\"a\":{\"b\":[1,\"x\",{}]},\"c\":2.5}", 0);
    auto_(cor_json_free) struct cor_json *copy = cor_json_copy(value);
    assert_true(cor_json_equal(value, copy));
    cor_json_set_at(copy, "a.d", cor_json_int(7));
    cor_json_add(cor_json_at(copy, "a.b"), cor_json_null());
    cor_json_put(cor_json_at(copy, "a.b"), 1, cor_json_str("y"));
    cor_json_set(copy, "c", NULL);
    auto_(cor_freep) char *before = cor_json_text(value);
    auto_(cor_freep) char *after = cor_json_text(copy);
    assert_string_equal(before, "{\"a\":{\"b\":[1,\"x\",{}]},\"c\":2.5}");
    assert_string_equal(after, "{\"a\":{\"b\":[1,\"y\",{},null],\"d\":7}}");
    assert_null(cor_json_copy(NULL));
}

static void a_dotted_path_finds_its_value(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value =
        parsed("{\"a\":{\"b\":{\"c\":\"x\"},\"bb\":1},\"\":{\"z\":2}}", 0);
    assert_string_equal(cor_json_str_at(value, "a.b.c", ""), "x");
    assert_int_equal(cor_json_int_at(value, "a.bb", 0), 1);
    assert_int_equal(cor_json_int_at(value, ".z", 0), 2);
    assert_null(cor_json_at(value, "a.b.c.d"));
    assert_null(cor_json_at(value, "a.x.c"));
    assert_null(cor_json_at(NULL, "a"));
}

static void test_drop_nulls(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *json = NULL;
    struct cor_view text =
        COR_VIEW("{\"a\":null,\"b\":{\"c\":null,\"d\":1},\"e\":[null,{\"f\":null}]}");
    assert_int_equal(cor_json_parse(text, 1000, 0, &json, NULL), COR_OK);
    cor_json_drop_nulls(json);
    auto_(cor_freep) char *left = cor_json_text(json);
    assert_string_equal(left, "{\"b\":{\"d\":1},\"e\":[null,{}]}");
    cor_json_drop_nulls(NULL);
}

/* The same steps on an object and on a plain list; keys short and long, few and many members. */
enum { KEYS = 300 };

struct twin {
    struct cor_json *object;
    int64_t value[KEYS]; /* -1: absent */
    uint64_t since[KEYS];
    uint64_t steps;
};

static char *key_of(size_t number)
{
    return number % 3 == 0 ? cor_sprintf("a-long-key-that-is-stored-apart-%zu", number)
                           : cor_sprintf("k%zu", number);
}

static void set_both(struct twin *twin, size_t number, int64_t value)
{
    auto_(cor_freep) char *key = key_of(number);
    twin->steps++;
    if (twin->value[number] < 0 && value >= 0) {
        twin->since[number] = twin->steps;
    }
    twin->value[number] = value;
    cor_json_set(twin->object, key, value < 0 ? NULL : cor_json_int(value));
}

/* In the order in which they came. */
static void compare_both(const struct twin *twin)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    uint64_t before = 0;
    size_t count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        auto_(cor_freep) char *name = key_of(i);
        assert_int_equal(cor_json_as_int(cor_json_get(twin->object, name), -1), twin->value[i]);
    }
    while (cor_json_each(twin->object, &at, &key, &child)) {
        size_t number = strtoul(strpbrk(key, "0123456789"), NULL, 10);
        assert_int_equal(cor_json_as_int(child, 0), twin->value[number]);
        assert_true(twin->since[number] > before);
        before = twin->since[number];
        count++;
    }
    assert_int_equal(cor_json_count(twin->object), count);
}

static void members_are_kept_in_order(void **state)
{
    (void)state;
    static const size_t sizes[] = {3, 10, 25, KEYS};
    uint64_t dice = 7;
    for (size_t s = 0; s < COR_COUNT(sizes); s++) {
        struct twin twin = {.object = cor_json_object()};
        memset(twin.value, 0xff, sizeof(twin.value));
        for (size_t i = 0; i < 3000; i++) {
            dice = dice * 6364136223846793005u + 1442695040888963407u;
            set_both(&twin, (dice >> 33) % sizes[s],
                     (dice >> 20) % 5 < 2 ? -1 : (int64_t)(dice >> 50));
            if (i % 50 == 0) {
                compare_both(&twin);
            }
        }
        auto_(cor_freep) char *text = cor_json_text(twin.object);
        auto_(cor_json_free) struct cor_json *again = parsed(text, COR_JSON_STRICT);
        auto_(cor_json_free) struct cor_json *copy = cor_json_copy(twin.object);
        assert_true(cor_json_equal(twin.object, again));
        assert_true(cor_json_equal(copy, again));
        compare_both(&twin);
        cor_json_free(&twin.object);
    }
}

static void a_key_twice_among_many_is_the_last_one_or_refused(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    for (int i = 0; i < 100; i++) {
        cor_buf_fmt(&text, "%c\"k%d\":%d", i == 0 ? '{' : ',', i, i);
    }
    cor_buf_str(&text, ",\"k50\":-1}");
    auto_(cor_json_free) struct cor_json *value = parsed(text.data, 0);
    assert_int_equal(cor_json_count(value), 100);
    assert_int_equal(cor_json_int_at(value, "k50", 0), -1);
    struct cor_json *none = NULL;
    assert_int_equal(cor_json_parse(cor_buf_as_view(&text), SIZE_MAX, COR_JSON_STRICT, &none, NULL),
                     COR_INVALID);
}

static void the_order_of_keys_does_not_count(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } rows[] = {
        {"{\"a\":1,\"b\":[true,null]}", "{\"b\":[true,null],\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1.0}", false},
        {"{\"a\":1}", "{\"a\":1,\"b\":null}", false},
        {"{\"a\":null}", "{\"b\":null}", false},
        {"[1,2]", "[2,1]", false},
        {"[1,2]", "[1,2,3]", false},
        {"true", "false", false},
        {"0", "false", false},
        {"\"0\"", "0", false},
        {"2.5", "2.5", true},
        {"\"ab\"", "\"ac\"", false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *a = parsed(rows[i].a, 0);
        auto_(cor_json_free) struct cor_json *b = parsed(rows[i].b, 0);
        assert_int_equal(cor_json_equal(a, b), rows[i].equal);
    }
    assert_true(cor_json_equal(NULL, NULL));
}

static void elements_are_put_in_and_taken_out(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *list = cor_json_array();
    for (int i = 0; i < 9; i++) {
        cor_json_insert(list, i % 2 == 0 ? 0 : cor_json_count(list), cor_json_int(i));
    }
    cor_json_put(list, 0, NULL);
    cor_json_put(list, 7, NULL);
    cor_json_put(list, 3, cor_json_str("x"));
    auto_(cor_freep) char *text = cor_json_text(list);
    assert_string_equal(text, "[6,4,2,\"x\",1,3,5]");
    assert_null(cor_json_item(list, 7));
    assert_int_equal(cor_json_count(NULL), 0);
}

static void what_is_no_utf8_becomes_question_marks(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *bad = cor_json_str("a\xff\xc3\xa4");
    auto_(cor_json_free) struct cor_json *nul = cor_json_view((struct cor_view){"a\0\xc3\xa4", 4});
    auto_(cor_json_free) struct cor_json *both = cor_json_view((struct cor_view){"a\0\xff", 3});
    auto_(cor_json_free) struct cor_json *none = cor_json_fmt("%s", "\xff");
    auto_(cor_json_free) struct cor_json *object = cor_json_object();
    assert_string_equal(cor_json_as_str(bad, ""), "a???");
    assert_true(cor_view_eq(cor_json_as_view(nul), (struct cor_view){"a\0\xc3\xa4", 4}));
    assert_string_equal(cor_json_as_str(both, ""), "a??");
    assert_string_equal(cor_json_as_str(none, "?"), "");
    cor_json_set(object, "\xff", cor_json_int(1));
    assert_int_equal(cor_json_count(object), 0);
}

/* Each length, each place: words of eight bytes and what is left of them. */
static void an_odd_byte_is_seen_anywhere(void **state)
{
    (void)state;
    static const char odd[] = "\"\\\n\x1f";
    for (size_t len = 1; len < 40; len++) {
        for (size_t at = 0; at < len * (sizeof(odd) - 1); at++) {
            char text[40] = "";
            memset(text, 'x', len);
            text[at % len] = odd[at / len];
            auto_(cor_json_free) struct cor_json *value = cor_json_str(text);
            auto_(cor_freep) char *written = cor_json_text(value);
            auto_(cor_json_free) struct cor_json *again = parsed(written, 0);
            assert_string_equal(cor_json_as_str(again, ""), text);
            assert_true(strlen(written) >= len + 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_written_compact),
        cmocka_unit_test(what_is_wrong_is_refused),
        cmocka_unit_test(nothing_is_no_value),
        cmocka_unit_test(a_key_twice_is_the_last_one_or_refused),
        cmocka_unit_test(a_prefix_is_read_when_asked_for),
        cmocka_unit_test(long_keys_and_numbers_are_read),
        cmocka_unit_test(both_readers_agree),
        cmocka_unit_test(a_nul_in_a_string_is_written),
        cmocka_unit_test(indented_text_is_the_same_value),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(depth_is_not_counted_in_strings),
        cmocka_unit_test(a_copy_is_independent),
        cmocka_unit_test(a_dotted_path_finds_its_value),
        cmocka_unit_test(test_drop_nulls),
        cmocka_unit_test(members_are_kept_in_order),
        cmocka_unit_test(a_key_twice_among_many_is_the_last_one_or_refused),
        cmocka_unit_test(the_order_of_keys_does_not_count),
        cmocka_unit_test(elements_are_put_in_and_taken_out),
        cmocka_unit_test(what_is_no_utf8_becomes_question_marks),
        cmocka_unit_test(an_odd_byte_is_seen_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
