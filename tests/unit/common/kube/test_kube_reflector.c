// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/kube/reflector.h"

/* What the sink saw, as text: "+a/x@1 *a/x@2 -a/x@2 ." ('.' is synced). */
static struct cor_buf seen;

static void on_change(void *self, enum cor_change change, struct cor_json *object,
                      struct cor_json *old)
{
    (void)self;
    static const char marks[] = "+*-";
    assert_int_equal(old == NULL, change == COR_ADDED);
    cor_buf_fmt(&seen, "%c%s@%s ", marks[change], cor_json_str_at(object, "metadata.name", "?"),
                cor_json_str_at(object, "metadata.resourceVersion", "?"));
}

static void on_synced(void *self)
{
    (void)self;
    cor_buf_str(&seen, ". ");
}

static int setup(void **state)
{
    *state =
        cor_reflector_new((struct cor_reflector_sink){NULL, on_change, on_synced}, "v1", "Pod");
    return 0;
}

static int teardown(void **state)
{
    struct cor_reflector *r = *state;
    cor_reflector_free(&r);
    cor_buf_free(&seen);
    return 0;
}

static void expect_seen(const char *text)
{
    assert_string_equal(cor_buf_as_view(&seen).ptr, text);
    cor_buf_clear(&seen);
}

static void expect_query(const struct cor_reflector *r, bool watch, const char *part)
{
    auto_(cor_buf_free) struct cor_buf query = {0};
    cor_reflector_query(r, watch, &query);
    assert_non_null(strstr(query.data, part));
}

static struct cor_reflector_step list(struct cor_reflector *r, const char *text)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), 10000, 0, &body, NULL), COR_OK);
    const struct cor_json *items = cor_json_get(body, "items");
    for (size_t i = 0; cor_json_is_array(items) && i < cor_json_count(items); i++) {
        auto_(cor_freep) char *item = cor_json_text(cor_json_item(items, i));
        (void)!cor_reflector_item(r, cor_view_of(item));
    }
    return cor_reflector_listed(r, body, 0.0);
}

static struct cor_reflector_step failed(struct cor_reflector *r, bool watch, int status,
                                        int64_t retry_after_us)
{
    return cor_reflector_failed(r,
                                (struct cor_reflector_end){.watch = watch,
                                                           .status = status,
                                                           .retry_after_us = retry_after_us},
                                0.0);
}

#define ITEM(name, uid, version)                                                                   \
    "{\"metadata\":{\"namespace\":\"a\",\"name\":\"" name "\",\"uid\":\"" uid                      \
    "\",\"resourceVersion\":\"" version "\"}}"
#define LIST(version, more, items)                                                                 \
    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"" version     \
    "\",\"continue\":\"" more "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}"

static enum cor_code line(struct cor_reflector *r, const char *text)
{
    return cor_reflector_line(r, cor_view_of(text));
}

static void lists_pages_then_watches(void **state)
{
    struct cor_reflector *r = *state;
    expect_query(r, false, "limit=500");
    struct cor_reflector_step step = list(r, LIST("5", "p&2", ITEM("x", "1", "3")));
    assert_false(step.watch);
    assert_false(cor_reflector_is_synced(r));
    expect_query(r, false, "&continue=p%262");
    step = list(r, LIST("5", "", ITEM("y", "2", "4")));
    assert_true(step.watch);
    assert_int_equal(step.delay_us, 0);
    assert_true(cor_reflector_is_synced(r));
    expect_seen("+x@3 +y@4 . ");
    expect_query(r, true, "resourceVersion=5");
    expect_query(r, true, "allowWatchBookmarks=true");
    auto_(cor_json_free) struct cor_json *x = cor_reflector_get(r, "a", "x");
    assert_string_equal(cor_json_str_at(x, "kind", ""), "Pod");
    assert_true(cor_reflector_has(r, "a", "x"));
    assert_false(cor_reflector_has(r, "b", "x"));
    size_t at = 0;
    struct cor_view ns;
    struct cor_view name;
    assert_true(cor_reflector_next_name(r, &at, &ns, &name));
    assert_true(cor_view_is(ns, "a") && cor_view_is(name, "x"));
    assert_true(cor_reflector_next_name(r, &at, &ns, &name));
    assert_false(cor_reflector_next_name(r, &at, &ns, &name));
}

