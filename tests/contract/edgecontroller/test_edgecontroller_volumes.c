// SPDX-License-Identifier: Apache-2.0
// What volumes open to nodes: the Secrets that a PersistentVolume names go to the nodes of whoever
// has claimed it, and to nobody else.
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/asks.h"
#include "tests/support/text/text.h"

#define NS "/api/v1/namespaces/default/"
#define SYSTEM "/api/v1/namespaces/kube-system/"

struct set {
    struct world *w;
    struct test_answer answer;
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    set->w = world_new(false);
    world_kill(set->w);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    world_free(&set->w);
    cor_buf_free(&set->answer.body);
    cor_free(set);
    return 0;
}

static void make(struct set *set, const char *path, const char *body)
{
    auto_(cor_freep) char *text = test_quoted(body);
    world_api(set->w, "POST", path, text);
    assert_int_equal(set->w->status, 201);
}

/* What the node asks; the answer's HTTP status. */
static uint64_t ask(struct set *set, const char *node, enum px_verb verb, const char *key,
                    const char *body)
{
    auto_(cor_freep) char *text = test_quoted(body);
    struct px_node_call call = {.node = cor_view_of(node),
                                .verb = verb,
                                .key = cor_view_of(key),
                                .patch = PX_PATCH_MERGE,
                                .body = cor_view_of(text)};
    return world_ask(set->w, PX_node_call, &call, &set->answer);
}

static uint64_t get(struct set *set, const char *node, const char *key)
{
    return ask(set, node, PX_VERB_GET, key, "");
}

static void expect_line(struct set *set, const char *line)
{
    world_told(set->w, &set->w->objects, line);
}

#define CLAIM                                                                                      \
    "{'metadata':{'name':'data'},'spec':{'volumeName':'pv1','storageClassName':'',"                \
    "'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}}}"
#define VOLUME                                                                                     \
    "{'metadata':{'name':'pv1'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["              \
    "'ReadWriteOnce'],'claimRef':{'namespace':'default','name':'data'},'csi':{'driver':'d',"       \
    "'volumeHandle':'h','nodeStageSecretRef':{'name':'stage','namespace':'kube-system'},"          \
    "'controllerPublishSecretRef':{'name':'control','namespace':'kube-system'},"                   \
    "'nodePublishSecretRef':{'name':'publish','namespace':'default'}}}}"
#define POD                                                                                        \
    "{'metadata':{'name':'p'},'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i:1'}],"  \
    "'volumes':[{'name':'d','persistentVolumeClaim':{'claimName':'data'}}]}}"

static void secret(struct set *set, const char *path, const char *name)
{
    auto_(cor_freep) char *body =
        cor_sprintf("{'metadata':{'name':'%s'},'data':{'k':'dg=='}}", name);
    make(set, path, body);
}

/* The volume may come before or after the Pod, and the Secret change; with the Pod the right to it
 * ends. */
static void secrets_go_where_the_volume_is_claimed(void **state)
{
    struct set *set = *state;
    world_node(set->w, "n2");
    secret(set, SYSTEM "secrets", "stage");
    secret(set, SYSTEM "secrets", "control");
    secret(set, NS "secrets", "publish");
    secret(set, NS "secrets", "other");
    make(set, NS "persistentvolumeclaims", CLAIM);
    make(set, NS "pods", POD);
    expect_line(set, "put n1 default/pod/p ");
    assert_int_equal(get(set, "n1", "kube-system/secret/stage"), 403);
    make(set, "/api/v1/persistentvolumes", VOLUME);
    expect_line(set, "put n1 kube-system/secret/stage ");
    expect_line(set, "put n1 default/secret/publish ");
    static const struct {
        const char *node, *key;
        uint64_t status;
    } rows[] = {{"n1", "kube-system/secret/stage", 200},   {"n1", "default/secret/publish", 200},
                {"n1", "kube-system/secret/control", 403}, {"n1", "default/secret/other", 403},
                {"n1", "default/secret/stage", 403},       {"n2", "kube-system/secret/stage", 403},
                {"n2", "default/secret/publish", 403}};
    for (size_t i = 0; i < COR_COUNT(rows); i++) {
        assert_int_equal(get(set, rows[i].node, rows[i].key), rows[i].status);
    }
    cor_buf_clear(&set->w->objects);
    world_patch(set->w, SYSTEM "secrets/stage", "{\"data\":{\"k\":\"dzI=\"}}");
    expect_line(set, "put n1 kube-system/secret/stage ");
    assert_null(strstr(set->w->objects.data, "n2"));
    world_kill(set->w); /* one that starts sends them before the Pod */
    expect_line(set, "put n1 kube-system/secret/stage ");
    expect_line(set, "put n1 default/pod/p ");
    world_api(set->w, "DELETE", NS "pods/p?gracePeriodSeconds=0", NULL);
    expect_line(set, "gone n1 default/pod/p ");
    assert_int_equal(get(set, "n1", "kube-system/secret/stage"), 403);
}

