// SPDX-License-Identifier: Apache-2.0
#include "common/pki/digest.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "common/base/must.h"
#include "common/base/text.h"

void cor_sha256(struct cor_view in, uint8_t out[COR_SHA256_LEN])
{
    unsigned int len = 0;
    must(EVP_Digest(in.ptr, in.len, out, &len, EVP_sha256(), NULL) == 1 && len == COR_SHA256_LEN);
}

void cor_sha256_hex(struct cor_view in, struct cor_buf *out)
{
    uint8_t digest[COR_SHA256_LEN];
    cor_sha256(in, digest);
    cor_hex(out, (struct cor_view){(const char *)digest, sizeof(digest)});
}

void cor_hmac_sha256(struct cor_view key, struct cor_view in, uint8_t out[COR_SHA256_LEN])
{
    unsigned int len = 0;
    must(key.len <= INT_MAX);
    must(HMAC(EVP_sha256(), key.ptr == NULL ? "" : key.ptr, (int)key.len,
              (const unsigned char *)in.ptr, in.len, out, &len) != NULL);
    must(len == COR_SHA256_LEN);
}

void cor_random(void *out, size_t len)
{
    must(len <= INT_MAX);
    if (RAND_bytes(out, (int)len) != 1) {
        cor_die("no random numbers");
    }
}

bool cor_equal_secret(struct cor_view a, struct cor_view b)
{
    return a.len == b.len && CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0;
}
