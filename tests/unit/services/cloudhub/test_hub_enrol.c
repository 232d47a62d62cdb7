// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/pki/jwt.h"
#include "services/cloudhub/enrol.h"
#include "tests/support/certs.h"

struct set {
    struct test_certs certs;
    struct cor_buf secret;
    struct token_maker maker;
    struct cor_key *key;
    struct cor_buf csr; /* for n1 */
    char *jwt;          /* for n1 */
    struct cor_wall now;
};

static char *jwt_of(const struct set *set, const char *node, int64_t seconds)
{
    auto_(cor_buf_free) struct cor_buf token = {0};
    struct cor_wall until = {set->now.us + COR_SEC(seconds)};
    struct token words = {.node = node == NULL ? NULL : (char *)(uintptr_t)node,
                          .id = node == NULL ? NULL : (char *)(uintptr_t) "the-id",
                          .uses = node == NULL ? 0 : 1,
                          .until = until};
    token_make(&set->maker, &words, &token);
    return cor_strdup(strchr(token.data, '.') + 1);
}

static struct token token_of_n1(const struct set *set)
{
    return (struct token){.node = (char *)(uintptr_t) "n1",
                          .id = (char *)(uintptr_t) "id",
                          .uses = 1,
                          .until = {set->now.us + COR_SEC(60)}};
}

static void csr_for(const struct set *set, const char *cn, const char *org, struct cor_buf *out)
{
    struct cor_subject subject = {.org = org, .cn = cn};
    cor_csr_make(set->key, &subject, out);
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    cor_key_der(set->certs.ca_key, &set->secret);
    set->maker = (struct token_maker){set->certs.ca, cor_buf_as_view(&set->secret)};
    set->key = cor_key_new();
    set->now = cor_wall_now();
    csr_for(set, "system:node:n1", "system:nodes", &set->csr);
    set->jwt = jwt_of(set, "n1", 60);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    test_certs_free(&set->certs);
    cor_buf_free(&set->secret);
    cor_buf_free(&set->csr);
    cor_key_free(&set->key);
    cor_free(set->jwt);
    cor_free(set);
    return 0;
}

static enum cor_code judge(const struct set *set, const struct enrol_request *request,
                           struct enrol_grant *grant)
{
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = enrol_judge(&set->maker, request, grant, &err);
    assert_int_equal(strlen(err.text) > 0, code != COR_OK);
    return code;
}

static enum cor_code judge_token(const struct set *set, const char *node, const char *authorization,
                                 struct cor_view csr, bool reusable)
{
    auto_(enrol_grant_free) struct enrol_grant grant = {0};
    struct enrol_request request = {.node = cor_view_of(node),
                                    .authorization = cor_view_of(authorization),
                                    .csr = csr,
                                    .now = set->now,
                                    .reusable = reusable};
    return judge(set, &request, &grant);
}

static void token_names_the_ca(void **state)
{
    struct set *set = *state;
    auto_(cor_buf_free) struct cor_buf token = {0};
    const struct token words = token_of_n1(set);
    token_make(&set->maker, &words, &token);
    int dots = 0;
    for (const char *c = token.data; *c != 0; c++) {
        dots += *c == '.';
    }
    assert_int_equal(dots, 3); /* EdgeCore insists on four parts */
    assert_int_equal(strchr(token.data, '.') - token.data, 64);
}

static void good_request_is_granted(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", set->jwt);
    auto_(enrol_grant_free) struct enrol_grant grant = {0};
    struct enrol_request request = {.node = COR_VIEW("n1"),
                                    .authorization = cor_view_of(bearer),
                                    .csr = cor_buf_as_view(&set->csr),
                                    .now = set->now};
    assert_int_equal(judge(set, &request, &grant), COR_OK);
    assert_string_equal(grant.token.node, "n1");
    assert_string_equal(grant.token.id, "the-id");
    auto_(cor_cert_free) struct cor_cert *cert = NULL;
    struct cor_issuer issuer = {set->certs.ca, set->certs.ca_key};
    assert_int_equal(enrol_sign(issuer, grant.csr, set->now, COR_SEC(86400) * 365, &cert, NULL),
                     COR_OK);
    assert_in_range(cor_cert_days_left(cert, set->now), 364, 365);
    assert_true(cor_cert_is_for(cert, set->key));
    assert_true(enrol_is_node(cert, COR_VIEW("n1")));
    assert_false(enrol_is_node(cert, COR_VIEW("n2")));
    assert_int_equal(cor_cert_verify(cert, set->certs.ca, COR_CERT_CLIENT, set->now, NULL), COR_OK);
    assert_int_equal(cor_cert_verify(cert, set->certs.ca, COR_CERT_SERVER, set->now, NULL),
                     COR_UNAUTHENTICATED);
}

