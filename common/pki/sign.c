// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/cert.h"
#include "common/pki/digest.h"
#include "common/pki/ossl.h"

static bool set_serial(X509 *x509, uint64_t serial)
{
    if (serial == 0) {
        cor_random(&serial, sizeof(serial));
        serial = (serial >> 1) | 1; /* 63 bits, not zero: positive in DER (RFC 5280 4.1.2.2) */
    }
    return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial) == 1;
}

static bool set_time(ASN1_TIME *field, struct cor_wall t)
{
    return ASN1_TIME_set(field, (time_t)(t.us / 1000000)) != NULL;
}

static bool set_subject(X509 *x509, const struct cor_cert_spec *spec)
{
    X509_NAME *name = X509_NAME_new();
    bool done = name != NULL && pki_name_add(name, "O", spec->org) &&
                pki_name_add(name, "CN", spec->cn) && X509_set_subject_name(x509, name) == 1;
    X509_NAME_free(name);
    return done;
}

/* value is a constant of this file, never text from outside: it has a syntax of its own. */
static bool add_extension(X509 *x509, X509V3_CTX *ctx, int nid, const char *value)
{
    X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, ctx, nid, value);
    bool done = ext != NULL && X509_add_ext(x509, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return done;
}

static bool add_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    if (value == NULL || name == NULL || sk_GENERAL_NAME_push(names, name) == 0) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(value);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, value);
    return true;
}

static ASN1_STRING *dns_value(const char *dns)
{
    ASN1_STRING *value = ASN1_IA5STRING_new();
    if (value != NULL && ASN1_STRING_set(value, dns, (int)strnlen(dns, 254)) != 1) {
        ASN1_STRING_free(value);
        return NULL;
    }
    return value;
}

static bool add_names(X509 *x509, const struct cor_cert_spec *spec)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool done = names != NULL;
    for (const char *const *dns = spec->dns; done && dns != NULL && *dns != NULL; dns++) {
        done = add_name(names, GEN_DNS, dns_value(*dns));
    }
    for (const char *const *ip = spec->ips; done && ip != NULL && *ip != NULL; ip++) {
        done = add_name(names, GEN_IPADD, a2i_IPADDRESS(*ip));
    }
    if (done && sk_GENERAL_NAME_num(names) > 0) {
        done = X509_add1_ext_i2d(x509, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
    }
    GENERAL_NAMES_free(names);
    return done;
}

static const char *usage_text(int usage)
{
    static const char *const texts[] = {NULL, "clientAuth", "serverAuth", "serverAuth,clientAuth"};
    must(usage > 0 && usage <= 3);
    return texts[usage];
}

/* What is common to both kinds, up to the extensions. */
static X509 *start(const struct cor_cert_spec *spec, EVP_PKEY *subject)
{
    X509 *x509 = X509_new();
    must(x509 != NULL);
    if (X509_set_version(x509, 2) == 1 && set_serial(x509, spec->serial) &&
        set_time(X509_getm_notBefore(x509), spec->from) &&
        set_time(X509_getm_notAfter(x509), spec->until) && set_subject(x509, spec) &&
        X509_set_pubkey(x509, subject) == 1) {
        return x509;
    }
    X509_free(x509);
    return NULL;
}

static enum cor_code finish(X509 *x509, struct cor_cert **out_r)
{
    struct cor_cert *cert = cor_alloc(sizeof(*cert));
    cert->x509 = x509;
    cert->cn = pki_name_entry(X509_get_subject_name(x509), NID_commonName);
    cert->org = pki_name_entry(X509_get_subject_name(x509), NID_organizationName);
    must(cert->cn != NULL && cert->org != NULL);
    *out_r = cert;
    return COR_OK;
}

/* Key usages as KubeEdge's CA has them (cloud/pkg/cloudhub/servers/httpserver, pkg/security/certs).
 */
