// SPDX-License-Identifier: Apache-2.0
// TLS is GnuTLS, over buffers: what the pipe has read is its input, what it writes is the pipe's.
#include "common/httpd/client.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <strings.h>

#include "common/base/mem.h"
#include "common/pipe/address.h"
#include "common/pipe/pipe.h"

struct cor_client {
    struct cor_pipe *pipe;
    struct cor_buf request;
    struct cor_head head;
    struct cor_buf body;
    size_t body_max;
    void (*done)(void *self, const struct cor_client_answer *answer);
    void *self;
    struct cor_timer *telling; /* done is called by the loop, not from within the pipe */
    char *failure;
    bool open;
    bool over;
    /* with TLS */
    gnutls_session_t session; /* NULL: none */
    gnutls_certificate_credentials_t credentials;
    bool greeted;         /* the handshake is done */
    struct cor_buf input; /* not read by the session yet */
    bool eof;
};

static void on_told(void *self)
{
    const struct cor_client *client = self;
    client->done(client->self, &(struct cor_client_answer){client->failure, &client->head,
                                                           cor_buf_as_view(&client->body)});
}

static void tell(struct cor_client *client, const char *failure)
{
    if (!client->over) {
        client->over = true;
        client->failure = cor_strdup(failure);
        cor_timer_start(client->telling, 0);
    }
}

/* ---- the answer ---- */

static bool has_no_body(int status)
{
    enum { NO_CONTENT = 204, NOT_MODIFIED = 304 };
    return status == NO_CONTENT || status == NOT_MODIFIED;
}

static bool is_chunked(const struct cor_client *client)
{
    struct cor_view coding = cor_head_get(&client->head, "Transfer-Encoding");
    return coding.len == strlen("chunked") && strncasecmp(coding.ptr, "chunked", coding.len) == 0;
}

/* Whether so much of the body is here that no more is waited for. */
static bool is_complete(const struct cor_client *client)
{
    struct cor_view length = cor_head_get(&client->head, "Content-Length");
    uint64_t n = 0;
    bool given = length.ptr != NULL && cor_view_u64(length, &n);
    return has_no_body(client->head.status) || client->body.len >= client->body_max ||
           (given && client->body.len >= n) ||
           (is_chunked(client) && cor_view_ends(cor_buf_as_view(&client->body), "0\r\n\r\n"));
}

static void take_bytes(struct cor_client *client, struct cor_view bytes)
{
    struct cor_err err = COR_ERR_NONE;
    if (client->over) {
        return;
    }
    while (!client->over && !cor_head_is_done(&client->head)) {
        enum cor_code code = cor_head_add(&client->head, &bytes, &err);
        if (code == COR_RETRY) {
            return;
        }
        if (code != COR_OK) {
            tell(client, "malformed HTTP response");
            return;
        }
        if (client->head.status / 100 == 1) { /* something comes before the answer */
            cor_head_free(&client->head);
        }
    }
    size_t room = client->body_max - client->body.len;
    bytes.len = bytes.len < room ? bytes.len : room;
    cor_buf_view(&client->body, bytes);
    if (is_complete(client)) {
        tell(client, NULL);
    }
}

/* The server sends no more. */
static void take_end(struct cor_client *client)
{
    bool measured =
        cor_head_is_done(&client->head) &&
        (is_chunked(client) || cor_head_get(&client->head, "Content-Length").ptr != NULL);
    if (!cor_head_is_done(&client->head)) {
        tell(client, "EOF");
    } else {
        tell(client, measured ? "unexpected EOF" : NULL);
    }
}

/* ---- TLS ---- */

static ssize_t on_push(gnutls_transport_ptr_t self, const void *bytes, size_t len)
{
    struct cor_client *client = self;
    if (cor_pipe_write(client->pipe, (struct cor_view){bytes, len}) != COR_OK) {
        gnutls_transport_set_errno(client->session, EPIPE);
        return -1;
    }
    return (ssize_t)len;
}

static ssize_t on_pull(gnutls_transport_ptr_t self, void *out, size_t max)
{
    struct cor_client *client = self;
    size_t n = client->input.len < max ? client->input.len : max;
    if (n == 0 && !client->eof) {
        gnutls_transport_set_errno(client->session, EAGAIN);
        return -1;
    }
    if (n > 0) {
        memcpy(out, client->input.data, n);
        cor_buf_drop(&client->input, n);
    }
    return (ssize_t)n;
}

static bool is_address(const char *name)
{
    union cor_address address;
    socklen_t len = 0;
    auto_(cor_freep) char *text = cor_sprintf(strchr(name, ':') != NULL ? "[%s]:1" : "%s:1", name);
    return name[0] == '\0' || cor_address_parse(text, &address, &len);
}