/* faults A4: every kind of bad token. */
static void bad_tokens_are_refused(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *expired = jwt_of(set, "n1", -1);
    auto_(cor_freep) char *other = jwt_of(set, "n2", 60);
    auto_(cor_freep) char *reusable = jwt_of(set, NULL, 60);
    auto_(cor_freep) char *forged = cor_strdup(set->jwt);
    forged[strlen(forged) - 3] = forged[strlen(forged) - 3] == 'A' ? 'B' : 'A';
    auto_(cor_freep) char *cut = cor_memdup(set->jwt, strlen(set->jwt) - 10);
    auto_(cor_buf_free) struct cor_buf es256 = {0};
    auto_(cor_json_free) struct cor_json *claims = cor_json_object();
    cor_json_set(claims, "node", cor_json_str("n1"));
    assert_int_equal(cor_jwt_sign(set->certs.ca_key, NULL, claims, &es256, NULL), COR_OK);
    const struct {
        const char *format;
        const char *jwt;
    } rows[] = {
        {"%s", ""},
        {"%s", set->jwt},             /* no scheme word */
        {"Bearer %s x", set->jwt},    /* three words */
        {"Bearer hash.%s", set->jwt}, /* the CA's hash still on it */
        {"Bearer %s", expired},
        {"Bearer %s", other},
        {"Bearer %s", reusable}, /* not allowed here */
        {"Bearer %s", forged},
        {"Bearer %s", cut},
        {"Bearer %s", es256.data},
        {"Bearer %s", "e30.e30."},
        {"Bearer %s",
         "eyJhbGciOiJub25lIn0.eyJub2RlIjoibjEiLCJqdGkiOiJ4IiwiZXhwIjo5OTk5OTk5OTk5fQ."},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct cor_buf header = {0};
        struct cor_view format = cor_view_of(rows[i].format);
        size_t at = (size_t)(strstr(rows[i].format, "%s") - rows[i].format);
        cor_buf_add(&header, format.ptr, at);
        cor_buf_str(&header, rows[i].jwt);
        cor_buf_str(&header, rows[i].format + at + 2);
        assert_int_equal(
            judge_token(set, "n1", cor_buf_as_view(&header).ptr, cor_buf_as_view(&set->csr), false),
            COR_UNAUTHENTICATED);
        cor_buf_free(&header);
    }
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", reusable);
    assert_int_equal(judge_token(set, "n1", bearer, cor_buf_as_view(&set->csr), true), COR_OK);
}

/* A token for any node says how many keys it is good for, within bounds. */
static void shared_tokens_have_a_quota(void **state)
{
    struct set *set = *state;
    static const struct {
        unsigned uses;
        enum cor_code expected;
    } rows[] = {{1, COR_OK},
                {TOKEN_USES_MAX, COR_OK},
                {0, COR_UNAUTHENTICATED},
                {TOKEN_USES_MAX + 1, COR_UNAUTHENTICATED}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct token words = token_of_n1(set);
        struct token read = {0};
        auto_(cor_buf_free) struct cor_buf text = {0};
        words.node = NULL;
        words.uses = rows[i].uses;
        token_make(&set->maker, &words, &text);
        struct cor_view jwt = cor_view_of(strchr(text.data, '.') + 1);
        assert_int_equal(token_check(&set->maker, jwt, set->now, &read, NULL), rows[i].expected);
        if (rows[i].expected == COR_OK) {
            assert_null(read.node);
            assert_string_equal(read.id, "id");
            assert_int_equal(read.uses, rows[i].uses);
        }
        token_free(&read);
    }
}

/* A token of another hub's CA. */
static void foreign_token_is_refused(void **state)
{
    struct set *set = *state;
    struct test_certs other;
    auto_(cor_buf_free) struct cor_buf secret = {0};
    test_certs_make(&other, "x", "y");
    cor_key_der(other.ca_key, &secret);
    struct token_maker maker = {other.ca, cor_buf_as_view(&secret)};
    auto_(cor_buf_free) struct cor_buf token = {0};
    const struct token words = token_of_n1(set);
    token_make(&maker, &words, &token);
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", strchr(token.data, '.') + 1);
    assert_int_equal(judge_token(set, "n1", bearer, cor_buf_as_view(&set->csr), false),
                     COR_UNAUTHENTICATED);
    test_certs_free(&other);
}

