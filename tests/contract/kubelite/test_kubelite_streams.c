// SPDX-License-Identifier: Apache-2.0
// A real kubelite, a kubelet that the test plays on its loop, and clients in a thread: what goes
// through to the kubelet, what comes back.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/httpd/httpd.h"
#include "harness.h"
#include "tests/support/certs.h"
#include "tests/support/talk/talk.h"
#include "tests/support/wait.h"

#define POD "/api/v1/namespaces/default/pods/web"

enum { MANY = 64 << 20, BLOCK = 60000, KILLED = 60 };

struct kubelet {
    struct fixture *f; /* kubelite and the client */
    struct cor_httpd *httpd;
    struct test_certs certs;
    struct cor_buf cert, key, ca;
    int port;
    char asked[512]; /* "METHOD path?query" of the last request */
    char peer[64], protocols[128], leaked[64];
    struct cor_stream *out;
    struct cor_link echoes;
    size_t produced;
    int64_t samples;
    _Atomic bool stalled; /* the producer has more and cannot go on */
    /* client */
    void (*client)(struct kubelet *k);
    const char *path;
    _Atomic bool done;
    _Atomic size_t got;
    pthread_t thread;
};

/* ---- the kubelet --------------------------------------------------------------------------------
 */

struct echo {
    struct cor_link link;
    struct cor_pipe *pipe;
};

static void echo_free(struct echo *echo)
{
    cor_pipe_free(&echo->pipe);
    cor_list_del(&echo->link);
    cor_free(echo);
}

static void echo_bytes(void *self, struct cor_view bytes)
{
    struct echo *echo = self;
    if (bytes.len == 4 && memcmp(bytes.ptr, "quit", 4) == 0) {
        echo_free(echo);
    } else if (cor_pipe_write(echo->pipe, bytes) == COR_OK) {
        cor_pipe_read(echo->pipe, cor_pipe_waiting(echo->pipe) < 65536);
    }
}

static void echo_room(void *self)
{
    struct echo *echo = self;
    cor_pipe_read(echo->pipe, true);
}

static void echo_end(void *self)
{
    echo_free(self);
}

static void echo_closed(void *self, const struct cor_err *err)
{
    (void)err;
    echo_free(self);
}

static void begin_echo(struct kubelet *k, struct cor_exchange *exchange)
{
    struct echo *echo = cor_alloc(sizeof(*echo));
    struct cor_pipe_spec spec = {.bytes = echo_bytes,
                                 .room = echo_room,
                                 .end = echo_end,
                                 .closed = echo_closed,
                                 .self = echo};
    cor_list_add(&k->echoes, &echo->link);
    cor_exchange_add_header(exchange, "X-Stream-Protocol-Version", "v4.channel.k8s.io");
    echo->pipe = cor_exchange_upgrade(exchange, "SPDY/3.1", &spec);
    must(cor_pipe_write(echo->pipe, COR_VIEW("hi:")) == COR_OK);
    cor_pipe_read(echo->pipe, true);
}

static void out_closed(void *self)
{
    struct kubelet *k = self;
    k->out = NULL;
}

static void produce(void *self)
{
    static const char block[BLOCK];
    struct kubelet *k = self;
    while (k->produced < MANY && cor_stream_waiting(k->out) <= 4 * COR_STREAM_LOW) {
        must(cor_stream_write(k->out, (struct cor_view){block, sizeof(block)}) == COR_OK);
        k->produced += sizeof(block);
    }
    k->stalled = k->produced < MANY;
    if (!k->stalled) {
        cor_stream_end(take(&k->out));
    }
}

static void reply(struct cor_exchange *exchange, int status, const char *text)
{
    struct cor_buf body = {0};
    cor_buf_str(&body, text);
    cor_exchange_reply(exchange, status, "text/plain; charset=utf-8", &body);
}

static void on_header(void *self, const char *name, const char *value)
{
    struct kubelet *k = self;
    if (strcmp(name, "X-Stream-Protocol-Version") == 0) {
        (void)strncat(k->protocols, value, sizeof(k->protocols) - strlen(k->protocols) - 1);
    }
    if (strcmp(name, "Authorization") == 0 || strcmp(name, "Cookie") == 0) {
        (void)strncpy(k->leaked, name, sizeof(k->leaked) - 1);
    }
}

