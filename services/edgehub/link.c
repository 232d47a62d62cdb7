// SPDX-License-Identifier: Apache-2.0
#include "link.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/base/mem.h"
#include "common/pki/digest.h"
#include "common/ws/resolve.h"
#include "proto/link/end.h"
#include "proto/link/lane.h"

/* Time for the cloud's hello; what may wait in the queue before events are held back, and how much
 * credit must be left: what eventbus may still send then (the window of hub-bus), and some calls.
 */
enum { GREET_US = 10 * 1000 * 1000, TIGHT_BYTES = 1024 * 1024, TIGHT_ROOM = 320 };

/* An outage of up to some 20 s is tried this often. */
enum { QUICK_US = 600 * 1000, QUICK_TRIES = 40 };

/* So many heartbeats for one that asks for the cloud's time; what a clock may be off by. */
enum { ASK_EVERY = 16, OFF_US = 2 * 1000 * 1000 };

/* Time for a connection with its handshakes, in turn: short ones find a link soon that has
 * swallowed the last try, and a slow link needs a long one. */
static const int64_t DIAL_US[] = {COR_SEC(5), COR_SEC(10), COR_SEC(30)};

struct link {
    struct link_spec spec;
    struct cor_timer *dial;
    struct cor_timer *keepalive; /* or heartbeat */
    struct cor_backoff backoff;
    struct cor_ws_conn *conn;    /* dialling or up */
    struct cor_resolve *resolve; /* under way */
    char *path;
    unsigned dials;
    bool up;
    bool is_coracle; /* this connection; from its begin */
    bool troubled;   /* logged that it fails */
    struct cor_mono since;
    uint64_t epoch;
    /* of the Coracle dialect */
    struct px_end end;
    struct px_lanes lanes;
    struct cor_mono heard;  /* anything from the cloud */
    struct cor_mono beaten; /* last heartbeat, or the hello */
    int64_t beat_us;
    bool alive; /* edged has renewed its Lease since the last heartbeat */
    bool told;  /* a heartbeat of this connection has said so */
    uint64_t seconds;
    bool leases; /* the cloud wants the calls that renew the Lease */
    unsigned beats;
    struct cor_mono asked; /* the cloud for its time; 0: not */
    struct px_offset offset;
    int64_t told_us; /* by how much the clock was off when that was logged last */
};

static double random_number(void)
{
    uint32_t n = 0;
    cor_random(&n, sizeof(n));
    return (double)n / 4294967296.0;
}

/* A link that was good is most likely lost because the cloud's end restarts: soon, but not all
 * nodes at once. After that the delays double. */
static int64_t next_delay(struct link *link)
{
    if (link->backoff.now_us == 0) {
        (void)cor_backoff_next(&link->backoff, 0);
        return (int64_t)((double)link->spec.first_us * random_number());
    }
    return cor_backoff_next(&link->backoff, random_number());
}

/* ---- clocks (Coracle) ---- */

static uint64_t ask_time(struct link *link)
{
    struct cor_wall now = cor_wall_now();
    link->asked = cor_loop_now(link->spec.loop);
    return now.us > 0 ? (uint64_t)now.us : 1;
}

/* Says so when the clock is off, and when it is right again. */
static void tell_offset(struct link *link)
{
    int64_t ahead = link->offset.ahead_us;
    bool is_off = llabs(ahead) > OFF_US + link->offset.error_us;
    bool was_off = link->told_us != 0;
    if (is_off && llabs(ahead - link->told_us) > OFF_US) {
        LOGW(link->spec.log, "link.clock-off", "ahead_ms=%" PRId64 " error_ms=%" PRId64,
             ahead / 1000, link->offset.error_us / 1000);
        link->told_us = ahead;
    } else if (was_off && !is_off) {
        LOGI(link->spec.log, "link.clock-right", "ahead_ms=%" PRId64, ahead / 1000);
        link->told_us = 0;
    }
}

static void hear_time(struct link *link, uint64_t time_us)
{
    if (time_us == 0 || time_us > INT64_MAX || link->asked.us == 0) {
        return;
    }
    struct px_offset_sample sample = {.asked = link->asked,
                                      .answered = cor_loop_now(link->spec.loop),
                                      .wall = cor_wall_now(),
                                      .peer = {(int64_t)time_us}};
    link->asked = (struct cor_mono){0};
    if (px_offset_take(&link->offset, &sample)) {
        tell_offset(link);
    }
}

const struct px_offset *link_offset(const struct link *link)
{
    return &link->offset;
}

/* ---- heartbeats (Coracle) ---- */

