// SPDX-License-Identifier: Apache-2.0
// WebSocket (RFC 6455) and small HTTPS requests, both ends; the door to libwebsockets, which runs
// as a guest of the loop. Everything is TLS. Messages are bounded as a whole, over all fragments.
// One struct cor_ws per process. Loop thread only.
#ifndef COR_WS_WS_H
#define COR_WS_WS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/log/log.h"
#include "common/loop/loop.h"
#include "common/pki/tls.h"

struct cor_ws;
struct cor_ws_request;

/* How much there may be. */
struct cor_ws_limits {
    unsigned connections; /* open at once; 0: as many as the process may have files */
    size_t message;       /* longest message that is taken; beyond it close 1009 */
    size_t unfinished;    /* of all messages together of which only a part has arrived */
    size_t queue;         /* bytes that wait to be sent on one connection */
    /* Offered by clients and known to servers beside none at all (RFC 6455 section 1.9); NULL: only
     * none. Must outlive it. */
    const char *subprotocol;
};

/* Starts. loop and log are borrowed and must outlive it. COR_INTERNAL when libwebsockets or its
 * libev plug-in does not start. Returns owned. */
COR_NODISCARD enum cor_code cor_ws_new(struct cor_loop *loop, const struct cor_log *log,
                                       const struct cor_ws_limits *limits, struct cor_ws **out_r,
                                       struct cor_err *err);

/* Closes every connection (their closed functions run) and frees; *ws becomes NULL. */
void cor_ws_free(struct cor_ws **ws);

/* One WebSocket connection. Owned by the room; a pointer to it is valid until closed() has run. */
struct cor_ws_conn;

/* What happens to a connection; self is the owner's. opened, binary and drained may be NULL. */
struct cor_ws_events {
    void (*opened)(void *self, struct cor_ws_conn *conn);
    /* A whole text message (borrowed for the call), or a binary one unless there is binary. May
     * send and close. */
    void (*message)(void *self, struct cor_view message);
    /* A whole binary message, likewise. */
    void (*binary)(void *self, struct cor_view message);
    /* The send queue has become empty. */
    void (*drained)(void *self);
    /* The connection is no more, for whatever reason, or could not be made: once, the last call. */
    void (*closed)(void *self, const char *reason);
};

/* Queues a text message (borrows). COR_BUSY when the queue is full and not empty; COR_CLOSED. */
COR_NODISCARD enum cor_code cor_ws_send(struct cor_ws_conn *conn, struct cor_view message);

/* The same for a binary message. */
COR_NODISCARD enum cor_code cor_ws_send_binary(struct cor_ws_conn *conn, struct cor_view message);

/* Messages of a lane go out in order, those of a lower lane before those of a higher one; one that
 * has begun is finished first. Text and cor_ws_send_binary use the first. */
enum { COR_WS_LANES = 4 };

/* Whether messages of so many bytes in all may be put now. COR_BUSY, COR_CLOSED as above. */
COR_NODISCARD enum cor_code cor_ws_fits(const struct cor_ws_conn *conn, size_t bytes);

/* Bytes that the connection has taken at once of late, from 2 KiB to 64 KiB: more than one that is
 * slow. */
size_t cor_ws_burst(const struct cor_ws_conn *conn);

/* Queues a binary message (borrows) in a lane, after cor_ws_fits has allowed it. */
void cor_ws_put(struct cor_ws_conn *conn, struct cor_view message, unsigned lane);

/* The subprotocol that both ends have agreed on, from opened() on; NULL: none. Borrowed. */
const char *cor_ws_subprotocol(const struct cor_ws_conn *conn);

/* With on, reads nothing from the peer until it is called with false: TCP holds the peer back. What
 * has been read already may still come. */
void cor_ws_pause(struct cor_ws_conn *conn, bool on);

/* Of a client that is open: pings as in cor_ws_dial, from now on; 0: none any more. */
void cor_ws_ping(struct cor_ws_conn *conn, int64_t ping_us);

/* Bytes that wait to be sent. */
size_t cor_ws_queued(const struct cor_ws_conn *conn);

