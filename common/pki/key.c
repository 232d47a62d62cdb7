// SPDX-License-Identifier: Apache-2.0
#include "common/pki/key.h"

#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/pem.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/ossl.h"

enum { KEY_FILE_MAX = 64 * 1024 };

static struct cor_key *wrap(EVP_PKEY *pkey)
{
    struct cor_key *key = cor_alloc(sizeof(*key));
    key->pkey = pkey;
    return key;
}

struct cor_key *cor_key_new(void)
{
    EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (pkey == NULL) {
        cor_die("cannot make an EC key");
    }
    return wrap(pkey);
}

void cor_key_free(struct cor_key **key)
{
    if (*key != NULL) {
        EVP_PKEY_free((*key)->pkey);
        cor_freep(key);
    }
}

/* Never asks a terminal for the pass phrase of an encrypted key. */
static int no_password(char *buf, int size, int rwflag, void *self)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)self;
    return -1;
}

static enum cor_code accept(EVP_PKEY *pkey, struct cor_key **out_r, struct cor_err *err)
{
    *out_r = NULL;
    if (pkey == NULL) {
        return pki_err(err, COR_INVALID, "not a key");
    }
    enum cor_code code = pki_check_key(pkey, err);
    if (code != COR_OK) {
        EVP_PKEY_free(pkey);
        return code;
    }
    *out_r = wrap(pkey);
    return COR_OK;
}

enum cor_code cor_key_parse(struct cor_view bytes, struct cor_key **out_r, struct cor_err *err)
{
    *out_r = NULL;
    if (bytes.len > KEY_FILE_MAX) {
        return cor_err_set(err, COR_INVALID, "not a key: too long");
    }
    auto_(pki_bio_free) BIO *bio = pki_bio(bytes);
    EVP_PKEY *pkey = pki_is_pem(bytes) ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                                       : d2i_PrivateKey_bio(bio, NULL);
    return accept(pkey, out_r, err);
}

enum cor_code cor_key_parse_public(struct cor_view bytes, struct cor_key **out_r,
                                   struct cor_err *err)
{
    *out_r = NULL;
    if (bytes.len > KEY_FILE_MAX) {
        return cor_err_set(err, COR_INVALID, "not a key: too long");
    }
    auto_(pki_bio_free) BIO *bio = pki_bio(bytes);
    EVP_PKEY *pkey = pki_is_pem(bytes) ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL)
                                       : d2i_PUBKEY_bio(bio, NULL);
    return accept(pkey, out_r, err);
}

/* "type-specific" is SEC1 for EC and PKCS#1 for RSA. */
static void encode(const struct cor_key *key, const char *format, struct cor_buf *out)
{
    unsigned char *data = NULL;
    size_t len = 0;
    OSSL_ENCODER_CTX *ctx =
        OSSL_ENCODER_CTX_new_for_pkey(key->pkey, EVP_PKEY_KEYPAIR, format, "type-specific", NULL);
    must(ctx != NULL && OSSL_ENCODER_to_data(ctx, &data, &len) == 1);
    cor_buf_add(out, data, len);
    OSSL_ENCODER_CTX_free(ctx);
    OPENSSL_clear_free(data, len);
}

void cor_key_der(const struct cor_key *key, struct cor_buf *out)
{
    encode(key, "DER", out);
}

void cor_key_pem(const struct cor_key *key, struct cor_buf *out)
{
    encode(key, "PEM", out);
}

void cor_key_public_der(const struct cor_key *key, struct cor_buf *out)
{
    auto_(pki_bio_free) BIO *bio = BIO_new(BIO_s_mem());
    must(bio != NULL && i2d_PUBKEY_bio(bio, key->pkey) == 1);
    pki_bio_take(bio, out);
}

void cor_key_public_pem(const struct cor_key *key, struct cor_buf *out)
{
    auto_(pki_bio_free) BIO *bio = BIO_new(BIO_s_mem());
    must(bio != NULL && PEM_write_bio_PUBKEY(bio, key->pkey) == 1);
    pki_bio_take(bio, out);
}

enum cor_code cor_key_load(const char *path, struct cor_key **out_r, struct cor_err *err)
{
    *out_r = NULL;
    auto_(cor_secret_free) struct cor_buf text = {0};
    enum cor_code code = cor_file_read(path, KEY_FILE_MAX, &text, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_key_parse(cor_buf_as_view(&text), out_r, err);
    return code == COR_OK ? COR_OK : cor_err_wrap(err, "%s", path);
}

enum cor_code cor_key_save(const struct cor_key *key, const char *path, struct cor_err *err)
{
    auto_(cor_secret_free) struct cor_buf text = {0};
    cor_key_pem(key, &text);
    return cor_file_write(path, cor_buf_as_view(&text), 0600, err);
}

void cor_secret_free(struct cor_buf *buf)
{
    if (buf->data != NULL) {
        cor_wipe(buf->data, buf->len);
    }
    cor_buf_free(buf);
}
