// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/cloudhub/census.h"
#include "services/cloudhub/rotation.h"
#include "services/cloudhub/secret.h"
#include "tests/support/certs.h"

struct set {
    struct test_certs certs; /* of the old CA */
    struct cor_json *secret;
    struct cor_wall now;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    test_certs_make(&set->certs, "system:node:n1", "system:nodes");
    set->secret = secret_new("kubeedge", ROTATION_SECRET);
    set->now = cor_wall_now();
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    test_certs_free(&set->certs);
    cor_json_free(&set->secret);
    cor_free(set);
    return 0;
}

static void read_it(const struct set *set, struct rotation *rotation)
{
    rotation_free(rotation);
    assert_int_equal(rotation_read(set->secret, rotation, NULL), COR_OK);
}

static enum cor_code do_step(struct set *set, enum rotation_step step, bool keep)
{
    auto_(rotation_free) struct rotation rotation = {0};
    struct cor_err err = COR_ERR_NONE;
    struct rotation_wish wish = {.step = step,
                                 .current = {set->certs.ca, set->certs.ca_key},
                                 .now = set->now,
                                 .within_s = 60,
                                 .keep = keep};
    read_it(set, &rotation);
    enum cor_code code = rotation_take(&rotation, &wish, set->secret, &err);
    assert_int_equal(strlen(err.text) > 0, code != COR_OK);
    return code;
}

/* Brings a fresh Secret into a phase, by the steps that lead there. */
static void bring(struct set *set, enum rotation_phase phase)
{
    static const enum rotation_step way[] = {ROTATION_ROTATE, ROTATION_PROMOTE, ROTATION_FINISH};
    auto_(rotation_free) struct rotation rotation = {0};
    cor_json_free(&set->secret);
    set->secret = secret_new("kubeedge", ROTATION_SECRET);
    for (int i = 0; i < (int)phase; i++) {
        assert_int_equal(do_step(set, way[i], false), COR_OK);
    }
    read_it(set, &rotation);
    assert_int_equal(rotation.phase, phase);
}

/* Every step in every phase: where it leads, or that it is refused and changes nothing. */
static void steps_lead_from_phase_to_phase(void **state)
{
    enum { NO = -1 };
    static const int table[ROTATION_STEPS][ROTATION_PHASES] = {
        [ROTATION_ROTATE] = {ROTATION_INTRODUCED, NO, NO, NO},
        [ROTATION_PROMOTE] = {NO, ROTATION_PROMOTED, NO, NO},
        [ROTATION_DEMOTE] = {NO, NO, ROTATION_INTRODUCED, NO},
        [ROTATION_ABORT] = {NO, ROTATION_NONE, NO, NO},
        [ROTATION_FINISH] = {NO, NO, ROTATION_FINISHING, NO},
        [ROTATION_FORGET] = {NO, NO, NO, NO}, /* there is nothing to forget */
    };
    struct set *set = *state;
    for (int step = 0; step < ROTATION_STEPS; step++) {
        for (int phase = 0; phase < ROTATION_PHASES; phase++) {
            auto_(rotation_free) struct rotation after = {0};
            int expected = table[step][phase];
            bring(set, (enum rotation_phase)phase);
            auto_(cor_json_free) struct cor_json *before = cor_json_copy(set->secret);
            assert_int_equal(do_step(set, (enum rotation_step)step, false),
                             expected == NO ? COR_CONFLICT : COR_OK);
            read_it(set, &after);
            assert_int_equal(after.phase, expected == NO ? phase : expected);
            if (expected == NO) {
                assert_true(cor_json_equal(before, set->secret));
            }
        }
    }
}

static size_t roots_in(const struct set *set, enum rotation_phase phase, bool *old_r, bool *next_r)
{
    auto_(rotation_free) struct rotation rotation = {0};
    auto_(cor_certs_free) struct cor_certs roots = {0};
    read_it(set, &rotation);
    rotation_roots(&rotation, set->certs.ca, &roots);
    *old_r = false;
    *next_r = false;
    for (size_t i = 0; i < roots.count; i++) {
        *old_r = *old_r || cor_cert_same(roots.items[i], set->certs.ca);
        *next_r =
            *next_r || (rotation.next != NULL && cor_cert_same(roots.items[i], rotation.next));
    }
    assert_int_equal(rotation_next_signs(&rotation), phase >= ROTATION_PROMOTED);
    assert_int_equal(rotation_next_rules(&rotation), phase == ROTATION_FINISHING);
    return roots.count;
}

