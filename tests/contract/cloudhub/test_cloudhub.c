// SPDX-License-Identifier: Apache-2.0
// A real cloudhub between a fake Kubernetes API, a fake edgecontroller and fake nodes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/bus/bus.h"
#include "common/pki/csr.h"
#include "common/pki/digest.h"
#include "common/ws/http.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/message.h"
#include "proto/proto.h"
#include "tests/support/certs.h"
#include "tests/support/process.h"
#include "tools/ctl/ctl.h"

enum { FRAMES_MAX = 64 };

struct node {
    struct set *set;
    struct cor_ws_conn *conn;
    char *frames[FRAMES_MAX]; /* from the hub, owned */
    size_t count;
    bool opened;
    bool closed;
};

struct set {
    char *dir;
    struct test_process kube;
    struct test_process hub;
    struct test_certs api; /* of the fake Kubernetes API */
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_timer *deadline;
    bool late;
    struct cor_bus *bus;
    struct cor_port *port;
    struct cor_ws *ws;
    int link_port;
    int enrol_port;
    /* what the controller was told */
    struct cor_buf sessions; /* "+n1 -n1 " */
    struct cor_buf calls;    /* "verb key body\n" */
    struct cor_buf reports;
    struct cor_buf uploads;
    uint64_t call_cause;
    uint64_t reply_status;
    const char *reply_body;
    /* result of a fetch */
    int status;
    struct cor_buf body;
};

/* ---- waiting ---- */

static void too_late(void *self)
{
    struct set *set = self;
    set->late = true;
    cor_loop_stop(set->loop);
}

static void look_again(void *self)
{
    cor_loop_stop(((struct set *)self)->loop);
}

/* Runs the loop until cond(arg) holds; fails after 10 s. */
static void wait_for(struct set *set, bool (*cond)(void *arg), void *arg)
{
    struct cor_timer *look = cor_timer_new(set->loop, look_again, set);
    cor_timer_repeat(look, COR_MS(2));
    cor_timer_start(set->deadline, COR_SEC(10));
    while (!cond(arg)) {
        cor_loop_run(set->loop);
        if (set->late) {
            auto_(cor_freep) char *log = test_read(set->dir, "log");
            fail_msg("nothing happened for 10 s; log:\n%s", log);
        }
    }
    cor_timer_stop(set->deadline);
    cor_timer_free(&look);
}

/* ---- controller ---- */

static enum cor_code on_session(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    const struct px_node_session *session = body;
    struct set *set = self;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->sessions, "%c%.*s ", session->up ? '+' : '-', COR_VIEW_ARG(session->node));
    return COR_OK;
}

static enum cor_code on_call(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_call *call = body;
    struct set *set = self;
    (void)err;
    cor_buf_fmt(&set->calls, "%.*s %d %.*s %.*s\n", COR_VIEW_ARG(call->node), (int)call->verb,
                COR_VIEW_ARG(call->key), COR_VIEW_ARG(call->body));
    set->call_cause = in->head->cause;
    struct px_api_reply reply = {.status = set->reply_status,
                                 .body = cor_view_of(set->reply_body),
                                 .version = COR_VIEW("77")};
    cor_reply(in, &reply);
    return COR_OK;
}

static enum cor_code on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_report *report = body;
    struct set *set = self;
    (void)err;
    cor_buf_fmt(&set->reports, "%.*s %.*s %d %.*s\n", COR_VIEW_ARG(report->node),
                COR_VIEW_ARG(report->device), (int)report->kind, COR_VIEW_ARG(report->body));
    struct px_done done = {0};
    cor_reply(in, &done);
    return COR_OK;
}

static enum cor_code on_upload(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_upload *upload = body;
    struct set *set = self;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->uploads, "%.*s %.*s %.*s\n", COR_VIEW_ARG(upload->node),
                COR_VIEW_ARG(upload->topic), COR_VIEW_ARG(upload->payload));
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_node_session, on_session},
    {PX_node_call, on_call},
    {PX_node_report, on_report},
    {PX_node_upload, on_upload},
};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

static bool port_is_up(void *arg)
{
    return cor_port_is_up(((struct set *)arg)->port);
}

