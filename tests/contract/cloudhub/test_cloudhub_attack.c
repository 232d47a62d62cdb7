// SPDX-License-Identifier: Apache-2.0
// faults H1 to H9: a cloudhub under attack. attack.py attacks; here is what it needs.
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include "common/pki/csr.h"
#include "tests/contract/cloudhub/harness.h"
#include "tests/support/script.h"

/* Time for a part. */
enum { PATIENCE_S = 90 };

/* Runs a part while the controller serves. */
static void attack(struct set *set, const char *part)
{
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(cor_freep) char *command =
        cor_sprintf("python3 %s/tests/contract/cloudhub/attack.py %s . %d %d %d",
                    CORACLE_SOURCE_DIR, part, set->link_port, set->enrol_port, (int)set->hub.pid);
    hub_enrol(set, "n1", &n1);
    hub_write_identity(set, &n1);
    test_script(set->loop, set->dir, part, PATIENCE_S, command);
}

/* H3, H4; CVE-2026-62370, CVE-2022-31079; weakness 4. */
static void frames_end_one_link(void **state)
{
    attack(*state, "frames");
}

/* H6, H7; CVE-2022-31075. */
static void requests_are_refused(void **state)
{
    attack(*state, "http");
}

/* H9: who it is, by TLS. */
static void identities_are_judged(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    hub_enrol(set, "n1", &n1);
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    struct cor_cert_spec self = {.cn = "system:node:n1",
                                 .org = "system:nodes",
                                 .from = {cor_wall_now().us - COR_SEC(60)},
                                 .until = {cor_wall_now().us + COR_SEC(600)}};
    auto_(cor_cert_free) struct cor_cert *self_signed = NULL;
    assert_int_equal(cor_ca_make(key, &self, &self_signed, NULL), COR_OK);
    auto_(cor_cert_free) struct cor_cert *early = hub_sign(set, n1.key, 3600, 86400);
    auto_(cor_cert_free) struct cor_cert *late = hub_sign(set, n1.key, -86400, -3600);
    auto_(cor_cert_free) struct cor_cert *good = hub_sign(set, n1.key, -86400, 86400);
    const struct {
        const char *name;
        struct cor_cert *cert;
        struct cor_key *key;
        bool opened;
    } rows[] = {
        {"of another CA", other.client, other.client_key, false},
        {"its own CA", self_signed, key, false},
        {"not valid yet", early, n1.key, false},
        {"expired", late, n1.key, false},
        {"none", NULL, NULL, false},
        {"good", good, n1.key, true},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct node node;
        const struct identity who = {.ca = n1.ca, .cert = rows[i].cert, .key = rows[i].key};
        hub_dial_as(set, &node, &who, "n1", "msg");
        if (node.opened != rows[i].opened) {
            fail_msg("%s", rows[i].name);
        }
        hub_end(&node);
    }
    test_certs_free(&other);
}

/* H1; weakness 5. */
static void slow_peers_are_dropped(void **state)
{
    attack(*state, "slow");
}

/* ---- requests for certificates ---- */

static EVP_PKEY *own_key(const struct cor_key *key)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    cor_key_der(key, &der);
    const unsigned char *at = (const unsigned char *)der.data;
    EVP_PKEY *pkey = d2i_AutoPrivateKey(NULL, &at, (long)der.len);
    assert_non_null(pkey);
    return pkey;
}

/* The public half of an RSA key of 16,384 bits; nobody knows the other one. */
static EVP_PKEY *huge_key(void)
{
    BIGNUM *n = BN_new();
    EVP_PKEY *pkey = NULL;
    assert_true(BN_rand(n, 16384, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD) == 1);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    unsigned char e[] = {1, 0, 1};
    size_t len = (size_t)BN_num_bytes(n);
    unsigned char *bytes = cor_alloc(len);
    (void)BN_bn2nativepad(n, bytes, (int)len);
    OSSL_PARAM params[] = {OSSL_PARAM_construct_BN("n", bytes, len),
                           OSSL_PARAM_construct_BN("e", e, sizeof(e)), OSSL_PARAM_construct_end()};
    assert_true(EVP_PKEY_fromdata_init(ctx) == 1 &&
                EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1);
    EVP_PKEY_CTX_free(ctx);
    cor_free(bytes);
    BN_free(n);
    return pkey;
}

static void add_extension(X509_REQ *req, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    STACK_OF(X509_EXTENSION) *all = sk_X509_EXTENSION_new_null();
    assert_true(extension != NULL && sk_X509_EXTENSION_push(all, extension) > 0 &&
                X509_REQ_add_extensions(req, all) == 1);
    sk_X509_EXTENSION_pop_free(all, X509_EXTENSION_free);
}

/* What is wrong with a request. */
struct request {
    const char *name;
    const char *cn;
    int nid; /* of an extension; 0: none */
    const char *value;
    size_t names; /* alternative names instead */
    bool huge, badly_signed;
    int status;
};

static char *many_names(size_t count)
{
    struct cor_buf text = {0};
    for (size_t i = 0; i < count; i++) {
        cor_buf_fmt(&text, "%sDNS:host-%06zu.example.org", i == 0 ? "" : ",", i);
    }
    return cor_buf_take(&text);
}

