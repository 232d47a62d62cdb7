// SPDX-License-Identifier: Apache-2.0
// Several replicas of the cloud side: claims of nodes, streams of nodes that are lost, and requests
// for nodes that another replica has.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/asks.h"

#define NODE "/api/v1/nodes/k1"

struct set {
    struct world *w;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(true);
    set->w->replica = true;
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"k1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
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

static void link_of(struct set *set, const char *node, uint64_t epoch, uint64_t claim, bool claimed)
{
    struct px_node_session session = {
        .node = cor_view_of(node), .up = true, .epoch = epoch, .claim = claim, .claimed = claimed};
    assert_int_equal(cor_send(set->w->hub, PX_node_session, &session), COR_OK);
}

static void expect(struct set *set, const char *line)
{
    world_told(set->w, &set->w->owners, line);
}

static const char *note(struct set *set, const char *key)
{
    world_api(set->w, "GET", NODE, NULL);
    return cor_json_as_str(cor_json_get(cor_json_at(set->w->body, "metadata.annotations"), key),
                           "");
}

static void steal(struct set *set)
{
    world_patch(set->w, NODE,
                "{\"metadata\":{\"annotations\":{\"cloudcore\":\"127.0.0.9\",\"coracle.io/link\":"
                "\"127.0.0.9/00000000000000ff\"}}}");
    assert_int_equal(set->w->status, 200);
}

static void the_last_claim_has_the_node(void **state)
{
    struct set *set = *state;
    link_of(set, "k1", 1, 0xab, false);
    expect(set, "k1 1 has\n");
    assert_string_equal(note(set, "cloudcore"), "127.0.0.1");
    assert_string_equal(note(set, "coracle.io/link"), "127.0.0.1/00000000000000ab");
    link_of(set, "k1", 2, 0xac, false); /* a second link here: it claims anew */
    expect(set, "k1 2 has\n");
    assert_null(strstr(set->w->owners.data, "lost"));
    steal(set);
    expect(set, "k1 2 lost\n");
    link_of(set, "k1", 3, 0xad, false);
    expect(set, "k1 3 has\n");
    assert_string_equal(note(set, "coracle.io/link"), "127.0.0.1/00000000000000ad");
}

/* One that restarts does not take back what another has taken meanwhile. */
static void a_controller_that_restarts_looks_first(void **state)
{
    struct set *set = *state;
    link_of(set, "k1", 1, 0xab, false);
    expect(set, "k1 1 has\n");
    world_kill(set->w);
    cor_buf_clear(&set->w->owners);
    link_of(set, "k1", 1, 0xab, true);
    world_patch(set->w, NODE, "{\"metadata\":{\"labels\":{\"x\":\"y\"}}}");
    (void)stage_end(set->w->controller, SIGKILL);
    steal(set);
    world_start(set->w);
    assert_int_equal(set->w->owners.len, 0); /* it was its own until then */
    link_of(set, "k1", 1, 0xab, true);
    expect(set, "k1 1 lost\n");
    assert_string_equal(note(set, "cloudcore"), "127.0.0.9");
}

static void a_node_without_a_node_is_claimed_later(void **state)
{
    struct set *set = *state;
    link_of(set, "k2", 1, 0x1, false);
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"k2\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
    assert_int_equal(set->w->status, 201);
    expect(set, "k2 1 has\n");
    cor_buf_clear(&set->w->owners);
    world_api(set->w, "DELETE", "/api/v1/nodes/k2", NULL);
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"k2\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
    expect(set, "k2 1 has\n"); /* another Node of that name: nobody's yet */
}

/* What STREAM_ROUTE was answered: "STATUS NODE REPLICA". */
static void on_routed(void *self, const void *body, const struct cor_err *err)
{
    const struct px_stream_routed *routed = body;
    struct cor_buf *said = self;
    (void)err;
    assert_non_null(routed);
    cor_buf_fmt(said, "%d %.*s %.*s", (int)routed->status, COR_VIEW_ARG(routed->node),
                COR_VIEW_ARG(routed->replica));
}

static bool is_routed(void *self)
{
    return ((struct cor_buf *)self)->len > 0;
}

struct routing {
    struct set *set;
    struct cor_buf said;
    const char *wanted;
};

static bool is_routed_so(void *self)
{
    struct routing *r = self;
    struct cor_view masters[] = {COR_VIEW("system:masters")};
    struct px_stream_route route = {.user = COR_VIEW("admin"),
                                    .groups = {.items = masters, .count = 1},
                                    .method = COR_VIEW("GET"),
                                    .path = COR_VIEW("/metrics"),
                                    .host = COR_VIEW("k1")};
    cor_buf_clear(&r->said);
    assert_int_equal(
        cor_call(r->set->w->hub, PX_stream_route, &route, COR_SEC(60), on_routed, &r->said),
        COR_OK);
    world_until(r->set->w, is_routed, &r->said);
    return strcmp(r->said.data, r->wanted) == 0;
}

/* Until the API's watch has brought what was written. */
static void expect_route(struct set *set, const char *wanted)
{
    struct routing routing = {.set = set, .wanted = wanted};
    bool so = stage_poll(set->w->stage, is_routed_so, &routing);
    auto_(cor_buf_free) struct cor_buf said = routing.said;
    if (!so) {
        fail_msg("routed to %s, not %s", said.data, wanted);
    }
}

/* Who is asked about a node that another one has says so. */
static void requests_are_sent_where_the_node_is(void **state)
{
    struct set *set = *state;
    link_of(set, "k1", 1, 0xab, false);
    expect(set, "k1 1 has\n");
    expect_route(set, "200 k1 ");
    steal(set);
    expect_route(set, "200 k1 127.0.0.9");
    link_of(set, "k1", 2, 0xac, false);
    expect_route(set, "200 k1 ");
}

struct arrival {
    struct target *t;
    int requests;
};

static bool has_arrived(void *self)
{
    const struct arrival *arrival = self;
    return arrival->t->requests >= arrival->requests;
}

/* What waits for its target is the next replica's to post. */
static void what_a_lost_node_has_here_is_dropped(void **state)
{
    struct set *set = *state;
    struct target t = {0};
    struct stream s = {0};
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
    expect(set, "n1 1 has\n");
    target_open(&t, set->w, 0);
    t.failing = 1000000;
    t.fail_status = 503;
    world_rule(set->w, "up", "t", t.url, "");
    stream_open(&s, set->w, 1, "t");
    stream_send(&s, 5);
    struct arrival first = {&t, 1};
    world_until(set->w, has_arrived, &first);
    world_patch(set->w, "/api/v1/nodes/n1",
                "{\"metadata\":{\"annotations\":{\"coracle.io/link\":\"127.0.0.9/1\"}}}");
    expect(set, "n1 1 lost\n");
    int before = t.requests;
    stage_idle(set->w->stage, 600);                  /* three of its longest pauses */
    assert_in_range(t.requests, before, before + 1); /* one that was under way */
    assert_int_equal(s.acked, 0);
    stream_close(&s);
    target_free(&t);
}

struct count {
    struct set *set;
    int64_t wanted;
};

static bool is_counted(void *self)
{
    const struct count *count = self;
    struct set *set = count->set;
    world_api(set->w, "GET", "/apis/rules.kubeedge.io/v1/namespaces/default/rules/up", NULL);
    return cor_json_int_at(set->w->body, "status.successMessages", 0) == count->wanted;
}

static void until_counted(struct set *set, int64_t count)
{
    struct count wanted = {set, count};
    world_poll(set->w, is_counted, &wanted);
}

/* Both add to the counts of a rule. */
static void rules_are_counted_together(void **state)
{
    struct set *set = *state;
    struct target t = {0};
    struct stream s = {0};
    target_open(&t, set->w, 0);
    world_rule(set->w, "up", "t", t.url, "");
    stream_open(&s, set->w, 1, "t");
    stream_send(&s, 3);
    world_until(set->w, stream_is_done, &s);
    until_counted(set, 3);
    world_patch(set->w, "/apis/rules.kubeedge.io/v1/namespaces/default/rules/up",
                "{\"status\":{\"successMessages\":103,\"failMessages\":0,\"errors\":[]}}");
    assert_int_equal(set->w->status, 200);
    stream_send(&s, 2);
    world_until(set->w, stream_is_done, &s);
    until_counted(set, 105);
    stream_close(&s);
    target_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_claim_has_the_node, setup, teardown),
        cmocka_unit_test_setup_teardown(a_controller_that_restarts_looks_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_node_without_a_node_is_claimed_later, setup, teardown),
        cmocka_unit_test_setup_teardown(requests_are_sent_where_the_node_is, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_lost_node_has_here_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_are_counted_together, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
