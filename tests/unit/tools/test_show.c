// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/proto.h"
#include "tools/zmqtap/show.h"

/* A tapped OBJECT of metamanager to edged. */
struct sample {
    struct cor_buf frame;
    struct cor_wire_tapped tapped;
};

static void make(struct sample *s, uint16_t number, const struct cor_table *table, const void *body,
                 uint64_t id, uint64_t cause, int64_t time_us)
{
    *s = (struct sample){0};
    struct cor_wire_header header = {
        .number = number, .id = id, .cause = cause, .time_us = time_us};
    cor_frame_write(&header, table, body, &s->frame);
    s->tapped = (struct cor_wire_tapped){.endpoint = COR_VIEW("meta-edged"),
                                         .from = COR_VIEW("metamanager"),
                                         .to = COR_VIEW("edged"),
                                         .time_us = time_us,
                                         .size = s->frame.len,
                                         .frame = cor_buf_as_view(&s->frame)};
}

static void make_object(struct sample *s, const char *key, uint64_t id, uint64_t cause,
                        int64_t time_us)
{
    struct px_object object = {.key = cor_view_of(key), .body = COR_VIEW("{\"a\":1}")};
    make(s, PX_object, &px_object_table, &object, id, cause, time_us);
}

static const struct tap_style PLAIN = {0};

static void a_line_names_hop_resource_size_and_ids(void **state)
{
    (void)state;
    struct tap_filter filter = {0};
    struct tap_show *show = tap_show_new(&filter, &PLAIN);
    struct sample s;
    auto_(cor_buf_free) struct cor_buf out = {0};
    make_object(&s, "default/pod/web", 0xabc, 0, 1000000);
    assert_true(tap_show_line(show, &s.tapped, &out));
    auto_(cor_freep) char *want = cor_sprintf(
        "00:00:01.000000    metamanager -> edged          object          default/pod/web %zuB "
        "#abc\n",
        s.frame.len);
    assert_string_equal(out.data, want);
    cor_buf_free(&s.frame);
    tap_show_free(&show);
}

static void latency_is_counted_from_the_cause(void **state)
{
    (void)state;
    struct tap_filter filter = {0};
    struct tap_style style = {.verbose = true};
    struct tap_show *show = tap_show_new(&filter, &style);
    struct sample s;
    auto_(cor_buf_free) struct cor_buf out = {0};
    make_object(&s, "default/pod/web", 1, 0, 1000000);
    assert_true(tap_show_line(show, &s.tapped, &out));
    cor_buf_free(&s.frame);
    cor_buf_clear(&out);
    make_object(&s, "default/pod/web", 2, 1, 1002500);
    assert_true(tap_show_line(show, &s.tapped, &out));
    assert_non_null(strstr(out.data, "+2.50ms #2 by #1\n"));
    assert_non_null(strstr(out.data, "\n    key=\"default/pod/web\" body=\"{\\\"a\\\":1}\"\n"));
    cor_buf_free(&s.frame);
    tap_show_free(&show);
}

static void filters_hide_the_rest(void **state)
{
    (void)state;
    static const struct {
        struct tap_filter filter;
        bool shown;
    } ROWS[] = {
        {{.service = "edged"}, true},       {{.service = "metamanager"}, true},
        {{.service = "edgehub"}, false},    {{.message = "object"}, true},
        {{.message = "api_call"}, false},   {{.resource = "pod/web"}, true},
        {{.resource = "pod/other"}, false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct tap_show *show = tap_show_new(&ROWS[i].filter, &PLAIN);
        struct sample s;
        auto_(cor_buf_free) struct cor_buf out = {0};
        make_object(&s, "default/pod/web", 1, 0, 1);
        assert_int_equal(tap_show_line(show, &s.tapped, &out), ROWS[i].shown);
        assert_int_equal(out.len > 0, ROWS[i].shown);
        cor_buf_free(&s.frame);
        tap_show_free(&show);
    }
}

static void the_buss_own_messages_are_shown_on_demand(void **state)
{
    (void)state;
    for (int on = 0; on < 2; on++) {
        struct tap_filter filter = {.control = on == 1};
        struct tap_show *show = tap_show_new(&filter, &PLAIN);
        struct sample s;
        auto_(cor_buf_free) struct cor_buf out = {0};
        struct cor_wire_credit credit = {.limit = 5};
        make(&s, COR_WIRE_CREDIT, &cor_wire_credit_table, &credit, 1, 0, 1);
        assert_int_equal(tap_show_line(show, &s.tapped, &out), on == 1);
        cor_buf_free(&s.frame);
        tap_show_free(&show);
    }
}

static void what_could_not_be_shown_is_said(void **state)
{
    (void)state;
    struct tap_filter filter = {0};
    struct tap_show *show = tap_show_new(&filter, &PLAIN);
    struct sample s;
    auto_(cor_buf_free) struct cor_buf out = {0};
    make_object(&s, "default/pod/web", 1, 0, 1);
    s.tapped.lost = 7;
    s.tapped.frame.len -= 3; /* cut at the watcher's limit */
    assert_true(tap_show_line(show, &s.tapped, &out));
    assert_non_null(strstr(out.data, "-- 7 messages could not be shown --\n"));
    assert_non_null(strstr(out.data, "(cut)"));
    s.tapped.frame.len = 2;
    assert_false(tap_show_line(show, &s.tapped, &out));
    cor_buf_free(&s.frame);
    tap_show_free(&show);
}

static void json_lines_parse(void **state)
{
    (void)state;
    struct tap_filter filter = {0};
    struct tap_style style = {.json = true};
    struct tap_show *show = tap_show_new(&filter, &style);
    struct sample s;
    auto_(cor_buf_free) struct cor_buf out = {0};
    make_object(&s, "default/pod/\"odd\"", 0x10, 0, 5);
    assert_true(tap_show_line(show, &s.tapped, &out));
    assert_non_null(strstr(out.data, "\"resource\":\"default/pod/\\\"odd\\\"\""));
    assert_non_null(strstr(out.data, "\"id\":\"10\""));
    cor_buf_free(&s.frame);
    tap_show_free(&show);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_names_hop_resource_size_and_ids),
        cmocka_unit_test(latency_is_counted_from_the_cause),
        cmocka_unit_test(filters_hide_the_rest),
        cmocka_unit_test(the_buss_own_messages_are_shown_on_demand),
        cmocka_unit_test(what_could_not_be_shown_is_said),
        cmocka_unit_test(json_lines_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
