// SPDX-License-Identifier: Apache-2.0
// The connection: connect, read, write, loss, back-off.
#include "common/grpc/grpc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/grpc/channel.h"
#include "common/pipe/address.h"

enum {
    READ_CHUNK = 16 * 1024,
    READS_PER_ROUND = 16,        /* then the loop serves others */
    OUT_CHUNK = 64 * 1024,       /* bytes gathered for one write */
    STREAM_WINDOW = 1024 * 1024, /* a large answer need not wait for a window update per 64 KiB */
    CONNECTION_WINDOW = 4 * 1024 * 1024,
};

static void lose(struct cor_grpc *grpc);

static void end_submitted_calls(struct cor_grpc *grpc)
{
    size_t at = 0;
    struct cor_grpc_call_state *call = NULL;
    while ((call = cor_pool_next(grpc->calls, &at)) != NULL) {
        if (call->stream > 0) {
            cor_grpc_call_end(call, COR_GONE, "connection lost");
        }
    }
}

static void close_connection(struct cor_grpc *grpc)
{
    cor_io_free(&grpc->io);
    cor_fd_close(&grpc->fd);
    nghttp2_session_del(grpc->session);
    grpc->session = NULL;
    cor_buf_free(&grpc->out);
    grpc->up = false;
    grpc->broken = false;
}

/* Closes what is left of the connection, ends its calls, arms the next attempt. */
static void lose(struct cor_grpc *grpc)
{
    bool was_up = grpc->up;
    close_connection(grpc);
    cor_timer_start(grpc->retry, grpc->retry_us);
    grpc->retry_us =
        grpc->retry_us * 2 < grpc->retry_max_us ? grpc->retry_us * 2 : grpc->retry_max_us;
    end_submitted_calls(grpc);
    if (was_up && grpc->state_fn != NULL) {
        grpc->state_fn(grpc->self, false);
    }
}

static void submit_waiting_calls(struct cor_grpc *grpc)
{
    size_t at = 0;
    struct cor_grpc_call_state *call = NULL;
    while ((call = cor_pool_next(grpc->calls, &at)) != NULL) {
        if (call->stream == 0 && !cor_grpc_call_submit(call)) {
            grpc->broken = true;
            return;
        }
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *self)
{
    (void)session;
    struct cor_grpc *grpc = self;
    bool settings = frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        grpc->broken = true;
    }
    if (!settings || grpc->up) {
        return 0;
    }
    grpc->up = true;
    grpc->retry_us = grpc->retry_min_us;
    submit_waiting_calls(grpc);
    if (grpc->state_fn != NULL) {
        grpc->state_fn(grpc->self, true);
    }
    return 0;
}

/* Gathers what the session wants to send, up to OUT_CHUNK. */
static void gather(struct cor_grpc *grpc)
{
    while (grpc->out.len < OUT_CHUNK) {
        const uint8_t *bytes = NULL;
        ssize_t n = nghttp2_session_mem_send(grpc->session, &bytes);
        if (n <= 0) {
            grpc->broken = grpc->broken || n < 0;
            return;
        }
        cor_buf_add(&grpc->out, bytes, (size_t)n);
    }
}

/* Writes; true when all that the session had is with the kernel. */
static bool write_out(struct cor_grpc *grpc)
{
    gather(grpc);
    while (!grpc->broken && grpc->out.len > 0) {
        ssize_t n = send(grpc->fd, grpc->out.data, grpc->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return false;
        }
        if (n < 0 && errno != EINTR) {
            grpc->broken = true;
            return true;
        }
        cor_buf_drop(&grpc->out, n > 0 ? (size_t)n : 0);
        gather(grpc);
    }
    return true;
}

/* End of the loop's round: everything that calls and answers have asked for goes out at once. */
static bool on_round(void *self)
{
    struct cor_grpc *grpc = self;
    if (grpc->session == NULL) {
        return false;
    }
    if (!grpc->broken) {
        bool all = write_out(grpc);
        cor_io_set(grpc->io, all ? COR_READ : COR_READ | COR_WRITE);
    }
    bool over = nghttp2_session_want_read(grpc->session) == 0 &&
                nghttp2_session_want_write(grpc->session) == 0;
    if (grpc->broken || over) {
        lose(grpc);
    }
    return false;
}

