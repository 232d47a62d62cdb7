// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "proto/kubeedge/calls.h"

static void calls_go_up_and_come_out_the_same(void **state)
{
    (void)state;
    static const struct {
        enum px_verb verb;
        const char *key;
        const char *body;
        const char *operation;
        const char *resource;
        const char *content;
        enum px_verb cloud_verb;
    } rows[] = {
        {PX_VERB_CREATE, "null/node/n1", "{\"a\":1}", "insert", "null/node/n1", "{\"a\":1}",
         PX_VERB_CREATE},
        {PX_VERB_PATCH, "null/node/n1", "{\"status\":{}}", "patch", "null/nodepatch/n1",
         "\"{\\\"status\\\":{}}\"", PX_VERB_PATCH},
        {PX_VERB_PATCH, "default/pod/p", "{}", "patch", "default/podpatch/p", "\"{}\"",
         PX_VERB_PATCH},
        {PX_VERB_GET, "kube-node-lease/lease/n1", "", "query", "kube-node-lease/lease/n1", "null",
         PX_VERB_GET},
        {PX_VERB_UPDATE, "kube-node-lease/lease/n1", "{}", "update", "kube-node-lease/lease/n1",
         "{}", PX_VERB_UPDATE},
        {PX_VERB_DELETE, "default/pod/p", "{\"gracePeriodSeconds\":0}", "delete", "default/pod/p",
         "{\"gracePeriodSeconds\":0}", PX_VERB_DELETE},
        {PX_VERB_CREATE, "default/serviceaccounttoken/sa", "{}", "query",
         "default/serviceaccounttoken/sa", "{}", PX_VERB_CREATE},
        {PX_VERB_GET, "default/configmap/c", "", "query", "default/configmap/c", "null",
         PX_VERB_GET},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        const char *operation = NULL;
        auto_(cor_freep) char *resource = NULL;
        auto_(cor_buf_free) struct cor_buf content = {0};
        assert_true(px_kubeedge_ask(rows[i].verb, cor_view_of(rows[i].key),
                                    cor_view_of(rows[i].body), &operation, &resource, &content));
        assert_string_equal(operation, rows[i].operation);
        assert_string_equal(resource, rows[i].resource);
        assert_string_equal(content.data, rows[i].content);
        auto_(cor_json_free) struct cor_json *value = NULL;
        if (strcmp(content.data, "null") != 0) {
            assert_int_equal(cor_json_parse(cor_buf_as_view(&content), 1000, 0, &value, NULL),
                             COR_OK);
        }
        struct px_kubeedge_in in = {.operation = operation, .resource = resource, .content = value};
        auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
        assert_true(px_kubeedge_asked(&in, &call));
        assert_int_equal(call.verb, rows[i].cloud_verb);
        assert_string_equal(call.key, rows[i].key);
        assert_string_equal(cor_buf_as_view(&call.body).ptr, rows[i].body);
    }
}

static void what_the_link_cannot_say(void **state)
{
    (void)state;
    const char *operation = NULL;
    char *resource = NULL;
    struct cor_buf content = {0};
    assert_false(px_kubeedge_ask(PX_VERB_LIST, COR_VIEW("default/pod"), COR_VIEW(""), &operation,
                                 &resource, &content));
    assert_false(px_kubeedge_ask(PX_VERB_GET, COR_VIEW("default/unheard/x"), COR_VIEW(""),
                                 &operation, &resource, &content));
    assert_false(px_kubeedge_ask((enum px_verb)99, COR_VIEW("default/pod/x"), COR_VIEW(""),
                                 &operation, &resource, &content));
    static const char *const resources[] = {
        "", "default", "default/pod", "default/pod/", "default/unheard/x", "//"};
    for (size_t i = 0; i < COR_COUNT(resources); i++) {
        struct px_kubeedge_in in = {.operation = "query", .resource = resources[i]};
        struct px_kubeedge_call call;
        assert_false(px_kubeedge_asked(&in, &call));
        px_kubeedge_call_free(&call);
    }
    struct px_kubeedge_in in = {.operation = "upload", .resource = "default/pod/p"};
    struct px_kubeedge_call call;
    assert_false(px_kubeedge_asked(&in, &call));
    px_kubeedge_call_free(&call);
}

#define STATUS "{\"kind\":\"Status\",\"code\":404,\"reason\":\"NotFound\"}"

