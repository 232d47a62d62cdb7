// SPDX-License-Identifier: Apache-2.0
// The pure parts of rules: what they mean, what waits, when a target is asked, what is sent.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/gate.h"
#include "services/edgecontroller/post.h"
#include "services/edgecontroller/rule.h"

static struct cor_json *json(const char *text)
{
    struct cor_json *value = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), 65536, 0, &value, NULL), COR_OK);
    return value;
}

static struct cor_json *endpoint(const char *type)
{
    struct cor_json *value = cor_json_object();
    cor_json_set_at(value, "spec.ruleEndpointType", cor_json_str(type));
    return value;
}

#define UP "eventbus", "rest"
#define DOWN "rest", "eventbus"

static void rules_mean_something_or_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *source, *target; /* types of the endpoints */
        const char *from, *to;       /* sourceResource, targetResource */
        enum ec_rule_kind kind;
        const char *says; /* topic, or what why has in it */
    } ROWS[] = {
        {UP, "{\"topic\":\"a\",\"node_name\":\"n1\"}", "{\"resource\":\"http://x/y\"}",
         EC_RULE_UPLOAD, "ns/a"},
        {UP, "{\"topic\":\"/a//b/\",\"node_name\":\"n1\"}", "{\"resource\":\"https://x\"}",
         EC_RULE_UPLOAD, "ns/a/b"},
        {UP, "{\"topic\":\"a\"}", "{\"resource\":\"http://x\"}", EC_RULE_BAD, "node_name"},
        {UP, "{\"topic\":\"a/#\",\"node_name\":\"n\"}", "{\"resource\":\"http://x\"}", EC_RULE_BAD,
         "wildcards"},
        {UP, "{\"topic\":\"//\",\"node_name\":\"n\"}", "{\"resource\":\"http://x\"}", EC_RULE_BAD,
         "topic"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}", "{\"resource\":\"ftp://x\"}", EC_RULE_BAD,
         "URL"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}", "{\"resource\":\"http://x/a b\"}",
         EC_RULE_BAD, "URL"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}", "{\"resource\":\"http:///x\"}", EC_RULE_BAD,
         "URL"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}", "{\"resource\":\"http://x\\r\\nA:b\"}",
         EC_RULE_BAD, "URL"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}", "{\"resource\":\"http://x\",\"batch\":\"0\"}",
         EC_RULE_BAD, "batch"},
        {UP, "{\"topic\":\"a\",\"node_name\":\"n\"}",
         "{\"resource\":\"http://x\",\"batch\":\"5\",\"batch-format\":\"xml\"}", EC_RULE_BAD,
         "json or ndjson"},
        {DOWN, "{\"path\":\"/a/b/\"}", "{\"topic\":\"t\"}", EC_RULE_PUBLISH, "t"},
        {DOWN, "{}", "{\"topic\":\"t\"}", EC_RULE_BAD, "path"},
        {DOWN, "{\"path\":\"a\"}", "{\"topic\":\"t/+\"}", EC_RULE_BAD, "wildcards"},
        {"rest", "servicebus", "{\"path\":\"a\"}", "{\"path\":\"b\"}", EC_RULE_BAD, "servicebus"},
        {"servicebus", "rest", "{}", "{}", EC_RULE_BAD, "not served yet"},
        {"rest", "rest", "{}", "{}", EC_RULE_BAD, "from rest to rest"},
        {NULL, "rest", "{}", "{}", EC_RULE_BAD, "source: there is no RuleEndpoint s"},
        {"rest", NULL, "{}", "{}", EC_RULE_BAD, "target: there is no RuleEndpoint t"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_freep) char *text = cor_sprintf(
            "{\"metadata\":{\"namespace\":\"ns\"},\"spec\":{\"source\":\"s\",\"target\":\"t\","
            "\"sourceResource\":%s,\"targetResource\":%s}}",
            ROWS[i].from, ROWS[i].to);
        auto_(cor_json_free) struct cor_json *rule_json = json(text);
        auto_(cor_json_free) struct cor_json *source =
            ROWS[i].source == NULL ? NULL : endpoint(ROWS[i].source);
        auto_(cor_json_free) struct cor_json *target =
            ROWS[i].target == NULL ? NULL : endpoint(ROWS[i].target);
        struct ec_rule rule;
        ec_rule_read(rule_json, source, target, &rule);
        if (rule.kind != ROWS[i].kind) {
            fail_msg("%s: kind %d: %s", text, (int)rule.kind, rule.why);
        }
        assert_non_null(strstr(rule.kind == EC_RULE_BAD ? rule.why : rule.topic, ROWS[i].says));
        assert_true(ec_rule_same(&rule, &rule));
        ec_rule_clear(&rule);
    }
}

