// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <string.h>

#include "common/base/mem.h"

/* RFC 6455 section 5.2; an answer of more bytes than this is no upgrade. */
enum {
    FIN = 0x80,
    MASKED = 0x80,
    LENGTH_16 = 126,
    LENGTH_64 = 127,
    FRAME_MAX = 1024 * 1024,
    ANSWER_MAX = 4096,
    MASK_LEN = 4
};

void wire_request(const struct wire_ask *ask, struct cor_buf *out)
{
    cor_buf_fmt(out,
                "GET /e632aba927ea4ac2b575ec1603d56f10/%s/events HTTP/1.1\r\nHost: %s\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                "Node_id: %s\r\nProject_id: e632aba927ea4ac2b575ec1603d56f10\r\n"
                "Connectionuse: msg\r\n",
                ask->node, ask->host, ask->node);
    if (ask->offer != NULL) {
        cor_buf_fmt(out, "Sec-WebSocket-Protocol: %s\r\n", ask->offer);
    }
    cor_buf_str(out, "\r\n");
}

int wire_answer(struct cor_view bytes, const char *protocol, bool *agreed_r)
{
    const char *end = bytes.len == 0 ? NULL : memmem(bytes.ptr, bytes.len, "\r\n\r\n", 4);
    *agreed_r = false;
    if (end == NULL) {
        return bytes.len < ANSWER_MAX ? 0 : -1;
    }
    if (!cor_view_starts(bytes, "HTTP/1.1 101 ")) {
        return -1;
    }
    size_t len = (size_t)(end - bytes.ptr) + 4;
    auto_(cor_freep) char *line = cor_sprintf("\r\nsec-websocket-protocol: %s\r\n", protocol);
    auto_(cor_freep) char *head = cor_memdup(bytes.ptr, len);
    *agreed_r = strcasestr(head, line) != NULL;
    return (int)len;
}

void wire_frame(enum wire_opcode opcode, uint32_t mask, struct cor_view payload,
                struct cor_buf *out)
{
    unsigned char head[14] = {(unsigned char)(FIN | opcode)};
    size_t len = 2;
    if (payload.len < LENGTH_16) {
        head[1] = (unsigned char)(MASKED | payload.len);
    } else if (payload.len <= UINT16_MAX) {
        head[1] = MASKED | LENGTH_16;
        head[len++] = (unsigned char)(payload.len >> 8);
        head[len++] = (unsigned char)payload.len;
    } else {
        head[1] = MASKED | LENGTH_64;
        for (int shift = 56; shift >= 0; shift -= 8) {
            head[len++] = (unsigned char)((uint64_t)payload.len >> shift);
        }
    }
    memcpy(head + len, &mask, MASK_LEN);
    cor_buf_add(out, head, len + MASK_LEN);
    char *at = cor_buf_room(out, payload.len);
    for (size_t i = 0; i < payload.len; i++) {
        at[i] = (char)(payload.ptr[i] ^ (char)head[len + i % MASK_LEN]);
    }
    out->len += payload.len;
}

/* The length of a payload and how many bytes say it. False: not there yet. */
static bool read_length(struct cor_view bytes, size_t *len_r, size_t *head_r)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    if (bytes.len < 2) {
        return false;
    }
    size_t more = at[1] == LENGTH_16 ? 2 : at[1] == LENGTH_64 ? 8 : 0;
    *head_r = 2 + more;
    *len_r = more == 0 ? at[1] : 0;
    if (bytes.len < *head_r) {
        return false;
    }
    for (size_t i = 0; i < more; i++) {
        *len_r = *len_r << 8 | at[2 + i];
    }
    return true;
}

int wire_read(struct cor_view bytes, enum wire_opcode *opcode_r, struct cor_view *payload_r)
{
    size_t len = 0;
    size_t head = 0;
    if (!read_length(bytes, &len, &head)) {
        return 0;
    }
    unsigned first = (unsigned char)bytes.ptr[0];
    bool known = (first & 0x0f) == WIRE_TEXT || (first & 0x0f) == WIRE_BINARY ||
                 ((first & 0x0f) >= WIRE_CLOSE && (first & 0x0f) <= WIRE_PONG);
    if ((first & 0xf0) != FIN || !known || len > FRAME_MAX) {
        return -1;
    }
    if (bytes.len < head + len) {
        return 0;
    }
    *opcode_r = (enum wire_opcode)(first & 0x0f);
    *payload_r = (struct cor_view){bytes.ptr + head, len};
    return (int)(head + len);
}
