// SPDX-License-Identifier: Apache-2.0
#include "conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { SCRATCH = 16 * 1024 };

struct conn_tls {
    SSL_CTX *ctx;
    EVP_PKEY *key;
    char scratch[SCRATCH];
};

struct conn_who {
    X509 *cert;
    SSL_SESSION *session; /* NULL: none yet */
};

struct conn {
    struct conn_spec spec;
    SSL *ssl;
    struct cor_io *io;
    struct cor_buf rx; /* the beginning of a frame */
    struct cor_buf tx; /* what the socket has not taken */
    int fd;
    bool open;
    bool over;
    int inside; /* callbacks on the stack */
};

/* ---- identity ---- */

/* A copy, for OpenSSL gives up a session whose connection ended without a word (pki/resume.c). */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct conn_who *who = ((struct conn *)SSL_get_app_data(ssl))->spec.who;
    SSL_SESSION_free(who->session);
    who->session = SSL_SESSION_dup(session);
    return 0;
}

static X509 *x509_of(const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_cert_der(cert, &der);
    const unsigned char *at = (const unsigned char *)der.data;
    X509 *x509 = d2i_X509(NULL, &at, (long)der.len);
    must(x509 != NULL);
    return x509;
}

struct conn_tls *conn_tls_new(const struct cor_cert *ca, const struct cor_key *key)
{
    auto_(cor_secret_free) struct cor_buf der = {0};
    struct conn_tls *tls = cor_alloc(sizeof(*tls));
    cor_key_der(key, &der);
    const unsigned char *at = (const unsigned char *)der.data;
    tls->key = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    tls->ctx = SSL_CTX_new(TLS_client_method());
    must(tls->key != NULL && tls->ctx != NULL);
    X509 *root = x509_of(ca);
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(tls->ctx), root) == 1);
    X509_free(root);
    SSL_CTX_set_verify(tls->ctx, SSL_VERIFY_PEER, NULL);
    must(SSL_CTX_set_min_proto_version(tls->ctx, TLS1_2_VERSION) == 1);
    SSL_CTX_set_mode(tls->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                   SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(tls->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls->ctx, on_session);
    return tls;
}

void conn_tls_free(struct conn_tls **tls)
{
    if (*tls != NULL) {
        SSL_CTX_free((*tls)->ctx);
        EVP_PKEY_free((*tls)->key);
        cor_freep(tls);
    }
}

struct conn_who *conn_who_new(const struct cor_cert *cert)
{
    struct conn_who *who = cor_alloc(sizeof(*who));
    who->cert = x509_of(cert);
    return who;
}

void conn_who_free(struct conn_who **who)
{
    if (*who != NULL) {
        X509_free((*who)->cert);
        SSL_SESSION_free((*who)->session);
        cor_freep(who);
    }
}

/* ---- the connection ---- */

static void end(struct conn *conn, const char *reason)
{
    if (conn->over) {
        return;
    }
    conn->over = true;
    cor_io_free(&conn->io);
    SSL_free(conn->ssl);
    (void)close(conn->fd);
    ERR_clear_error();
    conn->inside++;
    conn->spec.events->closed(conn->spec.self, reason);
    conn->inside--;
}

/* Frees one that is over, when none of its callbacks is on the stack. */
static void settle(struct conn *conn)
{
    if (conn->over && conn->inside == 0) {
        cor_buf_free(&conn->rx);
        cor_buf_free(&conn->tx);
        cor_free(conn);
    }
}

static void watch(struct conn *conn, bool write)
{
    cor_io_set(conn->io, COR_READ | (write ? COR_WRITE : 0));
}

/* After a call of OpenSSL that did not succeed. False: the connection is over. */
static bool may_go_on(struct conn *conn, int result)
{
    int error = SSL_get_error(conn->ssl, result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        watch(conn, error == SSL_ERROR_WANT_WRITE);
        return true;
    }
    char text[160] = "closed by the peer";
    if (error == SSL_ERROR_SSL) {
        ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
    }
    end(conn, text);
    return false;
}

static void flush(struct conn *conn)
{
    while (!conn->over && conn->tx.len > 0) {
        int n = SSL_write(conn->ssl, conn->tx.data, (int)conn->tx.len);
        if (n <= 0) {
            (void)may_go_on(conn, n);
            return;
        }
        cor_buf_drop(&conn->tx, (size_t)n);
    }
    if (!conn->over) {
        cor_buf_free(&conn->tx);
        watch(conn, false);
    }
}

