// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>

#include "apps.h"
#include "cloudstream.h"
#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "compare.h"
#include "coracle.h"
#include "hub.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/show.h"
#include "relay.h"
#include "trust.h"
#include "tunnel.h"

/* What may wait in the socket's queue before more objects are written. */
enum { QUEUE_FULL = 1024 * 1024 };

static const struct px_kubeedge_way FROM_NODE = {.from = "edgehub", .to = "cloudhub"};
static const struct px_kubeedge_way TO_NODE = {.from = "cloudhub", .to = "edgehub", .sent = true};

static void on_timer(void *self);

struct session *session_new(struct hub *hub, const char *node, const char *address,
                            const struct cor_cert *cert)
{
    struct session *session = cor_alloc(sizeof(*session));
    session->hub = hub;
    session->node = cor_strdup(node);
    (void)snprintf(session->address, sizeof(session->address), "%s", address);
    session->cert_from = cor_cert_from(cert);
    session->cert_until = cor_cert_until(cert);
    session->timer = cor_timer_new(hub->service->loop, on_timer, session);
    session->outbox = outbox_new(&hub->limits.outbox);
    session->handle = cor_pool_add(hub->handles, session);
    cor_list_init(&session->is_alive);
    return session;
}

static void session_free(struct session *session)
{
    (void)cor_pool_del(session->hub->handles, session->handle);
    cor_list_del(&session->is_alive);
    cor_timer_free(&session->timer);
    outbox_end_books(session->outbox, session->hub->books.objects_ended);
    outbox_free(&session->outbox);
    tunnels_free(&session->tunnels);
    relay_free(&session->relay);
    compare_free(&session->compare);
    coracle_free(&session->coracle);
    cor_map_free(&session->topics);
    cor_free(session->node);
    cor_free(session);
}

void session_enter(struct session *session)
{
    session->inside++;
}

bool session_leave(struct session *session)
{
    bool over = session->over;
    if (--session->inside == 0 && over) {
        session_free(session);
    }
    return !over;
}

static struct cor_view key_of(const uint64_t *epoch)
{
    return (struct cor_view){(const char *)epoch, sizeof(*epoch)};
}

static const char *current(const struct session *session)
{
    const struct session *it = cor_map_get(session->hub->sessions, cor_view_of(session->node));
    return it == session ? session->node : NULL;
}

void session_hear_time(struct session *session, uint64_t time_us)
{
    if (time_us > 0 && time_us <= INT64_MAX) {
        session->ahead_us = (int64_t)time_us - cor_wall_now().us;
        session->has_clock = true;
    }
}

void session_close(struct session *session, const char *reason)
{
    if (session->conn != NULL) {
        cor_ws_close(session->conn, 0, reason); /* frees the session */
    }
}

/* One link a node: the new one wins, the old one is silent from now on. */
static void replace_old(struct session *session)
{
    struct session *old = cor_map_take(session->hub->sessions, cor_view_of(session->node));
    if (old != NULL) {
        session_close(old, "replaced by a new connection");
    }
}

/* The numbers of streams have 24 bits for it. */
static uint64_t next_epoch(struct hub *hub)
{
    do {
        hub->epoch = (hub->epoch + 1) & 0xffffff;
    } while (hub->epoch == 0 || cor_map_get(hub->epochs, key_of(&hub->epoch)) != NULL);
    return hub->epoch;
}

void session_begin(struct session *session)
{
    struct hub *hub = session->hub;
    if (!trust_begin(session)) {
        return;
    }
    replace_old(session);
    session->epoch = next_epoch(hub);
    cor_random(&session->claim, sizeof(session->claim));
    cor_map_set(hub->sessions, cor_view_of(session->node), session);
    cor_map_set(hub->epochs, key_of(&session->epoch), session);
    hub->stats.accepted++;
    hub_came(hub);
    LOGI(hub->service->log, "hub.session.up", "node=%s address=%s dialect=%s", session->node,
         session->address, session->coracle == NULL ? "kubeedge" : "coracle");
    hub_tell(hub, session, true);
    apps_begin(session);
    cor_timer_stop(session->timer); /* it was for the hello */
    if (session->compare != NULL) {
        compare_begin(session->compare);
    }
    session_pump(session);
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct session *session = self;
    session->conn = conn;
    session->alive = cor_loop_now(session->hub->service->loop);
    if (cor_ws_subprotocol(conn) == NULL) {
        session_begin(session);
        return;
    }
    outbox_forget_keys(session->outbox);
    session->coracle = coracle_new(session);
    session->relay = relay_new(session);
    session->compare = compare_new(session);
    session->looks = cor_mono_add(session->alive, coracle_patience_us(session->coracle));
    cor_timer_start(session->timer, coracle_patience_us(session->coracle));
}

