// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/cloudhub/harness.h"

#include <signal.h>
#include <sys/wait.h>

#include "proto/kubeedge/id.h"
#include "proto/proto.h"
#include "tools/ctl/ctl.h"

static bool has_text(void *arg)
{
    return ((struct cor_buf *)arg)->len > 0;
}

/* faults A1: the certificate decides, not the header. */
static void identity_is_the_certificate(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    static const struct {
        const char *name;
        const char *use;
        bool accepted;
    } rows[] = {{"n2", "msg", false}, {"", "msg", false},   {"n1", "str", false},
                {"n1", "", false},    {"N1", "msg", false}, {"n1", "msg", true}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        hub_dial_as(set, &node, &n1, rows[i].name, rows[i].use);
        assert_int_equal(node.opened, rows[i].accepted);
        if (!rows[i].accepted) {
            hub_end(&node);
        }
    }
    hub_expect_sessions(set, "+n1 ");
    hub_end(&node);
    hub_expect_sessions(set, "+n1 -n1 ");
}

static bool has_stat(const struct set *set, const char *text)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/ctl/cloudhub", set->run);
    auto_(cor_buf_free) struct cor_buf stats = {0};
    struct cor_err err = COR_ERR_NONE;
    return tool_ask(ctl, "stats", (struct cor_view){0}, 30000, &stats, &err) == COR_OK &&
           strstr(stats.data, text) != NULL;
}

/* The link's port wants a certificate, though the enrolment's does not: TLS itself refuses, before
 * any header is read. */
static void no_certificate_no_handshake(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    const struct identity none = {.ca = n1.ca};
    hub_dial_as(set, &node, &none, "n1", "msg");
    assert_false(node.opened);
    assert_true(has_stat(set, "\"accepted\":0,\"refused\":0"));
}

/* A node that comes back continues its TLS session, though the hub is another process by then. */
static void sessions_survive_the_hub(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    hub_say(&node, "p1", "", "\"source\":\"x\",\"operation\":\"ping\",\"resource\":\"y\"", "null");
    auto_(px_kubeedge_in_free) struct px_kubeedge_in pong = {0};
    hub_frame(&node, 0, &pong);
    hub_end(&node);
    assert_true(has_stat(set, "\"tls_resumed\":0"));
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened && has_stat(set, "\"tls_resumed\":1"));
    hub_end(&node);
    (void)test_process_stop(&set->hub, SIGKILL);
    hub_start_hub(set);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened && has_stat(set, "\"tls_resumed\":1"));
    hub_end(&node);
}

static bool is_told_gone(void *arg)
{
    const struct set *set = arg;
    return set->stored.len > 0 &&
           strstr(set->stored.data, "-n1 default/pod/p default/pod/p 8\n") != NULL;
}

/* Waits for the next message that is another than one, which may have been sent again by then. */
static void next_frame(struct node *node, size_t *which, const char *other,
                       struct px_kubeedge_in *in)
{
    hub_frame(node, (*which)++, in);
    while (strcmp(in->id, other) == 0) {
        px_kubeedge_in_free(in);
        hub_frame(node, (*which)++, in);
    }
}

