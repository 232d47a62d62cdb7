// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/mem.h"
#include "services/edgecontroller/lease.h"
#include "services/edgecontroller/own.h"
#include "services/edgecontroller/record.h"
#include "services/edgecontroller/refs.h"
#include "services/edgecontroller/route.h"
#include "services/edgecontroller/same.h"
#include "services/edgecontroller/twins.h"

static struct cor_json *json(const char *text)
{
    struct cor_json *value = NULL;
    struct cor_err err = COR_ERR_NONE;
    if (cor_json_parse(cor_view_of(text), 65536, 0, &value, &err) != COR_OK) {
        fail_msg("%s: %s", text, err.text);
    }
    return value;
}

static void pods_name_what_they_need(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *pod =
        json("{\"spec\":{\"volumes\":[{\"configMap\":{\"name\":\"v1\"}},{\"secret\":{"
             "\"secretName\":\"v2\"}},"
             "{\"projected\":{\"sources\":[{\"configMap\":{\"name\":\"v3\"}},{\"secret\":{\"name\":"
             "\"v4\"}}]}}],"
             "\"initContainers\":[{\"envFrom\":[{\"configMapRef\":{\"name\":\"i1\"}}]}],"
             "\"containers\":[{\"env\":[{\"valueFrom\":{\"secretKeyRef\":{\"name\":\"c1\"}}},"
             "{\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"c2\"}}}],"
             "\"envFrom\":[{\"secretRef\":{\"name\":\"c3\"}}]}],"
             "\"imagePullSecrets\":[{\"name\":\"p1\"}]}}");
    static const char *const CONFIGMAPS[] = {"v1", "v3", "i1", "c2"};
    static const char *const SECRETS[] = {"v2", "v4", "c1", "c3", "p1"};
    for (size_t i = 0; i < COR_COUNT(CONFIGMAPS); i++) {
        assert_true(ec_pod_has_ref(pod, "configmap", CONFIGMAPS[i]));
        assert_false(ec_pod_has_ref(pod, "secret", CONFIGMAPS[i]));
    }
    for (size_t i = 0; i < COR_COUNT(SECRETS); i++) {
        assert_true(ec_pod_has_ref(pod, "secret", SECRETS[i]));
    }
    auto_(cor_json_free) struct cor_json *odd =
        json("{\"spec\":{\"containers\":5,\"volumes\":[1]}}");
    assert_false(ec_pod_has_ref(odd, "secret", "x"));
}

static void status_alone_is_no_difference(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *a =
        json("{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"},\"spec\":{\"a\":1}}");
    auto_(cor_json_free) struct cor_json *b =
        json("{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"2\",\"generation\":3},"
             "\"spec\":{\"a\":1},\"status\":{\"phase\":\"Running\"}}");
    auto_(cor_json_free) struct cor_json *c =
        json("{\"metadata\":{\"name\":\"x\",\"deletionTimestamp\":\"t\"},\"spec\":{\"a\":1}}");
    assert_false(ec_differs(a, b));
    assert_false(ec_differs(b, a));
    assert_true(ec_differs(a, c));
    static const char *const OTHERS[] = {
        "{}",
        "null",
        "{\"metadata\":{\"name\":\"x\"}}",
        "{\"metadata\":{\"name\":\"y\"},\"spec\":{\"a\":1}}",
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"a\":2}}",
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"a\":1},\"data\":{}}",
        "{\"metadata\":{},\"spec\":{\"a\":1}}",
        "{\"metadata\":null,\"spec\":{\"a\":1}}",
        "{\"spec\":{\"a\":1}}",
    };
    for (size_t i = 0; i < COR_COUNT(OTHERS); i++) {
        auto_(cor_json_free) struct cor_json *other = json(OTHERS[i]);
        assert_true(ec_differs(a, other) && ec_differs(other, a));
    }
}

