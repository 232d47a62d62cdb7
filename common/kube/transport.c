// SPDX-License-Identifier: Apache-2.0
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/kube/curl.h"

/* libcurl tells which sockets and which time to watch (curl_multi_socket_action(3)); user functions
 * run only after it has returned, because it may not be called from its own callbacks. */
static void reap(struct cor_http *http)
{
    CURLMsg *msg = NULL;
    int left = 0;
    http_deliver(http);
    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        struct cor_http_call *call = NULL;
        if (msg->msg == CURLMSG_DONE) {
            CURLcode result = msg->data.result;
            (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
            http_call_done(call, result);
        }
    }
}

static void on_socket_ready(void *self, int fd, int events)
{
    struct cor_http *http = self;
    int mask = ((events & COR_READ) != 0 ? CURL_CSELECT_IN : 0) |
               ((events & COR_WRITE) != 0 ? CURL_CSELECT_OUT : 0);
    int running = 0;
    (void)curl_multi_socket_action(http->multi, fd, mask, &running);
    reap(http);
}

static void on_timer(void *self)
{
    struct cor_http *http = self;
    int running = 0;
    (void)curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    reap(http);
}

static int socket_changed(CURL *easy, curl_socket_t fd, int what, void *self, void *of_socket)
{
    (void)easy;
    struct cor_http *http = self;
    struct cor_io *io = of_socket;
    if (what == CURL_POLL_REMOVE) {
        cor_io_free(&io);
        (void)curl_multi_assign(http->multi, fd, NULL);
        return 0;
    }
    int events = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? COR_READ : 0) |
                 (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? COR_WRITE : 0);
    if (io == NULL) {
        io = cor_io_new(http->loop, fd, events, on_socket_ready, http);
        (void)curl_multi_assign(http->multi, fd, io);
    } else {
        cor_io_set(io, events);
    }
    return 0;
}

static int timer_changed(CURLM *multi, long timeout_ms, void *self)
{
    (void)multi;
    struct cor_http *http = self;
    if (timeout_ms < 0) {
        cor_timer_stop(http->timer);
    } else {
        cor_timer_start(http->timer, COR_MS(timeout_ms));
    }
    return 0;
}

enum cor_code http_transport_open(struct cor_http *http, struct cor_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK ||
        (http->multi = curl_multi_init()) == NULL) {
        return cor_err_set(err, COR_INVALID, "libcurl does not start");
    }
    http->timer = cor_timer_new(http->loop, on_timer, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_changed);
    (void)curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_changed);
    (void)curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    /* What is beyond waits inside libcurl; idle connections beyond the second number are closed. */
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)http->per_host);
    (void)curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, (long)http->idle);
    return COR_OK;
}

void http_transport_close(struct cor_http *http)
{
    must(cor_list_empty(&http->calls));
    if (http->multi != NULL) {
        (void)curl_multi_cleanup(http->multi);
        cor_timer_free(&http->timer);
        curl_global_cleanup();
    }
}