static void objects_go_down_one_at_a_time(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in first = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in again = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in second = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in third = {0};
    struct node node;
    uint64_t id = 0;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    hub_expect_sessions(set, "+n1 ");
    hub_send_object(set, "default/pod/p", "5", false);
    hub_frame(&node, 0, &first);
    assert_string_equal(first.operation, "insert");
    assert_string_equal(first.source, "edgecontroller");
    assert_string_equal(first.group, "resource");
    assert_string_equal(first.resource, "default/pod/p");
    assert_string_equal(first.version, "5");
    assert_string_equal(cor_json_str_at(first.content, "metadata.uid", ""), "default/pod/p");
    assert_true(px_kubeedge_id_from_uuid(cor_view_of(first.id), &id) && id != 0);
    hub_send_object(set, "default/pod/p", "6", false);
    hub_send_object(set, "default/pod/p", "7", false);
    hub_frame(&node, 1, &again); /* not acknowledged: the same again, not the next */
    assert_string_equal(again.id, first.id);
    assert_string_equal(again.version, "5");
    hub_ack(&node, &first);
    size_t which = 2;
    next_frame(&node, &which, first.id, &second);
    assert_string_equal(second.operation, "update");
    assert_string_equal(second.version, "7"); /* 6 was never sent */
    hub_ack(&node, &second);
    hub_send_object(set, "default/pod/p", "8", true);
    next_frame(&node, &which, second.id, &third);
    assert_string_equal(third.operation, "delete");
    hub_ack(&node, &third);
    hub_wait(set, is_told_gone, set); /* the newest of each object */
    assert_true(cor_view_starts(cor_buf_as_view(&set->stored), "n1 default/pod/p default/pod/p "));
    hub_end(&node);
}

static void keepalives_keep_alive(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    struct cor_mono before = cor_mono_now();
    hub_say(&node, "1", "",
            "\"source\":\"twin\",\"operation\":\"get\",\"resource\":\"membership/detail\"",
            "null"); /* other traffic does not count */
    hub_wait(set, hub_is_closed, &node);
    int64_t lasted = cor_mono_since(cor_mono_now(), before);
    assert_in_range(lasted, COR_MS(2500), COR_SEC(25));
    hub_expect_sessions(set, "+n1 -n1 ");
    hub_end(&node);
}

static void new_link_replaces_the_old(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    struct node old;
    struct node new;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &old, &n1, "n1", "msg");
    hub_dial_as(set, &new, &n1, "n1", "msg");
    hub_wait(set, hub_is_closed, &old);
    assert_false(new.closed);
    hub_send_object(set, "default/pod/p", "5", false);
    hub_frame(&new, 0, &in);
    hub_end(&old);
    hub_end(&new);
}

static void calls_are_answered_in_their_shape(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    char id[COR_UUID_LEN + 1];
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    px_kubeedge_id_to_uuid(4711, 3, id);
    static const struct {
        const char *operation;
        const char *resource;
        const char *content;
        uint64_t status;
        const char *call; /* what the controller sees; NULL: nothing */
        const char *answer;
    } rows[] = {
        {"insert", "null/node/n1", "{\"a\":1}", 201, "n1 3 null/node/n1 {\"a\":1}\n",
         "{\"Object\":{\"kind\":\"Thing\"},\"Err\":null}"},
        {"patch", "null/nodepatch/n1", "\"{}\"", 200, "n1 5 null/node/n1 {}\n",
         "{\"Object\":{\"kind\":\"Thing\"},\"Err\":null}"},
        {"update", "null/node/n1", "{}", 200, "n1 4 null/node/n1 {}\n", "\"OK\""},
        {"query", "default/configmap/c", "null", 404, "n1 1 default/configmap/c \n",
         "{\"ErrStatus\":{\"kind\":\"Thing\"}}"},
        {"insert", "null/node/n2", "{}", 200, NULL, NULL},
        {"update", "kube-node-lease/lease/n2", "{}", 200, NULL, NULL},
        {"update", "default/lease/n1", "{}", 200, NULL, NULL},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
        auto_(cor_freep) char *route = cor_sprintf(
            "\"source\":\"edged\",\"group\":\"meta\",\"operation\":\"%s\",\"resource\":\"%s\"",
            rows[i].operation, rows[i].resource);
        set->reply_status = rows[i].status;
        cor_buf_clear(&set->calls);
        hub_say(&node, id, "", route, rows[i].content);
        hub_frame(&node, i, &in);
        assert_string_equal(in.parent, id);
        assert_string_equal(in.operation, "response");
        assert_string_equal(in.group, "resource");
        assert_string_equal(in.resource, rows[i].resource);
        assert_string_equal(cor_buf_as_view(&set->calls).ptr,
                            rows[i].call == NULL ? "" : rows[i].call);
        auto_(cor_buf_free) struct cor_buf content = {0};
        cor_json_write(in.content, &content);
        if (rows[i].answer != NULL) {
            assert_string_equal(content.data, rows[i].answer);
            assert_int_equal(set->call_cause, 4711); /* the cause crosses the link */
        } else {
            assert_non_null(strstr(content.data, "\"code\":403"));
        }
    }
    hub_end(&node);
}

