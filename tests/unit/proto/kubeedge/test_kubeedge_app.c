// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "proto/kubeedge/app.h"

/* An Application of that verb and key; option and body are JSON, NULL: null. Returns owned. */
static struct cor_json *app_of(const char *verb, const char *key, const char *option,
                               const char *body)
{
    const struct {
        const char *field;
        const char *text;
    } rows[] = {{"Option", option}, {"ReqBody", body}};
    struct cor_json *app = cor_json_object();
    cor_json_set(app, "ID", cor_json_str("abc"));
    cor_json_set(app, "Verb", cor_json_str(verb));
    cor_json_set(app, "Key", cor_json_str(key));
    cor_json_set(app, "Nodename", cor_json_str("liar"));
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf text = {0};
        if (rows[i].text != NULL) {
            cor_base64(&text, cor_view_of(rows[i].text));
        }
        cor_json_set(app, rows[i].field,
                     rows[i].text == NULL ? cor_json_null()
                                          : cor_json_view(cor_buf_as_view(&text)));
    }
    return app;
}

static void keys_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *key;
        bool well, discovery;
        const char *group_version, *plural, *ns, *name;
    } rows[] = {
        {"list", "/core/v1/pods/default/null", true, false, "v1", "pods", "default", ""},
        {"list", "/core/v1/services/null/null", true, false, "v1", "services", "", ""},
        {"get", "/apps/v1/deployments/a/b", true, false, "apps/v1", "deployments", "a", "b"},
        {"get", "/core/v1/nodes/null/n1", true, false, "v1", "nodes", "", "n1"},
        {"watch", "/core/v1/pods", true, false, "v1", "pods", "", ""},
        {"get", "/version", true, true, NULL, NULL, NULL, NULL},
        {"get", "/api/v1/", true, true, NULL, NULL, NULL, NULL},
        {"get", "/apis/apps", true, true, NULL, NULL, NULL, NULL},
        {"get", "/apis/apps/v1", true, true, NULL, NULL, NULL, NULL},
        {"list", "/apis/apps/v1", true, false, "apis/apps", "v1", "", ""},
        {"get", "/apis/../v1", true, false, "apis/..", "v1", "", ""},
        {"get", "/api/v1?x", false, true, NULL, NULL, NULL, NULL},
        {"get", "/api/v1\r\nX: y", false, true, NULL, NULL, NULL, NULL},
        {"get", "", false, false, NULL, NULL, NULL, NULL},
        {"get", "core/v1/pods/a/b", false, false, NULL, NULL, NULL, NULL},
        {"get", "/core/v1", false, false, NULL, NULL, NULL, NULL},
        {"get", "/core/v1/pods/a/b/c", false, false, NULL, NULL, NULL, NULL},
        {"get", "/core//pods/a/b", false, false, NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *content =
            app_of(rows[i].verb, rows[i].key, "{}", NULL);
        auto_(px_kubeedge_app_free) struct px_kubeedge_app app = {0};
        assert_int_equal(px_kubeedge_app_read(content, &app), rows[i].well);
        if (!rows[i].well) {
            continue;
        }
        assert_int_equal(app.discovery, rows[i].discovery);
        if (!rows[i].discovery) {
            assert_string_equal(app.group_version, rows[i].group_version);
            assert_true(cor_view_is(app.plural, rows[i].plural));
            assert_true(cor_view_is(app.ns, rows[i].ns) && cor_view_is(app.name, rows[i].name));
        }
    }
}

static void options_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *option;
        bool well;
    } rows[] = {{"{\"labelSelector\":\"a=b\"}", true},
                {"{}", true},
                {NULL, false},
                {"[]", false},
                {"{", false},
                {"\"x\"", false}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *content =
            app_of("list", "/core/v1/pods/a/null", rows[i].option, NULL);
        auto_(px_kubeedge_app_free) struct px_kubeedge_app app = {0};
        assert_true(px_kubeedge_app_read(content, &app));
        assert_int_equal(app.option != NULL, rows[i].well);
    }
    auto_(px_kubeedge_app_free) struct px_kubeedge_app none = {0};
    assert_false(px_kubeedge_app_read(NULL, &none));
}

#define STATUS_PATCH                                                                               \
    "{\"Name\":\"p\",\"PatchType\":\"application/strategic-merge-patch+json\",\"Data\":"           \
    "\"e30=\",\"Subresources\":[\"status\"]}"

