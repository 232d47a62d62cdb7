// SPDX-License-Identifier: Apache-2.0
// Server-side apply: sets of fields, merging, managers, conflicts.
#include "kl_test.h"
#include "services/kubelite/apply.h"
#include "services/kubelite/fields.h"

static const struct {
    const char *object;
    const char *fields;
} sets[] = {
    {"{'apiVersion':'v1','kind':'Pod','metadata':{'name':'p','labels':{'a':'b'}}}",
     "{'f:metadata':{'f:labels':{'f:a':{}}}}"},
    {"{'spec':{'nodeName':'n','containers':[{'name':'c','image':'i','args':['x']}]}}",
     "{'f:spec':{'f:nodeName':{},'f:containers':{'k:{\\'name\\':\\'c\\'}':{'.':{},'f:name':{},"
     "'f:image':{},'f:args':{}}}}}"},
    {"{'spec':{'containers':[{'name':'c','ports':[{'containerPort':80}]}]}}",
     "{'f:spec':{'f:containers':{'k:{\\'name\\':\\'c\\'}':{'.':{},'f:name':{},'f:ports':{'k:{"
     "\\'containerPort\\':80,\\'protocol\\':\\'TCP\\'}':{'.':{},'f:containerPort':{}}}}}}}"},
    {"{'metadata':{'finalizers':['x/y']},'spec':{'securityContext':{}}}",
     "{'f:metadata':{'f:finalizers':{'v:\\'x/y\\'':{}}},'f:spec':{'f:securityContext':{}}}"},
};

static void test_sets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COR_COUNT(sets); i++) {
        auto_(cor_json_free) struct cor_json *object = test_json(sets[i].object);
        auto_(cor_json_free) struct cor_json *set =
            kl_fields_of(kl_shape_of_kind(kl_builtin(KL_POD)), object);
        auto_(cor_json_free) struct cor_json *fields = kl_fields_v1(set);
        expect_json(fields, sets[i].fields, i);
        auto_(cor_json_free) struct cor_json *back = kl_fields_from_v1(fields);
        assert_int_equal(cor_json_count(back), cor_json_count(set));
    }
}

/* One apply after the other to one ConfigMap or Pod. */
struct act {
    const char *manager;
    bool force;
    bool update; /* PUT: config is the whole new object */
    const char *config;
    const char *result;   /* without managedFields; NULL: conflict */
    const char *conflict; /* part of the message */
    const char *managers; /* "a,b": entries that are left, in order */
};

static void run(enum kl_builtin kind, const struct act *acts, size_t count)
{
    auto_(cor_json_free) struct cor_json *live = NULL;
    for (size_t i = 0; i < count; i++) {
        auto_(kl_fail_free) struct kl_fail fail = {0};
        struct kl_applying applying = {kl_builtin(kind), acts[i].manager, acts[i].force,
                                       (struct cor_wall){COR_SEC(1000)}};
        struct cor_json *config = test_json(acts[i].config);
        struct cor_json *out = NULL;
        enum cor_code code = COR_OK;
        if (acts[i].update) {
            kl_apply_track(&applying, live, config);
            out = cor_json_ref(config);
        } else {
            code = kl_apply(&applying, live, config, &out, &fail);
        }
        cor_json_free(&config);
        if (acts[i].result == NULL) {
            assert_int_equal(code, COR_CONFLICT);
            assert_int_equal(fail.status, 409);
            if (strstr(fail.message, acts[i].conflict) == NULL) {
                fail_msg("act %zu: %s", i, fail.message);
            }
            continue;
        }
        if (code != COR_OK) {
            fail_msg("act %zu: %s", i, fail.message);
        }
        cor_json_free(&live);
        live = out;
        struct cor_buf names = {0};
        const struct cor_json *entries = cor_json_at(live, "metadata.managedFields");
        for (size_t e = 0; e < cor_json_count(entries); e++) {
            cor_buf_fmt(&names, "%s%s", e == 0 ? "" : ",",
                        cor_json_str_at(cor_json_item(entries, e), "manager", ""));
        }
        if (strcmp(names.data == NULL ? "" : names.data, acts[i].managers) != 0) {
            fail_msg("act %zu: managers %s", i, names.data);
        }
        cor_buf_free(&names);
        auto_(cor_json_free) struct cor_json *shown = cor_json_copy(live);
        cor_json_del(cor_json_get(shown, "metadata"), "managedFields");
        expect_json(shown, acts[i].result, i);
    }
}

