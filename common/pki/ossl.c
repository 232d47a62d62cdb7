// SPDX-License-Identifier: Apache-2.0
#include "common/pki/ossl.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"

enum cor_code pki_err(struct cor_err *err, enum cor_code code, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ERR_clear_error();
    return reason == NULL ? cor_err_set(err, code, "%s", what)
                          : cor_err_set(err, code, "%s: %s", what, reason);
}

BIO *pki_bio(struct cor_view bytes)
{
    must(bytes.len <= INT_MAX);
    BIO *bio = BIO_new_mem_buf(bytes.ptr == NULL ? "" : bytes.ptr, (int)bytes.len);
    must(bio != NULL);
    return bio;
}

void pki_bio_take(BIO *bio, struct cor_buf *out)
{
    char *data = NULL;
    long len = BIO_get_mem_data(bio, &data);
    must(len >= 0);
    cor_buf_add(out, data, (size_t)len);
    cor_wipe(data, (size_t)len);
}

void pki_bio_free(BIO **bio)
{
    BIO_free(*bio);
    *bio = NULL;
}

bool pki_is_pem(struct cor_view bytes)
{
    return bytes.ptr != NULL && memmem(bytes.ptr, bytes.len, "-----BEGIN ", 11) != NULL;
}

static bool is_curve(const EVP_PKEY *pkey, const char *name)
{
    char group[64];
    return EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) == 1 &&
           strcmp(group, name) == 0;
}

enum cor_code pki_check_key(const EVP_PKEY *pkey, struct cor_err *err)
{
    int bits = EVP_PKEY_get_bits(pkey);
    switch (EVP_PKEY_get_base_id(pkey)) {
    case EVP_PKEY_EC:
        return is_curve(pkey, SN_X9_62_prime256v1) || is_curve(pkey, SN_secp384r1)
                   ? COR_OK
                   : cor_err_set(err, COR_INVALID, "EC key is not on P-256 or P-384");
    case EVP_PKEY_RSA:
        return bits >= 2048 && bits <= 4096
                   ? COR_OK
                   : cor_err_set(err, COR_INVALID, "RSA key of %d bits, not 2048 to 4096", bits);
    default:
        return cor_err_set(err, COR_INVALID, "key is neither EC nor RSA");
    }
}

char *pki_name_entry(const X509_NAME *name, int nid)
{
    int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0) {
        return cor_strdup("");
    }
    unsigned char *utf8 = NULL;
    int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    struct cor_view text = {(const char *)utf8, len < 0 ? 0 : (size_t)len};
    char *copy = len >= 0 && cor_view_is_utf8(text) ? cor_view_dup(text) : NULL;
    OPENSSL_free(utf8);
    return copy;
}

int pki_name_count(const X509_NAME *name, int nid)
{
    int count = 0;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, nid, at)) >= 0;) {
        count++;
    }
    return count;
}

bool pki_name_add(X509_NAME *name, const char *field, const char *value)
{
    return value == NULL || X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                                       (const unsigned char *)value, -1, -1, 0);
}
