// SPDX-License-Identifier: Apache-2.0
// CSI drivers and NFS: a real driver (gRPC's own library), a real edged and containerd. The kernel
// here may have no NFS, so of that the failure is shown.
#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 20 * 1000 * 1000 };

#define DRIVER "bind.example.com"

struct test {
    pid_t driver;
    char *log;
};

static struct test test;

static void start_driver(struct cloud *cloud)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *registry = cor_sprintf("%s/kubelet/plugins_registry", cloud->dir);
    auto_(cor_freep) char *data = cor_sprintf("%s/volumes", cloud->dir);
    must(cor_mkdirs(registry, 0755, &err) == COR_OK && cor_mkdirs(data, 0755, &err) == COR_OK);
    test.driver = fork();
    if (test.driver == 0) {
        const char *program = CORACLE_SOURCE_DIR "/tests/contract/edged/csi_driver.py";
        execl(program, program, registry, DRIVER, data, test.log, (char *)NULL);
        _exit(127);
    }
    must(test.driver > 0);
}

static void stop_driver(void)
{
    if (test.driver > 0) {
        (void)kill(test.driver, SIGKILL);
        must(waitpid(test.driver, NULL, 0) == test.driver);
        test.driver = 0;
    }
}

static int set_up(void **state)
{
    int code = cloud_set_up_with(state, "csi:\n  enabled: true\n");
    const struct cloud *cloud = *state;
    test = (struct test){0, cor_sprintf("%s/driver.log", cloud->dir)};
    return code;
}

static int tear_down(void **state)
{
    int code = cloud_tear_down(state);
    stop_driver();
    cor_freep(&test.log);
    return code;
}

static char *read_at(const struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", cloud->dir, name);
    auto_(cor_buf_free) struct cor_buf text = {0};
    return cor_file_read(path, 65536, &text, NULL) == COR_OK ? cor_buf_take(&text) : cor_strdup("");
}

static bool is_logged(struct cloud *cloud, void *text)
{
    auto_(cor_freep) char *log = read_at(cloud, "driver.log");
    return strstr(log, text) != NULL;
}

static size_t count_of(const struct cloud *cloud, const char *text)
{
    auto_(cor_freep) char *log = read_at(cloud, "driver.log");
    size_t count = 0;
    for (const char *at = strstr(log, text); at != NULL; at = strstr(at + 1, text)) {
        count++;
    }
    return count;
}

/* An event whose message has this text. */
static bool says(struct cloud *cloud, void *text)
{
    for (size_t i = 0; i < cor_json_count(cloud->events); i++) {
        const char *message = cor_json_str_at(cor_json_item(cloud->events, i), "message", "");
        if (strstr(message, text) != NULL) {
            return true;
        }
    }
    return false;
}

static bool is_gone(struct cloud *cloud, void *name)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", (const char *)name);
    return cor_map_get(cloud->objects, cor_view_of(key)) == NULL;
}

static bool is_mounted_somewhere(const struct cloud *cloud)
{
    auto_(cor_buf_free) struct cor_buf mounts = {0};
    auto_(cor_freep) char *csi = cor_sprintf("%s/kubelet/plugins", cloud->dir);
    must(cor_file_read("/proc/self/mounts", 1 << 20, &mounts, NULL) == COR_OK);
    return strstr(mounts.data, "kubernetes.io~csi") != NULL || strstr(mounts.data, csi) != NULL;
}

static void put_driver(struct cloud *cloud, bool attached)
{
    cloud_put(cloud, "null/csidriver/" DRIVER,
              json_of("{'metadata':{'name':'" DRIVER "'},'spec':{'attachRequired':%s,"
                      "'podInfoOnMount':true,'fsGroupPolicy':'File','volumeLifecycleModes':["
                      "'Persistent','Ephemeral']}}",
                      attached ? "true" : "false"));
}