#define CM(data) "{'metadata':{'name':'m'},'data':{" data "}}"

static void test_managers(void **state)
{
    static const struct act acts[] = {
        {"a", false, false, CM("'x':'1','y':'1'"), CM("'x':'1','y':'1'"), NULL, "a"},
        /* The same value is shared; another one conflicts. */
        {"b", false, false, CM("'y':'1','z':'1'"), CM("'x':'1','y':'1','z':'1'"), NULL, "a,b"},
        {"b", false, false, CM("'x':'2','z':'1'"), NULL,
         "Apply failed with 1 conflict: conflict with \"a\": .data.x", NULL},
        {"b", true, false, CM("'x':'2','z':'1'"), CM("'x':'2','y':'1','z':'1'"), NULL, "a,b"},
        /* What a does not apply any more goes, if it is a's alone. */
        {"a", false, false, CM("'q':'1'"), CM("'x':'2','z':'1','q':'1'"), NULL, "a,b"},
        {"b", false, false, CM("'z':'1'"), CM("'z':'1','q':'1'"), NULL, "a,b"},
        /* An update takes fields from those who applied them. */
        {"c", false, true, CM("'z':'3','q':'1'"), CM("'z':'3','q':'1'"), NULL, "a,c"},
        {"b", false, false, CM("'z':'1','q':'2'"), NULL, "Apply failed with 2 conflicts:", NULL},
        {"b", false, false, CM("'z':'1'"), NULL,
         "conflict with \"c\" using v1 at 1970-01-01T00:16:40Z: .data.z", NULL},
    };
    (void)state;
    run(KL_CONFIGMAP, acts, COR_COUNT(acts));
}

#define PODS(list) "{'metadata':{'name':'p'},'spec':{'containers':[" list "]}}"

static void test_lists(void **state)
{
    static const struct act acts[] = {
        {"a", false, false, PODS("{'name':'c','image':'1'}"), PODS("{'name':'c','image':'1'}"),
         NULL, "a"},
        {"b", false, false, PODS("{'name':'d','image':'1'}"),
         PODS("{'name':'c','image':'1'},{'name':'d','image':'1'}"), NULL, "a,b"},
        {"b", false, false, PODS("{'name':'c','image':'2'}"), NULL,
         ".spec.containers[name=\"c\"].image", NULL},
        {"b", false, false, PODS("{'name':'c','tty':true}"),
         PODS("{'name':'c','image':'1','tty':true}"), NULL, "a,b"},
        /* b still manages something in the container: it stays, without a's image. */
        {"a", false, false, "{'metadata':{'name':'p','labels':{'l':'v'}}}",
         "{'metadata':{'name':'p','labels':{'l':'v'}},'spec':{'containers':[{'name':'c','tty':true}"
         "]}}",
         NULL, "a,b"},
    };
    (void)state;
    run(KL_POD, acts, COR_COUNT(acts));
}

/* Before the first apply nobody is kept track of: what was there is one manager's. */
static void test_first_apply(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *live = test_json(CM("'x':'1'"));
    auto_(cor_json_free) struct cor_json *config = test_json(CM("'x':'2'"));
    auto_(cor_json_free) struct cor_json *out = NULL;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    struct kl_applying applying = {kl_builtin(KL_CONFIGMAP), "a", false, {COR_SEC(1)}};
    assert_int_equal(kl_apply(&applying, live, config, &out, &fail), COR_CONFLICT);
    assert_non_null(strstr(fail.message, "conflict with \"before-first-apply\" using v1"));
    kl_apply_track(&applying, live, config);
    assert_null(cor_json_at(config, "metadata.managedFields"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_managers),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_first_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
