// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/tolerations.h"

#define EVER(key) "{\"effect\":\"NoExecute\",\"key\":\"" key "\",\"operator\":\"Exists\"}"
#define FOR(key, seconds)                                                                          \
    "{\"effect\":\"NoExecute\",\"key\":\"" key                                                     \
    "\",\"operator\":\"Exists\",\"tolerationSeconds\":" seconds "}"
#define READY "node.kubernetes.io/not-ready"
#define REACH "node.kubernetes.io/unreachable"
#define SPEC(list) "{\"spec\":{\"tolerations\":[" list "]}}"

static struct cor_json *parse(const char *text)
{
    struct cor_json *json = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_json_parse(cor_view_of(text), 1 << 16, 0, &json, &err), COR_OK);
    return json;
}

static void what_a_pod_needs_to_stay(void **state)
{
    (void)state;
    static const struct {
        const char *pod, *needs; /* NULL: nothing */
    } ROWS[] = {
        {"{\"spec\":{}}", "[" EVER(READY) "," EVER(REACH) "]"},
        {"{\"spec\":{\"tolerations\":null}}", "[" EVER(READY) "," EVER(REACH) "]"},
        {"{\"spec\":{\"tolerations\":7}}", "[" EVER(READY) "," EVER(REACH) "]"},
        /* what the API server adds */
        {SPEC(FOR(READY, "300") "," FOR(REACH, "300")), "[" EVER(READY) "," EVER(REACH) "]"},
        {SPEC(EVER(READY) "," EVER(REACH)), NULL},
        /* a DaemonSet's, and one that tolerates everything */
        {SPEC(EVER(READY) "," FOR(REACH, "300")), "[" EVER(READY) "," EVER(REACH) "]"},
        {SPEC("{\"operator\":\"Exists\"}"), NULL},
        {SPEC("{\"operator\":\"Exists\",\"key\":\"" READY "\"}," EVER(REACH)), NULL},
        /* somebody's wish */
        {SPEC(FOR(READY, "60") "," FOR(REACH, "0")), NULL},
        {SPEC(FOR(READY, "60") "," FOR(REACH, "300")), "[" FOR(READY, "60") "," EVER(REACH) "]"},
        /* of several the first counts */
        {SPEC(FOR(READY, "60") "," FOR(READY, "300") "," EVER(REACH)), NULL},
        /* others are not meant */
        {SPEC("{\"effect\":\"NoSchedule\",\"key\":\"" READY "\",\"operator\":\"Exists\"}"),
         "[{\"effect\":\"NoSchedule\",\"key\":\"" READY
         "\",\"operator\":\"Exists\"}," EVER(READY) "," EVER(REACH) "]"},
        {SPEC("{\"key\":\"" READY "\",\"value\":\"x\"}," EVER(REACH)),
         "[{\"key\":\"" READY "\",\"value\":\"x\"}," EVER(REACH) "," EVER(READY) "]"},
        {SPEC("{\"key\":\"" READY "\"}," EVER(REACH)), NULL},
        {SPEC("7,null," EVER(READY) "," EVER(REACH)), NULL},
        /* it is ending */
        {"{\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},\"spec\":{}}", NULL},
        {"{\"spec\":{},\"status\":{\"phase\":\"Succeeded\"}}", NULL},
        {"{\"spec\":{},\"status\":{\"phase\":\"Failed\"}}", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *pod = parse(ROWS[i].pod);
        auto_(cor_json_free) struct cor_json *list = ec_tolerations_needed(pod, 300);
        if (ROWS[i].needs == NULL) {
            assert_null(list);
            continue;
        }
        auto_(cor_json_free) struct cor_json *wanted = parse(ROWS[i].needs);
        auto_(cor_freep) char *text = list == NULL ? cor_strdup("none") : cor_json_text(list);
        if (!cor_json_equal(list, wanted)) {
            fail_msg("row %zu: %s", i, text);
        }
    }
}

/* A cluster whose API server was told another default. */
static void the_default_is_the_clusters(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod =
        parse(SPEC(FOR(READY, "300") "," FOR(REACH, "120")));
    auto_(cor_json_free) struct cor_json *list = ec_tolerations_needed(pod, 120);
    auto_(cor_json_free) struct cor_json *wanted = parse("[" FOR(READY, "300") "," EVER(REACH) "]");
    assert_true(cor_json_equal(list, wanted));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_pod_needs_to_stay),
        cmocka_unit_test(the_default_is_the_clusters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
