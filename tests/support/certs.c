// SPDX-License-Identifier: Apache-2.0
#include "tests/support/certs.h"

#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/support/process.h"

static struct cor_cert_spec lasting(const char *cn, const char *org, int usage)
{
    struct cor_wall now = cor_wall_now();
    return (struct cor_cert_spec){.cn = cn,
                                  .org = org,
                                  .usage = usage,
                                  .from = {now.us - COR_SEC(60)},
                                  .until = {now.us + COR_SEC(3600)}};
}

struct cor_cert *test_certs_client(const struct test_certs *certs, const char *cn, const char *org)
{
    struct cor_issuer issuer = {certs->ca, certs->ca_key};
    struct cor_cert_spec spec = lasting(cn, org, COR_CERT_CLIENT);
    struct cor_cert *cert = NULL;
    must(cor_cert_sign(issuer, certs->client_key, &spec, &cert, NULL) == COR_OK);
    return cert;
}

void test_certs_make(struct test_certs *certs, const char *cn, const char *org)
{
    static const char *const ips[] = {"127.0.0.1", NULL};
    static const char *const dns[] = {"localhost", NULL};
    struct cor_cert_spec spec = lasting("KubeEdge", NULL, 0);
    certs->ca_key = cor_key_new();
    certs->server_key = cor_key_new();
    certs->client_key = cor_key_new();
    must(cor_ca_make(certs->ca_key, &spec, &certs->ca, NULL) == COR_OK);
    struct cor_issuer issuer = {certs->ca, certs->ca_key};
    spec = lasting("KubeEdge", "KubeEdge", COR_CERT_SERVER);
    spec.ips = ips;
    spec.dns = dns;
    must(cor_cert_sign(issuer, certs->server_key, &spec, &certs->server, NULL) == COR_OK);
    certs->client = test_certs_client(certs, cn, org);
}

static void write_cert(const char *dir, const char *name, const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf pem = {0};
    cor_cert_pem(cert, &pem);
    test_write(dir, name, pem.data);
}

static void write_key(const char *dir, const char *name, const struct cor_key *key)
{
    auto_(cor_buf_free) struct cor_buf pem = {0};
    cor_key_pem(key, &pem);
    test_write(dir, name, pem.data);
}

void test_certs_write(const struct test_certs *certs, const char *dir)
{
    write_cert(dir, "ca.pem", certs->ca);
    write_cert(dir, "server.pem", certs->server);
    write_key(dir, "server.key", certs->server_key);
    write_cert(dir, "client.pem", certs->client);
    write_key(dir, "client.key", certs->client_key);
}

void test_certs_free(struct test_certs *certs)
{
    cor_key_free(&certs->ca_key);
    cor_cert_free(&certs->ca);
    cor_key_free(&certs->server_key);
    cor_cert_free(&certs->server);
    cor_key_free(&certs->client_key);
    cor_cert_free(&certs->client);
}