static bool complete_ca(X509 *x509, EVP_PKEY *key)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);
    return X509_set_issuer_name(x509, X509_get_subject_name(x509)) == 1 &&
           add_extension(x509, &ctx, NID_key_usage,
                         "critical,digitalSignature,keyEncipherment,keyCertSign") &&
           add_extension(x509, &ctx, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(x509, &ctx, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(x509, &ctx, NID_subject_key_identifier, "hash") &&
           X509_sign(x509, key, EVP_sha256()) > 0;
}

enum cor_code cor_ca_make(const struct cor_key *key, const struct cor_cert_spec *spec,
                          struct cor_cert **out_r, struct cor_err *err)
{
    *out_r = NULL;
    X509 *x509 = start(spec, key->pkey);
    if (x509 == NULL || !complete_ca(x509, key->pkey)) {
        X509_free(x509);
        return pki_err(err, COR_INVALID, "cannot make the CA certificate");
    }
    return finish(x509, out_r);
}

static bool complete_cross(X509 *x509, struct cor_issuer issuer)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer.cert->x509, x509, NULL, NULL, 0);
    return X509_set_issuer_name(x509, X509_get_subject_name(issuer.cert->x509)) == 1 &&
           add_extension(x509, &ctx, NID_key_usage,
                         "critical,digitalSignature,keyEncipherment,keyCertSign") &&
           add_extension(x509, &ctx, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(x509, &ctx, NID_basic_constraints, "critical,CA:TRUE") &&
           add_extension(x509, &ctx, NID_subject_key_identifier, "hash") &&
           add_extension(x509, &ctx, NID_authority_key_identifier, "keyid") &&
           X509_sign(x509, issuer.key->pkey, EVP_sha256()) > 0;
}

enum cor_code cor_ca_cross(struct cor_issuer issuer, const struct cor_cert *ca,
                           struct cor_cert **out_r, struct cor_err *err)
{
    *out_r = NULL;
    struct cor_wall from[] = {cor_cert_from(ca), cor_cert_from(issuer.cert)};
    struct cor_wall until[] = {cor_cert_until(ca), cor_cert_until(issuer.cert)};
    struct cor_cert_spec spec = {.cn = cor_cert_cn(ca),
                                 .from = from[0].us > from[1].us ? from[0] : from[1],
                                 .until = until[0].us < until[1].us ? until[0] : until[1]};
    X509 *x509 = start(&spec, X509_get0_pubkey(ca->x509));
    if (x509 == NULL || X509_set_subject_name(x509, X509_get_subject_name(ca->x509)) != 1 ||
        !complete_cross(x509, issuer)) {
        X509_free(x509);
        return pki_err(err, COR_INVALID, "cannot make the cross-certificate");
    }
    return finish(x509, out_r);
}

static bool complete_leaf(X509 *x509, struct cor_issuer issuer, const struct cor_cert_spec *spec)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer.cert->x509, x509, NULL, NULL, 0);
    return X509_set_issuer_name(x509, X509_get_subject_name(issuer.cert->x509)) == 1 &&
           add_extension(x509, &ctx, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
           add_extension(x509, &ctx, NID_ext_key_usage, usage_text(spec->usage)) &&
           add_extension(x509, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(x509, &ctx, NID_authority_key_identifier, "keyid") &&
           add_names(x509, spec) && X509_sign(x509, issuer.key->pkey, EVP_sha256()) > 0;
}

enum cor_code cor_cert_sign(struct cor_issuer issuer, const struct cor_key *subject,
                            const struct cor_cert_spec *spec, struct cor_cert **out_r,
                            struct cor_err *err)
{
    *out_r = NULL;
    X509 *x509 = start(spec, subject->pkey);
    if (x509 == NULL || !complete_leaf(x509, issuer, spec)) {
        X509_free(x509);
        return pki_err(err, COR_INVALID, "cannot make the certificate");
    }
    return finish(x509, out_r);
}