static void on_message(void *self, struct cor_view text)
{
    struct session *session = self;
    struct hub *hub = session->hub;
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    struct cor_err err = COR_ERR_NONE;
    hub->stats.up++;
    if (session->coracle != NULL) {
        hub->stats.up_bad++;
        session_close(session, "text in the Coracle dialect");
        return;
    }
    if (px_kubeedge_read(text, &in, &err) != COR_OK) {
        hub->stats.up_bad++;
        LOGW(hub->service->log, "hub.message.bad", "node=%s reason=%s", session->node,
             cor_log_esc(cor_view_of(err.text)));
        session_close(session, "message is not KubeEdge's");
        return;
    }
    px_kubeedge_show_in(hub->service->bus, &FROM_NODE, &in, text.len);
    uint64_t cause = 0;
    if (!px_kubeedge_id_from_uuid(cor_view_of(in.id), &cause)) {
        cause = cor_bus_next_id(hub->service->bus);
    }
    cor_bus_set_cause(hub->service->bus, cause);
    upstream_take(session, &in);
    cor_bus_set_cause(hub->service->bus, 0);
}

static void on_binary(void *self, struct cor_view bytes)
{
    struct session *session = self;
    if (session->coracle != NULL) {
        coracle_take(session->coracle, bytes);
    } else {
        on_message(self, bytes);
    }
}

/* What is in flight only has the timer's looks to wait for. */
static void on_drained(void *self)
{
    struct session *session = self;
    if (outbox_count(session->outbox) > outbox_flying(session->outbox)) {
        session_pump(session);
    }
}

static void on_closed(void *self, const char *reason)
{
    struct session *session = self;
    struct hub *hub = session->hub;
    session->conn = NULL;
    if (session->epoch != 0) {
        hub->stats.closed++;
        LOGI(hub->service->log, "hub.session.down", "node=%s reason=%s", session->node,
             cor_log_esc(cor_view_of(reason)));
    }
    if (current(session) != NULL) {
        (void)cor_map_del(hub->sessions, cor_view_of(session->node));
        hub_tell(hub, session, false);
        cloudstream_drop(hub->cloudstream, session->node, "the node's link is down");
    }
    if (session->epoch != 0) {
        (void)cor_map_del(hub->epochs, key_of(&session->epoch));
    }
    session->over = true;
    if (session->inside == 0) {
        session_free(session);
    }
}

const struct cor_ws_events SESSION_EVENTS = {
    .opened = on_opened,
    .message = on_message,
    .binary = on_binary,
    .drained = on_drained,
    .closed = on_closed,
};

static bool write_text(struct session *session, const struct px_kubeedge_out *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    px_kubeedge_write(out, &text);
    px_kubeedge_show_out(session->hub->service->bus, &TO_NODE, out);
    session->hub->stats.down++;
    return cor_ws_send(session->conn, cor_buf_as_view(&text)) == COR_OK;
}

void session_write(struct session *session, const struct px_kubeedge_out *out)
{
    char id[COR_UUID_LEN + 1];
    struct cor_bus *bus = session->hub->service->bus;
    uint64_t cause = cor_bus_cause(bus);
    struct px_kubeedge_out whole = *out;
    if (session->conn == NULL) {
        return;
    }
    px_kubeedge_id_to_uuid(cause != 0 ? cause : cor_bus_next_id(bus), session->hub->nonce++, id);
    whole.id = id;
    whole.timestamp = cor_wall_now().us / 1000;
    if (!write_text(session, &whole)) {
        session_close(session, "the node does not take what is sent");
    }
}

/* Names of operations as EdgeController and DeviceController choose them: nodes and Secrets are
 * always updates; an EdgeCore takes an insert of what it has, and an update of what it has not. */