/* Of a status only what the Pod's own gates name is a change, and only whether it is so. */
static void gates_are_changes(void **state)
{
    (void)state;
#define GATED(conditions)                                                                          \
    "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"readinessGates\":[{\"conditionType\":\"lb\"}]},"   \
    "\"status\":{\"conditions\":[" conditions "]}}"
    static const struct {
        const char *object;
        bool same;
    } ROWS[] = {
        {GATED(""), true},
        {GATED("{\"type\":\"Ready\",\"status\":\"True\"}"), true},
        {GATED("{\"type\":\"lb\",\"status\":\"True\"}"), false},
        {GATED("{\"type\":\"lb\",\"status\":\"False\"}"), false},
    };
    auto_(cor_json_free) struct cor_json *none = json(GATED(""));
    auto_(cor_json_free) struct cor_json *open =
        json(GATED("{\"type\":\"lb\",\"status\":\"True\"}"));
    auto_(cor_json_free) struct cor_json *open_again =
        json(GATED("{\"type\":\"lb\",\"status\":\"True\",\"reason\":\"r\"}"));
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *other = json(ROWS[i].object);
        assert_int_equal(ec_differs(none, other), !ROWS[i].same);
        assert_int_equal(ec_differs(other, none), !ROWS[i].same);
        assert_int_equal(ec_content(other) == ec_content(none), ROWS[i].same);
    }
    assert_false(ec_differs(open, open_again));
    assert_true(ec_content(open) == ec_content(open_again));
}

static void calls_become_requests(void **state)
{
    (void)state;
    static const struct {
        enum px_verb verb;
        enum px_patch patch;
        const char *key;
        const char *method; /* NULL: refused */
        const char *path;
        const char *content_type;
    } ROWS[] = {
        {PX_VERB_PATCH, PX_PATCH_STRATEGIC, "null/node/n1", "PATCH", "/api/v1/nodes/n1/status",
         "application/strategic-merge-patch+json"},
        {PX_VERB_PATCH, PX_PATCH_STRATEGIC, "default/pod/web", "PATCH",
         "/api/v1/namespaces/default/pods/web/status", "application/strategic-merge-patch+json"},
        {PX_VERB_PATCH, PX_PATCH_MERGE, "default/podpatch/web", "PATCH",
         "/api/v1/namespaces/default/pods/web/status", "application/merge-patch+json"},
        {PX_VERB_CREATE, 0, "null/node/n1", "POST", "/api/v1/nodes", "application/json"},
        {PX_VERB_DELETE, 0, "default/pod/web", "DELETE", "/api/v1/namespaces/default/pods/web",
         "application/json"},
        {PX_VERB_UPDATE, 0, "kube-node-lease/lease/n1", "PUT",
         "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", "application/json"},
        {PX_VERB_GET, 0, "default/serviceaccounttoken/sa", "POST",
         "/api/v1/namespaces/default/serviceaccounts/sa/token", "application/json"},
        {PX_VERB_CREATE, 0, "default/event/e", "POST", "/api/v1/namespaces/default/events",
         "application/json"},
        {PX_VERB_DELETE, 0, "null/node/n1", NULL, NULL, NULL},
        {PX_VERB_CREATE, 0, "default/secret/x", NULL, NULL, NULL},
        {PX_VERB_GET, 0, "default/deployment/x", NULL, NULL, NULL},
        {PX_VERB_GET, 0, "default/pod", NULL, NULL, NULL},
        {PX_VERB_LIST, 0, "default/pod", NULL, NULL, NULL},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(ec_route_free) struct ec_route route = {0};
        bool good = ec_route(ROWS[i].verb, ROWS[i].patch, cor_view_of(ROWS[i].key), &route);
        assert_int_equal(good, ROWS[i].method != NULL);
        if (good) {
            assert_string_equal(route.method, ROWS[i].method);
            assert_string_equal(route.path, ROWS[i].path);
            assert_string_equal(route.content_type, ROWS[i].content_type);
        }
    }
}

/* Names that would climb out of their place are data like any other. */
static void odd_names_stay_in_their_place(void **state)
{
    (void)state;
    auto_(ec_route_free) struct ec_route route = {0};
    assert_true(ec_route(PX_VERB_GET, 0, COR_VIEW("default/configmap/../../nodes"), &route));
    assert_string_equal(route.path, "/api/v1/namespaces/default/configmaps/..%2F..%2Fnodes");
}

static void reports_merge_into_the_list(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *device =
        json("{\"spec\":{\"properties\":[{\"name\":\"t\"},{\"name\":\"s\"}]}}");
    auto_(cor_json_free) struct cor_json *current = json(
        "[{\"propertyName\":\"s\",\"reported\":{\"value\":\"off\"}},{\"propertyName\":\"gone\"}]");
    auto_(cor_json_free) struct cor_json *report =
        json("{\"t\":{\"actual\":{\"value\":\"21\",\"metadata\":{\"timestamp\":5}},"
             "\"metadata\":{\"type\":\"int\"}},\"other\":{\"actual\":{\"value\":\"1\"}}}");
    auto_(cor_json_free) struct cor_json *after = ec_twins_after(device, current, report);
    auto_(cor_freep) char *text = cor_json_text(after);
    assert_string_equal(text,
                        "[{\"propertyName\":\"t\",\"reported\":{\"value\":\"21\",\"metadata\":"
                        "{\"timestamp\":\"5\",\"type\":\"int\"}}},"
                        "{\"propertyName\":\"s\",\"reported\":{\"value\":\"off\"}}]");
}