static void each_phase_trusts_its_cas(void **state)
{
    static const struct {
        enum rotation_phase phase;
        size_t count;
        bool old, next;
    } rows[] = {{ROTATION_NONE, 1, true, false},
                {ROTATION_INTRODUCED, 2, true, true},
                {ROTATION_PROMOTED, 2, true, true},
                {ROTATION_FINISHING, 1, false, true}};
    struct set *set = *state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        bool old = false;
        bool next = false;
        bring(set, rows[i].phase);
        assert_int_equal(roots_in(set, rows[i].phase, &old, &next), rows[i].count);
        assert_int_equal(old, rows[i].old);
        assert_int_equal(next, rows[i].next);
    }
}

/* Who knows only the old CA believes a server of the new one by what is shown behind it; also after
 * the end, and after one more rotation. */
static void old_ones_believe_by_the_chain(void **state)
{
    struct set *set = *state;
    static const char *const ips[] = {"127.0.0.1", NULL};
    auto_(cor_certs_free) struct cor_certs known = {0};
    auto_(cor_cert_free) struct cor_cert *first = cor_cert_ref(set->certs.ca);
    (void)cor_certs_add(&known, first);
    for (int round = 0; round < 2; round++) {
        auto_(rotation_free) struct rotation rotation = {0};
        auto_(cor_certs_free) struct cor_certs chain = {0};
        auto_(cor_cert_free) struct cor_cert *server = NULL;
        assert_int_equal(do_step(set, ROTATION_ROTATE, false), COR_OK);
        assert_int_equal(do_step(set, ROTATION_PROMOTE, false), COR_OK);
        read_it(set, &rotation);
        struct cor_cert_spec spec = {.cn = "KubeEdge",
                                     .ips = ips,
                                     .usage = COR_CERT_SERVER,
                                     .from = {set->now.us - COR_SEC(60)},
                                     .until = {set->now.us + COR_SEC(60)}};
        struct cor_issuer issuer = {rotation.next, rotation.next_key};
        assert_int_equal(cor_cert_sign(issuer, set->certs.server_key, &spec, &server, NULL),
                         COR_OK);
        rotation_chain(&rotation, &chain);
        assert_int_equal(chain.count, round + 1);
        assert_int_equal(cor_certs_verify(server, &known, &chain, COR_CERT_SERVER, set->now, NULL),
                         COR_OK);
        assert_int_equal(cor_certs_verify(server, &known, NULL, COR_CERT_SERVER, set->now, NULL),
                         COR_UNAUTHENTICATED);
        assert_int_equal(do_step(set, ROTATION_FINISH, false), COR_OK);
        read_it(set, &rotation);
        rotation_close(&rotation, set->secret);
        cor_cert_free(&set->certs.ca); /* casecret has the new one from now on */
        cor_key_free(&set->certs.ca_key);
        set->certs.ca = cor_cert_ref(rotation.next);
        set->certs.ca_key = take(&rotation.next_key);
    }
}

/* Finished so that the old CA's certificates may still be renewed, until that is ended, too. */
static void retired_may_renew(void **state)
{
    struct set *set = *state;
    auto_(rotation_free) struct rotation rotation = {0};
    bring(set, ROTATION_PROMOTED);
    assert_int_equal(do_step(set, ROTATION_FINISH, true), COR_OK);
    read_it(set, &rotation);
    rotation_close(&rotation, set->secret);
    read_it(set, &rotation);
    assert_int_equal(rotation.phase, ROTATION_NONE);
    assert_null(rotation.next);
    assert_int_equal(rotation.bridges.count, 1);
    assert_true(cor_cert_same(rotation.retired, set->certs.ca));
    assert_int_equal(do_step(set, ROTATION_FORGET, false), COR_OK);
    read_it(set, &rotation);
    assert_null(rotation.retired);
    assert_int_equal(rotation.bridges.count, 1);
}

