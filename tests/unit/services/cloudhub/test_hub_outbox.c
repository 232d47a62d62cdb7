// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "services/cloudhub/outbox.h"

static const struct outbox_limits LIMITS = {
    .window = 2, .resend_us = COR_SEC(5), .writes = 3, .rest_us = COR_SEC(15)};

struct set {
    struct outbox *outbox;
    struct cor_mono now;
    unsigned ids;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->outbox = outbox_new(&LIMITS);
    set->now.us = COR_SEC(1000);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    outbox_free(&set->outbox);
    cor_free(set);
    return 0;
}

static void id_of(unsigned n, char out[COR_UUID_LEN + 1])
{
    (void)snprintf(out, COR_UUID_LEN + 1, "00000000-0000-4000-8000-%012u", n);
}

/* "key@version", with '!' at the end: deleted. Its id is the count of puts. */
static bool put_uid(struct set *set, const char *key, const char *uid, const char *version,
                    bool gone)
{
    char id[COR_UUID_LEN + 1];
    id_of(++set->ids, id);
    struct outbox_put put = {.key = cor_view_of(key),
                             .uid = cor_view_of(uid),
                             .version = cor_view_of(version),
                             .source = COR_VIEW("edgecontroller"),
                             .body = COR_VIEW("{}"),
                             .gone = gone,
                             .id = id};
    return outbox_put(set->outbox, &put);
}

static bool put(struct set *set, const char *key, const char *version, bool gone)
{
    return put_uid(set, key, key, version, gone);
}

/* What is written now, as text: "a@1 b@2!". */
static char *written(struct set *set)
{
    struct cor_buf out = {0};
    const struct outbox_item *item = NULL;
    while ((item = outbox_next(set->outbox, set->now)) != NULL) {
        cor_buf_fmt(&out, "%s@%s%s ", item->key, item->version, item->gone ? "!" : "");
    }
    return cor_buf_take(&out);
}

static void expect(struct set *set, const char *text)
{
    auto_(cor_freep) char *got = written(set);
    assert_string_equal(got, text);
}

static bool acked(struct set *set, unsigned n)
{
    char id[COR_UUID_LEN + 1];
    id_of(n, id);
    return outbox_acked(set->outbox, cor_view_of(id));
}

static void window_limits_what_flies(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    (void)put(set, "b", "2", false);
    (void)put(set, "c", "3", false);
    expect(set, "a@1 b@2 ");
    assert_int_equal(outbox_flying(set->outbox), 2);
    assert_true(acked(set, 2));
    expect(set, "c@3 ");
    assert_true(acked(set, 1));
    assert_true(acked(set, 3));
    assert_int_equal(outbox_count(set->outbox), 0);
    assert_int_equal(outbox_wait(set->outbox, set->now), -1);
}

static void newest_wins_while_it_waits(void **state)
{
    struct set *set = *state;
    (void)put(set, "x", "1", false);
    (void)put(set, "y", "1", false);
    expect(set, "x@1 y@1 ");
    for (int i = 2; i < 1000; i++) {
        char version[16];
        (void)snprintf(version, sizeof(version), "%d", i);
        assert_true(put(set, "a", version, false));
    }
    assert_true(acked(set, 1));
    expect(set, "a@999 ");
    assert_int_equal(outbox_count(set->outbox), 2);
}

static void never_two_in_flight_for_one_object(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    expect(set, "a@1 ");
    (void)put(set, "a", "2", false);
    (void)put(set, "a", "3", false);
    expect(set, "");
    assert_true(acked(set, 1));
    expect(set, "a@3 ");
    assert_false(acked(set, 1)); /* a second ack of the same id */
    assert_false(acked(set, 2)); /* of what was never sent */
    assert_true(acked(set, 3));
}