static void start_controller(struct set *set)
{
    auto_(cor_freep) char *run = cor_sprintf("%s/run", set->dir);
    struct cor_bus_spec spec = {.service = "edgecontroller",
                                .run_dir = run,
                                .loop = set->loop,
                                .log = set->log,
                                .messages = px_messages()};
    assert_int_equal(cor_bus_new(&spec, &set->bus, NULL), COR_OK);
    assert_int_equal(cor_port_open(set->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &OPS, set,
                                   &set->port, NULL),
                     COR_OK);
    wait_for(set, port_is_up, set);
}

/* ---- processes ---- */

static void write_pem(const struct set *set)
{
    auto_(cor_buf_free) struct cor_buf ca = {0};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_buf_free) struct cor_buf key = {0};
    cor_cert_pem(set->api.ca, &ca);
    cor_cert_pem(set->api.server, &cert);
    cor_key_pem(set->api.server_key, &key);
    test_write(set->dir, "ca.pem", ca.data);
    test_write(set->dir, "server.pem", cert.data);
    test_write(set->dir, "server.key", key.data);
}

static void start_hub(struct set *set)
{
    char line[64];
    auto_(cor_freep) char *config = cor_sprintf("%s/hub.yaml", set->dir);
    auto_(cor_freep) char *log_path = cor_sprintf("%s/log", set->dir);
    const char *const argv[] = {
        CORACLE_BINARY_DIR "/bin/cloudhub", "--config", config, "--ready-fd", "READY-FD", NULL};
    test_process_start(&set->hub, argv, log_path, line, sizeof(line));
    auto_(cor_freep) char *log = test_read(set->dir, "log");
    set->link_port = (int)test_number(log, "link");
    set->enrol_port = (int)test_number(log, "enrol");
    assert_true(set->link_port > 0 && set->enrol_port > 0);
}

static void start_processes(struct set *set)
{
    char line[64];
    auto_(cor_freep) char *log = cor_sprintf("%s/log", set->dir);
    const char *const argv[] = {
        "python3", CORACLE_SOURCE_DIR "/tests/contract/cloudhub/fake_kube.py", set->dir, NULL};
    write_pem(set);
    test_process_start(&set->kube, argv, log, line, sizeof(line));
    auto_(cor_freep) char *config =
        cor_sprintf("run-dir: %s/run\nkubeconfig: %s/kubeconfig\nnames: [127.0.0.1]\n"
                    "listen: {address: 127.0.0.1, port: 0}\nenrol: {address: 127.0.0.1, port: 0}\n"
                    "link: {keepalive-ms: 1500, resend-ms: 300, window: 2}\n",
                    set->dir, set->dir);
    test_write(set->dir, "hub.yaml", config);
    start_hub(set);
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    struct cor_ws_limits limits = {
        .message = 64 * 1024 * 1024, .unfinished = 64 * 1024 * 1024, .queue = 64 * 1024 * 1024};
    set->dir = test_dir_new();
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    set->deadline = cor_timer_new(set->loop, too_late, set);
    set->reply_status = 200;
    set->reply_body = "{\"kind\":\"Thing\"}";
    test_certs_make(&set->api, "x", "y");
    start_processes(set);
    assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->ws, NULL), COR_OK);
    start_controller(set);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_ws_free(&set->ws);
    cor_port_close(&set->port);
    cor_bus_free(&set->bus);
    int status = test_process_stop(&set->hub, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)test_process_stop(&set->kube, SIGKILL);
    cor_timer_free(&set->deadline);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    cor_buf_free(&set->sessions);
    cor_buf_free(&set->calls);
    cor_buf_free(&set->reports);
    cor_buf_free(&set->uploads);
    cor_buf_free(&set->body);
    test_certs_free(&set->api);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

/* ---- enrolment ---- */

static char *new_token(const struct set *set, const char *node)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    auto_(cor_freep) char *args = cor_sprintf("{\"node\":\"%s\",\"ttlSeconds\":600}", node);
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_json_free) struct cor_json *tree = NULL;
    assert_int_equal(tool_ask(path, "token-create", cor_view_of(args), 5000, &answer, NULL),
                     COR_OK);
    assert_int_equal(cor_json_parse(cor_buf_as_view(&answer), 10000, 0, &tree, NULL), COR_OK);
    return cor_strdup(cor_json_str_at(tree, "token", ""));
}

