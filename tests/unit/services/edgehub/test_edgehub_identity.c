// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/mem.h"
#include "services/edgehub/identity.h"
#include "services/edgehub/join.h"
#include "tests/support/certs.h"

struct set {
    char dir[32];
    char *sub;
    struct test_certs certs;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    (void)snprintf(set->dir, sizeof(set->dir), "/tmp/identity-XXXXXX");
    assert_non_null(mkdtemp(set->dir));
    set->sub = cor_sprintf("%s/id", set->dir);
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {"ca.crt", "identity.pem", "new.key"};
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", set->sub, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(set->sub);
    (void)rmdir(set->dir);
    test_certs_free(&set->certs);
    cor_free(set->sub);
    cor_free(set);
    return 0;
}

static struct cor_cert *copy_of(const struct cor_cert *cert)
{
    auto_(cor_buf_free) struct cor_buf der = {0};
    struct cor_cert *copy = NULL;
    cor_cert_der(cert, &der);
    assert_int_equal(cor_cert_parse(cor_buf_as_view(&der), &copy, NULL), COR_OK);
    return copy;
}

static struct cor_key *key_copy(const struct cor_key *key)
{
    auto_(cor_secret_free) struct cor_buf der = {0};
    struct cor_key *copy = NULL;
    cor_key_der(key, &der);
    assert_int_equal(cor_key_parse(cor_buf_as_view(&der), &copy, NULL), COR_OK);
    return copy;
}

static enum cor_code adopt(struct identity *identity, const struct set *set)
{
    return identity_adopt(identity, set->certs.ca, copy_of(set->certs.client),
                          key_copy(set->certs.client_key), NULL);
}

static void survives_a_restart(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity first = {0};
    auto_(identity_free) struct identity again = {0};
    assert_int_equal(identity_load(set->sub, "n1", &first, NULL), COR_NOTFOUND);
    assert_int_equal(adopt(&first, set), COR_OK);
    assert_int_equal(identity_load(set->sub, "n1", &again, NULL), COR_OK);
    assert_true(cor_cert_is_for(again.cert, again.key));
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/identity.pem", set->sub);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(stat(set->sub, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void only_for_this_node(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity first = {0};
    auto_(identity_free) struct identity other = {0};
    assert_int_equal(identity_load(set->sub, "n1", &first, NULL), COR_NOTFOUND);
    assert_int_equal(adopt(&first, set), COR_OK);
    assert_int_equal(identity_load(set->sub, "n2", &other, NULL), COR_NOTFOUND);
    assert_null(other.cert);
}

/* A node without a battery starts in 1970; one whose clock was set wrong lives in 2036. */
static void a_clock_that_cannot_be_right_is_not_believed(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity identity = {0};
    struct cor_wall now = cor_wall_now();
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    assert_int_equal(identity_time(&identity, (struct cor_wall){5}).us, 5);
    assert_int_equal(adopt(&identity, set), COR_OK);
    struct cor_wall from = cor_cert_from(identity.cert);
    struct cor_wall until = cor_cert_until(identity.cert);
    assert_int_equal(identity_time(&identity, now).us, now.us);
    assert_int_equal(identity_time(&identity, (struct cor_wall){5}).us, from.us);
    struct cor_wall late = {until.us + COR_SEC(86400)};
    assert_true(identity_time(&identity, late).us < until.us);
    assert_true(identity_time(&identity, late).us > from.us);
}

static void foreign_certificates_are_not_adopted(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    auto_(identity_free) struct identity identity = {0};
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    /* another key; another node */
    assert_int_equal(identity_adopt(&identity, set->certs.ca, copy_of(set->certs.client),
                                    key_copy(other.client_key), NULL),
                     COR_UNAUTHENTICATED);
    auto_(cor_cert_free) struct cor_cert *n2 =
        test_certs_client(&set->certs, "system:node:n2", "system:nodes");
    assert_int_equal(identity_adopt(&identity, set->certs.ca, copy_of(n2),
                                    key_copy(set->certs.client_key), NULL),
                     COR_UNAUTHENTICATED);
    assert_null(identity.cert);
    assert_int_equal(identity.roots.count, 0);
    test_certs_free(&other);
}

/* While the CA is changed a certificate may be of one that the node does not know. */
static void who_has_signed_is_the_clouds_matter(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    auto_(identity_free) struct identity identity = {0};
    auto_(identity_free) struct identity again = {0};
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    assert_int_equal(adopt(&identity, set), COR_OK);
    assert_int_equal(
        identity_adopt(&identity, NULL, copy_of(other.client), key_copy(other.client_key), NULL),
        COR_OK);
    assert_int_equal(identity_load(set->sub, "n1", &again, NULL), COR_OK);
    assert_true(cor_cert_same(again.cert, other.client));
    assert_int_equal(again.roots.count, 1);
    assert_true(cor_cert_same(again.roots.items[0], set->certs.ca));
    test_certs_free(&other);
}

