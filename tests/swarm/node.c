// SPDX-License-Identifier: Apache-2.0
#include "node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "fleet.h"
#include "proto/kubeedge/id.h"
#include "proto/kubeedge/message.h"
#include "proto/link/digest.h"
#include "wire.h"

/* As edgehub has them (services/edgehub): the first try after a loss within a tenth of a second,
 * an outage of some 20 s tried often, then up to 30 s; a beat in 20 s; KubeEdge's keepalive. */
enum {
    FIRST_US = 20 * 1000,
    LAST_US = 30 * 1000 * 1000,
    QUICK_US = 600 * 1000,
    QUICK_TRIES = 40,
    BEAT_MS = 20000,
    KEEPALIVE_MS = 15000,
    LEASE_S = 40,
    PROBE_MS = 50
};
static const int64_t DIAL_US[] = {COR_SEC(5), COR_SEC(10), COR_SEC(30)};

/* 127.16.0.0/12: an address for each node, as if it were a machine of its own. */
#define FIRST_ADDRESS UINT32_C(0x7f100001)
#define HUB_ADDRESS UINT32_C(0x7f000001)

static const struct conn_events EVENTS;

void node_name(uint32_t number, char out[16])
{
    (void)snprintf(out, 16, "n%u", (unsigned)number);
}

static double random_number(void)
{
    return drand48();
}

/* ---- saying ---- */

static void say(struct node *node, enum wire_opcode opcode, struct cor_view payload)
{
    struct cor_buf *out = &node->fleet->frame;
    if (node->conn == NULL) {
        return;
    }
    cor_buf_clear(out);
    wire_frame(opcode, (node->number + 1) * UINT32_C(2654435761), payload, out);
    conn_write(node->conn, cor_buf_as_view(out));
}

/* A frame of the Coracle dialect; what a node says here is short. */
static void put(struct node *node, const struct cor_wire_header *head, const void *body)
{
    struct cor_buf *text = &node->fleet->text;
    cor_buf_clear(text);
    px_frame_write(head, body, (struct cor_view){0}, text);
    say(node, WIRE_BINARY, cor_buf_as_view(text));
}

static void tell(struct node *node, const struct px_kubeedge_out *out)
{
    char id[COR_UUID_LEN + 1];
    struct px_kubeedge_out whole = *out;
    struct cor_buf *text = &node->fleet->text;
    cor_buf_clear(text);
    px_kubeedge_id_to_uuid(node->fleet->n.stored + 1, (uint16_t)node->number, id);
    whole.id = id;
    whole.timestamp = cor_wall_now().us / 1000;
    px_kubeedge_write(&whole, text);
    say(node, WIRE_TEXT, cor_buf_as_view(text));
}

static void keepalive(struct node *node)
{
    struct px_kubeedge_out out = {.source = "websocket",
                                  .group = "resource",
                                  .operation = "keepalive",
                                  .resource = "node",
                                  .content = COR_VIEW("\"ping\"")};
    node->fleet->n.beats++;
    tell(node, &out);
}

void node_beat(struct node *node)
{
    struct cor_wire_header head = {.number = PX_link_heartbeat};
    struct px_link_heartbeat body = {.alive = true, .seconds = LEASE_S};
    node->fleet->n.beats++;
    node->asked = cor_mono_now();
    put(node, &head, &body);
}

/* ---- turns ---- */

static bool is_its_turn(struct node *node)
{
    struct fleet *fleet = node->fleet;
    if (fleet->dialling >= FLEET_DIALLING) {
        cor_list_add(&fleet->queue, &node->queue);
        return false;
    }
    fleet->dialling++;
    node->dialling = true;
    return true;
}

static void pass_the_turn(struct node *node)
{
    struct fleet *fleet = node->fleet;
    cor_list_del(&node->queue);
    if (!node->dialling) {
        return;
    }
    node->dialling = false;
    fleet->dialling--;
    if (!cor_list_empty(&fleet->queue)) {
        struct node *next = COR_LIST_OBJECT(fleet->queue.next, struct node, queue);
        cor_list_del(&next->queue);
        cor_timer_start(next->timer, 0);
    }
}

