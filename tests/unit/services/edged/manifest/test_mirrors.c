// SPDX-License-Identifier: Apache-2.0
// Mirrors of static Pods, with a stand-in for metamanager: calls are noted, the test gives the
// answers.
#include "services/edged/manifest/mirrors.h"

#include "../agent_set.h"
#include "services/edged/manifest/manifest.h"

#define KEY "default/pod/web-n1"

static struct agent_asked asked;

struct set {
    struct agent_set base;
    struct agent_pod *pod; /* static, default/web-n1 */
};

static void put_static(struct set *set)
{
    struct cor_json *object = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (manifest_read(COR_VIEW("{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: "
                               "{containers: [{name: c, image: i}]}}"),
                      "/m/web", "n1", (struct cor_wall){0}, &object, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
    agent_put_static(&set->base.agent, object);
    cor_json_free(&object);
    set->pod = agent_find_static(&set->base.agent, KEY);
    assert_non_null(set->pod);
    run_seen_all(set->pod->run, cor_loop_now(set->base.agent.loop));
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct agent *agent = &set->base.agent;
    agent_set_open(&set->base, &asked);
    set->base.cfg.status_seconds = 3600;
    agent->desired_known = true;
    agent->registrar = registrar_new(agent);
    registrar_node(agent->registrar, COR_VIEW("{\"metadata\":{\"uid\":\"node-uid\"}}"));
    agent->mirrors = mirrors_new(agent);
    put_static(set);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    mirrors_free(&set->base.agent.mirrors);
    registrar_free(&set->base.agent.registrar);
    agent_set_close(&set->base);
    cor_free(set);
    return 0;
}

/* What the API has when the node has made it: the body with this uid, and this hash ("": its own).
 * Returns owned. */
static struct cor_json *made(const char *uid, const char *hash)
{
    struct cor_json *object = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(asked.body), sizeof(asked.body), 0, &object, NULL),
                     COR_OK);
    cor_json_set_at(object, "metadata.uid", cor_json_str(uid));
    cor_json_set_at(object, "status.phase", cor_json_str("Pending"));
    if (hash[0] != '\0') {
        cor_json_set(cor_json_at(object, "metadata.annotations"), "kubernetes.io/config.mirror",
                     cor_json_str(hash));
    }
    return object;
}

static void answer(int status, const struct cor_json *body)
{
    auto_(cor_freep) char *text = body == NULL ? cor_strdup("") : cor_json_text(body);
    asked.fn(asked.self, status, cor_view_of(text));
}

static void expect_call(size_t count, enum px_verb verb, const char *key)
{
    assert_int_equal(asked.calls, count);
    assert_int_equal(asked.verb, verb);
    assert_string_equal(asked.key, key);
}

/* Nothing is reported before there is a mirror, then all to it; not without a link or a Node. */
static void a_mirror_is_made_and_reported_to(void **state)
{
    struct set *set = *state;
    report(set->pod);
    assert_int_equal(asked.calls, 0);
    set->base.agent.link = false;
    mirrors_look(set->base.agent.mirrors, KEY);
    assert_int_equal(asked.calls, 0);
    set->base.agent.link = true;
    mirrors_look_at_all(set->base.agent.mirrors);
    expect_call(1, PX_VERB_CREATE, KEY);
    mirrors_look_at_all(set->base.agent.mirrors);
    assert_int_equal(asked.calls, 1); /* one is under way */
    auto_(cor_json_free) struct cor_json *mirror = made("m1", "");
    answer(201, mirror);
    assert_string_equal(set->pod->mirror, "m1");
    report(set->pod);
    expect_call(2, PX_VERB_PATCH, "default/podpatch/web-n1");
    assert_non_null(strstr(asked.body, "{\"metadata\":{\"uid\":\"m1\"}"));
}

/* Refused, it is tried again later, not at once; somebody who changes what is made is not fought
 * at full speed either. */
