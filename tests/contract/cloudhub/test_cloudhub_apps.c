// SPDX-License-Identifier: Apache-2.0
// What the API of an EdgeCore's node asks, and what it watches.
#include "common/base/text.h"
#include "tests/contract/cloudhub/harness.h"

#define ROUTE                                                                                      \
    "\"source\":\"metaserver\",\"group\":\"dynamiccontroller\",\"operation\":\"null\","            \
    "\"resource\":\"null\""
#define SYNC                                                                                       \
    "\"source\":\"metaserver\",\"group\":\"dynamiccontroller\",\"operation\":\"null\","            \
    "\"resource\":\"watchapp/sync\""

/* Returns owned. */
static char *app(const char *id, const char *verb, const char *key, const char *option)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_base64(&text, cor_view_of(option));
    return cor_sprintf("{\"ID\":\"%s\",\"Key\":\"%s\",\"Verb\":\"%s\",\"Nodename\":\"other\","
                       "\"Option\":\"%s\",\"ReqBody\":null,\"Subresource\":\"\",\"RespBody\":null,"
                       "\"Status\":\"InApplying\",\"Reason\":\"\",\"Error\":{},\"Timestamp\":"
                       "\"0001-01-01T00:00:00Z\"}",
                       id, key, verb, text.data);
}

struct case_ {
    struct set *set;
    struct node node;
    struct identity n1;
    size_t frames;
};

/* Says an Application and reads its answer; free with px_kubeedge_in_free. */
static void ask(struct case_ *c, const char *verb, const char *key, const char *option,
                struct px_kubeedge_in *in)
{
    auto_(cor_freep) char *content = app(key, verb, key, option);
    hub_say(&c->node, "a1", "", ROUTE, content);
    hub_frame(&c->node, c->frames++, in);
    assert_string_equal(in->parent, "a1");
    assert_string_equal(in->source, "dynamiccontroller");
    assert_string_equal(in->group, "resource");
    assert_string_equal(in->operation, "applicationResponse");
    assert_string_equal(in->resource, "ignore/Application/ignore");
    assert_string_equal(cor_json_str_at(in->content, "Nodename", ""), "n1");
}

static void expect_status(struct case_ *c, const char *verb, const char *key, const char *option,
                          const char *status, int code)
{
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    ask(c, verb, key, option, &in);
    assert_string_equal(cor_json_str_at(in.content, "Status", ""), status);
    assert_int_equal(cor_json_int_at(in.content, "Error.ErrStatus.code", 0), code);
}

static void begin(struct case_ *c, struct set *set)
{
    c->set = set;
    hub_enrol(set, "n1", &c->n1);
    hub_dial_as(set, &c->node, &c->n1, "n1", "msg");
    assert_true(c->node.opened);
}

static void end(struct case_ *c)
{
    hub_end(&c->node);
    hub_identity_free(&c->n1);
}

static void questions_become_the_controllers(void **state)
{
    struct case_ c = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in got = {0};
    begin(&c, *state);
    ask(&c, "list", "/core/v1/services/null/null", "{\"labelSelector\":\"a=b\"}", &got);
    assert_string_equal(cor_json_str_at(got.content, "RespBody", ""), "eyJraW5kIjoiVGhpbmcifQ==");
    expect_status(&c, "get", "/core/v1/configmaps/default/m", "{}", "Approved", 0);
    expect_status(&c, "get", "/version", "{}", "Approved", 0);
    assert_string_equal(c.set->asks.data, "2 |v1 services   a=b\n1 |v1 configmaps default m \n"
                                          "1 /version|    \n");
    c.set->reply_status = 404;
    c.set->reply_body = "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\"}";
    expect_status(&c, "get", "/core/v1/configmaps/default/x", "{}", "Rejected", 404);
    end(&c);
}

