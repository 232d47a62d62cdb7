// SPDX-License-Identifier: Apache-2.0
#include "kl_test.h"
#include "services/kubelite/route.h"

static void test_paths(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool found;
        enum kl_page page;
        const char *kind, *ns, *name;
        enum kl_sub sub;
    } cases[] = {
        {"/", true, KL_PAGE_ROOT, "", "", "", 0},
        {"/api", true, KL_PAGE_API, "", "", "", 0},
        {"/api/v1", true, KL_PAGE_GROUP_VERSION, "", "", "", 0},
        {"/apis/coordination.k8s.io", true, KL_PAGE_GROUP, "", "", "", 0},
        {"/api/v1/pods", true, 0, "Pod", "", "", 0},
        {"/api/v1/namespaces", true, 0, "Namespace", "", "", 0},
        {"/api/v1/namespaces/x", true, 0, "Namespace", "", "x", 0},
        {"/api/v1/namespaces/x/status", true, 0, "Namespace", "", "x", KL_SUB_STATUS},
        {"/api/v1/namespaces/x/finalize", true, 0, "Namespace", "", "x", KL_SUB_FINALIZE},
        {"/api/v1/namespaces/x/pods", true, 0, "Pod", "x", "", 0},
        {"/api/v1/namespaces/x/pods/a%2db", true, 0, "Pod", "x", "a-b", 0},
        {"/api/v1/namespaces/x/pods/a/status", true, 0, "Pod", "x", "a", KL_SUB_STATUS},
        {"/api/v1/namespaces/x/pods/a/binding", true, 0, "Pod", "x", "a", KL_SUB_BINDING},
        {"/api/v1/namespaces/x/serviceaccounts/d/token", true, 0, "ServiceAccount", "x", "d",
         KL_SUB_TOKEN},
        {"/apis/coordination.k8s.io/v1/namespaces/x/leases/l", true, 0, "Lease", "x", "l", 0},
        {"/api/v1/nodes/n/status", true, 0, "Node", "", "n", KL_SUB_STATUS},
        {"/api/v1/nodes/n/binding", false, 0, "", "", "", 0},
        {"/api/v1/namespaces/x/pods/a/log", true, 0, "Pod", "x", "a", KL_SUB_LOG},
        {"/api/v1/nodes/n/proxy", true, 0, "Node", "", "n", KL_SUB_PROXY},
        {"/api/v1/nodes/n/proxy/a/b/c/d/e%2f/f/g/h", true, 0, "Node", "", "n", KL_SUB_PROXY},
        {"/api/v1/nodes/n/exec", false, 0, "", "", "", 0},
        {"/api/v1/namespaces/x/nodes", false, 0, "", "", "", 0},
        {"/api/v1/pods/a", false, 0, "", "", "", 0},
        {"/api/v1/widgets", false, 0, "", "", "", 0},
        {"/api/v2/pods", false, 0, "", "", "", 0},
        {"/api/v1/namespaces/x/pods/%ff", false, 0, "", "", "", 0},
        {"/api/v1/a/b/c/d/e/f/g/h", false, 0, "", "", "", 0},
        {"/nothing", false, 0, "", "", "", 0},
        {"/openapi/v3", true, KL_PAGE_OPENAPI3, "", "", "", 0},
        {"/openapi/v3/api/v1", true, KL_PAGE_OPENAPI3, "", "", "", 0},
        {"/openapi/v3/apis/apps/v1", true, KL_PAGE_OPENAPI3, "", "", "", 0},
        {"/openapi/v3/apis/apps", false, 0, "", "", "", 0},
        {"/openapi/v4/api/v1", false, 0, "", "", "", 0},
        {"/apis/apps/v1/namespaces/x/deployments/d/scale", true, 0, "Deployment", "x", "d",
         KL_SUB_SCALE},
        {"/api/v1/namespaces/x/pods/p/ephemeralcontainers", true, 0, "Pod", "x", "p",
         KL_SUB_EPHEMERAL},
        {"/apis/apps/v1/namespaces/x/daemonsets/d/scale", false, 0, "", "", "", 0},
    };
    auto_(kl_kinds_free) struct kl_kinds *kinds = kl_kinds_new();
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(kl_route_free) struct kl_route route = {0};
        bool found = kl_route_parse(kinds, cor_view_of(cases[i].path), &route);
        if (found != cases[i].found) {
            fail_msg("%s", cases[i].path);
        }
        if (!found || route.page != KL_PAGE_RESOURCE) {
            assert_int_equal(found ? route.page : cases[i].page, cases[i].page);
            continue;
        }
        assert_string_equal(route.kind->kind, cases[i].kind);
        assert_string_equal(route.ns == NULL ? "" : route.ns, cases[i].ns);
        assert_string_equal(route.name == NULL ? "" : route.name, cases[i].name);
        assert_int_equal(route.sub, cases[i].sub);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_paths)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