static void older_and_same_versions_are_dropped(void **state)
{
    struct set *set = *state;
    assert_true(put(set, "a", "10", false));
    assert_false(put(set, "a", "10", false));
    assert_false(put(set, "a", "9", false)); /* as numbers: "9" > "10" as text */
    assert_true(put(set, "a", "11", false));
    expect(set, "a@11 ");
    assert_false(put(set, "a", "11", false));
}

static void delete_replaces_and_is_final(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    assert_true(put(set, "a", "2", true));
    assert_false(put(set, "a", "3", false)); /* same uid: it does not come back */
    expect(set, "a@2! ");
    assert_true(acked(set, 2));
    assert_int_equal(outbox_count(set->outbox), 0);
}

/* What a node was told is gone may be needed there again, under the uid that it had; not so a Pod.
 */
static void all_but_pods_may_come_back(void **state)
{
    struct set *set = *state;
    (void)put(set, "ns/devicemodel/m", "5", true);
    assert_false(put(set, "ns/devicemodel/m", "4", false));
    assert_true(put(set, "ns/devicemodel/m", "5", false));
    (void)put(set, "ns/pod/p", "5", true);
    assert_false(put(set, "ns/pod/p", "6", false));
    expect(set, "ns/devicemodel/m@5 ns/pod/p@5! ");
}

/* Deleted and made anew under the same name: both must arrive, in order. */
static void another_uid_waits_behind(void **state)
{
    struct set *set = *state;
    (void)put_uid(set, "a", "old", "1", true);
    (void)put_uid(set, "a", "new", "2", false);
    (void)put_uid(set, "a", "new", "3", false);
    expect(set, "a@1! ");
    assert_true(acked(set, 1));
    expect(set, "a@3 ");
    for (unsigned i = 0; i < 100; i++) {
        char uid[16];
        (void)snprintf(uid, sizeof(uid), "u%u", i);
        (void)put_uid(set, "a", uid, "9", i % 2 == 0);
    }
    assert_int_equal(outbox_count(set->outbox), 1);
}

static void unacknowledged_is_sent_again_then_rests(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    (void)put(set, "b", "1", false);
    (void)put(set, "c", "1", false);
    expect(set, "a@1 b@1 ");
    assert_true(acked(set, 2));
    expect(set, "c@1 ");
    assert_true(acked(set, 3));
    assert_int_equal(outbox_wait(set->outbox, set->now), COR_SEC(5));
    set->now.us += COR_SEC(5);
    expect(set, "a@1 ");
    set->now.us += COR_SEC(5);
    expect(set, "a@1 "); /* third and last write */
    set->now.us += COR_SEC(5);
    expect(set, ""); /* rests, does not hold up the window */
    assert_int_equal(outbox_flying(set->outbox), 0);
    (void)put(set, "d", "1", false);
    (void)put(set, "e", "1", false);
    expect(set, "d@1 e@1 ");
    assert_true(acked(set, 4) && acked(set, 5));
    set->now.us += COR_SEC(15);
    expect(set, "a@1 ");
    assert_true(acked(set, 1));
}

static void failed_rests_and_news_wake_it(void **state)
{
    struct set *set = *state;
    char id[COR_UUID_LEN + 1];
    (void)put(set, "a", "1", false);
    expect(set, "a@1 ");
    id_of(1, id);
    assert_true(outbox_failed(set->outbox, cor_view_of(id), set->now));
    assert_false(outbox_failed(set->outbox, cor_view_of(id), set->now));
    expect(set, "");
    assert_true(put(set, "a", "2", false));
    expect(set, "a@2 ");
}

static void fresh_until_acknowledged(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    assert_true(outbox_next(set->outbox, set->now)->fresh);
    assert_true(acked(set, 1));
    (void)put(set, "a", "2", false);
    assert_false(outbox_next(set->outbox, set->now)->fresh);
    assert_true(acked(set, 2));
    (void)put(set, "a", "3", true);
    (void)outbox_next(set->outbox, set->now);
    assert_true(acked(set, 3));
    (void)put_uid(set, "a", "again", "4", false);
    assert_true(outbox_next(set->outbox, set->now)->fresh);
}

