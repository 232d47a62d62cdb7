// SPDX-License-Identifier: Apache-2.0
// Any bytes as what strangers send to the enrolment port: certificate requests, certificates,
// tokens; and as the CAs that a cloud tells its nodes.
#include <stdint.h>

#include "common/pki/certs.h"
#include "common/pki/csr.h"
#include "common/pki/jwt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cor_view bytes = {(const char *)data, size};
    struct cor_wall now = {0};
    auto_(cor_csr_free) struct cor_csr *csr = NULL;
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    auto_(cor_certs_free) struct cor_certs certs = {0};
    auto_(cor_key_free) struct cor_key *key = NULL;
    auto_(cor_json_free) struct cor_json *claims = NULL;
    (void)!cor_csr_parse(bytes, &csr, NULL);
    (void)!cor_cert_parse(bytes, &cert, NULL);
    (void)!cor_certs_parse(bytes, &certs, NULL);
    (void)!cor_key_parse_public(bytes, &key, NULL);
    (void)!cor_jwt_verify_secret(COR_VIEW("secret"), bytes, now, &claims, NULL);
    return 0;
}
