// SPDX-License-Identifier: Apache-2.0
#include "services/edged/manifest/manifest.h"

#include "../fixture.h"

#define PATH "/etc/manifests/web.yaml"
#define HEAD "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"
#define BODY "spec:\n  containers: [{name: c, image: busybox}]\n"

static struct cor_json *read_as(const char *text, const char *path, const char *node)
{
    struct cor_json *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (manifest_read(cor_view_of(text), path, node, (struct cor_wall){INT64_C(1767225600000000)},
                      &pod, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
    return pod;
}

static const char *mark(const struct cor_json *pod, const char *key)
{
    return cor_json_as_str(cor_json_get(cor_json_at(pod, "metadata.annotations"), key), "");
}

static void files_become_pods(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod = read_as(HEAD BODY, PATH, "n1");
    const char *uid = cor_json_str_at(pod, "metadata.uid", "");
    assert_string_equal(cor_json_str_at(pod, "metadata.name", ""), "web-n1");
    assert_string_equal(cor_json_str_at(pod, "metadata.namespace", ""), "default");
    assert_string_equal(cor_json_str_at(pod, "spec.nodeName", ""), "n1");
    assert_int_equal(strlen(uid), 32);
    assert_string_equal(mark(pod, "kubernetes.io/config.source"), "file");
    assert_string_equal(mark(pod, "kubernetes.io/config.hash"), uid);
    assert_string_equal(mark(pod, "kubernetes.io/config.seen"), "2026-01-01T00:00:00.000000Z");
    auto_(cor_freep) char *tolerations = cor_json_text(cor_json_at(pod, "spec.tolerations"));
    assert_string_equal(tolerations, "[{\"operator\":\"Exists\",\"effect\":\"NoExecute\"}]");
    assert_false(manifest_is_mirror(pod));
}

/* YAML and JSON of the same say the same; node, path and content are in the hash. */
static void uids_are_hashes(void **state)
{
    (void)state;
    static const char JSON[] = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                               "\"web\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":"
                               "\"busybox\"}]}}";
    static const struct {
        const char *text, *path, *node;
        bool same;
    } ROWS[] = {
        {HEAD BODY, PATH, "n1", true},  {"# a remark\n" HEAD BODY, PATH, "n1", true},
        {JSON, PATH, "n1", true},       {HEAD BODY, "/etc/manifests/w.yaml", "n1", false},
        {HEAD BODY, PATH, "n2", false}, {HEAD BODY "  hostNetwork: true\n", PATH, "n1", false},
    };
    auto_(cor_json_free) struct cor_json *first = read_as(HEAD BODY, PATH, "n1");
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *pod =
            read_as(ROWS[i].text, ROWS[i].path, ROWS[i].node);
        bool same = strcmp(manifest_hash(first), manifest_hash(pod)) == 0;
        if (same != ROWS[i].same) {
            fail_msg("row %zu: %s", i, manifest_hash(pod));
        }
    }
}

/* What the file says of it is kept; of what only the API may say nothing is. */
static void what_the_file_says_stays(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod = read_as(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: kube-system\n  uid: mine\n"
        "  annotations: {a: b, kubernetes.io/config.mirror: x}\n"
        "  deletionTimestamp: '2026-01-01T00:00:00Z'\n"
        "spec:\n  nodeName: other\n  tolerations: [{key: k, operator: Exists}]\n"
        "  containers:\n  - name: c\n    image: busybox\n    resources: {limits: {cpu: 0.5}}\n"
        "  volumes:\n  - {name: v, hostPath: {path: /tmp}}\n"
        "  - {name: d, downwardAPI: {defaultMode: 0644, items: [{path: p, fieldRef: {fieldPath: "
        "metadata.name}}]}}\nstatus: {phase: Failed}\n",
        PATH, "n1");
    assert_string_equal(cor_json_str_at(pod, "metadata.namespace", ""), "kube-system");
    assert_string_equal(mark(pod, "a"), "b");
    assert_string_not_equal(cor_json_str_at(pod, "metadata.uid", ""), "mine");
    assert_false(manifest_is_mirror(pod));
    assert_null(cor_json_get(pod, "status"));
    assert_null(cor_json_at(pod, "metadata.deletionTimestamp"));
    assert_string_equal(cor_json_str_at(pod, "spec.nodeName", ""), "n1");
    assert_int_equal(cor_json_count(cor_json_at(pod, "spec.tolerations")), 2);
    assert_int_equal(cor_json_int_at(cor_json_item(cor_json_at(pod, "spec.volumes"), 1),
                                     "downwardAPI.defaultMode", 0),
                     0644);
}

static void bad_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } ROWS[] = {
        {"", "expected apiVersion: v1 and kind: Pod"},
        {"apiVersion: v1\nkind: PodList\n", "expected apiVersion: v1 and kind: Pod"},
        {"apiVersion: v1\nkind: Pod\n", "metadata.name: Required value"},
        {HEAD, "spec.containers: Required value"},
        {HEAD "spec: 7\n", "spec.containers: Required value"},
        {HEAD BODY "---\n" HEAD, "line 7: a second document"},
        {HEAD "spec: {containers: [{name: c, image: i}], volumes: [{name: v, hostPath: {path: "
              "a/../b}}]}\n",
         "spec.volumes[0].hostPath.path: Invalid value: \"a/../b\": must not contain '..'"},
        {HEAD BODY "  tolerations: x\n", "spec.tolerations: expected array"},
        {"apiVersion: v1\nkind: Pod\nmetadata: {name: web, annotations: [1]}\n" BODY,
         "metadata.annotations: Invalid value: \"array\": must be of type object"},
        {HEAD BODY "  serviceAccountName: robot\n", "static Pods may not refer to serviceaccounts"},
        {HEAD BODY "  imagePullSecrets: [{name: s}]\n", "static Pods may not refer to secrets"},
        {HEAD BODY "  volumes: [{name: v, secret: {secretName: s}}]\n",
         "static Pods may not refer to secrets"},
        {HEAD BODY "  volumes: [{name: v, configMap: {name: s}}]\n",
         "static Pods may not refer to configmaps"},
        {HEAD BODY "  volumes: [{name: v, persistentVolumeClaim: {claimName: s}}]\n",
         "static Pods may not refer to persistentvolumeclaims"},
        {HEAD BODY
         "  volumes: [{name: v, projected: {sources: [{serviceAccountToken: {path: p}}]}}]\n",
         "static Pods may not refer to serviceaccounts"},
        {HEAD "spec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: s}}]}]}\n",
         "static Pods may not refer to secrets"},
        {HEAD "spec: {containers: [{name: c, image: i, env: [{name: A, valueFrom: "
              "{configMapKeyRef: {name: s, key: k}}}]}]}\n",
         "static Pods may not refer to configmaps"},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct cor_json *pod = NULL;
        struct cor_err err = COR_ERR_NONE;
        assert_int_not_equal(
            manifest_read(cor_view_of(ROWS[i].text), PATH, "n1", (struct cor_wall){0}, &pod, &err),
            COR_OK);
        assert_null(pod);
        assert_string_equal(err.text, ROWS[i].why);
    }
}

