// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "address.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "private.h"

enum {
    HEADER_MAX = 64 << 10, /* libmicrohttpd answers 431 when its per-connection memory is full */
    BODY_MAX = 3 << 20,    /* as kube-apiserver (MaxRequestBodyBytes) */
    CONNECTIONS_MAX = 1000,
    IDLE_S = 120,
    ACCEPT_BATCH = 64,
    ACCEPT_PAUSE_US = 100000,
};

static void set_timer(struct cor_httpd *httpd)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (MHD_get_timeout(httpd->daemon, &ms) == MHD_YES) {
        cor_timer_start(httpd->timer, COR_MS(ms > 3600000 ? 3600000 : (int64_t)ms));
    } else {
        cor_timer_stop(httpd->timer);
    }
}

void cor_httpd_run(struct cor_httpd *httpd)
{
    (void)MHD_run(httpd->daemon);
    set_timer(httpd);
}

void cor_httpd_kick(struct cor_httpd *httpd)
{
    cor_timer_start(httpd->timer, 0);
}

static void on_ready(void *self, int fd, int events)
{
    (void)fd;
    (void)events;
    cor_httpd_run(self);
}

static void on_timer(void *self)
{
    cor_httpd_run(self);
}

static void on_rested(void *self)
{
    struct cor_httpd *httpd = self;
    for (size_t i = 0; i < httpd->listener_count; i++) {
        cor_io_set(httpd->listeners[i].io, COR_READ);
    }
}

/* No file descriptor is free: the queue waits, the loop does not spin. */
static void rest(struct cor_httpd *httpd)
{
    for (size_t i = 0; i < httpd->listener_count; i++) {
        cor_io_set(httpd->listeners[i].io, 0);
    }
    cor_timer_start(httpd->rest, ACCEPT_PAUSE_US);
}

static void on_accept(void *self, int fd, int events)
{
    (void)events;
    struct listener *listener = self;
    struct cor_httpd *httpd = listener->httpd;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        int one = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (one < 0 &&
            (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            rest(httpd);
        }
        if (one < 0) {
            break;
        }
        int yes = 1;
        (void)setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
        (void)setsockopt(one, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
        (void)MHD_add_connection(httpd->daemon, one, (struct sockaddr *)&peer, len);
    }
    cor_httpd_kick(httpd);
}

/* A client that closed its side while its stream was suspended. */
static void on_hangup(void *self, int fd, int events)
{
    (void)events;
    struct cor_httpd *httpd = self;
    struct epoll_event gone[16];
    int count = epoll_wait(fd, gone, (int)COR_COUNT(gone), 0);
    for (int i = 0; i < count; i++) {
        COR_LIST_EACH (node, &httpd->streams) {
            struct cor_stream *stream = COR_LIST_OBJECT(node, struct cor_stream, link);
            if (stream->connection == gone[i].data.ptr) {
                cor_stream_hangup(stream);
            }
        }
        cor_exchange_gone(httpd, gone[i].data.ptr);
        if ((gone[i].events & EPOLLERR) != 0) {
            cor_upgrade_broken(httpd, gone[i].data.ptr);
        }
    }
}

static void on_connection(void *self, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode code)
{
    (void)state;
    struct cor_httpd *httpd = self;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == NULL) {
        return;
    }
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLET, .data.ptr = connection};
    (void)epoll_ctl(httpd->hangup_fd,
                    code == MHD_CONNECTION_NOTIFY_STARTED ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
                    info->connect_fd, &event);
}

static enum cor_code start_daemon(struct cor_httpd *httpd, const struct cor_httpd_spec *spec,
                                  struct cor_err *err)
{
    unsigned flags =
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE;
    static const char versions[] = "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.3";
    struct MHD_OptionItem tls[5] = {{.option = MHD_OPTION_END}};
    if (spec->cert_pem != NULL) {
        enum cor_code code =
            cor_peer_check_pem(spec->cert_pem, spec->key_pem, spec->client_ca_pem, err);
        if (code != COR_OK) {
            return code;
        }
        flags |= MHD_USE_TLS;
        tls[0] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_CERT, 0,
                                         (void *)(uintptr_t)spec->cert_pem};
        tls[1] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)spec->key_pem};
        tls[2] =
            (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)versions};
        tls[3] = (struct MHD_OptionItem){.option = MHD_OPTION_END};
        if (spec->client_ca_pem != NULL) {
            tls[3] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0,
                                             (void *)(uintptr_t)spec->client_ca_pem};
            tls[4] = (struct MHD_OptionItem){.option = MHD_OPTION_END};
        }
    }
    httpd->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, cor_exchange_access, httpd, MHD_OPTION_URI_LOG_CALLBACK,
        cor_exchange_new, httpd, MHD_OPTION_NOTIFY_COMPLETED, cor_exchange_completed, httpd,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, httpd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADER_MAX, MHD_OPTION_CONNECTION_LIMIT,
        spec->max_connections > 0 ? spec->max_connections : CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, spec->idle_s > 0 ? spec->idle_s : IDLE_S,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
    return httpd->daemon == NULL ? cor_err_set(err, COR_INTERNAL, "cannot start the HTTP server")
                                 : COR_OK;
}

