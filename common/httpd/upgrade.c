// SPDX-License-Identifier: Apache-2.0
// Connections that are no longer HTTP. Without TLS libmicrohttpd hands over the socket. With TLS it
// would copy between the session and a socket pair, through buffers of 4 bytes each (0.9.75: the
// head of the answer has taken all the memory of the connection, so its reserve of 8 bytes is all
// that is left). So there the connection stays suspended, in which state it is not touched, and the
// pipe uses the TLS session itself; when the pipe is freed, the request ends with an error, which
// closes the connection.
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "private.h"

enum { SILENT_MS = 30000 /* what a pipe has left behind is given up after that */ };

static bool has_token(const char *list, const char *token)
{
    struct cor_view rest = cor_view_of(list);
    struct cor_view part;
    while (cor_view_split(&rest, ',', &part)) {
        part = cor_view_trim(part);
        if (part.len == strlen(token) && strncasecmp(part.ptr, token, part.len) == 0) {
            return true;
        }
    }
    return false;
}

bool cor_exchange_wants_upgrade(struct cor_exchange *exchange)
{
    const char *connection = cor_exchange_header(exchange, "Connection");
    const char *protocol = cor_exchange_header(exchange, "Upgrade");
    return exchange->http11 && connection != NULL && protocol != NULL && *protocol != '\0' &&
           has_token(connection, "upgrade");
}

static int fd_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* ---- TLS ----------------------------------------------------------------------------------------
 */

static ssize_t outcome(ssize_t n)
{
    if (n >= 0) {
        return n;
    }
    if (n == GNUTLS_E_PREMATURE_TERMINATION) {
        return 0;
    }
    errno = gnutls_error_is_fatal((int)n) == 0 ? EAGAIN : ECONNRESET;
    return -1;
}

static ssize_t tls_recv(void *self, void *out, size_t max)
{
    struct upgrade *upgrade = self;
    return outcome(gnutls_record_recv(upgrade->session, out, max));
}

/* A record that could not be sent at once is sent by the next call, whatever its bytes are: they
 * begin with those of the record. */
static ssize_t tls_send(void *self, const void *bytes, size_t len)
{
    struct upgrade *upgrade = self;
    return outcome(gnutls_record_send(upgrade->session, bytes, len));
}

static void tls_finish(void *self)
{
    struct upgrade *upgrade = self;
    (void)gnutls_bye(upgrade->session, GNUTLS_SHUT_WR);
}

static void tls_release(void *self)
{
    struct upgrade *upgrade = self;
    upgrade->pipe = NULL;
    upgrade->session = NULL;
    cor_exchange_over(upgrade->exchange);
}

static void add_head(struct cor_exchange *exchange, struct cor_buf *out)
{
    cor_buf_str(out, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n");
    const char *at = exchange->headers.data;
    const char *end = at + exchange->headers.len;
    while (at != end) {
        const char *value = at + strlen(at) + 1;
        cor_buf_fmt(out, "%s: %s\r\n", at, value);
        at = value + strlen(value) + 1;
    }
    cor_buf_str(out, "\r\n");
}

static void begin_tls(struct upgrade *upgrade)
{
    static const struct cor_pipe_wire wire = {.recv = tls_recv,
                                              .send = tls_send,
                                              .finish = tls_finish,
                                              .release = tls_release,
                                              .keeps = true};
    struct cor_exchange *exchange = upgrade->exchange;
    auto_(cor_buf_free) struct cor_buf head = {0};
    add_head(exchange, &head);
    upgrade->session =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)
            ->tls_session;
    must(cor_pipe_write(upgrade->pipe, cor_buf_as_view(&head)) == COR_OK);
    struct cor_pipe_wire own = wire;
    own.self = upgrade;
    cor_pipe_attach_wire(upgrade->pipe, fd_of(exchange->connection), &own);
}

/* ---- plain --------------------------------------------------------------------------------------
 */