static void on_fetched(void *self, int status, struct cor_view body, const char *text)
{
    struct set *set = self;
    (void)text;
    set->status = status;
    cor_buf_clear(&set->body);
    cor_buf_view(&set->body, body);
}

static bool is_fetched(void *arg)
{
    return ((struct set *)arg)->status >= 0;
}

static int fetch(struct set *set, const char *path, const struct cor_ws_header *headers,
                 struct cor_view body)
{
    struct cor_ws_target target = {.host = "127.0.0.1",
                                   .port = set->enrol_port,
                                   .path = path,
                                   .headers = headers,
                                   .trust_any = true,
                                   .timeout_us = COR_SEC(5)};
    set->status = -1;
    cor_ws_fetch(set->ws, &target, body, on_fetched, set);
    wait_for(set, is_fetched, set);
    return set->status;
}

static int fetch_cert(struct set *set, const char *node, const char *token, struct cor_view csr)
{
    const char *jwt = strchr(token, '.');
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", jwt == NULL ? token : jwt + 1);
    const struct cor_ws_header headers[] = {
        {"NodeName", node}, {"Authorization", bearer}, {NULL, NULL}};
    return fetch(set, "/edge.crt", headers, csr);
}

static void csr_of(const struct cor_key *key, const char *node, struct cor_buf *out)
{
    auto_(cor_freep) char *cn = cor_sprintf("system:node:%s", node);
    struct cor_subject subject = {.org = "system:nodes", .cn = cn};
    cor_csr_make(key, &subject, out);
}

/* A node's identity, by the real way. */
struct identity {
    struct cor_cert *ca;
    struct cor_key *key;
    struct cor_cert *cert;
};

static void enrol(struct set *set, const char *node, struct identity *identity)
{
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_freep) char *token = new_token(set, node);
    identity->key = cor_key_new();
    csr_of(identity->key, node, &csr);
    assert_int_equal(fetch(set, "/ca.crt", NULL, (struct cor_view){0}), 200);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &identity->ca, NULL), COR_OK);
    assert_int_equal(fetch_cert(set, node, token, cor_buf_as_view(&csr)), 200);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &identity->cert, NULL), COR_OK);
}

static void identity_free(struct identity *identity)
{
    cor_cert_free(&identity->ca);
    cor_key_free(&identity->key);
    cor_cert_free(&identity->cert);
}

static void enrolment_rules(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *token = new_token(set, "n1");
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_key_free) struct cor_key *other = cor_key_new();
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_buf_free) struct cor_buf other_csr = {0};
    auto_(cor_buf_free) struct cor_buf n2_csr = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    csr_of(key, "n1", &csr);
    csr_of(other, "n1", &other_csr);
    csr_of(key, "n2", &n2_csr);
    assert_int_equal(fetch(set, "/ca.crt", NULL, (struct cor_view){0}), 200);
    cor_sha256_hex(cor_buf_as_view(&set->body), &hex);
    assert_memory_equal(token, hex.data, 64); /* the token names this CA */
    struct cor_view view = cor_buf_as_view(&csr);
    assert_int_equal(fetch_cert(set, "n1", "", view), 401);
    assert_int_equal(fetch_cert(set, "n1", "x.y.z.w", view), 401);
    assert_int_equal(fetch_cert(set, "n2", token, cor_buf_as_view(&n2_csr)), 401);
    assert_int_equal(fetch_cert(set, "n1", token, cor_buf_as_view(&n2_csr)), 400);
    assert_int_equal(fetch_cert(set, "n1", token, COR_VIEW("garbage")), 400);
    assert_int_equal(fetch_cert(set, "n1", token, view), 200);
    assert_int_equal(fetch_cert(set, "n1", token, view),
                     200); /* the same key: the answer got lost */
    assert_int_equal(fetch_cert(set, "n1", token, cor_buf_as_view(&other_csr)), 401); /* reused */
    assert_non_null(strstr(set->body.data, "used already"));
    const struct cor_ws_header json[] = {{"Accept", "application/json"}, {NULL, NULL}};
    assert_int_equal(fetch(set, "/ca.crt", json, (struct cor_view){0}), 406);
    assert_int_equal(fetch(set, "/../etc/passwd", NULL, (struct cor_view){0}), 404);
}

