// SPDX-License-Identifier: Apache-2.0
// Uploads of nodes to the HTTP targets of rules: order, retry, once by key, bounds.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"

#define RULES "/apis/rules.kubeedge.io/v1/namespaces/default/rules"

struct set {
    struct world *w;
    struct target a, b;
    struct stream s, t;
    int want;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(true);
    target_open(&set->a, set->w, 0);
    target_open(&set->b, set->w, 0);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    stream_close(&set->s);
    stream_close(&set->t);
    target_free(&set->a);
    target_free(&set->b);
    world_free(&set->w);
    cor_free(set);
    return 0;
}

/* What a rule's status is to say. */
struct saying {
    struct set *set;
    const char *path;
    bool (*says)(const struct set *set);
};

static bool status_says(const struct set *set)
{
    return cor_json_int_at(set->w->body, "status.successMessages", 0) == set->want;
}

static bool loser_says_why(const struct set *set)
{
    const struct cor_json *errors = cor_json_at(set->w->body, "status.errors");
    return strstr(cor_json_as_str(cor_json_item(errors, 0), ""), "rule default/young") != NULL;
}

static bool rule_says(void *self)
{
    const struct saying *saying = self;
    world_api(saying->set->w, "GET", saying->path, NULL);
    return saying->says(saying->set);
}

/* Statuses are written some seconds late. */
static void until_rule(struct set *set, const char *path, bool (*says)(const struct set *set))
{
    struct saying saying = {set, path, says};
    world_poll(set->w, rule_says, &saying);
}

static void they_arrive_in_order_once(void **state)
{
    struct set *set = *state;
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 300);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.unique, 300);
    assert_int_equal(set->a.requests, 300);
    assert_int_equal(set->a.disordered, 0);
    assert_non_null(strstr(set->a.bodies.data, "m1\nm2\n"));
    assert_string_equal(set->a.last_headers.data,
                        "n1/bus/000000000000abc1/topic%2Fdefault%2Ft/300|n1|default/t|-|");
    set->want = 300;
    until_rule(set, RULES "/r", status_says);
    assert_int_equal(cor_json_int_at(set->w->body, "status.failMessages", -1), 0);
}

/* Errors of all kinds: nothing is lost, nothing overtakes. */
static void what_fails_comes_again_in_order(void **state)
{
    static const int STATUSES[] = {503, 500, 404, 302, 429};
    struct set *set = *state;
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    for (size_t i = 0; i < COR_COUNT(STATUSES); i++) {
        set->a.failing = 2;
        set->a.fail_status = STATUSES[i];
        stream_send(&set->s, 20);
        world_until(set->w, stream_is_done, &set->s);
        assert_int_equal(set->a.failing, 0);
    }
    assert_int_equal(set->a.unique, 100);
    assert_int_equal(set->a.repeats, 0);
    assert_int_equal(set->a.disordered, 0);
    set->want = 100;
    until_rule(set, RULES "/r", status_says);
    assert_int_equal(cor_json_int_at(set->w->body, "status.failMessages", -1), 10);
    const struct cor_json *errors = cor_json_at(set->w->body, "status.errors");
    assert_int_equal(cor_json_count(errors), 10);
    assert_non_null(
        strstr(cor_json_as_str(cor_json_item(errors, 0), ""), "HTTP status 503 not now"));
}

static bool target_has(void *self)
{
    const struct set *set = self;
    return set->a.unique >= set->want;
}

static bool stream_has(void *self)
{
    const struct set *set = self;
    return set->s.acked >= (uint64_t)set->want;
}

/* Killed again and again: each message is there once by its key, in order. What comes again is what
 * was not acked when its controller was gone, and at most the one that was under way. */
static void killed_it_loses_and_doubles_nothing(void **state)
{
    struct set *set = *state;
    int again = 0;
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 3000);
    for (set->want = 200; set->want <= 1000; set->want += 200) {
        world_until(set->w, stream_has, set);
        world_end(set->w);
        again += set->a.unique - (int)set->s.acked + 1;
        world_start(set->w);
    }
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.unique, 3000);
    assert_int_equal(set->a.disordered, 0);
    print_message("came again: %d of at most %d\n", set->a.repeats, again);
    assert_in_range(set->a.repeats, 0, again);
}

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* A target that is away holds its own stream, with little of it here, and no other. */
static void a_dead_target_delays_no_other(void **state)
{
    struct set *set = *state;
    int port = set->b.port;
    int64_t took[200];
    target_close(&set->b);
    world_rule(set->w, "dead", "d", set->b.url, "");
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_open(&set->t, set->w, 2, "d");
    stream_send(&set->t, 5000);
    for (size_t i = 0; i < COR_COUNT(took); i++) {
        int64_t begin = cor_mono_now().us;
        stream_send(&set->s, 1);
        world_until(set->w, stream_is_done, &set->s);
        took[i] = cor_mono_now().us - begin;
    }
    qsort(took, COR_COUNT(took), sizeof(*took), by_number);
    print_message("live target beside a dead one: p50 %d us, p99 %d us\n",
                  (int)took[COR_COUNT(took) / 2], (int)took[COR_COUNT(took) * 99 / 100]);
    assert_in_range(took[COR_COUNT(took) / 2], 0, 100000);
    assert_int_equal(set->t.acked, 0);
    target_open(&set->b, set->w, port);
    world_until(set->w, stream_is_done, &set->t);
    assert_int_equal(set->b.unique, 5000);
    assert_int_equal(set->b.repeats, 0);
    assert_int_equal(set->b.disordered, 0);
}

