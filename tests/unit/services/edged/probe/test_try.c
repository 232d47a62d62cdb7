// SPDX-License-Identifier: Apache-2.0
// Tries against servers on the same loop.
#include <arpa/inet.h>

#include "../../../common/grpc/server.h"
#include "../fixture.h"
#include "common/base/socket.h"
#include "common/httpd/httpd.h"
#include "services/edged/probe/try.h"
#include "tests/support/certs.h"

enum { PATIENCE_S = 60 };

struct fixture {
    struct cor_loop *loop;
    struct cor_timer *late;
    struct cor_httpd *httpd;
    struct cor_httpd *other; /* with TLS */
    struct cor_buf seen;     /* Host, User-Agent, Accept and X-A of the last request */
    enum probe_outcome outcome;
    struct cor_buf text;
    bool done;
};

static void on_late(void *self)
{
    (void)self;
    print_error("deadline passed\n");
    abort();
}

static const char *or_none(const char *text)
{
    return text == NULL ? "-" : text;
}

static void answer(struct cor_exchange *exchange, int status, struct cor_view text)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    cor_buf_view(&body, text);
    cor_exchange_reply(exchange, status, "text/plain", &body);
}

static void redirect(struct cor_exchange *exchange, const char *to)
{
    cor_exchange_add_header(exchange, "Location", to);
    answer(exchange, 302, COR_VIEW("moved"));
}

static void handle(void *self, struct cor_exchange *exchange)
{
    struct fixture *f = self;
    struct cor_view path = cor_exchange_path(exchange);
    struct cor_view query = cor_exchange_query(exchange);
    cor_buf_clear(&f->seen);
    cor_buf_fmt(&f->seen, "%s|%s|%s", or_none(cor_exchange_header(exchange, "User-Agent")),
                or_none(cor_exchange_header(exchange, "Accept")),
                or_none(cor_exchange_header(exchange, "X-A")));
    if (cor_view_is(path, "/near")) {
        redirect(exchange, "good?a=1");
    } else if (cor_view_is(path, "/round")) {
        redirect(exchange, "/round");
    } else if (cor_view_is(path, "/far")) {
        redirect(exchange, "http://192.0.2.7/x");
    } else if (cor_view_is(path, "/good")) {
        answer(exchange, 200, query.len > 0 ? query : COR_VIEW("fine"));
    } else if (!cor_view_is(path, "/hang")) {
        answer(exchange, 503, COR_VIEW("secret"));
    }
}

static struct cor_httpd *serve(struct fixture *f, const struct test_certs *certs)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    auto_(cor_buf_free) struct cor_buf cert = {0};
    auto_(cor_buf_free) struct cor_buf key = {0};
    struct cor_httpd_spec spec = {
        .addresses = addresses, .address_count = 1, .handler = handle, .self = f};
    struct cor_httpd *httpd = NULL;
    if (certs != NULL) {
        cor_cert_pem(certs->server, &cert);
        cor_key_pem(certs->server_key, &key);
        spec.cert_pem = cert.data;
        spec.key_pem = key.data;
    }
    assert_int_equal(cor_httpd_start(f->loop, &spec, &httpd, NULL), COR_OK);
    return httpd;
}

static int set_up(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    struct test_certs certs;
    test_certs_make(&certs, "a", "b");
    f->loop = cor_loop_new();
    f->late = cor_timer_new(f->loop, on_late, f);
    cor_timer_start(f->late, COR_SEC(PATIENCE_S));
    f->httpd = serve(f, NULL);
    f->other = serve(f, &certs);
    test_certs_free(&certs);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    cor_httpd_free(&f->httpd);
    cor_httpd_free(&f->other);
    cor_timer_free(&f->late);
    cor_loop_free(&f->loop);
    cor_buf_free(&f->seen);
    cor_buf_free(&f->text);
    cor_free(f);
    return 0;
}

static void on_done(void *self, enum probe_outcome outcome, const char *text)
{
    struct fixture *f = self;
    f->outcome = outcome;
    cor_buf_clear(&f->text);
    cor_buf_str(&f->text, text);
    f->done = true;
    cor_loop_stop(f->loop);
}

/* Only what is to take too long has little time. */
static void expect(struct fixture *f, const struct pod_handler *handler, enum probe_outcome outcome,
                   const char *text)
{
    const struct probe_ask ask = {.handler = handler,
                                  .ip = "127.0.0.1",
                                  .timeout_seconds = strstr(text, "imeout") != NULL ? 1 : 20,
                                  .agent = "kube-probe/1.32"};
    f->done = false;
    struct probe_try *attempt = probe_try_new(f->loop, &ask, on_done, f);
    assert_false(f->done); /* the answer comes later */
    cor_loop_run(f->loop);
    probe_try_free(&attempt);
    if (f->outcome != outcome || strstr(f->text.data, text) == NULL) {
        fail_msg("outcome %d: %s", (int)f->outcome, f->text.data);
    }
}

