// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/message.h"

static void written_as_go_does(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct px_kubeedge_out out = {.id = "i",
                                  .timestamp = 1795408002840,
                                  .source = "websocket",
                                  .group = "resource",
                                  .operation = "keepalive",
                                  .resource = "node",
                                  .content = COR_VIEW("\"ping\"")};
    px_kubeedge_write(&out, &text);
    assert_string_equal(text.data, "{\"header\":{\"msg_id\":\"i\",\"timestamp\":1795408002840},"
                                   "\"route\":{\"source\":\"websocket\",\"group\":\"resource\","
                                   "\"operation\":\"keepalive\",\"resource\":\"node\"},"
                                   "\"content\":\"ping\"}\n");
    cor_buf_clear(&text);
    out.parent = "p\"";
    out.version = "7";
    out.content = (struct cor_view){0};
    px_kubeedge_write(&out, &text);
    assert_non_null(strstr(text.data, "\"parent_msg_id\":\"p\\\"\""));
    assert_non_null(strstr(text.data, "\"resourceversion\":\"7\""));
    assert_non_null(strstr(text.data, "\"content\":null}\n"));
}

static void read_tolerantly(void **state)
{
    (void)state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    const char *text = "{\"HEADER\":{\"Msg_ID\":\"i\",\"new\":[1]},\"Route\":{\"SOURCE\":\"s\","
                       "\"group\":null},\"Content\":{\"a\":1},\"x\":2}\n trailing";
    assert_int_equal(px_kubeedge_read(cor_view_of(text), &in, NULL), COR_OK);
    assert_string_equal(in.id, "i");
    assert_string_equal(in.parent, "");
    assert_string_equal(in.source, "s");
    assert_string_equal(in.group, "");
    assert_int_equal(cor_json_int_at(in.content, "a", 0), 1);
}

static void nothing_is_required(void **state)
{
    (void)state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    assert_int_equal(px_kubeedge_read(COR_VIEW("{}"), &in, NULL), COR_OK);
    assert_string_equal(in.id, "");
    assert_null(in.content);
}

