// SPDX-License-Identifier: Apache-2.0
#include "services/edged/node/marks.h"

#include "../fixture.h"

static void texts_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *label, *annotation, *taint, *why;
    } ROWS[] = {
        {"zone=a", "example.com/a=b, c=d", "edge=true:NoSchedule", ""},
        {"empty=", "a=", "example.com/edge:NoExecute", ""},
        {"zone", "a=", "a:NoExecute", "node.labels: expected key=value, not zone"},
        {"Zone!=a", "a=", "a:NoExecute", "node.labels: expected key=value, not Zone!=a"},
        {"zone=-a", "a=", "a:NoExecute", "node.labels: expected key=value, not zone=-a"},
        {"UP.com/zone=a", "a=", "a:NoExecute",
         "node.labels: expected key=value, not UP.com/zone=a"},
        {"a/b/c=a", "a=", "a:NoExecute", "node.labels: expected key=value, not a/b/c=a"},
        {"zone=a", "=a", "a:NoExecute", "node.annotations: expected key=value, not =a"},
        {"zone=a", "a=", "a", "node.taints: expected key=value:Effect, not a"},
        {"zone=a", "a=", "a=b:Never", "node.taints: expected key=value:Effect, not a=b:Never"},
        {"zone=a", "a=", ":NoExecute", "node.taints: expected key=value:Effect, not :NoExecute"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        char *texts[] = {(char *)(uintptr_t)ROWS[i].label, (char *)(uintptr_t)ROWS[i].annotation,
                         (char *)(uintptr_t)ROWS[i].taint};
        struct cor_conf_strs lists[] = {{&texts[0], 1}, {&texts[1], 1}, {&texts[2], 1}};
        struct cor_err err = COR_ERR_NONE;
        enum cor_code code = marks_check(&lists[0], &lists[1], &lists[2], &err);
        assert_int_equal(code, ROWS[i].why[0] == '\0' ? COR_OK : COR_INVALID);
        assert_string_equal(err.text, ROWS[i].why);
    }
}

static struct cor_json *node_of(const char *const *labels, size_t label_count,
                                const char *const *annotations, size_t annotation_count)
{
    const struct node_info info = {.name = "n1",
                                   .arch = "amd64",
                                   .labels = labels,
                                   .label_count = label_count,
                                   .annotations = annotations,
                                   .annotation_count = annotation_count,
                                   .schedulable = true,
                                   .autonomous = true};
    auto_(cor_json_free) struct cor_json *status = cor_json_object();
    return node_object(&info, status);
}

static void expect(const struct cor_json *node, const char *path, const char *key,
                   const char *value)
{
    const struct cor_json *texts = cor_json_at(node, path);
    const struct cor_json *found = cor_json_get(texts, key);
    if (value == NULL) {
        assert_null(found);
    } else {
        assert_string_equal(cor_json_as_str(found, "null"), value);
    }
}

#define LABELS "metadata.labels"
#define ANNOTATIONS "metadata.annotations"

/* The own ones are set again, those that the settings have lost go, others stay. */
static void nodes_follow_settings(void **state)
{
    (void)state;
    static const char *const before[] = {"zone=a", "rack=1"};
    static const char *const after[] = {"zone=b"};
    static const char *const notes[] = {"example.com/who=me, you"};
    auto_(cor_json_free) struct cor_json *there = node_of(before, 2, notes, 1);
    expect(there, ANNOTATIONS, "example.com/who", "me, you");
    expect(there, ANNOTATIONS, "coracle.io/settings",
           "{\"labels\":[\"zone\",\"rack\"],\"annotations\":[\"example.com/who\"]}");
    cor_json_set(cor_json_at(there, LABELS), "foreign", cor_json_str("x"));
    auto_(cor_json_free) struct cor_json *wanted = node_of(after, 1, NULL, 0);
    auto_(cor_json_free) struct cor_json *patch = marks_patch(wanted, there);
    expect(patch, LABELS, "zone", "b");
    expect(patch, LABELS, "rack", "null");
    expect(patch, LABELS, "foreign", NULL);
    expect(patch, LABELS, "kubernetes.io/hostname", "n1");
    expect(patch, ANNOTATIONS, "example.com/who", "null");
    expect(patch, ANNOTATIONS, "coracle.io/settings", "{\"labels\":[\"zone\"],\"annotations\":[]}");
    expect(patch, ANNOTATIONS, "coracle.io/autonomous", NULL);
    assert_null(cor_json_get(patch, "spec"));
    assert_null(cor_json_get(patch, "status"));
    auto_(cor_json_free) struct cor_json *now = cor_json_merge_patch(cor_json_copy(there), patch);
    auto_(cor_json_free) struct cor_json *plain = node_of(NULL, 0, NULL, 0);
    auto_(cor_json_free) struct cor_json *last = marks_patch(plain, now);
    expect(last, LABELS, "zone", "null");
    expect(last, LABELS, "rack", NULL); /* it has gone already */
    expect(last, ANNOTATIONS, "coracle.io/settings", "null");
}

/* A record that somebody has spoilt, and a Node that is not known, take nothing away. */
static void nothing_is_taken_blindly(void **state)
{
    (void)state;
    static const char *const BAD[] = {"{", "[]", "{\"labels\":7}", "{\"labels\":[7,\"absent\"]}",
                                      "7"};
    auto_(cor_json_free) struct cor_json *wanted = node_of(NULL, 0, NULL, 0);
    for (size_t i = 0; i <= COR_COUNT(BAD); i++) {
        auto_(cor_json_free) struct cor_json *there = NULL;
        if (i < COR_COUNT(BAD)) {
            there = test_json("{'metadata':{'labels':{'x':'y'},'annotations':{}}}");
            cor_json_set(cor_json_at(there, ANNOTATIONS), "coracle.io/settings",
                         cor_json_str(BAD[i]));
        }
        auto_(cor_json_free) struct cor_json *patch = marks_patch(wanted, there);
        assert_true(cor_json_equal(cor_json_at(patch, LABELS), cor_json_at(wanted, LABELS)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_checked),
        cmocka_unit_test(nodes_follow_settings),
        cmocka_unit_test(nothing_is_taken_blindly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