static void beat(struct link *link)
{
    struct cor_wire_header head = {.number = PX_link_heartbeat};
    struct px_link_heartbeat body = {.alive = link->alive, .seconds = link->seconds};
    link->told = link->told || link->alive;
    link->alive = false;
    link->beaten = cor_loop_now(link->spec.loop);
    if (link->beats++ % ASK_EVERY == 0) {
        body.time_us = ask_time(link);
    }
    link_control(link, &head, &body);
}

/* Anything that came since the last heartbeat answers it. */
static void on_beat(struct link *link)
{
    if (link->heard.us < link->beaten.us) {
        cor_ws_close(link->conn, 0, link->up ? "the cloud is silent" : "no hello from the cloud");
        return;
    }
    beat(link);
}

/* Half of what the Lease lasts, if that is shorter. */
static int64_t beat_of(const struct link *link)
{
    int64_t lease = COR_SEC((int64_t)link->seconds) / 2;
    return link->seconds > 0 && lease < link->spec.heartbeat_us ? lease : link->spec.heartbeat_us;
}

bool link_alive(struct link *link, uint64_t seconds)
{
    if (!link_is_coracle(link) || link->leases) {
        return false;
    }
    link->alive = true;
    link->seconds = seconds < UINT16_MAX ? seconds : UINT16_MAX;
    bool faster = beat_of(link) != link->beat_us;
    if (!link->told || faster) {
        link->beat_us = beat_of(link);
        cor_timer_repeat(link->keepalive, link->beat_us);
        beat(link);
    }
    return true;
}

/* ---- the connection ---- */

static void become_up(struct link *link)
{
    link->up = true;
    link->troubled = false;
    link->dials = 0;
    link->epoch++;
    link->since = cor_loop_now(link->spec.loop);
    LOGI(link->spec.log, "link.up", "host=%s port=%d dialect=%s", link->spec.host, link->spec.port,
         link->is_coracle ? "coracle" : "kubeedge");
}

static void greet(struct link *link)
{
    struct cor_wire_header head = {.number = PX_link_hello};
    struct px_link_hello hello;
    px_end_begin(&link->end, &hello);
    px_lanes_free(&link->lanes);
    hello.heartbeat_ms = (uint64_t)link->spec.heartbeat_us / 1000;
    link->alive = false;
    link->told = false;
    link->seconds = 0;
    link->beat_us = link->spec.heartbeat_us;
    link->heard = (struct cor_mono){0};
    link->beaten = cor_loop_now(link->spec.loop);
    cor_ws_ping(link->conn, 0);
    link->beats = 1; /* the hello asks */
    hello.time_us = ask_time(link);
    hello.roots = cor_certs_digest(&link->spec.identity->roots);
    cor_timer_start(link->keepalive, GREET_US);
    link_control(link, &head, &hello);
}

static void on_opened(void *self, struct cor_ws_conn *conn)
{
    struct link *link = self;
    link->conn = conn;
    link->is_coracle = cor_ws_subprotocol(conn) != NULL;
    if (link->is_coracle) {
        greet(link);
        return;
    }
    become_up(link);
    link->spec.keepalive(link->spec.self);
    cor_timer_repeat(link->keepalive, link->spec.keepalive_us);
    link->spec.up(link->spec.self);
}

/* ---- frames (Coracle) ---- */

static enum cor_code on_hello(struct link *link, const struct px_frame *frame, struct cor_err *err)
{
    struct px_link_hello hello;
    enum cor_code code = px_frame_body(frame, NULL, &hello, err);
    if (code == COR_OK) {
        code = px_end_hello(&link->end, &hello, err);
    }
    if (code == COR_OK) {
        link->leases = hello.leases;
        hear_time(link, hello.time_us);
        become_up(link);
        cor_timer_repeat(link->keepalive, link->beat_us);
        link->spec.up(link->spec.self);
    }
    return code;
}

static enum cor_code on_credit(struct link *link, const struct px_frame *frame, struct cor_err *err)
{
    struct cor_wire_credit credit;
    enum cor_code code = px_frame_body(frame, NULL, &credit, err);
    if (code == COR_OK) {
        px_end_credit(&link->end, credit.limit);
        link->spec.room(link->spec.self);
    }
    return code;
}

static enum cor_code on_heartbeat(struct link *link, const struct px_frame *frame,
                                  struct cor_err *err)
{
    struct px_link_heartbeat body;
    enum cor_code code = px_frame_body(frame, NULL, &body, err);
    if (code == COR_OK) {
        link->leases = body.leases;
        hear_time(link, body.time_us);
    }
    return code;
}

