// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "room.h"

enum { PROBES = 3, PROBE_US = 50000, CALLS_MAX = 1024 };

static const struct cor_message *kind_of(const struct cor_port *port, uint16_t number)
{
    const struct cor_message *m = cor_message_find(port->bus->spec.messages, number);
    must(m != NULL); /* own code names a message that the table has not */
    return m;
}

static void fill_header(struct cor_port *port, struct cor_wire_header *header)
{
    if (header->id == 0) {
        header->id = cor_bus_next_id(port->bus);
    }
    if (header->cause == 0) {
        header->cause = port->bus->cause;
    }
    header->time_us = cor_wall_now().us;
}

/* Takes the frame. The socket has room for every peer that is there (send_hwm 0), so a frame that
 * it does not take means that nobody is there any more. */
static enum cor_code put_frame(struct cor_port *port, struct cor_buf *frame, uint16_t number)
{
    if (frame->len > port->endpoint->max_bytes) {
        LOGE(port->log, "bus.too-big", "number=%u bytes=%zu", number, frame->len);
        cor_buf_free(frame);
        return COR_TOOBIG;
    }
    cor_bus_saw(port, number, cor_buf_as_view(frame), true);
    port->stats.sent++;
    port->stats.sent_bytes += frame->len;
    size_t len = frame->len;
    if (!cor_zsock_give(port->z, &port->peer, cor_buf_take(frame), len)) {
        cor_port_end(port, "peer gone");
        return COR_GONE;
    }
    return COR_OK;
}

enum cor_code cor_port_put(struct cor_port *port, const struct cor_wire_header *header,
                           const struct cor_table *table, const void *body)
{
    struct cor_wire_header full = *header;
    fill_header(port, &full);
    struct cor_buf frame = {0};
    cor_frame_write(&full, table, body, &frame);
    return put_frame(port, &frame, (uint16_t)full.number);
}

enum cor_code cor_port_put_raw(struct cor_port *port, const struct cor_wire_header *header,
                               struct cor_view raw)
{
    struct cor_wire_header full = *header;
    fill_header(port, &full);
    struct cor_buf frame = {0};
    cor_encode(&cor_wire_header_table, &full, &frame);
    cor_buf_view(&frame, raw);
    return put_frame(port, &frame, (uint16_t)full.number);
}

void cor_port_control(struct cor_port *port, enum cor_wire number, const void *body)
{
    const struct cor_message *m = cor_message_find(cor_wire_messages(), (uint16_t)number);
    struct cor_wire_header header = {.number = number};
    (void)cor_port_put(port, &header, m->body, body);
}

void cor_port_error(struct cor_port *port, uint64_t id, const struct cor_err *err)
{
    struct cor_wire_error body = {.code = err->code, .text = cor_view_of(err->text)};
    struct cor_wire_header header = {.number = COR_WIRE_ERROR, .re = id};
    if (!cor_view_is_utf8(body.text)) {
        body.text = COR_VIEW("(error text is not UTF-8)");
    }
    (void)cor_port_put(port, &header, &cor_wire_error_table, &body);
}

static void end_calls(struct cor_port *port, enum cor_code code, bool every)
{
    struct cor_pending pending;
    struct cor_mono now = cor_mono_now();
    while (cor_calls_expired(port->calls, now, every, &pending)) {
        struct cor_err err = COR_ERR_NONE;
        (void)cor_err_set(&err, code, "%s: %s", port->session.peer, cor_code_name(code));
        port->stats.timeouts += code == COR_TIMEOUT ? 1 : 0;
        cor_deliver_end(port, &pending, NULL, &err);
    }
}

void cor_port_arm(struct cor_port *port)
{
    struct cor_mono next;
    if (cor_calls_next(port->calls, &next)) {
        cor_timer_start(port->deadline, cor_mono_since(next, cor_mono_now()));
    } else {
        cor_timer_stop(port->deadline);
    }
}

static void on_deadline(void *self)
{
    struct cor_port *port = self;
    end_calls(port, COR_TIMEOUT, false);
    cor_port_arm(port);
}

void cor_port_end(struct cor_port *port, const char *why)
{
    bool was_up = port->session.state == COR_SESSION_UP;
    cor_session_end(&port->session);
    if (!was_up) {
        return;
    }
    LOGI(port->log, "bus.down", "why=\"%s\" epoch=%" PRIu64, why, port->session.epoch);
    port->stats.lost += cor_waiting_clear(port->waiting);
    port->ack_beyond = false;
    port->paused = false; /* the next session begins with the whole window */
    cor_streams_end(port);
    end_calls(port, COR_GONE, true);
    cor_port_arm(port);
    if (port->ops->down != NULL) {
        port->ops->down(port->self, port);
    }
}

