// SPDX-License-Identifier: Apache-2.0
#include "coracle.h"

#include <inttypes.h>

#include "common/base/mem.h"
#include "compare.h"
#include "coracle_private.h"
#include "proto/kubeedge/id.h"
#include "proto/link/end.h"
#include "proto/link/lane.h"
#include "proto/status.h"
#include "relay.h"
#include "trust.h"
#include "tunnel.h"

/* Time for the node's hello; heartbeats that a node may ask for; calls of one node, and
 * publications for it, at once; memory for the lists of a frame. */
enum {
    GREET_US = 10 * 1000 * 1000,
    BEAT_MIN_MS = 50,
    BEAT_MAX_MS = 600000,
    CALLS_MAX = 256,
    PARTS_MAX = 64 * 1024 * 1024,
    ARENA_BYTES = 65536,
    FRAME_KEPT = 65536 /* bytes of scratch */
};

struct coracle *coracle_new(struct session *session)
{
    struct coracle *coracle = cor_alloc(sizeof(*coracle));
    struct px_link_hello unused;
    coracle->session = session;
    coracle->publishing = cor_map_new(cor_free);
    px_end_begin(&coracle->end, &unused); /* said when the node has said its own */
    return coracle;
}

void coracle_free(struct coracle **coracle)
{
    if (*coracle != NULL) {
        coracle_end_publishing(*coracle, true, COR_GONE);
        cor_map_free(&(*coracle)->publishing);
        (*coracle)->session->hub->part_bytes -= px_lanes_waiting(&(*coracle)->lanes);
        px_lanes_free(&(*coracle)->lanes);
        cor_freep(coracle);
    }
}

int64_t coracle_patience_us(const struct coracle *coracle)
{
    return coracle->end.open ? 2 * coracle->beat_us : GREET_US;
}

bool coracle_has_room(const struct coracle *coracle)
{
    return px_end_room(&coracle->end) > 0;
}

uint64_t coracle_minor(const struct coracle *coracle)
{
    return coracle->end.minor;
}

/* ---- sending ---- */

static void say(void *self, struct cor_view message, enum px_lane lane)
{
    cor_ws_put(((struct coracle *)self)->session->conn, message, lane);
}

static enum cor_code put(struct coracle *coracle, const struct cor_wire_header *head,
                         const void *body, struct cor_view raw)
{
    struct session *session = coracle->session;
    struct cor_buf *frame = &session->hub->frame;
    bool counted = px_frame_is_counted(px_frame_message(head->number));
    if (session->conn == NULL) {
        return COR_CLOSED;
    }
    if (counted && px_end_room(&coracle->end) == 0) {
        return COR_BUSY;
    }
    px_frame_write(head, body, raw, frame);
    enum cor_code code = cor_ws_fits(session->conn, frame->len);
    if (code == COR_OK) {
        struct px_lane_way way = {coracle->end.minor, px_lane_most(cor_ws_burst(session->conn)),
                                  say, coracle};
        px_lane_say(head, cor_buf_as_view(frame), &way);
        session->hub->stats.down++;
        px_frame_show(session->hub->service->bus, "cloudhub", "edgehub", true,
                      cor_buf_as_view(frame));
        if (counted) {
            px_end_sent(&coracle->end);
        }
    }
    if (frame->cap > FRAME_KEPT) {
        cor_buf_free(frame);
    }
    cor_buf_clear(frame);
    return code;
}

enum cor_code coracle_put(struct coracle *coracle, const struct cor_wire_header *head,
                          const void *body)
{
    return put(coracle, head, body, (struct cor_view){0});
}

enum cor_code coracle_put_raw(struct coracle *coracle, const struct cor_wire_header *head,
                              struct cor_view raw)
{
    return put(coracle, head, NULL, raw);
}

void coracle_control(struct coracle *coracle, const struct cor_wire_header *head, const void *body)
{
    if (coracle_put(coracle, head, body) == COR_BUSY) {
        session_close(coracle->session, "the node does not take what is sent");
    }
}

