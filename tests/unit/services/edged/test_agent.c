// SPDX-License-Identifier: Apache-2.0
// What follows for Pods from what the cloud says, with a stand-in for metamanager: calls are
// noted, the test gives the answers. Nothing is asked of a runtime.
#include "agent_set.h"

static struct agent_asked asked;

static int setup(void **state)
{
    struct agent_set *set = cor_alloc(sizeof(*set));
    agent_set_open(set, &asked);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct agent_set *set = *state;
    agent_set_close(set);
    cor_free(set);
    return 0;
}

static struct agent_pod *put(struct agent *agent, const char *name, const char *uid)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{\"metadata\":{\"name\":\"%s\",\"namespace\":\"default\",\"uid\":\"%s\"},"
                    "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":\"i\"}"
                    "]}}",
                    name, uid);
    agent_put_pod(agent, (struct cor_view){0}, (struct cor_view){0}, cor_view_of(body));
    struct agent_pod *pod = agent_find(agent, uid);
    assert_non_null(pod);
    return pod;
}

/* It was deleted and made again while the node was away: only the new one is told. */
static void a_name_is_one_pods_at_a_time(void **state)
{
    struct agent_set *set = *state;
    struct agent_pod *old = put(&set->agent, "web", "u1");
    struct agent_pod *other = put(&set->agent, "db", "u2");
    struct agent_pod *new = put(&set->agent, "web", "u3");
    assert_false(old->desired);
    assert_int_equal(old->run->want, RUN_WANT_GONE);
    assert_true(old->dirty);
    assert_true(other->desired && other->run->want == RUN_WANT_RUN);
    assert_true(new->desired &&new->run->want == RUN_WANT_RUN);
}

/* The API has its status, and nothing has changed since. */
static struct agent_pod *reported(struct agent *agent)
{
    struct agent_pod *pod = put(agent, "web", "u1");
    report(pod);
    assert_int_equal(asked.calls, 1);
    assert_string_equal(asked.key, "default/podpatch/web");
    asked.fn(asked.self, 200, COR_VIEW("{}"));
    pod->dirty = false;
    report(pod);
    assert_int_equal(asked.calls, 1);
    return pod;
}

/* It was deleted at once while the node was away, and nobody tells: the API's answer does. */
static void a_pod_is_reported_again_when_the_link_is_back(void **state)
{
    struct agent_set *set = *state;
    struct agent_pod *pod = reported(&set->agent);
    report_at_once(&set->agent);
    assert_true(pod->dirty);
    report(pod);
    assert_int_equal(asked.calls, 2);
    asked.fn(asked.self, 404, COR_VIEW(""));
    report(pod);
    assert_int_equal(asked.calls, 2); /* once is enough */
}

static void a_pod_is_reported_again_after_a_while(void **state)
{
    struct agent_set *set = *state;
    struct agent_pod *pod = reported(&set->agent);
    report_old(&set->agent);
    assert_false(pod->dirty);
    pod->reported.us -= COR_SEC(set->cfg.report_seconds);
    report_old(&set->agent);
    assert_true(pod->dirty);
    report(pod);
    assert_int_equal(asked.calls, 2);
}

/* Not while there is no link: metamanager would only answer that. */
static void nothing_is_reported_again_without_a_link(void **state)
{
    struct agent_set *set = *state;
    struct agent_pod *pod = reported(&set->agent);
    set->agent.link = false;
    report_at_once(&set->agent);
    report(pod);
    assert_int_equal(asked.calls, 1);
}

static const char *phase_of_call(void)
{
    auto_(cor_json_free) struct cor_json *patch = NULL;
    static char text[400];
    assert_int_equal(cor_json_parse(cor_view_of(asked.body), 1 << 16, 0, &patch, NULL), COR_OK);
    (void)snprintf(text, sizeof(text), "%s %s %s", cor_json_str_at(patch, "status.phase", ""),
                   cor_json_str_at(patch, "status.reason", ""),
                   cor_json_str_at(patch, "status.message", ""));
    return text;
}

/* It is told in words that name the field, and when the user deletes it, it goes. */
static void a_pod_that_breaks_a_rule_has_failed(void **state)
{
    struct agent_set *set = *state;
    struct agent *agent = &set->agent;
    agent_put_pod(agent, (struct cor_view){0}, (struct cor_view){0},
                  COR_VIEW("{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":"
                           "\"u1\"},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":"
                           "\"c\",\"image\":7}]}}"));
    struct agent_pod *pod = agent_find(agent, "u1");
    assert_non_null(pod);
    report(pod);
    assert_string_equal(phase_of_call(),
                        "Failed InvalidPod spec.containers[0].image: Invalid value: \"integer\": "
                        "must be of type string");
    asked.fn(asked.self, 200, COR_VIEW("{}"));
    agent_put_pod(agent, (struct cor_view){0}, (struct cor_view){0},
                  COR_VIEW("{\"metadata\":{\"name\":\"web\",\"namespace\":\"default\",\"uid\":"
                           "\"u1\",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{"
                           "\"nodeName\":\"n1\",\"containers\":[{\"name\":\"c\",\"image\":7}]}}"));
    assert_int_equal(pod->run->want, RUN_WANT_GONE);
    pod->run->cleaned = true;
    report(pod);
    assert_string_equal(asked.key, "default/pod/web");
}

/* Nothing of the object can be read: the message's own words say whose it is. */
static void a_body_that_is_no_json_has_failed(void **state)
{
    struct agent_set *set = *state;
    agent_put_pod(&set->agent, COR_VIEW("default/pod/web"), COR_VIEW("u1"),
                  COR_VIEW("{\"spec\":{\"x\":99999999999999999999"));
    struct agent_pod *pod = agent_find(&set->agent, "u1");
    assert_non_null(pod);
    report(pod);
    assert_memory_equal(phase_of_call(), "Failed InvalidPod ", 18);
    agent_put_pod(&set->agent, COR_VIEW("default/pod/../x"), COR_VIEW("../u"), COR_VIEW("{"));
    assert_null(agent_find(&set->agent, "../u"));
}

/* No API server sends that, but a Pod that runs is not stopped for it. */
static void a_bad_update_changes_nothing(void **state)
{
    struct agent_set *set = *state;
    struct agent_pod *pod = put(&set->agent, "web", "u1");
    pod->mentioned = false;
    agent_put_pod(&set->agent, COR_VIEW("default/pod/web"), COR_VIEW("u1"), COR_VIEW("{"));
    assert_true(pod->desired && pod->mentioned && pod->run->want == RUN_WANT_RUN);
    assert_null(pod->run->over);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_name_is_one_pods_at_a_time),          T(a_pod_is_reported_again_when_the_link_is_back),
        T(a_pod_is_reported_again_after_a_while), T(nothing_is_reported_again_without_a_link),
        T(a_pod_that_breaks_a_rule_has_failed),   T(a_body_that_is_no_json_has_failed),
        T(a_bad_update_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
