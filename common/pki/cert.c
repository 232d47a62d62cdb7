// SPDX-License-Identifier: Apache-2.0
#include "common/pki/cert.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/certs.h"
#include "common/pki/ossl.h"

enum { CERT_FILE_MAX = 1024 * 1024 };

enum cor_code pki_wrap_cert(X509 *x509, struct cor_cert **out_r, struct cor_err *err)
{
    *out_r = NULL;
    if (x509 == NULL) {
        return pki_err(err, COR_INVALID, "not a certificate");
    }
    auto_(cor_cert_free) struct cor_cert *cert = cor_alloc(sizeof(*cert));
    cert->x509 = x509;
    cert->cn = pki_name_entry(X509_get_subject_name(x509), NID_commonName);
    cert->org = pki_name_entry(X509_get_subject_name(x509), NID_organizationName);
    if (cert->cn == NULL || cert->org == NULL) {
        return cor_err_set(err, COR_INVALID, "name in the certificate is no text");
    }
    *out_r = take(&cert);
    return COR_OK;
}

enum cor_code cor_cert_parse(struct cor_view bytes, struct cor_cert **out_r, struct cor_err *err)
{
    *out_r = NULL;
    if (bytes.len > CERT_FILE_MAX) {
        return cor_err_set(err, COR_INVALID, "not a certificate: too long");
    }
    auto_(pki_bio_free) BIO *bio = pki_bio(bytes);
    return pki_wrap_cert(pki_is_pem(bytes) ? PEM_read_bio_X509(bio, NULL, NULL, NULL)
                                           : d2i_X509_bio(bio, NULL),
                         out_r, err);
}

enum cor_code cor_cert_load(const char *path, struct cor_cert **out_r, struct cor_err *err)
{
    *out_r = NULL;
    auto_(cor_buf_free) struct cor_buf text = {0};
    enum cor_code code = cor_file_read(path, CERT_FILE_MAX, &text, err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_cert_parse(cor_buf_as_view(&text), out_r, err);
    return code == COR_OK ? COR_OK : cor_err_wrap(err, "%s", path);
}

enum cor_code cor_cert_save(const struct cor_cert *cert, const char *path, struct cor_err *err)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_cert_pem(cert, &text);
    return cor_file_write(path, cor_buf_as_view(&text), 0644, err);
}

void cor_cert_free(struct cor_cert **cert)
{
    if (*cert != NULL) {
        X509_free((*cert)->x509);
        cor_free((*cert)->cn);
        cor_free((*cert)->org);
        cor_freep(cert);
    }
}

void cor_cert_der(const struct cor_cert *cert, struct cor_buf *out)
{
    auto_(pki_bio_free) BIO *bio = BIO_new(BIO_s_mem());
    must(bio != NULL && i2d_X509_bio(bio, cert->x509) == 1);
    pki_bio_take(bio, out);
}

void cor_cert_pem(const struct cor_cert *cert, struct cor_buf *out)
{
    auto_(pki_bio_free) BIO *bio = BIO_new(BIO_s_mem());
    must(bio != NULL && PEM_write_bio_X509(bio, cert->x509) == 1);
    pki_bio_take(bio, out);
}

const char *cor_cert_cn(const struct cor_cert *cert)
{
    return cert->cn;
}

const char *cor_cert_org(const struct cor_cert *cert)
{
    return cert->org;
}

size_t cor_cert_orgs(const struct cor_cert *cert, struct cor_buf *out)
{
    const X509_NAME *name = X509_get_subject_name(cert->x509);
    size_t count = 0;
    for (int at = -1; (at = X509_NAME_get_index_by_NID(name, NID_organizationName, at)) >= 0;) {
        unsigned char *utf8 = NULL;
        X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, at);
        int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
        struct cor_view text = {(const char *)utf8, len < 0 ? 0 : (size_t)len};
        if (len > 0 && cor_view_is_utf8(text)) {
            cor_buf_view(out, text);
            cor_buf_add(out, "", 1);
            count++;
        }
        OPENSSL_free(utf8);
    }
    return count;
}

static struct cor_wall to_wall(const ASN1_TIME *t)
{
    struct tm tm = {0};
    if (ASN1_TIME_to_tm(t, &tm) != 1) {
        return (struct cor_wall){0};
    }
    return (struct cor_wall){(int64_t)timegm(&tm) * 1000000};
}

struct cor_wall cor_cert_from(const struct cor_cert *cert)
{
    return to_wall(X509_get0_notBefore(cert->x509));
}

struct cor_wall cor_cert_until(const struct cor_cert *cert)
{
    return to_wall(X509_get0_notAfter(cert->x509));
}

int64_t cor_cert_days_left(const struct cor_cert *cert, struct cor_wall now)
{
    int64_t left = cor_cert_until(cert).us - now.us;
    int64_t day = COR_SEC(86400);
    return left >= 0 ? left / day : -((-left + day - 1) / day);
}

bool cor_cert_is_for(const struct cor_cert *cert, const struct cor_key *key)
{
    return EVP_PKEY_eq(X509_get0_pubkey(cert->x509), key->pkey) == 1;
}

bool cor_cert_covers(const struct cor_cert *cert, const char *host)
{
    return X509_check_ip_asc(cert->x509, host, 0) == 1 ||
           X509_check_host(cert->x509, host, 0, 0, NULL) == 1;
}

struct cor_cert *cor_cert_ref(const struct cor_cert *cert)
{
    struct cor_cert *ref = cor_alloc(sizeof(*ref));
    must(X509_up_ref(cert->x509) == 1);
    *ref = (struct cor_cert){cert->x509, cor_strdup(cert->cn), cor_strdup(cert->org)};
    return ref;
}

bool cor_cert_same(const struct cor_cert *a, const struct cor_cert *b)
{
    return X509_cmp(a->x509, b->x509) == 0;
}

bool cor_cert_is_by(const struct cor_cert *cert, const struct cor_cert *ca)
{
    return X509_check_issued(ca->x509, cert->x509) == X509_V_OK;
}

bool cor_cert_is_ca(const struct cor_cert *cert)
{
    return X509_check_ca(cert->x509) == 1;
}

enum cor_code cor_cert_verify(const struct cor_cert *cert, const struct cor_cert *ca, int usage,
                              struct cor_wall now, struct cor_err *err)
{
    auto_(cor_certs_free) struct cor_certs roots = {0};
    (void)cor_certs_add(&roots, ca);
    return cor_certs_verify(cert, &roots, NULL, usage, now, err);
}
