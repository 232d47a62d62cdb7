// SPDX-License-Identifier: Apache-2.0
// Tokens from the making to the end, as people see them.
#include <signal.h>

#include "common/base/text.h"
#include "tests/contract/cloudhub/harness.h"
#include "tools/ctl/ctl.h"

static enum cor_code ask(const struct set *set, const char *verb, const char *args,
                         struct cor_json **answer_r)
{
    auto_(cor_freep) char *ctl = cor_sprintf("%s/run/ctl/cloudhub", set->dir);
    return tool_ask_json(ctl, verb, cor_view_of(args), 30000, answer_r, NULL);
}

/* How the hub sees the token with this id: its state, and uses that are left. */
static void expect(const struct set *set, const char *id, const char *state, int64_t left)
{
    auto_(cor_json_free) struct cor_json *list = NULL;
    assert_int_equal(ask(set, "token-list", "{}", &list), COR_OK);
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *row = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(row, "id", ""), id) == 0) {
            assert_string_equal(cor_json_str_at(row, "state", ""), state);
            assert_int_equal(cor_json_int_at(row, "left", -1), left);
            return;
        }
    }
    fail_msg("token %s is not listed", id);
}

static struct cor_json *make(const struct set *set, const char *args)
{
    struct cor_json *made = NULL;
    assert_int_equal(ask(set, "token-create", args, &made), COR_OK);
    return made;
}

static int join(struct set *set, const char *node, const struct cor_json *made,
                const struct cor_key *key)
{
    auto_(cor_buf_free) struct cor_buf csr = {0};
    hub_csr_of(key, node, &csr);
    return hub_fetch_cert(set, node, cor_json_str_at(made, "token", ""), cor_buf_as_view(&csr));
}

static void used_once_and_listed(void **state)
{
    struct set *set = *state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_json_free) struct cor_json *made = make(set, "{\"node\":\"n1\",\"ttlSeconds\":600}");
    const char *id = cor_json_str_at(made, "id", "");
    expect(set, id, "open", 1);
    assert_int_equal(join(set, "n1", made, key), 200);
    expect(set, id, "used", 0);
    auto_(cor_freep) char *stored = test_read(set->dir, "objects.json");
    const char *jwt = strrchr(cor_json_str_at(made, "token", ""), '.');
    assert_null(strstr(stored, jwt + 1)); /* the Secret has no token */
}

/* Also for who has used it already; also at a hub that starts anew. */
static void revoked_at_once(void **state)
{
    struct set *set = *state;
    auto_(cor_key_free) struct cor_key *key = cor_key_new();
    auto_(cor_json_free) struct cor_json *used = make(set, "{\"node\":\"n1\"}");
    auto_(cor_json_free) struct cor_json *unused = make(set, "{\"node\":\"n2\"}");
    const struct cor_json *const both[] = {used, unused};
    assert_int_equal(join(set, "n1", used, key), 200);
    for (size_t i = 0; i < COR_COUNT(both); i++) {
        auto_(cor_json_free) struct cor_json *answer = NULL;
        const char *id = cor_json_str_at(both[i], "id", "");
        auto_(cor_freep) char *args = cor_sprintf("{\"id\":\"%.13s\"}", id); /* it may be cut */
        assert_int_equal(ask(set, "token-revoke", args, &answer), COR_OK);
        assert_string_equal(cor_json_str_at(answer, "id", ""), id);
        expect(set, id, "revoked", 0);
    }
    assert_int_equal(join(set, "n1", used, key), 401);
    assert_int_equal(join(set, "n2", unused, key), 401);
    (void)test_process_stop(&set->hub, SIGKILL);
    hub_start_hub(set);
    assert_int_equal(join(set, "n2", unused, key), 401);
}

static void nonsense_is_refused(void **state)
{
    static const struct {
        const char *verb, *args;
        enum cor_code code;
    } rows[] = {
        {"token-create", "{\"node\":\"N 1\"}", COR_INVALID},
        {"token-create", "{\"node\":\"n1\",\"ttlSeconds\":0}", COR_INVALID},
        {"token-create", "{\"reusable\":true}", COR_DENIED},
        {"token-revoke", "{}", COR_INVALID},
        {"token-revoke", "{\"id\":7}", COR_INVALID},
        {"token-revoke", "[", COR_INVALID},
        {"token-revoke", "{\"id\":\"0\"}", COR_NOTFOUND},
    };
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *answer = NULL;
        if (ask(set, rows[i].verb, rows[i].args, &answer) != rows[i].code) {
            fail_msg("%s %s", rows[i].verb, rows[i].args);
        }
    }
}

/* The hub's configuration allows them, and two tokens in all. */
static void allow_shared(struct set *set)
{
    auto_(cor_freep) char *before = test_read(set->dir, "hub.yaml");
    const char *at = strstr(before, "port: 0}\nlink");
    assert_non_null(at);
    auto_(cor_freep) char *after =
        cor_sprintf("%.*sport: 0, reusable-token: true, tokens: 2}\nlink%s", (int)(at - before),
                    before, at + strlen("port: 0}\nlink"));
    test_write(set->dir, "hub.yaml", after);
    (void)test_process_stop(&set->hub, SIGTERM);
    hub_start_hub(set);
}

static void shared_tokens_are_counted(void **state)
{
    struct set *set = *state;
    allow_shared(set);
    auto_(cor_key_free) struct cor_key *first = cor_key_new();
    auto_(cor_key_free) struct cor_key *second = cor_key_new();
    auto_(cor_key_free) struct cor_key *third = cor_key_new();
    auto_(cor_json_free) struct cor_json *made = make(set, "{\"reusable\":true,\"uses\":2}");
    const char *id = cor_json_str_at(made, "id", "");
    expect(set, id, "open", 2);
    assert_int_equal(join(set, "n1", made, first), 200);
    assert_int_equal(join(set, "n1", made, first), 200); /* the answer got lost */
    expect(set, id, "open", 1);
    assert_int_equal(join(set, "n2", made, second), 200);
    expect(set, id, "used", 0);
    assert_int_equal(join(set, "n3", made, third), 401);
}

static void open_tokens_are_bounded(void **state)
{
    struct set *set = *state;
    allow_shared(set);
    auto_(cor_json_free) struct cor_json *first = make(set, "{\"node\":\"n1\"}");
    auto_(cor_json_free) struct cor_json *second = make(set, "{\"node\":\"n2\"}");
    auto_(cor_json_free) struct cor_json *answer = NULL;
    assert_int_equal(ask(set, "token-create", "{\"node\":\"n3\"}", &answer), COR_BUSY);
    auto_(cor_freep) char *args = cor_sprintf("{\"id\":\"%s\"}", cor_json_str_at(first, "id", ""));
    assert_int_equal(ask(set, "token-revoke", args, &answer), COR_OK);
    cor_json_free(&answer);
    assert_int_equal(ask(set, "token-create", "{\"node\":\"n3\"}", &answer), COR_OK);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, hub_setup, hub_teardown)
    const struct CMUnitTest tests[] = {
        T(used_once_and_listed),      T(revoked_at_once),         T(nonsense_is_refused),
        T(shared_tokens_are_counted), T(open_tokens_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