static void authority_survives_a_restart(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity before = {0};
    auto_(identity_free) struct identity after = {0};
    enrol(set, "n1", &before);
    (void)test_process_stop(&set->hub, SIGKILL);
    start_hub(set);
    enrol(set, "n2", &after);
    assert_int_equal(cor_cert_verify(before.cert, after.ca, COR_CERT_CLIENT, cor_wall_now(), NULL),
                     COR_OK);
}

/* ---- links ---- */

static void node_opened(void *self, struct cor_ws_conn *conn)
{
    struct node *node = self;
    (void)conn;
    node->opened = true;
}

static void node_message(void *self, struct cor_view message)
{
    struct node *node = self;
    assert_true(node->count < FRAMES_MAX);
    node->frames[node->count++] = cor_view_dup(message);
}

static void node_closed(void *self, const char *reason)
{
    struct node *node = self;
    (void)reason;
    node->conn = NULL;
    node->closed = true;
}

static const struct cor_ws_events NODE = {
    .opened = node_opened, .message = node_message, .closed = node_closed};

static bool is_decided(void *arg)
{
    const struct node *node = arg;
    return node->opened || node->closed;
}

static bool is_closed(void *arg)
{
    return ((struct node *)arg)->closed;
}

static void dial_as(struct set *set, struct node *node, const struct identity *identity,
                    const char *name, const char *use)
{
    const struct cor_ws_header headers[] = {
        {"Node_id", name}, {"Project_id", "p"}, {"Connectionuse", use}, {NULL, NULL}};
    struct cor_ws_target target = {.host = "127.0.0.1",
                                   .port = set->link_port,
                                   .path = "/anything",
                                   .headers = headers,
                                   .tls = {identity->cert, identity->key, identity->ca},
                                   .timeout_us = COR_SEC(5)};
    *node = (struct node){.set = set};
    node->conn = cor_ws_dial(set->ws, &target, 0, &NODE, node);
    wait_for(set, is_decided, node);
}

static bool sessions_are(void *arg)
{
    void **args = arg;
    const struct set *set = args[0];
    return strcmp(cor_buf_as_view(&set->sessions).ptr, args[1]) == 0;
}

static void expect_sessions(struct set *set, const char *text)
{
    void *args[] = {set, (void *)(uintptr_t)text};
    wait_for(set, sessions_are, args);
}

static void say(struct node *node, const char *id, const char *parent, const char *route,
                const char *content)
{
    auto_(cor_freep) char *text = cor_sprintf(
        "{\"header\":{\"msg_id\":\"%s\",\"parent_msg_id\":\"%s\",\"timestamp\":1},\"route\":{%s},"
        "\"content\":%s}\n",
        id, parent, route, content);
    assert_int_equal(cor_ws_send(node->conn, cor_view_of(text)), COR_OK);
}

static bool has_frames(void *arg)
{
    void **args = arg;
    return ((struct node *)args[0])->count >= (size_t)(uintptr_t)args[1];
}

static void frame(struct node *node, size_t which, struct px_kubeedge_in *in)
{
    void *args[] = {node, (void *)(uintptr_t)(which + 1)};
    wait_for(node->set, has_frames, args);
    assert_int_equal(px_kubeedge_read(cor_view_of(node->frames[which]), in, NULL), COR_OK);
}

static void end(struct node *node)
{
    if (node->conn != NULL) {
        cor_ws_close(node->conn, 0, "the test is over");
    }
    for (size_t i = 0; i < node->count; i++) {
        cor_free(node->frames[i]);
    }
    node->count = 0;
}

/* faults A1: the certificate decides, not the header. */
static void identity_is_the_certificate(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    enrol(set, "n1", &n1);
    static const struct {
        const char *name;
        const char *use;
        bool accepted;
    } rows[] = {{"n2", "msg", false}, {"", "msg", false},   {"n1", "str", false},
                {"n1", "", false},    {"N1", "msg", false}, {"n1", "msg", true}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        dial_as(set, &node, &n1, rows[i].name, rows[i].use);
        assert_int_equal(node.opened, rows[i].accepted);
        if (!rows[i].accepted) {
            end(&node);
        }
    }
    expect_sessions(set, "+n1 ");
    end(&node);
    expect_sessions(set, "+n1 -n1 ");
}