/* Of a claim of its Pods a node says how large it has become. */
static void a_node_says_how_large_claims_are(void **state)
{
    struct set *set = *state;
    make(set, NS "persistentvolumeclaims", CLAIM);
    make(set, NS "pods", POD);
    expect_line(set, "put n1 default/pod/p ");
    static const char patch[] = "{'spec':{'accessModes':['ReadWriteMany']},'metadata':{'labels':{"
                                "'a':'b'}},'status':{'capacity':{'storage':'2Gi'}}}";
    assert_int_equal(ask(set, "n1", PX_VERB_PATCH, "default/persistentvolumeclaim/data", patch),
                     200);
    assert_int_equal(ask(set, "n2", PX_VERB_PATCH, "default/persistentvolumeclaim/data", patch),
                     403);
    assert_int_equal(ask(set, "n1", PX_VERB_PATCH, "default/persistentvolumeclaim/other", patch),
                     403);
    world_api(set->w, "GET", NS "persistentvolumeclaims/data", NULL);
    assert_string_equal(cor_json_str_at(set->w->body, "status.capacity.storage", ""), "2Gi");
    assert_null(cor_json_at(set->w->body, "metadata.labels"));
}

#define CSI_NODES "/apis/storage.k8s.io/v1/csinodes"

/* A node says which drivers it has, in its own name only. */
static void a_node_has_one_csinode(void **state)
{
    struct set *set = *state;
    world_api(
        set->w, "POST", "/api/v1/nodes",
        "{\"metadata\":{\"name\":\"n1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}");
    assert_int_equal(set->w->status, 201);
    expect_line(set, "put n1 null/node/n1 ");
    auto_(cor_freep) char *uid = cor_strdup(cor_json_str_at(set->w->body, "metadata.uid", "none"));
    assert_int_equal(get(set, "n1", "null/csinode/n1"), 404);
    assert_int_equal(ask(set, "n1", PX_VERB_PATCH, "null/csinode/n1", "{'spec':{'drivers':[]}}"),
                     404);
    assert_int_equal(ask(set, "n1", PX_VERB_CREATE, "null/csinode/n1",
                         "{'kind':'CSINode','apiVersion':'storage.k8s.io/v1','metadata':{'name':"
                         "'n1'},'spec':{'drivers':[]}}"),
                     201);
    assert_int_equal(
        ask(set, "n1", PX_VERB_PATCH, "null/csinode/n1",
            "{'spec':{'drivers':[{'name':'d','nodeID':'i','topologyKeys':['zone'],'allocatable':"
            "{'count':7}}]}}"),
        200);
    world_api(set->w, "GET", CSI_NODES "/n1", NULL);
    assert_int_equal(set->w->status, 200);
    const struct cor_json *driver = cor_json_item(cor_json_at(set->w->body, "spec.drivers"), 0);
    const struct cor_json *owner =
        cor_json_item(cor_json_at(set->w->body, "metadata.ownerReferences"), 0);
    assert_string_equal(cor_json_str_at(driver, "nodeID", ""), "i");
    assert_int_equal(cor_json_int_at(driver, "allocatable.count", 0), 7);
    assert_string_equal(cor_json_str_at(owner, "uid", ""), uid);
    assert_int_equal(ask(set, "n1", PX_VERB_PATCH, "null/csinode/n1",
                         "{'spec':{'drivers':[{'name':'d','nodeID':'other'}]}}"),
                     422); /* Kubernetes: a driver's entry does not change */
    assert_int_equal(get(set, "n2", "null/csinode/n1"), 403);
    assert_int_equal(ask(set, "n2", PX_VERB_PATCH, "null/csinode/n1", "{'spec':{'drivers':[]}}"),
                     403);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(secrets_go_where_the_volume_is_claimed),
        T(a_node_has_one_csinode),
        T(a_node_says_how_large_claims_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
