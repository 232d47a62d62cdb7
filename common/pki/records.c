// SPDX-License-Identifier: Apache-2.0
// OpenSSL takes a buffer of some 16.5 KiB for each record that it reads or writes and gives it back
// after it (SSL_MODE_RELEASE_BUFFERS). glibc splits and joins its free memory for each of them, and
// each lies where no cache has it. A few that have been given back are kept for the next record.
#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "common/pki/tls.h"

/* Sizes of buffers for records; those of the same connection are in use at the same time. */
enum { RECORD_MIN = 16 * 1024, RECORD_MAX = 17 * 1024, KEPT = 4 };

static _Thread_local struct {
    void *items[KEPT];
    size_t count;
} spare;

static bool is_record(size_t size)
{
    return size >= RECORD_MIN && size <= RECORD_MAX;
}

static void *allocate(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    if (!is_record(size)) {
        return size == 0 ? NULL : malloc(size);
    }
    return spare.count > 0 ? spare.items[--spare.count] : malloc(RECORD_MAX);
}

static void *resize(void *ptr, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return realloc(ptr, size);
}

/* What has room for any record, and not much more, may be one. */
static void release(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    size_t room = ptr == NULL ? 0 : malloc_usable_size(ptr);
    if (room >= RECORD_MAX && room < RECORD_MAX + RECORD_MIN && spare.count < KEPT) {
        spare.items[spare.count++] = ptr;
    } else {
        free(ptr);
    }
}

bool cor_tls_keep_records(void)
{
    return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}