/* ---- beats ---- */

static void set_beat(struct node *node)
{
    int64_t ms = node->probing ? PROBE_MS : node->kubeedge ? KEEPALIVE_MS : BEAT_MS;
    cor_timer_repeat(node->timer, COR_MS(ms));
}

void node_probe(struct node *node, bool on)
{
    node->probing = on && !node->kubeedge;
    node->asked = (struct cor_mono){0};
    if (node->up) {
        set_beat(node);
    }
}

static void become_up(struct node *node)
{
    node->up = true;
    node->dials = 0;
    pass_the_turn(node);
    node->since = cor_loop_now(node->fleet->loop);
    node->asked = (struct cor_mono){0};
    node->fleet->up++;
    set_beat(node);
}

/* ---- the object ---- */

/* False: it has this version already, or a newer one. */
static bool keep(struct node *node, struct cor_view version)
{
    struct fleet *fleet = node->fleet;
    uint64_t number = 0;
    (void)cor_view_u64(version, &number);
    fleet->n.objects++;
    fleet->n.repeats += number == node->version;
    fleet->n.backwards += number < node->version;
    if (number <= node->version) {
        return false;
    }
    node->version = number;
    if (number == fleet->target) {
        fleet->reached++;
        fleet->at = cor_mono_now();
    }
    return true;
}

static void hear_object(struct node *node, const struct px_frame *frame)
{
    struct px_object object;
    if (px_frame_body(frame, NULL, &object, NULL) != COR_OK) {
        return;
    }
    struct cor_wire_header head = {.number = PX_object_stored, .cause = frame->head.id};
    struct px_object_stored stored = {
        .key = object.key, .uid = object.uid, .version = object.version, .id = frame->head.id};
    bool fresh = keep(node, object.version);
    put(node, &head, &stored);
    node->fleet->n.stored++;
    if (fresh && node->fleet->got != NULL) {
        node->fleet->got(node->fleet->self, node);
    }
}

/* What it has: sums first, then the object if its bucket is wanted. */
static void hear_compare(struct node *node, const struct px_frame *frame)
{
    struct px_compare compare;
    auto_(px_digest_free) struct px_digest digest = {0};
    auto_(cor_buf_free) struct cor_buf sums = {0};
    struct px_held_object object = {.key = COR_VIEW(NODE_OBJECT_KEY),
                                    .uid = COR_VIEW(NODE_OBJECT_UID),
                                    .content = fleet_content(node->version)};
    if (px_frame_body(frame, NULL, &compare, NULL) != COR_OK) {
        return;
    }
    struct cor_wire_header head = {
        .number = PX_held, .re = frame->head.id, .cause = frame->head.id};
    struct px_held held = {.buckets = compare.buckets};
    node->fleet->n.compared++;
    px_digest_init(&digest, px_digest_buckets(1));
    if (node->version > 0) {
        px_digest_add(&digest, &object);
    }
    if (compare.buckets == 0) {
        px_digest_write(&digest, &sums);
        held.buckets = digest.buckets;
        held.sums = cor_buf_as_view(&sums);
    } else if (node->version > 0 &&
               px_digest_is_wanted(compare.wanted, object.key, compare.buckets)) {
        held.objects.items = &object;
        held.objects.count = 1;
    }
    put(node, &head, &held);
}

/* ---- hearing: Coracle ---- */

static void hear_hello(struct node *node, const struct px_frame *frame)
{
    struct px_link_hello hello;
    if (px_frame_body(frame, NULL, &hello, NULL) == COR_OK &&
        px_end_hello(&node->end, &hello, NULL) == COR_OK) {
        become_up(node);
    }
}

static void hear_beat(struct node *node, const struct px_frame *frame)
{
    (void)frame;
    if (node->probing && node->asked.us != 0) {
        stats_add(&node->fleet->trips, cor_mono_since(cor_mono_now(), node->asked));
    }
    node->asked = (struct cor_mono){0};
}

static void hear_credit(struct node *node, const struct px_frame *frame)
{
    struct cor_wire_credit credit;
    if (px_frame_body(frame, NULL, &credit, NULL) == COR_OK) {
        px_end_credit(&node->end, credit.limit);
    }
}