static void watch_events_change_the_mirror(void **state)
{
    struct cor_reflector *r = *state;
    (void)list(r, LIST("5", "", ITEM("x", "1", "3")));
    cor_buf_clear(&seen);
    assert_int_equal(line(r, EVENT("ADDED", ITEM("y", "2", "6"))), COR_OK);
    assert_int_equal(line(r, EVENT("MODIFIED", ITEM("x", "1", "7"))), COR_OK);
    assert_int_equal(line(r, EVENT("MODIFIED", ITEM("x", "1", "6"))), COR_OK); /* older */
    assert_int_equal(line(r, EVENT("DELETED", ITEM("y", "2", "8"))), COR_OK);
    assert_int_equal(line(r, EVENT("DELETED", ITEM("y", "2", "8"))), COR_OK); /* unknown */
    expect_seen("+y@6 *x@7 -y@8 ");
    assert_int_equal(line(r, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"90\"}}")),
                     COR_OK);
    expect_query(r, true, "resourceVersion=90");
    assert_int_equal(cor_reflector_count(r), 1);
}

/* Same name, other uid: the old one is gone (faults K10). */
static void recreated_object_is_a_new_one(void **state)
{
    struct cor_reflector *r = *state;
    (void)list(r, LIST("5", "", ITEM("x", "1", "3")));
    cor_buf_clear(&seen);
    assert_int_equal(line(r, EVENT("MODIFIED", ITEM("x", "2", "9"))), COR_OK);
    expect_seen("-x@3 +x@9 ");
}

static void gone_version_lists_again(void **state)
{
    struct cor_reflector *r = *state;
    (void)list(r, LIST("5", "", ITEM("x", "1", "3") "," ITEM("y", "2", "4")));
    cor_buf_clear(&seen);
    assert_int_equal(line(r, EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410}")), COR_GONE);
    struct cor_reflector_step step = failed(r, true, 410, 0);
    assert_false(step.watch);
    assert_true(step.delay_us <= 200000);
    /* What did not change is not told again; what the list lacks is deleted, once. */
    (void)list(r, LIST("20", "", ITEM("x", "1", "3") "," ITEM("z", "3", "15")));
    expect_seen("+z@15 -y@4 . ");
}

static void failures_back_off(void **state)
{
    struct cor_reflector *r = *state;
    int64_t first = failed(r, false, 500, 0).delay_us;
    int64_t second = failed(r, false, 0, 0).delay_us;
    assert_true(first > 0 && second == 2 * first);
    for (int i = 0; i < 20; i++) {
        (void)failed(r, false, 503, 0);
    }
    assert_int_equal(failed(r, false, 503, 0).delay_us, 5000000);
    struct cor_reflector_step step = failed(r, true, 429, 77000000);
    assert_int_equal(step.delay_us, 77000000);
    assert_true(step.watch);
    assert_false(failed(r, true, 403, 0).watch);
}

static void short_watches_back_off_long_ones_do_not(void **state)
{
    struct cor_reflector *r = *state;
    (void)list(r, LIST("5", "", ""));
    struct cor_reflector_step step = cor_reflector_ended(r, 1000, 0.0);
    assert_true(step.watch && step.delay_us > 0);
    step = cor_reflector_ended(r, 290000000, 0.0);
    assert_true(step.watch && step.delay_us == 0);
}

/* The token of a page may have expired: all of it again; twice, and it is asked for as a whole. */
static void lost_pages_begin_anew(void **state)
{
    struct cor_reflector *r = *state;
    for (int i = 0; i < 2; i++) {
        expect_query(r, false, "limit=500");
        (void)list(r, LIST("5", "more", ITEM("x", "1", "3")));
        expect_query(r, false, "continue=more");
        struct cor_reflector_step step = failed(r, false, 410, 0);
        assert_true(!step.watch && step.delay_us > 0);
    }
    auto_(cor_buf_free) struct cor_buf query = {0};
    cor_reflector_query(r, false, &query);
    assert_string_equal(query.data, "limit=0");
    (void)list(r, LIST("9", "", ITEM("x", "1", "3")));
    assert_true(cor_reflector_is_synced(r));
    expect_query(r, false, "limit=500");
}

/* One that is only late is asked for again, not all before it. */
static void late_pages_are_asked_for_again(void **state)
{
    struct cor_reflector *r = *state;
    static const int STATUSES[] = {0, 429, 500, 503};
    (void)list(r, LIST("5", "more", ITEM("x", "1", "3")));
    for (size_t i = 0; i < COR_COUNT(STATUSES); i++) {
        (void)failed(r, false, STATUSES[i], 0);
        expect_query(r, false, "continue=more");
    }
    (void)failed(r, false, 403, 0);
    auto_(cor_buf_free) struct cor_buf query = {0};
    cor_reflector_query(r, false, &query);
    assert_null(strstr(query.data, "continue"));
}

/* What the beginning of a list has shown may be gone when it is asked for again. */
static void half_a_list_vouches_for_nothing(void **state)
{
    struct cor_reflector *r = *state;
    assert_int_equal(cor_reflector_item(r, COR_VIEW(ITEM("x", "1", "3"))), COR_OK);
    (void)failed(r, false, 0, 0);
    (void)list(r, LIST("9", "", ITEM("y", "2", "4")));
    expect_seen("+x@3 +y@4 -x@3 . ");
}

/* Each ends after one event: what breaks soon is tried ever less. */
static void broken_watches_make_no_storm(void **state)
{
    struct cor_reflector *r = *state;
    int64_t all = 0;
    for (int i = 0; i < 20; i++) {
        (void)list(r, LIST("5", "", ITEM("x", "1", "3")));
        assert_int_equal(line(r, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"9\"}}")),
                         COR_OK);
        all += failed(r, true, 410, 0).delay_us;
    }
    assert_true(all > 20000000); /* at most one list and one watch a second */
}