void coracle_took(struct coracle *coracle)
{
    uint64_t limit = 0;
    if (px_end_took(&coracle->end, &limit)) {
        struct cor_wire_header head = {.number = COR_WIRE_CREDIT};
        struct cor_wire_credit credit = {.limit = limit};
        coracle_control(coracle, &head, &credit);
    }
}

bool coracle_object(struct coracle *coracle, const struct outbox_item *item)
{
    uint64_t id = 0;
    (void)px_kubeedge_id_from_uuid(cor_view_of(item->id), &id);
    struct cor_wire_header head = {.number = PX_object, .id = id, .cause = id};
    struct px_object object = {
        .key = cor_view_of(item->key),
        .gone = item->gone,
        .uid = cor_view_of(item->uid),
        .version = cor_view_of(item->version),
        .source = cor_view_of(item->source[0] == 0 ? "edgecontroller" : item->source),
        .body = {item->body, item->body == NULL ? 0 : item->body_len},
        .content = item->content,
    };
    return coracle_put(coracle, &head, &object) == COR_OK;
}

/* time: the node has asked for it. */
static void answer_beat(struct coracle *coracle, bool time)
{
    struct cor_wire_header head = {.number = PX_link_heartbeat};
    struct px_link_heartbeat body = {.leases = hub_wants_leases(coracle->session->hub)};
    if (time) {
        body.time_us = (uint64_t)cor_wall_now().us;
    }
    coracle_control(coracle, &head, &body);
}

void coracle_beat(struct coracle *coracle)
{
    answer_beat(coracle, false);
}

void coracle_tick(struct coracle *coracle, bool silent)
{
    coracle_end_publishing(coracle, false, COR_TIMEOUT);
    if (silent) {
        coracle_beat(coracle);
    }
}

static void answer_error(struct coracle *coracle, uint64_t id, const struct cor_err *why)
{
    struct cor_wire_header head = {.number = COR_WIRE_ERROR, .re = id, .cause = id};
    struct cor_wire_error error = {.code = why->code, .text = cor_view_of(why->text)};
    error.text = cor_view_is_utf8(error.text) ? error.text : COR_VIEW("error");
    coracle_control(coracle, &head, &error);
}

/* ---- the link's own ---- */

static enum cor_code on_hello(struct coracle *coracle, const struct px_frame *frame,
                              struct cor_err *err)
{
    struct px_link_hello hello;
    struct px_link_hello ours;
    struct px_end fresh;
    struct cor_wire_header head = {.number = PX_link_hello};
    enum cor_code code = px_frame_body(frame, NULL, &hello, err);
    if (code == COR_OK) {
        code = px_end_hello(&coracle->end, &hello, err);
    }
    if (code != COR_OK) {
        return code;
    }
    uint64_t ms = hello.heartbeat_ms < BEAT_MIN_MS   ? BEAT_MIN_MS
                  : hello.heartbeat_ms > BEAT_MAX_MS ? BEAT_MAX_MS
                                                     : hello.heartbeat_ms;
    coracle->beat_us = COR_MS((int64_t)ms);
    px_end_begin(&fresh, &ours);
    ours.leases = hub_wants_leases(coracle->session->hub);
    ours.time_us = (uint64_t)cor_wall_now().us;
    session_hear_time(coracle->session, hello.time_us);
    coracle_control(coracle, &head, &ours);
    coracle->session->roots = hello.roots;
    session_begin(coracle->session);
    return COR_OK;
}

static enum cor_code on_heartbeat(struct coracle *coracle, const struct px_frame *frame,
                                  struct cor_err *err)
{
    struct px_link_heartbeat body;
    enum cor_code code = px_frame_body(frame, NULL, &body, err);
    if (code == COR_OK) {
        session_hear_time(coracle->session, body.time_us);
        answer_beat(coracle, body.time_us != 0);
    }
    if (code == COR_OK && body.alive) {
        hub_tell_alive(coracle->session->hub, coracle->session, body.seconds);
    }
    return code;
}

