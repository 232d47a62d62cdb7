// SPDX-License-Identifier: Apache-2.0
#include "reply.h"

/* Heads that only announce one are passed over. */
static enum reply_event take_head(struct reply *reply, struct cor_view *bytes)
{
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = cor_head_add(&reply->head, bytes, &err);
    while (code == COR_OK && reply->head.status == 100) {
        cor_head_free(&reply->head);
        code = cor_head_add(&reply->head, bytes, &err);
    }
    if (code == COR_RETRY) {
        return REPLY_MORE;
    }
    reply->joined = code == COR_OK && reply->head.status == 101;
    if (code != COR_OK ||
        (!reply->joined && cor_body_begin(&reply->body, &reply->head) != COR_OK)) {
        return REPLY_BAD;
    }
    reply->told = true;
    return REPLY_HEAD;
}

static enum reply_event take_body(struct reply *reply, struct cor_view *bytes,
                                  struct cor_view *part_r)
{
    while (!reply->ended) {
        enum cor_code code = cor_body_next(&reply->body, bytes, part_r);
        if (code == COR_INVALID) {
            return REPLY_BAD;
        }
        reply->ended = code == COR_OK;
        if (part_r->len > 0) {
            return REPLY_PART;
        }
        if (!reply->ended && bytes->len == 0) {
            return REPLY_MORE;
        }
    }
    return REPLY_DONE;
}

enum reply_event reply_next(struct reply *reply, struct cor_view *bytes, struct cor_view *part_r)
{
    *part_r = (struct cor_view){0};
    if (!reply->told) {
        return take_head(reply, bytes);
    }
    if (!reply->joined) {
        return take_body(reply, bytes, part_r);
    }
    *part_r = *bytes;
    bytes->ptr += bytes->len;
    bytes->len = 0;
    return part_r->len > 0 ? REPLY_PART : REPLY_MORE;
}

struct px_stream_head reply_head(const struct reply *reply, struct px_header *headers)
{
    struct px_stream_head head = {.status = (uint64_t)reply->head.status,
                                  .headers = {.items = headers}};
    size_t at = 0;
    struct cor_view name;
    struct cor_view value;
    while (head.headers.count < REPLY_HEADERS_MAX &&
           cor_head_next(&reply->head, &at, &name, &value)) {
        headers[head.headers.count++] = (struct px_header){name, value};
    }
    return head;
}

bool reply_may_end(const struct reply *reply)
{
    return reply->joined || (reply->told && cor_body_may_end(&reply->body));
}

void reply_free(struct reply *reply)
{
    cor_head_free(&reply->head);
    *reply = (struct reply){0};
}
