// SPDX-License-Identifier: Apache-2.0
// Accepting connections ourselves: libwebsockets 4.1.6 cannot be given a socket that listens
// already, only connections (lws_adopt_socket_vhost), which it treats as its own listener's.
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/socket.h"
#include "common/ws/room.h"

/* Connections that are accepted, and those whose handshakes begin, in one turn; then the others of
 * the loop have theirs: a handshake takes about a millisecond. */
enum { ACCEPT_TURN = 64, SERVE_TURN = 16 };

/* So many may be in their handshakes, each of which takes some 50 KiB. When others wait for a
 * place, one that has not said a whole greeting, or is not through, may take so long, in us. */
enum { GUESTS_MAX = 256, GREETING_US = 500000, SLOW_US = 4000000 };

/* A greeting of TLS is longer than this: who has said less has not spoken. */
enum { GREETING_BYTES = 64 };

/* So many wait for a place, without anything of TLS yet; more wait in the kernel. Of those who have
 * spoken who came last is next: when there are more than can be served in time, he is the one who
 * has not given up yet. Who says nothing is sent away after some time, or when the room is full. */
enum {
    CALLERS_MAX = 4096,
    SILENCE_US = 10000000,
    PASSAGE_US = 30000000,
    LOOK = 64,
    PAUSE_MS = 100
};

struct ws_door {
    struct cor_ws_server *server;
    struct cor_io *io;
    struct cor_timer *pause;   /* no file descriptor was left, or the room is full */
    struct cor_timer *next;    /* another turn, or a slow guest is to go */
    struct cor_timer *silence; /* of the first of the silent, and of the guests */
    struct cor_link silent;    /* callers, oldest first */
    struct cor_link ready;     /* callers who have spoken, oldest first */
    struct cor_link guests;    /* who are in their handshakes, oldest first */
    size_t caller_count, guest_count;
    int fd;
};

struct caller {
    struct cor_link link;
    struct ws_door *door;
    struct cor_io *io; /* until he speaks */
    struct cor_mono since;
    int fd;
};

struct guest {
    struct cor_link link;
    struct ws_door *door;
    struct lws *wsi;
    struct cor_mono since;
};

static void set_option(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value));
}

/* A peer that has vanished is found in 20 + 3 * 5 s. */
static void tune(int fd)
{
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 20);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* ---- callers ---- */

static struct cor_mono now_of(const struct ws_door *door)
{
    return cor_loop_now(door->server->ws->loop);
}

static struct caller *caller_of(struct cor_link *node)
{
    return COR_LIST_OBJECT(node, struct caller, link);
}

static void on_spoken(void *self, int fd, int events)
{
    struct caller *caller = self;
    (void)fd;
    (void)events;
    cor_io_free(&caller->io);
    cor_list_del(&caller->link);
    cor_list_add(&caller->door->ready, &caller->link);
    if (!cor_timer_running(caller->door->next)) {
        cor_timer_start(caller->door->next, 0);
    }
}

static void receive(struct ws_door *door, int fd)
{
    struct caller *caller = cor_alloc(sizeof(*caller));
    caller->door = door;
    caller->fd = fd;
    caller->since = now_of(door);
    set_option(fd, SOL_SOCKET, SO_RCVLOWAT, GREETING_BYTES);
    caller->io = cor_io_new(door->server->ws->loop, fd, COR_READ, on_spoken, caller);
    cor_list_init(&caller->link);
    cor_list_add(&door->silent, &caller->link);
    door->caller_count++;
    if (!cor_timer_running(door->silence)) {
        cor_timer_start(door->silence, SILENCE_US);
    }
}

/* Takes a caller out; returns his connection. */
static int dismiss(struct caller *caller)
{
    int fd = caller->fd;
    caller->door->caller_count--;
    cor_io_free(&caller->io);
    cor_list_del(&caller->link);
    cor_free(caller);
    return fd;
}