static void send_object(struct set *set, const char *key, const char *version, bool gone)
{
    auto_(cor_freep) char *path = cor_sprintf("n1/%s", key);
    auto_(cor_freep) char *body =
        cor_sprintf("{\"metadata\":{\"uid\":\"%s\",\"resourceVersion\":\"%s\"}}", key, version);
    struct px_node_object object = {.path = cor_view_of(path),
                                    .node = COR_VIEW("n1"),
                                    .key = cor_view_of(key),
                                    .gone = gone,
                                    .uid = cor_view_of(key),
                                    .version = cor_view_of(version),
                                    .source = COR_VIEW("edgecontroller"),
                                    .body = cor_view_of(body)};
    assert_int_equal(cor_send(set->port, PX_node_object, &object), COR_OK);
}

static void ack(struct node *node, const struct px_kubeedge_in *in)
{
    say(node, "0a", in->id, "\"source\":\"x\",\"group\":\"y\",\"operation\":\"response\"",
        "\"OK\"");
}

static void objects_go_down_one_at_a_time(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in first = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in again = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in second = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in third = {0};
    struct node node;
    uint64_t id = 0;
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
    expect_sessions(set, "+n1 ");
    send_object(set, "default/pod/p", "5", false);
    frame(&node, 0, &first);
    assert_string_equal(first.operation, "insert");
    assert_string_equal(first.source, "edgecontroller");
    assert_string_equal(first.group, "resource");
    assert_string_equal(first.resource, "default/pod/p");
    assert_string_equal(first.version, "5");
    assert_string_equal(cor_json_str_at(first.content, "metadata.uid", ""), "default/pod/p");
    assert_true(px_kubeedge_id_from_uuid(cor_view_of(first.id), &id) && id != 0);
    send_object(set, "default/pod/p", "6", false);
    send_object(set, "default/pod/p", "7", false);
    frame(&node, 1, &again); /* not acknowledged: the same again, not the next */
    assert_string_equal(again.id, first.id);
    assert_string_equal(again.version, "5");
    ack(&node, &first);
    frame(&node, 2, &second);
    assert_string_equal(second.operation, "update");
    assert_string_equal(second.version, "7"); /* 6 was never sent */
    ack(&node, &second);
    send_object(set, "default/pod/p", "8", true);
    frame(&node, 3, &third);
    assert_string_equal(third.operation, "delete");
    ack(&node, &third);
    end(&node);
}

static void keepalives_keep_alive(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
    struct cor_mono before = cor_mono_now();
    say(&node, "1", "",
        "\"source\":\"twin\",\"operation\":\"get\",\"resource\":\"membership/detail\"",
        "null"); /* other traffic does not count */
    wait_for(set, is_closed, &node);
    int64_t lasted = cor_mono_since(cor_mono_now(), before);
    assert_in_range(lasted, COR_MS(1200), COR_MS(3000));
    expect_sessions(set, "+n1 -n1 ");
    end(&node);
}

static void new_link_replaces_the_old(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    struct node old;
    struct node new;
    enrol(set, "n1", &n1);
    dial_as(set, &old, &n1, "n1", "msg");
    dial_as(set, &new, &n1, "n1", "msg");
    wait_for(set, is_closed, &old);
    assert_false(new.closed);
    send_object(set, "default/pod/p", "5", false);
    frame(&new, 0, &in);
    end(&old);
    end(&new);
}

static void calls_are_answered_in_their_shape(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    char id[COR_UUID_LEN + 1];
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
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
        say(&node, id, "", route, rows[i].content);
        frame(&node, i, &in);
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
    end(&node);
}

static bool has_text(void *arg)
{
    return ((struct cor_buf *)arg)->len > 0;
}

