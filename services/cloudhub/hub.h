// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: what the links of all nodes share (hub.c), and one node's link (session.c,
// upstream.c). Loop thread only.
#ifndef CLOUDHUB_HUB_H
#define CLOUDHUB_HUB_H

#include "authority.h"
#include "common/base/handle.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/service/service.h"
#include "common/ws/ws.h"
#include "outbox.h"
#include "proto/kubeedge/message.h"
#include "proto/proto.h"

/* Numbers that the configuration sets. */
struct hub_limits {
    struct outbox_limits outbox;
    int64_t keepalive_us; /* a link without a keepalive for so long is closed */
    int64_t call_us;      /* time that a node's call may take */
    size_t nodes;         /* links at once */
};

/* Where to listen. */
struct hub_address {
    const char *address;
    int port;
    int fd; /* > 0: this socket, which listens there already */
};

/* Counters since the start. */
struct hub_stats {
    uint64_t accepted, refused, closed, resumed;
    uint64_t down, resent, acked;
    uint64_t up, up_bad, up_dropped;
    uint64_t calls, reports, uploads;
};

struct hub {
    struct cor_service *service; /* borrowed */
    struct cor_port *port;       /* to edgecontroller; owned */
    struct cor_ws *ws;           /* borrowed */
    struct cor_ws_server *server;
    struct reports *reports; /* what devices report; owned */
    struct hub_limits limits;
    struct hub_stats stats;
    struct cor_map *sessions; /* node to struct session, those that are open (borrowed) */
    struct cor_pool *handles; /* of all sessions */
    const char *ca_pem;       /* of the Kubernetes API, for nodes that ask; borrowed, may be NULL */
    uint64_t epoch;
    uint16_t nonce;
};

struct session {
    struct hub *hub;
    struct cor_ws_conn *conn; /* NULL before and after the connection is open */
    struct cor_timer *timer;
    struct outbox *outbox;
    char *node;
    char address[64];
    cor_handle handle;
    uint64_t epoch;
    struct cor_mono alive; /* last keepalive */
    struct cor_wall cert_until;
    size_t calls; /* under way at the controller */
};

/* Opens the bus port and the listener on port 10000. COR_BUSY, COR_IO. Returns owned in *hub_r. */
COR_NODISCARD enum cor_code hub_new(struct cor_service *service, const struct hub_limits *limits,
                                    struct hub **hub_r, struct cor_err *err);

/* Listens for nodes, on fd (takes) if it is > 0. COR_IO. */
COR_NODISCARD enum cor_code hub_listen(struct hub *hub, struct cor_ws *ws,
                                       const struct hub_address *at,
                                       const struct authority *authority, struct cor_err *err);

/* Frees, after the ws; *hub becomes NULL. */
void hub_free(struct hub **hub);

/* Tells the controller that a node's link is up or down. */
void hub_tell(struct hub *hub, const struct session *session, bool up);

/* A link for node, not open yet; the hub's pool has its handle. Returns owned. */
struct session *session_new(struct hub *hub, const char *node, const char *address,
                            struct cor_wall cert_until);

/* What happens to its connection. */
extern const struct cor_ws_events SESSION_EVENTS;

/* Writes what the outbox has to say and sets the timer. */
void session_pump(struct session *session);

/* Writes one message that needs no ack; id and time are filled in. */
void session_write(struct session *session, const struct px_kubeedge_out *out);

/* Ends the link. */
void session_close(struct session *session, const char *reason);

/* Handles a message from the node. */
void upstream_take(struct session *session, const struct px_kubeedge_in *in);

#endif
