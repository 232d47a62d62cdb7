// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/conf/conf.h"
#include "common/conf/yaml.h"

struct cfg {
    char *name;
    int64_t port;
    bool tls;
    struct cor_conf_strs sans;
};

static const struct cor_conf_row ROWS[] = {
    {.name = "name",
     .offset = offsetof(struct cfg, name),
     .otherwise = "",
     .doc = "who it is",
     .type = COR_CONF_STR,
     .required = true},
    COR_CONF_INT_ROW(struct cfg, port, "listen.port", "6443", 1, 65535, "TCP port"),
    COR_CONF_BOOL_ROW(struct cfg, tls, "listen.tls", "true", "encrypt"),
    COR_CONF_STRS_ROW(struct cfg, sans, "listen.sans", "localhost,127.0.0.1", "names"),
};
static const struct cor_conf CONF = {ROWS, COR_COUNT(ROWS)};

static enum cor_code load(const char *text, struct cfg *cfg, struct cor_err *err)
{
    char path[] = "/tmp/cor-conf-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
    *cfg = (struct cfg){0};
    enum cor_code code = cor_conf_load(&CONF, path, cfg, err);
    /* Messages name the file; tests compare what stands behind it. */
    if (strncmp(err->text, path, strlen(path)) == 0) {
        memmove(err->text, err->text + strlen(path), strlen(err->text + strlen(path)) + 1);
    }
    (void)unlink(path);
    return code;
}

static void file_overrides_defaults(void **state)
{
    (void)state;
    struct cfg cfg;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(
        load("# comment\nname: n1\nlisten:\n  port: 7443\n  sans: [a, \"b\"]\n", &cfg, &err),
        COR_OK);
    assert_string_equal(cfg.name, "n1");
    assert_int_equal(cfg.port, 7443);
    assert_true(cfg.tls);
    assert_int_equal(cfg.sans.count, 2);
    assert_string_equal(cfg.sans.items[1], "b");
    cor_conf_free(&CONF, &cfg);
}

static void mistakes_are_named_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } CASES[] = {
        {"name: n1\nlisen: 1\n",
         ":2: lisen: expected one of name listen.port listen.tls listen.sans"},
        {"name: n1\nlisten:\n  port: x\n", ":3: listen.port: expected a number from 1 to 65535"},
        {"name: n1\nlisten:\n  port: 70000\n",
         ":3: listen.port: expected a number from 1 to 65535"},
        {"name: n1\nlisten:\n  tls: 1\n", ":3: listen.tls: expected true or false"},
        {"name: n1\nlisten: 5\n", ":2: listen: expected a section with options"},
        {"name: n1\nlisten:\n  sans: a\n", ":3: listen.sans: expected a list of strings"},
        {"name: [1]\n", ":1: name: expected a string"},
        {"name: 7\n", ":1: name: expected a string"},
        {"listen:\n  port: 1\n", ": name is missing: who it is"},
        {"name: a\nname: b\n", ": line 2: name is given twice"},
        {"name: &x a\nlisten: *x\n", ": line 2: aliases are not allowed"},
        {"- 1\n", ":1: expected options, one a line"},
        {"name: \"open\n", ": line 2: found unexpected end of stream"},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        struct cfg cfg;
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = load(CASES[i].text, &cfg, &err);
        cor_conf_free(&CONF, &cfg);
        if (code != COR_INVALID || strcmp(err.text, CASES[i].error) != 0) {
            fail_msg("%s -> %s", CASES[i].text, err.text);
        }
    }
}

static void dump_is_a_file_that_loads(void **state)
{
    (void)state;
    struct cfg cfg;
    struct cfg again;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(load("name: 'it''s \"quoted\"'\nlisten: {port: 1, tls: false}\n", &cfg, &err),
                     COR_OK);
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_conf_dump(&CONF, &cfg, &text);
    assert_int_equal(load(text.data, &again, &err), COR_OK);
    assert_string_equal(again.name, "it's \"quoted\"");
    assert_int_equal(again.port, 1);
    assert_false(again.tls);
    assert_int_equal(again.sans.count, 2);
    cor_conf_free(&CONF, &cfg);
    cor_conf_free(&CONF, &again);
}

