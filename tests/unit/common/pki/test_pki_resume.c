// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/ssl.h>

#include "common/base/mem.h"
#include "common/pki/resume.h"
#include "tests/support/certs.h"

/* A client that comes again and again to a server, which may be another one each time. */
struct set {
    struct test_certs certs;
    uint8_t secret[COR_TICKET_SECRET_LEN];
    void *client;
    struct cor_tls as;
    size_t bytes; /* that the last handshake took, both ways */
};

static void *server_new(const struct set *set, const uint8_t *secret)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    const struct cor_tls tls = {
        .cert = set->certs.server, .key = set->certs.server_key, .ca = set->certs.ca};
    assert_true(cor_tls_server(ctx, &tls));
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (secret != NULL) {
        cor_tls_server_resume(ctx, secret);
    }
    return ctx;
}

/* Moves what one end wrote to the other; how much that was. */
static size_t pump(SSL *from, SSL *to)
{
    char bytes[16384];
    int n = BIO_read(SSL_get_wbio(from), bytes, sizeof(bytes));
    if (n > 0) {
        assert_int_equal(BIO_write(SSL_get_rbio(to), bytes, n), n);
    }
    return n > 0 ? (size_t)n : 0;
}

static SSL *end_new(void *ctx, bool server)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
    }
    return ssl;
}

/* One connection; whether it was resumed. The server knows the client's name either way. */
static bool connect_to(struct set *set, void *server, const char *cn)
{
    char byte = 0;
    assert_true(cor_tls_client_set(set->client, &set->as));
    cor_tls_client_resume_for(set->client, &set->as, "cloud:10000");
    set->bytes = 0;
    SSL *client_end = end_new(set->client, false);
    SSL *server_end = end_new(server, true);
    for (int i = 0; i < 6; i++) {
        (void)SSL_do_handshake(client_end);
        set->bytes += pump(client_end, server_end);
        (void)SSL_do_handshake(server_end);
        set->bytes += pump(server_end, client_end);
    }
    (void)SSL_read(client_end, &byte, 1); /* takes the ticket */
    assert_true(SSL_is_init_finished(client_end) && SSL_is_init_finished(server_end));
    bool resumed = cor_tls_resumed(server_end);
    assert_int_equal(resumed, cor_tls_resumed(client_end));
    auto_(cor_cert_free) struct cor_cert *cert = cor_tls_peer(server_end);
    assert_non_null(cert);
    assert_string_equal(cor_cert_cn(cert), cn);
    SSL_free(client_end); /* without a farewell: links break */
    SSL_free(server_end);
    return resumed;
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    test_certs_make(&set->certs, "n1", "nodes");
    cor_ticket_secret(set->certs.ca_key, set->secret);
    set->client = cor_tls_client();
    cor_tls_client_resume(set->client);
    set->as = (struct cor_tls){
        .cert = set->certs.client, .key = set->certs.client_key, .ca = set->certs.ca};
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    cor_tls_client_resume_end(set->client);
    cor_tls_free(&set->client);
    test_certs_free(&set->certs);
    cor_free(set);
    return 0;
}

/* The secret follows from the CA's key alone: what a restarted server, or another replica, has. */
static void another_server_goes_on(void **state)
{
    struct set *set = *state;
    uint8_t again[COR_TICKET_SECRET_LEN];
    cor_ticket_secret(set->certs.ca_key, again);
    void *first = server_new(set, set->secret);
    assert_false(connect_to(set, first, "n1"));
    assert_true(connect_to(set, first, "n1"));
    cor_tls_free(&first);
    void *second = server_new(set, again);
    assert_true(connect_to(set, second, "n1"));
    cor_tls_free(&second);
}

static void strangers_shake_hands_wholly(void **state)
{
    struct set *set = *state;
    uint8_t other[COR_TICKET_SECRET_LEN];
    cor_ticket_secret(set->certs.server_key, other);
    void *first = server_new(set, set->secret);
    void *stranger = server_new(set, other);
    void *plain = server_new(set, NULL);
    assert_false(connect_to(set, first, "n1"));
    assert_false(connect_to(set, stranger, "n1"));
    assert_true(connect_to(set, stranger, "n1"));
    assert_false(connect_to(set, plain, "n1"));
    assert_false(connect_to(set, plain, "n1"));
    cor_tls_free(&first);
    cor_tls_free(&stranger);
    cor_tls_free(&plain);
}

static void another_identity_is_another_session(void **state)
{
    struct set *set = *state;
    void *server = server_new(set, set->secret);
    auto_(cor_cert_free) struct cor_cert *n2 = test_certs_client(&set->certs, "n2", "nodes");
    assert_false(connect_to(set, server, "n1"));
    set->as.cert = n2;
    assert_false(connect_to(set, server, "n2"));
    assert_true(connect_to(set, server, "n2"));
    cor_tls_free(&server);
}

/* Certificates travel only in a whole handshake. */
static void carries_less(void **state)
{
    struct set *set = *state;
    void *server = server_new(set, set->secret);
    assert_false(connect_to(set, server, "n1"));
    size_t whole = set->bytes;
    assert_true(connect_to(set, server, "n1"));
    print_message("handshake: %zu bytes, resumed %zu\n", whole, set->bytes);
    assert_true(set->bytes < whole);
    cor_tls_free(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(another_server_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(strangers_shake_hands_wholly, setup, teardown),
        cmocka_unit_test_setup_teardown(another_identity_is_another_session, setup, teardown),
        cmocka_unit_test_setup_teardown(carries_less, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