void cor_port_room(struct cor_port *port)
{
    struct cor_buf frame = {0};
    while (cor_session_may_send(&port->session) && cor_waiting_take(port->waiting, &frame)) {
        struct cor_wire_header header;
        struct cor_view body;
        must(cor_frame_read(cor_buf_as_view(&frame), &header, &body, NULL) == COR_OK);
        cor_session_sent(&port->session);
        if (put_frame(port, &frame, (uint16_t)header.number) == COR_GONE) {
            return;
        }
    }
    if (cor_session_may_send(&port->session)) {
        cor_streams_room(port);
    }
    if (port->busy && cor_session_may_send(&port->session)) {
        port->busy = false;
        if (port->ops->room != NULL) {
            port->ops->room(port->self, port);
        }
    }
}

static enum cor_code wait_state(struct cor_port *port, const struct cor_message *m,
                                const void *body)
{
    struct cor_view key = {0};
    for (size_t i = 0; i < m->body->count; i++) {
        if (m->body->fields[i].is_key) {
            memcpy(&key, (const char *)body + m->body->fields[i].offset, sizeof(key));
        }
    }
    struct cor_wire_header header = {.number = m->number};
    fill_header(port, &header);
    auto_(cor_buf_free) struct cor_buf frame = {0};
    bool replaced = false;
    cor_frame_write(&header, m->body, body, &frame);
    if (frame.len > port->endpoint->max_bytes) {
        return COR_TOOBIG;
    }
    if (!cor_waiting_put(port->waiting, m->number, key, &frame, &replaced)) {
        port->busy = true;
        port->stats.refused++;
        return COR_BUSY;
    }
    port->stats.superseded += replaced ? 1 : 0;
    return COR_OK;
}

/* What has no queue here goes now or not at all. */
static bool may_send(struct cor_port *port)
{
    bool may = cor_session_may_send(&port->session);
    port->busy = port->busy || !may;
    port->stats.refused += !may;
    return may;
}

enum cor_code cor_send(struct cor_port *port, uint16_t number, const void *body)
{
    const struct cor_message *m = kind_of(port, number);
    must(m->class_ == COR_STATE || m->class_ == COR_EVENT || m->class_ == COR_STREAM);
    if (port->session.state != COR_SESSION_UP) {
        return COR_GONE;
    }
    bool behind = cor_waiting_count(port->waiting) > 0;
    if (m->class_ == COR_STATE && (behind || !cor_session_may_send(&port->session))) {
        return wait_state(port, m, body);
    }
    if (!may_send(port)) {
        return COR_BUSY;
    }
    struct cor_wire_header header = {.number = number};
    enum cor_code code = cor_port_put(port, &header, m->body, body);
    if (code == COR_OK) {
        cor_session_sent(&port->session);
    }
    return code;
}

enum cor_code cor_send_raw(struct cor_port *port, uint16_t number, struct cor_view raw)
{
    must(kind_of(port, number)->class_ == COR_STREAM);
    if (port->session.state != COR_SESSION_UP) {
        return COR_GONE;
    }
    if (!may_send(port)) {
        return COR_BUSY;
    }
    struct cor_wire_header header = {.number = number};
    enum cor_code code = cor_port_put_raw(port, &header, raw);
    if (code == COR_OK) {
        cor_session_sent(&port->session);
    }
    return code;
}

enum cor_code cor_call(struct cor_port *port, uint16_t number, const void *body, int64_t within_us,
                       cor_reply_fn fn, void *self)
{
    const struct cor_message *m = kind_of(port, number);
    must(m->class_ == COR_CALL && within_us > 0);
    if (port->session.state != COR_SESSION_UP) {
        return COR_GONE;
    }
    struct cor_pending pending = {
        .id = cor_bus_next_id(port->bus),
        .deadline = cor_mono_add(cor_mono_now(), within_us),
        .fn = fn,
        .self = self,
        .cause = port->bus->cause,
        .reply = m->reply,
    };
    if (!cor_session_may_send(&port->session) || cor_calls_count(port->calls) >= CALLS_MAX) {
        port->busy = true;
        port->stats.refused++;
        return COR_BUSY;
    }
    struct cor_wire_header header = {
        .number = number, .id = pending.id, .within_ms = (uint64_t)(within_us / 1000)};
    enum cor_code code = cor_port_put(port, &header, m->body, body);
    if (code != COR_OK) {
        return code;
    }
    cor_session_sent(&port->session);
    must(cor_calls_add(port->calls, &pending));
    cor_port_arm(port);
    return COR_OK;
}

