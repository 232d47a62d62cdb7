// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "common/kube/path.h"

static void paths(void **state)
{
    (void)state;
    static const struct {
        struct cor_kube_ref ref;
        const char *expected;
    } rows[] = {
        {{"v1", NULL, "nodes", NULL, NULL}, "/api/v1/nodes"},
        {{"v1", NULL, "nodes", "n1", "status"}, "/api/v1/nodes/n1/status"},
        {{"v1", "default", "pods", "web", NULL}, "/api/v1/namespaces/default/pods/web"},
        {{"coordination.k8s.io/v1", "kube-node-lease", "leases", "n1", NULL},
         "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1"},
        /* names from outside cannot leave their place */
        {{"v1", "../../x", "secrets", "a/b?c#d", NULL},
         "/api/v1/namespaces/..%2F..%2Fx/secrets/a%2Fb%3Fc%23d"},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        auto_(cor_buf_free) struct cor_buf path = {0};
        cor_kube_path(&rows[i].ref, &path);
        assert_string_equal(path.data, rows[i].expected);
    }
}

static void codes(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *exists = cor_json_object();
    cor_json_set(exists, "reason", cor_json_str("AlreadyExists"));
    assert_int_equal(cor_kube_code(200, NULL), COR_OK);
    assert_int_equal(cor_kube_code(201, exists), COR_OK);
    assert_int_equal(cor_kube_code(0, NULL), COR_RETRY);
    assert_int_equal(cor_kube_code(404, NULL), COR_NOTFOUND);
    assert_int_equal(cor_kube_code(409, NULL), COR_CONFLICT);
    assert_int_equal(cor_kube_code(409, exists), COR_EXISTS);
    assert_int_equal(cor_kube_code(410, NULL), COR_GONE);
    assert_int_equal(cor_kube_code(422, NULL), COR_INVALID);
    assert_int_equal(cor_kube_code(429, NULL), COR_BUSY);
    assert_int_equal(cor_kube_code(503, NULL), COR_RETRY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
