// SPDX-License-Identifier: Apache-2.0
#include "proto/stream/say.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/codec/codec.h"
#include "proto/proto.h"

enum { ERROR_MAX = 255 };

struct word {
    struct cor_link link;
    uint16_t number;
    size_t len;
    char raw[];
};

void px_mouth_init(struct px_mouth *mouth, px_say_fn fn, void *self)
{
    *mouth = (struct px_mouth){.fn = fn, .self = self};
    cor_list_init(&mouth->waiting);
}

static void forget(struct px_mouth *mouth, struct word *word)
{
    mouth->bytes -= word->len;
    cor_list_del(&word->link);
    cor_free(word);
}

void px_mouth_clear(struct px_mouth *mouth)
{
    while (!cor_list_empty(&mouth->waiting)) {
        forget(mouth, COR_LIST_OBJECT(mouth->waiting.next, struct word, link));
    }
}

bool px_mouth_go_on(struct px_mouth *mouth)
{
    while (!cor_list_empty(&mouth->waiting)) {
        struct word *word = COR_LIST_OBJECT(mouth->waiting.next, struct word, link);
        struct cor_view raw = {word->raw, word->len};
        if (mouth->fn(mouth->self, word->number, raw) == COR_BUSY) {
            return false;
        }
        forget(mouth, word);
    }
    return true;
}

bool px_mouth_is_full(const struct px_mouth *mouth)
{
    return !cor_list_empty(&mouth->waiting);
}

void px_say_raw(struct px_mouth *mouth, uint16_t number, struct cor_view raw)
{
    if (!px_mouth_is_full(mouth) && mouth->fn(mouth->self, number, raw) != COR_BUSY) {
        return;
    }
    struct word *word = cor_alloc(sizeof(*word) + raw.len);
    word->number = number;
    word->len = raw.len;
    memcpy(word->raw, raw.ptr, raw.len);
    cor_list_init(&word->link);
    cor_list_add(&mouth->waiting, &word->link);
    mouth->bytes += raw.len;
}

void px_say(struct px_mouth *mouth, uint16_t number, const void *body)
{
    const struct cor_message *message = cor_message_find(px_messages(), number);
    auto_(cor_buf_free) struct cor_buf raw = {0};
    must(message != NULL);
    cor_encode(message->body, body, &raw);
    px_say_raw(mouth, number, cor_buf_as_view(&raw));
}

void px_say_data(struct px_mouth *mouth, uint64_t id, struct px_credit *credit,
                 struct cor_view bytes, bool last)
{
    must(bytes.len <= credit->send);
    credit->send -= bytes.len;
    do {
        size_t len = bytes.len < PX_STREAM_PIECE ? bytes.len : PX_STREAM_PIECE;
        struct px_stream_data body = {
            .id = id, .bytes = {bytes.ptr, len}, .last = last && len == bytes.len};
        px_say(mouth, PX_stream_data, &body);
        bytes = (struct cor_view){bytes.ptr + len, bytes.len - len};
    } while (bytes.len > 0);
}

void px_say_took(struct px_mouth *mouth, uint64_t id, struct px_credit *credit, size_t bytes)
{
    uint64_t tell = px_credit_took(credit, bytes);
    if (tell > 0) {
        struct px_stream_credit body = {.id = id, .bytes = tell};
        px_say(mouth, PX_stream_credit, &body);
    }
}

void px_say_end(struct px_mouth *mouth, uint64_t id, const char *error)
{
    struct px_stream_end body = {.id = id, .error = cor_view_of(error == NULL ? "" : error)};
    body.error.len = body.error.len < ERROR_MAX ? body.error.len : ERROR_MAX;
    if (!cor_view_is_utf8(body.error)) {
        body.error = COR_VIEW("error");
    }
    px_say(mouth, PX_stream_end, &body);
}
