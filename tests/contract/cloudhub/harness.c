// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/cloudhub/harness.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/socket.h"
#include "common/base/text.h"
#include "common/pki/csr.h"
#include "common/ws/http.h"
#include "proto/proto.h"
#include "tests/support/wait.h"
#include "tools/ctl/ctl.h"

/* How long the hub does without a node's keepalives: no test says them meanwhile. */
enum { LASTING_MS = 60000 };

void hub_wait(struct set *set, bool (*cond)(void *arg), void *arg)
{
    test_wait(set->loop, set->dir, cond, arg);
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

static enum cor_code on_ask(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_ask *ask = body;
    struct set *set = self;
    (void)err;
    cor_buf_fmt(&set->asks, "%d %.*s|%.*s %.*s %.*s %.*s %.*s\n", (int)ask->verb,
                COR_VIEW_ARG(ask->path), COR_VIEW_ARG(ask->group_version),
                COR_VIEW_ARG(ask->plural), COR_VIEW_ARG(ask->ns), COR_VIEW_ARG(ask->name),
                COR_VIEW_ARG(ask->labels));
    struct px_api_reply reply = {.status = set->reply_status, .body = cor_view_of(set->reply_body)};
    cor_reply(in, &reply);
    return COR_OK;
}

static enum cor_code on_watches(void *self, struct cor_in *in, const void *body,
                                struct cor_err *err)
{
    const struct px_node_watches *watches = body;
    const struct px_watched *rows = watches->watches.items;
    struct set *set = self;
    (void)in;
    (void)err;
    cor_buf_clear(&set->watches);
    for (size_t i = 0; i < watches->watches.count; i++) {
        cor_buf_fmt(&set->watches, "%.*s %.*s %.*s %.*s\n", COR_VIEW_ARG(rows[i].group_version),
                    COR_VIEW_ARG(rows[i].plural), COR_VIEW_ARG(rows[i].ns),
                    COR_VIEW_ARG(rows[i].labels));
    }
    set->watches_told++;
    return COR_OK;
}

static enum cor_code on_stored(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_stored *stored = body;
    struct set *set = self;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->stored, "%s%.*s %.*s %.*s %.*s\n", stored->gone ? "-" : "",
                COR_VIEW_ARG(stored->node), COR_VIEW_ARG(stored->key), COR_VIEW_ARG(stored->uid),
                COR_VIEW_ARG(stored->version));
    return COR_OK;
}

static enum cor_code on_report(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_report *report = body;
    struct set *set = self;
    cor_buf_fmt(&set->reports, "%.*s %.*s %d %.*s\n", COR_VIEW_ARG(report->node),
                COR_VIEW_ARG(report->device), (int)report->kind, COR_VIEW_ARG(report->body));
    struct px_done done = {0};
    if (set->report_refusals > 0) {
        set->report_refusals--;
        return cor_err_set(err, COR_RETRY, "not yet");
    }
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

/* Who asks may, but for what is below /denied. */
static enum cor_code on_route(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_stream_route *route = body;
    const struct set *set = self;
    bool denied = cor_view_starts(route->path, "/denied");
    struct px_stream_routed reply = {.status = denied ? 403 : 200,
                                     .node = denied ? COR_VIEW("") : COR_VIEW("n1"),
                                     .text = denied ? COR_VIEW("Forbidden") : COR_VIEW(""),
                                     .replica = cor_view_of(set->replica)};
    (void)err;
    cor_reply(in, &reply);
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_stream_route, on_route}, {PX_node_session, on_session}, {PX_node_call, on_call},
    {PX_node_report, on_report}, {PX_node_stored, on_stored},   {PX_node_upload, on_upload},
    {PX_node_ask, on_ask},       {PX_node_watches, on_watches},
};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

static bool port_is_up(void *arg)
{
    return cor_port_is_up(((struct set *)arg)->port);
}

static void start_controller(struct set *set)
{
    set->run = cor_sprintf("%s/run", set->dir);
    struct cor_bus_spec spec = {.service = "edgecontroller",
                                .run_dir = set->run,
                                .loop = set->loop,
                                .log = set->log,
                                .messages = px_messages()};
    assert_int_equal(cor_bus_new(&spec, &set->bus, NULL), COR_OK);
    hub_controller_comes(set);
}

