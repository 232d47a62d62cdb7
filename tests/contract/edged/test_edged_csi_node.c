// SPDX-License-Identifier: Apache-2.0
// What a node does around the mounts of CSI drivers: its CSINode, what is attached, how full
// volumes are, and that they grow. A real driver, a real edged and containerd.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "contained.h"
#include "csi.h"

/* What edged's own socket answers. */
static struct cor_json *summary_of(const struct cloud *cloud)
{
    static const char request[] = "GET /stats/summary HTTP/1.0\r\n\r\n";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *json = NULL;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    ssize_t n = 0;
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/r/edged.sock", cloud->dir);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    must(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    while ((n = read(fd, cor_buf_room(&text, 4096), 4096)) > 0) {
        text.len += (size_t)n;
    }
    (void)close(fd);
    cor_buf_add(&text, "", 1);
    const char *body = strstr(text.data, "\r\n\r\n");
    must(body != NULL && cor_json_parse(cor_view_of(body + 4), 1 << 20, 0, &json, NULL) == COR_OK);
    return json;
}

/* What the driver says of a claim's volume is in the node's summary. */
static void test_stats(void **state)
{
    struct cloud *cloud = *state;
    put_driver(cloud, false);
    put_claim(cloud);
    start_driver(cloud);
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("one"), PATIENCE, "it runs");
    assert_int_equal(count_of(cloud, "stats vol-1\n"), 1);
    auto_(cor_json_free) struct cor_json *summary = summary_of(cloud);
    const struct cor_json *pod = cor_json_item(cor_json_get(summary, "pods"), 0);
    auto_(cor_json_free) struct cor_json *volume =
        cor_json_copy(cor_json_item(cor_json_get(pod, "volume"), 0));
    cor_json_del(volume, "time");
    auto_(cor_freep) char *text = cor_json_text(volume);
    assert_string_equal(text, "{\"availableBytes\":400,\"capacityBytes\":1000,\"usedBytes\":600,"
                              "\"inodesFree\":7,\"inodes\":10,\"inodesUsed\":3,\"name\":\"data\","
                              "\"pvcRef\":{\"name\":\"data\",\"namespace\":\"default\"}}");
    assert_int_equal(count_of(cloud, "stats vol-1\n"), 1); /* a minute has not passed */
    cloud_delete_pods(cloud);
}

static int set_up_grow(void **state)
{
    int code = cloud_set_up_with(state, "csi:\n  enabled: true\n  look-seconds: 1\n");
    const struct cloud *cloud = *state;
    test = (struct test){0, cor_sprintf("%s/driver.log", cloud->dir)};
    return code;
}

/* The claim asks for so much, its volume has so much, of which the node knows less. */
static void put_size(struct cloud *cloud, const char *asked, const char *has)
{
    static const char *const keys[] = {"null/persistentvolume/pv1",
                                       "default/persistentvolumeclaim/data"};
    struct cor_json *pv = cor_json_copy(cor_map_get(cloud->objects, cor_view_of(keys[0])));
    struct cor_json *claim = cor_json_copy(cor_map_get(cloud->objects, cor_view_of(keys[1])));
    cor_json_set_at(pv, "spec.capacity.storage", cor_json_str(has));
    cor_json_set_at(pv, "spec.csi.nodeExpandSecretRef",
                    json_of("{'name':'s','namespace':'default'}"));
    cor_json_set_at(claim, "spec.resources.requests.storage", cor_json_str(asked));
    cor_json_set_at(claim, "status.capacity.storage", cor_json_str("1Gi"));
    cor_json_set_at(claim, "status.conditions",
                    json_of("[{'type':'FileSystemResizePending','status':'True'},{'type':'Other',"
                            "'status':'True'}]"));
    cloud_put(cloud, keys[0], pv);
    cloud_put(cloud, keys[1], claim);
}

static bool is_resized(struct cloud *cloud, void *size)
{
    const struct cor_json *claim =
        cor_map_get(cloud->objects, cor_view_of("default/persistentvolumeclaim/data"));
    return strcmp(cor_json_str_at(claim, "status.capacity.storage", ""), size) == 0;
}

/* A claim that grows while its Pod runs: when the cluster has made the volume larger the driver is
 * told, until it agrees, and the claim says so. */