static void took(struct node *node)
{
    uint64_t limit = 0;
    if (px_end_took(&node->end, &limit)) {
        struct cor_wire_header head = {.number = COR_WIRE_CREDIT};
        struct cor_wire_credit credit = {.limit = limit};
        put(node, &head, &credit);
    }
}

static const struct {
    uint64_t number;
    void (*fn)(struct node *node, const struct px_frame *frame);
} FRAMES[] = {
    {PX_link_hello, hear_hello}, {PX_link_heartbeat, hear_beat}, {COR_WIRE_CREDIT, hear_credit},
    {PX_object, hear_object},    {PX_compare, hear_compare},
};

static bool hear_frame(struct node *node, struct cor_view bytes)
{
    auto_(cor_buf_free) struct cor_buf kept = {0};
    struct px_frame frame;
    bool whole = false;
    if (px_lanes_hear(&node->lanes, bytes, &kept, &frame, &whole, NULL) != COR_OK) {
        return false;
    }
    if (!whole) {
        return true;
    }
    for (size_t i = 0; i < COR_COUNT(FRAMES); i++) {
        if (FRAMES[i].number == frame.head.number) {
            FRAMES[i].fn(node, &frame);
        }
    }
    if (node->conn != NULL && px_frame_is_counted(frame.message)) {
        took(node);
    }
    return true;
}

/* ---- hearing: KubeEdge ---- */

/* An EdgeCore answers everything that is no answer itself. */
static bool hear_text(struct node *node, struct cor_view text)
{
    auto_(px_kubeedge_in_free) struct px_kubeedge_in in = {0};
    if (px_kubeedge_read(text, &in, NULL) != COR_OK) {
        return false;
    }
    if (in.parent[0] != 0) {
        return true;
    }
    bool fresh = strcmp(in.resource, NODE_OBJECT_KEY) == 0 && keep(node, cor_view_of(in.version));
    struct px_kubeedge_out out = {.parent = in.id,
                                  .source = in.source,
                                  .group = "resource",
                                  .operation = "response",
                                  .resource = in.resource,
                                  .content = COR_VIEW("\"OK\"")};
    tell(node, &out);
    node->fleet->n.stored++;
    if (fresh && node->fleet->got != NULL) {
        node->fleet->got(node->fleet->self, node);
    }
    return true;
}

/* ---- the connection ---- */

static void on_opened(void *self)
{
    struct node *node = self;
    struct fleet *fleet = node->fleet;
    char name[16];
    node_name(node->number, name);
    struct wire_ask ask = {.host = "127.0.0.1",
                           .node = name,
                           .offer = node->kubeedge ? NULL : PX_LINK_SUBPROTOCOL ", coracle"};
    fleet->n.handshakes++;
    fleet->n.resumed += conn_resumed(node->conn);
    cor_buf_clear(&fleet->text);
    wire_request(&ask, &fleet->text);
    conn_write(node->conn, cor_buf_as_view(&fleet->text));
}

static void greet(struct node *node)
{
    struct cor_wire_header head = {.number = PX_link_hello};
    struct px_link_hello hello;
    px_end_begin(&node->end, &hello);
    hello.heartbeat_ms = BEAT_MS;
    put(node, &head, &hello);
}

static int upgrade(struct node *node, struct cor_view bytes)
{
    bool agreed = false;
    int used = wire_answer(bytes, PX_LINK_SUBPROTOCOL, &agreed);
    if (used <= 0 || agreed == node->kubeedge) {
        node->fleet->n.refused += used != 0;
        return used == 0 ? 0 : -1;
    }
    node->upgraded = true;
    if (node->kubeedge) {
        keepalive(node);
        become_up(node);
    } else {
        greet(node);
    }
    return used;
}

static bool hear(struct node *node, enum wire_opcode opcode, struct cor_view payload)
{
    switch (opcode) {
    case WIRE_BINARY:
        return !node->kubeedge && hear_frame(node, payload);
    case WIRE_TEXT:
        return node->kubeedge && hear_text(node, payload);
    case WIRE_PING:
        say(node, WIRE_PONG, payload);
        return true;
    case WIRE_PONG:
        return true;
    case WIRE_CLOSE:
        break;
    }
    return false;
}

