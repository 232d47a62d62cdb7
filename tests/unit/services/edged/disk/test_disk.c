// SPDX-License-Identifier: Apache-2.0
// Files and folders; what needs mounts runs in the contract tests.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "common/base/file.h"
#include "services/edged/disk/disk.h"

struct place {
    char root[64];
    char logs[96];
    struct pod *pod;
};

static int set_up(void **state)
{
    struct place *place = cor_alloc(sizeof(*place));
    (void)snprintf(place->root, sizeof(place->root), "/tmp/test_disk.XXXXXX");
    assert_non_null(mkdtemp(place->root));
    (void)snprintf(place->logs, sizeof(place->logs), "%s/logs", place->root);
    place->pod = pod_of("{'containers':[{'name':'c','image':'i:1'}],'volumes':["
                        "{'name':'v','configMap':{'name':'cm'}},{'name':'e','emptyDir':{}}]}");
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    disk_remove(place->root, place->logs, "u1");
    auto_(cor_freep) char *pods = cor_sprintf("%s/pods", place->root);
    (void)rmdir(pods);
    int left = rmdir(place->root); /* nothing may be left */
    pod_free(&place->pod);
    cor_free(place);
    return left;
}

static char *read_text(const char *base, const char *rest)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", base, rest);
    struct cor_buf text = {0};
    if (cor_file_read(path, 4096, &text, NULL) != COR_OK) {
        return NULL;
    }
    return cor_buf_take(&text);
}

static void add(struct payload *payload, const char *path, const char *text, int mode)
{
    payload->files = cor_realloc(payload->files, payload->count + 1, sizeof(*payload->files));
    payload->files[payload->count] = (struct payload_file){.path = cor_strdup(path), .mode = mode};
    cor_buf_str(&payload->files[payload->count].data, text);
    payload->count++;
}

static void expect(const char *base, const char *rest, const char *content)
{
    auto_(cor_freep) char *text = read_text(base, rest);
    if (content == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, content);
    }
}

