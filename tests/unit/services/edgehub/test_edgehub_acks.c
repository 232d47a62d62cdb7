// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "services/edgehub/acks.h"
#include "services/edgehub/asks.h"

static void note(void *self, const struct ack *ack)
{
    cor_buf_fmt(self, "%s/%s ", ack->id, ack->source);
}

static void add(struct acks *acks, const char *id, const char *key, const char *version)
{
    struct ack ack = {id, "src", key};
    acks_add(acks, &ack, cor_view_of(version), cor_view_of(id));
}

static void expect(struct acks *acks, const char *key, const char *version, const char *text)
{
    auto_(cor_buf_free) struct cor_buf seen = {0};
    (void)acks_take(acks, cor_view_of(key), cor_view_of(version), note, &seen);
    assert_string_equal(cor_buf_as_view(&seen).ptr, text);
}

static void acknowledged_when_stored(void **state)
{
    (void)state;
    auto_(acks_free) struct acks *acks = acks_new(10);
    add(acks, "1", "a", "5");
    add(acks, "2", "b", "6");
    expect(acks, "a", "4", "");
    expect(acks, "c", "5", "");
    expect(acks, "a", "5", "1/src ");
    expect(acks, "a", "5", "");
    expect(acks, "b", "6", "2/src ");
    assert_int_equal(acks_count(acks), 0);
}

/* What waited longer for the same object was replaced on its way and is settled, too. */
static void replaced_versions_are_settled(void **state)
{
    (void)state;
    auto_(acks_free) struct acks *acks = acks_new(10);
    add(acks, "1", "a", "5");
    add(acks, "2", "b", "5");
    add(acks, "3", "a", "6");
    add(acks, "4", "a", "7");
    expect(acks, "a", "6", "1/src 3/src ");
    expect(acks, "a", "7", "4/src ");
    expect(acks, "b", "5", "2/src ");
}

static void repeats_wait_once(void **state)
{
    (void)state;
    auto_(acks_free) struct acks *acks = acks_new(10);
    add(acks, "1", "a", "5");
    add(acks, "1", "a", "5");
    assert_int_equal(acks_count(acks), 1);
    expect(acks, "a", "5", "1/src ");
}

static void bounded(void **state)
{
    (void)state;
    auto_(acks_free) struct acks *acks = acks_new(3);
    add(acks, "1", "a", "1");
    add(acks, "2", "b", "1");
    add(acks, "3", "c", "1");
    add(acks, "4", "d", "1");
    assert_int_equal(acks_count(acks), 3);
    expect(acks, "a", "1", "");
    expect(acks, "d", "1", "4/src ");
    acks_clear(acks);
    expect(acks, "b", "1", "");
}

static void note_text(void *self, struct cor_view text)
{
    cor_buf_fmt(self, "%.*s ", COR_VIEW_ARG(text));
}

/* The store has died: it gets again what it had not acknowledged, in order. */
static void frames_are_kept_until_acknowledged(void **state)
{
    (void)state;
    auto_(acks_free) struct acks *acks = acks_new(10);
    auto_(cor_buf_free) struct cor_buf seen = {0};
    auto_(cor_buf_free) struct cor_buf big = {0};
    add(acks, "1", "a", "5");
    add(acks, "2", "b", "5");
    add(acks, "3", "c", "5");
    expect(acks, "b", "5", "2/src ");
    acks_each(acks, note_text, &seen);
    assert_string_equal(seen.data, "1 3 ");
    cor_buf_clear(&seen);
    struct ack ack = {"4", "src", "d"};
    size_t len = 5 * 1024 * 1024;
    memset(cor_buf_room(&big, len), 'x', len);
    acks_add(acks, &ack, COR_VIEW("5"), (struct cor_view){big.data, len}); /* too long to keep */
    acks_each(acks, note_text, &seen);
    assert_string_equal(seen.data, "1 3 ");
    expect(acks, "d", "5", "4/src ");
}

static void questions_end_once(void **state)
{
    (void)state;
    auto_(asks_free) struct asks *asks = asks_new(2);
    struct cor_ticket soon = {.deadline = {100}};
    struct cor_ticket late = {.deadline = {200}};
    struct cor_mono now = {150};
    assert_true(asks_add(asks, "a", ASK_CALL, COR_VIEW("k"), &soon));
    assert_true(asks_add(asks, "b", ASK_REPORT, COR_VIEW("d"), &late));
    assert_false(asks_add(asks, "c", ASK_CALL, COR_VIEW("k"), &late));
    struct ask *ask = asks_expired(asks, now, false);
    assert_non_null(ask);
    assert_string_equal(ask->key, "k");
    ask_free(&ask);
    assert_null(asks_expired(asks, now, false));
    assert_null(asks_take(asks, COR_VIEW("a")));
    ask = asks_take(asks, COR_VIEW("b"));
    assert_int_equal(ask->kind, ASK_REPORT);
    ask_free(&ask);
    assert_int_equal(asks_count(asks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_when_stored),
        cmocka_unit_test(replaced_versions_are_settled),
        cmocka_unit_test(repeats_wait_once),
        cmocka_unit_test(bounded),
        cmocka_unit_test(frames_are_kept_until_acknowledged),
        cmocka_unit_test(questions_end_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