static void a_silent_target_delays_no_other(void **state)
{
    struct set *set = *state;
    set->b.answer = 0;
    world_rule(set->w, "silent", "d", set->b.url, "");
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_open(&set->t, set->w, 2, "d");
    stream_send(&set->t, 100);
    stream_send(&set->s, 500);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->b.requests, 1);
    assert_int_equal(set->t.acked, 0);
}

static void batches_are_arrays_or_lines(void **state)
{
    struct set *set = *state;
    set->a.failing = 1;
    set->a.fail_status = 503;
    set->s.before = "{\"n\": ";
    set->s.after = "}";
    world_rule(set->w, "r", "t", set->a.url, ",\"batch\":\"100\"");
    world_rule(set->w, "l", "l", set->b.url, ",\"batch\":\"10\",\"batch-format\":\"ndjson\"");
    stream_open(&set->s, set->w, 1, "t");
    stream_open(&set->t, set->w, 2, "l");
    stream_send(&set->s, 1000);
    stream_send(&set->t, 25);
    world_until(set->w, stream_is_done, &set->s);
    world_until(set->w, stream_is_done, &set->t);
    assert_int_equal(set->a.disordered, 0);
    assert_in_range(set->a.unique, 10, 20);
    assert_non_null(strstr(set->a.bodies.data, "{\"n\": 99},{\"n\": 100}"));
    assert_non_null(strstr(set->a.last_headers.data, "..1000|n1|default/t|application/json|"));
    assert_non_null(strstr(set->b.bodies.data, "\"m9\"\n"));
    assert_non_null(strstr(set->b.last_headers.data, "application/x-ndjson"));
}

static bool is_posted(void *target)
{
    return ((const struct target *)target)->requests > 0;
}

static bool has_no_topics(void *world)
{
    return ((const struct world *)world)->topics.len == 0;
}

/* Without a rule a message ends here; what waits goes by the rules as they are then, all of it. */
static void rules_come_and_go(void **state)
{
    struct set *set = *state;
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 50);
    world_until(set->w, stream_is_done, &set->s);
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_send(&set->s, 50);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.unique, 50);
    assert_int_equal(set->a.last_seq, 100);
    /* a rule that is younger takes over, what is under way goes to its target */
    set->a.answer = 500;
    set->a.requests = 0;
    stream_send(&set->s, 10);
    world_until(set->w, is_posted, &set->a);
    assert_int_equal(set->s.acked, 100);
    world_rule(set->w, "r2", "t", set->b.url, "");
    world_api(set->w, "DELETE", RULES "/r", NULL);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->b.unique, 10);
    set->b.answer = 0;
    set->b.requests = 0;
    stream_send(&set->s, 10);
    world_until(set->w, is_posted, &set->b);
    world_api(set->w, "DELETE", RULES "/r2", NULL);
    world_until(set->w, stream_is_done, &set->s);
    world_until(set->w, has_no_topics, set->w);
}

static void of_two_rules_the_younger_serves(void **state)
{
    struct set *set = *state;
    world_rule(set->w, "old", "t", set->a.url, "");
    world_rule(set->w, "young", "t", set->b.url, ""); /* same second: by name */
    until_rule(set, RULES "/old", loser_says_why);
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 10);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.requests, 0);
    assert_int_equal(set->b.unique, 10);
}

/* An answer without an end is cut off (CVE-2022-31078); its status counts. */
static void endless_answers_are_cut(void **state)
{
    struct set *set = *state;
    set->a.endless = true;
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 2);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.unique, 2);
}

static void empty_messages_are_dropped(void **state)
{
    struct set *set = *state;
    set->s.empty = true;
    world_rule(set->w, "r", "t", set->a.url, "");
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 3);
    world_until(set->w, stream_is_done, &set->s);
    assert_int_equal(set->a.requests, 0);
}

/* Nodes that speak KubeEdge have no streams. */
static void kubeedge_nodes_are_served(void **state)
{
    struct set *set = *state;
    struct px_node_upload upload = {
        .node = COR_VIEW("n1"), .topic = COR_VIEW("default/t"), .payload = COR_VIEW("x")};
    world_rule(set->w, "r", "t", set->a.url, "");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(cor_send(set->w->hub, PX_node_upload, &upload), COR_OK);
    }
    set->want = 20;
    world_until(set->w, target_has, set);
    assert_int_equal(set->a.disordered, 0);
}

static int setup_bare(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(false);
    *state = set;
    return 0;
}

static void a_cluster_without_rules_is_fine(void **state)
{
    struct set *set = *state;
    stream_open(&set->s, set->w, 1, "t");
    stream_send(&set->s, 100);
    world_until(set->w, stream_is_done, &set->s);
    assert_true(set->w->told > 0);
    assert_int_equal(set->w->topics.len, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(they_arrive_in_order_once),
        T(what_fails_comes_again_in_order),
        T(killed_it_loses_and_doubles_nothing),
        T(a_dead_target_delays_no_other),
        T(a_silent_target_delays_no_other),
        T(batches_are_arrays_or_lines),
        T(rules_come_and_go),
        T(of_two_rules_the_younger_serves),
        T(endless_answers_are_cut),
        T(empty_messages_are_dropped),
        T(kubeedge_nodes_are_served),
        cmocka_unit_test_setup_teardown(a_cluster_without_rules_is_fine, setup_bare, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