static void devices_and_uploads(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in done = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in detail = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in ca = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in control = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    hub_say(
        &node, "r1", "",
        "\"source\":\"twin\",\"group\":\"resource\",\"operation\":\"update\",\"resource\":\"device/"
        "default/"
        "d1/state/update\"",
        "\"{\\\"a\\\":1}\"");
    hub_frame(&node, 0, &done);
    assert_string_equal(done.parent, "r1");
    assert_string_equal(done.group, "twin");
    assert_string_equal(done.resource, "twin");
    assert_string_equal(cor_json_as_str(done.content, ""), "OK");
    assert_string_equal(set->reports.data, "n1 default/d1 2 {\"a\":1}\n");
    hub_say(&node, "m1", "",
            "\"source\":\"twin\",\"operation\":\"get\",\"resource\":\"membership/detail\"",
            "\"x\"");
    hub_frame(&node, 1, &detail);
    assert_string_equal(detail.parent, "m1");
    assert_string_equal(detail.group, "twin");
    hub_say(&node, "c1", "",
            "\"source\":\"metamanager\",\"operation\":\"query\",\"resource\":\"k8s/ca.crt\"",
            "null");
    hub_frame(&node, 2, &ca);
    assert_non_null(strstr(cor_json_as_str(ca.content, ""), "BEGIN CERTIFICATE"));
    hub_say(&node, "p1", "", "\"source\":\"x\",\"operation\":\"ping\",\"resource\":\"y\"", "null");
    hub_frame(&node, 3, &control);
    assert_string_equal(cor_json_as_str(control.content, ""), "ack");
    hub_say(&node, "u1", "",
            "\"source\":\"bus\",\"group\":\"user\",\"operation\":\"upload\",\"resource\":\"a/"
            "user/b\"",
            "\"hello\"");
    hub_wait(set, has_text, &set->uploads);
    assert_string_equal(set->uploads.data, "n1 a/user/b hello\n");
    hub_end(&node);
}

/* Frames that are none of KubeEdge's end the connection, and nothing else. */
static void bad_frames_close(void **state)
{
    static const char *const bad[] = {"x",
                                      "null",
                                      "[]",
                                      "7",
                                      "{\"header\":7}",
                                      "{\"header\":{\"msg_id\":7}}",
                                      "{\"route\":{\"operation\":{}}}",
                                      "{\"header\":{\"timestamp\":\"now\"}}",
                                      "\xff\xfe"};
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        hub_dial_as(set, &node, &n1, "n1", "msg");
        assert_int_equal(cor_ws_send(node.conn, cor_view_of(bad[i])), COR_OK);
        hub_wait(set, hub_is_closed, &node);
        hub_end(&node);
    }
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    /* forged sources, unknown operations and resources: dropped, the link stays */
    hub_say(&node, "f1", "",
            "\"source\":\"edgecontroller\",\"operation\":\"insert\",\"resource\":\"a/pod/b\"",
            "{}");
    hub_say(&node, "f2", "",
            "\"source\":\"edged\",\"operation\":\"explode\",\"resource\":\"a/pod/b\"", "{}");
    hub_say(&node, "f3", "",
            "\"source\":\"edged\",\"operation\":\"query\",\"resource\":\"../../etc\"", "{}");
    hub_say(&node, "f4", "nobody", "\"source\":\"edged\",\"operation\":\"response\"", "\"OK\"");
    hub_say(&node, "p1", "", "\"source\":\"x\",\"operation\":\"ping\",\"resource\":\"y\"", "null");
    auto_(px_kubeedge_in_free) struct px_kubeedge_in control = {0};
    hub_frame(&node, 0, &control);
    assert_string_equal(control.parent, "p1");
    assert_int_equal(set->calls.len, 0);
    hub_end(&node);
}

