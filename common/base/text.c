// SPDX-License-Identifier: Apache-2.0
#include "common/base/text.h"

#include <string.h>
#include <sys/random.h>

#include "common/base/must.h"

static const char STANDARD[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode64(struct cor_buf *out, struct cor_view in, const char *alphabet, bool pad)
{
    char *at = cor_buf_room(out, (in.len + 2) / 3 * 4);
    const char *start = at;
    const unsigned char *p = (const unsigned char *)in.ptr;
    for (size_t left = in.len; left > 0; left -= left < 3 ? left : 3, p += 3) {
        uint32_t bits = (uint32_t)p[0] << 16;
        bits |= left > 1 ? (uint32_t)p[1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)p[2] : 0;
        size_t chars = left > 2 ? 4 : left + 1;
        for (size_t i = 0; i < 4; i++) {
            if (i < chars) {
                *at++ = alphabet[(bits >> (18 - 6 * i)) & 63];
            } else if (pad) {
                *at++ = '=';
            }
        }
    }
    *at = '\0';
    out->len += (size_t)(at - start);
}

void cor_base64(struct cor_buf *out, struct cor_view in)
{
    encode64(out, in, STANDARD, true);
}

void cor_base64url(struct cor_buf *out, struct cor_view in)
{
    encode64(out, in, URL, false);
}

static int value64(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

bool cor_base64_decode(struct cor_buf *out, struct cor_view in)
{
    size_t padding = 0;
    while (in.len > 0 && padding < 2 && in.ptr[in.len - 1] == '=') {
        in.len--;
        padding++;
    }
    if (in.len % 4 == 1 || (padding > 0 && (in.len + padding) % 4 != 0)) {
        return false;
    }
    size_t before = out->len;
    uint32_t bits = 0;
    int held = 0;
    for (size_t i = 0; i < in.len; i++) {
        int v = value64(in.ptr[i]);
        if (v < 0) {
            out->len = before;
            return false;
        }
        bits = (bits << 6) | (uint32_t)v;
        held += 6;
        if (held >= 8) {
            held -= 8;
            char byte = (char)((bits >> held) & 0xff);
            cor_buf_add(out, &byte, 1);
        }
    }
    return true;
}

static const char HEX[] = "0123456789abcdef";

void cor_hex(struct cor_buf *out, struct cor_view in)
{
    char *at = cor_buf_room(out, in.len * 2);
    for (size_t i = 0; i < in.len; i++) {
        unsigned char byte = (unsigned char)in.ptr[i];
        *at++ = HEX[byte >> 4];
        *at++ = HEX[byte & 15];
    }
    out->len += in.len * 2;
}

void cor_uuid_format(const uint8_t random[16], char out[COR_UUID_LEN + 1])
{
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof(bytes));
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    char *at = out;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *at++ = '-';
        }
        *at++ = HEX[bytes[i] >> 4];
        *at++ = HEX[bytes[i] & 15];
    }
    *at = '\0';
}

static int value16(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool cor_uuid_parse(struct cor_view text, uint8_t out_r[16])
{
    if (text.len != COR_UUID_LEN) {
        return false;
    }
    size_t n = 0;
    for (size_t i = 0; i < COR_UUID_LEN;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text.ptr[i++] != '-') {
                return false;
            }
            continue;
        }
        int high = value16(text.ptr[i]);
        int low = value16(text.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out_r[n++] = (uint8_t)(high * 16 + low);
        i += 2;
    }
    return true;
}

void cor_uuid_new(char out[COR_UUID_LEN + 1])
{
    uint8_t random[16];
    must(getrandom(random, sizeof(random), 0) == (ssize_t)sizeof(random));
    cor_uuid_format(random, out);
}

void cor_escape(struct cor_buf *out, struct cor_view in)
{
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        if (c == '"' || c == '\\') {
            cor_buf_fmt(out, "\\%c", c);
        } else if (c == '\n') {
            cor_buf_str(out, "\\n");
        } else if (c == '\t') {
            cor_buf_str(out, "\\t");
        } else if (c < ' ' || c >= 0x7f) {
            cor_buf_fmt(out, "\\x%02x", c);
        } else {
            cor_buf_add(out, &c, 1);
        }
    }
}

static bool is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool cor_is_dns_label(struct cor_view text)
{
    if (text.len == 0 || text.len > 63 || !is_lower_alnum(text.ptr[0]) ||
        !is_lower_alnum(text.ptr[text.len - 1])) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!is_lower_alnum(text.ptr[i]) && text.ptr[i] != '-') {
            return false;
        }
    }
    return true;
}

bool cor_is_dns_subdomain(struct cor_view text)
{
    if (text.len == 0 || text.len > 253) {
        return false;
    }
    struct cor_view part;
    while (cor_view_split(&text, '.', &part)) {
        if (!cor_is_dns_label(part)) {
            return false;
        }
    }
    return true;
}
