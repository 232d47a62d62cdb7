// SPDX-License-Identifier: Apache-2.0
// From the cloud: desired objects are stored, then passed on and acknowledged; never the other way.
#include <string.h>

#include "common/base/mem.h"
#include "decide.h"
#include "metamanager.h"

static const struct {
    const char *type;
    unsigned readers;
} TYPES[META_TYPES] = {
    {"pod", 1u << META_EDGED},  {"configmap", 1u << META_EDGED}, {"secret", 1u << META_EDGED},
    {"node", 1u << META_EDGED}, {"device", 1u << META_TWIN},     {"devicemodel", 1u << META_TWIN},
};

/* META_TYPES: one that nobody here reads. */
static size_t type_of(struct cor_view type)
{
    for (size_t i = 0; i < META_TYPES; i++) {
        if (cor_view_is(type, TYPES[i].type)) {
            return i;
        }
    }
    return META_TYPES;
}

unsigned meta_readers_of(struct cor_view type)
{
    size_t i = type_of(type);
    return i < META_TYPES ? TYPES[i].readers : 0;
}

/* ---- books ---- */

void meta_books_open(struct meta *meta)
{
    struct cor_ledger *ledger = cor_ledger_new(meta->service->bus, "metamanager");
    for (size_t i = 0; i <= META_TYPES; i++) {
        meta->books.objects[i] =
            cor_ledger_account(ledger, "objects", COR_LEDGER_SINK,
                               i < META_TYPES ? cor_view_of(TYPES[i].type) : COR_VIEW("others"));
    }
    meta->books.local = cor_ledger_account(ledger, "calls", COR_LEDGER_SINK, COR_VIEW("store"));
    meta->books.cloud = cor_ledger_account(ledger, "calls", COR_LEDGER_HOP, COR_VIEW("cloud"));
    meta->books.ledger = ledger;
}

void meta_books_close(struct meta *meta)
{
    cor_ledger_free(&meta->books.ledger);
}

static struct cor_ledger_counts *books_of(const struct meta *meta, struct cor_view key)
{
    struct px_key parts = {0};
    return meta->books.objects[px_key_parse(key, &parts) ? type_of(parts.type) : META_TYPES];
}

/* What is older than the stored one was superseded before it came; the same again is no more than
 * a repeat of what was counted. */
static void count_stored(struct cor_ledger_counts *books, int news)
{
    if (news == META_NEWS) {
        cor_ledger_accept(books, 1, &books->delivered);
    } else if (news == META_OLDER) {
        cor_ledger_accept(books, 1, &books->superseded);
    } else {
        books->duplicates++;
    }
}

void meta_pass_on(struct meta *meta, const struct px_object *object)
{
    struct px_key key;
    if (!px_key_parse(object->key, &key)) {
        return;
    }
    unsigned readers = meta_readers_of(key.type);
    for (unsigned i = 0; i < META_READERS; i++) {
        if ((readers & (1u << i)) == 0 || !cor_port_is_up(meta->readers[i])) {
            continue;
        }
        enum cor_code code = cor_send(meta->readers[i], PX_object, object);
        meta->books.objects[type_of(key.type)]->passed += code == COR_OK;
        if (code == COR_BUSY) {
            /* More keys wait than may: send everything again when there is room. */
            meta_snapshot_start(&meta->snapshots[i]);
        }
    }
}

static void acknowledge(struct meta *meta, const struct meta_put *put, const struct cor_err *err)
{
    struct px_object_stored stored = {
        .key = put->object.key,
        .uid = put->object.uid,
        .version = put->object.version,
        .id = put->id,
        .error = err == NULL ? (struct cor_view){0} : cor_view_of(err->text),
    };
    if (cor_send(meta->hub, PX_object_stored, &stored) != COR_OK) {
        LOGD(meta->service->log, "meta.ack-lost", "key=%s", cor_log_esc(put->object.key));
    }
}

static void on_stored(struct meta *meta, const struct meta_put *put, enum cor_code code,
                      const struct cor_err *err)
{
    if (code != COR_OK) {
        LOGE(meta->service->log, "meta.not-stored", "key=%s error=%s", cor_log_esc(put->object.key),
             cor_log_esc(cor_view_of(err->text)));
        cor_ledger_refuse(books_of(meta, put->object.key), 1);
        acknowledge(meta, put, err);
        return;
    }
    count_stored(books_of(meta, put->object.key), put->news);
    acknowledge(meta, put, NULL);
    if (put->news == META_NEWS) {
        meta->stored++;
        meta_pass_on(meta, &put->object);
    } else {
        meta->skipped++;
    }
}

static enum cor_code on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    struct meta *meta = self;
    const struct px_object *object = body;
    struct px_key key;
    struct cor_ledger_counts *books = books_of(meta, object->key);
    books->received++;
    if (!px_key_parse(object->key, &key) || key.name.len == 0) {
        cor_ledger_refuse(books, 1);
        return cor_err_set(err, COR_INVALID, "object key %s", cor_log_esc(object->key));
    }
    if (!object->gone && object->body.len == 0) {
        cor_ledger_refuse(books, 1);
        return cor_err_set(err, COR_INVALID, "object %s without a body", cor_log_esc(object->key));
    }
    enum cor_code code = meta_put(meta, object, in->head->id, NULL, on_stored, err);
    if (code != COR_OK) {
        cor_ledger_refuse(books, 1);
    }
    return code;
}

static void tell_link(struct meta *meta, struct cor_port *port)
{
    if (meta->link_node != NULL && cor_send(port, PX_link, &meta->link) == COR_BUSY) {
        LOGW(meta->service->log, "meta.link-not-told", "reason=busy");
    }
}

static void set_link(struct meta *meta, const struct px_link *link)
{
    auto_(cor_freep) char *node = cor_view_dup(link->node);
    auto_(cor_freep) char *address = cor_view_dup(link->address);
    cor_free(meta->link_node);
    cor_free(meta->link_address);
    meta->link = *link;
    meta->link_node = take(&node);
    meta->link_address = take(&address);
    meta->link.node = cor_view_of(meta->link_node);
    meta->link.address = cor_view_of(meta->link_address);
    for (unsigned i = 0; i < META_READERS; i++) {
        if (cor_port_is_up(meta->readers[i])) {
            tell_link(meta, meta->readers[i]);
        }
    }
}

static enum cor_code on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err)
{
    (void)in;
    (void)err;
    set_link(self, body);
    return COR_OK;
}

/* Without edgehub there is no cloud. */
static void on_hub_down(void *self, struct cor_port *port)
{
    (void)port;
    struct meta *meta = self;
    if (meta->link.up) {
        struct px_link link = meta->link;
        link.up = false;
        set_link(meta, &link);
    }
}

const struct cor_port_ops *meta_hub_ops(void)
{
    static const struct cor_handler HANDLERS[] = {
        {PX_object, on_object}, {PX_link, on_link}, {PX_compare, meta_on_compare}};
    static const struct cor_port_ops OPS = {
        .down = on_hub_down, .handlers = HANDLERS, .handler_count = COR_COUNT(HANDLERS)};
    return &OPS;
}
