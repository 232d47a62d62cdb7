// SPDX-License-Identifier: Apache-2.0
// Pods of autonomous nodes are made to tolerate for ever that the node is away.
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/harness.h"

#define MARK "\"annotations\":{\"coracle.io/autonomous\":\"true\"}"

static int setup(void **state)
{
    *state = world_new(false);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    world_free(&w);
    return 0;
}

static void node(struct world *w, const char *name, const char *mark)
{
    auto_(cor_freep) char *body = cor_sprintf(
        "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}%s%s}}",
        name, mark[0] == '\0' ? "" : ",", mark);
    world_api(w, "POST", "/api/v1/nodes", body);
    assert_int_equal(w->status, 201);
}

/* extra: members of the spec, each with a comma before it. */
static void pod(struct world *w, const char *name, const char *node_name, const char *extra)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"%s\","
                    "\"automountServiceAccountToken\":false,\"containers\":[{\"name\":\"c\","
                    "\"image\":\"x\"}]%s}}",
                    name, node_name, extra);
    world_api(w, "POST", "/api/v1/namespaces/default/pods", body);
    assert_int_equal(w->status, 201);
}

/* Seconds that the Pod tolerates a taint: -1 for ever, -2 not at all. */
static int64_t seconds(struct world *w, const char *name, const char *taint)
{
    auto_(cor_freep) char *path = cor_sprintf("/api/v1/namespaces/default/pods/%s", name);
    world_api(w, "GET", path, NULL);
    const struct cor_json *list = cor_json_at(w->body, "spec.tolerations");
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, "key", ""), taint) == 0) {
            return cor_json_int_at(one, "tolerationSeconds", -1);
        }
    }
    return -2;
}

/* Asks again and again: each answer takes the server's time. */
static void expect(struct world *w, const char *name)
{
    int64_t end_us = cor_mono_now().us + COR_SEC(30);
    while (seconds(w, name, "node.kubernetes.io/unreachable") != -1 ||
           seconds(w, name, "node.kubernetes.io/not-ready") != -1) {
        assert_true(cor_mono_now().us < end_us);
    }
}

static void pods_of_marked_nodes_stay(void **state)
{
    struct world *w = *state;
    node(w, "a1", MARK);
    node(w, "a2", "");
    pod(w, "other", "a2", "");
    pod(w, "mine", "a1", "");
    pod(w, "wish", "a1",
        ",\"tolerations\":[{\"key\":\"node.kubernetes.io/unreachable\",\"operator\":\"Exists\","
        "\"effect\":\"NoExecute\",\"tolerationSeconds\":60}]");
    pod(w, "last", "a1", "");
    expect(w, "mine");
    expect(w, "last");
    assert_int_equal(seconds(w, "wish", "node.kubernetes.io/unreachable"), 60);
    assert_int_equal(seconds(w, "other", "node.kubernetes.io/unreachable"), 300);
}

static void a_node_that_is_marked_later_and_a_pod_bound_later(void **state)
{
    struct world *w = *state;
    node(w, "b1", "");
    pod(w, "early", "b1", "");
    world_patch(w, "/api/v1/nodes/b1", "{\"metadata\":{" MARK "}}");
    assert_int_equal(w->status, 200);
    expect(w, "early");
    world_api(w, "POST", "/api/v1/namespaces/default/pods",
              "{\"metadata\":{\"name\":\"late\"},\"spec\":{\"nodeSelector\":{\"no\":\"such\"},"
              "\"automountServiceAccountToken\":false,"
              "\"containers\":[{\"name\":\"c\",\"image\":\"x\"}]}}");
    assert_int_equal(w->status, 201);
    world_api(w, "POST", "/api/v1/namespaces/default/pods/late/binding",
              "{\"target\":{\"kind\":\"Node\",\"name\":\"b1\"},\"metadata\":{\"name\":\"late\"}}");
    assert_int_equal(w->status, 201);
    expect(w, "late");
}

/* Marked, then no more: what is there keeps what it has, what comes is as anywhere. */
static void a_mark_that_is_taken_away(void **state)
{
    struct world *w = *state;
    node(w, "c1", MARK);
    pod(w, "before", "c1", "");
    expect(w, "before");
    world_patch(w, "/api/v1/nodes/c1",
                "{\"metadata\":{\"annotations\":{\"coracle.io/autonomous\":\"false\"}}}");
    node(w, "c2", MARK); /* seen after that */
    pod(w, "seen", "c2", "");
    expect(w, "seen");
    pod(w, "after", "c1", "");
    pod(w, "proof", "c2", "");
    expect(w, "proof");
    expect(w, "before");
    assert_int_equal(seconds(w, "after", "node.kubernetes.io/unreachable"), 300);
}

/* One that was not there when Pods were bound sees to them when it comes. */
static void a_controller_that_was_away(void **state)
{
    struct world *w = *state;
    node(w, "d1", MARK);
    world_end(w);
    pod(w, "meanwhile", "d1", "");
    world_start(w);
    expect(w, "meanwhile");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pods_of_marked_nodes_stay),
        cmocka_unit_test(a_node_that_is_marked_later_and_a_pod_bound_later),
        cmocka_unit_test(a_mark_that_is_taken_away),
        cmocka_unit_test(a_controller_that_was_away),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