static void read_in(struct cor_grpc *grpc)
{
    uint8_t chunk[READ_CHUNK];
    for (int i = 0; i < READS_PER_ROUND && !grpc->broken; i++) {
        ssize_t n = recv(grpc->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) {
            return;
        }
        if (n <= 0 || nghttp2_session_mem_recv(grpc->session, chunk, (size_t)n) != n) {
            grpc->broken = true;
            return;
        }
        if ((size_t)n < sizeof(chunk)) {
            return;
        }
    }
}

static void on_io(void *self, int fd, int events)
{
    (void)fd;
    struct cor_grpc *grpc = self;
    if ((events & COR_READ) != 0) {
        read_in(grpc);
    }
}

static void open_session(struct cor_grpc *grpc)
{
    nghttp2_session_callbacks *callbacks = NULL;
    must(nghttp2_session_callbacks_new(&callbacks) == 0);
    cor_grpc_call_callbacks(callbacks);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    int made = nghttp2_session_client_new(&grpc->session, callbacks, grpc);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
    };
    must(made == 0);
    must(nghttp2_submit_settings(grpc->session, NGHTTP2_FLAG_NONE, settings, COR_COUNT(settings)) ==
         0);
    must(nghttp2_session_set_local_window_size(grpc->session, NGHTTP2_FLAG_NONE, 0,
                                               CONNECTION_WINDOW) == 0);
}

/* A Unix socket connects at once or fails at once; a full backlog (EAGAIN) is a failure too. By TCP
 * the first bytes wait until the connection stands. */
static int dial(const char *text)
{
    union cor_address address;
    socklen_t len = 0;
    if (!cor_address_parse(text, &address, &len)) {
        return -1;
    }
    auto_(cor_fd_close) int fd =
        socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (connect(fd, &address.any, len) != 0 && errno != EINPROGRESS)) {
        return -1;
    }
    int taken = fd;
    fd = -1;
    return taken;
}

static void on_retry(void *self)
{
    struct cor_grpc *grpc = self;
    grpc->fd = dial(grpc->socket_path);
    if (grpc->fd < 0) {
        lose(grpc);
        return;
    }
    open_session(grpc);
    grpc->io = cor_io_new(grpc->loop, grpc->fd, COR_READ, on_io, grpc);
}

struct cor_grpc *cor_grpc_new(struct cor_loop *loop, const struct cor_grpc_conf *conf,
                              cor_grpc_state_fn state_fn, void *self)
{
    struct cor_grpc *grpc = cor_alloc(sizeof(*grpc));
    grpc->loop = loop;
    grpc->socket_path = cor_strdup(conf->socket_path);
    grpc->user_agent =
        cor_strdup(conf->user_agent != NULL ? conf->user_agent : "coracle/" CORACLE_VERSION);
    grpc->message_max = conf->message_max != 0 ? conf->message_max : COR_GRPC_MESSAGE_MAX;
    grpc->retry_min_us = conf->retry_min_us != 0 ? conf->retry_min_us : COR_MS(20);
    grpc->retry_max_us = conf->retry_max_us != 0 ? conf->retry_max_us : COR_SEC(1);
    grpc->retry_us = grpc->retry_min_us;
    grpc->state_fn = state_fn;
    grpc->self = self;
    grpc->fd = -1;
    grpc->calls = cor_pool_new(COR_GRPC_CALLS_MAX);
    grpc->retry = cor_timer_new(loop, on_retry, grpc);
    grpc->hook = cor_hook_new(loop, on_round, grpc);
    cor_timer_start(grpc->retry, 0);
    return grpc;
}

void cor_grpc_free(struct cor_grpc **grpc)
{
    if (*grpc == NULL) {
        return;
    }
    size_t at = 0;
    struct cor_grpc_call_state *call = NULL;
    while ((call = cor_pool_next((*grpc)->calls, &at)) != NULL) {
        cor_grpc_call_drop(call);
    }
    close_connection(*grpc);
    cor_hook_free(&(*grpc)->hook);
    cor_timer_free(&(*grpc)->retry);
    cor_pool_free(&(*grpc)->calls);
    cor_free((*grpc)->socket_path);
    cor_free((*grpc)->user_agent);
    cor_freep(grpc);
}

bool cor_grpc_is_up(const struct cor_grpc *grpc)
{
    return grpc->up;
}