static void nodes_write_only_what_is_theirs(void **state)
{
    struct case_ c = {0};
    begin(&c, *state);
    expect_status(&c, "create", "/core/v1/configmaps/default/null", "{}", "Rejected", 403);
    expect_status(&c, "delete", "/core/v1/secrets/default/s", "{}", "Rejected", 403);
    expect_status(&c, "patch", "/core/v1/nodes/null/n2",
                  "{\"PatchType\":\"application/merge-patch+json\",\"Data\":\"e30=\","
                  "\"Subresources\":[\"status\"]}",
                  "Rejected", 403);
    expect_status(&c, "exec", "/core/v1/pods/default/p", "{}", "Rejected", 403);
    expect_status(&c, "list", "/core/v1/pods/default/null", "no JSON", "Rejected", 403);
    assert_int_equal(c.set->asks.len + c.set->calls.len, 0);
    expect_status(&c, "delete", "/core/v1/pods/default/p", "{}", "Approved", 0);
    assert_string_equal(c.set->calls.data, "n1 6 default/pod/p {}\n");
    end(&c);
}

static bool is_told_twice(void *arg)
{
    return ((struct set *)arg)->watches_told >= 2;
}

static bool is_told_thrice(void *arg)
{
    return ((struct set *)arg)->watches_told >= 3;
}

static bool is_told_again(void *arg)
{
    return ((struct set *)arg)->watches_told >= 4;
}

static void watches_are_kept(void **state)
{
    struct case_ c = {0};
    struct set *set = *state;
    begin(&c, set);
    expect_status(&c, "watch", "/core/v1/services/a/null", "{\"labelSelector\":\"a=b\"}",
                  "Approved", 0);
    set->reply_status = 403;
    set->reply_body = "{\"kind\":\"Status\",\"code\":403}";
    expect_status(&c, "watch", "/apps/v1/deployments/null/null", "{}", "Rejected", 403);
    assert_string_equal(set->watches.data, "v1 services a a=b\n");
    hub_controller_goes(set);
    hub_controller_comes(set); /* it has forgotten */
    hub_wait(set, is_told_twice, set);
    assert_string_equal(set->watches.data, "v1 services a a=b\n");
    auto_(cor_freep) char *one = app("w", "watch", "/core/v1/endpoints/null/null", "{}");
    auto_(cor_freep) char *bad = app("b", "list", "/core/v1/endpoints/null/null", "{}");
    auto_(cor_freep) char *all = cor_sprintf("{\"w\":%s,\"b\":%s}", one, bad);
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    hub_say(&c.node, "s1", "", SYNC, all);
    hub_frame(&c.node, c.frames++, &in);
    assert_string_equal(in.parent, "s1");
    assert_string_equal(in.resource, "watchapp/sync");
    assert_int_equal(cor_json_count(in.content), 1);
    assert_string_equal(cor_json_str_at(in.content, "b.Status", ""), "Rejected");
    hub_wait(set, is_told_thrice, set);
    assert_string_equal(set->watches.data, "v1 endpoints  \n");
    hub_end(&c.node);
    hub_dial_as(set, &c.node, &c.n1, "n1", "msg"); /* nor does it say them again */
    hub_wait(set, is_told_again, set);
    assert_string_equal(set->watches.data, "v1 endpoints  \n");
    end(&c);
}

static void without_a_controller_it_is_said(void **state)
{
    struct case_ c = {0};
    begin(&c, *state);
    hub_controller_goes(c.set);
    for (int i = 0; i < 2; i++) {
        expect_status(&c, "list", "/core/v1/pods/default/null", "{}", "Rejected", 503);
    }
    hub_controller_comes(c.set);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(questions_become_the_controllers, hub_setup, hub_teardown),
        cmocka_unit_test_setup_teardown(nodes_write_only_what_is_theirs, hub_setup, hub_teardown),
        cmocka_unit_test_setup_teardown(watches_are_kept, hub_setup, hub_teardown),
        cmocka_unit_test_setup_teardown(without_a_controller_it_is_said, hub_setup, hub_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
