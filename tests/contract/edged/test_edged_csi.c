// SPDX-License-Identifier: Apache-2.0
// CSI drivers and NFS: a real driver (gRPC's own library), a real edged and containerd. The kernel
// here may have no NFS, so of that the failure is shown.
#include <dirent.h>
#include <sys/stat.h>

#include "contained.h"
#include "csi.h"

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
        cloud, cloud_has_words,
        CLOUD_NAME("MountVolume.SetUp failed for volume \"data\" : kubernetes.io/csi: "
                   "mounter.SetUpAt failed to get CSI client: driver name " DRIVER
                   " not found in the list of registered CSI drivers"),
        PATIENCE, "no driver");
    start_driver(cloud);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("registered\n"), PATIENCE, "registered");
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("Volume not attached according to node status"), PATIENCE,
                      "it wants volumes attached");
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

    make_refuse(true);
    cloud_kill_edged(cloud, SIGKILL);
    cloud_gone(cloud, "default/pod/two"); /* nobody tells the next one of it */
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_registered_twice, NULL, PATIENCE, "registered again");
    (void)cloud_await(cloud, has_no_containers, NULL, PATIENCE, "two has ended");
    assert_true(is_mounted_somewhere(cloud));
    cloud_kill_edged(cloud, SIGTERM); /* it may be stopped meanwhile, too */
    cloud_start_edged(cloud);
    make_refuse(false);
    (void)cloud_await(cloud, is_logged, CLOUD_NAME("unstage vol-1\n"), PATIENCE, "given back");
    (void)cloud_await(cloud, is_clean, NULL, PATIENCE, "nothing is left");
    assert_int_equal(count_of(cloud, "unpublish vol-1\n"), 2);
    assert_true(is_written(cloud, CLOUD_NAME("one\ntwo\n")));
}

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
    (void)cloud_await(cloud, cloud_has_words,
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
    assert_false(cloud_has_words(cloud, CLOUD_NAME("stage1")) ||
                 cloud_has_words(cloud, CLOUD_NAME("c3RhZ2Ux")));
    assert_false(is_mounted_somewhere(cloud));
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
        cloud, cloud_has_words,
        CLOUD_NAME("MountVolume.SetUp failed for volume \"data\" : mount failed: exit "
                   "status 32, output: mount"),
        PATIENCE, "no NFS there");
    assert_true(cloud_has_words(cloud, CLOUD_NAME("unknown filesystem type 'nfs'")) ||
                cloud_has_words(cloud, CLOUD_NAME("mount.nfs")) ||
                cloud_has_words(cloud, CLOUD_NAME("bad option")));
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
        cloud, cloud_has_words,
        CLOUD_NAME("CSI volumes are not supported by this node: csi.enabled is false"), PATIENCE,
        "no CSI");
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claim, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_secrets, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_inline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nfs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_off, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_nfs_claim, set_up_mount, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged csi", tests, NULL, NULL);
}