void conn_write(struct conn *conn, struct cor_view bytes)
{
    bool waits = conn->tx.len > 0;
    if (conn->over) {
        return;
    }
    int n = waits ? 0 : SSL_write(conn->ssl, bytes.ptr, (int)bytes.len);
    if (n == (int)bytes.len) {
        return;
    }
    size_t sent = n > 0 ? (size_t)n : 0;
    if (n >= 0 || may_go_on(conn, n)) {
        cor_buf_add(&conn->tx, bytes.ptr + sent, bytes.len - sent);
        watch(conn, true);
    }
    settle(conn);
}

static void deliver(struct conn *conn, struct cor_view bytes)
{
    bool kept = conn->rx.len > 0;
    if (kept) {
        cor_buf_view(&conn->rx, bytes);
        bytes = cor_buf_as_view(&conn->rx);
    }
    int used = conn->spec.events->data(conn->spec.self, bytes);
    if (conn->over) {
        return;
    }
    if (used < 0) {
        end(conn, "what came is malformed");
    } else if (kept && (size_t)used < bytes.len) {
        cor_buf_drop(&conn->rx, (size_t)used);
    } else if (kept) {
        cor_buf_free(&conn->rx);
    } else {
        cor_buf_add(&conn->rx, bytes.ptr + used, bytes.len - (size_t)used);
    }
    if (conn->rx.len == 0) {
        cor_buf_free(&conn->rx);
    }
}

static void shake_hands(struct conn *conn)
{
    int result = SSL_connect(conn->ssl);
    if (result != 1) {
        (void)may_go_on(conn, result);
        return;
    }
    conn->open = true;
    SSL_set_read_ahead(conn->ssl, 1); /* a record in one read */
    watch(conn, false);
    conn->spec.events->opened(conn->spec.self);
}

static void receive(struct conn *conn)
{
    bool more = true;
    while (!conn->over && more) {
        int n = SSL_read(conn->ssl, conn->spec.tls->scratch, SCRATCH);
        if (n <= 0) {
            (void)may_go_on(conn, n);
            break;
        }
        deliver(conn, (struct cor_view){conn->spec.tls->scratch, (size_t)n});
        more = !conn->over && SSL_has_pending(conn->ssl) == 1;
    }
    if (!conn->over && conn->tx.len > 0) {
        watch(conn, true);
    }
}

static void on_ready(void *self, int fd, int events)
{
    struct conn *conn = self;
    (void)fd;
    conn->inside++;
    if (!conn->open) {
        shake_hands(conn);
    } else if ((events & COR_WRITE) != 0) {
        flush(conn);
    }
    if (conn->open && !conn->over && (events & COR_READ) != 0) {
        receive(conn);
    }
    conn->inside--;
    settle(conn);
}

/* A socket of an address of the node's own, on its way. -1: none. */
static int dial(const struct conn_spec *spec)
{
    int on = 1;
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = {htonl(spec->from)}};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)spec->port),
                             .sin_addr = {htonl(spec->to)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&from, sizeof(from)) != 0 ||
        (connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

static SSL *make_ssl(struct conn *conn)
{
    const struct conn_spec *spec = &conn->spec;
    SSL *ssl = SSL_new(spec->tls->ctx);
    must(ssl != NULL && SSL_use_certificate(ssl, spec->who->cert) == 1 &&
         SSL_use_PrivateKey(ssl, spec->tls->key) == 1 && SSL_set_fd(ssl, conn->fd) == 1);
    must(X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), spec->name) == 1);
    SSL_set_app_data(ssl, conn);
    SSL_set_connect_state(ssl);
    if (spec->who->session != NULL) {
        SSL_SESSION *copy = SSL_SESSION_dup(spec->who->session);
        (void)SSL_set_session(ssl, copy);
        SSL_SESSION_free(copy);
    }
    return ssl;
}

struct conn *conn_new(const struct conn_spec *spec)
{
    int fd = dial(spec);
    if (fd < 0) {
        return NULL;
    }
    struct conn *conn = cor_alloc(sizeof(*conn));
    conn->spec = *spec;
    conn->fd = fd;
    conn->ssl = make_ssl(conn);
    conn->io = cor_io_new(spec->loop, fd, COR_WRITE, on_ready, conn);
    return conn;
}

void conn_close(struct conn *conn, const char *reason)
{
    end(conn, reason);
    settle(conn);
}

bool conn_resumed(const struct conn *conn)
{
    return SSL_session_reused(conn->ssl) == 1;
}