static enum cor_code on_counted(struct link *link, const struct px_frame *frame,
                                struct cor_err *err)
{
    uint64_t epoch = link->epoch;
    uint64_t limit = 0;
    if (px_end_is_overrun(&link->end, 0)) {
        return cor_err_set(err, COR_INVALID, "more messages than there is credit for");
    }
    link->spec.frame(link->spec.self, frame);
    if (link->up && link->epoch == epoch && px_end_took(&link->end, &limit)) {
        struct cor_wire_header head = {.number = COR_WIRE_CREDIT};
        struct cor_wire_credit credit = {.limit = limit};
        link_control(link, &head, &credit);
    }
    return COR_OK;
}

static enum cor_code dispatch(struct link *link, const struct px_frame *frame, struct cor_err *err)
{
    if ((frame->head.number == PX_link_hello) == link->up) {
        return cor_err_set(err, COR_INVALID, link->up ? "a second hello" : "no hello first");
    }
    switch (frame->head.number) {
    case PX_link_hello:
        return on_hello(link, frame, err);
    case COR_WIRE_CREDIT:
        return on_credit(link, frame, err);
    case PX_link_heartbeat:
        return on_heartbeat(link, frame, err);
    default:
        break;
    }
    if (px_frame_is_counted(frame->message)) {
        return on_counted(link, frame, err);
    }
    link->spec.frame(link->spec.self, frame);
    return COR_OK;
}

static void on_binary(void *self, struct cor_view bytes)
{
    struct link *link = self;
    auto_(cor_buf_free) struct cor_buf keep = {0};
    struct px_frame frame;
    struct cor_err err = COR_ERR_NONE;
    bool whole = false;
    if (!link->is_coracle) {
        link->spec.message(link->spec.self, bytes);
        return;
    }
    link->heard = cor_loop_now(link->spec.loop);
    enum cor_code code = px_lanes_hear(&link->lanes, bytes, &keep, &frame, &whole, &err);
    if (code == COR_OK && whole) {
        px_frame_show(link->spec.bus, "cloudhub", "edgehub", false, frame.whole);
        code = dispatch(link, &frame, &err);
    }
    if (code != COR_OK && link->conn != NULL) {
        cor_ws_close(link->conn, 1002, err.text);
    }
}

static void on_message(void *self, struct cor_view text)
{
    struct link *link = self;
    if (link->is_coracle) {
        cor_ws_close(link->conn, 1003, "text in the Coracle dialect");
        return;
    }
    link->spec.message(link->spec.self, text);
}

static void on_drained(void *self)
{
    struct link *link = self;
    if (link_is_coracle(link)) {
        link->spec.room(link->spec.self);
    }
}

static void note_failure(struct link *link, bool was_up, const char *reason)
{
    if (was_up) {
        LOGW(link->spec.log, "link.down", "reason=%s", cor_log_esc(cor_view_of(reason)));
    } else if (!link->troubled) {
        LOGW(link->spec.log, "link.fails", "host=%s port=%d reason=%s", link->spec.host,
             link->spec.port, cor_log_esc(cor_view_of(reason)));
        link->troubled = true;
    }
}

static void on_closed(void *self, const char *reason)
{
    struct link *link = self;
    bool was_up = link->up;
    link->conn = NULL;
    link->up = false;
    cor_timer_stop(link->keepalive);
    note_failure(link, was_up, reason);
    if (was_up) {
        cor_backoff_lost(&link->backoff,
                         cor_mono_since(cor_loop_now(link->spec.loop), link->since));
    }
    cor_timer_start(link->dial, next_delay(link));
    if (was_up) {
        link->spec.down(link->spec.self);
    }
}

static const struct cor_ws_events EVENTS = {
    .opened = on_opened,
    .message = on_message,
    .binary = on_binary,
    .drained = on_drained,
    .closed = on_closed,
};

static void try_later(struct link *link, const char *reason)
{
    note_failure(link, false, reason);
    cor_timer_start(link->dial, next_delay(link));
}

/* Headers as KubeEdge's client sends them (edge/pkg/edgehub/clients/wsclient). */
static void dial(struct link *link, const char *address)
{
    const struct cor_ws_header headers[] = {{"Connectionuse", "msg"},
                                            {"Node_id", link->spec.identity->node},
                                            {"Project_id", link->spec.project},
                                            {NULL, NULL}};
    struct cor_ws_target target = {.host = link->spec.host,
                                   .address = address,
                                   .port = link->spec.port,
                                   .path = link->path,
                                   .headers = headers,
                                   .tls = identity_tls(link->spec.identity),
                                   .timeout_us = DIAL_US[link->dials++ % COR_COUNT(DIAL_US)]};
    link->conn = cor_ws_dial(link->spec.ws, &target, link->spec.keepalive_us, &EVENTS, link);
}

