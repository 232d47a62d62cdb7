// SPDX-License-Identifier: Apache-2.0
// Aggregated discovery and OpenAPI v3.
#include "kl_test.h"
#include "services/kubelite/pages.h"

static const struct cor_json *named(const struct cor_json *list, const char *path, const char *name)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        const struct cor_json *one = cor_json_item(list, i);
        if (strcmp(cor_json_str_at(one, path, ""), name) == 0) {
            return one;
        }
    }
    fail_msg("no %s", name);
    return NULL;
}

static void test_everything_at_once(void **state)
{
    (void)state;
    auto_(kl_kinds_free) struct kl_kinds *kinds = kl_kinds_new();
    auto_(cor_json_free) struct cor_json *core = kl_discovery_all(kinds, true);
    auto_(cor_json_free) struct cor_json *all = kl_discovery_all(kinds, false);
    assert_int_equal(cor_json_count(cor_json_get(core, "items")), 1);
    const struct cor_json *group = named(cor_json_get(all, "items"), "metadata.name", "apps");
    const struct cor_json *version = named(cor_json_get(group, "versions"), "version", "v1");
    const struct cor_json *resource =
        named(cor_json_get(version, "resources"), "resource", "deployments");
    const struct cor_json *sub =
        named(cor_json_get(resource, "subresources"), "subresource", "scale");
    assert_string_equal(cor_json_str_at(resource, "scope", ""), "Namespaced");
    assert_string_equal(cor_json_str_at(resource, "responseKind.kind", ""), "Deployment");
    assert_string_equal(cor_json_str_at(sub, "responseKind.group", ""), "autoscaling");
    assert_string_equal(cor_json_str_at(sub, "responseKind.kind", ""), "Scale");
}

/* Every reference in value leads to a schema of the same document. */
static void expect_closed(const struct cor_json *value, const struct cor_json *schemas)
{
    static const char prefix[] = "#/components/schemas/";
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    for (size_t i = 0; cor_json_is_array(value) && i < cor_json_count(value); i++) {
        expect_closed(cor_json_item(value, i), schemas);
    }
    while (cor_json_each(value, &at, &key, &child)) {
        const char *ref = strcmp(key, "$ref") == 0 ? cor_json_as_str(child, NULL) : NULL;
        if (ref != NULL) {
            assert_memory_equal(ref, prefix, sizeof(prefix) - 1);
            assert_non_null(cor_json_get(schemas, ref + sizeof(prefix) - 1));
        }
        expect_closed(child, schemas);
    }
}

static void test_documents(void **state)
{
    (void)state;
    auto_(kl_kinds_free) struct kl_kinds *kinds = kl_kinds_new();
    auto_(cor_json_free) struct cor_json *index = kl_openapi3_index(kinds);
    assert_non_null(cor_json_get(cor_json_get(index, "paths"), "api/v1"));
    assert_non_null(cor_json_get(cor_json_get(index, "paths"), "apis/apps/v1"));
    auto_(cor_json_free) struct cor_json *document = kl_openapi3_document(kinds, "apps", "v1");
    const struct cor_json *schemas = cor_json_at(document, "components.schemas");
    assert_non_null(cor_json_get(schemas, "io.k8s.api.apps.v1.Deployment"));
    assert_non_null(cor_json_get(schemas, "io.k8s.api.core.v1.PodSpec"));
    assert_null(cor_json_get(schemas, "io.k8s.api.core.v1.Node"));
    expect_closed(schemas, schemas);
    assert_null(kl_openapi3_document(kinds, "nothing.io", "v1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_at_once),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
