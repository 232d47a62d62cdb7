// SPDX-License-Identifier: Apache-2.0
#include "hub.h"

#include <malloc.h>
#include <string.h>

#include "apps.h"
#include "common/base/mem.h"
#include "compare.h"
#include "coracle.h"
#include "enrol.h"
#include "proto/kubeedge/id.h"
#include "relay.h"
#include "reports.h"
#include "trust.h"

/* After so many nodes have come, and this time, memory is given back: a handshake takes twice what
 * a session does. */
enum { SESSIONS_MAX = 100000, MANY = 256, SETTLE_US = 3000000 };

/* Nodes that are alive are told together: to wake the controller for each would cost more than all
 * else that a heartbeat does. Its Lease lasts some hundred times as long. */
enum { ALIVE_US = 100000 };

void hub_tell(struct hub *hub, const struct session *session, bool up)
{
    struct px_node_session body = {.node = cor_view_of(session->node),
                                   .up = up,
                                   .epoch = session->epoch,
                                   .claim = session->claim,
                                   .claimed = session->claimed,
                                   .records = session->coracle == NULL};
    if (cor_port_is_up(hub->port) && cor_send(hub->port, PX_node_session, &body) == COR_BUSY) {
        LOGE(hub->service->log, "hub.session.untold", "node=%s", session->node);
    }
}

/* One that is not told, or lost with the controller, is sent to the node again by and by. */
void hub_tell_stored(struct hub *hub, const struct session *session, const struct outbox_item *item)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", session->node, item->uid);
    struct px_node_stored body = {.path = cor_view_of(path),
                                  .node = cor_view_of(session->node),
                                  .key = cor_view_of(item->key),
                                  .uid = cor_view_of(item->uid),
                                  .version = cor_view_of(item->version),
                                  .gone = item->gone};
    if (item->uid[0] != 0 && cor_port_peer_minor(hub->port) > 0 &&
        cor_send(hub->port, PX_node_stored, &body) == COR_BUSY) {
        LOGD(hub->service->log, "hub.stored.untold", "node=%s key=%s", session->node,
             cor_log_esc(body.key));
    }
}

bool hub_wants_leases(const struct hub *hub)
{
    return hub->wants_leases;
}

void hub_tell_alive(struct hub *hub, struct session *session, uint64_t seconds)
{
    session->lease_s = seconds;
    if (cor_list_empty(&session->is_alive)) {
        cor_list_add(&hub->are_alive, &session->is_alive);
    }
    if (!cor_timer_running(hub->tell_alive)) {
        cor_timer_start(hub->tell_alive, ALIVE_US);
    }
}

static void tell_alive(void *self)
{
    struct hub *hub = self;
    COR_LIST_EACH (node, &hub->are_alive) {
        struct session *session = COR_LIST_OBJECT(node, struct session, is_alive);
        struct px_node_alive body = {.node = cor_view_of(session->node),
                                     .seconds = session->lease_s};
        cor_list_del(&session->is_alive);
        if (cor_port_peer_minor(hub->port) > 0 &&
            cor_send(hub->port, PX_node_alive, &body) == COR_BUSY) {
            LOGW(hub->service->log, "hub.alive.untold", "node=%s", session->node);
        }
    }
}

static void on_settled(void *self)
{
    struct hub *hub = self;
    LOGD(hub->service->log, "hub.settled", "came=%zu", hub->came);
    hub->came = 0;
    (void)malloc_trim(0); /* some hundred microseconds */
}

void hub_came(struct hub *hub)
{
    if (++hub->came >= MANY && !cor_timer_running(hub->settle)) {
        cor_timer_start(hub->settle, SETTLE_US);
    }
}

/* ---- from the controller ---- */

static struct session *session_of(const struct hub *hub, struct cor_view node)
{
    return cor_map_get(hub->sessions, node);
}

/* The Node itself is gone: so is its link; nothing is written to it (session/node_session.go). */
static bool is_own_end(const struct px_node_object *object)
{
    struct px_key key;
    return object->gone && px_key_parse(object->key, &key) && cor_view_is(key.type, "node") &&
           cor_view_eq(key.name, object->node);
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_node_object *object = body;
    struct session *session = session_of(hub, object->node);
    char id[COR_UUID_LEN + 1];
    (void)err;
    if (session == NULL) {
        return COR_OK; /* when the node comes, the controller sends everything again */
    }
    if (is_own_end(object)) {
        session_close(session, "the Node was deleted");
        return COR_OK;
    }
    px_kubeedge_id_to_uuid(in->head->id, session->coracle == NULL ? hub->nonce++ : 0, id);
    struct outbox_put put = {.key = object->key,
                             .uid = object->uid,
                             .version = object->version,
                             .source = object->source,
                             .body = object->body,
                             .content = object->content,
                             .gone = object->gone,
                             .id = id};
    if (outbox_put(session->outbox, &put)) {
        session_pump(session);
    }
    return COR_OK;
}