/* Closes with a status code of RFC 6455 section 7.4 (0: none is sent) and a reason for the log.
 * closed() runs, at the latest when the running callback returns. */
void cor_ws_close(struct cor_ws_conn *conn, int status, const char *reason);

/* ---- server ---- */

/* A request as it came, before anything was accepted. Valid during the call that gets it. */
struct cor_ws_ask;

/* Value of header name (lower case) as text without NUL, "" when absent or over size. Copies to
 * out. */
void cor_ws_ask_header(const struct cor_ws_ask *ask, const char *name, char *out, size_t size);

/* Certificate that the peer showed (verified against the root), NULL if none. Borrowed. */
const struct cor_cert *cor_ws_ask_cert(const struct cor_ws_ask *ask);

/* Whether it continues an earlier TLS session: its certificate was verified then. */
bool cor_ws_ask_resumed(const struct cor_ws_ask *ask);

/* Address of the peer as text. Borrowed. */
const char *cor_ws_ask_address(const struct cor_ws_ask *ask);

struct cor_ws_server;

/* Of clients. A required one was verified against the roots. One that was only asked for is the
 * peer's, but it may have expired, and anybody may have signed it: its owner looks. */
enum cor_ws_client_cert { COR_WS_CERT_ASKED, COR_WS_CERT_REQUIRED };

/* A WebSocket listener. tls is borrowed for the call. */
struct cor_ws_listen {
    const char *address; /* numeric; NULL: all of IPv4 */
    int port;            /* 0: any */
    int fd; /* > 0: this socket, which listens already and does not block (takes), instead */
    struct cor_tls tls;
    enum cor_ws_client_cert client_cert;
    const uint8_t *tickets; /* secret of resumed sessions (pki/resume.h), outlives ws; NULL: none.
                             * Only with COR_WS_CERT_REQUIRED. */
    size_t message;         /* longest message that is taken; 0: as the limits say */
    void *self;
    /* Decides on an upgrade: the owner of the new connection, or NULL to refuse. NULL: none at all.
     */
    void *(*accept)(void *self, const struct cor_ws_ask *ask);
    struct cor_ws_events events; /* of the accepted connections */
    /* HTTP requests that are no upgrade (http.h); NULL: 404. keep: names (lower case) of the
     * headers that it wants to see, ends with NULL. */
    void (*request)(void *self, struct cor_ws_request *request);
    const char *const *keep;
};

/* Listens. COR_IO when the address cannot be bound, COR_INVALID for no address or a key that does
 * not fit; fd is closed then. The server ends with ws. Returns borrowed in *out_r. */
COR_NODISCARD enum cor_code cor_ws_listen(struct cor_ws *ws, const struct cor_ws_listen *listen,
                                          struct cor_ws_server **out_r, struct cor_err *err);

/* Has a listener show another certificate, and trust other roots, from the next connection on
 * (borrowed for the call). False: certificate and key do not fit; nothing has changed. */
bool cor_ws_renew(struct cor_ws_server *server, const struct cor_tls *tls);

/* Port that is listened on. */
int cor_ws_port(const struct cor_ws_server *server);

/* ---- client ---- */

struct cor_ws_header {
    const char *name;
    const char *value;
};

/* Whom to talk to. All borrowed for the call. */
struct cor_ws_target {
    const char *host;    /* name or number: what the certificate must say, and the Host header */
    const char *address; /* numeric address to connect to; NULL: host is numeric */
    int port;
    const char *path;
    const struct cor_ws_header *headers; /* ends with a NULL name; NULL: none */
    struct cor_tls tls;
    bool trust_any; /* do not verify the server: only to fetch what is verified otherwise */
    int64_t timeout_us;
    size_t message; /* longest message that is taken; 0: as the limits say */
};

/* Connects. events.closed runs also when it fails; opened says that it is up. A ping goes out every
 * ping_us (0: none); a peer that is silent for three of them is dead. Returns borrowed; NULL, and
 * closed has run already, when it fails at once. */
struct cor_ws_conn *cor_ws_dial(struct cor_ws *ws, const struct cor_ws_target *target,
                                int64_t ping_us, const struct cor_ws_events *events, void *self);

#endif
