// SPDX-License-Identifier: Apache-2.0
// To the broker: a publication is committed when the broker has acknowledged it. While the broker
// is away nothing is taken: the origins keep it.
#include "common/base/list.h"
#include "common/base/mem.h"
#include "eventbus.h"
#include "topic.h"

enum { PLACE_AGAIN_US = 500000 };

/* A publication the broker has not acknowledged. */
struct publication {
    struct cor_link link;
    enum eb_peer peer;
    int number;
    uint64_t stream; /* 0: not of a stream */
    uint64_t seq;
    struct cor_inbox_place place; /* of it in its stream */
    bool done;
    bool is_call; /* answered through ticket */
    struct cor_ticket ticket;
    char *key; /* of idempotency, owned; NULL: none */
};

/* An answer that waits until its key is stored. */
struct answer {
    struct eb *eb;
    struct cor_ticket ticket;
};

/* Places that are being stored. */
struct placing {
    struct eb *eb;
    size_t count;
    struct placed {
        enum eb_peer peer;
        uint64_t stream;
        struct cor_inbox_place place;
    } items[];
};

static enum eb_peer peer_of(const struct eb *eb, const struct cor_port *port)
{
    return port == eb->ports[EB_TWIN] ? EB_TWIN : EB_HUB;
}

uint64_t eb_committed(void *self, struct cor_port *port, const struct cor_wire_open *open)
{
    struct eb *eb = self;
    return cor_inbox_open(eb->inboxes[peer_of(eb, port)], open);
}

static void free_publication(struct publication *p)
{
    cor_list_del(&p->link);
    cor_free(p->key);
    cor_free(p);
}

void eb_publications_free(struct eb *eb)
{
    cor_timer_free(&eb->place_again);
    cor_freep(&eb->placing);
    COR_LIST_EACH (node, &eb->publishing) {
        free_publication(COR_LIST_OBJECT(node, struct publication, link));
    }
    COR_LIST_EACH (placed, &eb->published_list) {
        free_publication(COR_LIST_OBJECT(placed, struct publication, link));
    }
}

static enum cor_code run_places(struct cor_db *db, void *self, struct cor_err *err)
{
    const struct placing *placing = self;
    enum cor_code code = COR_OK;
    for (size_t i = 0; i < placing->count && code == COR_OK; i++) {
        const struct placed *placed = &placing->items[i];
        code = cor_inbox_run(placing->eb->inboxes[placed->peer], &placed->place, db, err);
    }
    return code;
}

static void place(struct eb *eb);
static void write_places(void *self);

/* Only now are they committed: what the origin counts as delivered is counted here as accepted. */
static void places_stored(void *self, enum cor_code code, const struct cor_err *err)
{
    struct placing *placing = self;
    struct eb *eb = placing->eb;
    if (eb->mqtt == NULL) {
        return; /* stopping */
    }
    if (code != COR_OK) {
        LOGE(eb->service->log, "bus.place-not-stored", "error=%s",
             cor_log_esc(cor_view_of(err->text)));
        cor_timer_start(eb->place_again, PLACE_AGAIN_US);
        return;
    }
    for (size_t i = 0; i < placing->count; i++) {
        const struct placed *placed = &placing->items[i];
        cor_inbox_done(&placed->place);
        cor_commit_lazily(eb->ports[placed->peer], placed->stream, placed->place.seq);
    }
    cor_freep(&eb->placing);
    place(eb);
}

static void write_places(void *self)
{
    struct eb *eb = self;
    struct cor_err err = COR_ERR_NONE;
    if (cor_store_write(eb->store, run_places, places_stored, eb->placing, &err) != COR_OK) {
        places_stored(eb->placing, err.code, &err);
    }
}

void eb_publications_new(struct eb *eb)
{
    cor_list_init(&eb->publishing);
    cor_list_init(&eb->published_list);
    eb->place_again = cor_timer_new(eb->service->loop, write_places, eb);
}

static void add_place(struct placing *placing, const struct publication *p)
{
    struct placed *last = placing->count == 0 ? NULL : &placing->items[placing->count - 1];
    struct cor_inbox_place now = p->place;
    if (last != NULL && last->peer == p->peer && last->stream == p->stream &&
        last->place.incarnation == now.incarnation) {
        now.count += last->place.count;
        last->place = now;
    } else {
        placing->items[placing->count++] = (struct placed){p->peer, p->stream, now};
    }
}

