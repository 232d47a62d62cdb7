// SPDX-License-Identifier: Apache-2.0
// ObjectSync and ClusterObjectSync of a node that speaks KubeEdge's dialect: made, brought up to
// date, honoured when the node comes back, and gone with its Node.
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"
#include "tests/contract/edgecontroller/asks.h"

#define NODES "/api/v1/nodes"
#define PODS "/api/v1/namespaces/default/pods"
#define MAPS "/api/v1/namespaces/default/configmaps"
#define SYNCS "/apis/reliablesyncs.kubeedge.io/v1alpha1/namespaces/default/objectsyncs"
#define CLUSTER_SYNCS "/apis/reliablesyncs.kubeedge.io/v1alpha1/clusterobjectsyncs"
#define DEVICES "/apis/devices.kubeedge.io/v1beta1/namespaces/default/devices"

#define DEVICE                                                                                     \
    "{\"apiVersion\":\"devices.kubeedge.io/v1beta1\",\"kind\":\"Device\",\"metadata\":{\"name\":"  \
    "\"d\"},\"spec\":{\"nodeName\":\"k1\",\"deviceModelRef\":{\"name\":\"x\"}}}"

struct set {
    struct world *w;
    char pod[64], map[64], node[64]; /* uids */
    const char *path, *version;      /* that a record is waited for to say; NULL: it is gone */
    int fences;                      /* of until_heard */
};

static bool has_record(void *self)
{
    struct set *set = self;
    world_api(set->w, "GET", set->path, NULL);
    if (set->version == NULL) {
        return set->w->status == 404;
    }
    return set->w->status == 200 &&
           strcmp(cor_json_str_at(set->w->body, "status.objectResourceVersion", ""),
                  set->version) == 0;
}

static void until_it_has(struct set *set, const char *path, const char *version)
{
    set->path = path;
    set->version = version;
    world_poll(set->w, has_record, set);
}

/* Waits until the record of a namespace ("": of the cluster) says version. */
static void expect_record(struct set *set, bool of_cluster, const char *uid, const char *version)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/k1.%s", of_cluster ? CLUSTER_SYNCS : SYNCS, uid);
    until_it_has(set, path, version);
}

/* Waits until edgecontroller, too, has heard of all records: it deletes those of a node that is
 * none, and hears of them in order. */
static void until_heard(struct set *set)
{
    static const char *const PATHS[] = {SYNCS, CLUSTER_SYNCS};
    for (size_t i = 0; i < COR_COUNT(PATHS); i++) {
        auto_(cor_freep) char *name = cor_sprintf("nobody.%d", ++set->fences);
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", PATHS[i], name);
        auto_(cor_freep) char *body =
            cor_sprintf("{\"apiVersion\":\"reliablesyncs.kubeedge.io/v1alpha1\",\"kind\":\"%s\","
                        "\"metadata\":{\"name\":\"%s\"}}",
                        i == 0 ? "ObjectSync" : "ClusterObjectSync", name);
        world_api(set->w, "POST", PATHS[i], body);
        assert_int_equal(set->w->status, 201);
        until_it_has(set, path, NULL);
    }
}

/* Waits until nodes were told so. */
static void expect_line(struct set *set, const char *line)
{
    world_told(set->w, &set->w->objects, line);
}

/* POSTs, keeps the uid. */
static void make(struct set *set, const char *path, const char *body, char uid[64])
{
    world_api(set->w, "POST", path, body);
    assert_int_equal(set->w->status, 201);
    (void)snprintf(uid, 64, "%s", cor_json_str_at(set->w->body, "metadata.uid", ""));
}

/* The node has acknowledged a version of an object, or its deletion. */
static void ack(struct set *set, const char *key, const char *uid, const char *version)
{
    auto_(cor_freep) char *path = cor_sprintf("k1/%s", uid);
    struct px_node_stored stored = {.path = cor_view_of(path),
                                    .node = COR_VIEW("k1"),
                                    .key = cor_view_of(key),
                                    .uid = cor_view_of(uid),
                                    .version = cor_view_of(version == NULL ? "" : version),
                                    .gone = version == NULL};
    assert_int_equal(cor_send(set->w->hub, PX_node_stored, &stored), COR_OK);
}

static int setup(void **state)
{
    static const char *const CRDS[] = {"objectsync.yaml", "clusterobjectsync.yaml", "device.yaml",
                                       "devicemodel.yaml", "devicestatus.yaml"};
    struct set *set = cor_alloc(sizeof(*set));
    char other[64];
    set->w = world_new(false);
    for (size_t i = 0; i < COR_COUNT(CRDS); i++) {
        world_crd(set->w, CRDS[i]);
    }
    make(set, NODES,
         "{\"metadata\":{\"name\":\"k1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}",
         set->node);
    make(set, MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"1\"}}", set->map);
    make(set, MAPS, "{\"metadata\":{\"name\":\"other\"},\"data\":{\"a\":\"1\"}}", other);
    make(set, PODS,
         "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"k1\",\"containers\":[{\"name\":"
         "\"c\",\"image\":\"i:1\",\"envFrom\":[{\"configMapRef\":{\"name\":\"m\"}}]}]}}",
         set->pod);
    world_kill(set->w); /* so that it asks for what the API knows now */
    world_kubeedge(set->w, "k1", 1, true);
    expect_line(set, "put k1 default/pod/p ");
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    world_free(&set->w);
    cor_free(set);
    return 0;
}

