// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgehub/harness.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "proto/kubeedge/id.h"

static void enrols_and_connects(void **state)
{
    struct set *set = *state;
    edge_start(set, NULL);
    edge_connected(set, 1);
    assert_int_equal(set->signed_certs, 1);
    assert_string_equal(set->headers, "n1 proj msg");
    edge_seen(set, PEER_META, "link n1 up");
    edge_seen(set, PEER_TWIN, "link n1 up");
    edge_seen(set, PEER_BUS, "link n1 up");
    auto_(cor_freep) char *token = cor_sprintf("%s/token", set->dir);
    auto_(cor_freep) char *identity = cor_sprintf("%s/id/identity.pem", set->dir);
    struct stat st;
    assert_int_not_equal(access(token, F_OK), 0); /* used up */
    assert_int_equal(stat(identity, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static bool has_three_keepalives(void *arg)
{
    return ((struct set *)arg)->keepalives >= 3;
}

static void sends_keepalives(void **state)
{
    struct set *set = *state;
    set->keepalive_ms = 200;
    edge_start(set, NULL);
    edge_wait(set, has_three_keepalives, set);
    assert_int_equal(set->connections, 1);
}

/* More than 90 % of its life is over: the node asks anew with what it has, and comes back with it.
 */
static void renews_with_its_certificate(void **state)
{
    struct set *set = *state;
    set->life_s = 8; /* and ten minutes before */
    edge_start(set, NULL);
    edge_connected(set, 2);
    assert_int_equal(set->signed_certs, 2);
    assert_int_equal(set->renewals, 1);
}

static bool log_has(void *arg)
{
    void **args = arg;
    auto_(cor_freep) char *log = test_read(((struct set *)args[0])->dir, "log");
    return strstr(log, args[1]) != NULL;
}

/* faults: a server in the middle has another CA than the token names. */
static void refuses_another_ca(void **state)
{
    struct set *set = *state;
    void *args[] = {set, (void *)(uintptr_t) "not the one the token names"};
    set->lie = true;
    edge_start(set, NULL);
    edge_wait(set, log_has, args);
    assert_int_equal(set->signed_certs, 0);
    assert_int_equal(set->connections, 0);
}

#define DOWN(id, parent, version, source, group, operation, resource, content)                     \
    "{\"header\":{\"msg_id\":\"" id "\",\"parent_msg_id\":\"" parent                               \
    "\",\"timestamp\":1,\"resourceversion\":\"" version "\"},\"route\":{\"source\":\"" source      \
    "\",\"group\":\"" group "\",\"operation\":\"" operation "\",\"resource\":\"" resource          \
    "\"},\"content\":" content "}\n"

#define POD                                                                                        \
    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"uid\":\"u1\",\"resourceVersion\":\"7\"}}"

static void stored(struct set *set, const char *key, const char *version, const char *error)
{
    struct px_object_stored body = {.key = cor_view_of(key),
                                    .uid = COR_VIEW("u1"),
                                    .version = cor_view_of(version),
                                    .id = set->object_id,
                                    .error = cor_view_of(error)};
    assert_int_equal(cor_send(set->peers.ports[PEER_META], PX_object_stored, &body), COR_OK);
}

static void acknowledges_after_the_store(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in first = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in ack = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_say(set,
             DOWN("m1", "", "7", "edgecontroller", "resource", "insert", "default/pod/p", POD));
    edge_seen(set, PEER_META,
              "object default/pod/p uid=u1 v=7 src=edgecontroller {\"kind\":\"Pod\"");
    /* an answer to something else comes back before the store has said yes: so the ack was not sent
     */
    edge_say(set, DOWN("c1", "", "", "x", "y", "ping", "z", "null"));
    edge_frame(set, 0, &first);
    assert_string_equal(first.parent, "c1");
    stored(set, "default/pod/p", "7", "");
    edge_frame(set, 1, &ack);
    assert_string_equal(ack.parent, "m1");
    assert_string_equal(ack.operation, "response");
    assert_string_equal(ack.source, "edgecontroller");
    assert_string_equal(ack.group, "resource");
    assert_string_equal(ack.resource, "default/pod/p");
    assert_string_equal(cor_json_as_str(ack.content, ""), "OK");
}

static void other_things_that_come_down(void **state)
{
    struct set *set = *state;
    char id[COR_UUID_LEN + 1];
    edge_start(set, NULL);
    edge_connected(set, 1);
    /* an object as a string; the cause crosses the link */
    px_kubeedge_id_to_uuid(4711, 0, id);
    auto_(cor_freep) char *text = cor_sprintf("{\"header\":{\"msg_id\":\"%s\",\"resourceversion\":"
                                              "\"8\"},\"route\":{\"source\":\"s\",\"group\":"
                                              "\"resource\",\"operation\":\"update\",\"resource\":"
                                              "\"default/configmap/c\"},\"content\":\"{"
                                              "\\\"a\\\":1}\"}",
                                              id);
    edge_say(set, text);
    edge_seen(set, PEER_META, "object default/configmap/c uid= v=8 src=s {\"a\":1}");
    assert_int_equal(set->object_cause, 4711);
    edge_say(set,
             DOWN("d1", "", "", "edgecontroller", "resource", "delete", "default/pod/p", "null"));
    edge_seen(set, PEER_META, "object default/pod/p!");
    /* refused by the store: told, not acknowledged */
    stored(set, "default/pod/p", "", "disk full");
    auto_(px_kubeedge_in_free) struct px_kubeedge_in error = {0};
    edge_frame(set, 0, &error);
    assert_string_equal(error.operation, "error");
    assert_string_equal(error.parent, "d1");
    /* what can be no object is acknowledged at once, or it would hold up the queue of a CloudCore
     */
    edge_say(set, DOWN("x1", "", "", "edgecontroller", "resource", "insert", "nonsense", "{}"));
    edge_say(set, DOWN("x2", "", "", "edgecontroller", "resource", "insert", "a/b/c", "\"text\""));
    edge_say(set, DOWN("x3", "", "", "edgecontroller", "resource", "explode", "a/b/c", "{}"));
    for (size_t i = 1; i <= 3; i++) {
        auto_(px_kubeedge_in_free) struct px_kubeedge_in ack = {0};
        edge_frame(set, i, &ack);
        assert_int_equal(ack.parent[1], '0' + (int)i);
        assert_string_equal(cor_json_as_str(ack.content, ""), "OK");
    }
    edge_say(set, DOWN("t1", "", "", "devicecontroller", "twin", "update", "membership",
                       "{\"added_devices\":[]}"));
    edge_seen(set, PEER_TWIN, "membership 0 {\"added_devices\":[]}");
    edge_say(set, DOWN("e1", "", "", "router_eventbus", "user", "publish", "a/b", "\"hello\""));
    edge_seen(set, PEER_BUS, "publish a/b hello");
    edge_say(set, DOWN("e2", "", "", "router_eventbus", "user", "subscribe", "ns/t", "null"));
    edge_seen(set, PEER_BUS, "subscribe ns/t 0");
}

/* The store dies and comes back: it gets at once what it has not acknowledged. */
static void returning_store_gets_what_it_missed(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in ack = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_say(set,
             DOWN("m1", "", "7", "edgecontroller", "resource", "insert", "default/pod/p", POD));
    edge_seen(set, PEER_META, "object default/pod/p ");
    edge_peer(set, PEER_META, false);
    edge_say(set,
             DOWN("m2", "", "7", "edgecontroller", "resource", "insert", "default/pod/q", POD));
    edge_say(set, DOWN("t1", "", "", "devicecontroller", "twin", "update", "membership", "{}"));
    edge_seen(set, PEER_TWIN, "membership");
    cor_buf_clear(&set->seen[PEER_META]);
    edge_peer(set, PEER_META, true);
    edge_seen(set, PEER_META, "object default/pod/p ");
    edge_seen(set, PEER_META, "object default/pod/q ");
    stored(set, "default/pod/q", "7", "");
    edge_frame(set, 0, &ack);
    assert_string_equal(ack.parent, "m2");
}

/* The cloud says a membership once; devicetwin may be dead without anyone knowing yet. */
static void membership_waits_for_the_twins(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in pong = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_peer(set, PEER_TWIN, false);
    edge_say(set, DOWN("t1", "", "", "devicecontroller", "twin", "update", "membership",
                       "{\"added_devices\":[1]}"));
    edge_say(set, DOWN("t2", "", "", "devicecontroller", "twin", "update", "membership",
                       "{\"added_devices\":[2]}"));
    edge_say(set, DOWN("c1", "", "", "x", "y", "ping", "z", "null"));
    edge_frame(set, 0, &pong);
    edge_peer(set, PEER_TWIN, true);
    edge_seen(set, PEER_TWIN,
              "membership 0 {\"added_devices\":[1]}\nmembership 0 {\"added_devices\":[2]}\n");
}

static void calls_go_up_and_are_answered(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in insert = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in query = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in ack = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    struct px_api_call call = {.verb = PX_VERB_CREATE,
                               .key = COR_VIEW("null/node/n1"),
                               .body = COR_VIEW("{\"kind\":\"Node\"}")};
    edge_call(set, PEER_META, PX_api_call, &call);
    edge_frame(set, 0, &insert);
    assert_string_equal(insert.source, "edged");
    assert_string_equal(insert.group, "meta");
    assert_string_equal(insert.operation, "insert");
    assert_string_equal(insert.resource, "null/node/n1");
    auto_(cor_freep) char *text =
        cor_sprintf(DOWN("a1", "%s", "", "edgecontroller", "resource", "response", "null/node/n1",
                         "{\"Object\":{\"metadata\":{}},\"Err\":null}"),
                    insert.id);
    edge_say(set, text);
    edge_answered(set);
    assert_int_equal(set->answer.status, 200);
    assert_non_null(strstr(set->answer.body.data, "\"kind\":\"Node\""));
    call = (struct px_api_call){.verb = PX_VERB_GET, .key = COR_VIEW("default/configmap/c")};
    edge_call(set, PEER_META, PX_api_call, &call);
    edge_frame(set, 1, &query);
    auto_(cor_freep) char *not_found = cor_sprintf(
        DOWN("a2", "%s", "9", "edgecontroller", "resource", "response", "default/configmap/c",
             "{\"ErrStatus\":{\"code\":404,\"reason\":\"NotFound\"}}"),
        query.id);
    edge_say(set, not_found);
    edge_answered(set);
    assert_int_equal(set->answer.status, 404);
    edge_frame(set, 2, &ack); /* an answer with a version is tracked by CloudHub */
    assert_string_equal(ack.parent, "a2");
    call = (struct px_api_call){.verb = PX_VERB_LIST, .key = COR_VIEW("default/pod")};
    edge_call(set, PEER_META, PX_api_call, &call);
    edge_answered(set);
    assert_int_equal(set->answer.status, 501);
}

static void reports_end_when_the_cloud_has_them(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in twin = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in state_in = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    struct px_device_report report = {.device = COR_VIEW("default/d1"),
                                      .kind = PX_REPORT_TWIN,
                                      .body = COR_VIEW("{\"twin\":{}}")};
    edge_call(set, PEER_TWIN, PX_device_report, &report);
    edge_frame(set, 0, &twin);
    assert_string_equal(twin.source, "twin");
    assert_string_equal(twin.resource, "device/default/d1/twin/edge_updated");
    assert_true(cor_json_is_object(twin.content));
    assert_false(set->answer.answered);
    auto_(cor_freep) char *ok = cor_sprintf(
        DOWN("o1", "%s", "", "devicecontroller", "twin", "response", "twin", "\"OK\""), twin.id);
    edge_say(set, ok);
    edge_answered(set);
    assert_int_equal(set->answer.code, COR_OK);
    report.kind = PX_REPORT_STATE;
    edge_call(set, PEER_TWIN, PX_device_report, &report);
    edge_frame(set, 1, &state_in);
    assert_string_equal(state_in.resource, "device/default/d1/state/update");
    assert_true(cor_json_is_string(state_in.content));
    /* The link goes: the report has not arrived, as far as anyone knows. */
    cor_ws_close(set->conn, 0, "test");
    edge_answered(set);
    assert_int_equal(set->answer.code, COR_GONE);
}

static void uploads_go_up(void **state)
{
    struct set *set = *state;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    edge_start(set, NULL);
    edge_connected(set, 1);
    edge_seen(set, PEER_BUS, "link n1 up");
    struct px_upload upload = {.topic = COR_VIEW("default/user/a"),
                               .payload = COR_VIEW("pay\"load")};
    assert_int_equal(cor_send(set->peers.ports[PEER_BUS], PX_upload, &upload), COR_OK);
    edge_frame(set, 0, &in);
    assert_string_equal(in.source, "bus");
    assert_string_equal(in.group, "user");
    assert_string_equal(in.operation, "upload");
    assert_string_equal(in.resource, "default/user/a");
    assert_string_equal(cor_json_as_str(in.content, ""), "pay\"load");
}

static void comes_back(void **state)
{
    struct set *set = *state;
    edge_start(set, NULL);
    edge_connected(set, 1);
    cor_ws_close(set->conn, 0, "test");
    edge_seen(set, PEER_META, "link n1 down");
    edge_connected(set, 2);
    edge_say(set, "no json"); /* as EdgeCore: the connection ends */
    edge_connected(set, 3);
    edge_say(set, "null");
    edge_connected(set, 4);
    assert_int_equal(set->signed_certs, 1);
}

static bool has_signed_twice(void *arg)
{
    return ((const struct set *)arg)->signed_certs >= 2;
}

/* The cloud side was made anew, say: a token put there is used, though there is an identity. */
static void a_new_token_makes_it_join_anew(void **state)
{
    struct set *set = *state;
    edge_start(set, NULL);
    edge_connected(set, 1);
    (void)test_process_stop(&set->hub, SIGTERM);
    edge_start(set, NULL);
    edge_wait(set, has_signed_twice, set);
    assert_int_equal(set->renewals, 0);
    edge_connected(set, 2);
}

/* A token of another cloud does not take away the identity that is there. */
static void a_refused_token_takes_nothing_away(void **state)
{
    struct set *set = *state;
    edge_start(set, NULL);
    edge_connected(set, 1);
    (void)test_process_stop(&set->hub, SIGTERM);
    edge_start(set, "0000000000000000000000000000000000000000000000000000000000000000");
    edge_connected(set, 2);
    assert_int_equal(set->signed_certs, 1);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, edge_setup, edge_teardown)
    const struct CMUnitTest tests[] = {
        T(enrols_and_connects),
        T(sends_keepalives),
        T(renews_with_its_certificate),
        T(refuses_another_ca),
        T(acknowledges_after_the_store),
        T(other_things_that_come_down),
        T(returning_store_gets_what_it_missed),
        T(membership_waits_for_the_twins),
        T(calls_go_up_and_are_answered),
        T(reports_end_when_the_cloud_has_them),
        T(uploads_go_up),
        T(comes_back),
        T(a_new_token_makes_it_join_anew),
        T(a_refused_token_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