static void put_claim(struct cloud *cloud)
{
    cloud_put(cloud, "null/persistentvolume/pv1",
              json_of("{'metadata':{'name':'pv1'},'spec':{'claimRef':{'uid':'claim-1'},"
                      "'accessModes':['ReadWriteMany'],'mountOptions':['noatime'],'csi':{'driver':"
                      "'" DRIVER "','volumeHandle':'vol-1','fsType':'ext4','volumeAttributes':{"
                      "'tier':'fast'}}}}"));
    cloud_put(cloud, "default/persistentvolumeclaim/data",
              json_of("{'metadata':{'name':'data','namespace':'default','uid':'claim-1'},'spec':{"
                      "'volumeName':'pv1'},'status':{'phase':'Bound'}}"));
}

#define POD(command, volume)                                                                       \
    "{'terminationGracePeriodSeconds':1,'securityContext':{'fsGroup':2345},'containers':[{'name':" \
    "'c','image':"                                                                                 \
    "'coracle.local/busybox:1','command':['/bin/sh','-c','" command "; sleep 600'],"               \
    "'volumeMounts':[{'name':'data','mountPath':'/data'}]}],'volumes':[{'name':'data'," volume     \
    "}]}"
#define CLAIM "'persistentVolumeClaim':{'claimName':'data'}"

static bool is_written(struct cloud *cloud, void *text)
{
    auto_(cor_freep) char *found = read_at(cloud, "volumes/vol-1/said");
    return strcmp(found, text) == 0;
}

static bool is_registered_twice(struct cloud *cloud, void *with)
{
    (void)with;
    return count_of(cloud, "registered\n") == 2;
}

static bool has_no_containers(struct cloud *cloud, void *with)
{
    (void)with;
    (void)cloud;
    auto_(cor_freep) char *cgroup =
        cor_sprintf("/sys/fs/cgroup/pids%s/kubepods/besteffort/poduid-two", getenv("TEST_CGROUP"));
    DIR *dir = opendir(cgroup);
    const struct dirent *entry = NULL;
    size_t groups = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        groups += entry->d_type == DT_DIR && entry->d_name[0] != '.';
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return groups == 0;
}

static bool is_clean(struct cloud *cloud, void *with)
{
    (void)with;
    auto_(cor_freep) char *pods = cor_sprintf("%s/kubelet/pods/uid-two", cloud->dir);
    auto_(cor_freep) char *staged =
        cor_sprintf("%s/kubelet/plugins/kubernetes.io/csi/pv/pv1", cloud->dir);
    return !is_mounted_somewhere(cloud) && access(pods, F_OK) != 0 && access(staged, F_OK) != 0;
}

/* Before the driver is there, and before it says that nothing is to be attached, the Pod waits in
 * the kubelet's words. Two Pods share a volume, which is staged once; it is given back when the
 * last one goes, over edged's death and while the driver refuses. */