static void on_resolved(void *self, const char *address, const char *text)
{
    struct link *link = self;
    cor_resolve_free(&link->resolve);
    if (address == NULL) {
        try_later(link, text);
    } else {
        dial(link, address);
    }
}

/* The name is looked up each time: the cloud may have moved. */
static void begin(void *self)
{
    struct link *link = self;
    if (link->conn == NULL && link->resolve == NULL && link->spec.identity->cert != NULL) {
        link->resolve = cor_resolve_new(link->spec.loop, link->spec.host, on_resolved, link);
    }
}

static void on_keepalive(void *self)
{
    struct link *link = self;
    if (link->is_coracle) {
        on_beat(link);
    } else {
        link->spec.keepalive(link->spec.self);
    }
}

struct link *link_new(const struct link_spec *spec)
{
    struct link *link = cor_alloc(sizeof(*link));
    link->spec = *spec;
    link->backoff =
        (struct cor_backoff){.first_us = spec->first_us,
                             .last_us = spec->last_us,
                             .quick_us = QUICK_US,
                             .quick_tries = spec->first_us < QUICK_US ? QUICK_TRIES : 0};
    link->dial = cor_timer_new(spec->loop, begin, link);
    link->keepalive = cor_timer_new(spec->loop, on_keepalive, link);
    link->path = cor_sprintf("/%s/%s/events", spec->project, spec->identity->node);
    return link;
}

void link_free(struct link **link)
{
    if (*link != NULL) {
        cor_timer_free(&(*link)->dial);
        cor_timer_free(&(*link)->keepalive);
        cor_resolve_free(&(*link)->resolve);
        px_lanes_free(&(*link)->lanes);
        cor_free((*link)->path);
        cor_freep(link);
    }
}

void link_start(struct link *link)
{
    if (link->conn == NULL) {
        cor_timer_start(link->dial, 0);
    }
}

void link_restart(struct link *link, const char *reason)
{
    if (link->conn != NULL) {
        cor_ws_close(link->conn, 0, reason); /* on_closed sets the timer */
        cor_backoff_reset(&link->backoff);
        cor_timer_start(link->dial, COR_MS(100));
    }
}

bool link_is_up(const struct link *link)
{
    return link->up;
}

bool link_is_coracle(const struct link *link)
{
    return link->up && link->is_coracle;
}

uint64_t link_epoch(const struct link *link)
{
    return link->epoch;
}

enum cor_code link_send(struct link *link, const struct px_kubeedge_out *out)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    if (!link->up || link->is_coracle) {
        return COR_CLOSED;
    }
    px_kubeedge_write(out, &text);
    return cor_ws_send(link->conn, cor_buf_as_view(&text));
}

static void say(void *self, struct cor_view message, enum px_lane lane)
{
    cor_ws_put(((struct link *)self)->conn, message, lane);
}

static enum cor_code put(struct link *link, const struct cor_wire_header *head, const void *body,
                         struct cor_view raw)
{
    auto_(cor_buf_free) struct cor_buf frame = {0};
    px_frame_write(head, body, raw, &frame);
    enum cor_code code = cor_ws_fits(link->conn, frame.len);
    if (code == COR_OK) {
        struct px_lane_way way = {link->end.minor, px_lane_most(cor_ws_burst(link->conn)), say,
                                  link};
        px_lane_say(head, cor_buf_as_view(&frame), &way);
        px_frame_show(link->spec.bus, "edgehub", "cloudhub", true, cor_buf_as_view(&frame));
    }
    return code;
}

enum cor_code link_put(struct link *link, const struct cor_wire_header *head, const void *body,
                       struct cor_view raw)
{
    if (!link_is_coracle(link)) {
        return COR_CLOSED;
    }
    bool counted = px_frame_is_counted(px_frame_message(head->number));
    if (counted && px_end_room(&link->end) == 0) {
        return COR_BUSY;
    }
    enum cor_code code = put(link, head, body, raw);
    if (code == COR_OK && counted) {
        px_end_sent(&link->end);
    }
    return code;
}

void link_control(struct link *link, const struct cor_wire_header *head, const void *body)
{
    if (link->conn != NULL && link->is_coracle &&
        put(link, head, body, (struct cor_view){0}) == COR_BUSY) {
        cor_ws_close(link->conn, 0, "the cloud does not take what is sent");
    }
}

bool link_is_tight(const struct link *link)
{
    return !link_is_coracle(link) || px_end_room(&link->end) < TIGHT_ROOM ||
           cor_ws_queued(link->conn) > TIGHT_BYTES;
}
