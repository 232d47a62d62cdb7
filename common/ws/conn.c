// SPDX-License-Identifier: Apache-2.0
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/tls.h"
#include "common/ws/room.h"

/* A message of 32 MiB in Go's pieces of 4082 bytes has some 8,000; more is an attack on our time.
 */
enum { FRAGMENTS_MAX = 65536 };

/* Written in one go, before it is the loop's turn again: so much as the network takes in HOLD_US,
 * so that little waits in the kernel. What waits here can still be overtaken by what is more
 * urgent. */
enum { BURST_MIN = 2048, BURST_MAX = 65536, UNSENT_BYTES = 1024, HOLD_US = 5000 };

struct cor_ws_conn *ws_conn_new(struct cor_ws *ws, const struct cor_ws_events *events, void *self)
{
    struct cor_ws_conn *conn = cor_alloc(sizeof(*conn));
    conn->ws = ws;
    conn->events = *events;
    conn->self = self;
    conn->burst = BURST_MIN;
    conn->message = ws->limits.message;
    cor_list_init(&conn->fresh);
    for (unsigned lane = 0; lane < COR_WS_LANES; lane++) {
        cor_list_init(&conn->queues[lane]);
    }
    return conn;
}

static void drop_rx(struct cor_ws_conn *conn)
{
    conn->ws->unfinished -= conn->rx.len;
    conn->fragments = 0;
    cor_buf_free(&conn->rx);
}

static void drop_queue(struct cor_ws_conn *conn)
{
    for (unsigned lane = 0; lane < COR_WS_LANES; lane++) {
        COR_LIST_EACH (node, &conn->queues[lane]) {
            cor_list_del(node);
            cor_free(COR_LIST_OBJECT(node, struct ws_message, link));
        }
    }
    conn->begun = NULL;
    conn->queued = 0;
}

void ws_conn_gone(struct cor_ws_conn *conn, const char *reason)
{
    if (conn->gone) {
        return;
    }
    conn->gone = true;
    conn->open = false;
    cor_list_del(&conn->fresh);
    cor_timer_free(&conn->timer);
    drop_rx(conn);
    drop_queue(conn);
    ws_headers_free(&conn->headers);
    conn->events.closed(conn->self, reason);
}

void ws_conn_destroyed(struct cor_ws_conn *conn)
{
    must(conn->gone);
    conn->destroyed = true;
    if (!conn->dialing) {
        cor_free(conn);
    }
}

int ws_on_established(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct cor_ws_conn *conn = slot->conn;
    ws_door_passed(wsi);
    if (conn == NULL || conn->gone) {
        return -1;
    }
    conn->wsi = wsi;
    conn->open = true;
    conn->heard = cor_loop_now(conn->ws->loop);
    int unsent = UNSENT_BYTES;
    (void)setsockopt(lws_get_socket_fd(wsi), IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent,
                     sizeof(unsent));
    ws_headers_free(&conn->headers);
    if (conn->client) {
        cor_tls_bound(lws_get_ssl(wsi), 0);
        cor_timer_stop(conn->timer);
        if (conn->ping_us > 0) {
            cor_timer_repeat(conn->timer, conn->ping_us);
        }
    } else if (conn->ws->limits.subprotocol != NULL) {
        conn->agreed = strcmp(lws_get_protocol(wsi)->name, conn->ws->limits.subprotocol) == 0;
    }
    conn->inside++;
    if (conn->events.opened != NULL) {
        conn->events.opened(conn->self, conn);
    }
    conn->inside--;
    return conn->gone ? -1 : 0;
}

static int refuse(struct cor_ws_conn *conn, int status, const char *reason)
{
    lws_close_reason(conn->wsi, (enum lws_close_status)status, NULL, 0);
    ws_conn_gone(conn, reason);
    return -1;
}

static int deliver(struct cor_ws_conn *conn, struct cor_view message)
{
    conn->inside++;
    if (conn->binary && conn->events.binary != NULL) {
        conn->events.binary(conn->self, message);
    } else {
        conn->events.message(conn->self, message);
    }
    conn->inside--;
    return conn->gone ? -1 : 0;
}

/* The message is whole, or one more part of it. */
static int assemble(struct cor_ws_conn *conn, struct cor_view part, bool final)
{
    struct cor_ws *ws = conn->ws;
    if (conn->rx.len == 0 && final) {
        return deliver(conn, part);
    }
    cor_buf_view(&conn->rx, part);
    ws->unfinished += part.len;
    if (!final) {
        return ws->unfinished <= ws->limits.unfinished
                   ? 0
                   : refuse(conn, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE,
                            "too much unfinished in all connections");
    }
    struct cor_buf whole = conn->rx;
    ws->unfinished -= whole.len;
    conn->rx = (struct cor_buf){0};
    conn->fragments = 0;
    int result = deliver(conn, cor_buf_as_view(&whole));
    cor_buf_free(&whole);
    return result;
}