static void test_grow(void **state)
{
    struct cloud *cloud = *state;
    put_driver(cloud, false);
    put_claim(cloud);
    put_size(cloud, "1Gi", "1Gi");
    cloud_put(cloud, "default/secret/s", json_of(SECRET("word"), "default", "s2", "Z3Jvdw=="));
    start_driver(cloud);
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("one"), PATIENCE, "it runs");
    make_refuse(true);
    put_size(cloud, "2Gi", "2Gi");
    (void)cloud_await(
        cloud, cloud_has_words,
        CLOUD_NAME("NodeExpandVolume.NodeExpandVolume failed for volume \"pv1\" : rpc "
                   "error: code = Internal desc = it is busy"),
        PATIENCE, "it is refused");
    assert_true(is_resized(cloud, CLOUD_NAME("1Gi")));
    make_refuse(false);
    (void)cloud_await(cloud, is_resized, CLOUD_NAME("2Gi"), PATIENCE, "it has grown");
    assert_true(
        is_logged(cloud, CLOUD_NAME("expand vol-1 to 2147483648 mounted=1 secrets=[('word', "
                                    "'grow')]\n")));
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("MountVolume.NodeExpandVolume succeeded for volume \"pv1\" n1"),
                      PATIENCE, "it is told");
    const struct cor_json *claim =
        cor_map_get(cloud->objects, cor_view_of("default/persistentvolumeclaim/data"));
    auto_(cor_freep) char *conditions = cor_json_text(cor_json_at(claim, "status.conditions"));
    assert_string_equal(conditions, "[{\"type\":\"Other\",\"status\":\"True\"}]");
    assert_int_equal(count_of(cloud, "expand "), 1);
    cloud_delete_pods(cloud);
}

#define IN_USE "kubernetes.io/csi/" DRIVER "^vol-1"
/* csi-SHA256 of handle, driver and node, as the attach-detach controller names it */
#define ATTACHMENT                                                                                 \
    "null/volumeattachment/csi-1f78571227e6b8251f053b7d83aa6d08c0f2441de03a092d5522bf4a4a83f3e8"

static bool is_in_use(struct cloud *cloud, void *name)
{
    const struct cor_json *list = cor_json_get(cloud->node_status, "volumesInUse");
    return cloud->node_status != NULL && cor_json_is_array(list) &&
           strcmp(cor_json_as_str(cor_json_item(list, 0), ""), name) == 0;
}

static void put_attachment(struct cloud *cloud, const char *status)
{
    struct cor_json *object =
        json_of("{'metadata':{'name':'a'},'spec':{'attacher':'" DRIVER "','nodeName':'n1'}}");
    cor_json_set(object, "status", json_of("%s", status));
    cloud_put(cloud, ATTACHMENT, object);
}

/* The node says what it uses before it mounts it, waits until that is attached, and tells the
 * driver what the attacher has said; over edged's death, and without the cloud, it is in use until
 * it is given back. */
static void test_attach(void **state)
{
    struct cloud *cloud = *state;
    put_driver(cloud, true);
    put_claim(cloud);
    struct cor_json *volume =
        cor_json_copy(cor_map_get(cloud->objects, cor_view_of("null/persistentvolume/pv1")));
    cor_json_set_at(volume, "spec.nodeAffinity.required.nodeSelectorTerms",
                    json_of("[{'matchExpressions':[{'key':'" DRIVER
                            "/zone','operator':'In','values':['z1']}]}]"));
    cloud_put(cloud, "null/persistentvolume/pv1", volume);
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    assert_true(is_in_use(cloud, CLOUD_NAME("")));
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("Volume not attached according to node status for volume "
                                 "\"pv1\" (UniqueName: \"" IN_USE "\")"),
                      PATIENCE, "not attached");
    assert_true(is_in_use(cloud, CLOUD_NAME(IN_USE)));
    put_attachment(cloud, "{'attached':false,'attachError':{'message':'no such disk'}}");
    (void)cloud_await(cloud, cloud_has_words, CLOUD_NAME("no such disk"), PATIENCE,
                      "the attacher's words");
    assert_int_equal(count_of(cloud, "stage "), 0);
    put_attachment(cloud, "{'attached':true,'attachmentMetadata':{'device':'/dev/x'}}");
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\n"), PATIENCE, "one has written");
    assert_true(is_logged(cloud, CLOUD_NAME("stage attached [('device', '/dev/x')]\n")));
    assert_true(is_logged(cloud, CLOUD_NAME("publish attached [('device', '/dev/x')]\n")));
    cloud_kill_edged(cloud, SIGKILL);
    cor_json_free(&cloud->node_status);
    cloud_gone(cloud, "default/pod/one"); /* nobody tells the next one of it */
    make_refuse(true);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_in_use, CLOUD_NAME(IN_USE), PATIENCE, "still in use");
    make_refuse(false);
    (void)cloud_await(cloud, is_in_use, CLOUD_NAME(""), PATIENCE, "in use no more");
    assert_true(is_logged(cloud, CLOUD_NAME("unstage vol-1\n")));
    cloud_link(cloud, false);
    cloud_put_pod(cloud, "two", POD("echo two >> /data/said", CLAIM));
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\ntwo\n"), PATIENCE, "two has written");
    cloud_link(cloud, true);
    (void)cloud_await(cloud, is_in_use, CLOUD_NAME(IN_USE), PATIENCE, "the cloud is told");
    cloud_delete_pods(cloud);
    (void)cloud_await(cloud, is_in_use, CLOUD_NAME(""), PATIENCE, "in use no more");
    assert_false(is_mounted_somewhere(cloud));
}

