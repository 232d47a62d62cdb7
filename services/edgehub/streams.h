// SPDX-License-Identifier: Apache-2.0
// Private to edgehub: requests of the cloud to the node's API pass here (STREAM_OPEN and what
// follows), unread, in the Coracle dialect. All that is kept is which streams are open, so that
// both ends hear when the other is gone, and what had no room. Loop thread only.
#ifndef EDGEHUB_STREAMS_H
#define EDGEHUB_STREAMS_H

#include "hub.h"

struct streams;

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

/* Streams that are open. */
size_t streams_count(const struct streams *streams);

#endif
