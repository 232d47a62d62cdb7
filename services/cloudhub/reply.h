// SPDX-License-Identifier: Apache-2.0
// Private to cloudhub: an answer of HTTP/1.1 that comes as bytes, of a node in KubeEdge's tunnel or
// of another replica. Pure. One thread at a time.
#ifndef CLOUDHUB_REPLY_H
#define CLOUDHUB_REPLY_H

#include "common/httpd/body.h"
#include "common/httpd/head.h"
#include "proto/proto.h"

enum { REPLY_HEADERS_MAX = 64 };

/* What has come. */
enum reply_event {
    REPLY_MORE, /* more bytes must come */
    REPLY_HEAD, /* the head: reply_head has it */
    REPLY_PART, /* of the body; or, after 101, of what passes both ways */
    REPLY_DONE, /* the answer is complete */
    REPLY_BAD   /* this is no HTTP */
};

/* Zeroed is ready. */
struct reply {
    struct cor_head head;
    struct cor_body body;
    bool told;   /* REPLY_HEAD was */
    bool joined; /* it is 101: bytes pass both ways */
    bool ended;  /* the body is complete */
};

/* Takes from *bytes and moves it behind that; part_r: with REPLY_PART, borrowed from *bytes. Call
 * it until REPLY_MORE, REPLY_DONE or REPLY_BAD. */
enum reply_event reply_next(struct reply *reply, struct cor_view *bytes, struct cor_view *part_r);

/* The head as a STREAM_HEAD; headers has room for REPLY_HEADERS_MAX. Valid until reply_free. */
struct px_stream_head reply_head(const struct reply *reply, struct px_header *headers);

/* Whether the answer is complete when nothing more comes. */
bool reply_may_end(const struct reply *reply);

/* Frees; ready again. */
void reply_free(struct reply *reply);

#endif