/* ---- what waits ---- */

static enum ec_taken put(struct ec_flow_queue *queue, uint64_t seq, const char *topic,
                         const char *payload)
{
    struct ec_flow_limit limit = {4, 100};
    struct ec_upload upload = {.seq = seq,
                               .topic = (char *)(uintptr_t)topic,
                               .payload = (char *)(uintptr_t)payload,
                               .len = strlen(payload)};
    return ec_flow_take(queue, limit, &upload);
}

static void queues_are_bounded_and_know_repeats(void **state)
{
    (void)state;
    struct ec_flow_queue queue;
    ec_flow_init(&queue);
    assert_null(ec_flow_head(&queue));
    assert_int_equal(ec_flow_batch(&queue, 10, 100), 0);
    assert_int_equal(put(&queue, 5, "a", "one"), EC_TAKEN); /* 1 to 4 were dropped by the origin */
    assert_int_equal(put(&queue, 5, "a", "one"), EC_TAKEN_BEFORE);
    assert_int_equal(put(&queue, 6, "a", "two"), EC_TAKEN);
    assert_int_equal(put(&queue, 7, "a", ""), EC_TAKEN);
    assert_int_equal(put(&queue, 8, "b", "x"), EC_TAKEN);
    assert_int_equal(put(&queue, 9, "b", "x"), EC_FULL);
    assert_int_equal(ec_flow_batch(&queue, 10, 100), 2); /* an empty one ends it */
    assert_int_equal(ec_flow_batch(&queue, 1, 100), 1);
    assert_int_equal(ec_flow_batch(&queue, 10, 1), 1);
    assert_int_equal(ec_flow_pop(&queue, 2), 6);
    assert_int_equal(queue.committed, 6);
    assert_int_equal(put(&queue, 6, "a", "two"), EC_OVER);
    assert_int_equal(put(&queue, 9, "b", "x"), EC_TAKEN);
    assert_int_equal(ec_flow_batch(&queue, 10, 100), 1); /* another topic */
    assert_int_equal(ec_flow_clear(&queue), 2);
    assert_int_equal(queue.count, 0);
}

/* ---- targets ---- */

static void statuses_are_delivered_refused_or_away(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum ec_verdict verdict;
    } ROWS[] = {
        {200, EC_DELIVERED}, {201, EC_DELIVERED}, {204, EC_DELIVERED}, {299, EC_DELIVERED},
        {0, EC_AWAY},        {429, EC_AWAY},      {503, EC_AWAY},      {502, EC_AWAY},
        {301, EC_REFUSED},   {400, EC_REFUSED},   {404, EC_REFUSED},   {500, EC_REFUSED},
        {100, EC_REFUSED},   {999, EC_REFUSED},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(ec_verdict(ROWS[i].status), ROWS[i].verdict);
    }
}

