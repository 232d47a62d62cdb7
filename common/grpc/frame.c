// SPDX-License-Identifier: Apache-2.0
#include "common/grpc/frame.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/base/must.h"

void cor_grpc_frame(struct cor_buf *out, struct cor_view message)
{
    must(message.len <= UINT32_MAX);
    uint32_t len = (uint32_t)message.len;
    const unsigned char prefix[COR_GRPC_PREFIX] = {0, (unsigned char)(len >> 24),
                                                   (unsigned char)(len >> 16),
                                                   (unsigned char)(len >> 8), (unsigned char)len};
    cor_buf_add(out, prefix, sizeof(prefix));
    cor_buf_view(out, message);
}

enum cor_code cor_grpc_unframe(struct cor_view in, size_t max, struct cor_view *message_r)
{
    if (in.len < COR_GRPC_PREFIX) {
        return COR_RETRY;
    }
    const unsigned char *p = (const unsigned char *)in.ptr;
    if (p[0] != 0) {
        return COR_UNSUPPORTED;
    }
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (len > max) {
        return COR_TOOBIG;
    }
    if (in.len - COR_GRPC_PREFIX < len) {
        return COR_RETRY;
    }
    *message_r = (struct cor_view){in.ptr + COR_GRPC_PREFIX, len};
    return COR_OK;
}

enum cor_code cor_grpc_code(int64_t status)
{
    static const enum cor_code codes[] = {
        COR_OK,       COR_CLOSED,          COR_INTERNAL,    COR_INVALID,  COR_TIMEOUT,
        COR_NOTFOUND, COR_EXISTS,          COR_DENIED,      COR_BUSY,     COR_CONFLICT,
        COR_CONFLICT, COR_INVALID,         COR_UNSUPPORTED, COR_INTERNAL, COR_RETRY,
        COR_IO,       COR_UNAUTHENTICATED,
    };
    if (status < 0 || status >= (int64_t)COR_COUNT(codes)) {
        return COR_INTERNAL;
    }
    return codes[status];
}

const char *cor_grpc_status_name(int status)
{
    static const char *const names[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };
    return status >= 0 && status < (int)COR_COUNT(names) ? names[status] : "Unknown";
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The byte that text encodes at *at, which moves behind it. */
static unsigned char decode_byte(struct cor_view text, size_t *at)
{
    char c = text.ptr[*at];
    (*at)++;
    if (c != '%' || text.len - *at < 2) {
        return (unsigned char)c;
    }
    int high = hex_value(text.ptr[*at]);
    int low = hex_value(text.ptr[*at + 1]);
    if (high < 0 || low < 0) {
        return (unsigned char)c;
    }
    *at += 2;
    return (unsigned char)(high * 16 + low);
}

void cor_grpc_text(struct cor_view encoded, char *out, size_t size)
{
    must(size > 0);
    size_t used = 0;
    size_t at = 0;
    while (at < encoded.len && used + 1 < size) {
        unsigned char byte = decode_byte(encoded, &at);
        out[used++] = byte < 0x20 || byte == 0x7f ? ' ' : (char)byte;
    }
    out[used] = '\0';
}

void cor_grpc_text_encode(const char *text, struct cor_buf *out)
{
    for (const char *c = text; *c != '\0'; c++) {
        bool plain = *c >= 0x20 && *c < 0x7f && *c != '%';
        if (plain) {
            cor_buf_add(out, c, 1);
        } else {
            cor_buf_fmt(out, "%%%02X", (unsigned)(unsigned char)*c);
        }
    }
}

void cor_grpc_timeout(int64_t us, char out[COR_GRPC_TIMEOUT_SIZE])
{
    static const struct {
        int64_t us;
        char unit;
    } units[] = {{1, 'u'}, {1000, 'm'}, {1000000, 'S'}, {60000000, 'M'}};
    size_t i = 0;
    while (i + 1 < COR_COUNT(units) && us / units[i].us > 99999999) {
        i++;
    }
    int64_t amount = us / units[i].us;
    amount = amount > 99999999 ? 99999999 : amount;
    int n = snprintf(out, COR_GRPC_TIMEOUT_SIZE, "%" PRId64 "%c", amount, units[i].unit);
    must(n > 0 && n < COR_GRPC_TIMEOUT_SIZE);
}
