// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: what the links of all nodes share (hub.c), and one node's link (session.c,
// upstream.c). Loop thread only.
#ifndef CLOUDHUB_HUB_H
#define CLOUDHUB_HUB_H

#include "authority.h"
#include "common/base/handle.h"
#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/ledger/hop.h"
#include "common/ledger/ledger.h"
#include "common/log/limit.h"
#include "common/service/service.h"
#include "common/ws/ws.h"
#include "outbox.h"
#include "proto/kubeedge/message.h"
#include "proto/proto.h"
#include "revoked.h"

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
    uint64_t down, resent, acked, held; /* held: objects that nodes had already */
    uint64_t up, up_bad, up_dropped;
    uint64_t calls, reports, uploads;
    uint64_t denied; /* what a node tried in another's name */
};

/* What became of what passed through: a hop's books. The accounts are the ledger's. */
struct hub_books {
    struct cor_ledger *ledger;
    struct cor_ledger_counts *calls, *reports; /* up */
    struct cor_ledger_counts *uploads_ended;   /* of sessions that are over */
    struct cor_ledger_counts *uploads_kubeedge;
    struct cor_ledger_counts *objects_ended;
    struct cor_ledger_counts *publications; /* down */
};

struct hub {
    struct cor_service *service; /* borrowed */
    struct cor_port *port;       /* to edgecontroller; owned */
    struct cor_ws *ws;           /* borrowed */
    struct cor_ws_server *server;
    struct reports *reports; /* what devices report; owned */
    struct hub_limits limits;
    struct hub_stats stats;
    struct hub_books books;
    struct cor_map *sessions;          /* node to struct session, those that are open (borrowed) */
    struct cor_pool *handles;          /* of all sessions */
    struct cor_map *epochs;            /* 8 bytes of epoch to struct session, those that are open */
    struct cor_link backlog;           /* of struct relay that wait for the controller */
    size_t waiting_bytes;              /* in them */
    size_t part_bytes;                 /* of nodes' frames that are not whole */
    struct cor_map *watches;           /* node -> struct watches, owned: see apps.h */
    const struct revoked *revoked;     /* borrowed */
    const struct authority *authority; /* borrowed; from hub_listen on */
    struct census *census;             /* borrowed */
    struct peers *peers;               /* other replicas; borrowed; NULL: none */
    int streams_port;                  /* of API servers, at each replica; 0: not yet */
    struct cloudstream *cloudstream;   /* tunnels of KubeEdge nodes; borrowed; NULL: none */
    const char *ca_pem; /* of the Kubernetes API, for nodes that ask; borrowed, may be NULL */
    bool wants_leases;  /* the last controller was one of v0.1.0 */
    uint64_t epoch;
    uint16_t nonce;
    struct cor_buf frame;      /* scratch, of what goes down */
    struct cor_timer *settle;  /* after many nodes have come */
    size_t came;               /* nodes, since memory was given back */
    struct cor_link are_alive; /* of struct session: the controller is to be told */
    struct cor_timer *tell_alive;
};

struct cloudstream;
struct peers;
struct coracle;
struct relay;
struct tunnels;
struct compare;
struct watches;

