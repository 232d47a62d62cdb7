// SPDX-License-Identifier: Apache-2.0
// The client's side of a request whose answer comes from elsewhere, piece by piece: a response as
// it comes, or, after 101, bytes both ways. Who has the other side paces it: what the client has
// not taken is bounded by what took() has told, what it sends by room(). Loop thread only.
#ifndef COR_HTTPD_PASSAGE_H
#define COR_HTTPD_PASSAGE_H

#include "common/httpd/httpd.h"

struct cor_passage;

struct cor_passage_header {
    struct cor_view name;
    struct cor_view value;
};

/* What the other side is told. */
struct cor_passage_ops {
    void (*took)(void *self, size_t bytes);           /* the client has taken so many */
    size_t (*room)(void *self);                       /* bytes of the client that are welcome */
    void (*bytes)(void *self, struct cor_view bytes); /* of the client, within that; after 101 */
    void (*last)(void *self);                         /* it sends no more; after 101 */
    void (*gone)(void *self);                         /* it is gone, and so is the passage */
};

enum { COR_PASSAGE_QUEUE = 1 << 20 };

/* Takes the exchange over. ops and self are borrowed. Returns owned: until gone() or
 * cor_passage_end. */
struct cor_passage *cor_passage_new(struct cor_exchange *exchange,
                                    const struct cor_passage_ops *ops, void *self);

/* The exchange, before the head: to read the request. */
struct cor_exchange *cor_passage_exchange(const struct cor_passage *passage);

/* The whole answer, a line of text (borrows). The passage is gone. */
void cor_passage_answer(struct cor_passage *passage, int status, const char *text);

/* The answer begins (borrows); once. 101 that the client has not asked for becomes 502, and the
 * passage is gone: false. */
bool cor_passage_head(struct cor_passage *passage, int status,
                      const struct cor_passage_header *headers, size_t count);

/* Bytes of the answer (copies), with last the last ones of this direction. More than
 * COR_PASSAGE_QUEUE that the client has not taken breaks it: false, the passage is gone. */
bool cor_passage_data(struct cor_passage *passage, struct cor_view bytes, bool last);

/* room() may give more than before. */
void cor_passage_room(struct cor_passage *passage);

/* The answer is complete: ends when the client has it. With an error (borrows) it is broken off,
 * or, before the head, answered 503 with it. Nothing is told any more; the passage is gone. */
void cor_passage_end(struct cor_passage *passage, const char *error);

#endif
