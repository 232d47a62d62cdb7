// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: requests of the cloud to the node's API pass here (STREAM_OPEN and what
// follows), unread, in the Coracle dialect. All that is kept is which streams are open, so that
// both ends hear when the other is gone, and what had no room. edgestream.h asks here too. Loop
// thread only.
#ifndef EDGEHUB_STREAMS_H
#define EDGEHUB_STREAMS_H

#include "hub.h"
#include "proto/stream/credit.h"

struct streams;

/* What somebody else than the link's cloud is told. After end the stream is gone. */
struct streams_ops {
    void (*head)(void *self, const struct px_stream_head *head);
    void (*data)(void *self, struct cor_view bytes);
    void (*room)(void *self, uint64_t bytes);   /* edged takes so many more */
    void (*end)(void *self, const char *error); /* NULL: it is complete */
};

/* Opens hub-edged. COR_IO, COR_BUSY. Returns owned, also with an error. */
COR_NODISCARD enum cor_code streams_new(struct hub *hub, struct streams **streams_r,
                                        struct cor_err *err);

/* Closes; *streams becomes NULL. */
void streams_free(struct streams **streams);

/* A frame of the cloud. COR_INVALID ends the connection. */
COR_NODISCARD enum cor_code streams_take(struct streams *streams, const struct px_frame *frame,
                                         struct cor_err *err);

/* The link is down: all end. */
void streams_link_down(struct streams *streams);

/* There may be room on the link again. */
void streams_room(struct streams *streams);

/* Asks edged (open->id is filled in; borrows). Returns the stream's number; 0: edged is not there.
 */
uint64_t streams_ask(struct streams *streams, struct px_stream_open *open,
                     const struct streams_ops *ops, void *self);

/* Bytes for edged (borrows), within credit->send. */
void streams_send(struct streams *streams, uint64_t id, struct px_credit *credit,
                  struct cor_view bytes);

/* edged may send so many bytes more. */
void streams_gain(struct streams *streams, uint64_t id, uint64_t bytes);

/* It is not wanted any more; ops are told nothing. */
void streams_give_up(struct streams *streams, uint64_t id, const char *why);

/* Streams that are open. */
size_t streams_count(const struct streams *streams);

#endif