static void huge_message_is_refused(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    size_t len = (size_t)PX_KUBEEDGE_MAX + 1;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    char *text = cor_alloc(len);
    memset(text, ' ', len);
    assert_int_equal(cor_ws_send(node.conn, (struct cor_view){text, len}), COR_OK);
    cor_free(text);
    hub_wait(set, hub_is_closed, &node);
    hub_end(&node);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    hub_end(&node);
}

static void deleted_node_is_hung_up_on(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    hub_send_object(set, "null/node/n1", "9", true);
    hub_wait(set, hub_is_closed, &node);
    assert_int_equal(node.count, 0);
    hub_end(&node);
}

static void say_report(struct node *node, const char *id, const char *device, const char *content)
{
    auto_(cor_freep) char *route = cor_sprintf("\"source\":\"twin\",\"operation\":\"update\","
                                               "\"resource\":\"device/%s/twin/edge_updated\"",
                                               device);
    hub_say(node, id, "", route, content);
}

static bool waits_one(void *arg)
{
    return has_stat(arg, "\"reports_waiting\":1");
}

/* The API or the controller restarts: the node hears of the report when it has arrived. */
static void reports_wait_for_the_controller(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in first = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in second = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    hub_dial_as(set, &node, &n1, "n1", "msg");
    hub_expect_sessions(set, "+n1 ");
    set->report_refusals = 2;
    say_report(&node, "r1", "default/d1", "{\"a\":1}");
    hub_frame(&node, 0, &first);
    assert_string_equal(first.parent, "r1");
    assert_string_equal(set->reports.data, "n1 default/d1 1 {\"a\":1}\n"
                                           "n1 default/d1 1 {\"a\":1}\n"
                                           "n1 default/d1 1 {\"a\":1}\n");
    hub_controller_goes(set);
    cor_buf_free(&set->reports);
    say_report(&node, "r2", "default/d2", "{\"b\":2}");
    hub_wait(set, waits_one, set);
    assert_int_equal(set->reports.len, 0);
    hub_controller_comes(set);
    hub_frame(&node, 1, &second);
    assert_string_equal(second.parent, "r2");
    assert_string_equal(set->reports.data, "n1 default/d2 1 {\"b\":2}\n");
    hub_end(&node);
}

/* A node that dials while the hub is down waits in the socket and is the next hub's. */
static void connections_wait_for_the_next_hub(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    struct node node;
    hub_enrol(set, "n1", &n1);
    int port = set->link_port;
    int status = test_process_stop(&set->hub, SIGKILL);
    assert_true(WIFSIGNALED(status));
    hub_dial_begin(set, &node, &n1, "n1", "msg");
    hub_start_hub(set);
    assert_int_equal(set->link_port, port);
    hub_wait(set, hub_is_decided, &node);
    assert_true(node.opened);
    hub_end(&node);
}

int main(void)
{
#define T(fn)                                                                                      \
    cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown),                                  \
    {                                                                                              \
#fn " (held sockets)", fn, hub_setup_held, hub_teardown, NULL                              \
    }
    const struct CMUnitTest tests[] = {
        T(identity_is_the_certificate),
        T(no_certificate_no_handshake),
        T(objects_go_down_one_at_a_time),
        cmocka_unit_test_setup_teardown(keepalives_keep_alive, hub_setup_hasty, hub_teardown),
        T(new_link_replaces_the_old),
        T(calls_are_answered_in_their_shape),
        T(devices_and_uploads),
        T(reports_wait_for_the_controller),
        T(bad_frames_close),
        T(huge_message_is_refused),
        T(deleted_node_is_hung_up_on),
        cmocka_unit_test_setup_teardown(sessions_survive_the_hub, hub_setup_held, hub_teardown),
        cmocka_unit_test_setup_teardown(connections_wait_for_the_next_hub, hub_setup_held,
                                        hub_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
