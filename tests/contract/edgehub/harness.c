// SPDX-License-Identifier: Apache-2.0
#include "tests/contract/edgehub/harness.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/pki/csr.h"
#include "common/pki/digest.h"
#include "tests/support/wait.h"

void edge_wait(struct set *set, bool (*cond)(void *arg), void *arg)
{
    test_wait(set->loop, set->dir, cond, arg);
}

/* ---- the cloud ---- */

static void *on_accept(void *self, const struct cor_ws_ask *ask)
{
    struct set *set = self;
    char node[64];
    char project[64];
    char use[16];
    cor_ws_ask_header(ask, "node_id", node, sizeof(node));
    cor_ws_ask_header(ask, "project_id", project, sizeof(project));
    cor_ws_ask_header(ask, "connectionuse", use, sizeof(use));
    (void)snprintf(set->headers, sizeof(set->headers), "%s %s %s", node, project, use);
    assert_string_equal(cor_cert_cn(cor_ws_ask_cert(ask)), "system:node:n1");
    return set;
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct set *set = self;
    set->conn = conn;
    set->connections++;
}

static void on_message(void *self, struct cor_view message)
{
    struct set *set = self;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    assert_int_equal(px_kubeedge_read(message, &in, NULL), COR_OK);
    assert_int_equal(message.ptr[message.len - 1], '\n');
    if (strcmp(in.operation, "keepalive") == 0) {
        assert_string_equal(in.source, "websocket");
        assert_string_equal(in.group, "resource");
        assert_string_equal(in.resource, "node");
        assert_string_equal(cor_json_as_str(in.content, ""), "ping");
        set->keepalives++;
        return;
    }
    assert_true(set->count < FRAMES_MAX);
    set->frames[set->count++] = cor_view_dup(message);
}

static void on_closed(void *self, const char *reason)
{
    struct set *set = self;
    (void)reason;
    set->conn = NULL;
}

static void answer(struct cor_ws_request *request, int status, struct cor_view body)
{
    struct cor_ws_answer reply = {
        .status = status, .type = "application/octet-stream", .body = body};
    cor_ws_reply(&request, &reply);
}

static void sign(struct set *set, struct cor_ws_request *request)
{
    auto_(cor_csr_free) struct cor_csr *csr = NULL;
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_wall now = cor_wall_now();
    assert_string_equal(cor_ws_request_header(request, "nodename"), "n1");
    bool renewal = cor_ws_request_cert(request) != NULL;
    assert_string_equal(cor_ws_request_header(request, "authorization"),
                        renewal ? "" : "Bearer a.b.c");
    assert_int_equal(cor_csr_parse(cor_ws_request_body(request), &csr, NULL), COR_OK);
    struct cor_issuer issuer = {set->certs.ca, set->certs.ca_key};
    int64_t life = set->life_s == 0 ? 3600 : set->life_s;
    struct cor_cert_spec spec = {.cn = cor_csr_cn(csr),
                                 .org = cor_csr_org(csr),
                                 .usage = COR_CERT_CLIENT,
                                 .from = {now.us - COR_SEC(600)},
                                 .until = {now.us + COR_SEC(life)}};
    assert_int_equal(cor_cert_sign(issuer, cor_csr_key(csr), &spec, &cert, NULL), COR_OK);
    cor_cert_der(cert, &der);
    set->signed_certs++;
    set->renewals += renewal;
    set->life_s = 0;
    answer(request, 200, cor_buf_as_view(&der));
}

static void on_request(void *self, struct cor_ws_request *request)
{
    struct set *set = self;
    auto_(cor_buf_free) struct cor_buf der = {0};
    if (strcmp(cor_ws_request_path(request), "/edge.crt") == 0) {
        sign(set, request);
        return;
    }
    cor_cert_der(set->lie ? set->certs.client : set->certs.ca, &der);
    answer(request, 200, cor_buf_as_view(&der));
}

