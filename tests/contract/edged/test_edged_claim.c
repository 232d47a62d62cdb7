// SPDX-License-Identifier: Apache-2.0
// Pods with persistentVolumeClaims, on a real edged and containerd.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define WRITER                                                                                     \
    "{'securityContext':{'fsGroup':2345},'containers':[{'name':'c','image':"                       \
    "'coracle.local/busybox:1','command':['/bin/sh','-c','echo hello > /data/%s; sleep 600'],"     \
    "'volumeMounts':[{'name':'data','mountPath':'/data'}]}],'volumes':[{'name':'data',"            \
    "'persistentVolumeClaim':{'claimName':'data'%s}}]}"

static void put_volume(struct cloud *cloud, const char *node)
{
    cloud_put(cloud, "null/persistentvolume/pv1",
              json_of("{'metadata':{'name':'pv1'},'spec':{'claimRef':{'uid':'claim-1'},'local':{"
                      "'path':'%s/disk'},'nodeAffinity':{'required':{'nodeSelectorTerms':[{"
                      "'matchExpressions':[{'key':'kubernetes.io/hostname','operator':'In',"
                      "'values':['%s']}]}]}}}}",
                      cloud->dir, node));
}

static void put_claim(struct cloud *cloud, const char *phase)
{
    cloud_put(cloud, "default/persistentvolumeclaim/data",
              json_of("{'metadata':{'name':'data','namespace':'default','uid':'claim-1'},'spec':{"
                      "'volumeName':'pv1'},'status':{'phase':'%s'}}",
                      phase));
}

static void put_pod(struct cloud *cloud, const char *name, const char *more)
{
    auto_(cor_freep) char *spec = cor_sprintf(WRITER, name, more);
    cloud_put_pod(cloud, name, spec);
}

static bool is_written(struct cloud *cloud, void *name)
{
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/disk/%s", cloud->dir, (const char *)name);
    return stat(path, &st) == 0 && st.st_size > 0;
}

/* Data of a former user. */
static void make_disk(const struct cloud *cloud)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *below = cor_sprintf("%s/disk/old", cloud->dir);
    auto_(cor_freep) char *file = cor_sprintf("%s/file", below);
    assert_int_equal(cor_mkdirs(below, 0700, &err), COR_OK);
    assert_int_equal(cor_file_write(file, COR_VIEW("old"), 0600, &err), COR_OK);
}

static void expect_given(const struct cloud *cloud, const char *name, mode_t mode)
{
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", cloud->dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_gid, 2345);
    assert_int_equal(st.st_mode & 07777, mode);
}

/* Absent, then not bound, then on another node, then right: each told in kubelet's words. What was
 * written is there for the next Pod, with the group; readOnly keeps it as it is. */
static void test_claim(void **state)
{
    struct cloud *cloud = *state;
    put_pod(cloud, "one", "");
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("error processing PVC default/data: failed to fetch PVC"),
                      PATIENCE, "there is no claim");
    put_claim(cloud, "Pending");
    (void)cloud_await(
        cloud, cloud_has_words,
        CLOUD_NAME("unmounted volumes=[data], unattached volumes=[], failed to process "
                   "volumes=[data]: error processing PVC default/data: PVC is not "
                   "bound"),
        PATIENCE, "it is not bound");
    put_volume(cloud, "n2");
    put_claim(cloud, "Bound");
    (void)cloud_await(cloud, cloud_has_words, CLOUD_NAME("no matching NodeSelectorTerms"), PATIENCE,
                      "it is on another node");
    make_disk(cloud);
    put_volume(cloud, "n1");
    (void)cloud_await(cloud, is_written, CLOUD_NAME("one"), PATIENCE, "the Pod has written");
    expect_given(cloud, "disk", 02770);
    expect_given(cloud, "disk/old", 02770);
    expect_given(cloud, "disk/old/file", 0660);
    put_pod(cloud, "two", ",'readOnly':true");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("two"), PATIENCE, "two runs");
    cloud_delete_pods(cloud);
    assert_false(is_written(cloud, CLOUD_NAME("two")));
    assert_true(is_written(cloud, CLOUD_NAME("one")));
}