static void test_claim(void **state)
{
    struct cloud *cloud = *state;
    put_claim(cloud);
    put_driver(cloud, true);
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(
        cloud, says,
        CLOUD_NAME("MountVolume.SetUp failed for volume \"data\" : kubernetes.io/csi: "
                   "mounter.SetUpAt failed to get CSI client: driver name " DRIVER
                   " not found in the list of registered CSI drivers"),
        PATIENCE, "no driver");
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    (void)cloud_await(cloud, says, CLOUD_NAME("Volume not attached according to node status"),
                      PATIENCE, "it wants volumes attached");
    put_driver(cloud, false);
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\n"), PATIENCE, "one has written");
    auto_(cor_freep) char *log = read_at(cloud, "driver.log");
    assert_non_null(strstr(log, "stage vol-1 fs=ext4 flags=noatime mode=5 context={'tier': 'fast', "
                                "'csi.storage.k8s.io/pod.name': 'one'"));
    assert_non_null(strstr(log, "publish vol-1 staged readonly=0 pod=one\n"));
    struct stat st;
    auto_(cor_freep) char *folder = cor_sprintf("%s/volumes/vol-1", cloud->dir);
    assert_int_equal(stat(folder, &st), 0);
    assert_int_equal(st.st_gid, 2345);
    cloud_put_pod(cloud, "two", POD("echo two >> /data/said", CLAIM));
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\ntwo\n"), PATIENCE, "two has written");
    cloud_mark_deleted(cloud, "one", 1);
    (void)cloud_await(cloud, is_gone, CLOUD_NAME("one"), PATIENCE, "one is gone");
    assert_int_equal(count_of(cloud, "unpublish vol-1\n"), 1);
    assert_int_equal(count_of(cloud, "unstage"), 0);

    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *refuse = cor_sprintf("%s.refuse", test.log);
    must(cor_file_write(refuse, COR_VIEW(""), 0644, &err) == COR_OK);
    cloud_kill_edged(cloud, SIGKILL);
    cloud_gone(cloud, "default/pod/two"); /* nobody tells the next one of it */
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_registered_twice, NULL, PATIENCE, "registered again");
    (void)cloud_await(cloud, has_no_containers, NULL, PATIENCE, "two has ended");
    assert_true(is_mounted_somewhere(cloud));
    cloud_kill_edged(cloud, SIGTERM); /* it may be stopped meanwhile, too */
    cloud_start_edged(cloud);
    assert_int_equal(unlink(refuse), 0);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("unstage vol-1\n"), PATIENCE, "given back");
    (void)cloud_await(cloud, is_clean, NULL, PATIENCE, "nothing is left");
    assert_int_equal(count_of(cloud, "unpublish vol-1\n"), 2);
    assert_true(is_written(cloud, CLOUD_NAME("one\ntwo\n")));
}

#define SECRET(key) "{'metadata':{'name':'s','namespace':'%s','uid':'%s'},'data':{'" key "':'%s'}}"

/* What the PersistentVolume and the Pod name is given to the driver, of the namespace that is
 * named; as long as it is not there the Pod waits in the kubelet's words. */
static void test_secrets(void **state)
{
    struct cloud *cloud = *state;
    put_driver(cloud, false);
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    put_claim(cloud);
    struct cor_json *volume =
        cor_json_copy(cor_map_get(cloud->objects, cor_view_of("null/persistentvolume/pv1")));
    cor_json_set_at(volume, "spec.csi.nodeStageSecretRef",
                    json_of("{'name':'s','namespace':'vault'}"));
    cor_json_set_at(volume, "spec.csi.nodePublishSecretRef",
                    json_of("{'name':'s','namespace':'default'}"));
    cloud_put(cloud, "null/persistentvolume/pv1", volume);
    cloud_put(cloud, "vault/secret/s", json_of(SECRET("key"), "vault", "s1", "c3RhZ2Ux"));
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(cloud, says,
                      CLOUD_NAME("fetching NodePublishSecretRef default/s failed: failed to find "
                                 "the secret s in the namespace default with error: "),
                      PATIENCE, "no secret");
    cloud_put(cloud, "default/secret/s", json_of(SECRET("word"), "default", "s2", "cHVibGlzaDE="));
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\n"), PATIENCE, "one has written");
    assert_true(is_logged(cloud, CLOUD_NAME("stage secrets [('key', 'stage1')]\n")));
    assert_true(is_logged(cloud, CLOUD_NAME("publish secrets [('word', 'publish1')]\n")));
    assert_false(is_logged(cloud, CLOUD_NAME("publish secrets []\n")));
    cloud_put_pod(cloud, "own",
                  POD("true", "'csi':{'driver':'" DRIVER "','nodePublishSecretRef':{'name':'s'}}"));
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("publish csi-uid-own-data ephemeral"), PATIENCE,
                      "its own volume");
    assert_int_equal(count_of(cloud, "publish secrets [('word', 'publish1')]\n"), 2);
    cloud_delete_pods(cloud);
    assert_false(says(cloud, CLOUD_NAME("stage1")) || says(cloud, CLOUD_NAME("c3RhZ2Ux")));
    assert_false(is_mounted_somewhere(cloud));
}

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
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    assert_true(is_in_use(cloud, CLOUD_NAME("")));
    cloud_put_pod(cloud, "one", POD("echo one >> /data/said", CLAIM));
    (void)cloud_await(cloud, says,
                      CLOUD_NAME("Volume not attached according to node status for volume "
                                 "\"pv1\" (UniqueName: \"" IN_USE "\")"),
                      PATIENCE, "not attached");
    assert_true(is_in_use(cloud, CLOUD_NAME(IN_USE)));
    put_attachment(cloud, "{'attached':false,'attachError':{'message':'no such disk'}}");
    (void)cloud_await(cloud, says, CLOUD_NAME("no such disk"), PATIENCE, "the attacher's words");
    assert_int_equal(count_of(cloud, "stage "), 0);
    put_attachment(cloud, "{'attached':true,'attachmentMetadata':{'device':'/dev/x'}}");
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one\n"), PATIENCE, "one has written");
    assert_true(is_logged(cloud, CLOUD_NAME("stage attached [('device', '/dev/x')]\n")));
    assert_true(is_logged(cloud, CLOUD_NAME("publish attached [('device', '/dev/x')]\n")));
    cloud_kill_edged(cloud, SIGKILL);
    cor_json_free(&cloud->node_status);
    cloud_gone(cloud, "default/pod/one"); /* nobody tells the next one of it */
    auto_(cor_freep) char *refuse = cor_sprintf("%s.refuse", test.log);
    must(cor_file_write(refuse, COR_VIEW(""), 0644, NULL) == COR_OK);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_in_use, CLOUD_NAME(IN_USE), PATIENCE, "still in use");
    assert_int_equal(unlink(refuse), 0);
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

