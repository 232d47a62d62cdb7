// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/probe/probe.h"

enum { START = 100 }; /* s: when the container starts; the Pod came at 99.5 s */

static const struct pod_probe every_ten = {
    .period_seconds = 10, .timeout_seconds = 1, .success_threshold = 1, .failure_threshold = 3};

static struct probe begun(const struct pod_probe *spec)
{
    struct probe probe;
    probe_init(&probe, (struct cor_mono){COR_MS(99500)});
    probe_begin(&probe, spec, (struct cor_mono){COR_SEC(START)});
    return probe;
}

static void test_when(void **state)
{
    (void)state;
    static const struct {
        enum pod_check check;
        int32_t delay;
        bool started;
        int64_t now_ms;
        int64_t next_ms; /* -1: never */
    } cases[] = {
        {POD_READINESS, 0, true, 100000, 100000}, /* at once */
        {POD_READINESS, 7, true, 100000, 107000}, /* the delay counts from the start */
        {POD_READINESS, 7, true, 120000, 120000}, /* edged has restarted */
        {POD_READINESS, 0, false, 100000, -1},    /* the startup probe comes first */
        {POD_LIVENESS, 0, true, 100000, 109500},  /* by the period of the Pod */
        {POD_LIVENESS, 12, true, 100000, 119500},
        {POD_LIVENESS, 0, false, 100000, -1},
        {POD_STARTUP, 0, false, 100000, 109500},
        {POD_STARTUP, 0, true, 100000, -1}, /* it has done its work */
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct pod_probe spec = every_ten;
        spec.delay_seconds = cases[i].delay;
        struct probe probe = begun(&spec);
        struct cor_mono next = probe_next(&probe, &spec, cases[i].check, cases[i].started,
                                          (struct cor_mono){COR_MS(cases[i].now_ms)});
        int64_t expected = cases[i].next_ms < 0 ? INT64_MAX : COR_MS(cases[i].next_ms);
        if (next.us != expected) {
            fail_msg("case %zu: %lld", i, (long long)next.us);
        }
    }
}

static void test_no_container(void **state)
{
    (void)state;
    struct probe probe;
    probe_init(&probe, (struct cor_mono){0});
    assert_true(probe_next(&probe, &every_ten, POD_LIVENESS, true, (struct cor_mono){5}).us ==
                INT64_MAX);
    probe = begun(&every_ten);
    probe_end(&probe);
    assert_true(probe_next(&probe, &every_ten, POD_LIVENESS, true, (struct cor_mono){5}).us ==
                INT64_MAX);
}

/* One letter a try: p passed, w warned, f failed, e errored; and what the health is said to be: g
 * good, b bad, - as before. */
static void test_thresholds(void **state)
{
    (void)state;
    static const struct {
        enum pod_check check;
        int32_t success, failure;
        const char *outcomes;
        const char *says;
    } cases[] = {
        {POD_LIVENESS, 1, 3, "ffpfff", "--g--b"},
        {POD_LIVENESS, 1, 1, "f", "b"},
        {POD_READINESS, 3, 2, "ppfppppff", "-----gg-b"},
        {POD_READINESS, 1, 1, "pfp", "gbg"},
        {POD_READINESS, 1, 2, "fef", "--b"}, /* an error counts neither way */
        {POD_READINESS, 1, 1, "w", "g"},
        {POD_STARTUP, 1, 2, "fp", "-g"},
    };
    static const char letters[PROBE_OUTCOMES] = {'p', 'w', 'f', 'e'};
    static const char says[] = {'-', 'g', 'b'};
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct pod_probe spec = every_ten;
        spec.success_threshold = cases[i].success;
        spec.failure_threshold = cases[i].failure;
        struct probe probe = begun(&spec);
        char got[16] = "";
        for (size_t j = 0; cases[i].outcomes[j] != '\0'; j++) {
            size_t outcome = 0;
            while (letters[outcome] != cases[i].outcomes[j]) {
                outcome++;
            }
            got[j] = says[probe_take(&probe, &spec, cases[i].check, (enum probe_outcome)outcome)];
        }
        assert_string_equal(got, cases[i].says);
    }
}

/* Who failed is not probed until there is another container. */
static void test_held(void **state)
{
    (void)state;
    struct pod_probe spec = every_ten;
    const struct cor_mono now = {COR_SEC(START)};
    spec.failure_threshold = 1;
    struct probe probe = begun(&spec);
    probe_ask(&probe, now);
    assert_int_equal(probe_take(&probe, &spec, POD_LIVENESS, PROBE_FAILED), RUN_HEALTH_BAD);
    assert_true(probe_next(&probe, &spec, POD_LIVENESS, true, now).us == INT64_MAX);
    probe_begin(&probe, &spec, now);
    assert_true(probe_next(&probe, &spec, POD_LIVENESS, true, now).us < INT64_MAX);
    assert_int_equal(probe.failed, 1);
}

static void test_words(void **state)
{
    (void)state;
    const char *reason = NULL;
    assert_null(probe_words(PROBE_PASSED, &reason));
    assert_string_equal(probe_words(PROBE_FAILED, &reason), "probe failed");
    assert_string_equal(reason, "Unhealthy");
    assert_string_equal(probe_name(POD_READINESS), "Readiness");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when),       cmocka_unit_test(test_no_container),
        cmocka_unit_test(test_thresholds), cmocka_unit_test(test_held),
        cmocka_unit_test(test_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