static void several_cas_are_kept(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    auto_(identity_free) struct identity identity = {0};
    auto_(identity_free) struct identity again = {0};
    auto_(cor_certs_free) struct cor_certs roots = {0};
    auto_(cor_certs_free) struct cor_certs none = {0};
    auto_(cor_certs_free) struct cor_certs leaf = {0};
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    assert_int_equal(adopt(&identity, set), COR_OK);
    assert_true(cor_certs_add(&roots, set->certs.ca) && cor_certs_add(&roots, other.ca));
    assert_true(cor_certs_add(&leaf, other.client));
    assert_int_equal(identity_trust(&identity, &none, NULL), COR_INVALID);
    assert_int_equal(identity_trust(&identity, &leaf, NULL), COR_INVALID);
    assert_int_equal(identity.roots.count, 1);
    assert_int_equal(identity_trust(&identity, &roots, NULL), COR_OK);
    assert_int_equal(identity_load(set->sub, "n1", &again, NULL), COR_OK);
    assert_int_equal(cor_certs_digest(&again.roots), cor_certs_digest(&roots));
    assert_int_equal(cor_certs_digest(&identity.roots), cor_certs_digest(&roots));
    test_certs_free(&other);
}

static void a_try_repeats_with_the_same_key(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity identity = {0};
    auto_(cor_key_free) struct cor_key *a = NULL;
    auto_(cor_key_free) struct cor_key *b = NULL;
    auto_(cor_buf_free) struct cor_buf da = {0};
    auto_(cor_buf_free) struct cor_buf db = {0};
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    assert_int_equal(identity_new_key(&identity, &a, NULL), COR_OK);
    assert_int_equal(identity_new_key(&identity, &b, NULL), COR_OK);
    cor_key_public_der(a, &da);
    cor_key_public_der(b, &db);
    assert_true(cor_view_eq(cor_buf_as_view(&da), cor_buf_as_view(&db)));
}

/* What has expired is renewed for its own key. */
static void the_next_key(void **state)
{
    struct set *set = *state;
    auto_(identity_free) struct identity identity = {0};
    assert_int_equal(identity_load(set->sub, "n1", &identity, NULL), COR_NOTFOUND);
    identity.cert = set->certs.client;
    identity.key = set->certs.client_key;
    struct cor_wall until = cor_cert_until(set->certs.client);
    const struct {
        bool renews;
        int64_t us;
        bool own;
    } rows[] = {{true, until.us - 1, false}, {true, until.us, true}, {false, until.us, false}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_key_free) struct cor_key *key = NULL;
        assert_int_equal(
            identity_next_key(&identity, rows[i].renews, (struct cor_wall){rows[i].us}, &key, NULL),
            COR_OK);
        assert_int_equal(cor_cert_is_for(set->certs.client, key), rows[i].own);
    }
    identity.cert = NULL;
    identity.key = NULL;
}

static void renewal_between_70_and_90_percent(void **state)
{
    struct set *set = *state;
    struct identity identity = {.cert = set->certs.client};
    int64_t from = cor_cert_from(set->certs.client).us;
    int64_t life = cor_cert_until(set->certs.client).us - from;
    assert_in_range(identity_renew_at(&identity, 0.0).us - from, life / 10 * 7 - 1,
                    life / 10 * 7 + 1);
    assert_in_range(identity_renew_at(&identity, 0.9999).us - from, life / 100 * 89, life / 10 * 9);
}

static void tokens_have_four_parts(void **state)
{
    (void)state;
    struct cor_view hash;
    struct cor_view jwt;
    assert_true(join_split_token(COR_VIEW("h.a.b.c"), &hash, &jwt));
    assert_true(cor_view_is(hash, "h"));
    assert_true(cor_view_is(jwt, "a.b.c"));
    static const char *const bad[] = {"", "h", "h.a", "h.a.b", "h.a.b.c.d"};
    for (size_t i = 0; i < COR_COUNT(bad); i++) {
        assert_false(join_split_token(cor_view_of(bad[i]), &hash, &jwt));
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(survives_a_restart),
        T(only_for_this_node),
        T(a_clock_that_cannot_be_right_is_not_believed),
        T(foreign_certificates_are_not_adopted),
        T(who_has_signed_is_the_clouds_matter),
        T(several_cas_are_kept),
        T(a_try_repeats_with_the_same_key),
        T(the_next_key),
        T(renewal_between_70_and_90_percent),
        T(tokens_have_four_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