static void ignore_reply(void *self, const void *body, const struct cor_err *err)
{
    (void)self;
    (void)body;
    (void)err;
}

void cor_calls_forget(struct cor_port *port, const void *self)
{
    cor_calls_redirect(port->calls, self, ignore_reply);
}

bool cor_port_is_up(const struct cor_port *port)
{
    return port->session.state == COR_SESSION_UP;
}

uint64_t cor_port_epoch(const struct cor_port *port)
{
    return cor_port_is_up(port) ? port->session.epoch : 0;
}

unsigned cor_port_peer_minor(const struct cor_port *port)
{
    return cor_port_is_up(port) ? (unsigned)port->session.peer_minor : 0;
}

void cor_port_consumed(struct cor_port *port)
{
    uint64_t limit = 0;
    if (port->paused) {
        port->owed++;
    } else if (cor_session_consumed(&port->session, &limit)) {
        struct cor_wire_credit credit = {.limit = limit};
        cor_port_control(port, COR_WIRE_CREDIT, &credit);
    }
}

void cor_port_pause(struct cor_port *port, bool on)
{
    port->paused = on;
    while (!port->paused && port->owed > 0) {
        port->owed--;
        cor_port_consumed(port);
    }
}

void cor_port_speak(struct cor_port *port, unsigned minor)
{
    port->session.minor = minor;
}

uint64_t cor_port_duplicates(const struct cor_port *port)
{
    return port->stats.duplicates;
}

uint64_t cor_port_peer_boot(const struct cor_port *port)
{
    return port->session.peer_boot;
}

/* A new connection of the connector: whatever was before is over. */
static void greet(struct cor_port *port, const struct cor_peer *peer)
{
    cor_port_end(port, "peer connected anew");
    port->peer = *peer;
    struct cor_wire_hello hello;
    cor_session_greet(&port->session, cor_bus_next_id(port->bus), &hello);
    cor_port_control(port, COR_WIRE_HELLO, &hello);
}

static bool allowed(const struct cor_port *port, int uid)
{
    return uid == 0 || uid == (int)geteuid() || (uid >= 0 && uid == port->peer_uid);
}

static bool same_peer(const struct cor_peer *a, const struct cor_peer *b)
{
    return a->len == b->len && memcmp(a->id, b->id, a->len) == 0;
}

static void on_message(void *self, const struct cor_peer *peer, int uid, struct cor_view frame)
{
    struct cor_port *port = self;
    bool is_binder = port->session.is_binder;
    if (is_binder && (!same_peer(peer, &port->peer) || frame.len == 0)) {
        if (!allowed(port, uid)) {
            if (!same_peer(peer, &port->suspect)) {
                LOGE(port->log, "bus.wrong-user", "uid=%d", uid);
            }
            port->suspect = *peer;
            return;
        }
        if (frame.len == 0) {
            greet(port, peer);
        } else {
            port->stats.stale++;
        }
        return;
    }
    port->stats.received++;
    port->stats.received_bytes += frame.len;
    cor_deliver(port, frame);
}

/* The connector learns here that it is alone; the binder has to try to send to know. */
static void on_lost(void *self)
{
    struct cor_port *port = self;
    if (!port->session.is_binder) {
        cor_port_end(port, "connection lost");
        /* While this process was busy the next connection may have come, been greeted, and been
         * taken for the one that is lost. A probe has the binder greet once more; when there is no
         * connection it goes nowhere, and the next one brings its own. */
        (void)cor_zsock_send(port->z, &port->peer, COR_VIEW(""));
    } else if (cor_port_is_up(port)) {
        port->probes = PROBES;
        cor_timer_start(port->probe, 0);
    }
}

static void on_probe(void *self)
{
    struct cor_port *port = self;
    if (!cor_port_is_up(port)) {
        return;
    }
    struct cor_wire_credit credit = {.limit = port->session.granted};
    cor_port_control(port, COR_WIRE_CREDIT, &credit);
    if (cor_port_is_up(port) && --port->probes > 0) {
        cor_timer_start(port->probe, PROBE_US);
    }
}

static void on_dropped(void *self)
{
    struct cor_port *port = self;
    LOGW(port->log, "bus.multipart", "peer broke the rule of one frame a message; dropped");
    port->stats.invalid++;
    cor_port_end(port, "multipart message");
}

