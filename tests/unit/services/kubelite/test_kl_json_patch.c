// SPDX-License-Identifier: Apache-2.0
// JSON patch: the examples of RFC 6902 appendix A and the words of the real server's library.
#include "kl_test.h"
#include "services/kubelite/json_patch.h"

static const struct {
    const char *target;
    const char *patch;
    const char *result; /* NULL: refused */
    const char *error;  /* part */
} cases[] = {
    {"{'a':1}", "[]", "{'a':1}", NULL},
    {"{'a':1}", "[{'op':'add','path':'/b','value':[2]}]", "{'a':1,'b':[2]}", NULL},
    {"{'a':['x','z']}", "[{'op':'add','path':'/a/1','value':'y'}]", "{'a':['x','y','z']}", NULL},
    {"{'a':['x']}", "[{'op':'add','path':'/a/-','value':'y'}]", "{'a':['x','y']}", NULL},
    {"{'a':['x']}", "[{'op':'add','path':'/a/5','value':'y'}]", NULL, "invalid index: 5"},
    {"{'a':1}", "[{'op':'add','path':'/b/c','value':1}]", NULL, "doc is missing path"},
    {"{'a':1,'b':2}", "[{'op':'remove','path':'/b'}]", "{'a':1}", NULL},
    {"{'a':[1,2,3]}", "[{'op':'remove','path':'/a/1'}]", "{'a':[1,3]}", NULL},
    {"{'a':1}", "[{'op':'remove','path':'/b'}]", NULL, "Unable to remove nonexistent key: b"},
    {"{'a':1}", "[{'op':'replace','path':'/a','value':{'b':2}}]", "{'a':{'b':2}}", NULL},
    {"{'a':[1]}", "[{'op':'replace','path':'/a/1','value':2}]", NULL, "missing key"},
    {"{'a':{'b':1},'c':{}}", "[{'op':'move','from':'/a/b','path':'/c/d'}]", "{'a':{},'c':{'d':1}}",
     NULL},
    {"{'a':[1,2]}", "[{'op':'move','from':'/a/1','path':'/a/0'}]", "{'a':[2,1]}", NULL},
    {"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'}]", "{'a':{'b':1},'c':{'b':1}}", NULL},
    {"{'a':1}", "[{'op':'copy','from':'/x','path':'/c'}]", NULL, "missing from path"},
    {"{'a':{'b':[1]}}", "[{'op':'test','path':'/a','value':{'b':[1]}}]", "{'a':{'b':[1]}}", NULL},
    {"{'a':1}", "[{'op':'test','path':'/a','value':'1'}]", NULL, "testing value /a failed"},
    {"{'a':1}", "[{'op':'test','path':'/b','value':null}]", "{'a':1}", NULL},
    {"{'x/y':{'~':1}}", "[{'op':'replace','path':'/x~1y/~0','value':2}]", "{'x/y':{'~':2}}", NULL},
    {"{'':1}", "[{'op':'remove','path':'/'}]", "{}", NULL},
    {"{'a':1}", "[{'op':'jump','path':'/a'}]", NULL, "Unexpected kind: jump"},
    {"{'a':1}", "[{'path':'/a'}]", NULL, "Unexpected kind: unknown"},
    {"{'a':1}", "[{'op':'add','value':1}]", NULL, "failed to decode path"},
    {"{'a':1}", "[5]", NULL, "Unexpected kind"},
    {"{'a':[1]}", "[{'op':'add','path':'/a/-1','value':2}]", NULL, "invalid index"},
};

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *patch = test_json(cases[i].patch);
        auto_(cor_json_free) struct cor_json *out = NULL;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = kl_json_patch(test_json(cases[i].target), patch, &out, &err);
        if (cases[i].result != NULL) {
            if (code != COR_OK) {
                fail_msg("case %zu: %s", i, err.text);
            }
            expect_json(out, cases[i].result, i);
        } else if (code == COR_OK || strstr(err.text, cases[i].error) == NULL) {
            fail_msg("case %zu: code %d, %s", i, code, err.text);
        }
    }
}

/* Copies of copies neither fill the memory nor nest deeper than anybody can read. */
static void test_bounds(void **state)
{
    static const char *const ops[] = {"{'op':'copy','from':'/a','path':'/a/a'}",
                                      "{'op':'copy','from':'/l','path':'/l/-'}"};
    (void)state;
    for (size_t i = 0; i < COR_COUNT(ops); i++) {
        auto_(cor_json_free) struct cor_json *patch = cor_json_array();
        auto_(cor_json_free) struct cor_json *out = NULL;
        struct cor_err err = COR_ERR_NONE;
        for (int n = 0; n < 1000; n++) {
            cor_json_add(patch, test_json(ops[i]));
        }
        assert_int_equal(kl_json_patch(test_json("{'a':{'b':1},'l':['x']}"), patch, &out, &err),
                         COR_TOOBIG);
        assert_null(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