static void test_content_is_swapped(void **state)
{
    struct place *place = *state;
    struct cor_err err = COR_ERR_NONE;
    const struct pod_volume *volume = &place->pod->volumes[0];
    auto_(cor_freep) char *base = disk_volume_path(place->root, place->pod, volume);
    assert_false(disk_volume_is_written(place->root, place->pod, volume));
    auto_(payload_free) struct payload first = {0};
    add(&first, "a", "1", 0400);
    add(&first, "d/e/f", "deep", 0644);
    add(&first, "old", "x", 0644);
    assert_int_equal(disk_write_volume(place->root, place->pod, volume, &first, 1, &err), COR_OK);
    assert_true(disk_volume_is_written(place->root, place->pod, volume));
    expect(base, "a", "1");
    expect(base, "d/e/f", "deep");
    auto_(cor_freep) char *a = cor_sprintf("%s/a", base);
    struct stat st;
    assert_int_equal(stat(a, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(lstat(a, &st), 0);
    assert_true(S_ISLNK(st.st_mode));

    auto_(payload_free) struct payload second = {0};
    add(&second, "a", "2", 0644);
    add(&second, "new", "y", 0644);
    assert_int_equal(disk_write_volume(place->root, place->pod, volume, &second, 2, &err), COR_OK);
    expect(base, "a", "2");
    expect(base, "new", "y");
    expect(base, "old", NULL);
    expect(base, "d/e/f", NULL);
    expect(base, "..1/a", NULL);
    expect(base, "..data/a", "2");
}

static void test_a_failure_keeps_the_old_content(void **state)
{
    struct place *place = *state;
    struct cor_err err = COR_ERR_NONE;
    const struct pod_volume *volume = &place->pod->volumes[0];
    auto_(cor_freep) char *base = disk_volume_path(place->root, place->pod, volume);
    auto_(payload_free) struct payload good = {0};
    auto_(payload_free) struct payload bad = {0};
    add(&good, "a", "1", 0644);
    add(&bad, "a", "2", 0644);
    add(&bad, "a/b", "a is a file", 0644);
    assert_int_equal(disk_write_volume(place->root, place->pod, volume, &good, 1, &err), COR_OK);
    assert_int_not_equal(disk_write_volume(place->root, place->pod, volume, &bad, 2, &err), COR_OK);
    expect(base, "a", "1");
    expect(base, "..2/a", NULL);
}

static void test_host_paths(void **state)
{
    struct place *place = *state;
    static const struct {
        const char *path; /* below root */
        const char *type;
        enum cor_code code;
        const char *says;
    } cases[] = {
        {"pods/u1/made", "DirectoryOrCreate", COR_OK, ""},
        {"pods/u1/made", "Directory", COR_OK, ""},
        {"pods/u1/made", "File", COR_INVALID, "is not a file"},
        {"pods/u1/file", "FileOrCreate", COR_OK, ""},
        {"pods/u1/file", "Directory", COR_INVALID, "is not a directory"},
        {"pods/u1/none", "Directory", COR_INVALID, "is not a directory"},
        {"pods/u1/none", "", COR_OK, ""},
        {"pods/u1/none", "Socket", COR_INVALID, "is not a socket file"},
        {"pods/u1/none", "Nonsense", COR_INVALID, "invalid volume type"},
    };
    for (size_t i = 0; i < COR_COUNT(cases); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", place->root, cases[i].path);
        struct pod_volume volume = {
            .name = "h", .type = POD_VOLUME_HOST_PATH, .path = path, .path_type = cases[i].type};
        struct cor_err err = COR_ERR_NONE;
        assert_int_equal(disk_make_volume(place->root, place->pod, &volume, &err), cases[i].code);
        assert_non_null(strstr(err.text, cases[i].says));
    }
}

static void test_folders_and_messages(void **state)
{
    struct place *place = *state;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(disk_make_pod(place->root, place->logs, place->pod, &err), COR_OK);
    assert_int_equal(disk_make_volume(place->root, place->pod, &place->pod->volumes[1], &err),
                     COR_OK);
    auto_(cor_freep) char *path = NULL;
    assert_int_equal(disk_make_message(place->root, place->pod, "c", 3, &path, &err), COR_OK);
    assert_int_equal(cor_file_write(path, COR_VIEW("last words"), 0666, &err), COR_OK);
    auto_(cor_buf_free) struct cor_buf text = {0};
    disk_read_message(place->root, place->pod, "c", 3, &text);
    assert_string_equal(text.data, "last words");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    cor_buf_clear(&text);
    disk_read_message(place->root, place->pod, "c", 3, &text);
    assert_int_equal(text.len, 0); /* a link is not followed */
    auto_(cor_freep) char *log = cor_sprintf("%s/c/0.log", place->logs);
    assert_int_equal(
        cor_file_write(
            log,
            COR_VIEW(
                "2026-01-01T00:00:00Z stdout F one two\n2026-01-01T00:00:00Z stderr F three\n"),
            0644, &err),
        COR_OK);
    disk_read_log_tail(place->logs, "c", 0, &text);
    assert_string_equal(text.data, "one two\nthree\n");
}

/* What a pod leaves is removed without following links or leaving its folder. */
static void test_removal_stays_inside(void **state)
{
    struct place *place = *state;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(disk_make_pod(place->root, place->logs, place->pod, &err), COR_OK);
    auto_(cor_freep) char *outside = cor_sprintf("%s/keep", place->root);
    auto_(cor_freep) char *file = cor_sprintf("%s/file", outside);
    auto_(cor_freep) char *link = cor_sprintf("%s/pods/u1/volumes/link", place->root);
    assert_int_equal(mkdir(outside, 0755), 0);
    assert_int_equal(cor_file_write(file, COR_VIEW("x"), 0644, &err), COR_OK);
    assert_int_equal(symlink(outside, link), 0);
    disk_remove(place->root, place->logs, "u1");
    assert_int_equal(access(file, F_OK), 0);
    assert_int_not_equal(access(link, F_OK), 0);
    assert_int_equal(unlink(file), 0);
    assert_int_equal(rmdir(outside), 0);
}

static void note_uid(void *self, const char *uid)
{
    cor_buf_fmt(self, "%s,", uid);
}

/* relatime would note the first time that it is read after a change: a write by a node that is
 * idle. */
static void test_pods_are_listed_without_a_trace(void **state)
{
    struct place *place = *state;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *pods = cor_sprintf("%s/pods", place->root);
    auto_(cor_buf_free) struct cor_buf uids = {0};
    struct timespec times[2] = {{.tv_sec = 1000}, {.tv_sec = 2000}};
    struct stat st;
    assert_int_equal(disk_make_pod(place->root, place->logs, place->pod, &err), COR_OK);
    assert_int_equal(utimensat(AT_FDCWD, pods, times, 0), 0);
    disk_each_pod(place->root, note_uid, &uids);
    assert_string_equal(uids.data, "u1,");
    cor_buf_clear(&uids);
    auto_(cor_freep) char *logs = cor_sprintf("%s/..", place->logs);
    disk_each_log(logs, note_uid, &uids);
    assert_non_null(strstr(uids.data, strrchr(place->logs, '/') + 1));
    assert_int_equal(stat(pods, &st), 0);
    assert_int_equal(st.st_atim.tv_sec, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_content_is_swapped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_failure_keeps_the_old_content, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_host_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_folders_and_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_removal_stays_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pods_are_listed_without_a_trace, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("disk", tests, NULL, NULL);
}
