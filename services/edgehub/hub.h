// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: what its parts share. edgehub.c wires, up.c carries the node's words to the
// cloud, down.c the cloud's to the node. Loop thread only.
#ifndef EDGEHUB_HUB_H
#define EDGEHUB_HUB_H

#include "acks.h"
#include "asks.h"
#include "common/base/arena.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/ledger/hop.h"
#include "common/ledger/ledger.h"
#include "common/service/service.h"
#include "common/ws/resolve.h"
#include "join.h"
#include "link.h"
#include "proto/kubeedge/message.h"
#include "proto/proto.h"

/* Configuration; see edgehub.c. */
struct config {
    struct cor_service_cfg common;
    char *node;
    char *host;
    int64_t port;
    int64_t enrol_port;
    char *project;
    char *identity_dir;
    char *token_file;
    char *dialect;
    int64_t keepalive_ms;
    int64_t heartbeat_ms;
    int64_t first_ms;
    int64_t last_ms;
    int64_t call_ms;
    int64_t doubt_ms;
    bool tunnel;
    char *tunnel_host;
    int64_t tunnel_port;
    char *node_ip;
};

struct hub_stats {
    uint64_t up, down, down_bad, down_dropped;
    uint64_t acked, unknown_answers, uploads, connections;
    uint64_t events_dropped; /* and asked for again */
};

/* What became of what passed through: a hop's books. The accounts are the ledger's. */
struct hub_books {
    struct cor_ledger *ledger;
    struct cor_hop *uploads;
    struct cor_ledger_counts *calls, *reports; /* up */
    struct cor_ledger_counts *objects;         /* down, to metamanager */
    struct cor_ledger_counts *publications;    /* down, to eventbus */
};

/* Memberships of one connection that are kept. */
enum { MEMBERS_MAX = 64 };

struct membership {
    char *body; /* owned; JSON */
    bool whole;
};

struct edgestream;
struct streams;

struct hub {
    struct cor_service *service; /* borrowed */
    const struct config *cfg;
    struct cor_port *meta;
    struct cor_port *twin;
    struct cor_port *bus;
    struct cor_ws *ws;
    struct identity identity;
    struct join *join;
    struct cor_resolve *resolve; /* for the join; under way */
    struct link *link;
    struct acks *acks;
    struct asks *asks;
    struct streams *streams;       /* of the node's API */
    struct edgestream *edgestream; /* asks them in KubeEdge's dialect; NULL: it may not */
    struct cor_timer *sweep;       /* deadlines of asks */
    struct cor_timer *retry;       /* of enrolment, renewal, name resolution */
    struct membership members[MEMBERS_MAX];
    size_t member_count;
    size_t told;             /* of them, in this session with devicetwin */
    bool members_lost;       /* there were more */
    bool uploads_missed;     /* some were not taken: ask for them again when the link is up */
    bool bus_relays;         /* hub-bus is relayed (Coracle); else its streams end here */
    bool paused;             /* eventbus gets no credit */
    struct cor_map *dropped; /* streams of eventbus of which something was dropped */
    struct cor_buf topics;   /* the last SUBSCRIPTIONS of this connection, encoded */
    struct cor_arena *arena; /* of the frame being handled */
    bool rejoin;             /* a token lay there at the start: enrol anew, whoever we are */
    bool begun;              /* the link was told to start */
    struct cor_wall renew_at;
    struct cor_mono serves_until; /* no renewal before, unless... */
    struct cor_mono asked_for;    /* ...the cloud has asked for one, at this moment; 0: not */
    struct cor_mono doubtful;     /* no link until then: maybe it is the certificate; 0: there is */
    unsigned doubts;              /* since there was one */
    struct cor_view frame;        /* being handled; borrowed */
    struct hub_stats stats;
    struct hub_books books;
    uint16_t nonce;
};

/* down.c: a frame from the cloud. */
void down_take(struct hub *hub, struct cor_view text);

/* down.c: gives metamanager, which has come back, what it has not acknowledged. */
void down_again(struct hub *hub);

/* down.c: tells devicetwin, which has come, all memberships of this connection. */
void down_tell_memberships(struct hub *hub);

/* down.c: those that devicetwin has not been told. */
void down_more_memberships(struct hub *hub);

/* down.c: takes a membership from the cloud. */
void down_membership(struct hub *hub, struct cor_view body, bool whole);

/* down.c: forgets them: with a new connection the cloud says all of them again. */
void down_free_memberships(struct hub *hub);

/* up.c: operations of the three ports. */
const struct cor_port_ops *up_meta_ops(void);

/* up.c */
const struct cor_port_ops *up_twin_ops(void);

/* up.c */
const struct cor_port_ops *up_bus_ops(void);

/* up.c: fills in id (unless set) and time, sends. False when it could not. */
bool up_send(struct hub *hub, const struct px_kubeedge_out *out);

/* up.c: defers the answer to the CALL being handled until the cloud answers message id; key is what
 * it is about (copied). Too many: it is refused. */
void up_remember(struct hub *hub, struct cor_in *in, enum ask_kind kind, struct cor_view key,
                 const char *id);

/* up.c: the question has been answered, or was not: counts it. */
void up_answered(struct hub *hub, const struct ask *ask, bool well);

/* up.c: so many versions of an object that metamanager has confirmed were acknowledged. */
void up_confirmed(struct hub *hub, uint64_t count);

/* up.c: acknowledges a message of the cloud. False when it could not. */
bool up_ack(struct hub *hub, const char *parent, const char *source, const char *resource);

/* up.c: the keepalive message. */
void up_keepalive(struct hub *hub);

/* up.c: ends all questions: the link is down. */
void up_link_lost(struct hub *hub);

/* up.c: ends questions whose time is over. */
void up_sweep(struct hub *hub);

/* edgehub.c: tells one port, or all (NULL), how the link is. */
void hub_tell_link(struct hub *hub, struct cor_port *port);

/* edgehub.c: begins a new session with eventbus, whose streams are relayed or end here: it opens
 * them again. */
void hub_reopen_bus(struct hub *hub, bool relays);

/* edgehub.c: the cloud wants the certificate renewed, at a random moment within so long. */
void hub_renew_within(struct hub *hub, uint64_t seconds);

/* edgehub.c: metamanager is there, so that the link may start. */
void hub_begin(struct hub *hub);

#endif