void hub_controller_goes(struct set *set)
{
    cor_port_close(&set->port);
}

void hub_controller_comes(struct set *set)
{
    assert_int_equal(cor_port_open(set->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &OPS, set,
                                   &set->port, NULL),
                     COR_OK);
    hub_wait(set, port_is_up, set);
}

/* ---- processes ---- */

void hub_start_hub(struct set *set)
{
    char line[64];
    auto_(cor_freep) char *config = cor_sprintf("%s/hub.yaml", set->dir);
    auto_(cor_freep) char *log_path = cor_sprintf("%s/log", set->dir);
    const char *const plain[] = {
        CORACLE_BINARY_DIR "/bin/cloudhub", "--config", config, "--ready-fd", "READY-FD", NULL};
    auto_(cor_freep) char *pass = cor_sprintf(
        "exec 200>&$1 3<&%d 4<&%d; LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=link:enrol "
        "exec %s --config %s --ready-fd 200",
        set->held[0], set->held[1], plain[0], config);
    const char *const passing[] = {"bash", "-c", pass, "bash", "READY-FD", NULL};
    test_process_start(&set->hub, set->held[0] > 0 ? passing : plain, log_path, line, sizeof(line));
    auto_(cor_freep) char *log = test_read(set->dir, "log");
    set->link_port = (int)test_number(log, "link");
    set->enrol_port = (int)test_number(log, "enrol");
    assert_true(set->link_port > 0 && set->enrol_port > 0);
}

static void start_processes(struct set *set, int keepalive_ms)
{
    char line[64];
    auto_(cor_freep) char *log = cor_sprintf("%s/log", set->dir);
    const char *const argv[] = {
        "python3", CORACLE_SOURCE_DIR "/tests/contract/cloudhub/fake_kube.py", set->dir, NULL};
    test_certs_write(&set->api, set->dir);
    test_process_start(&set->kube, argv, log, line, sizeof(line));
    auto_(cor_freep) char *config = cor_sprintf(
        "run-dir: %s/run\nkubeconfig: %s/kubeconfig\nnames: [127.0.0.1, 127.0.0.2]\n"
        "streams: {listen: \"127.0.0.1:0\", client-ca: %s/ca.pem, tunnel-address: 127.0.0.1, "
        "tunnel-port: 0}\n"
        "listen: {address: 127.0.0.1, port: 0}\nenrol: {address: 127.0.0.1, port: 0}\n"
        "link: {keepalive-ms: %d, resend-ms: 300, window: 2}\n",
        set->dir, set->dir, set->dir, keepalive_ms);
    test_write(set->dir, "hub.yaml", config);
    hub_start_hub(set);
}

/* Sockets as a supervisor holds them; numbers that no program uses otherwise. */
static void hold_sockets(struct set *set)
{
    for (size_t i = 0; i < COR_COUNT(set->held); i++) {
        int fd = -1;
        assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, NULL), COR_OK);
        set->held[i] = dup2(fd, 150 + (int)i);
        assert_true(set->held[i] > 0);
        cor_fd_close(&fd);
    }
}

static int setup(void **state, bool held, int keepalive_ms)
{
    struct set *set = cor_alloc(sizeof(*set));
    if (held) {
        hold_sockets(set);
    }
    struct cor_ws_limits limits = {
        .message = 64 * 1024 * 1024, .unfinished = 64 * 1024 * 1024, .queue = 64 * 1024 * 1024};
    set->dir = test_dir_new();
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    set->reply_status = 200;
    set->reply_body = "{\"kind\":\"Thing\"}";
    test_certs_make(&set->api, "x", "y");
    start_processes(set, keepalive_ms);
    assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->ws, NULL), COR_OK);
    start_controller(set);
    *state = set;
    return 0;
}

int hub_setup(void **state)
{
    return setup(state, false, LASTING_MS);
}

int hub_setup_hasty(void **state)
{
    return setup(state, false, 3000);
}

int hub_setup_held(void **state)
{
    return setup(state, true, LASTING_MS);
}