static void keys_are_forgotten_when_nobody_asks(void **state)
{
    struct set *set = *state;
    outbox_forget_keys(set->outbox);
    (void)put(set, "a", "1", false);
    assert_true(outbox_next(set->outbox, set->now)->fresh);
    assert_true(acked(set, 1));
    (void)put(set, "a", "2", true);
    assert_true(outbox_next(set->outbox, set->now)->fresh);
    assert_true(acked(set, 2));
    assert_int_equal(outbox_count(set->outbox), 0);
}

/* What texts are absent, empty, or have a NUL in them. */
static void texts_are_kept_as_they_are(void **state)
{
    struct set *set = *state;
    char id[COR_UUID_LEN + 1];
    id_of(7, id);
    struct outbox_put what = {.key = COR_VIEW("ns/pod/p"), .body = COR_VIEW("x\0y"), .id = id};
    assert_true(outbox_put(set->outbox, &what));
    const struct outbox_item *item = outbox_next(set->outbox, set->now);
    assert_string_equal(item->key, "ns/pod/p");
    assert_string_equal(item->uid, "");
    assert_string_equal(item->source, "");
    assert_int_equal(item->body_len, 3);
    assert_memory_equal(item->body, "x\0y", 4);
    assert_true(outbox_flying_with(set->outbox, cor_view_of(id)) == item);
    what.body = (struct cor_view){0};
    what.gone = true;
    assert_true(outbox_put(set->outbox, &what));
    assert_true(outbox_acked(set->outbox, cor_view_of(id)));
    assert_null(outbox_next(set->outbox, set->now)->body);
}

static void hostile_acks_are_ignored(void **state)
{
    struct set *set = *state;
    (void)put(set, "a", "1", false);
    expect(set, "a@1 ");
    assert_false(outbox_acked(set->outbox, COR_VIEW("")));
    assert_false(outbox_acked(set->outbox, (struct cor_view){0}));
    assert_false(outbox_acked(set->outbox, COR_VIEW("x\0y")));
    for (unsigned i = 100; i < 10000; i++) {
        assert_false(acked(set, i));
    }
    assert_int_equal(outbox_flying(set->outbox), 1);
}

/* The others go on, and a model that is not acknowledged does not hold devices up for ever. */
static void devices_wait_for_models(void **state)
{
    struct set *set = *state;
    (void)put(set, "a/devicemodel/m", "1", false);
    (void)put(set, "a/device/d", "2", false);
    (void)put(set, "a/pod/p", "3", false);
    expect(set, "a/devicemodel/m@1 a/pod/p@3 ");
    assert_true(acked(set, 3));
    expect(set, "");
    assert_true(acked(set, 1));
    expect(set, "a/device/d@2 ");
    (void)put(set, "a/devicemodel/m", "4", false);
    (void)put(set, "a/device/e", "5", false);
    assert_true(acked(set, 2));
    expect(set, "a/devicemodel/m@4 ");
    for (int i = 0; i < 2; i++) {
        set->now.us += COR_SEC(5);
        expect(set, "a/devicemodel/m@4 ");
    }
    set->now.us += COR_SEC(5);
    expect(set, "a/device/e@5 ");
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(window_limits_what_flies),
        T(newest_wins_while_it_waits),
        T(never_two_in_flight_for_one_object),
        T(older_and_same_versions_are_dropped),
        T(delete_replaces_and_is_final),
        T(all_but_pods_may_come_back),
        T(another_uid_waits_behind),
        T(unacknowledged_is_sent_again_then_rests),
        T(failed_rests_and_news_wake_it),
        T(fresh_until_acknowledged),
        T(hostile_acks_are_ignored),
        T(devices_wait_for_models),
        T(keys_are_forgotten_when_nobody_asks),
        T(texts_are_kept_as_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