static void devices_and_uploads(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in done = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in detail = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in ca = {0};
    auto_(px_kubeedge_in_free) struct px_kubeedge_in control = {0};
    struct node node;
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
    say(&node, "r1", "",
        "\"source\":\"twin\",\"group\":\"resource\",\"operation\":\"update\",\"resource\":\"device/"
        "default/"
        "d1/state/update\"",
        "\"{\\\"a\\\":1}\"");
    frame(&node, 0, &done);
    assert_string_equal(done.parent, "r1");
    assert_string_equal(done.group, "twin");
    assert_string_equal(done.resource, "twin");
    assert_string_equal(cor_json_as_str(done.content, ""), "OK");
    assert_string_equal(set->reports.data, "n1 default/d1 2 {\"a\":1}\n");
    say(&node, "m1", "",
        "\"source\":\"twin\",\"operation\":\"get\",\"resource\":\"membership/detail\"", "\"x\"");
    frame(&node, 1, &detail);
    assert_string_equal(detail.parent, "m1");
    assert_string_equal(detail.group, "twin");
    say(&node, "c1", "",
        "\"source\":\"metamanager\",\"operation\":\"query\",\"resource\":\"k8s/ca.crt\"", "null");
    frame(&node, 2, &ca);
    assert_non_null(strstr(cor_json_as_str(ca.content, ""), "BEGIN CERTIFICATE"));
    say(&node, "p1", "", "\"source\":\"x\",\"operation\":\"ping\",\"resource\":\"y\"", "null");
    frame(&node, 3, &control);
    assert_string_equal(cor_json_as_str(control.content, ""), "ack");
    say(&node, "u1", "",
        "\"source\":\"bus\",\"group\":\"user\",\"operation\":\"upload\",\"resource\":\"a/"
        "user/b\"",
        "\"hello\"");
    wait_for(set, has_text, &set->uploads);
    assert_string_equal(set->uploads.data, "n1 a/user/b hello\n");
    end(&node);
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
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    enrol(set, "n1", &n1);
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        dial_as(set, &node, &n1, "n1", "msg");
        assert_int_equal(cor_ws_send(node.conn, cor_view_of(bad[i])), COR_OK);
        wait_for(set, is_closed, &node);
        end(&node);
    }
    dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    /* forged sources, unknown operations and resources: dropped, the link stays */
    say(&node, "f1", "",
        "\"source\":\"edgecontroller\",\"operation\":\"insert\",\"resource\":\"a/pod/b\"", "{}");
    say(&node, "f2", "", "\"source\":\"edged\",\"operation\":\"explode\",\"resource\":\"a/pod/b\"",
        "{}");
    say(&node, "f3", "", "\"source\":\"edged\",\"operation\":\"query\",\"resource\":\"../../etc\"",
        "{}");
    say(&node, "f4", "nobody", "\"source\":\"edged\",\"operation\":\"response\"", "\"OK\"");
    say(&node, "p1", "", "\"source\":\"x\",\"operation\":\"ping\",\"resource\":\"y\"", "null");
    auto_(px_kubeedge_in_free) struct px_kubeedge_in control = {0};
    frame(&node, 0, &control);
    assert_string_equal(control.parent, "p1");
    assert_int_equal(set->calls.len, 0);
    end(&node);
}

static void huge_message_is_refused(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    size_t len = (size_t)PX_KUBEEDGE_MAX + 1;
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
    char *text = cor_alloc(len);
    memset(text, ' ', len);
    assert_int_equal(cor_ws_send(node.conn, (struct cor_view){text, len}), COR_OK);
    cor_free(text);
    wait_for(set, is_closed, &node);
    end(&node);
    dial_as(set, &node, &n1, "n1", "msg");
    assert_true(node.opened);
    end(&node);
}

static void deleted_node_is_hung_up_on(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity n1 = {0};
    struct node node;
    enrol(set, "n1", &n1);
    dial_as(set, &node, &n1, "n1", "msg");
    send_object(set, "null/node/n1", "9", true);
    wait_for(set, is_closed, &node);
    assert_int_equal(node.count, 0);
    end(&node);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(enrolment_rules),
        T(authority_survives_a_restart),
        T(identity_is_the_certificate),
        T(objects_go_down_one_at_a_time),
        T(keepalives_keep_alive),
        T(new_link_replaces_the_old),
        T(calls_are_answered_in_their_shape),
        T(devices_and_uploads),
        T(bad_frames_close),
        T(huge_message_is_refused),
        T(deleted_node_is_hung_up_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