static enum cor_code listen_on(struct cor_httpd *httpd, const char *text, struct cor_err *err)
{
    struct listener *listener = &httpd->listeners[httpd->listener_count];
    enum cor_code code = cor_address_listen(text, &listener->fd, &listener->port, err);
    if (code != COR_OK) {
        return code;
    }
    listener->httpd = httpd;
    listener->io = cor_io_new(httpd->loop, listener->fd, COR_READ, on_accept, listener);
    httpd->listener_count++;
    return COR_OK;
}

enum cor_code cor_httpd_start(struct cor_loop *loop, const struct cor_httpd_spec *spec,
                              struct cor_httpd **httpd_r, struct cor_err *err)
{
    *httpd_r = NULL;
    auto_(cor_httpd_free) struct cor_httpd *httpd = cor_alloc(sizeof(*httpd));
    httpd->loop = loop;
    httpd->handler = spec->handler;
    httpd->refusal = spec->refusal;
    httpd->self = spec->self;
    httpd->max_body = spec->max_body > 0 ? spec->max_body : BODY_MAX;
    cor_list_init(&httpd->exchanges);
    cor_list_init(&httpd->streams);
    cor_list_init(&httpd->upgrades);
    httpd->tls = spec->cert_pem != NULL;
    httpd->listeners = cor_calloc(spec->address_count, sizeof(*httpd->listeners));
    httpd->hangup_fd = epoll_create1(EPOLL_CLOEXEC);
    if (httpd->hangup_fd < 0) {
        return cor_err_sys(err, COR_IO, errno, "epoll");
    }
    enum cor_code code = start_daemon(httpd, spec, err);
    for (size_t i = 0; i < spec->address_count && code == COR_OK; i++) {
        code = listen_on(httpd, spec->addresses[i], err);
    }
    if (code != COR_OK) {
        return code;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    httpd->io = cor_io_new(loop, info->epoll_fd, COR_READ, on_ready, httpd);
    httpd->hangup_io = cor_io_new(loop, httpd->hangup_fd, COR_READ, on_hangup, httpd);
    httpd->timer = cor_timer_new(loop, on_timer, httpd);
    httpd->rest = cor_timer_new(loop, on_rested, httpd);
    set_timer(httpd);
    *httpd_r = take(&httpd);
    return COR_OK;
}

int cor_httpd_port(const struct cor_httpd *httpd, size_t index)
{
    return index < httpd->listener_count ? httpd->listeners[index].port : 0;
}

size_t cor_httpd_connections(const struct cor_httpd *httpd)
{
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(httpd->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return info == NULL ? 0 : info->num_connections;
}

/* libmicrohttpd does not stop while connections are suspended. */
static void stop_daemon(struct cor_httpd *httpd)
{
    httpd->stopping = true;
    COR_LIST_EACH (node, &httpd->upgrades) {
        cor_upgrade_sever(COR_LIST_OBJECT(node, struct upgrade, link), "the server stops");
    }
    COR_LIST_EACH (node, &httpd->exchanges) {
        struct cor_exchange *exchange = COR_LIST_OBJECT(node, struct cor_exchange, link);
        if (exchange->suspended) {
            exchange->suspended = false;
            MHD_resume_connection(exchange->connection);
        }
    }
    COR_LIST_EACH (node, &httpd->streams) {
        struct cor_stream *stream = COR_LIST_OBJECT(node, struct cor_stream, link);
        stream->broken = true;
        if (stream->suspended) {
            stream->suspended = false;
            MHD_resume_connection(stream->connection);
        }
    }
    (void)MHD_run(httpd->daemon);
    MHD_stop_daemon(httpd->daemon);
}

void cor_httpd_free(struct cor_httpd **httpd_p)
{
    struct cor_httpd *httpd = *httpd_p;
    if (httpd == NULL) {
        return;
    }
    for (size_t i = 0; i < httpd->listener_count; i++) {
        cor_io_free(&httpd->listeners[i].io);
        cor_fd_close(&httpd->listeners[i].fd);
    }
    cor_io_free(&httpd->io);
    cor_io_free(&httpd->hangup_io);
    if (httpd->daemon != NULL) {
        stop_daemon(httpd);
    }
    cor_timer_free(&httpd->timer);
    cor_timer_free(&httpd->rest);
    cor_fd_close(&httpd->hangup_fd);
    cor_freep(&httpd->listeners);
    cor_freep(httpd_p);
}