static bool is_greeted(struct cloud *cloud, void *text)
{
    auto_(cor_freep) char *found = read_at(cloud, "greeted");
    return strcmp(found, text) == 0;
}

/* A volume of the Pod itself is not staged, and needs no claim. */
static void test_inline(void **state)
{
    struct cloud *cloud = *state;
    put_driver(cloud, true);
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    auto_(cor_freep) char *spec = cor_sprintf(
        "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"
        "'cat /data/greeting > /out/greeted; sleep 600'],'volumeMounts':[{'name':'data',"
        "'mountPath':'/data'},{'name':'out','mountPath':'/"
        "out'}]}],'volumes':[{'name':'data','csi':{"
        "'driver':'" DRIVER "','volumeAttributes':{'greeting':'ahoy'}}},{'name':'out','hostPath':{"
        "'path':'%s'}}]}",
        cloud->dir);
    cloud_put_pod(cloud, "own", spec);
    (void)cloud_await(cloud, is_greeted, CLOUD_NAME("ahoy"), PATIENCE, "it has read");
    assert_true(is_logged(cloud, CLOUD_NAME("publish csi-uid-own-data ephemeral readonly=0 "
                                            "pod=own\n")));
    cloud_delete_pods(cloud);
    assert_true(is_logged(cloud, CLOUD_NAME("unpublish csi-uid-own-data\n")));
    assert_int_equal(count_of(cloud, "stage"), 0);
    assert_false(is_mounted_somewhere(cloud));
}

/* Nobody answers there: the mount's own words, and the Pod waits. */
static void test_nfs(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "far",
                  POD("true", "'nfs':{'server':'127.0.0.1','path':'/none','readOnly':true}"));
    (void)cloud_await(
        cloud, says,
        CLOUD_NAME("MountVolume.SetUp failed for volume \"data\" : mount failed: exit "
                   "status 32, output: mount"),
        PATIENCE, "no NFS there");
    assert_true(says(cloud, CLOUD_NAME("unknown filesystem type 'nfs'")) ||
                says(cloud, CLOUD_NAME("mount.nfs")) || says(cloud, CLOUD_NAME("bad option")));
    cloud_delete_pods(cloud);
}