static ssize_t plain_recv(void *self, void *out, size_t max)
{
    struct upgrade *upgrade = self;
    if (upgrade->early.len == 0) {
        return recv(upgrade->fd, out, max, 0);
    }
    size_t n = upgrade->early.len < max ? upgrade->early.len : max;
    memcpy(out, upgrade->early.data, n);
    cor_buf_drop(&upgrade->early, n);
    return (ssize_t)n;
}

/* What was written last still goes out, but not for ever. */
static void plain_release(void *self)
{
    struct upgrade *upgrade = self;
    upgrade->pipe = NULL;
    struct MHD_UpgradeResponseHandle *handle = take(&upgrade->handle);
    if (handle == NULL) {
        return;
    }
    unsigned silent_ms = SILENT_MS;
    (void)setsockopt(upgrade->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
    (void)MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
    cor_httpd_kick(upgrade->httpd);
}

static struct cor_pipe_wire plain_wire(struct upgrade *upgrade)
{
    return (struct cor_pipe_wire){.recv = plain_recv,
                                  .release = plain_release,
                                  .self = upgrade,
                                  .keeps = upgrade->early.len > 0};
}

static void on_upgraded(void *self, struct MHD_Connection *connection, void *state,
                        const char *early, size_t early_len, MHD_socket fd,
                        struct MHD_UpgradeResponseHandle *handle)
{
    (void)connection;
    (void)state;
    struct upgrade *upgrade = self;
    upgrade->handle = handle;
    upgrade->fd = fd;
    cor_buf_add(&upgrade->early, early, early_len);
    if (upgrade->pipe == NULL) {
        plain_release(upgrade);
        return;
    }
    struct cor_pipe_wire wire = plain_wire(upgrade);
    cor_pipe_attach_wire(upgrade->pipe, fd, &wire);
}

static void begin_plain(struct upgrade *upgrade)
{
    struct cor_pipe_wire wire = plain_wire(upgrade);
    cor_pipe_promise(upgrade->pipe, &wire);
    cor_exchange_answer(upgrade->exchange, MHD_HTTP_SWITCHING_PROTOCOLS, NULL,
                        MHD_create_response_for_upgrade(on_upgraded, upgrade));
}

/* ---- both ---------------------------------------------------------------------------------------
 */

void cor_upgrade_sever(struct upgrade *upgrade, const char *why)
{
    struct cor_err err = COR_ERR_NONE;
    if (upgrade->pipe != NULL) {
        (void)cor_err_set(&err, COR_CLOSED, "%s", why);
        cor_pipe_sever(upgrade->pipe, &err);
    }
}

void cor_upgrade_broken(struct cor_httpd *httpd, const struct MHD_Connection *connection)
{
    COR_LIST_EACH (node, &httpd->upgrades) {
        struct upgrade *upgrade = COR_LIST_OBJECT(node, struct upgrade, link);
        if (upgrade->exchange->connection == connection) {
            cor_upgrade_sever(upgrade, "connection reset by peer");
            return;
        }
    }
}

void cor_upgrade_over(struct upgrade *upgrade)
{
    if (upgrade == NULL) {
        return;
    }
    upgrade->handle = NULL;
    cor_upgrade_sever(upgrade, "the client is gone");
    cor_list_del(&upgrade->link);
    cor_buf_free(&upgrade->early);
    cor_free(upgrade);
}

struct cor_pipe *cor_exchange_upgrade(struct cor_exchange *exchange, const char *protocol,
                                      const struct cor_pipe_spec *spec)
{
    must(cor_exchange_wants_upgrade(exchange));
    struct upgrade *upgrade = cor_alloc(sizeof(*upgrade));
    upgrade->httpd = exchange->httpd;
    upgrade->exchange = exchange;
    upgrade->fd = -1;
    upgrade->pipe = cor_pipe_new(exchange->httpd->loop, spec);
    cor_list_add(&exchange->httpd->upgrades, &upgrade->link);
    exchange->upgrade = upgrade;
    exchange->on_gone = NULL;
    cor_exchange_add_header(exchange, "Upgrade", protocol);
    struct cor_pipe *pipe = upgrade->pipe;
    if (exchange->httpd->tls) {
        begin_tls(upgrade);
    } else {
        begin_plain(upgrade);
    }
    return pipe;
}
