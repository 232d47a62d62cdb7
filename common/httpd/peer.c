// SPDX-License-Identifier: Apache-2.0
// The client's certificate, as GnuTLS (libmicrohttpd's TLS) has it.
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#include "common/base/mem.h"
#include "private.h"

enum { MAX_ORGS = 32, MAX_NAME = 256 };

static void crt_free(gnutls_x509_crt_t *crt)
{
    if (*crt != NULL) {
        gnutls_x509_crt_deinit(*crt);
    }
}

/* Number index of the subject's attribute oid; NULL at the end. Returns owned. */
static char *attribute(gnutls_x509_crt_t crt, const char *oid, unsigned index)
{
    char text[MAX_NAME];
    size_t len = sizeof(text);
    if (gnutls_x509_crt_get_dn_by_oid(crt, oid, index, 0, text, &len) != 0 ||
        memchr(text, '\0', len) != NULL) {
        return NULL;
    }
    return cor_memdup(text, len);
}

static bool verified(gnutls_session_t session)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned status = 0;
    return gnutls_certificate_verify_peers(session, &purpose, 1, &status) == 0 && status == 0;
}

static void read_subject(struct peer *peer, const gnutls_datum_t *der)
{
    auto_(crt_free) gnutls_x509_crt_t crt = NULL;
    if (gnutls_x509_crt_init(&crt) != 0 ||
        gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) != 0) {
        peer->rejected = true;
        return;
    }
    peer->name = attribute(crt, GNUTLS_OID_X520_COMMON_NAME, 0);
    peer->orgs = cor_calloc(MAX_ORGS, sizeof(*peer->orgs));
    for (unsigned i = 0; i < MAX_ORGS; i++) {
        peer->orgs[i] = attribute(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, i);
        if (peer->orgs[i] == NULL) {
            break;
        }
        peer->org_count++;
    }
}

void cor_peer_look(struct peer *peer, struct MHD_Connection *connection)
{
    peer->looked = true;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (info == NULL || info->tls_session == NULL) {
        return;
    }
    gnutls_session_t session = info->tls_session;
    unsigned count = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
    if (chain == NULL || count == 0) {
        return;
    }
    if (!verified(session)) {
        peer->rejected = true;
        return;
    }
    read_subject(peer, &chain[0]);
}

void cor_peer_free(struct peer *peer)
{
    cor_freep(&peer->name);
    for (size_t i = 0; i < peer->org_count; i++) {
        cor_free(peer->orgs[i]);
    }
    cor_freep(&peer->orgs);
}

static void credentials_free(gnutls_certificate_credentials_t *cred)
{
    gnutls_certificate_free_credentials(*cred);
}

static gnutls_datum_t datum(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)text, (unsigned)strlen(text)};
}

enum cor_code cor_peer_check_pem(const char *cert, const char *key, const char *ca,
                                 struct cor_err *err)
{
    auto_(credentials_free) gnutls_certificate_credentials_t cred = NULL;
    if (gnutls_certificate_allocate_credentials(&cred) != 0) {
        cor_freep(&cred);
        return cor_err_set(err, COR_INTERNAL, "out of memory (TLS)");
    }
    gnutls_datum_t cert_datum = datum(cert);
    gnutls_datum_t key_datum = datum(key);
    int rc =
        gnutls_certificate_set_x509_key_mem(cred, &cert_datum, &key_datum, GNUTLS_X509_FMT_PEM);
    if (rc < 0) {
        return cor_err_set(err, COR_INVALID, "TLS certificate or key: %s", gnutls_strerror(rc));
    }
    if (ca != NULL) {
        gnutls_datum_t ca_datum = datum(ca);
        rc = gnutls_certificate_set_x509_trust_mem(cred, &ca_datum, GNUTLS_X509_FMT_PEM);
        if (rc < 1) {
            return cor_err_set(err, COR_INVALID, "client CA: %s", gnutls_strerror(rc));
        }
    }
    return COR_OK;
}