static void note(struct kubelet *k, struct cor_exchange *exchange)
{
    struct cor_view path = cor_exchange_path(exchange);
    struct cor_view query = cor_exchange_query(exchange);
    const char *peer = cor_exchange_peer_name(exchange);
    const char *org = cor_exchange_peer_org(exchange, 0);
    (void)snprintf(k->asked, sizeof(k->asked), "%s %.*s%s%.*s", cor_exchange_method(exchange),
                   COR_VIEW_ARG(path), query.len > 0 ? "?" : "", (int)query.len,
                   query.len > 0 ? query.ptr : "");
    (void)snprintf(k->peer, sizeof(k->peer), "%s/%s", peer == NULL ? "" : peer,
                   org == NULL ? "" : org);
    k->protocols[0] = '\0';
    cor_exchange_each_header(exchange, on_header, k);
}

/* Half a core and 100 MiB of the node, a tenth of a core and 5 MiB of each container but the last,
 * with the time of the sample. */
static void reply_metrics(struct kubelet *k, struct cor_exchange *exchange)
{
    static const char *const names[] = {"c", "new", "ill", "big"};
    int64_t ms = (++k->samples + 1000) * 10000;
    double seconds = (double)ms / 1000;
    struct cor_buf text = {0};
    cor_buf_fmt(&text, "# TYPE node_cpu_usage_seconds_total counter\n");
    cor_buf_fmt(&text, "node_cpu_usage_seconds_total %.3f %lld\n", seconds / 2, (long long)ms);
    cor_buf_fmt(&text, "node_memory_working_set_bytes 1.048576e+08 %lld\n", (long long)ms);
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        cor_buf_fmt(&text,
                    "container_cpu_usage_seconds_total{container=\"%s\",namespace=\"default\","
                    "pod=\"web\"} %.3f %lld\ncontainer_memory_working_set_bytes{container=\"%s\","
                    "namespace=\"default\",pod=\"web\"} 5242880 %lld\n",
                    names[i], seconds / 10, (long long)ms, names[i], (long long)ms);
    }
    cor_exchange_reply(exchange, 200, "text/plain; version=0.0.4", &text);
}

static void handle(void *self, struct cor_exchange *exchange)
{
    struct kubelet *k = self;
    struct cor_view path = cor_exchange_path(exchange);
    note(k, exchange);
    if (cor_view_is(path, "/containerLogs/default/web/new")) {
        reply(exchange, 400,
              "container \"new\" in pod \"web\" is waiting to start: "
              "ContainerCreating");
    } else if (cor_view_is(path, "/containerLogs/default/web/ill")) {
        reply(exchange, 500, "it hurts");
    } else if (cor_view_is(path, "/containerLogs/default/web/big")) {
        k->out = cor_exchange_stream(exchange, 200, "text/plain", out_closed, k);
        cor_stream_on_room(k->out, produce, k);
        produce(k);
    } else if (cor_view_starts(path, "/containerLogs/")) {
        k->out = cor_exchange_stream(exchange, 200, "text/plain", out_closed, k);
        must(cor_stream_write(k->out, COR_VIEW("line 1\n")) == COR_OK);
        if (!cor_view_starts(cor_exchange_query(exchange), "follow=true")) {
            cor_stream_end(take(&k->out));
        }
    } else if (cor_view_is(path, "/exec/default/web/ill")) {
        reply(exchange, 403, "no");
    } else if (cor_view_is(path, "/stats/summary")) {
        reply(exchange, 200, "{\"node\":{}}");
    } else if (cor_view_is(path, "/metrics/resource")) {
        reply_metrics(k, exchange);
    } else if (cor_exchange_wants_upgrade(exchange)) {
        begin_echo(k, exchange);
    } else {
        reply(exchange, 404, "404 page not found");
    }
}

