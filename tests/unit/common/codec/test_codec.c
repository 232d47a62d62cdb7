// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/bus/wire.h"
#include "common/codec/codec.h"
#include "proto/proto.h"

struct part {
    uint64_t n;
    struct cor_view s;
};

struct whole {
    bool flag;
    uint64_t u;
    int64_t i;
    struct cor_view s;
    struct cor_view b;
    struct cor_views strs;
    struct cor_list parts;
};

static const struct cor_field PART_FIELDS[] = {
    {.name = "n",
     .key = 1,
     .type = COR_T_U64,
     .required = true,
     .offset = offsetof(struct part, n)},
    {.name = "s", .key = 2, .type = COR_T_STR, .max = 8, .offset = offsetof(struct part, s)},
};
static const struct cor_table PART = {"part", PART_FIELDS, 2, sizeof(struct part)};
static const struct cor_field FIELDS[] = {
    {.name = "flag", .key = 1, .type = COR_T_BOOL, .offset = offsetof(struct whole, flag)},
    {.name = "u",
     .key = 2,
     .type = COR_T_U64,
     .required = true,
     .offset = offsetof(struct whole, u)},
    {.name = "i", .key = 3, .type = COR_T_I64, .offset = offsetof(struct whole, i)},
    {.name = "s", .key = 4, .type = COR_T_STR, .max = 16, .offset = offsetof(struct whole, s)},
    {.name = "b", .key = 5, .type = COR_T_BIN, .max = 16, .offset = offsetof(struct whole, b)},
    {.name = "strs",
     .key = 6,
     .type = COR_T_STRS,
     .max = 4,
     .offset = offsetof(struct whole, strs)},
    {.name = "parts",
     .key = 7,
     .type = COR_T_LIST,
     .max = 3,
     .sub = &PART,
     .offset = offsetof(struct whole, parts)},
};
static const struct cor_table WHOLE = {"whole", FIELDS, 7, sizeof(struct whole)};

static enum cor_code decode(const char *bytes, size_t len, struct cor_err *err)
{
    struct whole out;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(65536);
    return cor_decode(&WHOLE, (struct cor_view){bytes, len}, arena, &out, err);
}

static void random_instances_survive_the_way(void **state)
{
    (void)state;
    uint64_t random = 42;
    for (int n = 0; n < 2000; n++) {
        auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(65536);
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        struct whole in;
        struct whole out;
        struct cor_err err;
        cor_random_instance(&WHOLE, arena, &random, &in);
        cor_encode(&WHOLE, &in, &bytes);
        assert_int_equal(cor_decode(&WHOLE, cor_buf_as_view(&bytes), arena, &out, &err), COR_OK);
        assert_true(cor_same(&WHOLE, &in, &out));
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct part parts[] = {{1, COR_VIEW("x")}, {2, {0}}};
    struct cor_view strs[] = {COR_VIEW("one"), COR_VIEW("two")};
    struct whole in = {true, 5, -7, COR_VIEW("text"), COR_VIEW("\x00\x01"), {strs, 2}, {parts, 2}};
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    cor_encode(&WHOLE, &in, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_not_equal(decode(bytes.data, len, NULL), COR_OK);
    }
    assert_int_equal(decode(bytes.data, bytes.len, NULL), COR_OK);
    cor_buf_add(&bytes, "\xc0", 1);
    assert_int_equal(decode(bytes.data, bytes.len, NULL), COR_INVALID);
}

static void bad_input_is_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *bytes;
        size_t len;
        const char *text;
    } ROWS[] = {
#define ROW(name, bytes, text) {name, bytes, sizeof(bytes) - 1, text}
        ROW("not a map", "\x91\x01", "whole: not a map"),
        ROW("array of 2^32", "\xdd\xff\xff\xff\xff", "whole: not a map"),
        ROW("map of 2^32", "\xdf\xff\xff\xff\xff\x02\x01", "whole: not a map"),
        ROW("missing", "\x80", "whole.u: missing"),
        ROW("given twice", "\x82\x02\x01\x02\x01", "whole.u: given twice"),
        ROW("string for a number", "\x81\x02\xa1x", "whole.u: not a number >= 0"),
        ROW("negative", "\x81\x02\xff", "whole.u: not a number >= 0"),
        ROW("number for a string", "\x82\x02\x01\x04\x01", "whole.s: not a string"),
        ROW("long string",
            "\x82\x02\x01\x04\xb1"
            "aaaaaaaaaaaaaaaaa",
            "whole.s: too long"),
        ROW("not UTF-8", "\x82\x02\x01\x04\xa1\xff", "whole.s: not UTF-8"),
        ROW("NUL in a string", "\x82\x02\x01\x04\xa1\x00", "whole.s: not UTF-8"),
        ROW("bin of 4 GiB", "\x82\x02\x01\x05\xc6\xff\xff\xff\xff", "whole.b: not bytes"),
        ROW("many strings", "\x82\x02\x01\x06\x95\xa0\xa0\xa0\xa0\xa0",
            "whole.strs: too many elements"),
        ROW("many parts", "\x82\x02\x01\x07\x94\x81\x01\x01\x81\x01\x01\x81\x01\x01\x81\x01\x01",
            "whole.parts: too many elements"),
        ROW("part without n", "\x82\x02\x01\x07\x91\x80", "part.n: missing"),
        ROW("string key", "\x81\xa1u\x01", "whole: a key is not a number"),
        ROW("reserved byte", "\x82\x02\x01\x09\xc1", "whole: unreadable value"),
        ROW("unknown nested too deep",
            "\x82\x02\x01\x09\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01",
            "whole: unreadable value"),
        ROW("u64 over i64", "\x82\x02\x01\x03\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
            "whole.i: not a number"),
#undef ROW
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_err err = COR_ERR_NONE;
        if (decode(ROWS[i].bytes, ROWS[i].len, &err) != COR_INVALID ||
            strcmp(err.text, ROWS[i].text) != 0) {
            fail_msg("%s: %s", ROWS[i].name, err.text);
        }
    }
}

