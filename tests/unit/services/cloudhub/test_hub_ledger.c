// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "services/cloudhub/ledger.h"
#include "services/cloudhub/revoked.h"
#include "services/cloudhub/secret.h"
#include "services/cloudhub/tokens.h"

static const struct cor_wall NOW = {COR_SEC(1000)};

static struct token token_of(const char *id, unsigned uses, int64_t until_s)
{
    return (struct token){.node = uses == 1 ? (char *)(uintptr_t) "n1" : NULL,
                          .id = (char *)(uintptr_t)id,
                          .uses = uses,
                          .until = {COR_SEC(until_s)}};
}

static void one_key_a_token(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
    struct token token = token_of("id-1", 1, 2000);
    struct token other = token_of("id-2", 1, 2000);
    assert_int_equal(ledger_judge(NULL, &token, "aa"), COR_NOTFOUND);
    assert_int_equal(ledger_judge(secret, &token, "aa"), COR_NOTFOUND);
    ledger_record(secret, &token, "aa", NOW);
    assert_int_equal(ledger_judge(secret, &token, "aa"), COR_OK); /* the answer got lost */
    assert_int_equal(ledger_judge(secret, &token, "bb"), COR_DENIED);
    assert_int_equal(ledger_judge(secret, &other, "bb"), COR_NOTFOUND);
}

/* One for any node is used up by so many keys. */
static void a_shared_token_has_a_quota(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
    struct token token = token_of("id", 3, 2000);
    static const char *const keys[] = {"aa", "bb", "cc"};
    bool revoked = true;
    for (size_t i = 0; i < COR_COUNT(keys); i++) {
        assert_int_equal(ledger_uses(secret, "id", &revoked), i);
        assert_int_equal(ledger_judge(secret, &token, keys[i]), COR_NOTFOUND);
        ledger_record(secret, &token, keys[i], NOW);
        assert_int_equal(ledger_judge(secret, &token, "aa"), COR_OK);
    }
    assert_int_equal(ledger_judge(secret, &token, "dd"), COR_DENIED);
    assert_int_equal(ledger_uses(secret, "id", &revoked), 3);
    assert_false(revoked);
}

/* For whom has used it, too; until it would have ended. */
static void nobody_uses_what_is_revoked(void **state)
{
    (void)state;
    static const unsigned uses[] = {1, 5};
    for (size_t i = 0; i < COR_COUNT(uses); i++) {
        auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
        struct token token = token_of("id", uses[i], 2000);
        struct token late = token_of("late", 1, 5000);
        bool revoked = false;
        ledger_record(secret, &token, "aa", NOW);
        ledger_revoke(secret, "id", token.until, NOW);
        ledger_revoke(secret, "unused", token.until, NOW);
        assert_int_equal(ledger_judge(secret, &token, "aa"), COR_DENIED);
        assert_int_equal(ledger_judge(secret, &token, "bb"), COR_DENIED);
        assert_int_equal(ledger_uses(secret, "id", &revoked), 1);
        assert_true(revoked);
        assert_int_equal(ledger_uses(secret, "unused", &revoked), 0);
        assert_true(revoked);
        ledger_record(secret, &late, "aa", (struct cor_wall){COR_SEC(3000)});
        assert_int_equal(ledger_uses(secret, "id", &revoked), 0);
        assert_false(revoked);
    }
}

static void expired_uses_are_forgotten(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", LEDGER_SECRET);
    struct token early = token_of("early", 1, 1500);
    struct token late = token_of("late", 1, 3000);
    struct token third = token_of("third", 1, 3000);
    ledger_record(secret, &early, "aa", NOW);
    ledger_record(secret, &late, "aa", NOW);
    struct cor_wall later = {COR_SEC(2000)};
    ledger_record(secret, &third, "aa", later);
    assert_int_equal(ledger_judge(secret, &early, "aa"), COR_NOTFOUND);
    assert_int_equal(ledger_judge(secret, &late, "aa"), COR_OK);
    assert_int_equal(ledger_judge(secret, &third, "aa"), COR_OK);
}

/* Somebody has edited the Secret by hand: what cannot be read counts as used. */
static void damaged_entries_are_no_licence(void **state)
{
    (void)state;
    static const char *const values[] = {"\"\"", "\"!\"", "7", "\"YQ==\"", "{}"};
    struct token token = token_of("id", 1, 9000);
    struct token shared = token_of("id", 9, 9000);
    struct token other = token_of("new", 1, 9000);
    for (size_t i = 0; i < COR_COUNT(values); i++) {
        auto_(cor_json_free) struct cor_json *secret = NULL;
        auto_(cor_buf_free) struct cor_buf text = {0};
        cor_buf_fmt(&text, "{\"data\":{\"id\":%s}}", values[i]);
        assert_int_equal(cor_json_parse(cor_buf_as_view(&text), 1000, 0, &secret, NULL), COR_OK);
        assert_int_equal(ledger_judge(secret, &token, "aa"), COR_DENIED);
        assert_int_equal(ledger_judge(secret, &shared, "aa"), COR_DENIED);
        ledger_record(secret, &other, "aa", NOW);
        assert_int_equal(ledger_judge(secret, &token, "aa"), COR_DENIED);
    }
}