/* Nobody goes on with half of it. */
static void broken_secrets_are_refused(void **state)
{
    struct set *set = *state;
    static const struct {
        const char *key, *value; /* NULL: taken out */
    } rows[] = {{"next", NULL},      {"nextkey", NULL}, {"cross", NULL},
                {"old", NULL},       {"next", "x"},     {"nextkey", "x"},
                {"phase", "nobody"}, {"bridges", "x"},  {"retired", "x"}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(rotation_free) struct rotation rotation = {0};
        bring(set, ROTATION_PROMOTED);
        if (rows[i].value == NULL) {
            cor_json_del(cor_json_get(set->secret, "data"), rows[i].key);
        } else {
            secret_set(set->secret, rows[i].key, cor_view_of(rows[i].value));
        }
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(rotation_read(set->secret, &rotation, &err), COR_INVALID);
    }
}

static void census_rows(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } rows[] = {{"aaaaaaaa bbbbbbbb y", true},   {"aaaaaaaa bbbbbbbb u", true},
                {"aaaaaaaa bbbbbbbb z", false},  {"cccccccc bbbbbbbb y", false},
                {"aaaaaaaa bbbbbbb y", false},   {"aaaaaaaa bbbbbbbb", false},
                {"aaaaaaaa bbbbbbbb y ", false}, {"", false}};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct census_row row = {.trust = CENSUS_NO};
        auto_(cor_buf_free) struct cor_buf text = {0};
        assert_int_equal(census_read(cor_view_of(rows[i].text), "aaaaaaaa", &row), rows[i].good);
        if (rows[i].good) {
            census_write(&row, "aaaaaaaa", &text);
            assert_string_equal(text.data, rows[i].text);
        }
    }
}

/* Who would be left behind by a step: by the CA of his certificate, and what he trusts. */
static void nodes_are_not_left_behind(void **state)
{
    struct set *set = *state;
    auto_(rotation_free) struct rotation rotation = {0};
    struct census_row old = {.trust = CENSUS_YES};
    struct census_row next = {.trust = CENSUS_YES};
    bring(set, ROTATION_PROMOTED);
    read_it(set, &rotation);
    rotation_id(rotation.old, old.ca);
    rotation_id(rotation.next, next.ca);
    const struct {
        enum rotation_step step;
        bool keep;
        const struct census_row *row;
        enum census_trust trust;
        bool against;
    } rows[] = {
        {ROTATION_ROTATE, false, &old, CENSUS_NO, false},
        {ROTATION_PROMOTE, false, &old, CENSUS_YES, false},
        {ROTATION_PROMOTE, false, &old, CENSUS_NO, true},
        {ROTATION_PROMOTE, false, &old, CENSUS_UNABLE, true},
        {ROTATION_PROMOTE, false, &old, CENSUS_CROSS, false},
        {ROTATION_DEMOTE, false, &next, CENSUS_YES, false},
        {ROTATION_ABORT, false, &old, CENSUS_YES, false},
        {ROTATION_ABORT, false, &next, CENSUS_YES, true},
        {ROTATION_FINISH, false, &old, CENSUS_YES, true},
        {ROTATION_FINISH, true, &old, CENSUS_YES, false},
        {ROTATION_FINISH, false, &next, CENSUS_CROSS, false},
        {ROTATION_FORGET, false, &old, CENSUS_NO, false},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct census_row row = *rows[i].row;
        struct rotation_wish wish = {.step = rows[i].step, .keep = rows[i].keep};
        row.trust = rows[i].trust;
        assert_int_equal(census_is_against(&row, &rotation, &wish), rows[i].against);
    }
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(steps_lead_from_phase_to_phase), T(each_phase_trusts_its_cas),
        T(old_ones_believe_by_the_chain),  T(retired_may_renew),
        T(broken_secrets_are_refused),     T(census_rows),
        T(nodes_are_not_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