static void unknown_keys_are_skipped(void **state)
{
    (void)state;
    static const char BYTES[] = "\x83\x09\x92\x01\xa1x\x02\x07\x0a\xd9\x01z";
    assert_int_equal(decode(BYTES, sizeof(BYTES) - 1, NULL), COR_OK);
}

/* Three megabytes of empty arrays cost no memory: the arena is asked only for what the table
 * allows. */
static void bombs_cost_nothing(void **state)
{
    (void)state;
    size_t len = 3 << 20;
    auto_(cor_freep) char *bomb = cor_alloc(len);
    memset(bomb, 0x90, len);
    assert_int_equal(decode(bomb, len, NULL), COR_INVALID);
    memset(bomb, 0x91, len);
    bomb[0] = (char)0x81;
    bomb[1] = 0x09;
    assert_int_equal(decode(bomb, len, NULL), COR_INVALID);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    struct cor_view strs[] = {COR_VIEW("one"), COR_VIEW("two")};
    struct whole in = {.u = 1, .strs = {strs, 2}};
    struct whole out;
    auto_(cor_buf_free) struct cor_buf bytes = {0};
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(16);
    cor_encode(&WHOLE, &in, &bytes);
    assert_int_equal(cor_decode(&WHOLE, cor_buf_as_view(&bytes), arena, &out, NULL), COR_TOOBIG);
}

static void print_is_for_people(void **state)
{
    (void)state;
    struct part parts[] = {{1, COR_VIEW("x")}};
    struct whole in = {
        .u = 5, .s = COR_VIEW("a\nb"), .b = COR_VIEW("0123456789"), .parts = {parts, 1}};
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_print(&WHOLE, &in, 4, &text);
    assert_string_equal(text.data, "u=5 s=\"a\\nb\" b=\"0123...+6\" parts=[{n=1 s=\"x\"}]");
}

/* ---- the messages themselves
 * ---------------------------------------------------------------------- */

static const struct cor_message *kind_of(unsigned number)
{
    return cor_message_find(number <= COR_WIRE_LAST ? cor_wire_messages() : px_messages(),
                            (uint16_t)number);
}

static int hex_digit(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* The committed vectors decode, and encode to the same bytes: old and new versions can talk. */
static void golden_vectors_hold(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        cor_file_read(CORACLE_SOURCE_DIR "/tests/golden/messages.txt", 1 << 22, &text, &err),
        COR_OK);
    struct cor_view rest = cor_buf_as_view(&text);
    struct cor_view line;
    int count = 0;
    while (cor_view_split(&rest, '\n', &line)) {
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        struct cor_view number;
        struct cor_view name;
        uint64_t value = 0;
        assert_true(cor_view_split(&line, ' ', &number) && cor_view_split(&line, ' ', &name));
        assert_true(cor_view_u64(number, &value));
        const struct cor_message *m = kind_of((unsigned)value);
        assert_non_null(m);
        assert_true(cor_view_is(name, m->name));
        auto_(cor_buf_free) struct cor_buf bytes = {0};
        for (size_t i = 0; i + 1 < line.len; i += 2) {
            char byte = (char)(hex_digit(line.ptr[i]) * 16 + hex_digit(line.ptr[i + 1]));
            cor_buf_add(&bytes, &byte, 1);
        }
        auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(1 << 20);
        auto_(cor_freep) void *object = cor_alloc(m->body->size);
        auto_(cor_buf_free) struct cor_buf again = {0};
        assert_int_equal(cor_decode(m->body, cor_buf_as_view(&bytes), arena, object, &err), COR_OK);
        cor_encode(m->body, object, &again);
        assert_true(cor_view_eq(cor_buf_as_view(&bytes), cor_buf_as_view(&again)));
        count++;
    }
    assert_true(count > 50);
}

/* Tables keep their own rules: ascending keys, one key field for STATE, replies that exist. */
static void tables_are_sound(void **state)
{
    (void)state;
    const struct cor_messages *messages = px_messages();
    for (size_t i = 0; i < messages->count; i++) {
        const struct cor_message *m = &messages->rows[i];
        int keys = 0;
        for (size_t f = 0; f < m->body->count; f++) {
            keys += m->body->fields[f].is_key ? 1 : 0;
            assert_true(f == 0 || m->body->fields[f].key > m->body->fields[f - 1].key);
        }
        assert_true(m->body->count <= COR_FIELDS_MAX);
        assert_true(m->class_ != COR_STATE || keys == 1);
        assert_true(m->class_ != COR_CALL || cor_message_find(messages, m->reply) != NULL);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(messages->rows[j].number, m->number);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_instances_survive_the_way),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(bad_input_is_refused_with_a_reason),
        cmocka_unit_test(unknown_keys_are_skipped),
        cmocka_unit_test(bombs_cost_nothing),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(print_is_for_people),
        cmocka_unit_test(golden_vectors_hold),
        cmocka_unit_test(tables_are_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
