// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/strategy.h"

#define E(name, more) "{'name':'" name "','image':'i'" more "}"

static struct cor_json *pod_with(const char *image, const char *list)
{
    auto_(cor_freep) char *text = cor_sprintf(
        "{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','namespace':'d','uid':'u'},'spec':{"
        "'containers':[{'name':'c','image':'%s'}],'ephemeralContainers':[%s]}}",
        image, list);
    return test_json(text);
}

static void test_changes(void **state)
{
    (void)state;
    static const struct {
        const char *old;
        const char *list;
        const char *field; /* NULL: good */
        const char *text;
    } cases[] = {
        {"", E("a", ",'targetContainerName':'c'"), NULL, NULL},
        {E("a", ""), E("a", "") "," E("b", ""), NULL, NULL},
        {E("a", ""), "", "spec.ephemeralContainers", "may not be removed"},
        {E("a", ""), E("a", ",'tty':true"), "spec.ephemeralContainers", "may not be changed"},
        {"", E("c", ""), "spec.ephemeralContainers[0].name", "Duplicate value"},
        {"", E("a", "") "," E("a", ""), "spec.ephemeralContainers[1].name", "Duplicate value"},
        {"", E("A/..", ""), "spec.ephemeralContainers[0].name", "RFC 1123"},
        {"", "{'name':'a'}", "spec.ephemeralContainers[0].image", "Required value"},
        {"", E("a", ",'targetContainerName':'x'"),
         "spec.ephemeralContainers[0].targetContainerName", "Not found"},
        {"", E("a", ",'lifecycle':{}"), "spec.ephemeralContainers[0].lifecycle", "cannot be set"},
        {"", E("a", ",'resources':{'limits':{'cpu':'1'}}"), "spec.ephemeralContainers[0].resources",
         "cannot be set"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct kl_draft draft = {.kind = kl_builtin(KL_POD),
                                 .sub = KL_SUB_EPHEMERAL,
                                 .object = pod_with("other", cases[i].list),
                                 .old = pod_with("i", cases[i].old)};
        kl_ephemeral_keep(&draft);
        assert_string_equal(
            cor_json_str_at(cor_json_item(cor_json_at(draft.object, "spec.containers"), 0), "image",
                            ""),
            "i"); /* nothing else changes */
        kl_ephemeral_check(&draft);
        const struct cor_json *first = cor_json_item(draft.causes.list, 0);
        const char *field = cor_json_str_at(first, "field", "");
        const char *text = cor_json_str_at(first, "message", "");
        if ((first == NULL) != (cases[i].field == NULL) ||
            (first != NULL &&
             (strcmp(field, cases[i].field) != 0 || strstr(text, cases[i].text) == NULL))) {
            fail_msg("case %zu: %s: %s", i, field, text);
        }
        kl_draft_free(&draft);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