static struct ec_bound *bound_of(const struct cor_json *list)
{
    struct ec_bound *bound = ec_bound_new();
    for (size_t i = 0; i < cor_json_count(list); i++) {
        ec_bound_put(bound, cor_json_item(list, i));
    }
    return bound;
}

static void add_name(void *self, const char *ns, const char *name)
{
    cor_buf_fmt(self, "%s/%s ", ns, name);
}

static void add_node(void *self, const char *node)
{
    cor_buf_fmt(self, "%s ", node);
}

/* Pods that change what they name, move (which none does) and go. */
static void what_is_bound_follows_changes(void **state)
{
    (void)state;
    auto_(cor_json_free) struct cor_json *list =
        json("[{\"metadata\":{\"namespace\":\"a\",\"name\":\"x\"},\"spec\":{\"nodeName\":\"n1\","
             "\"deviceModelRef\":{\"name\":\"m\"}}},"
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"y\"},\"spec\":{\"nodeName\":\"n1\","
             "\"imagePullSecrets\":[{\"name\":\"s\"}]}},"
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"x\"},\"spec\":{\"nodeName\":\"n2\","
             "\"imagePullSecrets\":[{\"name\":\"s\"}]}},"
             "{\"metadata\":{\"namespace\":\"a\",\"name\":\"z\"},\"spec\":{}}]");
    auto_(ec_bound_free) struct ec_bound *bound = bound_of(list);
    auto_(cor_buf_free) struct cor_buf text = {0};
    ec_bound_of(bound, COR_VIEW("n1"), add_name, &text);
    cor_buf_str(&text, "| ");
    ec_bound_of(bound, COR_VIEW("n2"), add_name, &text);
    cor_buf_str(&text, "| ");
    ec_bound_needing(bound, "a", "secret", "s", add_node, &text);
    cor_buf_str(&text, "| ");
    ec_bound_needing(bound, "a", "model", "m", add_node, &text);
    assert_string_equal(text.data, "a/y | a/x | n1 n2 | ");
    assert_string_equal(ec_bound_node(bound, COR_VIEW("a"), COR_VIEW("x")), "n2");
    assert_null(ec_bound_node(bound, COR_VIEW("a"), COR_VIEW("z")));
    ec_bound_del(bound, cor_json_item(list, 1));
    ec_bound_del(bound, cor_json_item(list, 1));
    assert_false(ec_bound_need(bound, COR_VIEW("n1"), COR_VIEW("a"), "secret", COR_VIEW("s")));
    assert_true(ec_bound_need(bound, COR_VIEW("n2"), COR_VIEW("a"), "secret", COR_VIEW("s")));
}

static void a_node_may_touch_its_own_and_no_more(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        bool own;
    } ROWS[] = {
        {"null/node/n1", true},
        {"null/node/n2", false},
        {"null/nodepatch/n2", false},
        {"kube-node-lease/lease/n1", true},
        {"kube-node-lease/lease/n2", false},
        {"default/lease/n1", false},
        {"a/pod/mine", true},
        {"a/podpatch/mine", true},
        {"a/pod/theirs", false},
        {"a/podpatch/theirs", false},
        {"a/pod/unknown", true},
        {"a/secret/s1", true},
        {"a/secret/s2", false},
        {"b/secret/s1", false},
        {"a/configmap/s1", false},
        {"a/configmap/c1", true},
        {"a/serviceaccounttoken/robot", true},
        {"a/serviceaccounttoken/other", false},
        {"b/serviceaccounttoken/robot", false},
        {"a/deployment/x", false},
        {"a/volume/x", false},
        {"a/persistentvolumeclaim/mine", true},
        {"a/persistentvolumeclaim/theirs", false},
        {"b/persistentvolumeclaim/mine", false},
    };
    auto_(cor_json_free) struct cor_json *list = json(
        "[{\"metadata\":{\"namespace\":\"a\",\"name\":\"mine\"},\"spec\":{\"nodeName\":\"n1\","
        "\"serviceAccountName\":\"robot\",\"volumes\":[{\"secret\":{\"secretName\":\"s1\"}},"
        "{\"configMap\":{\"name\":\"c1\"}},"
        "{\"persistentVolumeClaim\":{\"claimName\":\"mine\"}}]}},"
        "{\"metadata\":{\"namespace\":\"a\",\"name\":\"theirs\"},\"spec\":{\"nodeName\":\"n2\","
        "\"serviceAccountName\":\"other\",\"volumes\":[{\"secret\":{\"secretName\":\"s2\"}}]}}]");
    auto_(ec_bound_free) struct ec_bound *pods = bound_of(list);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct px_key key;
        assert_true(px_key_parse(cor_view_of(ROWS[i].key), &key));
        if (ec_is_own(pods, "n1", &key) != ROWS[i].own) {
            fail_msg("%s", ROWS[i].key);
        }
    }
}

