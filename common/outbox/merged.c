// SPDX-License-Identifier: Apache-2.0
// A peer of minor 0 (v0.1.0) knows one stream an outbox: all streams go into it, renumbered under
// an incarnation of this process. It is kept over sessions, so that only our own restart can make
// such a peer take a message twice.
#include <inttypes.h>

#include "common/base/mem.h"
#include "private.h"

uint64_t ob_merged_next(const struct cor_outbox *outbox)
{
    uint64_t next = cor_origin_next(outbox->merged);
    return next == outbox->merged_last + 1 ? next : 0; /* what was sent goes first, again */
}

enum cor_code ob_merged_send(struct stream *stream, const struct cor_event *event,
                             uint64_t *merged_r)
{
    struct cor_outbox *outbox = stream->outbox;
    struct cor_event merged = *event;
    if (ob_merged_next(outbox) == 0) {
        return COR_GONE;
    }
    merged.seq = outbox->merged_last + 1;
    merged.skip = 0;
    enum cor_code code = cor_origin_send(outbox->merged, &merged);
    if (code == COR_OK) {
        outbox->merged_last = merged.seq;
        *merged_r = merged.seq;
    }
    return code;
}

/* Sends a flight again. False: not now. */
static bool again(struct flight *flight)
{
    struct cor_outbox *outbox = flight->stream->outbox;
    struct cor_stmt *stmt = ob_use(cor_store_reader(outbox->spec.store), outbox, NEXT);
    bool found = false;
    cor_stmt_bind(stmt, 1, COR_INT((int64_t)flight->stream->id));
    cor_stmt_bind(stmt, 2, COR_INT((int64_t)flight->seq - 1));
    cor_stmt_bind(stmt, 3, COR_INT(1));
    if (cor_stmt_next(stmt, &found, NULL) != COR_OK || !found) {
        LOGE(outbox->spec.log, "outbox.not-there", "stream=%s seq=%" PRIu64,
             cor_log_esc(cor_view_of(flight->stream->name)), flight->seq);
        return false;
    }
    struct cor_event event = {.seq = flight->merged_seq,
                              .cause = (uint64_t)cor_stmt_i64(stmt, 1),
                              .number = (uint16_t)cor_stmt_i64(stmt, 2),
                              .raw = cor_stmt_bytes(stmt, 3)};
    bool sent = cor_origin_send(outbox->merged, &event) == COR_OK;
    cor_stmt_reset(stmt);
    return sent;
}

static void on_resume(void *self, uint64_t after)
{
    struct cor_outbox *outbox = self;
    size_t at = 0;
    void *value = NULL;
    COR_LIST_EACH (node, &outbox->merged_flights) {
        struct flight *flight = COR_LIST_OBJECT(node, struct flight, merged);
        if (flight->merged_seq > after && !again(flight)) {
            return;
        }
    }
    while (cor_map_next(outbox->streams, &at, NULL, &value)) {
        ob_ready(value);
    }
    ob_pump(outbox);
}

static void on_acked(void *self, uint64_t merged_seq)
{
    struct cor_outbox *outbox = self;
    outbox->merged_acked = merged_seq;
    while (!cor_list_empty(&outbox->merged_flights)) {
        struct flight *flight = COR_LIST_OBJECT(outbox->merged_flights.next, struct flight, merged);
        if (flight->merged_seq > merged_seq) {
            break;
        }
        ob_acked(flight->stream, flight->seq); /* lands it */
    }
    ob_pump(outbox);
}

void ob_merged_up(struct cor_outbox *outbox)
{
    static const struct cor_origin_ops OPS = {on_resume, on_acked};
    if (outbox->merged != NULL) {
        return; /* the port opens it again by itself */
    }
    struct cor_origin_spec spec = {.stream = outbox->spec.number,
                                   .incarnation = outbox->merged_incarnation,
                                   .last = outbox->merged_last,
                                   .acked = outbox->merged_acked};
    outbox->merged = cor_origin_new(outbox->port, &spec, &OPS, outbox);
}

void ob_merged_end(struct cor_outbox *outbox)
{
    cor_origin_free(&outbox->merged);
    outbox->merged_incarnation++;
    outbox->merged_last = 0;
    outbox->merged_acked = 0;
}
