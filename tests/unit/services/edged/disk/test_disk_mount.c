// SPDX-License-Identifier: Apache-2.0
// What needs mounts, in a mount namespace of its own; a skip without root.
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../fixture.h"
#include "common/base/file.h"
#include "services/edged/disk/disk.h"

enum { TMPFS = 0x01021994, SKIP = 77 };

static char root[] = "/tmp/test_disk_mount.XXXXXX";

static struct pod *make(void)
{
    struct pod *pod = pod_of("{'containers':[{'name':'c','image':'i:1'}],'volumes':["
                             "{'name':'s','secret':{'secretName':'x'}},{'name':'e','emptyDir':{}},"
                             "{'name':'m','emptyDir':{'medium':'Memory','sizeLimit':'64Ki'}}]}");
    auto_(cor_freep) char *logs = cor_sprintf("%s/logs", root);
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(disk_make_pod(root, logs, pod, &err), COR_OK);
    return pod;
}

static bool is_tmpfs(const struct pod *pod, size_t volume)
{
    auto_(cor_freep) char *path = disk_volume_path(root, pod, &pod->volumes[volume]);
    struct statfs st;
    assert_int_equal(statfs(path, &st), 0);
    return st.f_type == TMPFS;
}

static void test_secrets_and_memory_are_on_tmpfs(void **state)
{
    (void)state;
    auto_(pod_free) struct pod *pod = make();
    struct cor_err err = COR_ERR_NONE;
    struct payload payload = {0};
    assert_int_equal(disk_write_volume(root, pod, &pod->volumes[0], &payload, 1, &err), COR_OK);
    assert_int_equal(disk_write_volume(root, pod, &pod->volumes[0], &payload, 2, &err), COR_OK);
    assert_int_equal(disk_make_volume(root, pod, &pod->volumes[1], &err), COR_OK);
    assert_int_equal(disk_make_volume(root, pod, &pod->volumes[2], &err), COR_OK);
    assert_true(is_tmpfs(pod, 0));
    assert_true(is_tmpfs(pod, 2));
    disk_remove(root, "", "u1");
    auto_(cor_freep) char *folder = cor_sprintf("%s/pods/u1", root);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static void test_sub_paths_stay_in_the_volume(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum cor_code code;
    } cases[] = {
        {"made/deep", COR_OK}, {"inside", COR_OK},      {"file", COR_OK},     {"up", COR_IO},
        {"../x", COR_DENIED},  {"a/../..", COR_DENIED}, {"/etc", COR_DENIED},
    };
    auto_(pod_free) struct pod *pod = make();
    struct cor_err err = COR_ERR_NONE;
    const struct pod_volume *volume = &pod->volumes[1];
    assert_int_equal(disk_make_volume(root, pod, volume, &err), COR_OK);
    auto_(cor_freep) char *base = disk_volume_path(root, pod, volume);
    auto_(cor_freep) char *file = cor_sprintf("%s/file", base);
    auto_(cor_freep) char *inside = cor_sprintf("%s/inside", base);
    auto_(cor_freep) char *up = cor_sprintf("%s/up", base);
    assert_int_equal(cor_file_write(file, COR_VIEW("x"), 0644, &err), COR_OK);
    assert_int_equal(symlink("made", inside), 0);
    assert_int_equal(symlink("../../../../../../../../etc", up),
                     0); /* in the volume: <volume>/etc, not there */
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        char *path = NULL;
        enum cor_code code =
            disk_sub_path(root, pod, volume, pod_container(pod, 0), i, cases[i].path, &path, &err);
        if (code != cases[i].code) {
            fail_msg("%s: code %d %s", cases[i].path, (int)code, err.text);
        }
        auto_(cor_freep) char *passwd = cor_sprintf("%s/passwd", path == NULL ? "" : path);
        assert_int_not_equal(access(passwd, F_OK), 0); /* never the machine's /etc */
        cor_free(path);
    }
    disk_remove(root, "", "u1");
    auto_(cor_freep) char *folder = cor_sprintf("%s/pods/u1", root);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static void test_mount_points_are_made_in_volumes(void **state)
{
    static const struct {
        size_t volume;
        const char *path;
        bool made;
    } cases[] = {
        {0, "secret", true},       /* of a file that is read-only to the container */
        {0, "secret/deep", false}, /* it lies in the other volume... */
        {1, "deep", true},         /* ...there */
        {0, "beside", false},      /* /etc/application is not in /etc/app */
        {2, "a/b", true},          {2, "x", false}, /* of another container */
    };
    (void)state;
    auto_(pod_free) struct pod *pod = pod_of(
        "{'containers':[{'name':'c','image':'i:1','volumeMounts':["
        "{'name':'deep','mountPath':'/etc/app/secret/deep'},"
        "{'name':'conf','mountPath':'/etc/app/','readOnly':true},"
        "{'name':'secret','mountPath':'/etc/app/secret','readOnly':true},"
        "{'name':'deep','mountPath':'/etc/application/beside'},"
        "{'name':'deep','mountPath':'/data'},{'name':'secret','mountPath':'/data//a/b'}]},"
        "{'name':'d','image':'i:1','volumeMounts':[{'name':'secret','mountPath':'/data/x'}]}],"
        "'volumes':[{'name':'conf','configMap':{'name':'x'}},"
        "{'name':'secret','secret':{'secretName':'x'}},{'name':'deep','emptyDir':{}}]}");
    auto_(cor_freep) char *log_folder = cor_sprintf("%s/logs", root);
    struct cor_err err = COR_ERR_NONE;
    struct payload payload = {0};
    assert_int_equal(disk_make_pod(root, log_folder, pod, &err), COR_OK);
    for (int64_t stamp = 1; stamp <= 2; stamp++) { /* an update leaves them */
        assert_int_equal(disk_write_volume(root, pod, &pod->volumes[0], &payload, stamp, &err),
                         COR_OK);
        assert_int_equal(disk_write_volume(root, pod, &pod->volumes[1], &payload, stamp, &err),
                         COR_OK);
        assert_int_equal(disk_make_volume(root, pod, &pod->volumes[2], &err), COR_OK);
        for (size_t i = 0; stamp == 1 && i < pod->volume_count; i++) {
            assert_int_equal(disk_make_nested(root, pod, &pod->volumes[i], &err), COR_OK);
        }
    }
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *base = disk_volume_path(root, pod, &pod->volumes[cases[i].volume]);
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", base, cases[i].path);
        if ((access(path, F_OK) == 0) != cases[i].made) {
            fail_msg("%s: %s", path, cases[i].made ? "missing" : "should not be there");
        }
    }
    disk_remove(root, "", "u1");
    auto_(cor_freep) char *other = cor_sprintf("%s/logs/d", root);
    (void)rmdir(other);
}

int main(void)
{
    if (geteuid() != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 || mkdtemp(root) == NULL) {
        return SKIP;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets_and_memory_are_on_tmpfs),
        cmocka_unit_test(test_sub_paths_stay_in_the_volume),
        cmocka_unit_test(test_mount_points_are_made_in_volumes),
    };
    int failed = cmocka_run_group_tests_name("disk mount", tests, NULL, NULL);
    disk_remove(root, "", "u1");
    auto_(cor_freep) char *pods = cor_sprintf("%s/pods", root);
    auto_(cor_freep) char *logs = cor_sprintf("%s/logs/c", root);
    (void)rmdir(pods);
    (void)rmdir(logs);
    *strrchr(logs, '/') = '\0';
    (void)rmdir(logs);
    (void)rmdir(root);
    return failed;
}
