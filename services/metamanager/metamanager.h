// SPDX-License-Identifier: Apache-2.0
// Private to metamanager: the service's object and what its files do for each other.
#ifndef META_METAMANAGER_H
#define META_METAMANAGER_H

#include <stdbool.h>

#include "common/bus/bus.h"
#include "common/json/json.h"
#include "common/ledger/ledger.h"
#include "common/service/service.h"
#include "common/store/store.h"
#include "proto/proto.h"

struct meta_cfg {
    struct cor_service_cfg common;
    char *database;
};

/* Who is told about an object of a type. */
enum meta_reader { META_EDGED, META_TWIN, META_READERS };

/* The first sending of all objects to a reader in a session: goes on where credit ended. */
struct meta_snapshot {
    struct meta *meta;
    struct cor_port *port;
    char *after; /* last key sent, owned; NULL: not under way */
    uint64_t count;
};

/* Types of objects that have readers; others are counted together. */
enum { META_TYPES = 6 };

/* What became of objects that came down, and of questions. The accounts are the ledger's. */
struct meta_books {
    struct cor_ledger *ledger; /* owned */
    struct cor_ledger_counts *objects[META_TYPES + 1];
    struct cor_ledger_counts *local, *cloud; /* answered from the store, by the cloud */
};

struct meta {
    struct cor_service *service;
    const struct meta_cfg *cfg;
    struct cor_store *store;
    struct cor_port *hub;
    struct cor_port *readers[META_READERS];
    struct meta_snapshot snapshots[META_READERS];
    struct px_link link; /* views into link_node, link_address */
    char *link_node;     /* owned */
    char *link_address;  /* owned */
    uint64_t stored, skipped, remote_calls, local_answers;
    struct meta_books books;
};

/* The service's spec, for cor_service_main. */
const struct cor_service_spec *meta_spec(void);

/* objects.c: SQL statements and schema of meta.db. */
void meta_objects_describe(struct cor_store_spec *spec);

/* A row of meta.db. Views are valid until the next row or reset. */
struct meta_row {
    struct cor_view key, uid, version, source, body;
    bool gone;
    uint64_t content; /* as in OBJECT */
};

/* objects.c: the object under key. False: none, or deleted. Views valid until meta_row_end. */
bool meta_row_get(struct meta *meta, struct cor_view key, struct meta_row *row_r);

/* objects.c: the next object with a key behind after and a type that reader is told about, for
 * snapshots. */
bool meta_row_next(struct meta *meta, struct cor_view after, enum meta_reader reader,
                   struct meta_row *row_r);

/* objects.c: ends meta_row_get and meta_row_next. */
void meta_row_end(struct meta *meta);

/* objects.c: appends {"items":[...]} of all objects of a type in ns (empty: all). Returns how many.
 */
uint64_t meta_rows_list(struct meta *meta, struct cor_view ns, struct cor_view type,
                        struct cor_buf *out);

/* objects.c: objects of the types that the cloud sends and readers have; calls fn with each (views
 * valid during the call). */
uint64_t meta_held_count(struct meta *meta);
void meta_held_each(struct meta *meta, void (*fn)(void *self, const struct px_held_object *object),
                    void *self);

/* objects.c: stores what a message says, if it is news; done tells on the loop, news_r says what it
 * was. object is copied. */
struct meta_put;
typedef void (*meta_put_fn)(struct meta *meta, const struct meta_put *put, enum cor_code code,
                            const struct cor_err *err);
struct meta_put {
    struct meta *meta;
    meta_put_fn done;
    struct px_object object;  /* views into bytes */
    struct cor_buf bytes;     /* owned */
    uint64_t id;              /* of the message, for the ack and as cause */
    int news;                 /* enum meta_news */
    struct cor_ticket ticket; /* a caller that waits for it; port NULL: none */
};
enum cor_code meta_put(struct meta *meta, const struct px_object *object, uint64_t id,
                       const struct cor_ticket *ticket, meta_put_fn done, struct cor_err *err);

/* objects.c: a cached token. False: none. Views valid until meta_row_end. */
bool meta_token_get(struct meta *meta, struct cor_view name, struct cor_view *body_r,
                    struct cor_wall *issued_r);

/* objects.c: keeps a token; done(self) tells the end. */
enum cor_code meta_token_put(struct meta *meta, struct cor_view name, struct cor_view body,
                             cor_store_done_fn done, void *self, struct cor_err *err);

/* down.c: which readers are told about a type: bits 1 << enum meta_reader. */
unsigned meta_readers_of(struct cor_view type);

/* down.c: opens the books, with the ctl verb; closes them. */
void meta_books_open(struct meta *meta);
void meta_books_close(struct meta *meta);

/* down.c: handlers of hub-meta. */
const struct cor_port_ops *meta_hub_ops(void);

/* compare.c: handler of COMPARE. */
enum cor_code meta_on_compare(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* down.c: passes an object on to its readers. */
void meta_pass_on(struct meta *meta, const struct px_object *object);

/* snapshot.c: starts or goes on sending everything to a reader. */
void meta_snapshot_start(struct meta_snapshot *snapshot);
void meta_snapshot_go_on(struct meta_snapshot *snapshot);
void meta_snapshot_stop(struct meta_snapshot *snapshot);

/* ask.c: handler of API_CALL from edged. */
enum cor_code meta_on_api_call(void *self, struct cor_in *in, const void *body,
                               struct cor_err *err);

#endif