/* The same when it may be one from before the CA was changed: with a word about that. */
static void a_former_token_is_told(void **state)
{
    struct set *set = *state;
    const bool former[] = {false, true};
    for (size_t i = 0; i < COR_COUNT(former); i++) {
        auto_(enrol_grant_free) struct enrol_grant grant = {0};
        struct cor_err err = COR_ERR_NONE;
        struct enrol_request request = {.node = COR_VIEW("n1"),
                                        .authorization = COR_VIEW("Bearer e30.e30.AAAA"),
                                        .csr = cor_buf_as_view(&set->csr),
                                        .now = set->now,
                                        .former = former[i]};
        assert_int_equal(enrol_judge(&set->maker, &request, &grant, &err), COR_UNAUTHENTICATED);
        assert_int_equal(strstr(err.text, "make a new one") != NULL, former[i]);
    }
}

/* faults H8. */
static void bad_requests_are_refused(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *bearer = cor_sprintf("Bearer %s", set->jwt);
    auto_(cor_freep) char *big = cor_alloc(COR_CSR_MAX + 1);
    auto_(cor_buf_free) struct cor_buf other = {0};
    auto_(cor_buf_free) struct cor_buf org = {0};
    auto_(cor_buf_free) struct cor_buf nameless = {0};
    csr_for(set, "system:node:n2", "system:nodes", &other);
    csr_for(set, "system:node:n1", "system:masters", &org);
    csr_for(set, NULL, "system:nodes", &nameless);
    const struct {
        struct cor_view csr;
        enum cor_code expected;
    } rows[] = {
        {{NULL, 0}, COR_INVALID},
        {COR_VIEW("garbage"), COR_INVALID},
        {{set->csr.data, set->csr.len - 1}, COR_INVALID},
        {{big, COR_CSR_MAX + 1}, COR_TOOBIG},
        {cor_buf_as_view(&other), COR_INVALID},
        {cor_buf_as_view(&org), COR_INVALID},
        {cor_buf_as_view(&nameless), COR_INVALID},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(judge_token(set, "n1", bearer, rows[i].csr, false), rows[i].expected);
    }
    static const char *const names[] = {"", "N1", "n1/..", "../n1", "n1 ", "-n1"};
    for (size_t i = 0; i < COR_COUNT(names); i++) {
        assert_int_equal(judge_token(set, names[i], bearer, cor_buf_as_view(&set->csr), false),
                         COR_INVALID);
    }
    struct enrol_request request = {.node = COR_VIEW("n1"),
                                    .authorization = cor_view_of(bearer),
                                    .usages = COR_VIEW("[1]"), /* serverAuth */
                                    .csr = cor_buf_as_view(&set->csr),
                                    .now = set->now};
    auto_(enrol_grant_free) struct enrol_grant grant = {0};
    assert_int_equal(judge(set, &request, &grant), COR_INVALID);
}

/* faults A5: renewal with a certificate is for the same node only. */
static void renewal_is_bound_to_the_certificate(void **state)
{
    struct set *set = *state;
    auto_(cor_cert_free) struct cor_cert *n2 =
        test_certs_client(&set->certs, "system:node:n2", "system:nodes");
    auto_(cor_cert_free) struct cor_cert *admin =
        test_certs_client(&set->certs, "system:node:n1", "system:masters");
    struct test_certs other;
    test_certs_make(&other, "system:node:n1", "system:nodes");
    auto_(cor_certs_free) struct cor_certs roots = {0};
    assert_true(cor_certs_add(&roots, set->certs.ca));
    const struct {
        const struct cor_cert *cert;
        enum cor_code expected;
    } rows[] = {{set->certs.client, COR_OK},
                {n2, COR_UNAUTHENTICATED},
                {admin, COR_UNAUTHENTICATED},
                {other.client, COR_UNAUTHENTICATED}}; /* of a CA that is not among the roots */
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(enrol_grant_free) struct enrol_grant grant = {0};
        struct enrol_request request = {.node = COR_VIEW("n1"),
                                        .csr = cor_buf_as_view(&set->csr),
                                        .cert = rows[i].cert,
                                        .roots = &roots,
                                        .now = set->now};
        assert_int_equal(judge(set, &request, &grant), rows[i].expected);
        assert_null(grant.token.id);
    }
    test_certs_free(&other);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(token_names_the_ca),         T(good_request_is_granted),
        T(bad_tokens_are_refused),     T(foreign_token_is_refused),
        T(bad_requests_are_refused),   T(renewal_is_bound_to_the_certificate),
        T(shared_tokens_have_a_quota), T(a_former_token_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