static bool on_flush(void *self)
{
    cor_streams_flush(self);
    return false;
}

static void on_gathered(void *self)
{
    cor_streams_flush(self);
}

/* Users of services are local: /etc/passwd is read without the name services, whose modules (of
 * systemd, of directories) would be loaded into every process. */
static int uid_of_user(const char *prefix, const char *service)
{
    if (prefix == NULL) {
        return -1;
    }
    auto_(cor_freep) char *name = cor_sprintf("%s%s", prefix, service);
    FILE *users = fopen("/etc/passwd", "re");
    if (users == NULL) {
        return -1;
    }
    char room[1024];
    struct passwd entry;
    struct passwd *found = NULL;
    int uid = -1;
    while (uid < 0 && fgetpwent_r(users, &entry, room, sizeof(room), &found) == 0) {
        uid = strcmp(entry.pw_name, name) == 0 ? (int)entry.pw_uid : -1;
    }
    (void)fclose(users);
    return uid;
}

static enum cor_code open_socket(struct cor_port *port, struct cor_err *err)
{
    static const struct cor_zsock_ops OPS = {on_message, on_lost, on_dropped};
    struct cor_bus *bus = port->bus;
    const struct cor_endpoint *e = port->endpoint;
    auto_(cor_freep) char *name =
        cor_sprintf("%s.%s", e->name, port->session.is_binder ? "bind" : "connect");
    enum cor_code code = cor_bus_lock(bus, name, &port->lock_fd, err);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/bus/%s", bus->spec.run_dir, e->name);
    struct cor_zsock_spec spec = {
        .context = bus->context,
        .path = path,
        .binds = port->session.is_binder,
        .probes = true,
        .max_bytes = e->max_bytes,
        .hwm = (int)e->window * 4 + 64,
        /* What has credit is bounded by it, and replies and acks by what the peer has sent. A bound
         * here would make a peer that is slow to read look like one that has gone: the session
         * would end on this side only. */
        .send_hwm = 0,
    };
    return cor_zsock_open(bus->spec.loop, &spec, &OPS, port, &port->z, err);
}

enum cor_code cor_port_open(struct cor_bus *bus, const struct cor_endpoint *endpoint,
                            const struct cor_port_ops *ops, void *self, struct cor_port **port_r,
                            struct cor_err *err)
{
    bool is_binder = strcmp(endpoint->binder, bus->spec.service) == 0;
    must(is_binder || strcmp(endpoint->connector, bus->spec.service) == 0);
    struct cor_port *port = cor_alloc(sizeof(*port));
    port->bus = bus;
    port->endpoint = endpoint;
    port->ops = ops;
    port->self = self;
    port->lock_fd = -1;
    port->log = cor_log_child(bus->spec.log, "endpoint", endpoint->name);
    cor_session_init(&port->session, is_binder, bus->boot, endpoint->window);
    port->session.service = bus->spec.service;
    port->session.peer = is_binder ? endpoint->connector : endpoint->binder;
    port->peer_uid = uid_of_user(bus->spec.user_prefix, port->session.peer);
    port->waiting = cor_waiting_new(endpoint->queue);
    cor_streams_init(port);
    port->calls = cor_calls_new(CALLS_MAX);
    port->deadline = cor_timer_new(bus->spec.loop, on_deadline, port);
    port->probe = cor_timer_new(bus->spec.loop, on_probe, port);
    port->gathering = cor_timer_new(bus->spec.loop, on_gathered, port);
    port->flush = cor_hook_new(bus->spec.loop, on_flush, port);
    cor_list_add(&bus->ports, &port->link);
    enum cor_code code = open_socket(port, err);
    if (code != COR_OK) {
        cor_port_close(&port);
        return code;
    }
    *port_r = port;
    return COR_OK;
}

void cor_port_close(struct cor_port **port)
{
    if (*port == NULL) {
        return;
    }
    struct cor_port *self = *port;
    *port = NULL;
    cor_session_end(&self->session);
    end_calls(self, COR_CLOSED, true);
    cor_list_del(&self->link);
    cor_hook_free(&self->flush);
    cor_zsock_close(&self->z);
    cor_timer_free(&self->deadline);
    cor_timer_free(&self->probe);
    cor_timer_free(&self->gathering);
    cor_calls_free(&self->calls);
    cor_waiting_free(&self->waiting);
    cor_streams_free(self);
    cor_log_free(&self->log);
    cor_fd_close(&self->lock_fd);
    cor_free(self);
}