static void answers_have_their_shapes(void **state)
{
    (void)state;
    static const struct {
        const char *operation;
        const char *resource;
        uint64_t status;
        const char *body;
        const char *content;
        uint64_t at_edge;
        const char *edge_body;
    } rows[] = {
        {"insert", "null/node/n", 201, "{\"kind\":\"Node\"}",
         "{\"Object\":{\"kind\":\"Node\"},\"Err\":null}", 200, "{\"kind\":\"Node\"}"},
        {"query", "kube-node-lease/lease/n", 404, STATUS,
         "{\"Object\":null,\"Err\":{\"ErrStatus\":" STATUS "}}", 404, STATUS},
        {"update", "null/node/n", 200, "{\"kind\":\"Node\"}", "\"OK\"", 200, ""},
        {"patch", "default/podpatch/p", 200, "{\"kind\":\"Pod\"}",
         "{\"Object\":{\"kind\":\"Pod\"},\"Err\":null}", 200, "{\"kind\":\"Pod\"}"},
        {"delete", "default/pod/p", 200, "{}", "\"OK\"", 200, ""},
        {"delete", "default/pod/p", 404, STATUS, "\"OK\"", 200, ""},
        {"delete", "default/pod/p", 409, STATUS, "\"OK\"", 200, ""},
        {"query", "default/configmap/c", 200, "{\"kind\":\"ConfigMap\"}",
         "{\"kind\":\"ConfigMap\"}", 200, "{\"kind\":\"ConfigMap\"}"},
        {"query", "default/configmap/c", 404, STATUS, "{\"ErrStatus\":" STATUS "}", 404, STATUS},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf content = {0};
        auto_(cor_buf_free) struct cor_buf body = {0};
        auto_(cor_json_free) struct cor_json *value = NULL;
        struct px_kubeedge_answer answer = {rows[i].status, cor_view_of(rows[i].body)};
        bool is_ok = false;
        bool is_error = false;
        px_kubeedge_answer(rows[i].operation, rows[i].resource, &answer, &content, &is_ok,
                           &is_error);
        assert_string_equal(content.data, rows[i].content);
        assert_int_equal(is_ok, strcmp(rows[i].content, "\"OK\"") == 0);
        assert_int_equal(is_error, strncmp(rows[i].content, "{\"ErrStatus\"", 12) == 0);
        if (strcmp(rows[i].content, "\"OK\"") == 0) {
            value = cor_json_str("OK");
        } else {
            assert_int_equal(cor_json_parse(cor_buf_as_view(&content), 1000, 0, &value, NULL),
                             COR_OK);
        }
        uint64_t status = px_kubeedge_answered(cor_view_of(rows[i].resource), value, &body);
        assert_int_equal(status, rows[i].at_edge);
        assert_string_equal(cor_buf_as_view(&body).ptr, rows[i].edge_body);
    }
}

/* EdgeCore reads these as success, and crashes on some; we never send them and take them as
 * failures. */
static void vague_errors_are_errors(void **state)
{
    (void)state;
    static const char *const contents[] = {
        "{}",
        "\"some text\"",
        "{\"Object\":{\"kind\":\"Node\"},\"Err\":{}}",
        "{\"Object\":null,\"Err\":null}",
        "{\"Object\":null,\"Err\":{\"Op\":\"Get\",\"URL\":\"https://x\",\"Err\":{}}}",
        "{\"ErrStatus\":{}}",
        "{\"ErrStatus\":null}",
        "{\"ErrStatus\":{\"code\":\"404\"}}",
        "7",
        "[]",
    };
    for (size_t i = 0; i < COR_COUNT(contents); i++) {
        auto_(cor_json_free) struct cor_json *value = NULL;
        auto_(cor_buf_free) struct cor_buf body = {0};
        auto_(cor_buf_free) struct cor_buf text = {0};
        cor_buf_fmt(&text, "[%s]", contents[i]);
        assert_int_equal(cor_json_parse(cor_buf_as_view(&text), 1000, 0, &value, NULL), COR_OK);
        assert_int_equal(
            px_kubeedge_answered(COR_VIEW("null/node/n"), cor_json_item(value, 0), &body), 500);
        assert_non_null(strstr(body.data, "\"code\":500"));
    }
    auto_(cor_buf_free) struct cor_buf body = {0};
    assert_int_equal(px_kubeedge_answered(COR_VIEW("null/node/n"), NULL, &body), 500);
}

static void typed_results_get_their_kind(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *value = NULL;
    auto_(cor_buf_free) struct cor_buf body = {0};
    assert_int_equal(cor_json_parse(COR_VIEW("{\"Object\":{\"metadata\":{}},\"Err\":null}"), 1000,
                                    0, &value, NULL),
                     COR_OK);
    assert_int_equal(px_kubeedge_answered(COR_VIEW("kube-node-lease/lease/n"), value, &body), 200);
    assert_non_null(strstr(body.data, "\"kind\":\"Lease\""));
    assert_non_null(strstr(body.data, "\"apiVersion\":\"coordination.k8s.io/v1\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_go_up_and_come_out_the_same),
        cmocka_unit_test(what_the_link_cannot_say),
        cmocka_unit_test(answers_have_their_shapes),
        cmocka_unit_test(vague_errors_are_errors),
        cmocka_unit_test(typed_results_get_their_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
