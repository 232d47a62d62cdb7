// SPDX-License-Identifier: Apache-2.0
// Private to eventbus: the service's object and what its files do for each other.
#ifndef EB_EVENTBUS_H
#define EB_EVENTBUS_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/bus/bus.h"
#include "common/clock/backoff.h"
#include "common/outbox/inbox.h"
#include "common/outbox/outbox.h"
#include "common/service/service.h"
#include "common/store/store.h"
#include "mqtt.h"
#include "proto/proto.h"
#include "recent.h"

struct eb_cfg {
    struct cor_service_cfg common;
    char *database;
    char *broker;
    char *client_id;
    char *username;
    char *password_file;
    int64_t keepalive;
    int64_t queue_max, queue_bytes, queue_reserve, streams_max;
    struct cor_conf_strs queue_rules;
};

/* Where events go, and where publications come from. */
enum eb_peer { EB_TWIN, EB_HUB, EB_PEERS };

struct eb {
    struct cor_service *service;
    const struct eb_cfg *cfg;
    struct cor_store *store;
    struct eb_mqtt *mqtt;
    struct cor_port *ports[EB_PEERS];
    struct cor_outbox *outboxes[EB_PEERS];
    struct cor_inbox *inboxes[EB_PEERS]; /* publications */
    struct cor_policy policy;            /* of the outboxes */
    struct cor_ledger *ledger;
    struct cor_link publishing;     /* struct publication, in order */
    struct cor_link published_list; /* struct publication whose place is to be stored */
    struct eb_recent recent;        /* messages that the broker may send again */
    struct eb_batch *batch;         /* of messages of the broker */
    struct cor_map *refusals;       /* stream -> when its refusal was told, owned */
    struct placing *placing;        /* places of publications that are being written, owned */
    struct cor_timer *place_again;
    struct cor_ledger_counts *published_books; /* of calls; the ledger's */
    uint64_t received, again, dropped, unfit, published;
    uint64_t
        broker_dropped; /* publications, by the broker, of any client; broker_said: its number */
    uint64_t broker_said;
};

/* The service's spec, for cor_service_main. */
const struct cor_service_spec *eb_spec(void);

/* store.c: schema and statements of bus.db. */
void eb_store_describe(struct cor_store_spec *spec);
size_t eb_store_outbox(void);
size_t eb_store_inbox(void);

/* store.c: idempotency keys of publications: whether one was published lately; remembers one, then
 * calls done. */
bool eb_store_has_key(struct eb *eb, struct cor_view key);
void eb_store_key(struct eb *eb, struct cor_view key, cor_store_done_fn done, void *self);

/* store.c: adds or removes a subscription asked for by the cloud; calls fn for each stored one. */
void eb_store_subscription(struct eb *eb, struct cor_view filter, bool off);
void eb_store_subscriptions(struct eb *eb,
                            void (*fn)(struct eb *eb, const char *filter, void *self), void *self);

/* store.c: what may come again, after a restart; in a write: adds data, which ends at place end,
 * and forgets what the broker is known to have had. */
void eb_store_recents(struct eb *eb);
COR_NODISCARD enum cor_code eb_store_recent(struct cor_db *db, struct cor_view data, uint64_t end,
                                            uint64_t confirmed, struct cor_err *err);

/* in.c: messages of the broker. */
void eb_in_new(struct eb *eb);
void eb_in_free(struct eb *eb);
void eb_in_begin(struct eb *eb); /* a connection begins */
void eb_on_message(void *self, const struct eb_mqtt_message *message);
void eb_on_batch(void *self);
void eb_on_marked(void *self, int number);

/* out.c: publications. */
enum cor_code eb_on_mqtt_out(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code eb_on_subscribe(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code eb_on_publish(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code eb_on_subscriptions(void *self, struct cor_in *in, const void *body,
                                  struct cor_err *err);
uint64_t eb_committed(void *self, struct cor_port *port, const struct cor_wire_open *open);
void eb_on_connected(void *self);
void eb_on_published(void *self, int number);
void eb_publications_new(struct eb *eb);
void eb_publications_free(struct eb *eb);

#endif