static struct pod_handler http(int port, const char *path, bool https)
{
    return (struct pod_handler){.act = POD_ACT_HTTP,
                                .host = "",
                                .port = port,
                                .port_name = "",
                                .path = path,
                                .https = https};
}

static void test_http(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *path;
        enum probe_outcome outcome;
        const char *text;
    } cases[] = {
        {"/good", PROBE_PASSED, "fine"},
        {"good", PROBE_PASSED, "fine"},
        {"/good?x y", PROBE_PASSED, "x%20y"},
        {"/bad", PROBE_FAILED, "HTTP probe failed with statuscode: 503"},
        {"/near", PROBE_PASSED, "a=1"},
        {"/far", PROBE_WARNED, "Probe terminated redirects, Response body: moved"},
        {"/round", PROBE_FAILED, "stopped after 10 redirects"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct pod_handler handler = http(cor_httpd_port(f->httpd, 0), cases[i].path, false);
        expect(f, &handler, cases[i].outcome, cases[i].text);
        assert_string_equal(f->seen.data, "kube-probe/1.32|*/*|-");
    }
    assert_null(strstr(f->text.data, "secret"));
}

static void test_https(void **state)
{
    struct fixture *f = *state;
    struct pod_handler handler = http(cor_httpd_port(f->other, 0), "/good", true);
    expect(f, &handler, PROBE_PASSED, "fine");
    handler = http(cor_httpd_port(f->other, 0), "/bad", true);
    expect(f, &handler, PROBE_FAILED, "statuscode: 503");
    handler = http(cor_httpd_port(f->httpd, 0), "/good", true); /* a server without TLS */
    expect(f, &handler, PROBE_FAILED, "tls: ");
    handler = http(cor_httpd_port(f->other, 0), "/good", false);
    expect(f, &handler, PROBE_FAILED, "");
}

static void test_headers(void **state)
{
    struct fixture *f = *state;
    struct pod_header headers[] = {
        {"user-agent", "me"}, {"Accept", ""}, {"X-A", "1"}, {"Host", "example"}};
    struct pod_handler handler = http(cor_httpd_port(f->httpd, 0), "/good", false);
    handler.headers = headers;
    handler.header_count = COR_COUNT(headers);
    expect(f, &handler, PROBE_PASSED, "fine");
    assert_string_equal(f->seen.data, "me|-|1");
}

static void test_no_answer(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, NULL), COR_OK);
    struct pod_handler handler = http(cor_socket_port(fd), "/x", false); /* nobody accepts */
    expect(f, &handler, PROBE_FAILED, "Client.Timeout exceeded while awaiting headers");
    close(fd);
    expect(f, &handler, PROBE_FAILED, "connect: connection refused");
    handler.port = 0;
    handler.port_name = "www";
    expect(f, &handler, PROBE_ERRORED, "strconv.Atoi: parsing \"www\": invalid syntax");
    handler = http(80, "/x", false);
    handler.host = "no.such.name";
    expect(f, &handler, PROBE_FAILED, "no such address");
}

static void test_tcp(void **state)
{
    struct fixture *f = *state;
    int fd = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, NULL), COR_OK);
    struct pod_handler handler = {
        .act = POD_ACT_TCP, .host = "", .port_name = "", .port = cor_socket_port(fd)};
    expect(f, &handler, PROBE_PASSED, "");
    close(fd);
    expect(f, &handler, PROBE_FAILED, "connect: connection refused");
}

static void test_grpc(void **state)
{
    struct fixture *f = *state;
    struct server server;
    int fd = -1;
    assert_int_equal(cor_socket_listen("127.0.0.1", 0, &fd, NULL), COR_OK);
    struct pod_handler handler = {.act = POD_ACT_GRPC,
                                  .host = "",
                                  .port_name = "",
                                  .port = cor_socket_port(fd),
                                  .service = "good"};
    expect(f, &handler, PROBE_FAILED, "timeout: failed to connect service"); /* silent */
    server_on(&server, f->loop, fd);
    expect(f, &handler, PROBE_PASSED, "service healthy");
    handler.service = "";
    expect(f, &handler, PROBE_FAILED, "service unhealthy (responded with \"NOT_SERVING\")");
    server_stop(&server);
    expect(f, &handler, PROBE_FAILED, "timeout: failed to connect service");
}

static void test_given_up(void **state)
{
    struct fixture *f = *state;
    struct pod_handler handler = http(cor_httpd_port(f->httpd, 0), "/hang", false);
    const struct probe_ask ask = {.handler = &handler, .ip = "127.0.0.1", .agent = "a"};
    struct probe_try *attempt = probe_try_new(f->loop, &ask, on_done, f);
    f->done = false;
    probe_try_free(&attempt);
    struct pod_handler next = http(cor_httpd_port(f->httpd, 0), "/good", false);
    expect(f, &next, PROBE_PASSED, "fine");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_http, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_https, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tcp, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_grpc, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_given_up, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