static void only_who_sends_bookmarks_may_fall_silent(void **state)
{
    struct cor_reflector *r = *state;
    (void)list(r, LIST("5", "", ITEM("x", "1", "3")));
    assert_int_equal(line(r, EVENT("ADDED", ITEM("y", "2", "6"))), COR_OK);
    assert_int_equal(cor_reflector_silence_us(r), 0);
    assert_int_equal(line(r, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"9\"}}")),
                     COR_OK);
    assert_true(cor_reflector_silence_us(r) > 60000000);
}

static void who_manages_fields_is_not_kept(void **state)
{
    struct cor_reflector *r = *state;
    assert_int_equal(
        line(r, EVENT("ADDED", "{\"metadata\":{\"name\":\"m\",\"managedFields\":[{}]}}")), COR_OK);
    auto_(cor_json_free) struct cor_json *m = cor_reflector_get(r, NULL, "m");
    auto_(cor_freep) char *text = cor_json_text(m);
    assert_string_equal(text,
                        "{\"metadata\":{\"name\":\"m\"},\"kind\":\"Pod\",\"apiVersion\":\"v1\"}");
    size_t bytes = cor_reflector_bytes(r);
    assert_true(bytes > 0 && bytes < 20);
    assert_int_equal(line(r, EVENT("DELETED", "{\"metadata\":{\"name\":\"m\"}}")), COR_OK);
    assert_int_equal(cor_reflector_bytes(r), 0);
}

static void garbage_is_skipped(void **state)
{
    struct cor_reflector *r = *state;
    static const char *const bad[] = {
        "",
        "null",
        "[]",
        "{",
        "{\"type\":\"ADDED\"}",
        "{\"type\":\"ADDED\",\"object\":null}",
        "{\"type\":7,\"object\":{}}",
        EVENT("ADDED", "{}"),
        EVENT("ADDED", "{\"metadata\":[]}"),
        EVENT("DELETED", "{\"metadata\":{\"name\":3}}"),
        EVENT("NEWKIND", ITEM("x", "1", "9")),
    };
    (void)list(r, LIST("5", "", ITEM("x", "1", "3")));
    cor_buf_clear(&seen);
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        assert_int_equal(line(r, bad[i]), COR_INVALID);
    }
    expect_seen("");
    expect_query(r, true, "resourceVersion=5");
    static const char *const bad_lists[] = {
        "null", "[]", "{}", "{\"items\":[]}",
        "{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":7}"};
    for (size_t i = 0; i < COR_COUNT(bad_lists); i++) {
        struct cor_reflector_step step = list(r, bad_lists[i]);
        assert_true(!step.watch && step.delay_us > 0);
    }
    assert_int_equal(cor_reflector_count(r), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lists_pages_then_watches, setup, teardown),
        cmocka_unit_test_setup_teardown(watch_events_change_the_mirror, setup, teardown),
        cmocka_unit_test_setup_teardown(recreated_object_is_a_new_one, setup, teardown),
        cmocka_unit_test_setup_teardown(gone_version_lists_again, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_back_off, setup, teardown),
        cmocka_unit_test_setup_teardown(short_watches_back_off_long_ones_do_not, setup, teardown),
        cmocka_unit_test_setup_teardown(lost_pages_begin_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(late_pages_are_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_list_vouches_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_watches_make_no_storm, setup, teardown),
        cmocka_unit_test_setup_teardown(only_who_sends_bookmarks_may_fall_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(who_manages_fields_is_not_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(garbage_is_skipped, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
