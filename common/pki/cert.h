// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280): make a CA, sign leaves, read, check; part of the door to OpenSSL.
// Any thread, one at a time per object.
#ifndef COR_PKI_CERT_H
#define COR_PKI_CERT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"
#include "common/clock/clock.h"
#include "common/pki/key.h"

struct cor_cert;

enum { COR_CERT_CLIENT = 1, COR_CERT_SERVER = 2 };

/* What a new certificate says. Strings and arrays are borrowed; arrays end with NULL and may be
 * NULL. */
struct cor_cert_spec {
    const char *cn;
    const char *org; /* or NULL */
    const char *const *dns;
    const char *const *ips; /* IPv4 or IPv6 in text form */
    int usage;              /* COR_CERT_CLIENT | COR_CERT_SERVER; not for a CA */
    uint64_t serial;        /* 0: 63 random bits */
    struct cor_wall from;
    struct cor_wall until;
};

/* A self-signed CA certificate for key: CA:TRUE, keyCertSign, server and client usage. dns, ips and
 * usage of spec do not count. COR_INVALID if spec cannot be written as a certificate. Returns
 * owned. */
COR_NODISCARD enum cor_code cor_ca_make(const struct cor_key *key, const struct cor_cert_spec *spec,
                                        struct cor_cert **out_r, struct cor_err *err);

/* Who signs. */
struct cor_issuer {
    const struct cor_cert *cert;
    const struct cor_key *key;
};

/* A leaf certificate for public key subject, signed by issuer. COR_INVALID if spec cannot be
 * written (bad address, bad text). Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_cert_sign(struct cor_issuer issuer, const struct cor_key *subject,
                                          const struct cor_cert_spec *spec, struct cor_cert **out_r,
                                          struct cor_err *err);

/* A CA's certificate (its subject, key and usages), signed by another CA: who knows only the other
 * one believes what ca signs, if this comes along (RFC 5280 section 3.2, cross-certificate). Valid
 * as long as both are. COR_INVALID. Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_ca_cross(struct cor_issuer issuer, const struct cor_cert *ca,
                                         struct cor_cert **out_r, struct cor_err *err);

/* Reads the first certificate of PEM text, or DER. COR_INVALID. Returns owned in *out_r. */
COR_NODISCARD enum cor_code cor_cert_parse(struct cor_view bytes, struct cor_cert **out_r,
                                           struct cor_err *err);

/* cor_cert_parse of a file (blocks on the disk). COR_NOTFOUND, COR_INVALID, COR_IO. */
COR_NODISCARD enum cor_code cor_cert_load(const char *path, struct cor_cert **out_r,
                                          struct cor_err *err);

/* Writes PEM to path, mode 0644, atomically (blocks on the disk). COR_IO. */
COR_NODISCARD enum cor_code cor_cert_save(const struct cor_cert *cert, const char *path,
                                          struct cor_err *err);

/* Frees; *cert becomes NULL. For auto_(). */
void cor_cert_free(struct cor_cert **cert);

/* The same certificate once more. Returns owned. */
struct cor_cert *cor_cert_ref(const struct cor_cert *cert);

/* Whether both are the same, bit by bit. */
bool cor_cert_same(const struct cor_cert *a, const struct cor_cert *b);

/* Whether cert says that ca has signed it (name and key id); the signature is not looked at. */
bool cor_cert_is_by(const struct cor_cert *cert, const struct cor_cert *ca);

/* Whether it is a CA's. */
bool cor_cert_is_ca(const struct cor_cert *cert);

/* Appends DER. */
void cor_cert_der(const struct cor_cert *cert, struct cor_buf *out);

/* Appends PEM. */
void cor_cert_pem(const struct cor_cert *cert, struct cor_buf *out);

/* Common name of the subject, "" when absent. Valid as long as cert. */
const char *cor_cert_cn(const struct cor_cert *cert);

/* First organization of the subject, "" when absent. Valid as long as cert. */
const char *cor_cert_org(const struct cor_cert *cert);

/* All organizations of the subject: appends each to out with a NUL after it; returns how many. */
size_t cor_cert_orgs(const struct cor_cert *cert, struct cor_buf *out);

/* Validity. */
struct cor_wall cor_cert_from(const struct cor_cert *cert);

/* End of validity. */
struct cor_wall cor_cert_until(const struct cor_cert *cert);

/* Whole days from now until it expires; negative when it has. */
int64_t cor_cert_days_left(const struct cor_cert *cert, struct cor_wall now);

/* Whether key is the private key of cert. */
bool cor_cert_is_for(const struct cor_cert *cert, const struct cor_key *key);

/* Whether cert covers the DNS name or IP address host as a server (RFC 6125). */
bool cor_cert_covers(const struct cor_cert *cert, const char *host);

/* Checks that ca signed cert, that it is valid at now and may be used as usage (one of
 * COR_CERT_...). COR_UNAUTHENTICATED with the reason. */
COR_NODISCARD enum cor_code cor_cert_verify(const struct cor_cert *cert, const struct cor_cert *ca,
                                            int usage, struct cor_wall now, struct cor_err *err);

#endif