static void too_much_is_refused(void **state)
{
    (void)state;
    struct cor_json *pod = NULL;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *text = cor_alloc(MANIFEST_MAX + 1);
    memset(text, '#', MANIFEST_MAX + 1);
    assert_int_equal(manifest_read((struct cor_view){text, MANIFEST_MAX + 1}, PATH, "n1",
                                   (struct cor_wall){0}, &pod, &err),
                     COR_TOOBIG);
}

/* As the API's NodeRestriction wants it of a node. */
static void mirrors_show_pods(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod = read_as(HEAD BODY, PATH, "n1");
    auto_(cor_json_free) struct cor_json *mirror = manifest_mirror(pod, "n1", "node-uid");
    auto_(cor_freep) char *owners = cor_json_text(cor_json_at(mirror, "metadata.ownerReferences"));
    assert_true(manifest_is_mirror(mirror));
    assert_string_equal(manifest_hash(mirror), cor_json_str_at(pod, "metadata.uid", ""));
    assert_null(cor_json_at(mirror, "metadata.uid"));
    assert_string_equal(owners, "[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\",\"uid\":"
                                "\"node-uid\",\"controller\":true}]");
    assert_false(manifest_is_mirror(pod));
}

static void mirrors_follow_pods(void **state)
{
    (void)state;
    static const struct {
        struct manifest_wish wish;
        struct manifest_shown shown;
        enum manifest_act act;
    } ROWS[] = {
        {{NULL, false}, {NULL, false}, MANIFEST_NOTHING},
        {{"a", false}, {NULL, false}, MANIFEST_CREATE},
        {{"a", true}, {NULL, false}, MANIFEST_NOTHING},
        {{"a", false}, {"a", false}, MANIFEST_NOTHING},
        {{"a", true}, {"a", false}, MANIFEST_NOTHING},
        {{"a", false}, {"b", false}, MANIFEST_DELETE},
        {{"a", false}, {"a", true}, MANIFEST_DELETE},
        {{NULL, false}, {"a", false}, MANIFEST_DELETE},
        {{NULL, false}, {"a", true}, MANIFEST_DELETE},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        assert_int_equal(manifest_next(&ROWS[i].wish, &ROWS[i].shown), ROWS[i].act);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_become_pods),        cmocka_unit_test(uids_are_hashes),
        cmocka_unit_test(what_the_file_says_stays), cmocka_unit_test(bad_files_are_refused),
        cmocka_unit_test(too_much_is_refused),      cmocka_unit_test(mirrors_show_pods),
        cmocka_unit_test(mirrors_follow_pods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
