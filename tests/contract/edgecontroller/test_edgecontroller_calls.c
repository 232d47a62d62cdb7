// SPDX-License-Identifier: Apache-2.0
// Writes to the API whose answer is lost: they are looked at before somebody repeats them.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"

#define EVENTS "/api/v1/namespaces/default/events"

struct set {
    struct world *w;
    bool answered;
    enum cor_code code;
    uint64_t status;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(false);
    world_relay(set->w);
    world_kill(set->w);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    world_free(&set->w);
    cor_free(set);
    return 0;
}

static void on_reply(void *self, const void *body, const struct cor_err *err)
{
    struct set *set = self;
    set->answered = true;
    set->code = body == NULL ? err->code : COR_OK;
    set->status = body == NULL ? 0 : ((const struct px_api_reply *)body)->status;
}

static bool is_answered(void *self)
{
    return ((struct set *)self)->answered;
}

/* What node n1 asks; the answer's HTTP status. */
static uint64_t ask(struct set *set, enum px_verb verb, const char *key, const char *body)
{
    struct px_node_call call = {.node = COR_VIEW("n1"),
                                .verb = verb,
                                .key = cor_view_of(key),
                                .patch = PX_PATCH_STRATEGIC,
                                .body = cor_view_of(body)};
    for (int i = 0; i < 200; i++) {
        set->answered = false;
        assert_int_equal(cor_call(set->w->hub, PX_node_call, &call, COR_SEC(20), on_reply, set),
                         COR_OK);
        world_until(set->w, is_answered, set);
        assert_int_equal(set->code, COR_OK);
        if (set->status != 503) { /* it is still starting */
            break;
        }
        stage_idle(set->w->stage, 20);
    }
    return set->status;
}

/* A node's create of an event with that message; the answer's HTTP status. */
static uint64_t create(struct set *set, const char *message)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e1\",\"namespace\":"
        "\"default\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":"
        "\"p\"},"
        "\"reason\":\"Test\",\"message\":\"%s\"}",
        message);
    return ask(set, PX_VERB_CREATE, "default/event/e1", body);
}

static void a_lost_answer_is_no_failure(void **state)
{
    struct set *set = *state;
    struct px_node_call get = {
        .node = COR_VIEW("n1"), .verb = PX_VERB_GET, .key = COR_VIEW("null/node/n1")};
    set->status = 503;
    for (int i = 0; i < 200 && set->status == 503; i++) { /* until it has its mirrors */
        set->answered = false;
        assert_int_equal(cor_call(set->w->hub, PX_node_call, &get, COR_SEC(5), on_reply, set),
                         COR_OK);
        world_until(set->w, is_answered, set);
        stage_idle(set->w->stage, 20);
    }
    stage_idle(set->w->stage, 200);
    world_lose_answer(set->w);
    assert_int_equal(create(set, "one"), 201);
    assert_int_equal(world_lost(set->w), 1);
    world_api(set->w, "GET", EVENTS "/e1", NULL);
    assert_int_equal(set->w->status, 200);
    assert_string_equal(cor_json_str_at(set->w->body, "message", ""), "one");
}

static void a_repeated_create_is_the_first(void **state)
{
    struct set *set = *state;
    assert_int_equal(create(set, "one"), 201);
    assert_int_equal(create(set, "one"), 201);
    assert_int_equal(create(set, "two"), 409);
    world_api(set->w, "GET", EVENTS "/e1", NULL);
    assert_string_equal(cor_json_str_at(set->w->body, "message", ""), "one");
}

#define PODS "/api/v1/namespaces/default/pods"

static uint64_t patch_status(struct set *set, const char *uid, const char *ips)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"podIPs\":[%s]}}", uid, ips);
    return ask(set, PX_VERB_PATCH, "default/podpatch/p", body);
}

/* A node is told that its Pod is gone when it is, not when the API takes offence at its status. */
static void a_refused_status_deletes_nothing(void **state)
{
    struct set *set = *state;
    world_api(set->w, "POST", PODS,
              "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
              "\"name\":\"c\",\"image\":\"i:1\"}]}}");
    assert_int_equal(set->w->status, 201);
    auto_(cor_freep) char *uid = cor_strdup(cor_json_str_at(set->w->body, "metadata.uid", ""));
    for (int i = 0; i < 200 && patch_status(set, uid, "{\"ip\":\"10.0.0.1\"}") == 403; i++) {
        stage_idle(set->w->stage, 20); /* until it is seen that it is the node's */
    }
    assert_int_equal(set->status, 200);
    assert_int_equal(patch_status(set, uid, "{\"ip\":\"10.0.0.2\"}"), 422);
    assert_int_equal(patch_status(set, uid, "{\"ip\":\"fd00::2\"}"), 200);
    assert_int_equal(set->w->gone, 0);
    assert_int_not_equal(patch_status(set, "of-before", "{\"ip\":\"10.0.0.2\"}"), 200);
    assert_int_equal(ask(set, PX_VERB_GET, "null/node/n1", ""),
                     404); /* what was sent before is here */
    assert_int_equal(set->w->gone, 1);
    assert_string_equal(set->w->gone_uid, "of-before");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lost_answer_is_no_failure),
        T(a_repeated_create_is_the_first),
        T(a_refused_status_deletes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
