// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "services/cloudhub/ledger.h"
#include "services/cloudhub/revoked.h"
#include "services/cloudhub/secret.h"

static const struct cor_wall NOW = {COR_SEC(1000)};

static void one_key_a_token(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
    struct token token = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "id-1", {COR_SEC(2000)}};
    assert_int_equal(ledger_judge(NULL, "id-1", "aa"), COR_NOTFOUND);
    assert_int_equal(ledger_judge(secret, "id-1", "aa"), COR_NOTFOUND);
    ledger_record(secret, &token, "aa", NOW);
    assert_int_equal(ledger_judge(secret, "id-1", "aa"), COR_OK); /* the answer got lost */
    assert_int_equal(ledger_judge(secret, "id-1", "bb"), COR_DENIED);
    assert_int_equal(ledger_judge(secret, "id-2", "bb"), COR_NOTFOUND);
}

static void expired_uses_are_forgotten(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
    struct token early = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "early", {COR_SEC(1500)}};
    struct token late = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "late", {COR_SEC(3000)}};
    struct token third = {(char *)(uintptr_t) "n1", (char *)(uintptr_t) "third", {COR_SEC(3000)}};
    ledger_record(secret, &early, "aa", NOW);
    ledger_record(secret, &late, "aa", NOW);
    struct cor_wall later = {COR_SEC(2000)};
    ledger_record(secret, &third, "aa", later);
    assert_int_equal(ledger_judge(secret, "early", "aa"), COR_NOTFOUND);
    assert_int_equal(ledger_judge(secret, "late", "aa"), COR_OK);
    assert_int_equal(ledger_judge(secret, "third", "aa"), COR_OK);
}

/* Somebody has edited the Secret by hand: what cannot be read counts as used. */
static void damaged_entries_are_no_licence(void **state)
{
    (void)state;
    static const char *const values[] = {"\"\"", "\"!\"", "7", "\"YQ==\"", "{}"};
    for (size_t i = 0; i < COR_COUNT(values); i++) {
        auto_(cor_json_free) struct cor_json *secret = NULL;
        auto_(cor_buf_free) struct cor_buf text = {0};
        cor_buf_fmt(&text, "{\"data\":{\"id\":%s}}", values[i]);
        assert_int_equal(cor_json_parse(cor_buf_as_view(&text), 1000, 0, &secret, NULL), COR_OK);
        assert_int_equal(ledger_judge(secret, "id", "aa"), COR_DENIED);
        struct token token = {(char *)(uintptr_t) "n", (char *)(uintptr_t) "new", {COR_SEC(9000)}};
        ledger_record(secret, &token, "aa", NOW);
        assert_int_equal(ledger_judge(secret, "id", "aa"), COR_DENIED);
    }
}

/* "2000" as a time: what was issued before it, a minute's difference of clocks allowed. What cannot
 * be read lets nobody in. */
static void revoked_by_time(void **state)
{
    (void)state;
    static const struct {
        const char *data;
        int64_t from_s;
        bool revoked;
    } rows[] = {
        {"{}", 0, false},
        {"{\"data\":{\"n2\":\"MjAwMA==\"}}", 0, false},
        {"{\"data\":{\"n1\":\"MjAwMA==\"}}", 0, true},
        {"{\"data\":{\"n1\":\"MjAwMA==\"}}", 1939, true},
        {"{\"data\":{\"n1\":\"MjAwMA==\"}}", 1940, false},
        {"{\"data\":{\"n1\":\"eA==\"}}", 1940, true},
        {"{\"data\":{\"n1\":7}}", 1940, true},
    };
    assert_false(revoked_judge(NULL, "n1", (struct cor_wall){0}));
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *secret = NULL;
        assert_int_equal(cor_json_parse(cor_view_of(rows[i].data), 1000, 0, &secret, NULL), COR_OK);
        assert_int_equal(revoked_judge(secret, "n1", (struct cor_wall){COR_SEC(rows[i].from_s)}),
                         rows[i].revoked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_key_a_token),
        cmocka_unit_test(expired_uses_are_forgotten),
        cmocka_unit_test(damaged_entries_are_no_licence),
        cmocka_unit_test(revoked_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