/* resourceVersion of what is at path. Returns owned. */
static char *version_of(struct set *set, const char *path)
{
    world_api(set->w, "GET", path, NULL);
    assert_int_equal(set->w->status, 200);
    return cor_strdup(cor_json_str_at(set->w->body, "metadata.resourceVersion", ""));
}

/* What has been sent, and is known to be: an object that is sent again before has not arrived. */
static void until_sent(struct set *set)
{
    expect_record(set, false, set->pod, "0");
    expect_record(set, false, set->map, "0");
    expect_record(set, true, set->node, "0");
    until_heard(set);
}

static void ack_three(struct set *set)
{
    auto_(cor_freep) char *pod = version_of(set, PODS "/p");
    auto_(cor_freep) char *map = version_of(set, MAPS "/m");
    auto_(cor_freep) char *node = version_of(set, NODES "/k1");
    ack(set, "default/pod/p", set->pod, pod);
    ack(set, "default/configmap/m", set->map, map);
    ack(set, "null/node/k1", set->node, node);
    expect_record(set, false, set->pod, pod);
    expect_record(set, false, set->map, map);
    expect_record(set, true, set->node, node);
    until_heard(set);
}

static void ack_all(struct set *set)
{
    until_sent(set);
    ack_three(set);
}

static void records_are_kept(void **state)
{
    struct set *set = *state;
    until_sent(set);
    auto_(cor_freep) char *path = cor_sprintf(SYNCS "/k1.%s", set->map);
    world_api(set->w, "GET", path, NULL);
    assert_string_equal(cor_json_str_at(set->w->body, "spec.objectAPIVersion", ""), "v1");
    assert_string_equal(cor_json_str_at(set->w->body, "spec.objectKind", ""), "ConfigMap");
    assert_string_equal(cor_json_str_at(set->w->body, "spec.objectName", ""), "m");
    ack_all(set);
    world_api(set->w, "DELETE", MAPS "/m", NULL);
    expect_line(set, "gone k1 default/configmap/m ");
    ack(set, "default/configmap/m", set->map, NULL);
    expect_record(set, false, set->map, NULL);
}

static void only_what_differs_is_sent(void **state)
{
    struct set *set = *state;
    ack_all(set);
    world_kubeedge(set->w, "k1", 1, false);
    world_api(set->w, "PUT", MAPS "/m", "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"2\"}}");
    assert_int_equal(set->w->status, 200);
    auto_(cor_freep) char *version = version_of(set, MAPS "/m");
    cor_buf_clear(&set->w->objects);
    world_kubeedge(set->w, "k1", 2, true);
    auto_(cor_freep) char *line =
        cor_sprintf("put k1 default/configmap/m %s %s", set->map, version);
    expect_line(set, line);
    world_api(set->w, "POST", PODS,
              "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"nodeName\":\"k1\",\"containers\":[{"
              "\"name\":\"c\",\"image\":\"i:1\"}]}}");
    expect_line(set, "put k1 default/pod/q "); /* all before it has been sent */
    assert_null(strstr(set->w->objects.data, "pod/p "));
    assert_null(strstr(set->w->objects.data, "null/node/k1"));
}

static void deletes_while_away_arrive(void **state)
{
    struct set *set = *state;
    char device[64];
    make(set, DEVICES, DEVICE, device);
    expect_line(set, "put k1 default/device/d ");
    ack_all(set);
    ack(set, "default/device/d", device, "7");
    expect_record(set, false, device, "7");
    world_kubeedge(set->w, "k1", 1, false);
    world_api(set->w, "DELETE", PODS "/p", "{\"gracePeriodSeconds\":0}");
    world_api(set->w, "DELETE", MAPS "/m", NULL);
    world_api(set->w, "DELETE", DEVICES "/d", NULL);
    world_kill(set->w); /* nor does the controller remember */
    cor_buf_clear(&set->w->objects);
    cor_buf_clear(&set->w->members);
    world_kubeedge(set->w, "k1", 2, true);
    auto_(cor_freep) char *pod =
        cor_sprintf("gone k1 default/pod/p %s  edgecontroller\n", set->pod);
    auto_(cor_freep) char *map =
        cor_sprintf("gone k1 default/configmap/m %s  edgecontroller\n", set->map);
    auto_(cor_freep) char *thing =
        cor_sprintf("gone k1 default/device/d %s  devicecontroller\n", device);
    expect_line(set, pod);
    expect_line(set, map);
    expect_line(set, thing);
    assert_non_null(strstr(set->w->members.data, "\"removed_devices\":[{\"id\":\"default/d\""));
}

