// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/schema.h"

static const char schema_text[] =
    "{'type':'object','required':['spec'],'properties':{'spec':{'type':'object','required':['n'],"
    "'properties':{'n':{'type':'integer','minimum':1,'maximum':10},'s':{'type':'string','maxLength'"
    ":3,'pattern':'^[a-z]*$'},'mode':{'type':'string','enum':['A','B'],'default':'A'},'list':{"
    "'type':'array','maxItems':2,'items':{'type':'object','properties':{'x':{'type':'boolean',"
    "'default':true}}}},'any':{'type':'object','x-kubernetes-preserve-unknown-fields':true},"
    "'map':{'type':'object','additionalProperties':{'type':'string'}},'port':{"
    "'x-kubernetes-int-or-string':true},'null':{'type':'string','nullable':true}}}}}";

static void test_pruning_and_defaults(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
        size_t unknown;
    } cases[] = {
        {"{'apiVersion':'a/v1','kind':'K','metadata':{'x':1},'spec':{'n':1,'z':1},'q':1}",
         "{'apiVersion':'a/v1','kind':'K','metadata':{'x':1},'spec':{'n':1,'mode':'A'}}", 2},
        {"{'spec':{'list':[{},{'x':false,'y':1}]}}",
         "{'spec':{'list':[{'x':true},{'x':false}],'mode':'A'}}", 1},
        {"{'spec':{'any':{'a':{'b':1}},'map':{'k':'v'},'mode':'B'}}",
         "{'spec':{'any':{'a':{'b':1}},'map':{'k':'v'},'mode':'B'}}", 0},
    };
    auto_(cor_json_free) struct cor_json *schema = test_json(schema_text);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *value = test_json(cases[i].in);
        auto_(cor_json_free) struct cor_json *unknown = cor_json_array();
        kl_schema_prune(schema, value, unknown);
        kl_schema_default(schema, value);
        expect_json(value, cases[i].out, i);
        assert_int_equal(cor_json_count(unknown), cases[i].unknown);
    }
}

static void test_validation(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *field;   /* of the only cause; NULL: valid */
        const char *message; /* part of it */
    } cases[] = {
        {"{'spec':{'n':1}}", NULL, NULL},
        {"{}", "spec", "Required value"},
        {"{'spec':{}}", "spec.n", "Required value"},
        {"{'spec':{'n':0}}", "spec.n", "should be greater than or equal to 1"},
        {"{'spec':{'n':11}}", "spec.n", "should be less than or equal to 10"},
        {"{'spec':{'n':'1'}}", "spec.n", "must be of type integer: \"string\""},
        {"{'spec':{'n':1.5}}", "spec.n", "must be of type integer: \"number\""},
        {"{'spec':{'n':1,'s':'abcd'}}", "spec.s", "should be at most 3 chars long"},
        {"{'spec':{'n':1,'s':'A'}}", "spec.s", "should match '^[a-z]*$'"},
        {"{'spec':{'n':1,'mode':'C'}}", "spec.mode", "supported values: \"A\", \"B\""},
        {"{'spec':{'n':1,'list':[{},{},{}]}}", "spec.list", "should have at most 2 items"},
        {"{'spec':{'n':1,'list':[{'x':1}]}}", "spec.list[0].x", "must be of type boolean"},
        {"{'spec':{'n':1,'map':{'k':1}}}", "spec.map.k", "must be of type string"},
        {"{'spec':{'n':1,'port':'http'}}", NULL, NULL},
        {"{'spec':{'n':1,'port':true}}", "spec.port", "must be of type"},
        {"{'spec':{'n':1,'null':null}}", NULL, NULL},
        {"{'spec':{'n':1,'s':null}}", "spec.s", "must be of type string: \"null\""},
    };
    auto_(cor_json_free) struct cor_json *schema = test_json(schema_text);
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *value = test_json(cases[i].in);
        auto_(kl_causes_free) struct kl_causes causes = {0};
        kl_schema_check(schema, value, "", &causes);
        if (cor_json_count(causes.list) != (cases[i].field == NULL ? 0 : 1)) {
            fail_msg("case %zu: %zu causes", i, cor_json_count(causes.list));
        }
        if (cases[i].field != NULL) {
            const struct cor_json *cause = cor_json_item(causes.list, 0);
            assert_string_equal(cor_json_str_at(cause, "field", ""), cases[i].field);
            assert_non_null(strstr(cor_json_str_at(cause, "message", ""), cases[i].message));
        }
    }
}

static void test_junctors(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        const char *in;
        bool valid;
    } cases[] = {
        {"{'oneOf':[{'required':['a']},{'required':['b']}]}", "{'a':1}", true},
        {"{'oneOf':[{'required':['a']},{'required':['b']}]}", "{'a':1,'b':1}", false},
        {"{'anyOf':[{'type':'integer'},{'type':'string'}]}", "true", false},
        {"{'anyOf':[{'type':'integer'},{'type':'string'}]}", "1", true},
        {"{'not':{'required':['a']}}", "{'a':1}", false},
        {"{'allOf':[{'minimum':1},{'maximum':3}]}", "4", false},
        {"{'type':'string','format':'date-time'}", "'never'", false},
        {"{'type':'number','multipleOf':2}", "3", false},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *schema = test_json(cases[i].schema);
        auto_(cor_json_free) struct cor_json *value = test_json(cases[i].in);
        auto_(kl_causes_free) struct kl_causes causes = {0};
        kl_schema_check(schema, value, "x", &causes);
        if ((causes.list == NULL) != cases[i].valid) {
            fail_msg("case %zu", i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pruning_and_defaults),
        cmocka_unit_test(test_validation),
        cmocka_unit_test(test_junctors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