/* What a volume, an attachment, a Pod and an event say themselves about whose they are. */
static void volumes_are_their_claimants(void **state)
{
    (void)state;
    static const struct {
        const char *key, *object;
        bool own;
    } ROWS[] = {
        {"null/persistentvolume/v",
         "{\"spec\":{\"claimRef\":{\"namespace\":\"a\",\"name\":\"c\"}}}", true},
        {"null/persistentvolume/v",
         "{\"spec\":{\"claimRef\":{\"namespace\":\"b\",\"name\":\"c\"}}}", false},
        {"null/persistentvolume/v",
         "{\"spec\":{\"claimRef\":{\"namespace\":\"a\",\"name\":\"d\"}}}", false},
        {"null/persistentvolume/v", "{\"spec\":{}}", false},
        {"a/volumeattachment/x", "{\"spec\":{\"nodeName\":\"n1\"}}", true},
        {"a/volumeattachment/x", "{\"spec\":{\"nodeName\":\"n2\"}}", false},
        {"a/volumeattachment/x", "[]", false},
        {"null/runtimeclass/x", "{}", true},
        {"null/csidriver/x", "{}", true},
        {"a/configmap/x", "{}", true},
        {"a/pod/x", "{\"spec\":{\"nodeName\":\"n1\"}}", true},
        {"a/pod/x", "{\"spec\":{}}", false},
        {"a/podpatch/x", "{\"spec\":{\"nodeName\":\"n2\"}}", false},
        {"a/event/x", "{\"source\":{\"host\":\"n1\"}}", true},
        {"a/event/x", "{\"source\":{\"host\":\"n2\"}}", false},
        {"a/event/x", "{\"reportingInstance\":\"n1\"}", false},
    };
    auto_(cor_json_free) struct cor_json *list =
        json("[{\"metadata\":{\"namespace\":\"a\",\"name\":\"p\"},\"spec\":{\"nodeName\":\"n1\","
             "\"volumes\":[{\"persistentVolumeClaim\":{\"claimName\":\"c\"}}]}}]");
    auto_(ec_bound_free) struct ec_bound *pods = bound_of(list);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        struct px_key key;
        auto_(cor_json_free) struct cor_json *object = json(ROWS[i].object);
        assert_true(px_key_parse(cor_view_of(ROWS[i].key), &key));
        if (ec_is_own_object(pods, "n1", &key, object) != ROWS[i].own) {
            fail_msg("%zu %s", i, ROWS[i].key);
        }
    }
}

static void records_are_named_and_compared(void **state)
{
    (void)state;
    struct cor_view node;
    struct cor_view uid;
    assert_true(ec_record_split(COR_VIEW("a.b.123-4"), &node, &uid));
    assert_true(cor_view_is(node, "a.b"));
    assert_true(cor_view_is(uid, "123-4"));
    static const char *const NONE[] = {"", ".", "a", ".u", "a.", "."};
    for (size_t i = 0; i < COR_COUNT(NONE); i++) {
        assert_false(ec_record_split(cor_view_of(NONE[i]), &node, &uid));
    }
    static const struct {
        const char *has, *wants;
        bool covers;
    } ROWS[] = {{"5", "5", true},  {"6", "5", true}, {"5", "6", false},
                {"10", "9", true}, {"", "5", false}, {"0", "5", false},
                {"x", "5", false}, {"5", "", false}, {"5", "y", false}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *record = ec_record_patch(ROWS[i].has);
        assert_int_equal(ec_record_covers(record, cor_view_of(ROWS[i].wants)), ROWS[i].covers);
    }
    assert_false(ec_record_covers(NULL, COR_VIEW("1")));
    struct ec_subject of_cluster = {"n", "u", "", "v1", "Node", "n"};
    auto_(cor_json_free) struct cor_json *record = ec_record_new(&of_cluster);
    auto_(cor_freep) char *text = cor_json_text(record);
    assert_string_equal(
        text,
        "{\"apiVersion\":\"reliablesyncs.kubeedge.io/v1alpha1\",\"kind\":\"ClusterObjectSync\","
        "\"metadata\":{\"name\":\"n.u\"},\"spec\":{\"objectAPIVersion\":\"v1\","
        "\"objectKind\":\"Node\",\"objectName\":\"n\"}}");
}