static void yaml_scalars_have_types(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } CASES[] = {
        {"a: 1", "{\"a\":1}"},
        {"a: -0x1", "{\"a\":\"-0x1\"}"},
        {"a: 1.5", "{\"a\":1.5}"},
        {"a: '1'", "{\"a\":\"1\"}"},
        {"a: true", "{\"a\":true}"},
        {"a: yes", "{\"a\":\"yes\"}"},
        {"a: ~", "{\"a\":null}"},
        {"a:", "{\"a\":null}"},
        {"a: {b: [1, x]}", "{\"a\":{\"b\":[1,\"x\"]}}"},
        {"a: |\n  two\n  lines\n", "{\"a\":\"two\\nlines\\n\"}"},
        {"", "{}"},
        {"a: 1e3", "{\"a\":1000.0}"},
        {"a: 10.0.0.1", "{\"a\":\"10.0.0.1\"}"},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        auto_(cor_json_free) struct cor_json *value = NULL;
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(cor_yaml_parse(cor_view_of(CASES[i].text), 1000, NULL, NULL, &value, &err),
                         COR_OK);
        auto_(cor_freep) char *text = cor_json_text(value);
        assert_string_equal(text, CASES[i].json);
    }
}

/* As kubectl reads objects: YAML 1.1. */
static void yaml_of_kubernetes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } CASES[] = {
        {"a: 0644", "{\"a\":420}"},
        {"a: 0o644", "{\"a\":420}"},
        {"a: 0x1f", "{\"a\":31}"},
        {"a: 0", "{\"a\":0}"},
        {"a: 089", "{\"a\":89}"},
        {"a: '0644'", "{\"a\":\"0644\"}"},
        {"a: yes", "{\"a\":true}"},
        {"a: Off", "{\"a\":false}"},
        {"a: NULL", "{\"a\":null}"},
        {"a: \"on\"", "{\"a\":\"on\"}"},
        {"a: 0-7", "{\"a\":\"0-7\"}"},
        {"---\na: 1\n---\n", "{\"a\":1}"},
        {"{\"a\": [0.5]}", "{\"a\":[0.5]}"},
        {"a: 0x", "{\"a\":\"0x\"}"},
    };
    for (size_t i = 0; i < COR_COUNT(CASES); i++) {
        auto_(cor_json_free) struct cor_json *value = NULL;
        struct cor_err err = COR_ERR_NONE;
        if (cor_yaml_parse_kube(cor_view_of(CASES[i].text), 1000, &value, &err) != COR_OK) {
            fail_msg("%s: %s", CASES[i].text, err.text);
        }
        auto_(cor_freep) char *text = cor_json_text(value);
        assert_string_equal(text, CASES[i].json);
    }
}

static void yaml_has_one_document(void **state)
{
    (void)state;
    struct cor_json *value = NULL;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_yaml_parse(COR_VIEW("a: 1\n---\nb: 2\n"), 1000, NULL, NULL, &value, &err),
                     COR_INVALID);
    assert_null(value);
    assert_string_equal(err.text, "line 3: a second document");
    assert_int_equal(cor_yaml_parse(COR_VIEW("a: 1\n---\n"), 1000, NULL, NULL, &value, &err),
                     COR_OK);
    cor_json_free(&value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_overrides_defaults),
        cmocka_unit_test(mistakes_are_named_with_their_line),
        cmocka_unit_test(dump_is_a_file_that_loads),
        cmocka_unit_test(yaml_scalars_have_types),
        cmocka_unit_test(yaml_of_kubernetes),
        cmocka_unit_test(yaml_has_one_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