static void start_cloud(struct set *set)
{
    static const char *const keep[] = {"nodename", "authorization", NULL};
    struct cor_ws_limits limits = {
        .message = 64 * 1024 * 1024, .unfinished = 64 * 1024 * 1024, .queue = 64 * 1024 * 1024};
    struct cor_ws_listen listen = {
        .address = "127.0.0.1",
        .tls = {.cert = set->certs.server, .key = set->certs.server_key, .ca = set->certs.ca},
        .client_cert = COR_WS_CERT_REQUIRED,
        .self = set,
        .accept = on_accept,
        .events = {.opened = on_opened, .message = on_message, .closed = on_closed},
    };
    assert_int_equal(cor_ws_new(set->loop, set->log, &limits, &set->ws, NULL), COR_OK);
    assert_int_equal(cor_ws_listen(set->ws, &listen, &set->link, NULL), COR_OK);
    listen.client_cert = COR_WS_CERT_ASKED;
    listen.accept = NULL;
    listen.request = on_request;
    listen.keep = keep;
    assert_int_equal(cor_ws_listen(set->ws, &listen, &set->enrol, NULL), COR_OK);
}

/* ---- the peers on the bus ---- */

static int peer_of(const struct set *set, const struct cor_in *in)
{
    int peer = 0;
    while (set->peers.ports[peer] != in->port) {
        peer++;
    }
    return peer;
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct set *set = self;
    const struct px_link *link = body;
    (void)err;
    cor_buf_fmt(&set->seen[peer_of(set, in)], "link %.*s %s\n", COR_VIEW_ARG(link->node),
                link->up ? "up" : "down");
    return COR_OK;
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct set *set = self;
    const struct px_object *object = body;
    (void)err;
    set->object_id = in->head->id;
    set->object_cause = in->head->cause;
    cor_buf_fmt(&set->seen[PEER_META], "object %.*s%s uid=%.*s v=%.*s src=%.*s %.*s\n",
                COR_VIEW_ARG(object->key), object->gone ? "!" : "", COR_VIEW_ARG(object->uid),
                COR_VIEW_ARG(object->version), COR_VIEW_ARG(object->source),
                COR_VIEW_ARG(object->body));
    return COR_OK;
}

static enum cor_code on_membership(void *self, struct cor_in *in, const void *body,
                                   struct cor_err *err)
{
    struct set *set = self;
    const struct px_membership *membership = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->seen[PEER_TWIN], "membership %d %.*s\n", membership->whole,
                COR_VIEW_ARG(membership->body));
    return COR_OK;
}

static enum cor_code on_mqtt(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct set *set = self;
    const struct px_mqtt_out *out = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->seen[PEER_BUS], "publish %.*s %.*s\n", COR_VIEW_ARG(out->topic),
                COR_VIEW_ARG(out->payload));
    return COR_OK;
}

static enum cor_code on_subscribe(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err)
{
    struct set *set = self;
    const struct px_mqtt_subscribe *subscribe = body;
    (void)in;
    (void)err;
    cor_buf_fmt(&set->seen[PEER_BUS], "subscribe %.*s %d\n", COR_VIEW_ARG(subscribe->topic),
                subscribe->off);
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_link, on_link},
    {PX_object, on_object},
    {PX_membership, on_membership},
    {PX_mqtt_out, on_mqtt},
    {PX_mqtt_subscribe, on_subscribe},
};

static const struct cor_port_ops OPS = {.handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};

void edge_peer(struct set *set, int peer, bool there)
{
    if (there) {
        test_peers_open(&set->peers, peer, &OPS, set);
    } else {
        cor_port_close(&set->peers.ports[peer]);
    }
}

static void join_bus(struct set *set)
{
    struct cor_bus_spec spec = {
        .run_dir = set->run, .loop = set->loop, .log = set->log, .messages = px_messages()};
    test_peers_join(&set->peers, &spec, &OPS, set);
}

/* ---- set-up ---- */

int edge_setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->dir = test_dir_new();
    set->loop = cor_loop_new();
    set->log = cor_log_new("test", COR_LEVEL_ERROR);
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    start_cloud(set);
    set->run = cor_sprintf("%s/run", set->dir);
    join_bus(set);
    *state = set;
    return 0;
}

