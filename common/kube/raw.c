// SPDX-License-Identifier: Apache-2.0
// Connections of which libcurl makes the TLS and no more (CURLOPT_CONNECT_ONLY): the client's key,
// its certificate and the rules of trust are the same as for requests, in the same place. Each has
// a multi handle of its own, because libcurl looks at the idle connections of one that makes
// others, and drops those that have bytes to read.
#include <errno.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/kube/curl.h"

struct raw {
    struct cor_http *http;      /* owned */
    struct cor_http_call *call; /* http's */
    struct cor_timer *timer;    /* to leave libcurl's functions */
    struct cor_pipe *pipe;      /* borrowed; it tells when it goes */
    CURLcode result;
    size_t pending;             /* bytes of block that libcurl has not finished sending */
    char block[COR_PIPE_BLOCK]; /* OpenSSL wants a write repeated from the same place */
};

static ssize_t outcome(CURLcode code, size_t n)
{
    if (code == CURLE_OK) {
        return (ssize_t)n;
    }
    errno = code == CURLE_AGAIN ? EAGAIN : ECONNRESET;
    return -1;
}

static ssize_t on_recv(void *self, void *out, size_t max)
{
    struct raw *raw = self;
    size_t n = 0;
    CURLcode code = curl_easy_recv(raw->call->easy, out, max, &n);
    return outcome(code, n);
}

/* What could not be sent is what the next call's bytes begin with. */
static ssize_t on_send(void *self, const void *bytes, size_t len)
{
    struct raw *raw = self;
    size_t n = 0;
    if (raw->pending == 0) {
        raw->pending = len < sizeof(raw->block) ? len : sizeof(raw->block);
        memcpy(raw->block, bytes, raw->pending);
    }
    CURLcode code = curl_easy_send(raw->call->easy, raw->block, raw->pending, &n);
    if (code != CURLE_AGAIN) {
        raw->pending = 0;
    }
    return outcome(code, n);
}

static void on_release(void *self)
{
    struct raw *raw = self;
    cor_timer_free(&raw->timer);
    cor_http_free(&raw->http);
    cor_free(raw);
}

static void tell_failure(struct raw *raw)
{
    struct cor_err err = COR_ERR_NONE;
    long sys = 0;
    (void)curl_easy_getinfo(raw->call->easy, CURLINFO_OS_ERRNO, &sys);
    if (raw->result == CURLE_OPERATION_TIMEDOUT) {
        (void)cor_err_set(&err, COR_TIMEOUT, "i/o timeout");
    } else if (http_is_untrusted(raw->result)) {
        (void)cor_err_set(&err, COR_DENIED, "TLS: %s", curl_easy_strerror(raw->result));
    } else if (raw->result == CURLE_URL_MALFORMAT || raw->result == CURLE_UNSUPPORTED_PROTOCOL) {
        (void)cor_err_set(&err, COR_INVALID, "%s", curl_easy_strerror(raw->result));
    } else if (raw->result == CURLE_COULDNT_CONNECT && sys != 0) {
        (void)cor_err_sys(&err, COR_RETRY, (int)sys, "connect");
    } else {
        (void)cor_err_set(&err, COR_RETRY, "%s", curl_easy_strerror(raw->result));
    }
    cor_pipe_sever(raw->pipe, &err);
}

static void on_timer(void *self)
{
    struct raw *raw = self;
    struct cor_pipe_wire wire = {
        .recv = on_recv, .send = on_send, .release = on_release, .self = raw, .keeps = true};
    curl_socket_t fd = CURL_SOCKET_BAD;
    if (raw->result == CURLE_OK &&
        (curl_easy_getinfo(raw->call->easy, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
         fd == CURL_SOCKET_BAD)) {
        raw->result = CURLE_RECV_ERROR;
    }
    if (raw->result != CURLE_OK) {
        tell_failure(raw);
        return;
    }
    cor_pipe_attach_wire(raw->pipe, fd, &wire);
}

static void on_connected(void *self, CURLcode result)
{
    struct raw *raw = self;
    raw->result = result;
    cor_timer_start(raw->timer, 0);
}

void cor_http_pipe(struct cor_http *http, const char *url, struct cor_pipe *pipe)
{
    struct raw *raw = cor_alloc(sizeof(*raw));
    struct cor_http_spec spec = {.ca_pem = http->trust->ca_pem,
                                 .cert_pem = http->trust->cert_pem,
                                 .key_pem = http->trust->key_pem,
                                 .plain = http->plain,
                                 .unverified = http->unverified};
    struct cor_pipe_wire wire = {.release = on_release, .self = raw};
    struct cor_err err = COR_ERR_NONE;
    raw->pipe = pipe;
    raw->timer = cor_timer_new(http->loop, on_timer, raw);
    cor_pipe_promise(pipe, &wire);
    if (cor_http_new(http->loop, &spec, &raw->http, &err) != COR_OK) {
        cor_pipe_sever(pipe, &err);
        return;
    }
    raw->call = http_call_new(raw->http);
    raw->call->connected = on_connected;
    raw->call->self = raw;
    (void)curl_easy_setopt(raw->call->easy, CURLOPT_URL, url);
    (void)curl_easy_setopt(raw->call->easy, CURLOPT_CONNECT_ONLY, 1L);
    (void)curl_easy_setopt(raw->call->easy, CURLOPT_PRIVATE, raw->call);
    http_set_connection(raw->call);
    (void)curl_multi_add_handle(raw->http->multi, raw->call->easy);
}