int ws_on_receive(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    struct cor_ws_conn *conn = slot->conn;
    if (conn == NULL || conn->gone) {
        return -1;
    }
    conn->heard = cor_loop_now(conn->ws->loop);
    if (conn->rx.len + len + lws_remaining_packet_payload(wsi) > conn->message) {
        return refuse(conn, LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE, "message too large");
    }
    if (++conn->fragments > FRAGMENTS_MAX) {
        return refuse(conn, LWS_CLOSE_STATUS_POLICY_VIOLATION, "too many fragments");
    }
    if (conn->rx.len == 0) {
        conn->binary = lws_frame_is_binary(wsi) != 0;
    }
    bool final = lws_is_final_fragment(wsi) && lws_remaining_packet_payload(wsi) == 0;
    if (final && conn->rx.len == 0) {
        conn->fragments = 0;
    }
    return assemble(conn, (struct cor_view){in == NULL ? "" : in, len}, final);
}

int ws_on_pong(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)wsi;
    (void)in;
    (void)len;
    if (slot->conn != NULL) {
        slot->conn->heard = cor_loop_now(slot->conn->ws->loop);
    }
    return 0;
}

size_t cor_ws_burst(const struct cor_ws_conn *conn)
{
    return conn->burst;
}

/* What is to go out next; NULL: nothing waits. */
static struct ws_message *next_of(const struct cor_ws_conn *conn)
{
    if (conn->begun != NULL) {
        return conn->begun;
    }
    for (unsigned lane = 0; lane < COR_WS_LANES; lane++) {
        if (!cor_list_empty(&conn->queues[lane])) {
            return COR_LIST_OBJECT(conn->queues[lane].next, struct ws_message, link);
        }
    }
    return NULL;
}

/* Sends a piece of a message; false if the connection is broken. */
static bool send_piece(struct cor_ws_conn *conn, struct ws_message *message)
{
    size_t left = message->len - message->sent;
    size_t n = left < WS_CHUNK ? left : WS_CHUNK;
    int begin = message->binary ? LWS_WRITE_BINARY : LWS_WRITE_TEXT;
    int flags = message->sent == 0 ? begin : LWS_WRITE_CONTINUATION;
    if (n < left) {
        flags |= LWS_WRITE_NO_FIN;
    }
    unsigned char *out = conn->ws->scratch + LWS_PRE;
    memcpy(out, message->bytes + message->sent, n);
    if (lws_write(conn->wsi, out, n, (enum lws_write_protocol)flags) < (int)n) {
        return false;
    }
    message->sent += n;
    conn->queued -= n;
    conn->written += n;
    conn->begun = message;
    if (message->sent == message->len) {
        conn->begun = NULL;
        cor_list_del(&message->link);
        cor_free(message);
    }
    return true;
}

/* The kernel sends what a burst writes as full segments: small ones would wake the peer for each.
 */