int hub_teardown(void **state)
{
    struct set *set = *state;
    cor_ws_free(&set->ws);
    cor_port_close(&set->port);
    cor_bus_free(&set->bus);
    int status = test_process_stop(&set->hub, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)test_process_stop(&set->kube, SIGKILL);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    cor_buf_free(&set->sessions);
    cor_buf_free(&set->calls);
    cor_buf_free(&set->reports);
    cor_buf_free(&set->uploads);
    cor_buf_free(&set->stored);
    cor_buf_free(&set->asks);
    cor_buf_free(&set->watches);
    cor_buf_free(&set->body);
    test_certs_free(&set->api);
    for (size_t i = 0; i < COR_COUNT(set->held); i++) {
        if (set->held[i] > 0) {
            cor_fd_close(&set->held[i]);
        }
    }
    cor_free(set->run);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

/* ---- enrolment ---- */

char *hub_new_token(const struct set *set, const char *node)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    auto_(cor_freep) char *args = cor_sprintf("{\"node\":\"%s\",\"ttlSeconds\":600}", node);
    auto_(cor_json_free) struct cor_json *tree = NULL;
    assert_int_equal(tool_ask_json(path, "token-create", cor_view_of(args), 30000, &tree, NULL),
                     COR_OK);
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

int hub_fetch(struct set *set, const char *path, const struct cor_ws_header *headers,
              struct cor_view body)
{
    struct cor_ws_target target = {.host = "127.0.0.1",
                                   .port = set->enrol_port,
                                   .path = path,
                                   .headers = headers,
                                   .trust_any = set->tls.ca == NULL,
                                   .tls = set->tls,
                                   .timeout_us = COR_SEC(30)};
    set->status = -1;
    cor_ws_fetch(set->ws, &target, body, on_fetched, set);
    hub_wait(set, is_fetched, set);
    return set->status;
}

int hub_fetch_cert(struct set *set, const char *node, const char *token, struct cor_view csr)
{
    const char *jwt = strchr(token, '.');
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", jwt == NULL ? token : jwt + 1);
    const struct cor_ws_header headers[] = {
        {"NodeName", node}, {"Authorization", bearer}, {NULL, NULL}};
    return hub_fetch(set, "/edge.crt", headers, csr);
}

void hub_csr_of(const struct cor_key *key, const char *node, struct cor_buf *out)
{
    auto_(cor_freep) char *cn = cor_sprintf("system:node:%s", node);
    struct cor_subject subject = {.org = "system:nodes", .cn = cn};
    cor_csr_make(key, &subject, out);
}

void hub_enrol(struct set *set, const char *node, struct identity *identity)
{
    auto_(cor_buf_free) struct cor_buf csr = {0};
    auto_(cor_freep) char *token = hub_new_token(set, node);
    identity->key = cor_key_new();
    hub_csr_of(identity->key, node, &csr);
    assert_int_equal(hub_fetch(set, "/ca.crt", NULL, (struct cor_view){0}), 200);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &identity->ca, NULL), COR_OK);
    assert_int_equal(hub_fetch_cert(set, node, token, cor_buf_as_view(&csr)), 200);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&set->body), &identity->cert, NULL), COR_OK);
}

static void read_secret(const struct cor_json *secret, const char *name, struct cor_buf *out)
{
    auto_(cor_freep) char *path = cor_sprintf("data.%s", name);
    assert_true(cor_base64_decode(out, cor_view_of(cor_json_str_at(secret, path, ""))));
}