static enum cor_code on_membership(void *self, struct cor_in *in, const void *body,
                                   struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_node_membership *membership = body;
    struct session *session = session_of(hub, membership->node);
    (void)err;
    if (session != NULL && session->coracle != NULL) {
        struct cor_wire_header head = {.number = PX_membership, .cause = in->head->id};
        struct px_membership down = {.body = membership->body};
        if (coracle_put(session->coracle, &head, &down) != COR_OK) {
            session_close(session, "the node does not take what is sent");
        }
    } else if (session != NULL) {
        struct px_kubeedge_out out = {.source = "devicecontroller",
                                      .group = "twin",
                                      .operation = "update",
                                      .resource = "membership",
                                      .content = membership->body};
        session_write(session, &out);
    }
    if (in->head->stream != 0) {
        cor_commit(in->port, in->head->stream, in->head->seq);
    }
    return COR_OK;
}

/* With a controller of another version than the last one had, nodes renew their Leases otherwise.
 */
static void tell_leases(struct hub *hub)
{
    size_t at = 0;
    void *value = NULL;
    bool before = hub->wants_leases;
    hub->wants_leases = cor_port_peer_minor(hub->port) == 0;
    while (hub->wants_leases != before && cor_map_next(hub->sessions, &at, NULL, &value)) {
        struct session *session = value;
        if (session->coracle != NULL) {
            session_enter(session);
            coracle_beat(session->coracle);
            (void)session_leave(session);
        }
    }
}

/* A controller that has (re)started must hear of every node. */
static void on_up(void *self, struct cor_port *port)
{
    struct hub *hub = self;
    size_t at = 0;
    void *value = NULL;
    (void)port;
    while (cor_map_next(hub->sessions, &at, NULL, &value)) {
        struct session *session = value;
        hub_tell(hub, session, true);
        apps_tell(session);
        if (session->compare != NULL) {
            session_enter(session);
            compare_begin(session->compare);
            (void)session_leave(session);
        }
    }
    relay_begin(hub);
    tell_leases(hub);
    reports_again(hub->reports);
}

static enum cor_code on_synced(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct hub *hub = self;
    const struct px_node_synced *synced = body;
    struct session *session = session_of(hub, synced->node);
    (void)in;
    (void)err;
    if (session != NULL && session->compare != NULL && session->epoch == synced->epoch) {
        session_enter(session);
        compare_synced(session->compare);
        (void)session_leave(session);
    }
    return COR_OK;
}

/* Of several replicas the one that a node came to last has it. */
static enum cor_code on_owner(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    const struct px_node_owner *owner = body;
    struct session *session = session_of(self, owner->node);
    (void)in;
    (void)err;
    if (session == NULL || session->epoch != owner->epoch) {
        return COR_OK;
    }
    session->claimed = true;
    if (owner->lost) {
        session_close(session, "another replica has the node");
    }
    return COR_OK;
}

static const struct cor_handler HANDLERS[] = {
    {PX_node_owner, on_owner},        {PX_node_synced, on_synced},
    {PX_node_object, on_object},      {PX_node_membership, on_membership},
    {PX_node_publish, rules_publish}, {PX_node_subscriptions, rules_subscriptions},
};

static void on_room(void *self, struct cor_port *port)
{
    (void)port;
    relay_drain(self);
}

static void on_ack(void *self, struct cor_port *port, const struct cor_wire_ack *ack)
{
    (void)port;
    relay_ack(self, ack);
}

static const struct cor_port_ops OPS = {
    .up = on_up,
    .room = on_room,
    .relay_ack = on_ack,
    .handlers = HANDLERS,
    .handler_count = COR_COUNT(HANDLERS),
};

/* ---- from the nodes ---- */

static const char *refusal(const char *node, const char *use)
{
    if (strcmp(use, "msg") != 0) {
        return "header Connectionuse is not msg";
    }
    return cor_is_dns_subdomain(cor_view_of(node)) ? NULL : "header node_id is no node name";
}

const char *hub_doubt(const struct hub *hub, const struct cor_cert *cert, const char *node,
                      char ca_r[ROTATION_ID_LEN + 1])
{
    if (!enrol_is_node(cert, cor_view_of(node))) {
        return "certificate is for another node";
    }
    if (cor_cert_until(cert).us <= cor_wall_now().us) {
        return "certificate has expired"; /* a resumed session does not look again */
    }
    if (!trust_counts(hub, cert, ca_r)) {
        return "certificate is of a CA that counts no more"; /* likewise */
    }
    return revoked_has(hub->revoked, node, cor_cert_from(cert)) ? "node is revoked" : NULL;
}

