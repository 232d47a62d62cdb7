// SPDX-License-Identifier: Apache-2.0
// A server on the loop, a blocking client in a thread of its own.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/httpd/httpd.h"
#include "common/pki/cert.h"
#include "common/pki/key.h"

struct fixture {
    struct cor_loop *loop;
    struct cor_httpd *httpd;
    struct cor_wakeup *ended;
    struct cor_timer *later;
    struct cor_exchange *waiting;
    struct cor_stream *stream;
    bool closed;
    int port;
    /* client */
    void (*client)(struct fixture *f);
    char request[8192];
    struct cor_buf answer;
    long status;
    struct cor_buf ca, cert, key, leaf, leaf_key;
};

static void on_closed(void *self)
{
    struct fixture *f = self;
    f->closed = true;
    f->stream = NULL;
    cor_loop_stop(f->loop);
}

static void on_later(void *self)
{
    struct fixture *f = self;
    struct cor_buf body = {0};
    cor_buf_str(&body, "late");
    cor_exchange_reply(f->waiting, 200, "text/plain", &body);
}

static void say_who(struct cor_exchange *exchange, struct cor_buf *body)
{
    const char *name = cor_exchange_peer_name(exchange);
    const char *org = cor_exchange_peer_org(exchange, 1);
    cor_buf_fmt(body, "%s/%s/%d", name == NULL ? "none" : name, org == NULL ? "none" : org,
                cor_exchange_peer_rejected(exchange));
}

static void handle(void *self, struct cor_exchange *exchange)
{
    struct fixture *f = self;
    struct cor_view path = cor_exchange_path(exchange);
    struct cor_buf body = {0};
    if (cor_view_is(path, "/later")) {
        f->waiting = exchange;
        cor_timer_start(f->later, 1000);
        return;
    }
    if (cor_view_is(path, "/stream")) {
        f->stream = cor_exchange_stream(exchange, 200, "application/json", on_closed, f);
        must(cor_stream_write(f->stream, COR_VIEW("one")) == COR_OK);
        must(cor_stream_write(f->stream, COR_VIEW("two")) == COR_OK);
        cor_stream_end(f->stream);
        return;
    }
    if (cor_view_is(path, "/endless")) {
        f->stream = cor_exchange_stream(exchange, 200, "text/plain", on_closed, f);
        return;
    }
    if (cor_view_is(path, "/who")) {
        say_who(exchange, &body);
    } else {
        cor_buf_fmt(&body, "%s %.*s ?%.*s %zu", cor_exchange_method(exchange), COR_VIEW_ARG(path),
                    COR_VIEW_ARG(cor_exchange_query(exchange)), cor_exchange_body(exchange).len);
        cor_exchange_add_header(exchange, "X-Test", "yes");
    }
    cor_exchange_reply(exchange, 200, "text/plain", &body);
}

static void on_ended(void *self)
{
    struct fixture *f = self;
    cor_loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = cor_alloc(sizeof(*f));
    f->loop = cor_loop_new();
    f->ended = cor_wakeup_new(f->loop, on_ended, f);
    f->later = cor_timer_new(f->loop, on_later, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    cor_httpd_free(&f->httpd);
    cor_timer_free(&f->later);
    cor_wakeup_free(&f->ended);
    cor_loop_free(&f->loop);
    struct cor_buf *bufs[] = {&f->answer, &f->ca, &f->cert, &f->key, &f->leaf, &f->leaf_key};
    for (size_t i = 0; i < COR_COUNT(bufs); i++) {
        cor_buf_free(bufs[i]);
    }
    cor_free(f);
    return 0;
}

static void serve(struct fixture *f, bool tls)
{
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = 1,
                                  .max_body = 100000,
                                  .handler = handle,
                                  .self = f};
    if (tls) {
        spec.cert_pem = f->cert.data;
        spec.key_pem = f->key.data;
        spec.client_ca_pem = f->ca.data;
    }
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_httpd_start(f->loop, &spec, &f->httpd, &err), COR_OK);
    f->port = cor_httpd_port(f->httpd, 0);
}