static void a_target_that_is_away_is_tried_by_one(void **state)
{
    (void)state;
    struct ec_gate gate = {.backoff = {.first_us = COR_SEC(1), .last_us = COR_SEC(4)}};
    struct ec_gate_limit limit = {2, 3};
    struct cor_mono now = {COR_SEC(100)};
    assert_true(ec_gate_may(&gate, limit, 100, now)); /* the first one always */
    ec_gate_begin(&gate);
    assert_true(ec_gate_may(&gate, limit, 1, now));
    assert_false(ec_gate_may(&gate, limit, 3, now));
    ec_gate_begin(&gate);
    assert_false(ec_gate_may(&gate, limit, 2, now));
    ec_gate_end(&gate, EC_AWAY, 0, now, 0);
    assert_true(gate.away);
    struct cor_mono first = gate.not_before;
    ec_gate_end(&gate, EC_AWAY, 0, now, 0); /* the same failure */
    assert_int_equal(gate.not_before.us, first.us);
    assert_false(ec_gate_may(&gate, limit, 0, now));
    now = cor_mono_add(now, COR_SEC(5));
    assert_true(ec_gate_may(&gate, limit, 0, now));
    ec_gate_begin(&gate);
    assert_false(ec_gate_may(&gate, limit, 1, now));
    ec_gate_end(&gate, EC_AWAY, COR_SEC(50), now, 0); /* Retry-After */
    assert_int_equal(cor_mono_since(gate.not_before, now), COR_SEC(50));
    now = cor_mono_add(now, COR_SEC(50));
    ec_gate_begin(&gate);
    ec_gate_end(&gate, EC_REFUSED, 0, now, 0); /* it is there again, whatever it says */
    assert_false(gate.away);
}

/* ---- requests ---- */

static void requests_carry_key_and_origin(void **state)
{
    (void)state;
    struct ec_flow_queue queue;
    struct ec_post_from from = {"n 1", "topic/default/\xc3\xa4\r\nX: y", 0x1f};
    struct ec_post post;
    ec_flow_init(&queue);
    (void)put(&queue, 7, "default/\xc3\xa4\r\nX: y", "body");
    ec_post_make(&from, &queue, 1, &(struct ec_post_format){0}, &post);
    assert_string_equal(post.headers[0], "Idempotency-Key: n%201/bus/000000000000001f/"
                                         "topic%2Fdefault%2F%C3%A4%0D%0AX%3A%20y/7");
    assert_string_equal(post.headers[1], "X-Coracle-Node: n%201");
    assert_string_equal(post.headers[2], "X-Coracle-Topic: default/%C3%A4%0D%0AX%3A%20y");
    assert_string_equal(post.headers[3], "X-Coracle-Time: 1970-01-01T00:00:00.000000Z");
    assert_null(post.headers[5]);
    assert_string_equal(post.body.data, "body");
    ec_post_clear(&post);
    (void)ec_flow_clear(&queue);
}

static void batches_hold_anything(void **state)
{
    (void)state;
    struct ec_flow_queue queue;
    struct ec_post_from from = {"n1", "topic/t", 1};
    struct ec_post post;
    ec_flow_init(&queue);
    (void)put(&queue, 1, "t", "{\"a\":\n 1}");
    (void)put(&queue, 2, "t", "no \"JSON\"");
    (void)put(&queue, 3, "t", "\xff\xfe");
    ec_post_make(&from, &queue, 3, &(struct ec_post_format){.batch = true}, &post);
    assert_string_equal(post.headers[0], "Idempotency-Key: n1/bus/0000000000000001/topic%2Ft/1..3");
    assert_string_equal(post.headers[4], "Content-Type: application/json");
    assert_string_equal(post.body.data, "[{\"a\":  1},\"no \\\"JSON\\\"\",{\"base64\":\"//4=\"}]");
    ec_post_clear(&post);
    ec_post_make(&from, &queue, 2, &(struct ec_post_format){.batch = true, .ndjson = true}, &post);
    assert_string_equal(post.headers[4], "Content-Type: application/x-ndjson");
    assert_string_equal(post.body.data, "{\"a\":  1}\n\"no \\\"JSON\\\"\"\n");
    ec_post_clear(&post);
    (void)ec_flow_clear(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_mean_something_or_say_why),
        cmocka_unit_test(queues_are_bounded_and_know_repeats),
        cmocka_unit_test(statuses_are_delivered_refused_or_away),
        cmocka_unit_test(a_target_that_is_away_is_tried_by_one),
        cmocka_unit_test(requests_carry_key_and_origin),
        cmocka_unit_test(batches_hold_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
