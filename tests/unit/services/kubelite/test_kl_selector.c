// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/selector.h"

static const char pod[] =
    "{'metadata':{'name':'p','namespace':'ns','labels':{'app':'web','tier':'front','e':''}},"
    "'spec':{'nodeName':'n1'},'status':{'phase':'Running'}}";

static void test_matching(void **state)
{
    (void)state;
    static const struct {
        const char *labels;
        const char *fields;
        int matches; /* -1: refused */
    } cases[] = {
        {"", "", 1},
        {"app=web", NULL, 1},
        {"app==web,tier!=back", NULL, 1},
        {"app=db", NULL, 0},
        {"app in (db, web)", NULL, 1},
        {"app in (db)", NULL, 0},
        {"app notin (db)", NULL, 1},
        {"gone notin (db)", NULL, 1},
        {"gone!=x", NULL, 1},
        {"app", NULL, 1},
        {"!gone", NULL, 1},
        {"!app", NULL, 0},
        {"gone", NULL, 0},
        {"e=", NULL, 1},
        {"app=web,tier in (front,back),!gone", NULL, 1},
        {NULL, "spec.nodeName=n1", 1},
        {NULL, "spec.nodeName!=n1", 0},
        {NULL, "metadata.name=p,metadata.namespace=ns", 1},
        {NULL, "status.phase==Running", 1},
        {NULL, "status.podIP=", 1},
        {NULL, "spec.hostname=x", -1},
        {"a b", NULL, -1},
        {"app in web", NULL, -1},
        {"=x", NULL, -1},
        {NULL, "spec.nodeName", -1},
        {"(", NULL, -1},
        {")", NULL, -1},
        {"app in (", NULL, -1},
    };
    auto_(cor_json_free) struct cor_json *object = test_json(pod);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct kl_selector *selector = NULL;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = kl_selector_parse(kl_builtin(KL_POD), cases[i].labels, cases[i].fields,
                                               &selector, &err);
        int is = code != COR_OK ? -1 : kl_selector_matches(selector, object);
        if (is != cases[i].matches) {
            fail_msg("case %zu: %d", i, is);
        }
        assert_false(kl_selector_matches(selector, NULL));
        kl_selector_free(&selector);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matching)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