struct session {
    struct hub *hub;
    struct cor_ws_conn *conn; /* NULL before and after the connection is open */
    struct cor_timer *timer;
    struct outbox *outbox;
    char *node;
    char address[64];
    cor_handle handle;
    uint64_t epoch;        /* 24 bits, not 0; 0: not begun */
    uint64_t claim;        /* random: see NODE_SESSION */
    bool claimed;          /* the controller has told so */
    struct cor_mono alive; /* last keepalive */
    struct cor_mono looks; /* when the timer fires, once the session has begun */
    struct cor_wall cert_from, cert_until;
    char ca[ROTATION_ID_LEN + 1]; /* that its certificate is of */
    uint64_t roots;               /* digest of those that it says it trusts; 0: it has not said */
    bool has_clock;               /* the node has said what its clock says... */
    int64_t ahead_us;             /* ...so far ahead of ours */
    size_t calls;                 /* under way at the controller */
    size_t asks;                  /* of its own API, likewise: see apps.h */
    struct coracle *coracle;      /* the dialect; NULL: KubeEdge's. Owned */
    struct relay *relay;          /* of the Coracle dialect; owned */
    struct compare *compare;      /* likewise */
    struct tunnels *tunnels;      /* likewise; NULL: none was opened yet */
    struct cor_map *topics;       /* that a KubeEdge node was told to subscribe */
    struct watches *watches;      /* of its own API; the hub's; NULL: none yet */
    struct cor_log_limit audit;
    struct cor_link is_alive; /* in hub->are_alive, or in no list */
    uint64_t lease_s;         /* what its edged asks for, with it */
    unsigned inside;          /* session_enter */
    bool over;                /* closed; to be freed */
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

/* Tells the controller what a node that speaks KubeEdge's dialect has acknowledged. */
void hub_tell_stored(struct hub *hub, const struct session *session,
                     const struct outbox_item *item);

/* Tells the controller, at once with others and a little later, that a node is alive: its edged
 * asks for a Lease of so many seconds. */
void hub_tell_alive(struct hub *hub, struct session *session, uint64_t seconds);

/* Whether the controller (the last one, when there is none) is one of v0.1.0, which knows no
 * NODE_ALIVE: it is to be asked for each renewal of a Lease. */
bool hub_wants_leases(const struct hub *hub);

/* A question, report or publication has ended: told yes, or not. */
void hub_count(struct cor_ledger_counts *account, bool well);

/* A link for node, not open yet; the hub's pool has its handle. Returns owned. */
struct session *session_new(struct hub *hub, const char *node, const char *address,
                            const struct cor_cert *cert);

/* Why cert (NULL: none) is not the node's, or counts no more; NULL: it is good. ca_r: the CA that
 * it is of. Names in headers are only believed when the certificate says the same. */
const char *hub_doubt(const struct hub *hub, const struct cor_cert *cert, const char *node,
                      char ca_r[ROTATION_ID_LEN + 1]);

/* Closes the links of nodes that are revoked now. */
void hub_revoke(struct hub *hub);

/* The node has said who it is and how it speaks: it is there from now on, instead of an older link.
 */
void session_begin(struct session *session);

/* A node has come: when it was one of many, what their handshakes took is given back by and by. */
void hub_came(struct hub *hub);

/* Keeps a session that is closed meanwhile until session_leave. May be nested. */
void session_enter(struct session *session);

/* False: the session is closed, and gone if this was the last one. */
bool session_leave(struct session *session);

/* What happens to its connection. */
extern const struct cor_ws_events SESSION_EVENTS;

/* Writes what the outbox has to say and sets the timer. */
void session_pump(struct session *session);

/* Writes one message that needs no ack; id and time are filled in. */
void session_write(struct session *session, const struct px_kubeedge_out *out);

/* What the node's clock says, which is as old as its way here. */
void session_hear_time(struct session *session, uint64_t time_us);

/* Ends the link. */
void session_close(struct session *session, const char *reason);

/* Handles a message from the node. */
void upstream_take(struct session *session, const struct px_kubeedge_in *in);

/* Whether key is about a Node or Lease that is not the node's own; the controller judges the rest
 * (Kubernetes' NodeRestriction). */
bool upstream_is_foreign(const struct session *session, struct cor_view key);

/* The node has tried what it may not: counted, and a line in the log, within bounds. event: the
 * line's name. */
void upstream_denied(struct session *session, const char *event, struct cor_view what);

/* rules.c: handlers for what the controller's rules want of a node. */
enum cor_code rules_publish(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* rules.c */
enum cor_code rules_subscriptions(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err);

#endif