/* ---- what was made ---- */

static void made_tokens_are_listed(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        unsigned uses;
        int64_t made_s, until_s;
    } made[] = {
        {"b2", 1, 110, 2000}, {"a1", 5, 100, 3000}, {"c3", 1, 120, 2000}, {"d4", 1, 130, 900}};
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", TOKENS_SECRET);
    auto_(cor_json_free) struct cor_json *ledger = secret_new("kubeedge", LEDGER_SECRET);
    for (size_t i = 0; i < COR_COUNT(made); i++) {
        struct token token = token_of(made[i].id, made[i].uses, made[i].until_s);
        struct cor_wall at = {COR_SEC(made[i].made_s)};
        assert_int_equal(tokens_add(secret, &token, at, ledger, 10), COR_OK);
    }
    struct token shared = token_of("a1", 5, 3000);
    struct token used = token_of("b2", 1, 2000);
    ledger_record(ledger, &shared, "aa", (struct cor_wall){COR_SEC(200)});
    ledger_record(ledger, &used, "aa", (struct cor_wall){COR_SEC(200)});
    ledger_revoke(ledger, "c3", (struct cor_wall){COR_SEC(2000)}, (struct cor_wall){COR_SEC(200)});
    auto_(cor_json_free) struct cor_json *list = tokens_list(secret, ledger, NOW);
    auto_(cor_freep) char *text = cor_json_text(list);
    assert_string_equal(
        text, "[{\"id\":\"a1\",\"node\":\"\",\"created\":\"1970-01-01T00:01:40Z\",\"expires\":"
              "\"1970-01-01T00:50:00Z\",\"uses\":5,\"left\":4,\"state\":\"open\"},"
              "{\"id\":\"b2\",\"node\":\"n1\",\"created\":\"1970-01-01T00:01:50Z\",\"expires\":"
              "\"1970-01-01T00:33:20Z\",\"uses\":1,\"left\":0,\"state\":\"used\"},"
              "{\"id\":\"c3\",\"node\":\"n1\",\"created\":\"1970-01-01T00:02:00Z\",\"expires\":"
              "\"1970-01-01T00:33:20Z\",\"uses\":1,\"left\":0,\"state\":\"revoked\"}]");
}

/* Used and revoked ones leave room; expired ones are forgotten. */
static void open_tokens_are_bounded(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", TOKENS_SECRET);
    auto_(cor_json_free) struct cor_json *ledger = secret_new("kubeedge", LEDGER_SECRET);
    struct token a = token_of("a", 1, 2000);
    struct token b = token_of("b", 1, 2000);
    struct token c = token_of("c", 1, 4000);
    struct cor_wall later = {COR_SEC(2500)};
    assert_int_equal(tokens_add(secret, &a, NOW, ledger, 2), COR_OK);
    assert_int_equal(tokens_add(secret, &b, NOW, NULL, 2), COR_OK);
    assert_int_equal(tokens_add(secret, &c, NOW, ledger, 2), COR_BUSY);
    ledger_record(ledger, &a, "aa", NOW);
    assert_int_equal(tokens_add(secret, &c, NOW, ledger, 2), COR_OK);
    assert_int_equal(cor_json_count(cor_json_get(secret, "data")), 3);
    assert_int_equal(tokens_add(secret, &c, later, ledger, 2), COR_OK);
    assert_int_equal(cor_json_count(cor_json_get(secret, "data")), 1);
}

static void ids_may_be_cut(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *secret = secret_new("kubeedge", TOKENS_SECRET);
    static const char *const ids[] = {"abc-1", "abd-2", "x"};
    for (size_t i = 0; i < COR_COUNT(ids); i++) {
        struct token token = token_of(ids[i], 1, 2000);
        assert_int_equal(tokens_add(secret, &token, NOW, NULL, 10), COR_OK);
    }
    static const struct {
        const char *text;
        int64_t now_s;
        enum cor_code code;
    } rows[] = {{"abc", 1000, COR_OK},         {"abc-1", 1000, COR_OK},
                {"ab", 1000, COR_CONFLICT},    {"abe", 1000, COR_NOTFOUND},
                {"", 1000, COR_NOTFOUND},      {"abc", 2000, COR_NOTFOUND},
                {"abc-11", 1000, COR_NOTFOUND}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_freep) char *id = NULL;
        struct cor_wall until = {0};
        struct cor_wall now = {COR_SEC(rows[i].now_s)};
        assert_int_equal(tokens_find(secret, cor_view_of(rows[i].text), now, &id, &until),
                         rows[i].code);
        assert_int_equal(id != NULL, rows[i].code == COR_OK);
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
        cmocka_unit_test(a_shared_token_has_a_quota),
        cmocka_unit_test(nobody_uses_what_is_revoked),
        cmocka_unit_test(made_tokens_are_listed),
        cmocka_unit_test(open_tokens_are_bounded),
        cmocka_unit_test(ids_may_be_cut),
        cmocka_unit_test(expired_uses_are_forgotten),
        cmocka_unit_test(damaged_entries_are_no_licence),
        cmocka_unit_test(revoked_by_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