static void dismiss_all(struct cor_link *callers)
{
    COR_LIST_EACH (node, callers) {
        (void)close(dismiss(caller_of(node)));
    }
}

/* He has given up: a handshake would be for nobody. */
static bool has_left(int fd)
{
    struct pollfd peer = {.fd = fd, .events = POLLRDHUP};
    return poll(&peer, 1, 0) > 0 && (peer.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Whether there is room for another caller: for one who says nothing, or has gone. */
static bool make_room(struct ws_door *door)
{
    int looks = LOOK;
    if (door->caller_count >= CALLERS_MAX && !cor_list_empty(&door->silent)) {
        (void)close(dismiss(caller_of(door->silent.next)));
    }
    if (door->caller_count < CALLERS_MAX) {
        return true;
    }
    COR_LIST_EACH (node, &door->ready) {
        if (looks-- > 0 && has_left(caller_of(node)->fd)) {
            (void)close(dismiss(caller_of(node)));
        }
    }
    return door->caller_count < CALLERS_MAX;
}

/* ---- guests ---- */

static void let_in(struct ws_door *door, int fd)
{
    tune(fd);
    set_option(fd, SOL_SOCKET, SO_RCVLOWAT, 1);
    struct lws *wsi = lws_adopt_socket_vhost(door->server->vhost, fd); /* else it is closed */
    if (wsi == NULL) {
        return;
    }
    struct guest *guest = cor_alloc(sizeof(*guest));
    guest->door = door;
    guest->wsi = wsi;
    guest->since = now_of(door);
    cor_list_init(&guest->link);
    cor_list_add(&door->guests, &guest->link);
    door->guest_count++;
    lws_set_opaque_user_data(wsi, guest);
    if (!cor_timer_running(door->silence)) {
        cor_timer_start(door->silence, SILENCE_US);
    }
}

static void forget(struct guest *guest)
{
    lws_set_opaque_user_data(guest->wsi, NULL);
    cor_list_del(&guest->link);
    guest->door->guest_count--;
    cor_free(guest);
}

void ws_door_passed(struct lws *wsi)
{
    struct guest *guest = lws_get_opaque_user_data(wsi);
    if (guest == NULL) {
        return;
    }
    struct ws_door *door = guest->door;
    forget(guest);
    if (!cor_list_empty(&door->ready)) {
        cor_timer_start(door->next, 0);
    }
}

static int64_t age_of(const struct guest *guest)
{
    return cor_mono_since(now_of(guest->door), guest->since);
}

/* Who is to go when another one waits: the oldest that has said too little for too long, or is too
 * slow. left_r: time until there is one. */
static struct guest *laggard(const struct ws_door *door, int64_t *left_r)
{
    struct guest *oldest = COR_LIST_OBJECT(door->guests.next, struct guest, link);
    struct guest *first = oldest;
    *left_r = SLOW_US - age_of(oldest);
    COR_LIST_EACH (node, &door->guests) {
        struct guest *guest = COR_LIST_OBJECT(node, struct guest, link);
        if (!cor_tls_greeted(lws_get_ssl(guest->wsi))) {
            int64_t left = GREETING_US - age_of(guest);
            first = left < *left_r ? guest : first;
            *left_r = left < *left_r ? left : *left_r;
            break;
        }
    }
    return *left_r <= 0 ? first : NULL;
}

/* False: all places are taken by those who make progress; one leaves, or becomes slow. */
static bool has_place(struct ws_door *door)
{
    int64_t left = 0;
    if (door->guest_count < GUESTS_MAX) {
        return true;
    }
    struct guest *guest = laggard(door, &left);
    if (guest == NULL) {
        cor_timer_start(door->next, left);
        return false;
    }
    lws_set_timeout(guest->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC); /* forgets it */
    return door->guest_count < GUESTS_MAX;
}

static void serve(void *self)
{
    struct ws_door *door = self;
    int turn = SERVE_TURN;
    while (!cor_list_empty(&door->ready) && has_place(door)) {
        int fd = dismiss(caller_of(door->ready.prev));
        if (has_left(fd)) {
            (void)close(fd);
            continue;
        }
        let_in(door, fd);
        if (--turn == 0) {
            cor_timer_start(door->next, 0);
            return;
        }
    }
}

/* ---- time ---- */

/* The sooner of two times until something is due; < 0: never. */
static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until the next one has had his time; < 0: there is none. */
static int64_t dismiss_silent(struct ws_door *door)
{
    COR_LIST_EACH (node, &door->silent) {
        struct caller *caller = caller_of(node);
        int64_t left = SILENCE_US - cor_mono_since(now_of(door), caller->since);
        if (left > 0) {
            return left;
        }
        (void)close(dismiss(caller));
    }
    return -1;
}

/* The same for guests: a narrow link takes some time for a handshake that has begun. */
static int64_t dismiss_slow(struct ws_door *door)
{
    int64_t next = -1;
    COR_LIST_EACH (node, &door->guests) {
        struct guest *guest = COR_LIST_OBJECT(node, struct guest, link);
        bool greeted = cor_tls_greeted(lws_get_ssl(guest->wsi));
        int64_t left = (greeted ? PASSAGE_US : SILENCE_US) - age_of(guest);
        if (left > 0) {
            next = sooner(next, left);
        } else {
            lws_set_timeout(guest->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_SYNC); /* forgets it */
        }
    }
    return next;
}

static void on_silence(void *self)
{
    struct ws_door *door = self;
    int64_t next = sooner(dismiss_silent(door), dismiss_slow(door));
    if (next >= 0) {
        cor_timer_start(door->silence, next);
    }
}

/* ---- the socket ---- */

static bool is_short(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* False: no more now. */
static bool accept_one(struct ws_door *door)
{
    int fd = accept4(door->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        receive(door, fd);
        return true;
    }
    if (is_short(errno)) {
        cor_io_set(door->io, 0);
        cor_timer_start(door->pause, COR_MS(PAUSE_MS));
        return false;
    }
    return errno != EAGAIN; /* ECONNABORTED...: that one is over before it began */
}

static void on_readable(void *self, int fd, int events)
{
    struct ws_door *door = self;
    (void)fd;
    (void)events;
    for (int i = 0; i < ACCEPT_TURN; i++) {
        if (!make_room(door)) {
            cor_io_set(door->io, 0);
            cor_timer_start(door->pause, COR_MS(PAUSE_MS));
            return;
        }
        if (!accept_one(door)) {
            return;
        }
    }
}

static void on_pause_over(void *self)
{
    struct ws_door *door = self;
    cor_io_set(door->io, COR_READ);
}

struct ws_door *ws_door_new(struct cor_ws_server *server, int fd)
{
    struct ws_door *door = cor_alloc(sizeof(*door));
    door->server = server;
    door->fd = fd;
    cor_list_init(&door->silent);
    cor_list_init(&door->ready);
    cor_list_init(&door->guests);
    door->pause = cor_timer_new(server->ws->loop, on_pause_over, door);
    door->next = cor_timer_new(server->ws->loop, serve, door);
    door->silence = cor_timer_new(server->ws->loop, on_silence, door);
    door->io = cor_io_new(server->ws->loop, fd, COR_READ, on_readable, door);
    return door;
}

void ws_door_free(struct ws_door **door)
{
    if (*door != NULL) {
        COR_LIST_EACH (node, &(*door)->guests) {
            forget(COR_LIST_OBJECT(node, struct guest, link));
        }
        dismiss_all(&(*door)->silent);
        dismiss_all(&(*door)->ready);
        cor_io_free(&(*door)->io);
        cor_timer_free(&(*door)->pause);
        cor_timer_free(&(*door)->next);
        cor_timer_free(&(*door)->silence);
        cor_fd_close(&(*door)->fd);
        cor_freep(door);
    }
}

int ws_door_port(const struct ws_door *door)
{
    return cor_socket_port(door->fd);
}
