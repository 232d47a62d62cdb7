// SPDX-License-Identifier: Apache-2.0
#include "services/edged/hold/hold.h"

#include "../fixture.h"
#include "services/edged/run/status.h"

#define MARKED "{'metadata':{'annotations':{'edge.kubeedge.io/hold-upgrade':'true'}}}"

static void new_pods_are_held(void **state)
{
    (void)state;
    static const struct {
        const char *object, *status;
        bool held;
    } ROWS[] = {
        {MARKED, "{}", true},
        {MARKED, "{'phase':'Pending'}", true},
        {MARKED, "{'phase':'Running'}", false},
        {MARKED, "{'phase':'Failed'}", false},
        {"{'metadata':{'annotations':{'edge.kubeedge.io/hold-upgrade':'false'}}}", "{}", false},
        {"{'metadata':{'annotations':{'edge.kubeedge.io/hold-upgrade':true}}}", "{}", false},
        {"{'metadata':{}}", "{}", false},
        {"{'metadata':{'deletionTimestamp':'t','annotations':{'edge.kubeedge.io/hold-upgrade':"
         "'true'}}}",
         "{}", false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *object = test_json(ROWS[i].object);
        auto_(cor_json_free) struct cor_json *status = test_json(ROWS[i].status);
        assert_int_equal(hold_begins(object, status), ROWS[i].held);
    }
}

/* The API keeps a condition until it is told to delete it. */
static void the_condition_goes(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of("{'containers':[{'name':'a','image':'i'}]}");
    auto_(run_free) struct run *run = run_new(pod);
    run->held = true;
    auto_(cor_json_free) struct cor_json *held =
        status_build(run, &test_facts, NULL, (struct cor_wall){0});
    auto_(cor_freep) char *text = cor_json_text(held);
    assert_non_null(strstr(text, "\"HeldUpgrade\""));
    assert_non_null(strstr(text, "Upgrade is currently held due to edge-hold-upgrade annotation"));
    run->held = false;
    auto_(cor_json_free) struct cor_json *released =
        status_build(run, &test_facts, held, (struct cor_wall){0});
    auto_(cor_json_free) struct cor_json *first = status_patch("u", released, held);
    auto_(cor_json_free) struct cor_json *second = status_patch("u", released, released);
    auto_(cor_freep) char *told = cor_json_text(first);
    auto_(cor_freep) char *then = cor_json_text(second);
    assert_non_null(strstr(told, "{\"$patch\":\"delete\",\"type\":\"HeldUpgrade\"}"));
    assert_null(strstr(then, "HeldUpgrade"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_pods_are_held),
        cmocka_unit_test(the_condition_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