/* A node with this kubelet, and a Pod on it with containers whose names say what they do. */
static void add_objects(struct kubelet *k)
{
    static const char pod[] =
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'web'},'spec':{'nodeName':'n1',"
        "'containers':[{'name':'c','image':'x'},{'name':'new','image':'x'},{'name':'ill','image':"
        "'x'},{'name':'big','image':'x'}]}}";
    auto_(cor_freep) char *status = cor_sprintf(
        "{'status':{'addresses':[{'type':'Hostname','address':'nowhere'},{'type':'InternalIP',"
        "'address':'127.0.0.1'}],'daemonEndpoints':{'kubeletEndpoint':{'Port':%d}}}}",
        k->port);
    call(k->f, "POST", "/api/v1/nodes",
         "{'apiVersion':'v1','kind':'Node','metadata':{'name':'n1'}}");
    assert_int_equal(k->f->status, 201);
    send_ask(k->f, &(struct ask){.method = "PATCH",
                                 .path = "/api/v1/nodes/n1/status",
                                 .body = status,
                                 .type = "application/merge-patch+json"});
    assert_int_equal(k->f->status, 200);
    call(k->f, "POST", "/api/v1/namespaces/default/pods", pod);
    assert_int_equal(k->f->status, 201);
}

static int set_up(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct kubelet *k = cor_alloc(sizeof(*k));
    void *inner = NULL;
    must(setup(&inner) == 0);
    *state = k;
    k->f = inner;
    cor_list_init(&k->echoes);
    test_certs_make(&k->certs, "x", "y");
    cor_cert_pem(k->certs.server, &k->cert);
    cor_key_pem(k->certs.server_key, &k->key);
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = 1,
                                  .cert_pem = k->cert.data,
                                  .key_pem = k->key.data,
                                  .client_ca_pem = k->f->ca.data,
                                  .handler = handle,
                                  .self = k};
    must(cor_httpd_start(k->f->stage->loop, &spec, &k->httpd, NULL) == COR_OK);
    k->port = cor_httpd_port(k->httpd, 0);
    add_objects(k);
    return 0;
}

static int tear_down(void **state)
{
    struct kubelet *k = *state;
    cor_httpd_free(&k->httpd);
    assert_true(cor_list_empty(&k->echoes));
    void *inner = k->f;
    must(teardown(&inner) == 0);
    test_certs_free(&k->certs);
    cor_buf_free(&k->cert);
    cor_buf_free(&k->key);
    cor_free(k);
    return 0;
}

/* ---- clients ------------------------------------------------------------------------------------
 */

static void *client_thread(void *arg)
{
    struct kubelet *k = arg;
    k->client(k);
    k->done = true;
    return NULL;
}

static bool is_done(void *arg)
{
    struct kubelet *k = arg;
    return k->done;
}

static void begin(struct kubelet *k, void (*client)(struct kubelet *k))
{
    k->client = client;
    k->done = false;
    must(pthread_create(&k->thread, NULL, client_thread, k) == 0);
}

static void end(struct kubelet *k)
{
    test_wait(k->f->stage->loop, k->f->stage->dir, is_done, k);
    must(pthread_join(k->thread, NULL) == 0);
}

static void simple_client(struct kubelet *k)
{
    call(k->f, "GET", k->path, NULL);
}

static void get(struct kubelet *k, const char *path)
{
    k->path = path;
    begin(k, simple_client);
    end(k);
}

static CURL *dial(struct kubelet *k)
{
    const struct fixture *f = k->f;
    auto_(cor_freep) char *url = cor_sprintf("https://127.0.0.1:%d", f->port);
    struct test_talk talk = {.url = url, .ca = &f->ca, .cert = &f->cert, .key = &f->key};
    return test_dial(&talk);
}

static void ask_upgrade(CURL *easy, const char *path)
{
    char request[1024];
    int len = snprintf(request, sizeof(request),
                       "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: Upgrade\r\n"
                       "Upgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
                       "X-Stream-Protocol-Version: v3.channel.k8s.io\r\nCookie: secret\r\n\r\n",
                       path);
    test_say(easy, request, (size_t)len);
}

/* ---- cases --------------------------------------------------------------------------------------
 */

