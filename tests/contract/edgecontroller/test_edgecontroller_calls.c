// SPDX-License-Identifier: Apache-2.0
// Writes to the API whose answer is lost: they are looked at before somebody repeats them.
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/asks.h"

#define EVENTS "/api/v1/namespaces/default/events"

struct set {
    struct world *w;
    struct test_answer answer;
    bool brief; /* what is asked */
    int lost;   /* answers, in all */
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
    cor_buf_free(&set->answer.body);
    cor_free(set);
    return 0;
}

/* What node n1 asks; the answer's HTTP status. */
static uint64_t ask(struct set *set, enum px_verb verb, const char *key, const char *body)
{
    struct px_node_call call = {.node = COR_VIEW("n1"),
                                .verb = verb,
                                .key = cor_view_of(key),
                                .patch = PX_PATCH_STRATEGIC,
                                .brief = set->brief,
                                .body = cor_view_of(body)};
    uint64_t status = world_ask(set->w, PX_node_call, &call, &set->answer);
    assert_int_equal(set->answer.code, COR_OK);
    return status;
}

/* A node's create of an event with that name and message; the answer's HTTP status. */
static uint64_t create(struct set *set, const char *name, const char *message)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Event\",\"metadata\":{\"name\":\"%s\",\"namespace\":"
        "\"default\"},\"involvedObject\":{\"kind\":\"Pod\",\"namespace\":\"default\",\"name\":"
        "\"p\"},"
        "\"reason\":\"Test\",\"message\":\"%s\"}",
        name, message);
    auto_(cor_freep) char *key = cor_sprintf("default/event/%s", name);
    return ask(set, PX_VERB_CREATE, key, body);
}

static bool has_lost(void *self)
{
    const struct set *set = self;
    return world_lost(set->w) == set->lost;
}

/* Several, for what edgecontroller asks by itself may lose its answer instead. */
static void a_lost_answer_is_no_failure(void **state)
{
    struct set *set = *state;
    struct px_node_call get = {
        .node = COR_VIEW("n1"), .verb = PX_VERB_GET, .key = COR_VIEW("null/node/n1")};
    assert_int_not_equal(world_ask(set->w, PX_node_call, &get, &set->answer), 503);
    for (set->lost = 1; set->lost <= 5; set->lost++) {
        auto_(cor_freep) char *name = cor_sprintf("e%d", set->lost);
        auto_(cor_freep) char *path = cor_sprintf(EVENTS "/%s", name);
        world_lose_answer(set->w);
        assert_int_equal(create(set, name, "one"), 201);
        world_until(set->w, has_lost, set);
        world_api(set->w, "GET", path, NULL);
        assert_int_equal(set->w->status, 200);
        assert_string_equal(cor_json_str_at(set->w->body, "message", ""), "one");
    }
}

static void a_repeated_create_is_the_first(void **state)
{
    struct set *set = *state;
    assert_int_equal(create(set, "e1", "one"), 201);
    assert_int_equal(create(set, "e1", "one"), 201);
    assert_int_equal(create(set, "e1", "two"), 409);
    world_api(set->w, "GET", EVENTS "/e1", NULL);
    assert_string_equal(cor_json_str_at(set->w->body, "message", ""), "one");
}

#define PODS "/api/v1/namespaces/default/pods"

struct pod_of {
    struct set *set;
    const char *uid;
};

static uint64_t patch_status(struct set *set, const char *uid, const char *ips)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{\"metadata\":{\"uid\":\"%s\"},\"status\":{\"podIPs\":[%s]}}", uid, ips);
    return ask(set, PX_VERB_PATCH, "default/podpatch/p", body);
}

static bool is_the_nodes(void *self)
{
    const struct pod_of *pod = self;
    return patch_status(pod->set, pod->uid, "{\"ip\":\"10.0.0.1\"}") != 403;
}

/* The node's Pod p, which is known to be the node's. Returns its uid, owned. */
static char *make_pod(struct set *set)
{
    world_api(set->w, "POST", PODS,
              "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"
              "\"name\":\"c\",\"image\":\"i:1\"}]}}");
    assert_int_equal(set->w->status, 201);
    char *uid = cor_strdup(cor_json_str_at(set->w->body, "metadata.uid", ""));
    struct pod_of pod = {set, uid};
    world_poll(set->w, is_the_nodes, &pod);
    assert_int_equal(set->answer.status, 200);
    return uid;
}

/* A success without what nobody reads; a refusal says why all the same. */
static void a_brief_answer_has_no_body(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *uid = make_pod(set);
    assert_true(set->answer.body.len > 0);
    set->brief = true;
    assert_int_equal(patch_status(set, uid, "{\"ip\":\"10.0.0.1\"}"), 200);
    assert_int_equal(set->answer.body.len, 0);
    assert_int_equal(patch_status(set, uid, "{\"ip\":\"10.0.0.2\"}"), 422);
    assert_true(set->answer.body.len > 0);
}

static void surplus(struct set *set, const char *key, const char *uid)
{
    auto_(cor_freep) char *path = cor_sprintf("n1/%s", key);
    struct px_node_surplus body = {.path = cor_view_of(path),
                                   .node = COR_VIEW("n1"),
                                   .key = cor_view_of(key),
                                   .uid = cor_view_of(uid)};
    assert_int_equal(cor_send(set->w->hub, PX_node_surplus, &body), COR_OK);
}

static bool three_are_gone(void *self)
{
    return ((struct set *)self)->w->gone >= 3;
}

/* What a node has besides what it was sent goes when the API has it no more, or not there; what the
 * API has, or does not know of, stays. */
static void surplus_goes_by_the_word_of_the_api(void **state)
{
    static const char *const GONE[] = {"gone n1 default/pod/p of-before ",
                                       "gone n1 default/configmap/absent u1 ",
                                       "gone n1 default/pod/elsewhere "};
    struct set *set = *state;
    auto_(cor_freep) char *uid = make_pod(set);
    world_api(
        set->w, "POST", PODS,
        "{\"metadata\":{\"name\":\"elsewhere\"},\"spec\":{\"nodeName\":\"n2\",\"containers\":[{"
        "\"name\":\"c\",\"image\":\"i:1\"}]}}");
    auto_(cor_freep) char *other = cor_strdup(cor_json_str_at(set->w->body, "metadata.uid", ""));
    surplus(set, "default/pod/p", uid);
    surplus(set, "default/device/d", "u2"); /* there is no such kind here */
    surplus(set, "default/pod/p", "of-before");
    surplus(set, "default/configmap/absent", "u1");
    surplus(set, "default/pod/elsewhere", other);
    world_until(set->w, three_are_gone, set);
    stage_idle(set->w->stage, 100);
    assert_int_equal(set->w->gone, 3);
    for (size_t i = 0; i < COR_COUNT(GONE); i++) {
        assert_non_null(strstr(set->w->objects.data, GONE[i]));
    }
    assert_int_equal(set->w->synced, 0); /* without devices' kinds nothing is complete */
}

/* A node is told that its Pod is gone when it is, not when the API takes offence at its status. */
static void a_refused_status_deletes_nothing(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *uid = make_pod(set);
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
        T(a_lost_answer_is_no_failure),         T(a_repeated_create_is_the_first),
        T(a_refused_status_deletes_nothing),    T(a_brief_answer_has_no_body),
        T(surplus_goes_by_the_word_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