static void make_request(const struct request *what, EVP_PKEY *signer, struct cor_buf *out)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(req);
    EVP_PKEY *subject = what->huge ? huge_key() : NULL;
    auto_(cor_freep) char *names = what->names > 0 ? many_names(what->names) : NULL;
    assert_true(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                                           (const unsigned char *)"system:nodes", -1, -1, 0) == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                           (const unsigned char *)what->cn, -1, -1, 0) == 1);
    if (names != NULL || what->nid != 0) {
        add_extension(req, names != NULL ? NID_subject_alt_name : what->nid,
                      names != NULL ? names : what->value);
    }
    assert_true(X509_REQ_set_pubkey(req, subject != NULL ? subject : signer) == 1 &&
                X509_REQ_sign(req, signer, EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int len = i2d_X509_REQ(req, &der);
    assert_true(len > 0);
    cor_buf_add(out, der, (size_t)len);
    if (what->badly_signed) {
        out->data[out->len - 1] ^= 1;
    }
    OPENSSL_free(der);
    EVP_PKEY_free(subject);
    X509_REQ_free(req);
}

/* H8; weakness 3: all are refused, and the token is as good as before. */
static void bad_requests_sign_nothing(void **state)
{
    static const struct request ROWS[] = {
        {.name = "another's name", .cn = "system:node:n2", .status = 400},
        {.name = "no node", .cn = "system:masters", .status = 400},
        {.name = "a name and more", .cn = "system:node:n1 ", .status = 400},
        {.name = "a CA",
         .cn = "system:node:n1",
         .nid = NID_basic_constraints,
         .value = "critical,CA:TRUE",
         .status = 400},
        {.name = "for servers",
         .cn = "system:node:n1",
         .nid = NID_ext_key_usage,
         .value = "serverAuth",
         .status = 400},
        {.name = "a host's name",
         .cn = "system:node:n1",
         .nid = NID_subject_alt_name,
         .value = "DNS:cloud.example.org",
         .status = 400},
        {.name = "1 MiB of names", .cn = "system:node:n1", .names = 36000, .status = 413},
        {.name = "48 KiB of names", .cn = "system:node:n1", .names = 1600, .status = 400},
        {.name = "RSA of 16,384 bits", .cn = "system:node:n1", .huge = true, .status = 400},
        {.name = "badly signed", .cn = "system:node:n1", .badly_signed = true, .status = 400},
        {.name = "good", .cn = "system:node:n1", .status = 200},
    };
    struct set *set = *state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_freep) char *token = hub_new_token(set, "n1");
    EVP_PKEY *signer = own_key(key);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_buf_free) struct cor_buf csr = {0};
        make_request(&ROWS[i], signer, &csr);
        int status = hub_fetch_cert(set, "n1", token, cor_buf_as_view(&csr));
        bool hung_up = csr.len > COR_CSR_MAX && status == 0; /* before all of it was written */
        if (status != ROWS[i].status && !hung_up) {
            fail_msg("%s: %d, %zu bytes", ROWS[i].name, status, csr.len);
        }
    }
    EVP_PKEY_free(signer);
    auto_(cor_freep) char *log = test_read(set->dir, "log");
    const char *first = strstr(log, "hub.cert.signed");
    assert_non_null(first);
    assert_null(strstr(first + 1, "hub.cert.signed"));
}

/* ---- TLS ---- */

static SSL *connect_tls(const struct set *set, int version, bool *done_r)
{
    auto_(cor_freep) char *cert = cor_sprintf("%s/n1.pem", set->dir);
    auto_(cor_freep) char *key = cor_sprintf("%s/n1.key", set->dir);
    auto_(cor_freep) char *where = cor_sprintf("127.0.0.1:%d", set->link_port);
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_security_level(ctx, 0);
    assert_true(SSL_CTX_set_min_proto_version(ctx, 0) == 1 &&
                SSL_CTX_set_max_proto_version(ctx, version) == 1 &&
                SSL_CTX_use_certificate_file(ctx, cert, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) == 1);
    SSL *ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    BIO *bio = BIO_new_connect(where);
    assert_true(BIO_do_connect(bio) == 1);
    SSL_set_bio(ssl, bio, bio);
    *done_r = SSL_connect(ssl) == 1;
    return ssl;
}

/* H9: versions before 1.2, a second handshake, data before the first one. */
static void tls_is_what_it_must_be(void **state)
{
    struct set *set = *state;
    auto_(hub_identity_free) struct identity n1 = {0};
    bool done = false;
    hub_enrol(set, "n1", &n1);
    hub_write_identity(set, &n1);
    static const struct {
        int version;
        bool done;
    } rows[] = {{TLS1_VERSION, false},
                {TLS1_1_VERSION, false},
                {TLS1_2_VERSION, true},
                {TLS1_3_VERSION, true}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        SSL *ssl = connect_tls(set, rows[i].version, &done);
        assert_int_equal(done, rows[i].done);
        if (rows[i].version == TLS1_2_VERSION) {
            assert_true(SSL_renegotiate(ssl) != 1 || SSL_do_handshake(ssl) != 1);
        }
        if (done) {
            assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get0_session(ssl)), 0);
        }
        SSL_free(ssl);
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
#define HASTY(fn) cmocka_unit_test_setup_teardown(fn, hub_setup_hasty, hub_teardown)
    const struct CMUnitTest tests[] = {
        HASTY(frames_end_one_link),   T(requests_are_refused),  T(slow_peers_are_dropped),
        T(bad_requests_sign_nothing), T(identities_are_judged), T(tls_is_what_it_must_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