/* Stores the places of what was published, one write at a time. */
static void place(struct eb *eb)
{
    size_t count = 0;
    COR_LIST_EACH (counted, &eb->published_list) {
        count++;
    }
    if (eb->placing != NULL || count == 0) {
        return;
    }
    eb->placing = cor_alloc(sizeof(*eb->placing) + count * sizeof(eb->placing->items[0]));
    eb->placing->eb = eb;
    COR_LIST_EACH (node, &eb->published_list) {
        struct publication *p = COR_LIST_OBJECT(node, struct publication, link);
        add_place(eb->placing, p);
        free_publication(p);
    }
    write_places(eb);
}

static void answer(const struct cor_ticket *ticket)
{
    struct px_done done = {0};
    cor_ticket_reply(ticket, &done);
}

static void key_stored(void *self, enum cor_code code, const struct cor_err *err)
{
    struct answer *waiting = self;
    struct cor_ledger_counts *books = waiting->eb->published_books;
    if (waiting->eb->mqtt != NULL && code == COR_OK) {
        cor_ledger_accept(books, 1, &books->delivered);
        answer(&waiting->ticket);
    } else if (waiting->eb->mqtt != NULL) {
        cor_ledger_refuse(books, 1);
        cor_ticket_fail(&waiting->ticket, err);
    }
    cor_free(waiting);
}

static void settle_call(struct eb *eb, const struct publication *p)
{
    if (p->key == NULL) {
        cor_ledger_accept(eb->published_books, 1, &eb->published_books->delivered);
        answer(&p->ticket);
        return;
    }
    struct answer *waiting = cor_alloc(sizeof(*waiting));
    *waiting = (struct answer){eb, p->ticket};
    eb_store_key(eb, cor_view_of(p->key), key_stored, waiting);
}

/* Acknowledged publications are committed in the order in which they came. */
static void settle(struct eb *eb)
{
    while (!cor_list_empty(&eb->publishing)) {
        struct publication *p = COR_LIST_OBJECT(eb->publishing.next, struct publication, link);
        if (!p->done) {
            break;
        }
        eb->published++;
        if (p->is_call) {
            settle_call(eb, p);
        }
        if (p->stream == 0) {
            free_publication(p);
            continue;
        }
        cor_list_del(&p->link);
        cor_list_add(&eb->published_list, &p->link);
    }
    place(eb);
}

void eb_on_published(void *self, int number)
{
    struct eb *eb = self;
    COR_LIST_EACH (node, &eb->publishing) {
        struct publication *p = COR_LIST_OBJECT(node, struct publication, link);
        if (p->number == number && !p->done) {
            p->done = true;
            break;
        }
    }
    settle(eb);
}

enum cor_code eb_on_mqtt_out(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct eb *eb = self;
    const struct px_mqtt_out *out = body;
    struct cor_inbox *inbox = eb->inboxes[peer_of(eb, in->port)];
    if (in->head->stream != 0 && cor_inbox_is_taken(inbox, in->head->stream, in->head->seq)) {
        return COR_OK; /* the broker has it, or is being given it */
    }
    struct publication *p = cor_alloc(sizeof(*p));
    p->peer = peer_of(eb, in->port);
    p->stream = in->head->stream;
    p->seq = in->head->seq;
    cor_list_init(&p->link);
    cor_list_add(&eb->publishing, &p->link);
    auto_(cor_freep) char *topic = cor_view_dup(out->topic);
    enum cor_code code = COR_INVALID;
    if (eb_topic_is_name(out->topic)) {
        code = eb_mqtt_publish(eb->mqtt, topic, out->payload, out->retain, &p->number);
    }
    if (code == COR_GONE) {
        free_publication(p);
        return cor_err_set(err, COR_BUSY, "the broker is away");
    }
    if (p->stream != 0) {
        p->place = cor_inbox_place(inbox, p->stream, p->seq);
    }
    if (code != COR_OK) {
        p->done = true; /* it never can be published: refuse it once, do not stop the stream */
        settle(eb);
        return cor_err_set(err, code, "cannot publish on %s", cor_log_esc(out->topic));
    }
    return COR_OK;
}

static bool is_under_way(const struct eb *eb, struct cor_view key)
{
    COR_LIST_EACH (node, &eb->publishing) {
        const struct publication *p = COR_LIST_OBJECT(node, struct publication, link);
        if (p->key != NULL && cor_view_is(key, p->key)) {
            return true;
        }
    }
    return false;
}

