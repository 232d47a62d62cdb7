// SPDX-License-Identifier: Apache-2.0
// Private to devicetwin: the service's object and what its files do for each other.
#ifndef DT_DEVICETWIN_H
#define DT_DEVICETWIN_H

#include "common/base/map.h"
#include "common/base/text.h"
#include "common/bus/bus.h"
#include "common/clock/backoff.h"
#include "common/outbox/inbox.h"
#include "common/outbox/outbox.h"
#include "common/service/service.h"
#include "common/store/store.h"
#include "payload.h"
#include "proto/proto.h"
#include "topic.h"
#include "twin.h"

struct dt_cfg {
    struct cor_service_cfg common;
    char *database;
    char *node_name;
    int64_t queue_max, queue_bytes, queue_reserve, streams_max, answers_bytes, answers_each_s;
    struct cor_conf_strs queue_rules;
};

/* Number of the outbox, and of the inbox; v0.1.0 had the only stream under it. */
enum { DT_OUT_STREAM = 1 };

struct dt {
    struct cor_service *service;
    const struct dt_cfg *cfg;
    struct cor_store *store;
    struct cor_outbox *outbox; /* to the broker */
    struct cor_inbox *inbox;   /* messages of the broker */
    struct cor_policy policy;  /* of the outbox */
    struct cor_ledger *ledger;
    struct cor_ledger_counts changes; /* for the cloud: of this process' life, without stored */
    struct dt_tx *gathering;          /* owned; NULL: none */
    bool writing;                     /* a transaction is being written */
    struct dt_pace answers;           /* to all devices */
    bool stopping;                    /* none is begun any more */
    struct cor_port *bus, *meta, *hub;
    struct cor_map *devices; /* id -> struct dt_device, owned */
    struct cor_map *models;  /* "<ns>/<name>" -> struct cor_json of the DeviceModel, owned */
    struct cor_map *waiting; /* id -> struct cor_json of a Device whose model is not here, owned */
    struct cor_map *seen;    /* ids in the snapshot under way; values are not owned */
    struct cor_timer *retry; /* of reports */
    struct cor_timer *pace;  /* of reports that wait for their turn */
    struct cor_backoff backoff;
    bool snapshot_done;
    bool link_up;
    uint64_t updates, refused, reports, unsent, unanswered;
};

/* The service's spec, for cor_service_main. */
const struct cor_service_spec *dt_spec(void);

/* UTC in milliseconds. */
int64_t dt_now_ms(void);

/* ---- store.c: schema, statements, loading ------------------------------------------------------
 */

/* Statements of twin.db. */
enum dt_sql {
    DT_SQL_PUT_DEVICE,
    DT_SQL_DEL_DEVICE,
    DT_SQL_PUT_TWIN,
    DT_SQL_DEL_TWINS,
    DT_SQL_DEVICES,
    DT_SQL_TWINS,
    DT_SQL_OUTBOX,
    DT_SQL_INBOX = DT_SQL_OUTBOX + COR_OUTBOX_STATEMENTS
};

void dt_store_describe(struct cor_store_spec *spec);
size_t dt_store_outbox(void);
size_t dt_store_inbox(void);
enum cor_code dt_store_load(struct dt *dt, struct cor_err *err);

/* ---- tx.c: what follows from a message is committed together -----------------------------------
 *
 * A transaction gathers while the one before it is being written. So what arrived during an fsync
 * is one write, and a twin that has changed ten times in it is one row.
 */

struct dt_tx;

/* The transaction that gathers; the current cause is that of what is published from now on.
 * Borrowed: ends in dt_tx_commit, before another message is handled. */
struct dt_tx *dt_tx_begin(struct dt *dt);

/* The device's row, a twin's row is to be written as it is when the transaction is sealed; a device
 * is removed with its twins. */
void dt_tx_device(struct dt_tx *tx, const struct dt_device *device);
void dt_tx_twin(struct dt_tx *tx, const struct dt_device *device, const struct dt_twin *twin);
void dt_tx_remove(struct dt_tx *tx, const char *id);

/* Publishes payload (takes) on topic (takes) once it is committed. */
void dt_tx_publish(struct dt_tx *tx, char *topic, struct cor_json *payload);

/* Whether an update of a device is to be answered. False: too much waits for the broker already, or
 * more updates came in this second than are answered: count answers are dropped by policy. */
bool dt_tx_answers(struct dt_tx *tx, struct dt_device *device, unsigned count);

/* The message of eventbus that led to this: acknowledged once it is committed. */
void dt_tx_place(struct dt_tx *tx, uint64_t stream, uint64_t seq);

/* This message is done: the transaction is written now, or when the one before it is. If it cannot
 * be written the service ends: memory is ahead of the store. */
void dt_tx_commit(struct dt_tx *tx);

/* The service stops: what has gathered is written before the store is closed, and freed after. */
void dt_tx_stop(struct dt *dt);
void dt_tx_forget(struct dt *dt);

/* ---- who talks to us ----------------------------------------------------------------------------
 */

/* local.c: a message of the broker. */
enum cor_code dt_on_mqtt_in(void *self, struct cor_in *in, const void *body, struct cor_err *err);

/* local.c: applies a change, and publishes the document and the delta that follow from it. */
void dt_follow(struct dt *dt, struct dt_tx *tx, struct dt_device *device, struct dt_change *change,
               const char *event_id);

/* cloud.c: devices and models from metamanager, membership from the cloud. */
enum cor_code dt_on_object(void *self, struct cor_in *in, const void *body, struct cor_err *err);
enum cor_code dt_on_objects_done(void *self, struct cor_in *in, const void *body,
                                 struct cor_err *err);
enum cor_code dt_on_membership(void *self, struct cor_in *in, const void *body,
                               struct cor_err *err);
void dt_on_meta_up(void *self, struct cor_port *port);
void dt_drop_json(void *value);

/* report.c: books of what changes for the cloud: so many values changed; what is in the store at
 * the start; the device goes, with what the cloud has not confirmed; tells the row. */
void dt_changed(struct dt *dt, uint64_t count);
void dt_changes_load(struct dt *dt);
void dt_changes_drop(struct dt *dt, const struct dt_device *device);
void dt_changes_tell(const struct dt *dt, struct cor_ledger_writer *out);

/* report.c: tells the cloud what it has not confirmed. */
void dt_report_all(struct dt *dt);
void dt_report(struct dt *dt, struct dt_device *device);
enum cor_code dt_on_link(void *self, struct cor_in *in, const void *body, struct cor_err *err);
void dt_on_hub_up(void *self, struct cor_port *port);
void dt_on_hub_down(void *self, struct cor_port *port);
void dt_on_retry(void *self);

#endif
