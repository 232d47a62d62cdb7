// SPDX-License-Identifier: Apache-2.0
#include "common/pack/gzip.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

enum { BLOCK = 64 * 1024, GZIP_WINDOW = 15 + 16, MEMORY = 8 };

/* EINTR does not count. */
static bool write_all(int fd, const unsigned char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, bytes, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static ssize_t read_some(int fd, unsigned char *bytes, size_t len)
{
    ssize_t n = 0;
    do {
        n = read(fd, bytes, len);
    } while (n < 0 && errno == EINTR);
    return n;
}

/* Writes all that the input gives. */
static bool squeeze(z_stream *z, int flush, int to)
{
    unsigned char out[BLOCK];
    do {
        z->next_out = out;
        z->avail_out = sizeof(out);
        (void)deflate(z, flush);
        if (!write_all(to, out, sizeof(out) - z->avail_out)) {
            return false;
        }
    } while (z->avail_out == 0);
    return true;
}

enum cor_code cor_gzip(int from, int to, struct cor_err *err)
{
    unsigned char in[BLOCK];
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return cor_err_set(err, COR_IO, "deflate: no memory");
    }
    ssize_t n = 0;
    bool good = true;
    do {
        n = read_some(from, in, sizeof(in));
        z.next_in = in;
        z.avail_in = n > 0 ? (uInt)n : 0;
        good = n >= 0 && squeeze(&z, n == 0 ? Z_FINISH : Z_NO_FLUSH, to);
    } while (good && n > 0);
    (void)deflateEnd(&z);
    return good ? COR_OK : cor_err_set(err, COR_IO, "%s", strerror(errno));
}