static void *on_accept(void *self, const struct cor_ws_ask *ask)
{
    struct hub *hub = self;
    char node[256];
    char use[16];
    cor_ws_ask_header(ask, "node_id", node, sizeof(node));
    cor_ws_ask_header(ask, "connectionuse", use, sizeof(use));
    char ca[ROTATION_ID_LEN + 1];
    const struct cor_cert *cert = cor_ws_ask_cert(ask);
    const char *reason = refusal(node, use);
    if (reason == NULL) {
        reason = hub_doubt(hub, cert, node, ca);
    }
    if (reason == NULL && cor_pool_count(hub->handles) >= hub->limits.nodes &&
        session_of(hub, cor_view_of(node)) == NULL) { /* one that is there takes its own place */
        reason = "too many nodes";
    }
    if (reason != NULL) {
        hub->stats.refused++;
        LOGW(hub->service->log, "hub.session.refused", "node=%s address=%s reason=%s",
             cor_log_esc(cor_view_of(node)), cor_ws_ask_address(ask),
             cor_log_esc(cor_view_of(reason)));
        return NULL;
    }
    hub->stats.resumed += cor_ws_ask_resumed(ask);
    struct session *session = session_new(hub, node, cor_ws_ask_address(ask), cert);
    memcpy(session->ca, ca, sizeof(ca));
    return session;
}

void hub_revoke(struct hub *hub)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(hub->epochs, &at, NULL, &value)) {
        struct session *session = value;
        if (revoked_has(hub->revoked, session->node, session->cert_from)) {
            session_close(session, "node is revoked");
        }
    }
}

enum cor_code hub_listen(struct hub *hub, struct cor_ws *ws, const struct hub_address *at,
                         const struct authority *authority, struct cor_err *err)
{
    struct cor_ws_listen listen = {
        .address = at->address,
        .port = at->port,
        .fd = at->fd,
        .tls = authority_tls(authority),
        .client_cert = COR_WS_CERT_REQUIRED,
        .tickets = authority_tickets(authority),
        .self = hub,
        .accept = on_accept,
        .events = SESSION_EVENTS,
    };
    hub->ws = ws;
    hub->authority = authority;
    return cor_ws_listen(ws, &listen, &hub->server, err);
}

/* ---- books ---- */

void hub_count(struct cor_ledger_counts *account, bool well)
{
    if (well) {
        cor_ledger_accept(account, 1, &account->delivered);
    } else {
        cor_ledger_refuse(account, 1);
    }
}

static void tell_books(void *self, struct cor_ledger_writer *out)
{
    const struct hub *hub = self;
    struct cor_ledger_row objects = {
        .flow = "objects", .role = COR_LEDGER_HOP, .stream = COR_VIEW("nodes")};
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(hub->epochs, &at, NULL, &value)) {
        const struct session *session = value;
        outbox_books(session->outbox, &objects.n);
        if (session->relay != NULL) {
            relay_books(session, out);
        }
    }
    cor_ledger_row(out, &objects);
}

static void open_books(struct hub *hub)
{
    struct hub_books *books = &hub->books;
    const struct {
        const char *flow;
        struct cor_view stream;
        struct cor_ledger_counts **account;
    } rows[] = {
        {"calls", COR_VIEW("nodes"), &books->calls},
        {"reports", COR_VIEW("nodes"), &books->reports},
        {"uploads", COR_VIEW("(sessions that have ended)"), &books->uploads_ended},
        {"uploads", COR_VIEW("(KubeEdge nodes)"), &books->uploads_kubeedge},
        {"objects", COR_VIEW("(sessions that have ended)"), &books->objects_ended},
        {"rest-publications", COR_VIEW("nodes"), &books->publications},
    };
    books->ledger = cor_ledger_new(hub->service->bus, "cloudhub");
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        *rows[i].account =
            cor_ledger_account(books->ledger, rows[i].flow, COR_LEDGER_HOP, rows[i].stream);
    }
    cor_ledger_source(books->ledger, tell_books, hub);
}

enum cor_code hub_new(struct cor_service *service, const struct hub_limits *limits,
                      struct hub **hub_r, struct cor_err *err)
{
    struct hub *hub = cor_alloc(sizeof(*hub));
    hub->service = service;
    hub->limits = *limits;
    hub->sessions = cor_map_new(NULL);
    hub->epochs = cor_map_new(NULL);
    hub->watches = apps_watches_new();
    cor_list_init(&hub->backlog);
    cor_list_init(&hub->are_alive);
    hub->handles = cor_pool_new(SESSIONS_MAX);
    hub->reports = reports_new(hub);
    hub->settle = cor_timer_new(service->loop, on_settled, hub);
    hub->tell_alive = cor_timer_new(service->loop, tell_alive, hub);
    open_books(hub);
    *hub_r = hub;
    enum cor_code code = cor_port_open(service->bus, px_endpoint(PX_ENDPOINT_HUB_CONTROLLER), &OPS,
                                       hub, &hub->port, err);
    if (code != COR_OK) {
        hub_free(hub_r);
    }
    return code;
}

void hub_free(struct hub **hub)
{
    if (*hub != NULL) {
        cor_port_close(&(*hub)->port);
        reports_free(&(*hub)->reports);
        cor_map_free(&(*hub)->sessions);
        cor_map_free(&(*hub)->epochs);
        cor_map_free(&(*hub)->watches);
        cor_pool_free(&(*hub)->handles);
        cor_ledger_free(&(*hub)->books.ledger);
        cor_buf_free(&(*hub)->frame);
        cor_timer_free(&(*hub)->settle);
        cor_timer_free(&(*hub)->tell_alive);
        cor_freep(hub);
    }
}