static void creations_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *found, *sent;
        bool same;
    } ROWS[] = {
        {"{\"metadata\":{\"name\":\"a\",\"uid\":\"1\"},\"spec\":{\"x\":1,\"y\":2}}",
         "{\"metadata\":{\"name\":\"a\",\"uid\":\"\"},\"spec\":{\"x\":1}}", true},
        {"{\"metadata\":{\"name\":\"a\"},\"spec\":{\"x\":1}}",
         "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"x\":2}}", false},
        {"{\"metadata\":{\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"a\"},\"spec\":{}}", true},
        {"{\"metadata\":{\"name\":\"a\"}}", "{\"metadata\":{\"name\":\"a\"},\"status\":{\"x\":1}}",
         true},
        {"{\"spec\":{\"c\":[{\"n\":\"a\",\"d\":1}]}}", "{\"spec\":{\"c\":[{\"n\":\"a\"}]}}", true},
        {"{\"spec\":{\"c\":[{\"n\":\"a\"},{\"n\":\"b\"}]}}", "{\"spec\":{\"c\":[{\"n\":\"a\"}]}}",
         false},
        {"{\"spec\":{\"c\":5}}", "{\"spec\":{\"c\":{\"n\":1}}}", false},
        {"[]", "[]", false},
    };
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        auto_(cor_json_free) struct cor_json *found = json(ROWS[i].found);
        auto_(cor_json_free) struct cor_json *sent = json(ROWS[i].sent);
        if (ec_is_created_from(found, sent) != ROWS[i].same) {
            fail_msg("%s from %s", ROWS[i].found, ROWS[i].sent);
        }
    }
}

/* As a kubelet writes it; without a Node nobody owns it. */
static void leases_are_as_of_a_kubelet(void **state)
{
    (void)state;
    struct cor_wall now = {INT64_C(1786000000123456)};
    auto_(cor_json_free) struct cor_json *node = json("{\"metadata\":{\"uid\":\"u-1\"}}");
    auto_(cor_json_free) struct cor_json *patch = ec_lease_patch("n1", 40, now);
    auto_(cor_json_free) struct cor_json *lease = ec_lease_new("n1", 40, now, node);
    auto_(cor_json_free) struct cor_json *orphan = ec_lease_new("n1", 40, now, NULL);
    auto_(cor_freep) char *text = cor_json_text(patch);
    assert_string_equal(text, "{\"spec\":{\"holderIdentity\":\"n1\",\"leaseDurationSeconds\":40,"
                              "\"renewTime\":\"2026-08-06T07:06:40.123456Z\"}}");
    assert_string_equal(cor_json_str_at(lease, "kind", ""), "Lease");
    assert_string_equal(cor_json_str_at(lease, "metadata.namespace", ""), "kube-node-lease");
    assert_int_equal(cor_json_int_at(lease, "spec.leaseDurationSeconds", 0), 40);
    struct cor_json *owners = cor_json_at(lease, "metadata.ownerReferences");
    auto_(cor_freep) char *owner = cor_json_text(owners);
    assert_string_equal(owner, "[{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":\"n1\","
                               "\"uid\":\"u-1\"}]");
    assert_null(cor_json_at(orphan, "metadata.ownerReferences"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creations_are_recognised),
        cmocka_unit_test(pods_name_what_they_need),
        cmocka_unit_test(status_alone_is_no_difference),
        cmocka_unit_test(gates_are_changes),
        cmocka_unit_test(calls_become_requests),
        cmocka_unit_test(odd_names_stay_in_their_place),
        cmocka_unit_test(reports_merge_into_the_list),
        cmocka_unit_test(what_is_bound_follows_changes),
        cmocka_unit_test(a_node_may_touch_its_own_and_no_more),
        cmocka_unit_test(volumes_are_their_claimants),
        cmocka_unit_test(records_are_named_and_compared),
        cmocka_unit_test(leases_are_as_of_a_kubelet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