/* Ends at once where another one is. */
#define OWNER                                                                                      \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'leave() { rmdir /data/mine; exit; }; mkdir /data/mine || exit 1; trap leave TERM; sleep "    \
    "600 & wait'],'volumeMounts':[{'name':'data','mountPath':'/data'}]}],'volumes':[{'name':"      \
    "'data','persistentVolumeClaim':{'claimName':'data'}}],'terminationGracePeriodSeconds':10}"

/* A volume that only one Pod may have: the next one waits until that has gone, over a restart of
 * edged too. */
static void test_alone(void **state)
{
    struct cloud *cloud = *state;
    make_disk(cloud);
    put_volume(cloud, "n1");
    struct cor_json *volume =
        cor_json_copy(cor_map_get(cloud->objects, cor_view_of("null/persistentvolume/pv1")));
    cor_json_set_at(volume, "spec.accessModes", json_of("['ReadWriteOncePod']"));
    cloud_put(cloud, "null/persistentvolume/pv1", volume);
    put_claim(cloud, "Bound");
    cloud_put_pod(cloud, "one", OWNER);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("one"), PATIENCE, "one runs");
    cloud_put_pod(cloud, "two", OWNER);
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("MountVolume.SetUp failed for volume \"data\" : volume uses the "
                                 "ReadWriteOncePod access mode and is already in use by another "
                                 "pod"),
                      PATIENCE, "two waits");
    cloud_kill_edged(cloud, SIGKILL);
    cloud->only = "default/pod/two"; /* there may be others that were first */
    cloud_start_edged(cloud);
    (void)cloud_await(
        cloud, cloud_has_words,
        CLOUD_NAME("volume uses the ReadWriteOncePod access mode and the Pods of this "
                   "node are not known yet"),
        PATIENCE, "two waits for the others");
    cloud->only = NULL;
    cloud_on_up(cloud, cloud->port);
    cloud_mark_deleted(cloud, "one", 10);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("two"), PATIENCE, "two runs");
    /* else it would have found the other one's folder, and ended */
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "two"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
}

/* A volume that is a device: told where it is used as a folder, then a device of the container. */
static void test_block(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_freep) char *path = cor_sprintf("%s/disk", cloud->dir);
    assert_int_equal(mknod(path, S_IFBLK | 0600, makedev(1, 0)), 0);
    put_volume(cloud, "n1");
    struct cor_json *volume =
        cor_json_copy(cor_map_get(cloud->objects, cor_view_of("null/persistentvolume/pv1")));
    cor_json_set_at(volume, "spec.volumeMode", cor_json_str("Block"));
    cloud_put(cloud, "null/persistentvolume/pv1", volume);
    put_claim(cloud, "Bound");
    put_pod(cloud, "folder", "");
    (void)cloud_await(cloud, cloud_has_words,
                      CLOUD_NAME("volume data has volumeMode Block, but is specified in "
                                 "volumeMounts"),
                      PATIENCE, "it is no folder");
    cloud_put_pod(cloud, "raw",
                  "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':["
                  "'/bin/sh','-c','test -b /dev/xvda && sleep 600'],'volumeDevices':[{'name':"
                  "'data','devicePath':'/dev/xvda'}]}],'volumes':[{'name':'data',"
                  "'persistentVolumeClaim':{'claimName':'data'}}]}");
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("raw"), PATIENCE, "it has its device");
    assert_int_equal(cor_json_int_at(cloud_container(cloud, "raw"), "restartCount", -1), 0);
    cloud_delete_pods(cloud);
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_claim, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_alone, cloud_set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_block, cloud_set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged claim", tests, NULL, NULL);
}