int edge_teardown(void **state)
{
    struct set *set = *state;
    int status = test_process_stop(&set->hub, SIGTERM);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cor_ws_free(&set->ws);
    test_peers_leave(&set->peers);
    for (int i = 0; i < PEERS; i++) {
        cor_buf_free(&set->seen[i]);
    }
    for (size_t i = 0; i < set->count; i++) {
        cor_free(set->frames[i]);
    }
    cor_buf_free(&set->answer.body);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    test_certs_free(&set->certs);
    cor_free(set->run);
    test_dir_free(&set->dir);
    cor_free(set);
    return 0;
}

void edge_start(struct set *set, const char *hash)
{
    char line[16];
    auto_(cor_buf_free) struct cor_buf der = {0};
    auto_(cor_buf_free) struct cor_buf hex = {0};
    auto_(cor_freep) char *log = cor_sprintf("%s/log", set->dir);
    auto_(cor_freep) char *path = cor_sprintf("%s/edge.yaml", set->dir);
    cor_cert_der(set->certs.ca, &der);
    cor_sha256_hex(cor_buf_as_view(&der), &hex);
    auto_(cor_freep) char *token = cor_sprintf("%s.a.b.c\n", hash == NULL ? hex.data : hash);
    auto_(cor_freep) char *config = cor_sprintf(
        "run-dir: %s/run\nnode: {name: n1}\nidentity: %s/id\ntoken-file: %s/token\n"
        "cloud: {host: localhost, port: %d, enrol-port: %d, project: proj}\n"
        "link: {keepalive-ms: %d, retry-first-ms: 50, retry-last-ms: 100}\n"
        "tunnel: {enable: %s, port: %d}\n",
        set->dir, set->dir, set->dir, cor_ws_port(set->link), cor_ws_port(set->enrol),
        set->keepalive_ms > 0 ? set->keepalive_ms : 15000, set->tunnel_port > 0 ? "true" : "false",
        set->tunnel_port > 0 ? set->tunnel_port : 1);
    test_write(set->dir, "token", token);
    test_write(set->dir, "edge.yaml", config);
    const char *const argv[] = {
        CORACLE_BINARY_DIR "/bin/edgehub", "--config", path, "--ready-fd", "READY-FD", NULL};
    test_process_start(&set->hub, argv, log, line, sizeof(line));
}

/* ---- steps ---- */

static bool is_connected(void *arg)
{
    void **args = arg;
    const struct set *set = args[0];
    return set->connections >= (int)(intptr_t)args[1] && set->conn != NULL;
}

void edge_connected(struct set *set, int n)
{
    void *args[] = {set, (void *)(intptr_t)n};
    edge_wait(set, is_connected, args);
    for (int i = 0; i < PEERS; i++) {
        if (set->peers.ports[i] != NULL) {
            edge_seen(set, i, "link n1 up"); /* the node knows it, too */
        }
    }
}

void edge_seen(struct set *set, int peer, const char *text)
{
    test_wait_text(set->loop, set->dir, &set->seen[peer], text);
}

void edge_say(struct set *set, const char *text)
{
    assert_int_equal(cor_ws_send(set->conn, cor_view_of(text)), COR_OK);
}

static bool has_frame(void *arg)
{
    void **args = arg;
    return ((struct set *)args[0])->count > (size_t)(uintptr_t)args[1];
}

void edge_frame(struct set *set, size_t which, struct px_kubeedge_in *in)
{
    void *args[] = {set, (void *)(uintptr_t)which};
    edge_wait(set, has_frame, args);
    assert_int_equal(px_kubeedge_read(cor_view_of(set->frames[which]), in, NULL), COR_OK);
}

void edge_call(struct set *set, int peer, uint16_t number, const void *body)
{
    test_call(set->peers.ports[peer], number, body, COR_SEC(30), &set->answer);
}

void edge_answered(struct set *set)
{
    edge_wait(set, test_is_answered, &set->answer);
}
