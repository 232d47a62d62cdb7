// SPDX-License-Identifier: Apache-2.0
// What the files of this room share.
#ifndef COR_OUTBOX_PRIVATE_H
#define COR_OUTBOX_PRIVATE_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/outbox/delays.h"
#include "common/outbox/outbox.h"

/* Statements of COR_OUTBOX_SQL. */
enum outbox_sql {
    INSERT,
    PUT_STREAM,
    NEXT,
    FORGET,
    SET_ACKED,
    OLDEST,
    DROP,
    SET_DROPPED,
    STREAMS,
    SET_CLOCK,
    GET_CLOCK,
    LAST_ID,
    COUNT
};

/* What may be under way: a relay keeps nothing, so the origin bounds it. */
enum { WINDOW_ALL = 2048, WINDOW_STREAM = 1024, WINDOW_BYTES = 2 << 20 };

struct stream {
    struct cor_outbox *outbox;
    struct cor_link ready;     /* in outbox->ready[] when it may have something to send */
    struct cor_link acking;    /* in outbox->acking when an ack is to be stored */
    struct cor_origin *origin; /* NULL: not opened in this session */
    struct cor_link flights;   /* struct flight, in order */
    const struct cor_policy_rule *rule;
    char *name; /* owned */
    uint64_t id, incarnation;
    uint64_t assigned; /* last sequence that was given out */
    uint64_t high;     /* last one known to be in the store */
    uint64_t acked;    /* last one that the sink has committed */
    uint64_t touched;  /* the sink may have had up to here: never dropped */
    uint64_t adding;   /* bytes on their way to the store */
    uint64_t bytes_in; /* accepted in this process */
    size_t flight_count;
    unsigned fences; /* drops under way: nothing is sent meanwhile */
    bool caught_up;  /* all that is stored has been sent */
    uint64_t rows, bytes;
    struct cor_ledger_counts n; /* as stored; n.stored is rows */
};

/* A message that the sink has not acknowledged in this session. */
struct flight {
    struct cor_link link;   /* in its stream's flights */
    struct cor_link merged; /* in outbox->merged_flights, or in none */
    struct stream *stream;
    uint64_t seq;
    uint64_t merged_seq;
    size_t len;
    struct cor_mono came; /* to the batch; 0: it was read from the store */
};

struct cor_outbox {
    struct cor_outbox_spec spec;
    struct cor_port *port;   /* NULL: down */
    struct cor_map *streams; /* name -> struct stream, owned */
    struct cor_link ready[COR_PRIORITIES];
    struct cor_link acking;
    struct cor_timer *ack_timer, *age_timer;
    bool ack_writing, pumping, told_full, disk_low;
    struct cor_mono began, disk_looked;
    int64_t seconds; /* seen before this process began */
    int64_t seconds_stored;
    uint64_t last_id;
    size_t flight_count, flight_bytes;
    struct cor_delays delays;
    uint64_t rows, bytes;      /* stored and on their way */
    struct cor_origin *merged; /* for a peer of minor 0; kept over sessions */
    uint64_t merged_incarnation, merged_last;
    uint64_t merged_acked;
    struct cor_link merged_flights; /* struct flight, by merged_seq */
};

/* outbox.c */
struct cor_stmt *ob_use(struct cor_db *db, const struct cor_outbox *outbox, enum outbox_sql which);
void ob_name(struct stream *stream); /* gives it number and incarnation */
struct stream *ob_stream(struct cor_outbox *outbox, struct cor_view name); /* finds or makes */
int64_t ob_seconds(const struct cor_outbox *outbox); /* seen by all processes up to now */
enum cor_code ob_put_clock(struct cor_db *db, const struct cor_outbox *outbox, int64_t seconds,
                           struct cor_err *err);
void ob_maybe_room(struct cor_outbox *outbox);

/* send.c */
void ob_ready(struct stream *stream); /* it may have something to send */
void ob_pump(struct cor_outbox *outbox);
/* In its place; came: to the batch, 0: before that was known. */
bool ob_send(struct stream *stream, const struct cor_event *event, struct cor_mono came);
bool ob_may_send(const struct stream *stream);
void ob_open(struct stream *stream);
void ob_acked(struct stream *stream, uint64_t seq);
void ob_land(struct flight *flight); /* forgets a flight */

/* merged.c: all streams as one, for a peer of minor 0. */
void ob_merged_up(struct cor_outbox *outbox);
void ob_merged_end(struct cor_outbox *outbox);
uint64_t ob_merged_next(const struct cor_outbox *outbox);
enum cor_code ob_merged_send(struct stream *stream, const struct cor_event *event,
                             uint64_t *merged_r);

/* forget.c: what leaves the store. */
void ob_store_ack(struct stream *stream);
void ob_on_ack_timer(void *self);
void ob_on_age_timer(void *self);
void ob_watch_age(struct cor_outbox *outbox);

/* In a write: removes the oldest messages behind after, until bytes are free (0: none) or the next
 * one was born later than born (-1: does not count). Nothing else may be at the stream meanwhile.
 */
struct ob_dropped {
    uint64_t rows, bytes;
};
enum cor_code ob_drop(struct cor_db *db, const struct cor_outbox *outbox, uint64_t id,
                      uint64_t after, uint64_t bytes, int64_t born, struct ob_dropped *dropped_r,
                      struct cor_err *err);

#endif
