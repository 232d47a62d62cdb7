// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/payload.h"

#define OBJECTS                                                                                    \
    "{'configmap/cm':{'data':{'a':'1','b':'2'},'binaryData':{'bin':'AAE='}},"                      \
    "'secret/s':{'data':{'k':'aHVudGVyMg=='}},"                                                    \
    "'configmap/evil':{'data':{'../x':'1'}},'configmap/dots':{'data':{'..data':'1'}}}"

/* Builds the only volume of a pod. *text_r lists it: "path mode content;..." in order. */
static enum cor_code build(const char *volume, const char *token, struct cor_buf *text,
                           struct cor_err *err)
{
    auto_(cor_freep) char *spec = cor_sprintf("{'serviceAccountName':'sa','containers':[{'name':'c'"
                                              ",'image':'i:1'}],'volumes':[{'name':'v',%s}]}",
                                              volume);
    auto_(pod_free) struct pod *pod = pod_of(spec);
    struct objects objects = {test_json(OBJECTS), token};
    struct inputs inputs = inputs_of(&objects);
    auto_(payload_free) struct payload payload = {0};
    enum cor_code code = payload_build(pod, &pod->volumes[0], &inputs, &payload, err);
    for (size_t i = 0; i < payload.count; i++) {
        const struct payload_file *file = &payload.files[i];
        cor_buf_fmt(text, "%s %o %zu;", file->path, (unsigned)file->mode, file->data.len);
    }
    cor_buf_str(text, "");
    cor_json_free(&objects.all);
    return code;
}

static void test_volumes(void **state)
{
    (void)state;
    static const struct {
        const char *volume;
        const char *files;
        const char *error;
    } cases[] = {
        {"'configMap':{'name':'cm'}", "a 644 1;b 644 1;bin 644 2;", NULL},
        {"'configMap':{'name':'cm','defaultMode':256,'items':[{'key':'b','path':'x/"
         "y','mode':384},{'key':'a','path':'a'}]}",
         "x/y 600 1;a 400 1;", NULL},
        {"'configMap':{'name':'cm','items':[{'key':'no','path':'x'}]}", NULL,
         "configmap references non-existent config key: no"},
        {"'configMap':{'name':'cm','optional':true,'items':[{'key':'no','path':'x'},{'key':'a','"
         "path':'a'}]}",
         "a 644 1;", NULL},
        {"'configMap':{'name':'no'}", NULL, "configmap \"no\" not found"},
        {"'configMap':{'name':'no','optional':true}", "", NULL},
        {"'configMap':{'name':'evil'}", NULL, "key ../x is no file name"},
        {"'configMap':{'name':'dots'}", NULL, "key ..data is no file name"},
        {"'secret':{'secretName':'s'}", "k 644 7;", NULL},
        {"'secret':{'secretName':'no'}", NULL, "secret \"no\" not found"},
        {"'downwardAPI':{'items':[{'path':'n','fieldRef':{'fieldPath':'metadata.name'}},"
         "{'path':'cpu','resourceFieldRef':{'containerName':'c','resource':'limits.cpu','divisor':'"
         "1m'}}]}",
         "n 644 3;cpu 644 4;", NULL},
        {"'projected':{'defaultMode':416,'sources':[{'serviceAccountToken':{'path':'token'}},"
         "{'configMap':{'name':'cm','items':[{'key':'a','path':'ca.crt'}]}},"
         "{'downwardAPI':{'items':[{'path':'namespace','fieldRef':{'fieldPath':'metadata.namespace'"
         "}}]}},"
         "{'secret':{'name':'s'}}]}",
         "token 644 3;ca.crt 640 1;namespace 640 7;k 640 7;", NULL},
        {"'projected':{'sources':[{'configMap':{'name':'cm','items':[{'key':'a','path':'x'}]}},"
         "{'secret':{'name':'s','items':[{'key':'k','path':'x'}]}}]}",
         "x 644 7;", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = build(cases[i].volume, "tok", &text, &err);
        if (cases[i].error != NULL) {
            assert_int_not_equal(code, COR_OK);
            assert_string_equal(err.text, cases[i].error);
        } else {
            assert_string_equal(err.text, "");
            assert_int_equal(code, COR_OK);
            assert_string_equal(text.len == 0 ? "" : text.data, cases[i].files);
        }
    }
}

static void test_token_missing(void **state)
{
    (void)state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(build("'projected':{'sources':[{'serviceAccountToken':{'path':'token'}}]}",
                           NULL, &text, &err),
                     COR_NOTFOUND);
    assert_non_null(strstr(err.text, "service account \"sa\""));
}

static void test_hash_tells_changes(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of("{'containers':[{'name':'c','image':'i:1'}],'volumes':"
                                             "[{'name':'v','configMap':{'name':'cm'}}]}");
    static const char *const objects_of[] = {
        "{'configmap/cm':{'data':{'a':'1'}}}", "{'configmap/cm':{'data':{'a':'2'}}}",
        "{'configmap/cm':{'data':{'b':'1'}}}", "{'configmap/cm':{'data':{'a':'1','b':''}}}"};
    uint64_t seen[COR_COUNT(objects_of)];
    for (size_t i = 0; i < COR_COUNT(objects_of); i++) {
        struct objects objects = {test_json(objects_of[i]), NULL};
        struct inputs inputs = inputs_of(&objects);
        auto_(payload_free) struct payload payload = {0};
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(payload_build(pod, &pod->volumes[0], &inputs, &payload, &err), COR_OK);
        seen[i] = payload_hash(&payload);
        assert_int_equal(payload_hash(&payload), seen[i]);
        for (size_t j = 0; j < i; j++) {
            assert_int_not_equal(seen[i], seen[j]);
        }
        cor_json_free(&objects.all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_token_missing),
        cmocka_unit_test(test_hash_tells_changes),
    };
    return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