/* Edged finds a mount(8) here that binds a folder in place of a server's. */
static int set_up_mount(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    const char *dir = getenv("TEST_DIR");
    auto_(cor_freep) char *bin = cor_sprintf("%s/bin", dir);
    auto_(cor_freep) char *served = cor_sprintf("%s/served", dir);
    auto_(cor_freep) char *program = cor_sprintf("%s/mount", bin);
    auto_(cor_freep) char *path = cor_sprintf("%s:%s", bin, getenv("PATH"));
    auto_(cor_freep) char *script =
        cor_sprintf("#!/bin/sh\necho \"$*\" >> %s/mounts\nfor last; do :; done\n"
                    "exec /bin/mount --bind %s \"$last\"\n",
                    dir, served);
    must(cor_mkdirs(bin, 0755, &err) == COR_OK && cor_mkdirs(served, 0777, &err) == COR_OK);
    must(cor_file_write(program, cor_view_of(script), 0755, &err) == COR_OK);
    must(setenv("PATH", path, 1) == 0);
    return cloud_set_up(state);
}

static bool is_served(struct cloud *cloud, void *text)
{
    (void)cloud;
    auto_(cor_freep) char *path = cor_sprintf("%s/served/said", getenv("TEST_DIR"));
    auto_(cor_buf_free) struct cor_buf found = {0};
    return cor_file_read(path, 256, &found, NULL) == COR_OK &&
           cor_view_is(cor_buf_as_view(&found), text);
}

/* A claim of an NFS volume is mounted once for each Pod with the volume's options; the mount goes
 * with the Pod, what is on the server stays. */
static void test_nfs_claim(void **state)
{
    struct cloud *cloud = *state;
    cloud_put(cloud, "null/persistentvolume/pv1",
              json_of("{'metadata':{'name':'pv1'},'spec':{'claimRef':{'uid':'claim-1'},"
                      "'mountOptions':['nfsvers=4.1','hard'],'nfs':{'server':'nas.example.com',"
                      "'path':'/export'}}}"));
    cloud_put(cloud, "default/persistentvolumeclaim/data",
              json_of("{'metadata':{'name':'data','namespace':'default','uid':'claim-1'},'spec':{"
                      "'volumeName':'pv1'},'status':{'phase':'Bound'}}"));
    cloud_put_pod(cloud, "near", POD("echo near >> /data/said", CLAIM));
    (void)cloud_await(cloud, is_served, CLOUD_NAME("near\n"), PATIENCE, "it has written");
    auto_(cor_freep) char *log = cor_sprintf("%s/mounts", getenv("TEST_DIR"));
    auto_(cor_freep) char *target =
        cor_sprintf("%s/kubelet/pods/uid-near/volumes/kubernetes.io~nfs/data", cloud->dir);
    auto_(cor_freep) char *line =
        cor_sprintf("-t nfs -o nfsvers=4.1,hard nas.example.com:/export %s\n", target);
    auto_(cor_buf_free) struct cor_buf said = {0};
    assert_int_equal(cor_file_read(log, 65536, &said, NULL), COR_OK);
    assert_string_equal(said.data, line);
    cloud_delete_pods(cloud);
    assert_int_equal(access(target, F_OK), -1);
    assert_true(is_served(cloud, CLOUD_NAME("near\n")));
}

/* Without the setting a Pod is told so. */
static void test_off(void **state)
{
    struct cloud *cloud = *state;
    cloud_put_pod(cloud, "own", POD("true", "'csi':{'driver':'" DRIVER "'}"));
    (void)cloud_await(
        cloud, says, CLOUD_NAME("CSI volumes are not supported by this node: csi.enabled is false"),
        PATIENCE, "no CSI");
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claim, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_attach, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stats, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csi_node, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nfs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_nfs_claim, set_up_mount, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged csi", tests, NULL, NULL);
}