static void cork(struct cor_ws_conn *conn, int on)
{
    (void)setsockopt(lws_get_socket_fd(conn->wsi), IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* The socket takes more: the last burst has gone to the network, for which it took some time. What
 * is given next is what leaves within HOLD_US at that rate, so that an urgent message waits for no
 * more. */
static void set_burst(struct cor_ws_conn *conn)
{
    struct cor_mono now = cor_mono_now();
    if (conn->more) { /* else it had been given all there was */
        int64_t took = cor_mono_since(now, conn->burst_at);
        size_t fits = conn->burst_bytes * HOLD_US / (size_t)(took > 0 ? took : 1);
        size_t least = conn->burst / 2 > BURST_MIN ? conn->burst / 2 : BURST_MIN;
        size_t most = conn->burst * 2 < BURST_MAX ? conn->burst * 2 : BURST_MAX;
        conn->burst = fits < least ? least : fits > most ? most : fits;
    }
    conn->burst_at = now;
}

/* Sends what waits, up to a bound, as long as the socket takes it. False: broken. */
static bool send_burst(struct cor_ws_conn *conn)
{
    struct ws_message *message = next_of(conn);
    bool many = conn->queued > message->len - message->sent;
    size_t before = conn->queued;
    bool sound = true;
    if (many) {
        cork(conn, 1);
    }
    do {
        sound = send_piece(conn, message);
        message = next_of(conn);
    } while (sound && message != NULL && before - conn->queued < conn->burst &&
             lws_partial_buffered(conn->wsi) == 0);
    if (many) {
        cork(conn, 0);
    }
    conn->burst_bytes = before - conn->queued;
    return sound;
}

/* Writes what waits, up to a bound. False: the connection is over. */
static bool write_some(struct cor_ws_conn *conn)
{
    if (next_of(conn) == NULL) {
        return true;
    }
    set_burst(conn);
    if (!send_burst(conn)) {
        ws_conn_gone(conn, "write failed");
        return false;
    }
    conn->more = next_of(conn) != NULL;
    if (conn->more) {
        lws_callback_on_writable(conn->wsi);
    } else if (conn->events.drained != NULL) {
        conn->inside++;
        conn->events.drained(conn->self);
        conn->inside--;
    }
    return !conn->gone;
}

int ws_on_writable(struct lws *wsi, struct ws_slot *slot, void *in, size_t len)
{
    (void)in;
    (void)len;
    struct cor_ws_conn *conn = slot->conn;
    if (conn == NULL || conn->gone) {
        return -1;
    }
    if (conn->want_ping) {
        conn->want_ping = false;
        if (lws_write(wsi, conn->ws->scratch + LWS_PRE, 0, LWS_WRITE_PING) < 0) {
            return -1;
        }
        lws_callback_on_writable(wsi);
        return 0;
    }
    return write_some(conn) ? 0 : -1;
}

/* Whether all that was written before has left, so that more may be without waiting for a sign. The
 * kernel is asked only when it may have more than a small burst. */
static bool is_clear(struct cor_ws_conn *conn)
{
    int unsent = 0;
    if (lws_partial_buffered(conn->wsi) != 0) {
        return false;
    }
    if (conn->written + conn->queued <= BURST_MIN) {
        return true;
    }
    bool clear = ioctl(lws_get_socket_fd(conn->wsi), SIOCOUTQNSD, &unsent) == 0 && unsent == 0;
    conn->written = clear ? 0 : conn->written;
    return clear;
}

/* libwebsockets would ask the kernel for a sign before each message: two system calls and a round
 * of the loop. Most of the time there is nothing to wait for. */
bool ws_flush(void *self)
{
    struct cor_ws *ws = self;
    struct cor_link turn;
    cor_list_init(&turn);
    COR_LIST_EACH (node, &ws->fresh) {
        cor_list_del(node);
        cor_list_add(&turn, node);
    }
    while (!cor_list_empty(&turn)) {
        struct cor_ws_conn *conn = COR_LIST_OBJECT(turn.next, struct cor_ws_conn, fresh);
        struct lws *wsi = conn->wsi;
        cor_list_del(&conn->fresh);
        if (!is_clear(conn)) {
            lws_callback_on_writable(wsi);
        } else if (!write_some(conn)) {
            (void)shutdown(lws_get_socket_fd(wsi), SHUT_RDWR);
            lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
        }
    }
    return !cor_list_empty(&ws->fresh);
}

enum cor_code cor_ws_fits(const struct cor_ws_conn *conn, size_t bytes)
{
    if (!conn->open) {
        return COR_CLOSED;
    }
    return conn->queued > 0 && conn->queued + bytes > conn->ws->limits.queue ? COR_BUSY : COR_OK;
}

static void put(struct cor_ws_conn *conn, struct cor_view message, unsigned lane, bool binary)
{
    must(lane < COR_WS_LANES);
    must(message.len > 0); /* an empty message would be an empty frame, which EdgeCore rejects */
    struct ws_message *item = cor_alloc(sizeof(*item) + message.len);
    item->len = message.len;
    item->binary = binary;
    memcpy(item->bytes, message.ptr, message.len);
    cor_list_add(&conn->queues[lane], &item->link);
    conn->queued += message.len;
    if (cor_list_empty(&conn->fresh) && !conn->more) {
        cor_list_add(&conn->ws->fresh, &conn->fresh);
        cor_hook_again(conn->ws->flush);
    }
}

static enum cor_code enqueue(struct cor_ws_conn *conn, struct cor_view message, bool binary)
{
    enum cor_code code = cor_ws_fits(conn, message.len);
    if (code == COR_OK) {
        put(conn, message, 0, binary);
    }
    return code;
}

void cor_ws_put(struct cor_ws_conn *conn, struct cor_view message, unsigned lane)
{
    put(conn, message, lane, true);
}

enum cor_code cor_ws_send(struct cor_ws_conn *conn, struct cor_view message)
{
    return enqueue(conn, message, false);
}

enum cor_code cor_ws_send_binary(struct cor_ws_conn *conn, struct cor_view message)
{
    return enqueue(conn, message, true);
}

const char *cor_ws_subprotocol(const struct cor_ws_conn *conn)
{
    return conn->open && conn->agreed ? conn->ws->limits.subprotocol : NULL;
}

void cor_ws_pause(struct cor_ws_conn *conn, bool on)
{
    if (conn->open) {
        (void)lws_rx_flow_control(conn->wsi, on ? 0 : 1);
    }
}

size_t cor_ws_queued(const struct cor_ws_conn *conn)
{
    return conn->queued;
}

void cor_ws_close(struct cor_ws_conn *conn, int status, const char *reason)
{
    if (conn->gone) {
        return;
    }
    struct lws *wsi = conn->wsi;
    if (wsi != NULL && status != 0) {
        lws_close_reason(wsi, (enum lws_close_status)status, NULL, 0);
    }
    bool inside = conn->inside > 0 || conn->dialing;
    ws_conn_gone(conn, reason);
    /* From within its own callback libwebsockets closes when the handler returns. */
    if (!inside && wsi != NULL) {
        /* It would wait for a peer that may neither read nor answer. */
        (void)shutdown(lws_get_socket_fd(wsi), SHUT_RDWR);
        lws_set_timeout(wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC);
    }
}