static enum cor_code on_credit(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    struct cor_wire_credit credit;
    enum cor_code code = px_frame_body(frame, NULL, &credit, err);
    if (code == COR_OK) {
        px_end_credit(&coracle->end, credit.limit);
        tunnels_room(coracle->session->tunnels);
        session_pump(coracle->session);
    }
    return code;
}

/* ---- calls of the node ---- */

/* A question of a node that the controller answers. */
struct question {
    struct hub *hub;
    cor_handle session;
    uint64_t id;
};

static struct question *question_new(const struct coracle *coracle, uint64_t id)
{
    struct question *question = cor_alloc(sizeof(*question));
    *question = (struct question){coracle->session->hub, coracle->session->handle, id};
    return question;
}

/* Ends the question; NULL when its node has gone. */
static struct coracle *question_end(struct question *question, uint64_t *id_r)
{
    struct session *session = cor_pool_get(question->hub->handles, question->session);
    *id_r = question->id;
    cor_free(question);
    if (session != NULL) {
        session->calls--;
    }
    return session == NULL || session->conn == NULL ? NULL : session->coracle;
}

static void reply(struct coracle *coracle, uint64_t id, const struct px_api_reply *body)
{
    struct cor_wire_header head = {.number = PX_api_reply, .re = id, .cause = id};
    coracle_control(coracle, &head, body);
}

static void reply_status(struct coracle *coracle, uint64_t id, uint64_t status, const char *reason,
                         const char *text)
{
    auto_(cor_buf_free) struct cor_buf body = {0};
    px_status(status, reason, text, &body);
    struct px_api_reply answer = {.status = status, .body = cor_buf_as_view(&body)};
    reply(coracle, id, &answer);
}

static void on_answer(void *self, const void *body, const struct cor_err *err)
{
    uint64_t id = 0;
    struct hub *hub = ((struct question *)self)->hub;
    struct coracle *coracle = question_end(self, &id);
    hub_count(hub->books.calls, coracle != NULL && body != NULL);
    if (coracle == NULL) {
        return;
    }
    if (body != NULL) {
        reply(coracle, id, body);
    } else if (err->code == COR_DENIED) {
        reply_status(coracle, id, 403, "Forbidden", err->text);
    } else {
        reply_status(coracle, id, 503, "ServiceUnavailable", err->text);
    }
}

static int64_t within(const struct hub *hub, const struct px_frame *frame)
{
    uint64_t most = (uint64_t)hub->limits.call_us / 1000;
    uint64_t ms = frame->head.within_ms;
    return ms > 0 && ms < most ? COR_MS((int64_t)ms) : hub->limits.call_us;
}

static enum cor_code on_api_call(struct coracle *coracle, const struct px_frame *frame,
                                 struct cor_err *err)
{
    struct session *session = coracle->session;
    struct hub *hub = session->hub;
    struct px_api_call call;
    enum cor_code code = px_frame_body(frame, NULL, &call, err);
    if (code != COR_OK) {
        return code;
    }
    if (upstream_is_foreign(session, call.key)) {
        upstream_denied(session, "hub.call.forbidden", call.key);
        hub_count(hub->books.calls, false);
        reply_status(coracle, frame->head.id, 403, "Forbidden", "a node may act for itself only");
        return COR_OK;
    }
    struct px_node_call body = {.node = cor_view_of(session->node),
                                .verb = call.verb,
                                .key = call.key,
                                .patch = call.patch,
                                .brief = call.brief,
                                .body = call.body};
    struct question *question = question_new(coracle, frame->head.id);
    hub->stats.calls++;
    if (session->calls >= CALLS_MAX || cor_call(hub->port, PX_node_call, &body, within(hub, frame),
                                                on_answer, question) != COR_OK) {
        cor_free(question);
        hub_count(hub->books.calls, false);
        reply_status(coracle, frame->head.id, 503, "ServiceUnavailable",
                     "the controller is not there");
        return COR_OK;
    }
    session->calls++;
    return COR_OK;
}

