// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/kube/items.h"
#include "common/kube/pace.h"

static bool on_item(void *self, struct cor_view item)
{
    struct cor_buf *seen = self;
    cor_buf_view(seen, item);
    cor_buf_str(seen, "|");
    return strstr(seen->data, "stop") == NULL;
}

/* However the text is cut. */
static void lists_come_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text, *items, *rest;
    } ROWS[] = {
        {"{\"kind\":\"L\",\"items\":[{\"a\":1},{\"b\":[{}]}],\"m\":{\"items\":[{\"c\":2}]}}",
         "{\"a\":1}|{\"b\":[{}]}|", "{\"kind\":\"L\",\"items\":[],\"m\":{\"items\":[{\"c\":2}]}}"},
        {" { \"items\" : [ {\"x\":\"]}\\\"{\"} , {} ] } ", "{\"x\":\"]}\\\"{\"}|{}|",
         " { \"items\" : [] } "},
        {"{\"items\":[]}", "", "{\"items\":[]}"},
        {"{\"items\":null,\"a\":[{}]}", "", "{\"items\":null,\"a\":[{}]}"},
        {"{\"a\":\"items\",\"b\":[{}]}", "", "{\"a\":\"items\",\"b\":[{}]}"},
        {"{\"itemss\":[{}],\"item\":[{}],\"i\\u0074ems\":[{}]}", "",
         "{\"itemss\":[{}],\"item\":[{}],\"i\\u0074ems\":[{}]}"},
        {"[{\"items\":[{}]}]", "", "[{\"items\":[{}]}]"},
        {"{\"items\":[1,\"]\",[{}],{}],\"z\":0}", "[{}]|{}|", "{\"items\":[],\"z\":0}"},
        {"", "", ""},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_view text = cor_view_of(ROWS[i].text);
        for (size_t step = 1; step <= text.len + 1; step++) {
            auto_(cor_items_free) struct cor_items items = {.max = 1000};
            auto_(cor_buf_free) struct cor_buf seen = {0};
            for (size_t at = 0; at < text.len; at += step) {
                size_t left = text.len - at;
                assert_true(cor_items_add(
                    &items, (struct cor_view){text.ptr + at, left < step ? left : step}, on_item,
                    &seen));
            }
            assert_true(cor_view_is(cor_buf_as_view(&seen), ROWS[i].items));
            assert_true(cor_view_is(cor_buf_as_view(&items.rest), ROWS[i].rest));
        }
    }
}

static void what_is_too_long_ends_it(void **state)
{
    (void)state;
    static const struct cor_view TEXTS[] = {COR_VIEW("{\"items\":[{\"aaaaaaaaaaaaaaaaaaaa\":1}]}"),
                                            COR_VIEW("{\"aaaaaaaaaaaaaaaaaaaa\":1}")};
    for (size_t i = 0; i < COR_COUNT(TEXTS); i++) {
        auto_(cor_items_free) struct cor_items items = {.max = 16};
        auto_(cor_buf_free) struct cor_buf seen = {0};
        assert_false(cor_items_add(&items, TEXTS[i], on_item, &seen));
        assert_true(items.failed);
        assert_int_equal(seen.len, 0);
    }
}

static void the_receiver_may_stop(void **state)
{
    (void)state;
    auto_(cor_items_free) struct cor_items items = {.max = 100};
    auto_(cor_buf_free) struct cor_buf seen = {0};
    assert_false(
        cor_items_add(&items, COR_VIEW("{\"items\":[{\"stop\":1},{\"b\":1}]}"), on_item, &seen));
    assert_string_equal(seen.data, "{\"stop\":1}|");
}

/* ---- how many requests at once ---- */

static void all_may_go_while_nobody_refuses(void **state)
{
    (void)state;
    struct cor_pace pace = {.most = 3, .window = 3};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(cor_pace_wait(&pace, (struct cor_mono){0}), 0);
        cor_pace_begin(&pace);
    }
    assert_int_equal(cor_pace_wait(&pace, (struct cor_mono){0}), -1);
    cor_pace_end(&pace);
    assert_int_equal(cor_pace_wait(&pace, (struct cor_mono){0}), 0);
}

/* A server that refuses for a minute gets about one request in the time that it asks for. */
static void a_server_that_refuses_is_asked_less(void **state)
{
    (void)state;
    struct cor_pace pace = {.most = 128, .window = 128};
    struct cor_mono now = {1};
    int sent = 0;
    while (now.us < 60000000) {
        int64_t wait = cor_pace_wait(&pace, now);
        if (wait == 0) {
            cor_pace_begin(&pace);
            sent++;
            continue;
        }
        while (pace.flying > 0) {
            cor_pace_refused(&pace, 1000000, now, 0.5);
        }
        now.us += wait > 0 ? wait : 1000;
    }
    assert_in_range(sent, 128 + 40, 128 + 60);
    assert_int_equal(pace.window, 1);
    for (int i = 0; i < 127; i++) { /* it answers again */
        cor_pace_begin(&pace);
        cor_pace_end(&pace);
    }
    assert_int_equal(pace.window, 128);
}

static void the_time_that_is_asked_for_is_waited(void **state)
{
    (void)state;
    struct cor_pace pace = {.most = 4, .window = 4, .flying = 2};
    cor_pace_refused(&pace, 7000000, (struct cor_mono){100}, 0.0);
    cor_pace_refused(&pace, 0, (struct cor_mono){100}, 0.0); /* does not shorten it */
    assert_int_equal(cor_pace_wait(&pace, (struct cor_mono){100}), 7000000);
    assert_int_equal(cor_pace_wait(&pace, (struct cor_mono){7000100}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_come_apart),
        cmocka_unit_test(what_is_too_long_ends_it),
        cmocka_unit_test(the_receiver_may_stop),
        cmocka_unit_test(all_may_go_while_nobody_refuses),
        cmocka_unit_test(a_server_that_refuses_is_asked_less),
        cmocka_unit_test(the_time_that_is_asked_for_is_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