static const char *operation_of(const struct outbox_item *item)
{
    struct px_key key;
    if (item->gone) {
        return "delete";
    }
    bool always_update = px_key_parse(cor_view_of(item->key), &key) &&
                         (cor_view_is(key.type, "node") || cor_view_is(key.type, "secret"));
    return item->fresh && !always_update ? "insert" : "update";
}

static bool write_item(struct session *session, const struct outbox_item *item)
{
    if (session->coracle != NULL) {
        return coracle_object(session->coracle, item);
    }
    struct px_kubeedge_out out = {
        .id = item->id,
        .timestamp = cor_wall_now().us / 1000,
        .version = item->version,
        .source = item->source[0] == 0 ? "edgecontroller" : item->source,
        .group = "resource",
        .operation = operation_of(item),
        .resource = item->key,
        .content = {item->body, item->body == NULL ? 0 : item->body_len},
    };
    return write_text(session, &out);
}

static int64_t left_of_cert(const struct session *session)
{
    int64_t left = session->cert_until.us - cor_wall_now().us;
    int64_t most = COR_SEC(60); /* clocks are stepped: look again by and by */
    return left < 0 ? 0 : left < most ? left : most;
}

/* After so long without a sign of life the node is gone. */
static int64_t patience_of(const struct session *session)
{
    return session->coracle != NULL ? coracle_patience_us(session->coracle)
                                    : session->hub->limits.keepalive_us;
}

/* The sooner of two times until something is due; < 0: never. */
static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until the node counts as gone, or its certificate is to be looked at: later with each sign of
 * life. */
static int64_t left_of_link(const struct session *session, struct cor_mono now)
{
    int64_t left = patience_of(session) - cor_mono_since(now, session->alive);
    return sooner(left < 0 ? 0 : left, left_of_cert(session));
}

/* One that fires too early looks, and is set again: cheaper than to set it with each message. */
static void set_timer(struct session *session, struct cor_mono now)
{
    int64_t next = sooner(outbox_wait(session->outbox, now), compare_wait(session->compare, now));
    bool runs = cor_timer_running(session->timer);
    if (!runs) {
        next = sooner(next, left_of_link(session, now));
    }
    if (!runs || (next >= 0 && session->looks.us > now.us + next)) {
        session->looks = cor_mono_add(now, next);
        cor_timer_start(session->timer, next);
    }
}

void session_pump(struct session *session)
{
    struct cor_mono now = cor_loop_now(session->hub->service->loop);
    const struct outbox_item *item = NULL;
    if (session->conn == NULL || session->epoch == 0) {
        return;
    }
    if (session->coracle != NULL && cor_ws_queued(session->conn) > 0) {
        outbox_delayed(session->outbox, now); /* a narrow link: once more would not help it */
    }
    while (!compare_holds(session->compare) && cor_ws_queued(session->conn) < QUEUE_FULL &&
           (session->coracle == NULL || coracle_has_room(session->coracle)) &&
           (item = outbox_next(session->outbox, now)) != NULL) {
        if (!write_item(session, item)) {
            session_close(session, "the node does not take what is sent");
            return;
        }
    }
    set_timer(session, now);
}

/* One that is not read from cannot be heard, and hears nothing: it is alive as long as TCP says.
 * False: the session is no more. */
static bool tick(struct session *session, struct cor_mono now)
{
    bool silent = relay_is_paused(session);
    session_enter(session);
    coracle_tick(session->coracle, silent);
    if (silent) {
        /* again in half a heartbeat, so that the node hears something in each of its own */
        session->alive = (struct cor_mono){now.us - patience_of(session) * 3 / 4};
    }
    return session_leave(session);
}

static void on_timer(void *self)
{
    struct session *session = self;
    struct cor_mono now = cor_loop_now(session->hub->service->loop);
    if (session->coracle != NULL && !tick(session, now)) {
        return;
    }
    if (cor_mono_since(now, session->alive) >= patience_of(session)) {
        session_close(session, session->epoch == 0 ? "no hello" : "no keepalive");
    } else if (cor_wall_now().us >= session->cert_until.us) {
        session_close(session, "its certificate has expired");
    } else if (compare_wait(session->compare, now) == 0) {
        compare_tick(session->compare, now); /* pumps */
    } else {
        session_pump(session);
    }
}
