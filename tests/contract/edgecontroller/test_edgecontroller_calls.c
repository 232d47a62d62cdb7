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

/* A node's create of an event with that message; the answer's HTTP status. */
static uint64_t create(struct set *set, const char *message)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"e1\",\"namespace\":"
        "\"default\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":"
        "\"p\"},"
        "\"reason\":\"Test\",\"message\":\"%s\"}",
        message);
    struct px_node_call call = {.node = COR_VIEW("n1"),
                                .verb = PX_VERB_CREATE,
                                .key = COR_VIEW("default/event/e1"),
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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_lost_answer_is_no_failure),
        T(a_repeated_create_is_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