static void on_reported(void *self, const void *body, const struct cor_err *err)
{
    uint64_t id = 0;
    struct hub *hub = ((struct question *)self)->hub;
    struct coracle *coracle = question_end(self, &id);
    struct cor_wire_header head = {.number = PX_done, .re = id, .cause = id};
    hub_count(hub->books.reports, coracle != NULL && body != NULL);
    if (coracle == NULL) {
        return;
    }
    if (body != NULL) {
        coracle_control(coracle, &head, body);
    } else {
        answer_error(coracle, id, err);
    }
}

static enum cor_code on_report(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    struct session *session = coracle->session;
    struct hub *hub = session->hub;
    struct px_device_report report;
    enum cor_code code = px_frame_body(frame, NULL, &report, err);
    if (code != COR_OK) {
        return code;
    }
    struct px_node_report body = {.node = cor_view_of(session->node),
                                  .device = report.device,
                                  .kind = report.kind,
                                  .body = report.body};
    struct question *question = question_new(coracle, frame->head.id);
    hub->stats.reports++;
    code = session->calls >= CALLS_MAX ? COR_BUSY
                                       : cor_call(hub->port, PX_node_report, &body,
                                                  within(hub, frame), on_reported, question);
    if (code == COR_OK) {
        session->calls++;
        return COR_OK;
    }
    struct cor_err why = COR_ERR_NONE;
    (void)cor_err_set(&why, code, "controller: %s", cor_code_name(code));
    cor_free(question);
    hub_count(hub->books.reports, false);
    answer_error(coracle, frame->head.id, &why);
    return COR_OK;
}

/* ---- objects ---- */

/* Ids of objects go down without a nonce (hub.c), so that the UUID is known from the number. */
static enum cor_code on_stored(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    struct session *session = coracle->session;
    struct px_object_stored stored;
    char id[COR_UUID_LEN + 1];
    enum cor_code code = px_frame_body(frame, NULL, &stored, err);
    if (code != COR_OK) {
        return code;
    }
    px_kubeedge_id_to_uuid(stored.id, 0, id);
    if (stored.error.len > 0) {
        LOGW(session->hub->service->log, "hub.node.error", "node=%s resource=%s text=%s",
             session->node, cor_log_esc(stored.key), cor_log_esc(stored.error));
        (void)outbox_failed(session->outbox, cor_view_of(id),
                            cor_loop_now(session->hub->service->loop));
    } else if (outbox_acked(session->outbox, cor_view_of(id))) {
        session->hub->stats.acked++;
    }
    session_pump(session);
    return COR_OK;
}

/* ---- frames ---- */

static enum cor_code on_open(struct coracle *coracle, const struct px_frame *frame,
                             struct cor_err *err)
{
    struct cor_wire_open open;
    enum cor_code code = px_frame_body(frame, NULL, &open, err);
    return code == COR_OK ? relay_open(coracle->session, &open, err) : code;
}

static enum cor_code on_held(struct coracle *coracle, const struct px_frame *frame,
                             struct cor_err *err)
{
    return compare_held(coracle->session->compare, frame, err);
}

static enum cor_code on_stream(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    return tunnels_take(coracle->session->tunnels, frame, err);
}

static enum cor_code on_trust(struct coracle *coracle, const struct px_frame *frame,
                              struct cor_err *err)
{
    return trust_heard(coracle->session, frame, err);
}

static enum cor_code on_upload(struct coracle *coracle, const struct px_frame *frame,
                               struct cor_err *err)
{
    (void)err;
    relay_upload(coracle->session, frame);
    return COR_OK;
}