static int on_data(void *self, struct cor_view bytes)
{
    struct node *node = self;
    size_t used = 0;
    int n = 1;
    while (node->conn != NULL && n > 0 && used < bytes.len) {
        struct cor_view rest = {bytes.ptr + used, bytes.len - used};
        enum wire_opcode opcode = WIRE_CLOSE;
        struct cor_view payload;
        n = node->upgraded ? wire_read(rest, &opcode, &payload) : upgrade(node, rest);
        if (n > 0 && node->upgraded && opcode != WIRE_CLOSE && !hear(node, opcode, payload)) {
            return -1;
        }
        used += n > 0 ? (size_t)n : 0;
    }
    return n < 0 ? -1 : (int)used;
}

/* What was good is most likely lost because the cloud's end restarts: soon, but not all at once. */
static int64_t next_delay(struct node *node)
{
    if (node->backoff.now_us == 0) {
        (void)cor_backoff_next(&node->backoff, 0);
        return (int64_t)(FIRST_US * random_number());
    }
    return cor_backoff_next(&node->backoff, random_number());
}

static void on_closed(void *self, const char *reason)
{
    struct node *node = self;
    struct fleet *fleet = node->fleet;
    (void)reason;
    node->conn = NULL;
    pass_the_turn(node);
    px_lanes_free(&node->lanes);
    if (node->up) {
        node->up = false;
        fleet->up--;
        fleet->n.losses++;
        cor_backoff_lost(&node->backoff, cor_mono_since(cor_loop_now(fleet->loop), node->since));
    }
    cor_timer_stop(node->timer);
    if (!node->held) {
        cor_timer_start(node->timer, next_delay(node));
    }
}

static const struct conn_events EVENTS = {
    .opened = on_opened, .data = on_data, .closed = on_closed};

static void begin_dial(struct node *node)
{
    struct fleet *fleet = node->fleet;
    struct conn_spec spec = {.loop = fleet->loop,
                             .tls = fleet->tls,
                             .who = node->who,
                             .from = FIRST_ADDRESS + node->number,
                             .to = HUB_ADDRESS,
                             .port = fleet->port,
                             .name = "127.0.0.1",
                             .events = &EVENTS,
                             .self = node};
    if (!is_its_turn(node)) {
        return;
    }
    node->upgraded = false;
    fleet->n.dials++;
    node->conn = conn_new(&spec);
    if (node->conn == NULL) {
        pass_the_turn(node);
    }
    cor_timer_start(node->timer, node->conn == NULL ? next_delay(node)
                                                    : DIAL_US[node->dials++ % COR_COUNT(DIAL_US)]);
}

static void on_timer(void *self)
{
    struct node *node = self;
    if (node->conn == NULL) {
        begin_dial(node);
    } else if (!node->up) {
        conn_close(node->conn, "takes too long");
    } else if (node->kubeedge) {
        keepalive(node);
    } else if (node->asked.us == 0) {
        node_beat(node);
    } else if (!node->probing) {
        conn_close(node->conn, "the cloud is silent");
    }
}

void node_begin(struct node *node, struct fleet *fleet, uint32_t number, struct conn_who *who)
{
    node->fleet = fleet;
    node->number = number;
    node->who = who;
    node->backoff = (struct cor_backoff){
        .first_us = FIRST_US, .last_us = LAST_US, .quick_us = QUICK_US, .quick_tries = QUICK_TRIES};
    node->timer = cor_timer_new(fleet->loop, on_timer, node);
    cor_list_init(&node->queue);
}

void node_end(struct node *node)
{
    node->held = true;
    if (node->conn != NULL) {
        conn_close(node->conn, "the swarm ends");
    }
    pass_the_turn(node);
    cor_timer_free(&node->timer);
    conn_who_free(&node->who);
}

void node_dial(struct node *node, int64_t after_us)
{
    node->held = false;
    cor_timer_start(node->timer, after_us);
}

void node_drop(struct node *node)
{
    if (node->conn != NULL) {
        node->held = true;
        conn_close(node->conn, "cut");
    }
}
