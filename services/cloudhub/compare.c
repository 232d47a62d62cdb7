// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include "common/base/mem.h"
#include "coracle.h"
#include "proto/link/digest.h"

/* For how long objects wait for a comparison; memory for a list of what a node has. */
enum { HOLD_US = 5 * 1000 * 1000, ARENA_BYTES = 12 * 1024 * 1024 };

struct compare {
    struct session *session;
    bool holds;
    bool synced;   /* the outbox has all that the node shall have */
    bool has_sums; /* the node has said its own */
    uint64_t id;   /* of the COMPARE that is not answered; 0: none */
    struct cor_mono since;
    struct px_digest sums; /* the node's */
};

struct compare *compare_new(struct session *session)
{
    struct compare *compare = cor_alloc(sizeof(*compare));
    compare->session = session;
    return compare;
}

void compare_free(struct compare **compare)
{
    if (*compare != NULL) {
        px_digest_free(&(*compare)->sums);
        cor_freep(compare);
    }
}

static void let_go(struct compare *compare)
{
    compare->holds = false;
    compare->id = 0;
    compare->has_sums = false;
    px_digest_free(&compare->sums);
    session_pump(compare->session);
}

static void ask(struct compare *compare, const struct px_compare *body)
{
    struct session *session = compare->session;
    compare->id = cor_bus_next_id(session->hub->service->bus);
    struct cor_wire_header head = {
        .number = PX_compare, .id = compare->id, .cause = compare->id, .within_ms = HOLD_US / 1000};
    if (coracle_put(session->coracle, &head, body) != COR_OK) {
        let_go(compare);
    }
}

void compare_begin(struct compare *compare)
{
    struct session *session = compare->session;
    struct px_compare sums = {0};
    compare->synced = false;
    if (coracle_minor(session->coracle) == 0 || cor_port_peer_minor(session->hub->port) == 0) {
        return; /* of v0.1.0, or not there: when it comes */
    }
    compare->holds = true;
    compare->since = cor_loop_now(session->hub->service->loop);
    compare->has_sums = false;
    px_digest_free(&compare->sums);
    ask(compare, &sums);
}

/* ---- what differs ---- */

static void count_in(void *self, const struct outbox_item *item)
{
    struct px_held_object object = {
        .key = cor_view_of(item->key), .uid = cor_view_of(item->uid), .content = item->content};
    px_digest_add(self, &object);
}

struct pick {
    struct cor_view bits;
    size_t buckets;
};

static bool is_same(void *self, const struct outbox_item *item)
{
    const struct pick *pick = self;
    return !px_digest_is_wanted(pick->bits, cor_view_of(item->key), pick->buckets);
}

/* What is in buckets that are the same the node has; it is asked about the others. */
static void compare_sums(struct compare *compare)
{
    struct session *session = compare->session;
    auto_(px_digest_free) struct px_digest ours = {0};
    auto_(cor_buf_free) struct cor_buf bits = {0};
    px_digest_init(&ours, compare->sums.buckets);
    outbox_each(session->outbox, count_in, &ours);
    size_t count = px_digest_differ(&ours, &compare->sums, &bits);
    struct pick pick = {cor_buf_as_view(&bits), ours.buckets};
    size_t had = outbox_has(session->outbox, is_same, &pick);
    LOGD(session->hub->service->log, "hub.compared", "node=%s had=%zu buckets=%zu differ=%zu",
         session->node, had, ours.buckets, count);
    session->hub->stats.held += had;
    if (count == 0) {
        let_go(compare);
        return;
    }
    struct px_compare wanted = {.buckets = ours.buckets, .wanted = pick.bits};
    ask(compare, &wanted);
}

static bool is_that(void *self, const struct outbox_item *item)
{
    const struct px_held_object *object = self;
    return cor_view_is(object->key, item->key) && cor_view_is(object->uid, item->uid) &&
           object->content == item->content;
}

static void tell_surplus(struct session *session, const struct px_held_object *object)
{
    struct px_key key;
    if (!px_key_parse(object->key, &key) || cor_view_is(key.type, "node")) {
        return; /* a Node that is deleted ends the link */
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/%.*s", session->node, COR_VIEW_ARG(object->key));
    struct px_node_surplus surplus = {.path = cor_view_of(path),
                                      .node = cor_view_of(session->node),
                                      .key = object->key,
                                      .uid = object->uid};
    (void)!cor_send(session->hub->port, PX_node_surplus, &surplus); /* with the next comparison */
}

static void compare_objects(struct compare *compare, const struct px_held *held)
{
    struct session *session = compare->session;
    const struct px_held_object *objects = held->objects.items;
    for (size_t i = 0; i < held->objects.count; i++) {
        struct px_held_object object = objects[i];
        if (outbox_find(session->outbox, object.key) == NULL) {
            tell_surplus(session, &object);
        } else {
            session->hub->stats.held +=
                outbox_has_one(session->outbox, object.key, is_that, &object);
        }
    }
    let_go(compare);
}

/* ---- both sides ---- */

void compare_synced(struct compare *compare)
{
    compare->synced = true;
    if (compare->has_sums) { /* it holds then */
        compare_sums(compare);
    }
}

enum cor_code compare_held(struct compare *compare, const struct px_frame *frame,
                           struct cor_err *err)
{
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA_BYTES);
    struct px_held held;
    enum cor_code code = px_frame_body(frame, arena, &held, err);
    if (code != COR_OK || frame->head.re != compare->id || !compare->holds) {
        return code; /* too late */
    }
    compare->id = 0;
    if (held.buckets == 0) {
        let_go(compare); /* it cannot say */
    } else if (compare->has_sums) {
        compare_objects(compare, &held);
    } else if ((code = px_digest_read(&held, &compare->sums, err)) == COR_OK) {
        compare->has_sums = true;
        if (compare->synced) {
            compare_sums(compare);
        }
    }
    return code;
}

bool compare_holds(const struct compare *compare)
{
    return compare != NULL && compare->holds;
}

int64_t compare_wait(const struct compare *compare, struct cor_mono now)
{
    if (!compare_holds(compare)) {
        return -1;
    }
    int64_t left = HOLD_US - cor_mono_since(now, compare->since);
    return left > 0 ? left : 0;
}

void compare_tick(struct compare *compare, struct cor_mono now)
{
    if (compare_wait(compare, now) == 0) {
        LOGI(compare->session->hub->service->log, "hub.not-compared", "node=%s synced=%d sums=%d",
             compare->session->node, compare->synced, compare->has_sums);
        let_go(compare);
    }
}