static const struct {
    uint64_t number;
    bool later; /* counts as dealt with when relay.c says so */
    enum cor_code (*fn)(struct coracle *coracle, const struct px_frame *frame, struct cor_err *err);
} FRAMES[] = {
    {PX_upload, true, on_upload},
    {PX_link_heartbeat, false, on_heartbeat},
    {COR_WIRE_CREDIT, false, on_credit},
    {PX_object_stored, false, on_stored},
    {PX_api_call, false, on_api_call},
    {PX_device_report, false, on_report},
    {COR_WIRE_OPEN, false, on_open},
    {PX_done, false, coracle_on_done},
    {COR_WIRE_ERROR, false, coracle_on_error},
    {PX_link_hello, false, on_hello},
    {PX_held, false, on_held},
    {PX_stream_head, false, on_stream},
    {PX_stream_data, false, on_stream},
    {PX_stream_credit, false, on_stream},
    {PX_stream_end, false, on_stream},
    {PX_link_trust, false, on_trust},
};

static enum cor_code dispatch(struct coracle *coracle, const struct px_frame *frame,
                              struct cor_err *err)
{
    bool counted = px_frame_is_counted(frame->message);
    if ((frame->head.number == PX_link_hello) == coracle->end.open) {
        return cor_err_set(err, COR_INVALID,
                           coracle->end.open ? "a second hello" : "no hello first");
    }
    if (counted && px_end_is_overrun(&coracle->end, relay_waiting(coracle->session))) {
        return cor_err_set(err, COR_INVALID, "more messages than there is credit for");
    }
    for (size_t i = 0; i < COR_COUNT(FRAMES); i++) {
        if (FRAMES[i].number == frame->head.number) {
            enum cor_code code = FRAMES[i].fn(coracle, frame, err);
            if (counted && !FRAMES[i].later && code == COR_OK) {
                coracle_took(coracle);
            }
            return code;
        }
    }
    coracle->session->hub->stats.up_dropped++; /* a newer node's */
    if (counted) {
        coracle_took(coracle);
    }
    return COR_OK;
}

/* What nodes have sent of frames that are not whole is bounded for all of them together. */
static enum cor_code hear(struct coracle *coracle, struct cor_view bytes, struct cor_buf *keep,
                          struct px_frame *frame_r, bool *whole_r, struct cor_err *err)
{
    struct hub *hub = coracle->session->hub;
    hub->part_bytes -= px_lanes_waiting(&coracle->lanes);
    enum cor_code code = px_lanes_hear(&coracle->lanes, bytes, keep, frame_r, whole_r, err);
    hub->part_bytes += px_lanes_waiting(&coracle->lanes);
    if (code == COR_OK && !*whole_r && hub->part_bytes > PARTS_MAX) {
        return cor_err_set(err, COR_BUSY, "too much unfinished of all nodes");
    }
    return code;
}

void coracle_take(struct coracle *coracle, struct cor_view bytes)
{
    struct session *session = coracle->session;
    struct hub *hub = session->hub;
    auto_(cor_buf_free) struct cor_buf keep = {0};
    struct px_frame frame;
    struct cor_err err = COR_ERR_NONE;
    bool whole = false;
    hub->stats.up++;
    session->alive = cor_loop_now(hub->service->loop);
    session_enter(session);
    enum cor_code code = hear(coracle, bytes, &keep, &frame, &whole, &err);
    if (code == COR_OK && whole) {
        px_frame_show(hub->service->bus, "edgehub", "cloudhub", false, frame.whole);
        cor_bus_set_cause(hub->service->bus, frame.head.id);
        code = dispatch(coracle, &frame, &err);
        cor_bus_set_cause(hub->service->bus, 0);
    }
    if (session_leave(session) && code != COR_OK) {
        hub->stats.up_bad++;
        LOGW(hub->service->log, "hub.message.bad", "node=%s reason=%s", session->node,
             cor_log_esc(cor_view_of(err.text)));
        session_close(session, err.text);
    }
}
