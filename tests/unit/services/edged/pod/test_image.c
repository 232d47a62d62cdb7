// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "services/edged/pod/image.h"

#define DIGEST "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_references(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool valid;
        bool lacks_tag;
        const char *registry;
    } cases[] = {
        {"nginx", true, true, "docker.io"},
        {"nginx:1.25", true, false, "docker.io"},
        {"library/nginx", true, true, "docker.io"},
        {"edge.local/web:1", true, false, "edge.local"},
        {"localhost/web", true, true, "localhost"},
        {"127.0.0.1:5000/a/b_c/d-e__f:x.Y-z", true, false, "127.0.0.1:5000"},
        {"host:5000/web", true, true, "host:5000"},
        {"nginx" DIGEST, true, false, "docker.io"},
        {"host:5000/web:1" DIGEST, true, false, "host:5000"},
        {"", false, false, ""},
        {"Nginx", false, false, ""},
        {"a//b", false, false, ""},
        {"/a", false, false, ""},
        {"a/", false, false, ""},
        {"a:", false, false, ""},
        {"a:b c", false, false, ""},
        {"a@sha256:12", false, false, ""},
        {"a___b", false, false, ""},
        {"-a", false, false, ""},
        {"a..b", false, false, ""},
        {":tag", false, false, ""},
        {"host.x:port/web", false, false, ""},
        {"http://x/y", false, false, ""},
        {"a b", false, false, ""},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        struct cor_view name = cor_view_of(cases[i].name);
        if (image_is_valid(name) != cases[i].valid) {
            fail_msg("%s: valid is not %d", cases[i].name, cases[i].valid);
        }
        if (cases[i].valid) {
            assert_int_equal(image_lacks_tag(name), cases[i].lacks_tag);
            assert_true(cor_view_is(image_registry(name), cases[i].registry));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_references)};
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
