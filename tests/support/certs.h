// SPDX-License-Identifier: Apache-2.0
// A CA with a server and a client certificate, made for one test.
#ifndef TESTS_SUPPORT_CERTS_H
#define TESTS_SUPPORT_CERTS_H

#include "common/pki/cert.h"

struct test_certs {
    struct cor_key *ca_key;
    struct cor_cert *ca;
    struct cor_key *server_key;
    struct cor_cert *server; /* for 127.0.0.1 and localhost */
    struct cor_key *client_key;
    struct cor_cert *client;
};

/* Makes all; the client's is CN=cn, O=org. Aborts if it cannot. */
void test_certs_make(struct test_certs *certs, const char *cn, const char *org);

/* Another client certificate of the same CA and key. Returns owned. */
struct cor_cert *test_certs_client(const struct test_certs *certs, const char *cn, const char *org);

/* Writes ca.pem, server.pem, server.key, client.pem and client.key to dir. Aborts if it cannot. */
void test_certs_write(const struct test_certs *certs, const char *dir);

/* Frees all. */
void test_certs_free(struct test_certs *certs);

#endif