static void test_logs(void **state)
{
    struct kubelet *k = *state;
    static const struct {
        const char *path;
        long status;
        const char *text;  /* or message */
        const char *asked; /* NULL: nothing */
    } CASES[] = {
        {POD "/log?container=c&tailLines=5", 200, "line 1\n",
         "GET /containerLogs/default/web/c?tailLines=5"},
        {POD "/log", 400,
         "a container name must be specified for pod web, choose one of: [c new ill big]", NULL},
        {POD "/log?container=new", 400,
         "container \"new\" in pod \"web\" is waiting to start: ContainerCreating",
         "GET /containerLogs/default/web/new"},
        {POD "/log?container=ill", 500, "Internal error occurred: it hurts",
         "GET /containerLogs/default/web/ill"},
        {POD "x/log", 404, "pods \"webx\" not found", NULL},
        {POD "/exec?container=c&command=ls", 400, "Upgrade request required", NULL},
        {"/api/v1/nodes/n1/proxy/stats/summary?only=cpu", 200, "{\"node\":{}}",
         "GET /stats/summary?only=cpu"},
        {"/api/v1/nodes/n1/proxy/nothing", 404, "404 page not found", "GET /nothing"},
        {"/api/v1/nodes/n2/proxy/", 404, "nodes \"n2\" not found", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        k->asked[0] = '\0';
        get(k, CASES[i].path);
        assert_int_equal(k->f->status, CASES[i].status);
        const char *said = k->f->body != NULL && at(k->f, "message")[0] != '\0'
                               ? at(k->f, "message")
                               : k->f->text.data;
        assert_string_equal(said, CASES[i].text);
        assert_string_equal(k->asked, CASES[i].asked == NULL ? "" : CASES[i].asked);
    }
    assert_string_equal(k->peer, "kubelite-kubelet-client/system:masters");
}

static bool has_line(void *arg)
{
    struct kubelet *k = arg;
    return k->got > 0;
}

static bool is_forgotten(void *arg)
{
    struct kubelet *k = arg;
    return k->out == NULL && k->done && cor_httpd_connections(k->httpd) == 0;
}

static void follower(struct kubelet *k)
{
    CURL *easy = dial(k);
    static const char text[] =
        "GET " POD "/log?container=c&follow=true HTTP/1.1\r\nHost: h\r\n\r\n";
    test_say(easy, text, sizeof(text) - 1);
    auto_(cor_freep) char *first = test_hear(easy, "line 1\n");
    k->got = 1;
    auto_(cor_freep) char *second = test_hear(easy, "line 2\n");
    must(strstr(second, "line 2\n") != NULL);
    curl_easy_cleanup(easy);
}

/* A line comes when it is written; the client that goes takes the kubelet's side along. */
static void test_follow(void **state)
{
    struct kubelet *k = *state;
    begin(k, follower);
    test_wait(k->f->stage->loop, k->f->stage->dir, has_line, k);
    must(cor_stream_write(k->out, COR_VIEW("line 2\n")) == COR_OK);
    test_wait(k->f->stage->loop, k->f->stage->dir, is_forgotten, k);
    end(k);
}

static void talker(struct kubelet *k)
{
    CURL *easy = dial(k);
    ask_upgrade(easy, POD "/exec?container=c&command=sh&stdin=true&stdout=true&tty=true");
    auto_(cor_freep) char *head = test_hear(easy, "hi:");
    must(strncmp(head, "HTTP/1.1 101 ", 13) == 0);
    must(strstr(head, "\r\nUpgrade: SPDY/3.1\r\n") != NULL);
    must(strstr(head, "\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n") != NULL);
    test_say(easy, "echo this", 9);
    auto_(cor_freep) char *more = test_hear(easy, "echo this");
    must(strcmp(more, "echo this") == 0);
    test_say(easy, "quit", 4);
    auto_(cor_freep) char *rest = test_hear(easy, "never");
    must(strcmp(rest, "") == 0);
    curl_easy_cleanup(easy);
}

static void test_exec(void **state)
{
    struct kubelet *k = *state;
    begin(k, talker);
    end(k);
    assert_string_equal(k->asked, "POST /exec/default/web/c?command=sh&input=1&output=1&tty=1");
    assert_string_equal(k->protocols, "v4.channel.k8s.iov3.channel.k8s.io");
    assert_string_equal(k->leaked, "");
    assert_string_equal(k->peer, "kubelite-kubelet-client/system:masters");
}

/* As kubectl from 1.30 on asks first: it goes back to SPDY at once. */
static void ask_websocket(struct kubelet *k)
{
    CURL *easy = dial(k);
    static const char text[] =
        "GET " POD "/exec?container=c&command=sh&stdout=true HTTP/1.1\r\nHost: h\r\nConnection: "
        "Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n";
    test_say(easy, text, sizeof(text) - 1);
    auto_(cor_freep) char *answer = test_hear(easy, "\"code\":400");
    must(strncmp(answer, "HTTP/1.1 400 ", 13) == 0);
    must(strstr(answer, "unsupported WebSocket protocol") != NULL);
    curl_easy_cleanup(easy);
}

static void test_translated_protocols(void **state)
{
    struct kubelet *k = *state;
    k->asked[0] = '\0';
    begin(k, ask_websocket);
    end(k);
    assert_string_equal(k->asked, ""); /* nobody was asked */
}

static void refused(struct kubelet *k)
{
    CURL *easy = dial(k);
    ask_upgrade(easy, POD "/exec?container=ill&command=sh&stdout=true");
    auto_(cor_freep) char *head = test_hear(easy, "no\r\n");
    must(strncmp(head, "HTTP/1.1 403 ", 13) == 0);
    curl_easy_cleanup(easy);
}

/* So kubectl falls back from one protocol to the other: it takes any answer but 101 as a no. */
static void test_kubelet_refuses_to_upgrade(void **state)
{
    struct kubelet *k = *state;
    begin(k, refused);
    end(k);
}

static void killed(struct kubelet *k)
{
    for (int i = 0; i < KILLED; i++) {
        CURL *easy = dial(k);
        ask_upgrade(easy, i % 3 == 0 ? POD "/portforward" : POD "/attach?container=c&stdout=true");
        if (i % 4 != 0) {
            auto_(cor_freep) char *head = test_hear(easy, "hi:");
            test_say(easy, "some bytes", 10);
        }
        curl_easy_cleanup(easy);
    }
}

static bool is_quiet(void *arg)
{
    struct kubelet *k = arg;
    return k->done && cor_list_empty(&k->echoes) && cor_httpd_connections(k->httpd) == 0;
}

static void test_killed_clients_leave_nothing(void **state)
{
    struct kubelet *k = *state;
    begin(k, killed);
    test_wait(k->f->stage->loop, k->f->stage->dir, is_quiet, k);
    end(k);
}

static void slow_reader(struct kubelet *k)
{
    CURL *easy = dial(k);
    static const char text[] = "GET " POD "/log?container=big HTTP/1.1\r\nHost: h\r\nConnection: "
                               "close\r\n\r\n";
    test_say(easy, text, sizeof(text) - 1);
    while (!k->stalled) { /* nothing is read until the kubelet cannot go on */
        test_await(easy, POLLIN);
    }
    for (;;) {
        char block[65536];
        size_t n = 0;
        CURLcode code = curl_easy_recv(easy, block, sizeof(block), &n);
        if (code == CURLE_AGAIN) {
            test_await(easy, POLLIN);
        } else if (code != CURLE_OK || n == 0) {
            break;
        }
        k->got += n;
    }
    curl_easy_cleanup(easy);
}

/* What the client does not read, the kubelet does not send. */
static void test_back_pressure(void **state)
{
    struct kubelet *k = *state;
    begin(k, slow_reader);
    end(k);
    assert_in_range(k->got, MANY, MANY + MANY / 8);
}

static void test_kubelet_is_away(void **state)
{
    struct kubelet *k = *state;
    auto_(cor_freep) char *wanted =
        cor_sprintf("Get \"https://127.0.0.1:%d/containerLogs/default/web/c\": dial tcp "
                    "127.0.0.1:%d: connect: connection refused",
                    k->port, k->port);
    auto_(cor_freep) char *other = cor_sprintf(
        "error trying to reach service: dial tcp 127.0.0.1:%d: connect: connection refused",
        k->port);
    cor_httpd_free(&k->httpd);
    call(k->f, "GET", POD "/log?container=c", NULL);
    assert_int_equal(k->f->status, 500);
    assert_string_equal(at(k->f, "message"), wanted);
    call(k->f, "GET", "/api/v1/nodes/n1/proxy/healthz", NULL);
    assert_int_equal(k->f->status, 500);
    assert_string_equal(at(k->f, "message"), other);
}

/* Others than the administrator need a role for it. */
static void test_rights(void **state)
{
    struct kubelet *k = *state;
    become(k->f, "eve", "guests");
    call(k->f, "GET", POD "/log?container=c", NULL);
    assert_int_equal(k->f->status, 403);
    assert_non_null(strstr(at(k->f, "message"), "cannot get resource \"pods/log\""));
    call(k->f, "POST", POD "/exec?container=c&command=sh", NULL);
    assert_int_equal(k->f->status, 403);
    call(k->f, "GET", "/api/v1/nodes/n1/proxy/run", NULL);
    assert_int_equal(k->f->status, 403);
}

static void test_publishes_its_ca(void **state)
{
    struct kubelet *k = *state;
    call(k->f, "GET",
         "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication", NULL);
    assert_int_equal(k->f->status, 200);
    const struct cor_json *data = cor_json_get(k->f->body, "data");
    assert_string_equal(cor_json_as_str(cor_json_get(data, "client-ca-file"), ""), k->f->ca.data);
}

/* Two samples are taken when there is none, and kept for a while. */
static void test_metrics(void **state)
{
    struct kubelet *k = *state;
    send_ask(k->f,
             &(struct ask){.method = "PATCH",
                           .path = "/api/v1/nodes/n1/status",
                           .body = "{'status':{'conditions':[{'type':'Ready','status':'True'}]}}",
                           .type = "application/strategic-merge-patch+json"});
    assert_int_equal(k->f->status, 200);
    get(k, "/apis/metrics.k8s.io/v1beta1/nodes");
    assert_int_equal(k->f->status, 200);
    assert_string_equal(at(k->f, "kind"), "NodeMetricsList");
    const struct cor_json *one = cor_json_item(cor_json_get(k->f->body, "items"), 0);
    assert_string_equal(cor_json_str_at(one, "metadata.name", ""), "n1");
    assert_string_equal(cor_json_str_at(one, "usage.cpu", ""), "500m");
    assert_string_equal(cor_json_str_at(one, "usage.memory", ""), "100Mi");
    assert_string_equal(cor_json_str_at(one, "window", ""), "10.000s");
    get(k, "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web");
    assert_int_equal(k->f->status, 200);
    assert_int_equal(cor_json_count(cor_json_get(k->f->body, "containers")), 4);
    one = cor_json_item(cor_json_get(k->f->body, "containers"), 3);
    assert_string_equal(cor_json_str_at(one, "name", ""), "big");
    assert_string_equal(cor_json_str_at(one, "usage.cpu", ""), "100m");
    assert_string_equal(cor_json_str_at(one, "usage.memory", ""), "5Mi");
    get(k, "/apis/metrics.k8s.io/v1beta1/pods?labelSelector=no%3Dsuch");
    assert_int_equal(cor_json_count(cor_json_get(k->f->body, "items")), 0);
    assert_int_equal(k->samples, 2);
    get(k, "/apis/metrics.k8s.io/v1beta1/nodes/n2");
    assert_int_equal(k->f->status, 404);
    call(k->f, "POST", "/apis/metrics.k8s.io/v1beta1/nodes", "{}");
    assert_int_equal(k->f->status, 405);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_logs),
        CASE(test_follow),
        CASE(test_exec),
        CASE(test_translated_protocols),
        CASE(test_kubelet_refuses_to_upgrade),
        CASE(test_killed_clients_leave_nothing),
        CASE(test_back_pressure),
        CASE(test_kubelet_is_away),
        CASE(test_rights),
        CASE(test_publishes_its_ca),
        CASE(test_metrics),
    };
#undef CASE
    (void)signal(SIGPIPE, SIG_IGN);
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