static void *client_thread(void *arg)
{
    struct fixture *f = arg;
    f->client(f);
    cor_wakeup_send(f->ended);
    return NULL;
}

static void run(struct fixture *f, void (*client)(struct fixture *f))
{
    pthread_t thread;
    f->client = client;
    assert_int_equal(pthread_create(&thread, NULL, client_thread, f), 0);
    cor_loop_run(f->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
    return fd;
}

/* Sends the request text and reads until the server closes. */
static void raw_client(struct fixture *f)
{
    int fd = dial(f);
    size_t len = strlen(f->request);
    must(send(fd, f->request, len, MSG_NOSIGNAL) == (ssize_t)len);
    char chunk[4096];
    ssize_t n = 0;
    while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0) {
        cor_buf_add(&f->answer, chunk, (size_t)n);
    }
    (void)close(fd);
    (void)sscanf(f->answer.data == NULL ? "" : f->answer.data, "HTTP/1.1 %ld", &f->status);
}

static void test_plain_requests(void **state)
{
    static const struct {
        const char *request;
        long status;
        const char *part;
    } cases[] = {
        {"GET /a%2Fb?x=1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200,
         "GET /a%2Fb ?x=1 0"},
        {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "X-Test: yes"},
        {"PUT /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", 200,
         "PUT /p ? 3"},
        {"POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
         "4\r\nabcd\r\n0\r\n\r\n",
         200, "POST /p ? 4"},
        {"GET /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "late"},
        {"GET /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 200, "onetwo"},
        {"GET /x HTTP/1.1\r\nHost: h\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\nConnection: "
         "close\r\n\r\n",
         200, "GET /y"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400, "contradict"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400,
         "contradict"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip\r\n\r\n", 501, "chunked"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\n\r\n", 413, "too large"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", 400, ""},
    };
    struct fixture *f = *state;
    serve(f, false);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        cor_buf_clear(&f->answer);
        f->status = 0;
        (void)snprintf(f->request, sizeof(f->request), "%s", cases[i].request);
        run(f, raw_client);
        if (f->status != cases[i].status || strstr(f->answer.data, cases[i].part) == NULL) {
            fail_msg("case %zu: %ld %s", i, f->status, f->answer.data);
        }
    }
}

static void big_header_client(struct fixture *f)
{
    int fd = dial(f);
    static char big[66000];
    memset(big, 'a', sizeof(big));
    const char *start = "GET / HTTP/1.1\r\nHost: h\r\nX-Big: ";
    must(send(fd, start, strlen(start), MSG_NOSIGNAL) > 0);
    (void)send(fd, big, sizeof(big), MSG_NOSIGNAL);
    (void)send(fd, "\r\n\r\n", 4, MSG_NOSIGNAL);
    char chunk[256] = "";
    (void)recv(fd, chunk, sizeof(chunk) - 1, 0);
    (void)close(fd);
    (void)sscanf(chunk, "HTTP/1.1 %ld", &f->status);
}

static void test_header_limit(void **state)
{
    struct fixture *f = *state;
    serve(f, false);
    run(f, big_header_client);
    assert_int_equal(f->status, 431);
}

static void big_chunked_client(struct fixture *f)
{
    int fd = dial(f);
    const char *start = "POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n";
    must(send(fd, start, strlen(start), MSG_NOSIGNAL) > 0);
    static char chunk[16384];
    memset(chunk, 'b', sizeof(chunk));
    for (int i = 0; i < 8; i++) {
        must(send(fd, "4000\r\n", 6, MSG_NOSIGNAL) == 6);
        must(send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL) == sizeof(chunk));
        must(send(fd, "\r\n", 2, MSG_NOSIGNAL) == 2);
    }
    must(send(fd, "0\r\n\r\n", 5, MSG_NOSIGNAL) == 5);
    char answer[256] = "";
    (void)recv(fd, answer, sizeof(answer) - 1, 0);
    (void)close(fd);
    (void)sscanf(answer, "HTTP/1.1 %ld", &f->status);
}

static void test_chunked_body_limit(void **state)
{
    struct fixture *f = *state;
    serve(f, false);
    run(f, big_chunked_client);
    assert_int_equal(f->status, 413);
}

static void leaving_client(struct fixture *f)
{
    int fd = dial(f);
    const char *request = "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n";
    must(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    char byte = 0;
    must(recv(fd, &byte, 1, 0) == 1); /* the headers: the stream is open and suspended */
    (void)close(fd);
}

static void test_client_that_leaves_is_noticed(void **state)
{
    struct fixture *f = *state;
    serve(f, false);
    run(f, leaving_client);
    if (!f->closed) {
        cor_loop_run(f->loop); /* until on_closed */
    }
    assert_true(f->closed);
}

static void open_stream_client(struct fixture *f)
{
    int fd = dial(f);
    const char *request = "GET /endless HTTP/1.1\r\nHost: h\r\n\r\n";
    must(send(fd, request, strlen(request), MSG_NOSIGNAL) > 0);
    char byte = 0;
    must(recv(fd, &byte, 1, 0) == 1);
    f->status = fd;
}

static void test_free_closes_streams(void **state)
{
    struct fixture *f = *state;
    serve(f, false);
    run(f, open_stream_client);
    assert_non_null(f->stream);
    assert_int_equal(cor_httpd_connections(f->httpd), 1);
    cor_httpd_free(&f->httpd);
    assert_true(f->closed);
    (void)close((int)f->status);
}

/* With no file descriptor left, the server waits; it serves again when there are some. */
static void test_no_descriptors(void **state)
{
    struct fixture *f = *state;
    serve(f, false);
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    int client = dial(f); /* is in the queue, not accepted */
    struct rlimit none = {(rlim_t)client + 1, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    struct cor_timer *lift = cor_timer_new(f->loop, on_ended, f);
    cor_timer_start(lift, COR_MS(50));
    cor_loop_run(f->loop);
    cor_timer_free(&lift);
    assert_int_equal(cor_httpd_connections(f->httpd), 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    (void)close(client);
    (void)snprintf(f->request, sizeof(f->request),
                   "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    run(f, raw_client);
    assert_int_equal(f->status, 200);
}

static void test_bad_addresses(void **state)
{
    static const struct {
        const char *address;
        enum cor_code code;
    } cases[] = {
        {"localhost:1", COR_INVALID},     {"127.0.0.1", COR_INVALID},
        {"127.0.0.1:99999", COR_INVALID}, {"[::1:80", COR_INVALID},
        {"192.0.2.77:12345", COR_IO},     {"", COR_INVALID},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct cor_httpd_spec spec = {
            .addresses = &cases[i].address, .address_count = 1, .handler = handle, .self = f};
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(cor_httpd_start(f->loop, &spec, &f->httpd, &err), cases[i].code);
        assert_null(f->httpd);
    }
}

/* A socket file of somebody who was killed is replaced, one that is listened on is not. */
static void test_socket_files(void **state)
{
    struct fixture *f = *state;
    char dir[] = "/tmp/test_httpd.XXXXXX";
    struct sockaddr_un left = {.sun_family = AF_UNIX};
    struct stat st;
    struct cor_err err = COR_ERR_NONE;
    struct cor_httpd *second = NULL;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(left.sun_path, sizeof(left.sun_path), "%s/socket", dir);
    const char *const addresses[] = {left.sun_path};
    const struct cor_httpd_spec spec = {
        .addresses = addresses, .address_count = 1, .handler = handle, .self = f};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&left, sizeof(left)), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(cor_httpd_start(f->loop, &spec, &f->httpd, &err), COR_IO);
    (void)close(fd);
    assert_int_equal(cor_httpd_start(f->loop, &spec, &f->httpd, &err), COR_OK);
    assert_int_equal(cor_httpd_port(f->httpd, 0), 0);
    assert_int_equal(stat(left.sun_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(cor_httpd_start(f->loop, &spec, &second, &err), COR_IO);
    (void)unlink(left.sun_path);
    (void)rmdir(dir);
}

static void leaf(struct fixture *f, struct cor_issuer issuer, int usage, const char *cn,
                 struct cor_buf *cert, struct cor_buf *key)
{
    (void)f;
    static const char *const ips[] = {"127.0.0.1", NULL};
    struct cor_cert_spec spec = {.cn = cn,
                                 .org = "org",
                                 .ips = ips,
                                 .usage = usage,
                                 .from = {cor_wall_now().us - COR_SEC(60)},
                                 .until = {cor_wall_now().us + COR_SEC(3600)}};
    auto_(cor_key_free) struct cor_key *own = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *made = NULL;
    assert_int_equal(cor_cert_sign(issuer, own, &spec, &made, NULL), COR_OK);
    cor_buf_clear(cert);
    cor_buf_clear(key);
    cor_cert_pem(made, cert);
    cor_key_pem(own, key);
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *self)
{
    struct fixture *f = self;
    cor_buf_add(&f->answer, bytes, size * count);
    return size * count;
}

static void tls_client(struct fixture *f)
{
    CURL *curl = curl_easy_init();
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/who", f->port);
    struct curl_blob ca = {f->ca.data, f->ca.len, CURL_BLOB_COPY};
    struct curl_blob cert = {f->leaf.data, f->leaf.len, CURL_BLOB_COPY};
    struct curl_blob key = {f->leaf_key.data, f->leaf_key.len, CURL_BLOB_COPY};
    (void)curl_easy_setopt(curl, CURLOPT_URL, url);
    (void)curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &ca);
    if (f->leaf.len > 0) {
        (void)curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &cert);
        (void)curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
    }
    (void)curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    (void)curl_easy_setopt(curl, CURLOPT_WRITEDATA, f);
    (void)curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    must(curl_easy_perform(curl) == CURLE_OK);
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &f->status);
    curl_easy_cleanup(curl);
}

static struct cor_cert *authority(struct cor_key *key)
{
    struct cor_cert_spec spec = {.cn = "ca",
                                 .from = {cor_wall_now().us - COR_SEC(60)},
                                 .until = {cor_wall_now().us + COR_SEC(3600)}};
    struct cor_cert *cert = NULL;
    assert_int_equal(cor_ca_make(key, &spec, &cert, NULL), COR_OK);
    return cert;
}

static void expect_who(struct fixture *f, const char *who)
{
    cor_buf_clear(&f->answer);
    run(f, tls_client);
    assert_int_equal(f->status, 200);
    assert_string_equal(f->answer.data, who);
}

static void test_client_certificates(void **state)
{
    struct fixture *f = *state;
    auto_(cor_key_free) struct cor_key *ca_key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *ca = authority(ca_key);
    auto_(cor_key_free) struct cor_key *other_key = cor_key_new();
    auto_(cor_cert_free) struct cor_cert *other = authority(other_key);
    cor_cert_pem(ca, &f->ca);
    struct cor_issuer issuer = {ca, ca_key};
    leaf(f, issuer, COR_CERT_SERVER, "server", &f->cert, &f->key);
    serve(f, true);
    expect_who(f, "none/none/0");
    leaf(f, issuer, COR_CERT_CLIENT, "jane", &f->leaf, &f->leaf_key);
    expect_who(f, "jane/none/0");
    leaf(f, issuer, COR_CERT_SERVER, "mallory", &f->leaf, &f->leaf_key);
    expect_who(f, "none/none/1");
    leaf(f, (struct cor_issuer){other, other_key}, COR_CERT_CLIENT, "mallory", &f->leaf,
         &f->leaf_key);
    expect_who(f, "none/none/1");
}

static void test_bad_certificate_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const addresses[] = {"127.0.0.1:0"};
    struct cor_httpd_spec spec = {.addresses = addresses,
                                  .address_count = 1,
                                  .cert_pem = "garbage",
                                  .key_pem = "garbage",
                                  .handler = handle,
                                  .self = f};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_httpd_start(f->loop, &spec, &f->httpd, &err), COR_INVALID);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_plain_requests),      TEST(test_header_limit),
        TEST(test_chunked_body_limit),  TEST(test_client_that_leaves_is_noticed),
        TEST(test_free_closes_streams), TEST(test_no_descriptors),
        TEST(test_bad_addresses),       TEST(test_socket_files),
        TEST(test_client_certificates), TEST(test_bad_certificate_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