static void tries_are_apart(void **state)
{
    struct set *set = *state;
    mirrors_look(set->base.agent.mirrors, KEY);
    answer(403, NULL);
    mirrors_look(set->base.agent.mirrors, KEY);
    assert_int_equal(asked.calls, 1);
    cor_loop_run(set->base.agent.loop); /* until it asks again */
    expect_call(2, PX_VERB_CREATE, KEY);
    auto_(cor_json_free) struct cor_json *mirror = made("m1", "another");
    answer(201, mirror);
    assert_int_equal(asked.calls, 2);
    assert_null(set->pod->mirror);
    cor_loop_run(set->base.agent.loop);
    expect_call(3, PX_VERB_DELETE, KEY);
    assert_non_null(strstr(asked.body, "\"uid\":\"m1\""));
}

/* The answer to a status that went to an old mirror says nothing about the new one. */
static void a_new_mirror_is_told_everything(void **state)
{
    struct set *set = *state;
    mirrors_look(set->base.agent.mirrors, KEY);
    auto_(cor_json_free) struct cor_json *first = made("m1", "");
    answer(201, first);
    report(set->pod);
    expect_call(2, PX_VERB_PATCH, "default/podpatch/web-n1");
    auto_(cor_freep) char *since = cor_strdup(cor_json_str_at(set->pod->sending, "startTime", ""));
    meta_fn told = asked.fn;
    cor_json_set_at(first, "metadata.uid", cor_json_str("m2"));
    mirrors_put(set->base.agent.mirrors, COR_VIEW(KEY), first);
    assert_string_equal(set->pod->mirror, "m2");
    told(set->pod, 404, COR_VIEW(""));
    assert_null(set->pod->sending);
    report(set->pod);
    expect_call(3, PX_VERB_PATCH, "default/podpatch/web-n1");
    assert_non_null(strstr(asked.body, "{\"metadata\":{\"uid\":\"m2\"}"));
    assert_string_equal(cor_json_str_at(set->pod->sending, "startTime", ""), since);
}

/* Its Pod ends: the mirror shows that, and goes with it. One that goes meanwhile stays away. */
static void a_mirror_goes_with_its_pod(void **state)
{
    struct set *set = *state;
    mirrors_look(set->base.agent.mirrors, KEY);
    auto_(cor_json_free) struct cor_json *mirror = made("m1", "");
    answer(201, mirror);
    agent_drop_static(&set->base.agent, KEY);
    mirrors_look(set->base.agent.mirrors, KEY);
    assert_int_equal(asked.calls, 1);
    mirrors_gone(set->base.agent.mirrors, COR_VIEW(KEY), COR_VIEW("other"));
    mirrors_gone(set->base.agent.mirrors, COR_VIEW(KEY), COR_VIEW("m1"));
    assert_int_equal(asked.calls, 1);
    mirrors_put(set->base.agent.mirrors, COR_VIEW(KEY), mirror);
    (void)cor_map_del(set->base.agent.pods, cor_view_of(set->pod->uid));
    mirrors_look(set->base.agent.mirrors, KEY);
    expect_call(2, PX_VERB_DELETE, KEY);
    answer(200, NULL);
    mirrors_look(set->base.agent.mirrors, KEY);
    assert_int_equal(asked.calls, 2);
}

/* The cloud's list names no mirror: the Pod stays, and gets one. */
static void no_list_ends_a_static_pod(void **state)
{
    struct set *set = *state;
    mirrors_look(set->base.agent.mirrors, KEY);
    auto_(cor_json_free) struct cor_json *mirror = made("m1", "");
    answer(201, mirror);
    agent_session_begin(&set->base.agent);
    set->base.agent.listed = false; /* nobody to be asked what runs */
    agent_session_done(&set->base.agent);
    assert_true(set->pod->desired && set->pod->run->want == RUN_WANT_RUN);
    expect_call(2, PX_VERB_CREATE, KEY);
    agent_drop_pod(&set->base.agent, COR_VIEW(KEY), (struct cor_view){0});
    assert_true(set->pod->desired && set->pod->run->want == RUN_WANT_RUN);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_mirror_is_made_and_reported_to), T(tries_are_apart),
        T(a_new_mirror_is_told_everything),  T(a_mirror_goes_with_its_pod),
        T(no_list_ends_a_static_pod),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
