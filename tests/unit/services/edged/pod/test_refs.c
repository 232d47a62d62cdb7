// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/refs.h"

#define POD                                                                                        \
    "{'serviceAccountName':'sa','imagePullSecrets':[{'name':'reg'}],'containers':[{'name':'c','"   \
    "image':'i:1',"                                                                                \
    "'env':[{'name':'A','valueFrom':{'configMapKeyRef':{'name':'cm','key':'k'}}}],"                \
    "'envFrom':[{'secretRef':{'name':'s'}},{'configMapRef':{'name':'cm'}}]}],"                     \
    "'volumes':[{'name':'v','configMap':{'name':'cm2'}},{'name':'d','downwardAPI':{'items':[]}},"  \
    "{'name':'p','projected':{'sources':[{'serviceAccountToken':{'path':'t','expirationSeconds':"  \
    "3607}},"                                                                                      \
    "{'serviceAccountToken':{'path':'u','audience':'vault','expirationSeconds':600}},"             \
    "{'configMap':{'name':'cm'}}]}}]}"

static void test_collect(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(POD);
    auto_(refs_free) struct refs refs = {0};
    refs_collect(&refs, pod);
    refs_collect(&refs, pod);
    assert_int_equal(refs.count, 4);
    assert_non_null(refs_find(&refs, false, "cm"));
    assert_non_null(refs_find(&refs, false, "cm2"));
    assert_non_null(refs_find(&refs, true, "s"));
    assert_non_null(refs_find(&refs, true, "reg"));
    assert_null(refs_find(&refs, true, "cm"));
    assert_int_equal(refs.token_count, 2);
    assert_non_null(refs_find_token(&refs, "vault", 600));
    assert_int_equal(refs_next_due(&refs).us, INT64_MAX);
}

static void test_what_is_news(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(POD);
    auto_(refs_free) struct refs refs = {0};
    refs_collect(&refs, pod);
    struct ref *ref = refs_find(&refs, false, "cm");
    assert_true(refs_set(ref, test_json("{'data':{'k':'1'}}")));
    assert_false(refs_set(ref, test_json("{'data':{'k':'1'}}")));
    assert_true(refs_set(ref, test_json("{'data':{'k':'2'}}")));
    assert_true(refs_set(ref, NULL));
    assert_int_equal(ref->state, REF_ABSENT);
    refs_ask_again(&refs, (struct cor_mono){0});
    assert_int_equal(ref->state, REF_UNKNOWN);
    ref->state = REF_ASKED;
    assert_true(refs_are_asked(&refs));
    refs_fail(ref, "no link");
    assert_false(refs_are_asked(&refs));
    assert_string_equal(ref->error, "no link");
    assert_true(refs_set(ref, test_json("{}")));
}

/* Renewed when 20 % of its life is left, at the latest after a day, never in a hurry. */
static void test_when_tokens_are_due(void **state)
{
    (void)state;
    static const struct {
        int64_t seconds;
        const char *expiry;
        int64_t due_s;
    } cases[] = {
        {3600, "1970-01-01T01:00:00Z", 2881}, {600, "1970-01-01T00:10:00Z", 481},
        {3600, "1970-01-01T00:10:00Z", 10},   {3600, "1970-01-08T00:00:00Z", 86400},
        {3600, "1969-01-01T00:00:00Z", 10},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct ref_token token = {.audience = cor_strdup(""), .seconds = cases[i].seconds};
        auto_(cor_freep) char *text =
            cor_sprintf("{'status':{'token':'t','expirationTimestamp':'%s'}}", cases[i].expiry);
        auto_(cor_json_free) struct cor_json *answer = test_json(text);
        assert_true(refs_set_token(&token, answer, (struct cor_wall){0}, (struct cor_mono){0}));
        assert_int_equal(token.due.us, COR_SEC(cases[i].due_s));
        refs_fail_token(&token, "no link", (struct cor_mono){0});
        assert_int_equal(token.state, REF_HERE); /* an old token is better than none */
        assert_string_equal(token.token, "t");
        struct refs refs = {.tokens = &token, .token_count = 1};
        assert_int_equal(refs_next_due(&refs).us, COR_SEC(60));
        token.state = REF_ASKED;
        assert_int_equal(refs_next_due(&refs).us, INT64_MAX);
        cor_free(token.token);
        cor_free(token.audience);
        cor_free(token.error);
    }
}

static void test_bad_token_answers(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "{}",
        "[]",
        "{'status':{}}",
        "{'status':{'token':'x'}}",
        "{'status':{'token':5,'expirationTimestamp':'2020-01-01T00:00:00Z'}}",
        "{'status':{'token':'x','expirationTimestamp':'soon'}}"};
    for (size_t i = 0; i < COR_COUNT(answers); i++) {
        struct ref_token token = {.seconds = 600};
        auto_(cor_json_free) struct cor_json *answer = test_json(answers[i]);
        assert_false(refs_set_token(&token, answer, (struct cor_wall){0}, (struct cor_mono){0}));
        assert_null(token.token);
    }
}

static void test_token_request(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(POD);
    auto_(refs_free) struct refs refs = {0};
    refs_collect(&refs, pod);
    auto_(cor_json_free) struct cor_json *request =
        refs_token_request(refs_find_token(&refs, "vault", 600), pod);
    assert_int_equal(cor_json_int_at(request, "spec.expirationSeconds", 0), 600);
    assert_string_equal(
        cor_json_as_str(cor_json_item(cor_json_at(request, "spec.audiences"), 0), ""), "vault");
    assert_string_equal(cor_json_str_at(request, "spec.boundObjectRef.uid", ""), "u1");
    auto_(cor_json_free) struct cor_json *plain =
        refs_token_request(refs_find_token(&refs, "", 3607), pod);
    assert_true(cor_json_is_null(cor_json_at(plain, "spec.audiences")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_what_is_news),
        cmocka_unit_test(test_when_tokens_are_due),
        cmocka_unit_test(test_bad_token_answers),
        cmocka_unit_test(test_token_request),
    };
    return cmocka_run_group_tests_name("refs", tests, NULL, NULL);
}