/* faults I6: null at top level, the wrong type for every field in turn. */
static void wrong_types_are_refused(void **state)
{
    (void)state;
    static const char *const whole[] = {"",  " ",     "null",         "true",
                                        "7", "\"x\"", "[]",           "[{}]",
                                        "{", "nul",   "{\"header\":", "\xff\xfe"};
    static const char *const header[] = {"msg_id", "parent_msg_id", "resourceversion", "type"};
    static const char *const route[] = {"source", "destination", "group", "operation", "resource"};
    static const char *const values[] = {"7", "true", "[]", "{}", "1.5"};
    struct px_kubeedge_in in;
    struct cor_err err;
    for (size_t i = 0; i < COR_COUNT(whole); i++) {
        err = COR_ERR_NONE;
        assert_int_equal(px_kubeedge_read(cor_view_of(whole[i]), &in, &err), COR_INVALID);
        assert_true(strlen(err.text) > 0);
        px_kubeedge_in_free(&in);
    }
    for (size_t v = 0; v < COR_COUNT(values); v++) {
        for (size_t i = 0; i < COR_COUNT(header) + COR_COUNT(route); i++) {
            bool in_header = i < COR_COUNT(header);
            auto_(cor_freep) char *text =
                cor_sprintf("{\"%s\":{\"%s\":%s}}", in_header ? "header" : "route",
                            in_header ? header[i] : route[i - COR_COUNT(header)], values[v]);
            assert_int_equal(px_kubeedge_read(cor_view_of(text), &in, NULL), COR_INVALID);
            px_kubeedge_in_free(&in);
        }
    }
    static const char *const others[] = {
        "{\"header\":[]}", "{\"route\":\"x\"}", "{\"header\":{\"timestamp\":\"1\"}}",
        "{\"header\":{\"timestamp\":1.5}}", "{\"header\":{\"sync\":\"true\"}}"};
    for (size_t i = 0; i < COR_COUNT(others); i++) {
        assert_int_equal(px_kubeedge_read(cor_view_of(others[i]), &in, NULL), COR_INVALID);
        px_kubeedge_in_free(&in);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    struct px_kubeedge_in in;
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_buf_str(&text, "{\"content\":");
    for (int i = 0; i < 100000; i++) {
        cor_buf_str(&text, "[");
    }
    assert_int_equal(px_kubeedge_read(cor_buf_as_view(&text), &in, NULL), COR_INVALID);
    px_kubeedge_in_free(&in);
}

static void content_data(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *bytes;
        bool is_object;
    } rows[] = {
        {"\"OK\"", "OK", false},
        {"\"{\\\"a\\\":1}\"", "{\"a\":1}", true},
        {"{\"a\":1}", "{\"a\":1}", true},
        {"\"eyJhIjoxfQ==\"", "eyJhIjoxfQ==", false}, /* base64: nobody decodes it */
        {"[1]", "[1]", false},
        {"\"[1]\"", "[1]", false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *content = NULL;
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        assert_int_equal(cor_json_parse(cor_view_of(rows[i].json), 100, 0, &content, NULL), COR_OK);
        px_kubeedge_bytes(content, &bytes);
        assert_string_equal(bytes.data, rows[i].bytes);
        auto_(cor_json_free) struct cor_json *object = px_kubeedge_object(content);
        assert_int_equal(object != NULL, rows[i].is_object);
    }
    auto_(cor_buf_free) struct cor_buf none = {0};
    px_kubeedge_bytes(NULL, &none);
    assert_string_equal(none.data, "null");
}

/* What is written can be read, whatever the payload; the rows say what Go's encoding/json makes of
 * it. */
static void any_bytes_as_content(void **state)
{
    (void)state;
    static const struct {
        struct cor_view payload;
        struct cor_view arrives;
    } rows[] = {
        {{"a\0b", 3}, {"a\0b", 3}},
        {{"\0", 1}, {"\0", 1}},
        {{"\xff", 1}, {"\xef\xbf\xbd", 3}},
        {{"x\xe2\x82y", 4}, {"x\xef\xbf\xbd\xef\xbf\xbdy", 8}},
        {{"\xed\xa0\x80", 3}, {"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 9}},
        {{"\xc0\x80\0", 3}, {"\xef\xbf\xbd\xef\xbf\xbd\0", 7}},
        {{"\xe2\x82\xac\xff", 4}, {"\xe2\x82\xac\xef\xbf\xbd", 6}},
        {{"\"\\\n\x01<", 5}, {"\"\\\n\x01<", 5}},
        {{"", 0}, {"", 0}},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf content = {0};
        auto_(cor_buf_free) struct cor_buf text = {0};
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
        px_kubeedge_quote(rows[i].payload, &content);
        struct px_kubeedge_out out = {.id = "i", .content = cor_buf_as_view(&content)};
        px_kubeedge_write(&out, &text);
        assert_int_equal(px_kubeedge_read(cor_buf_as_view(&text), &in, NULL), COR_OK);
        px_kubeedge_bytes(in.content, &bytes);
        assert_true(cor_view_eq(cor_buf_as_view(&bytes), rows[i].arrives));
    }
    struct px_kubeedge_in in;
    assert_int_equal(
        px_kubeedge_read(COR_VIEW("{\"route\":{\"resource\":\"a\\u0000b\"}}"), &in, NULL),
        COR_INVALID);
    px_kubeedge_in_free(&in);
}

/* Integers of an object that is passed on keep 64 bits; Go would make doubles of them. */
static void large_integers_survive(void **state)
{
    (void)state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    assert_int_equal(
        px_kubeedge_read(COR_VIEW("{\"content\":{\"n\":9007199254740993}}"), &in, NULL), COR_OK);
    px_kubeedge_bytes(in.content, &bytes);
    assert_string_equal(bytes.data, "{\"n\":9007199254740993}");
}

static void ids_travel_in_uuids(void **state)
{
    (void)state;
    static const uint64_t ids[] = {0, 1, 0x0123456789abcdef, UINT64_MAX};
    char a[COR_UUID_LEN + 1];
    char b[COR_UUID_LEN + 1];
    uint64_t back = 7;
    for (size_t i = 0; i < COR_COUNT(ids); i++) {
        px_kubeedge_id_to_uuid(ids[i], 1, a);
        px_kubeedge_id_to_uuid(ids[i], 2, b);
        assert_string_not_equal(a, b);
        assert_int_equal(a[14], '4'); /* version 4 */
        assert_non_null(strchr("89ab", a[19]));
        assert_true(px_kubeedge_id_from_uuid(cor_view_of(b), &back));
        assert_true(back == ids[i]);
        a[35] = a[35] == '0' ? '1' : '0';
        assert_false(px_kubeedge_id_from_uuid(cor_view_of(a), &back));
    }
    assert_false(px_kubeedge_id_from_uuid(COR_VIEW("6d9ad6ad-ee7c-42d4-a036-b150cae71a1e"), &back));
    assert_false(px_kubeedge_id_from_uuid(COR_VIEW("not a uuid"), &back));
    for (int i = 0; i < 10000; i++) {
        cor_uuid_new(a);
        assert_false(px_kubeedge_id_from_uuid(cor_view_of(a), &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_as_go_does),      cmocka_unit_test(read_tolerantly),
        cmocka_unit_test(nothing_is_required),     cmocka_unit_test(wrong_types_are_refused),
        cmocka_unit_test(deep_nesting_is_refused), cmocka_unit_test(content_data),
        cmocka_unit_test(any_bytes_as_content),    cmocka_unit_test(large_integers_survive),
        cmocka_unit_test(ids_travel_in_uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
