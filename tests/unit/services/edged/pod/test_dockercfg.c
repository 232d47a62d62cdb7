// SPDX-License-Identifier: Apache-2.0
#include "../fixture.h"
#include "common/base/text.h"
#include "services/edged/pod/dockercfg.h"

static void test_logins(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *config;
        const char *image;
        const char *user; /* NULL: none */
    } cases[] = {
        {".dockerconfigjson", "{'auths':{'reg.example':{'username':'u','password':'p'}}}",
         "reg.example/a/b:1", "u"},
        {".dockerconfigjson", "{'auths':{'https://reg.example/v2/':{'auth':'dTpw'}}}",
         "reg.example/a", "u"},
        {".dockerconfigjson", "{'auths':{'https://index.docker.io/v1/':{'auth':'dTpw'}}}", "nginx",
         "u"},
        {".dockerconfigjson", "{'auths':{'other.example':{'auth':'dTpw'}}}", "reg.example/a", NULL},
        {".dockerconfigjson", "{'auths':{'reg.example':{'auth':'%%%'}}}", "reg.example/a", NULL},
        {".dockerconfigjson", "{'auths':{'reg.example':{'auth':'dQ=='}}}", "reg.example/a", NULL},
        {".dockerconfigjson", "{'auths':[]}", "reg.example/a", NULL},
        {".dockerconfigjson", "null", "reg.example/a", NULL},
        {".dockercfg", "{'reg.example':{'username':'u','password':'p'}}", "reg.example/a", "u"},
        {"other", "{}", "reg.example/a", NULL},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_json_free) struct cor_json *config = test_json(cases[i].config);
        auto_(cor_freep) char *text = cor_json_text(config);
        auto_(cor_buf_free) struct cor_buf coded = {0};
        cor_base64(&coded, cor_view_of(text));
        auto_(cor_json_free) struct cor_json *secret = test_json("{'data':{}}");
        cor_json_set(cor_json_get(secret, "data"), cases[i].key, cor_json_str(coded.data));
        auto_(dockercfg_free) struct dockercfg_login login = {0};
        bool found = dockercfg_find(secret, cases[i].image, &login);
        if (found != (cases[i].user != NULL)) {
            fail_msg("%s for %s", cases[i].config, cases[i].image);
        }
        if (found) {
            assert_string_equal(login.username, cases[i].user);
            assert_string_equal(login.password, "p");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_logins)};
    return cmocka_run_group_tests_name("dockercfg", tests, NULL, NULL);
}