static void start_tls(struct cor_client *client, const char *name)
{
    if (gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0) {
        client->session = NULL;
        return;
    }
    (void)gnutls_certificate_allocate_credentials(&client->credentials);
    (void)gnutls_set_default_priority(client->session);
    (void)gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
    if (!is_address(name)) {
        (void)gnutls_server_name_set(client->session, GNUTLS_NAME_DNS, name, strlen(name));
    }
    gnutls_transport_set_ptr(client->session, client);
    gnutls_transport_set_push_function(client->session, on_push);
    gnutls_transport_set_pull_function(client->session, on_pull);
}

/* Goes on with the handshake; true when it is done. */
static bool greet(struct cor_client *client)
{
    int code = 0;
    while (!client->greeted && (code = gnutls_handshake(client->session)) != GNUTLS_E_AGAIN) {
        if (code == 0) {
            client->greeted = true;
            ssize_t n =
                gnutls_record_send(client->session, client->request.data, client->request.len);
            code = n < 0 ? (int)n : 0;
        }
        if (code < 0 && gnutls_error_is_fatal(code) != 0) {
            auto_(cor_freep) char *why = cor_sprintf("tls: %s", gnutls_strerror(code));
            tell(client, why);
            return false;
        }
    }
    return client->greeted;
}

static void read_tls(struct cor_client *client)
{
    char block[COR_PIPE_BLOCK];
    while (!client->over && greet(client)) {
        ssize_t n = gnutls_record_recv(client->session, block, sizeof(block));
        if (n > 0) {
            take_bytes(client, (struct cor_view){block, (size_t)n});
        } else if (n == 0 || gnutls_error_is_fatal((int)n) != 0) {
            take_end(client);
            return;
        } else if (n == GNUTLS_E_AGAIN) {
            return;
        }
    }
}

/* ---- the connection ---- */

static void on_open(void *self)
{
    struct cor_client *client = self;
    client->open = true;
    if (client->session != NULL) {
        (void)greet(client);
    }
}

static void on_bytes(void *self, struct cor_view bytes)
{
    struct cor_client *client = self;
    if (client->session == NULL) {
        take_bytes(client, bytes);
        return;
    }
    cor_buf_view(&client->input, bytes);
    read_tls(client);
}

static void on_end(void *self)
{
    struct cor_client *client = self;
    if (client->session == NULL) {
        take_end(client);
        return;
    }
    client->eof = true;
    if (greet(client)) {
        read_tls(client);
    }
}

static void on_closed(void *self, const struct cor_err *err)
{
    struct cor_client *client = self;
    auto_(cor_freep) char *why = NULL;
    if (client->open) {
        why = cor_sprintf("read tcp: %s", err->text);
    } else {
        why =
            cor_sprintf("connect: %s", err->sys == ECONNREFUSED ? "connection refused" : err->text);
    }
    tell(client, why);
}

struct cor_client *cor_client_new(struct cor_loop *loop, const struct cor_client_spec *spec)
{
    struct cor_client *client = cor_alloc(sizeof(*client));
    const struct cor_pipe_spec pipe = {
        .open = on_open, .bytes = on_bytes, .end = on_end, .closed = on_closed, .self = client};
    struct cor_err err = COR_ERR_NONE;
    client->body_max = spec->body_max;
    client->done = spec->done;
    client->self = spec->self;
    client->pipe = cor_pipe_new(loop, &pipe);
    client->telling = cor_timer_new(loop, on_told, client);
    if (spec->tls) {
        start_tls(client, spec->server_name);
        cor_buf_view(&client->request, spec->request);
    } else {
        (void)!cor_pipe_write(client->pipe, spec->request); /* waits for the connection */
    }
    if ((spec->tls && client->session == NULL) ||
        cor_pipe_connect(client->pipe, spec->address, &err) != COR_OK) {
        cor_err_set(&err, COR_INVALID, "no such address");
        cor_pipe_sever(client->pipe, &err);
        return client;
    }
    cor_pipe_read(client->pipe, true);
    return client;
}

bool cor_client_is_open(const struct cor_client *client)
{
    return client->open;
}

void cor_client_free(struct cor_client **client)
{
    if (*client == NULL) {
        return;
    }
    struct cor_client *c = *client;
    if (c->session != NULL) {
        gnutls_deinit(c->session);
        gnutls_certificate_free_credentials(c->credentials);
    }
    cor_pipe_free(&c->pipe);
    cor_timer_free(&c->telling);
    cor_free(c->failure);
    cor_head_free(&c->head);
    cor_buf_free(&c->request);
    cor_buf_free(&c->body);
    cor_buf_free(&c->input);
    cor_freep(client);
}