static void writes_that_nodes_may_do_are_calls(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *key, *option, *body;
        enum px_verb call; /* 0: none */
        const char *wanted;
    } rows[] = {
        {"patch", "/core/v1/pods/default/p", STATUS_PATCH, NULL, PX_VERB_PATCH, "default/pod/p"},
        {"patch", "/core/v1/nodes/null/n1", STATUS_PATCH, NULL, PX_VERB_PATCH, "null/node/n1"},
        {"patch", "/core/v1/pods/default/p", "{\"Data\":\"e30=\"}", NULL, 0, NULL},
        {"delete", "/core/v1/pods/default/p", "{}", NULL, PX_VERB_DELETE, "default/pod/p"},
        {"delete", "/core/v1/configmaps/default/c", "{}", NULL, 0, NULL},
        {"create", "/core/v1/configmaps/default/null", "{}", "{\"metadata\":{\"name\":\"c\"}}", 0,
         NULL},
        {"create", "/core/v1/events/default/null", "{}", "{\"metadata\":{\"name\":\"e\"}}",
         PX_VERB_CREATE, "default/event/e"},
        {"create", "/core/v1/events/default/null", "{}", "{}", 0, NULL},
        {"create", "/core/v1/events/default/null", "{}", "no JSON", 0, NULL},
        {"update", "/coordination.k8s.io/v1/leases/kube-node-lease/n1", "{}", "{\"spec\":{}}",
         PX_VERB_UPDATE, "kube-node-lease/lease/n1"},
        {"updatestatus", "/core/v1/pods/default/p", "{}", "{}", 0, NULL},
        {"get", "/core/v1/pods/default/p", "{}", NULL, 0, NULL},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_json_free) struct cor_json *content =
            app_of(rows[i].verb, rows[i].key, rows[i].option, rows[i].body);
        auto_(px_kubeedge_app_free) struct px_kubeedge_app app = {0};
        auto_(px_kubeedge_call_free) struct px_kubeedge_call call = {0};
        assert_true(px_kubeedge_app_read(content, &app));
        assert_int_equal(px_kubeedge_app_call(&app, &call), rows[i].call != 0);
        if (rows[i].call != 0) {
            assert_int_equal(call.verb, rows[i].call);
            assert_string_equal(call.key, rows[i].wanted);
        }
    }
}

static void answers_are_as_edgecore_reads_them(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *content =
        app_of("get", "/core/v1/pods/default/p", "{}", NULL);
    struct px_kubeedge_answer well = {200, COR_VIEW("{\"kind\":\"Pod\"}")};
    auto_(cor_json_free) struct cor_json *yes = px_kubeedge_app_answer(content, "n1", &well);
    assert_string_equal(cor_json_str_at(yes, "Status", ""), "Approved");
    assert_string_equal(cor_json_str_at(yes, "Nodename", ""), "n1");
    assert_string_equal(cor_json_str_at(yes, "RespBody", ""), "eyJraW5kIjoiUG9kIn0=");
    assert_string_equal(cor_json_str_at(yes, "ID", ""), "abc");
    assert_true(cor_json_is_object(cor_json_at(yes, "Error.ErrStatus.metadata")));
    struct px_kubeedge_answer bad = {
        404, COR_VIEW("{\"kind\":\"Status\",\"code\":404,\"message\":\"no such pod\"}")};
    auto_(cor_json_free) struct cor_json *no = px_kubeedge_app_answer(content, "n1", &bad);
    assert_string_equal(cor_json_str_at(no, "Status", ""), "Rejected");
    assert_int_equal(cor_json_int_at(no, "Error.ErrStatus.code", 0), 404);
    assert_string_equal(cor_json_str_at(no, "Reason", ""), "no such pod");
    assert_true(cor_json_is_null(cor_json_get(no, "RespBody")));
    struct px_kubeedge_answer odd = {502, COR_VIEW("<html>")};
    auto_(cor_json_free) struct cor_json *other = px_kubeedge_app_answer(content, "n1", &odd);
    assert_int_equal(cor_json_int_at(other, "Error.ErrStatus.code", 0), 502);
    struct px_kubeedge_answer empty = {200, {0}};
    auto_(cor_json_free) struct cor_json *none = px_kubeedge_app_answer(content, "n1", &empty);
    assert_true(cor_json_is_null(cor_json_get(none, "RespBody")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_read),
        cmocka_unit_test(options_are_read),
        cmocka_unit_test(writes_that_nodes_may_do_are_calls),
        cmocka_unit_test(answers_are_as_edgecore_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
