// SPDX-License-Identifier: Apache-2.0
// Private to common/ws: ws.c (context, callback table), conn.c (WebSocket connections), accept.c
// (listening sockets), server.c (upgrades, requests), client.c (dial, fetch).
#ifndef COR_WS_ROOM_H
#define COR_WS_ROOM_H

#include <libwebsockets.h>

#include "common/base/buf.h"
#include "common/base/list.h"
#include "common/ws/http.h"
#include "common/ws/ws.h"

/* One TLS record and some: what is written at once. Larger messages go out as fragments. */
enum { WS_CHUNK = 8 * 1024, WS_HEADER_MAX = 4096 };

/* What libwebsockets takes of a message at once: each WebSocket has a buffer of this size. Most of
 * what a node says is shorter. */
enum { WS_TAKE = 1024 };

struct cor_ws {
    struct cor_loop *loop;
    const struct cor_log *log;
    struct cor_ws_limits limits;
    struct lws_context *context;
    struct cor_link servers;
    struct cor_link fresh;  /* connections with messages that nothing was done about yet */
    struct cor_hook *flush; /* ws_flush, at the end of each round */
    unsigned char *scratch; /* LWS_PRE + WS_CHUNK bytes to write from */
    size_t unfinished;      /* bytes of messages that are not complete */
    struct lws_protocols protocols[3]; /* what every connection speaks */
    char *offer;                       /* of clients; owned; NULL: nothing */
    /* Clients without and with a certificate: SSL_CTX and the vhost that uses it; made when needed.
     */
    struct {
        void *tls;
        struct lws_vhost *vhost;
    } client[2];
};

struct cor_ws_server {
    struct cor_link link;
    struct cor_ws *ws;
    struct cor_ws_listen listen; /* its address and tls are not valid any more */
    const struct cor_tls *tls;   /* while it starts; NULL later */
    void *ctx;                   /* the SSL_CTX of its vhost; borrowed */
    struct lws_context *context; /* its own; owned */
    struct lws_vhost *vhost;
    struct ws_door *door; /* its listening socket; owned */
    char *name;           /* owned */
};

/* What libwebsockets keeps for us with each connection: one of these is set. */
struct ws_slot {
    struct cor_ws_conn *conn;
    struct cor_ws_request *request;
    struct ws_fetch *fetch;
};

struct ws_message {
    struct cor_link link;
    size_t len;
    size_t sent;
    bool binary;
    unsigned char bytes[];
};

struct cor_ws_conn {
    struct ws_slot slot; /* of clients; servers' slots lie in libwebsockets */
    struct cor_ws *ws;
    struct lws *wsi; /* NULL before the handshake of a client */
    struct cor_ws_events events;
    void *self;
    struct cor_link fresh; /* in ws->fresh, or in no list */
    struct cor_link queues[COR_WS_LANES];
    struct ws_message *begun; /* first of its queue, of which a part is out; NULL: none */
    size_t queued;
    size_t burst;       /* bytes that are written in one go */
    size_t burst_bytes; /* that the last one had */
    struct cor_mono burst_at;
    size_t written;    /* bytes since the socket was known to have nothing left to send */
    bool more;         /* something was left after the last one */
    size_t message;    /* longest that is taken */
    struct cor_buf rx; /* fragments so far */
    unsigned fragments;
    struct cor_timer *timer; /* of clients: handshake, then pings */
    int64_t ping_us;
    struct cor_mono heard;
    char **headers; /* of clients, until the handshake: name, value, name, value... NULL */
    bool client;
    bool open;
    bool gone;      /* closed() has run */
    bool dialing;   /* lws_client_connect_via_info is on the stack */
    bool destroyed; /* libwebsockets has forgotten it */
    bool want_ping;
    bool agreed; /* on the subprotocol */
    bool binary; /* the message in rx is */
    int inside;  /* callbacks of this connection on the stack */
};

/* ws.c: libwebsockets looks after no connection: their owners do, by beats of their own. Its looks
 * would be a list of all connections, sorted by walking it. */
extern const lws_retry_bo_t WS_NO_LOOKS;

/* ws.c: a context of libwebsockets on ws's loop; NULL: it does not start. Returns owned. */
struct lws_context *ws_context_new(struct cor_ws *ws, uint64_t options);

/* server.c: ends its connections and frees it. */
void ws_server_free(struct cor_ws_server *server);

/* accept.c: accepts connections on fd (takes), a listening socket that does not block, for server
 * (borrows). Returns owned. */
struct ws_door *ws_door_new(struct cor_ws_server *server, int fd);

/* The connection is through its handshakes, or has ended: its place is free. Nothing when it has
 * none. */
void ws_door_passed(struct lws *wsi);

/* Stops accepting and closes the socket; *door becomes NULL. */
void ws_door_free(struct ws_door **door);

/* Port that it listens on. */
int ws_door_port(const struct ws_door *door);

/* A connection of ws for an owner. */
struct cor_ws_conn *ws_conn_new(struct cor_ws *ws, const struct cor_ws_events *events, void *self);

/* Sends what has been put since the last round; self: struct cor_ws. True: there is more. */
bool ws_flush(void *self);

/* Tells the owner, once, that it is over. */
void ws_conn_gone(struct cor_ws_conn *conn, const char *reason);

/* libwebsockets will not mention it any more: frees, unless a dial is on the stack. */
void ws_conn_destroyed(struct cor_ws_conn *conn);

/* Handlers of libwebsockets' callbacks: 0, or -1 to close. Each is named in ws.c's table. */
#define WS_HANDLERS(X)                                                                             \
    X(ws_on_established)                                                                           \
    X(ws_on_receive)                                                                               \
    X(ws_on_pong)                                                                                  \
    X(ws_on_writable)                                                                              \
    X(ws_on_closed)                                                                                \
    X(ws_on_client_error)                                                                          \
    X(ws_on_destroy)                                                                               \
    X(ws_on_server_tls)                                                                            \
    X(ws_on_verify_client)                                                                         \
    X(ws_on_upgrade)                                                                               \
    X(ws_on_request)                                                                               \
    X(ws_on_body)                                                                                  \
    X(ws_on_body_end)                                                                              \
    X(ws_on_http_writable)                                                                         \
    X(ws_on_client_headers)                                                                        \
    X(ws_on_client_agreed)                                                                         \
    X(ws_on_answer_begins)                                                                         \
    X(ws_on_answer_ready)                                                                          \
    X(ws_on_answer_bytes)                                                                          \
    X(ws_on_answer_end)                                                                            \
    X(ws_on_fetch_writable)

#define X(name) int name(struct lws *wsi, struct ws_slot *slot, void *in, size_t len);
WS_HANDLERS(X)
#undef X

/* Drops the slot's request: its connection has ended. */
void ws_request_gone(struct ws_slot *slot);

/* The fetch has ended without an answer. */
void ws_fetch_gone(struct ws_slot *slot, const char *text);

/* libwebsockets will not mention the slot's fetch any more. */
void ws_fetch_destroyed(struct ws_slot *slot);

/* Makes the client of this kind (0, 1) unless it is there. False if libwebsockets refuses. */
bool ws_client_ready(struct cor_ws *ws, size_t kind);

/* Name of the row that speaks without a subprotocol. */
#define WS_PLAIN "coracle"

/* Frees a name, value, ... list; *headers becomes NULL. */
void ws_headers_free(char ***headers);

#endif