static void another_of_the_name_is_another(void **state)
{
    struct set *set = *state;
    char uid[64];
    ack_all(set);
    world_kubeedge(set->w, "k1", 1, false);
    world_api(set->w, "DELETE", MAPS "/m", NULL);
    make(set, MAPS, "{\"metadata\":{\"name\":\"m\"},\"data\":{\"a\":\"3\"}}", uid);
    world_kubeedge(set->w, "k1", 2, true);
    auto_(cor_freep) char *gone = cor_sprintf("gone k1 default/configmap/m %s", set->map);
    auto_(cor_freep) char *put = cor_sprintf("put k1 default/configmap/m %s", uid);
    expect_line(set, put);
    expect_line(set, gone);
    expect_record(set, false, uid, "0");
}

/* The node asks for its Node to be made, as an EdgeCore does when it starts. */
static void register_again(struct set *set)
{
    struct test_answer answer = {0};
    struct px_node_call call = {
        .node = COR_VIEW("k1"),
        .verb = PX_VERB_CREATE,
        .key = COR_VIEW("null/node/k1"),
        .body = COR_VIEW(
            "{\"metadata\":{\"name\":\"k1\",\"labels\":{\"node-role.kubernetes.io/edge\":\"\"}}}")};
    (void)world_ask(set->w, PX_node_call, &call, &answer);
    cor_buf_free(&answer.body);
}

/* An EdgeCore that has started may have lost its database. */
static void a_node_that_starts_gets_all(void **state)
{
    struct set *set = *state;
    ack_all(set);
    world_kubeedge(set->w, "k1", 1, false);
    world_kubeedge(set->w, "k1", 2, true);
    cor_buf_clear(&set->w->objects);
    register_again(set);
    expect_line(set, "put k1 null/node/k1 ");
    expect_line(set, "put k1 default/configmap/m ");
    expect_line(set, "put k1 default/pod/p ");
}

/* An EdgeCore complains of a membership of a device that it knows already. */
static void memberships_are_not_repeated(void **state)
{
    struct set *set = *state;
    char device[64];
    make(set, DEVICES, DEVICE, device);
    expect_line(set, "put k1 default/device/d ");
    assert_non_null(strstr(set->w->members.data, "\"added_devices\":[{\"id\":\"default/d\","));
    ack(set, "default/device/d", device, "1");
    expect_record(set, false, device, "1");
    until_heard(set);
    world_kubeedge(set->w, "k1", 1, false);
    cor_buf_clear(&set->w->objects);
    cor_buf_clear(&set->w->members);
    world_kubeedge(set->w, "k1", 2, true);
    expect_line(set, "put k1 default/device/d "); /* it has an older version */
    assert_int_equal(set->w->members.len, 0);
    cor_buf_clear(&set->w->objects);
    register_again(set);
    expect_line(set, "put k1 default/device/d ");
    assert_non_null(strstr(set->w->members.data, "\"twin\":{}"));
}

static void records_go_with_the_node(void **state)
{
    struct set *set = *state;
    ack_all(set);
    world_kubeedge(set->w, "k1", 1, false);
    world_api(set->w, "DELETE", NODES "/k1", NULL);
    expect_record(set, false, set->pod, NULL);
    expect_record(set, false, set->map, NULL);
    expect_record(set, true, set->node, NULL);
}

/* Also those of one that was deleted while nobody looked. */
static void records_of_nobody_go(void **state)
{
    struct set *set = *state;
    ack_all(set);
    world_kubeedge(set->w, "k1", 1, false);
    (void)stage_end(set->w->controller, SIGKILL);
    world_api(set->w, "DELETE", NODES "/k1", NULL);
    world_start(set->w);
    expect_record(set, false, set->pod, NULL);
    expect_record(set, true, set->node, NULL);
}

/* Nodes of the Coracle dialect have none, and are sent everything. */
static void others_have_none(void **state)
{
    struct set *set = *state;
    until_sent(set);
    cor_buf_clear(&set->w->objects);
    world_kubeedge(set->w, "k1", 1, false);
    world_node(set->w, "k1");
    expect_line(set, "put k1 default/pod/p ");
    ack_three(set);
    cor_buf_clear(&set->w->objects);
    world_node(set->w, "k1");
    expect_line(set, "put k1 default/pod/p ");
}

/* Once every kind has been listed, each node is told that it has been sent all. */
static void a_node_is_told_that_this_was_all(void **state)
{
    struct set *set = *state;
    world_told(set->w, &set->w->synced_nodes, "k1\n"); /* of the set-up */
    cor_buf_clear(&set->w->synced_nodes);
    world_node(set->w, "n2");
    world_told(set->w, &set->w->synced_nodes, "n2\n");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(records_are_kept),
        T(only_what_differs_is_sent),
        T(deletes_while_away_arrive),
        T(another_of_the_name_is_another),
        T(a_node_that_starts_gets_all),
        T(memberships_are_not_repeated),
        T(records_go_with_the_node),
        T(records_of_nobody_go),
        T(others_have_none),
        T(a_node_is_told_that_this_was_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