struct cor_cert *hub_sign(const struct set *set, const struct cor_key *key, int64_t from_s,
                          int64_t until_s)
{
    struct cor_cert_spec spec = {
        .cn = "system:node:n1",
        .org = "system:nodes",
        .usage = COR_CERT_CLIENT,
        .from = {cor_wall_now().us + COR_SEC(from_s)},
        .until = {cor_wall_now().us + COR_SEC(until_s)},
    };
    struct cor_cert *cert = NULL;
    auto_(cor_cert_free) struct cor_cert *ca = NULL;
    auto_(cor_key_free) struct cor_key *ca_key = NULL;
    auto_(cor_freep) char *text = test_read(set->dir, "objects.json");
    auto_(cor_json_free) struct cor_json *objects = NULL;
    auto_(cor_buf_free) struct cor_buf ca_der = {0};
    auto_(cor_buf_free) struct cor_buf key_der = {0};
    assert_int_equal(cor_json_parse(cor_view_of(text), 1 << 20, 0, &objects, NULL), COR_OK);
    const struct cor_json *secret =
        cor_json_get(objects, "/api/v1/namespaces/kubeedge/secrets/casecret");
    read_secret(secret, "cadata", &ca_der);
    read_secret(secret, "cakeydata", &key_der);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&ca_der), &ca, NULL), COR_OK);
    assert_int_equal(cor_key_parse(cor_buf_as_view(&key_der), &ca_key, NULL), COR_OK);
    assert_int_equal(cor_cert_sign((struct cor_issuer){ca, ca_key}, key, &spec, &cert, NULL),
                     COR_OK);
    return cert;
}

void hub_identity_free(struct identity *identity)
{
    cor_cert_free(&identity->ca);
    cor_key_free(&identity->key);
    cor_cert_free(&identity->cert);
}

void hub_write_identity(const struct set *set, const struct identity *identity)
{
    auto_(cor_buf_free) struct cor_buf ca = {0};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_buf_free) struct cor_buf key = {0};
    cor_cert_pem(identity->ca, &ca);
    cor_cert_pem(identity->cert, &cert);
    cor_key_pem(identity->key, &key);
    test_write(set->dir, "hub-ca.pem", ca.data);
    test_write(set->dir, "n1.pem", cert.data);
    test_write(set->dir, "n1.key", key.data);
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

bool hub_is_decided(void *arg)
{
    const struct node *node = arg;
    return node->opened || node->closed;
}

bool hub_is_closed(void *arg)
{
    return ((struct node *)arg)->closed;
}

void hub_dial_begin(struct set *set, struct node *node, const struct identity *identity,
                    const char *name, const char *use)
{
    const struct cor_ws_header headers[] = {
        {"Node_id", name}, {"Project_id", "p"}, {"Connectionuse", use}, {NULL, NULL}};
    struct cor_ws_target target = {
        .host = "127.0.0.1",
        .port = set->link_port,
        .path = "/anything",
        .headers = headers,
        .tls = {.cert = identity->cert, .key = identity->key, .ca = identity->ca},
        .timeout_us = COR_SEC(30)};
    *node = (struct node){.set = set};
    node->conn = cor_ws_dial(set->ws, &target, 0, &NODE, node);
}

void hub_dial_as(struct set *set, struct node *node, const struct identity *identity,
                 const char *name, const char *use)
{
    hub_dial_begin(set, node, identity, name, use);
    hub_wait(set, hub_is_decided, node);
}

static bool sessions_are(void *arg)
{
    void **args = arg;
    const struct set *set = args[0];
    return strcmp(cor_buf_as_view(&set->sessions).ptr, args[1]) == 0;
}

void hub_expect_sessions(struct set *set, const char *text)
{
    void *args[] = {set, (void *)(uintptr_t)text};
    hub_wait(set, sessions_are, args);
}

void hub_say(struct node *node, const char *id, const char *parent, const char *route,
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

void hub_frame(struct node *node, size_t which, struct px_kubeedge_in *in)
{
    void *args[] = {node, (void *)(uintptr_t)(which + 1)};
    hub_wait(node->set, has_frames, args);
    assert_int_equal(px_kubeedge_read(cor_view_of(node->frames[which]), in, NULL), COR_OK);
}

void hub_end(struct node *node)
{
    if (node->conn != NULL) {
        cor_ws_close(node->conn, 0, "the test is over");
    }
    for (size_t i = 0; i < node->count; i++) {
        cor_free(node->frames[i]);
    }
    node->count = 0;
}

void hub_send_object(struct set *set, const char *key, const char *version, bool gone)
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

void hub_ack(struct node *node, const struct px_kubeedge_in *in)
{
    hub_say(node, "0a", in->id, "\"source\":\"x\",\"group\":\"y\",\"operation\":\"response\"",
            "\"OK\"");
}