enum cor_code eb_on_publish(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct eb *eb = self;
    const struct px_publish *m = body;
    bool has_key = m->idempotency.len > 0;
    int number = 0;
    if (!eb_topic_is_name(m->topic)) {
        cor_ledger_refuse(eb->published_books, 1);
        return cor_err_set(err, COR_INVALID, "not a topic: %s", cor_log_esc(m->topic));
    }
    if (has_key && is_under_way(eb, m->idempotency)) {
        eb->published_books->repeats++;
        return cor_err_set(err, COR_RETRY, "the same message is being published");
    }
    if (has_key && eb_store_has_key(eb, m->idempotency)) {
        struct px_done done = {0};
        eb->published_books->repeats++;
        cor_reply(in, &done);
        return COR_OK;
    }
    auto_(cor_freep) char *topic = cor_view_dup(m->topic);
    enum cor_code code = eb_mqtt_publish(eb->mqtt, topic, m->payload, false, &number);
    if (code != COR_OK) {
        cor_ledger_refuse(eb->published_books, 1);
        return cor_err_set(err, code == COR_GONE ? COR_RETRY : code, "the broker does not take it");
    }
    struct publication *p = cor_alloc(sizeof(*p));
    p->peer = peer_of(eb, in->port);
    p->number = number;
    p->is_call = true;
    p->ticket = cor_defer(in);
    p->key = has_key ? cor_view_dup(m->idempotency) : NULL;
    cor_list_init(&p->link);
    cor_list_add(&eb->publishing, &p->link);
    return COR_OK;
}

/* Ends what is stored and not among the wanted. */
static void end_others(struct eb *eb, const char *filter, void *self)
{
    const struct cor_map *wanted = self;
    if (cor_map_get(wanted, cor_view_of(filter)) == NULL) {
        eb_store_subscription(eb, cor_view_of(filter), true);
        (void)!eb_mqtt_subscribe(eb->mqtt, filter, true);
    }
}

enum cor_code eb_on_subscriptions(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err)
{
    (void)in;
    (void)err;
    struct eb *eb = self;
    const struct px_subscriptions *m = body;
    auto_(cor_map_free) struct cor_map *wanted = cor_map_new(NULL);
    for (size_t i = 0; i < m->topics.count; i++) {
        if (eb_topic_is_filter(m->topics.items[i])) {
            cor_map_set(wanted, m->topics.items[i], eb);
        } else {
            LOGW(eb->service->log, "mqtt.no-filter", "filter=%s", cor_log_esc(m->topics.items[i]));
        }
    }
    eb_store_subscriptions(eb, end_others, wanted);
    size_t at = 0;
    struct cor_view filter;
    while (cor_map_next(wanted, &at, &filter, NULL)) {
        auto_(cor_freep) char *text = cor_view_dup(filter);
        eb_store_subscription(eb, filter, false);
        (void)!eb_mqtt_subscribe(eb->mqtt, text, false); /* down: done when it comes back */
    }
    return COR_OK;
}

enum cor_code eb_on_subscribe(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    struct eb *eb = self;
    const struct px_mqtt_subscribe *sub = body;
    if (!eb_topic_is_filter(sub->topic)) {
        return cor_err_set(err, COR_INVALID, "not a topic filter: %s", cor_log_esc(sub->topic));
    }
    auto_(cor_freep) char *filter = cor_view_dup(sub->topic);
    eb_store_subscription(eb, sub->topic, sub->off);
    (void)!eb_mqtt_subscribe(eb->mqtt, filter, sub->off); /* down: done when it comes back */
    return COR_OK;
}

static void subscribe(struct eb *eb, const char *filter, void *self)
{
    (void)self;
    if (eb_mqtt_subscribe(eb->mqtt, filter, false) != COR_OK) {
        LOGW(eb->service->log, "mqtt.not-subscribed", "filter=%s", filter);
    }
}

/* Streams were held in front of what could not be published: their origins send it again. */
static void release(struct eb *eb)
{
    for (unsigned i = 0; i < EB_PEERS; i++) {
        cor_hold_none(eb->ports[i]);
    }
}

void eb_on_connected(void *self)
{
    struct eb *eb = self;
    eb_in_begin(eb);
    for (size_t i = 0; i < EB_TOPIC_COUNT; i++) {
        subscribe(eb, EB_TOPICS[i], NULL);
    }
    eb_store_subscriptions(eb, subscribe, NULL);
    release(eb);
}