static bool has_drivers(struct cloud *cloud, void *count)
{
    return cloud->csi_node != NULL &&
           cor_json_count(cor_json_at(cloud->csi_node, "spec.drivers")) == *(size_t *)count;
}

static bool drivers_are(struct cloud *cloud, void *text)
{
    const struct cor_json *drivers = cor_json_at(cloud->csi_node, "spec.drivers");
    auto_(cor_buf_free) struct cor_buf all = {0};
    cor_buf_str(&all, "");
    for (size_t i = 0; i < cor_json_count(drivers); i++) {
        const struct cor_json *driver = cor_json_item(drivers, i);
        cor_buf_fmt(&all, "%s:%s ", cor_json_str_at(driver, "name", ""),
                    cor_json_str_at(driver, "nodeID", ""));
    }
    return strcmp(all.data, text) == 0;
}

static bool has_mark(struct cloud *cloud, void *text)
{
    const struct cor_json *notes = cor_json_at(cloud->node_marks, "metadata.annotations");
    const char *ids = cor_json_as_str(cor_json_get(notes, "csi.volume.kubernetes.io/nodeid"), "");
    return cloud->node_marks != NULL && strcmp(ids, text) == 0;
}

/* The CSINode comes with the Node and follows the drivers; what others have put there stays. */
static void test_csi_node(void **state)
{
    struct cloud *cloud = *state;
    size_t count = 0;
    (void)cloud_await(cloud, has_drivers, &count, PATIENCE, "CSINode");
    const struct cor_json *owner =
        cor_json_item(cor_json_at(cloud->csi_node, "metadata.ownerReferences"), 0);
    assert_string_equal(cor_json_str_at(owner, "uid", ""), "node-uid");
    start_driver(cloud);
    count = 1;
    (void)cloud_await(cloud, has_drivers, &count, PATIENCE, "its driver");
    const struct cor_json *driver = cor_json_item(cor_json_at(cloud->csi_node, "spec.drivers"), 0);
    auto_(cor_freep) char *text = cor_json_text(driver);
    assert_string_equal(text,
                        "{\"name\":\"" DRIVER "\",\"nodeID\":\"node-of-csi\",\"topologyKeys\":["
                        "\"" DRIVER "/zone\"],\"allocatable\":{\"count\":5}}");
    (void)cloud_await(cloud, has_mark, CLOUD_NAME("{\"" DRIVER "\":\"node-of-csi\"}"), PATIENCE,
                      "its id");
    const struct cor_json *labels = cor_json_at(cloud->node_marks, "metadata.labels");
    assert_string_equal(cor_json_as_str(cor_json_get(labels, DRIVER "/zone"), ""), "z1");
    cloud_kill_edged(cloud, SIGKILL);
    cor_json_add(cor_json_at(cloud->csi_node, "spec.drivers"),
                 json_of("{'name':'other','nodeID':'o','topologyKeys':null}"));
    cor_json_set_at(cor_json_item(cor_json_at(cloud->csi_node, "spec.drivers"), 0), "nodeID",
                    cor_json_str("of-before"));
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, drivers_are, CLOUD_NAME("other:o " DRIVER ":node-of-csi "), PATIENCE,
                      "both");
    auto_(cor_freep) char *socket =
        cor_sprintf("%s/kubelet/plugins_registry/" DRIVER "-reg.sock", cloud->dir);
    assert_int_equal(unlink(socket), 0);
    count = 1;
    (void)cloud_await(cloud, has_drivers, &count, PATIENCE, "it is gone");
    (void)cloud_await(cloud, has_mark, CLOUD_NAME(""), PATIENCE, "its id is gone");
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_attach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_grow, set_up_grow, tear_down),
        cmocka_unit_test_setup_teardown(test_csi_node, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("edged csi node", tests, NULL, NULL);
}
