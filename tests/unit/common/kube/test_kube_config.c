// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "common/base/attr.h"
#include "common/base/mem.h"
#include "common/kube/config.h"
#include "tests/support/process.h"

static enum cor_code read_text(const char *text, struct cor_kube_config *config,
                               struct cor_err *err)
{
    auto_(cor_json_free) struct cor_json *tree = NULL;
    assert_int_equal(cor_json_parse(cor_view_of(text), 10000, 0, &tree, NULL), COR_OK);
    return cor_kube_config_read(tree, "/nonexistent", config, err);
}

static void current_context_counts(void **state)
{
    (void)state;
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    enum cor_code code = read_text(
        "{\"current-context\":\"b\",\"contexts\":[{\"name\":\"a\",\"context\":{\"cluster\":\"x\"}},"
        "{\"name\":\"b\",\"context\":{\"cluster\":\"y\",\"user\":\"u\",\"namespace\":\"ns\"}}],"
        "\"clusters\":[{\"name\":\"x\",\"cluster\":{\"server\":\"https://x\"}},{\"name\":\"y\","
        "\"cluster\":{\"server\":\"https://y:6443/\",\"certificate-authority-data\":\"Y2E=\"}}],"
        "\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\",\"tokenFile\":\"tok\","
        "\"client-certificate-data\":\"Y3J0\",\"client-key-data\":\"a2V5\"}}]}",
        &config, NULL);
    assert_int_equal(code, COR_OK);
    assert_string_equal(config.server, "https://y:6443");
    assert_string_equal(config.ca_pem, "ca");
    assert_string_equal(config.cert_pem, "crt");
    assert_string_equal(config.key_pem, "key");
    assert_string_equal(config.token, "t");
    assert_string_equal(config.token_file, "/nonexistent/tok");
    assert_string_equal(config.ns, "ns");
}

#define ONE(cluster, user)                                                                         \
    "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\","     \
    "\"user\":\"u\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":" cluster                         \
    "}],\"users\":[{\"name\":\"u\",\"user\":" user "}]}"

static void bad_configs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum cor_code expected;
    } rows[] = {
        {"null", COR_INVALID},
        {"{}", COR_INVALID},
        {"{\"current-context\":\"c\",\"contexts\":[null,{\"name\":7}]}", COR_INVALID},
        {ONE("null", "{}"), COR_INVALID},
        {ONE("{\"server\":\"http://x\"}", "{}"), COR_INVALID},
        {ONE("{\"server\":7}", "{}"), COR_INVALID},
        {ONE("{\"server\":\"https://x\",\"insecure-skip-tls-verify\":true}", "{}"), COR_INVALID},
        {ONE("{\"server\":\"https://x\",\"certificate-authority-data\":\"*\"}", "{}"), COR_INVALID},
        {ONE("{\"server\":\"https://x\",\"certificate-authority\":\"ca.crt\"}", "{}"),
         COR_NOTFOUND},
        {ONE("{\"server\":\"https://x\"}", "{\"client-key-data\":\"a2V5\"}"), COR_INVALID},
        {ONE("{\"server\":\"https://x\",\"proxy-url\":\"http://p\"}", "{}"), COR_UNSUPPORTED},
        {ONE("{\"server\":\"https://x\"}", "{\"exec\":{\"command\":\"aws\"}}"), COR_UNSUPPORTED},
        {ONE("{\"server\":\"https://x\"}", "{\"auth-provider\":{\"name\":\"gcp\"}}"),
         COR_UNSUPPORTED},
        {ONE("{\"server\":\"https://x\"}", "{\"username\":\"u\",\"password\":\"p\"}"),
         COR_UNSUPPORTED},
    };
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        struct cor_kube_config config;
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(read_text(rows[i].text, &config, &err), rows[i].expected);
        assert_true(strlen(err.text) > 0);
        assert_null(config.server);
    }
}

/* What kubectl writes is YAML. */
static void file_is_yaml(void **state)
{
    (void)state;
    char path[] = "/tmp/kubeconfig-XXXXXX";
    int fd = mkstemp(path);
    static const char text[] = "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n"
                               "    server: https://127.0.0.1:6443\ncontexts:\n- name: c\n"
                               "  context: {cluster: k, user: u}\ncurrent-context: c\nusers:\n"
                               "- name: u\n  user:\n    tokenFile: tok\n";
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    assert_int_equal(close(fd), 0);
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    assert_int_equal(cor_kube_config_load(path, &config, NULL), COR_OK);
    assert_int_equal(unlink(path), 0);
    assert_string_equal(config.server, "https://127.0.0.1:6443");
    assert_string_equal(config.token_file, "/tmp/tok");
    struct cor_kube_config none;
    assert_int_equal(cor_kube_config_load(path, &none, NULL), COR_NOTFOUND);
}

/* The one line that somebody with a cloud's kubeconfig sees. */
static void exec_is_refused_with_a_clear_word(void **state)
{
    (void)state;
    struct cor_kube_config config;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        read_text(ONE("{\"server\":\"https://x\"}", "{\"exec\":{\"command\":\"aws\"}}"), &config,
                  &err),
        COR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "\"exec\" is not supported; use a client certificate"));
}

static void a_pod_is_given_what_it_needs(void **state)
{
    (void)state;
    auto_(cor_freep) char *dir = test_dir_new();
    auto_(cor_kube_config_free) struct cor_kube_config config = {0};
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_kube_config_pod(dir, NULL, NULL, &config, &err), COR_INVALID);
    assert_non_null(strstr(err.text, "KUBERNETES_SERVICE_HOST"));
    assert_int_equal(cor_kube_config_pod(dir, "10.96.0.1", "443", &config, &err), COR_NOTFOUND);
    test_write(dir, "token", "tok\n");
    test_write(dir, "ca.crt", "ca");
    test_write(dir, "namespace", "kubeedge");
    assert_int_equal(cor_kube_config_pod(dir, "10.96.0.1", "443", &config, &err), COR_OK);
    assert_string_equal(config.server, "https://10.96.0.1:443");
    assert_string_equal(config.ca_pem, "ca");
    assert_string_equal(config.ns, "kubeedge");
    assert_true(strlen(config.token_file) > strlen(dir));
    cor_kube_config_free(&config);
    assert_int_equal(cor_kube_config_pod(dir, "fd00::1", "6443", &config, &err), COR_OK);
    assert_string_equal(config.server, "https://[fd00::1]:6443");
    test_dir_free(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(current_context_counts),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(file_is_yaml),
        cmocka_unit_test(exec_is_refused_with_a_clear_word),
        cmocka_unit_test(a_pod_is_given_what_it_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
