// SPDX-License-Identifier: Apache-2.0
#include "common/pack/pack.h"

#include <zlib.h>

#include "common/base/must.h"

/* JSON of Kubernetes shrinks to a quarter at any level. zlib clears some 8 bytes for each of its
 * window before it begins, 128 KiB: a small text has a small one. */
enum { LEVEL = 3, WINDOW_MIN = 9, WINDOW_MAX = 14, HASH = 7, STEP = 16 * 1024, GAIN = 8 };

/* The least that all of the text is within; zlib wants 262 bytes more. */
static int window_for(size_t len)
{
    int bits = WINDOW_MIN;
    while (bits < WINDOW_MAX && (size_t)1 << bits < len + 262) {
        bits++;
    }
    return bits;
}

static Bytef *bytes_of(struct cor_view in)
{
    return (Bytef *)(uintptr_t)in.ptr; /* zlib reads it only */
}

bool cor_pack(struct cor_view in, struct cor_buf *out)
{
    z_stream z = {.next_in = bytes_of(in), .avail_in = (uInt)in.len};
    size_t begin = out->len;
    size_t most = in.len - in.len / GAIN;
    int window = window_for(in.len);
    if (in.len > UINT32_MAX ||
        deflateInit2(&z, LEVEL, Z_DEFLATED, window, window - HASH, Z_DEFAULT_STRATEGY) != Z_OK) {
        return false;
    }
    int code = Z_OK;
    while (code == Z_OK && out->len - begin < most) {
        size_t left = most - (out->len - begin);
        size_t room = left < STEP ? left : STEP;
        char *at = cor_buf_room(out, room);
        z.next_out = (Bytef *)at;
        z.avail_out = (uInt)room;
        code = deflate(&z, Z_FINISH);
        out->len += room - z.avail_out;
    }
    (void)deflateEnd(&z);
    if (code != Z_STREAM_END) {
        out->len = begin;
    }
    return code == Z_STREAM_END;
}

enum cor_code cor_unpack(struct cor_view in, size_t size, struct cor_buf *out, struct cor_err *err)
{
    z_stream z = {.next_in = bytes_of(in), .avail_in = (uInt)in.len};
    size_t begin = out->len;
    if (in.len > UINT32_MAX || inflateInit(&z) != Z_OK) {
        return cor_err_set(err, COR_INVALID, "%zu bytes", in.len);
    }
    int code = Z_OK;
    while (code == Z_OK && out->len - begin <= size) {
        size_t left = size - (out->len - begin) + 1; /* one more: too long is seen */
        size_t room = left < STEP ? left : STEP;
        char *at = cor_buf_room(out, room);
        z.next_out = (Bytef *)at;
        z.avail_out = (uInt)room;
        code = inflate(&z, Z_NO_FLUSH);
        out->len += room - z.avail_out;
    }
    bool whole = code == Z_STREAM_END && out->len - begin == size && z.avail_in == 0;
    (void)inflateEnd(&z);
    if (!whole) {
        out->len = begin;
        return cor_err_set(err, COR_INVALID, "compressed data that is not %zu bytes", size);
    }
    return COR_OK;
}
