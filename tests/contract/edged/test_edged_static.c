// SPDX-License-Identifier: Apache-2.0
// Static Pods and their mirrors, on a real edged and containerd.
#include <sys/stat.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000 };

#define WEB "web-n1"
#define MANIFEST                                                                                   \
    "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {round: '%d'}}\nspec:\n"              \
    "  terminationGracePeriodSeconds: 1\n  containers:\n  - name: c\n"                             \
    "    image: coracle.local/busybox:1\n"                                                         \
    "    command: [sh, -c, 'echo %d >> /out/%s; exec sleep 1000']\n"                               \
    "    volumeMounts: [{name: out, mountPath: /out}]\n"                                           \
    "  volumes: [{name: out, hostPath: {path: %s/out, type: DirectoryOrCreate}}]\n"

static int set_up(void **state)
{
    auto_(cor_freep) char *more = cor_sprintf("  static-dir: %s/manifests\n", getenv("TEST_DIR"));
    return cloud_set_up_with(state, more);
}

/* As an editor does: a file beside it, renamed. */
static void write_file(struct cloud *cloud, const char *name, const char *text)
{
    auto_(cor_freep) char *first = cor_sprintf("%s/first", cloud->dir);
    auto_(cor_freep) char *path = cor_sprintf("%s/manifests/%s.yaml", getenv("TEST_DIR"), name);
    must(cor_file_write(first, cor_view_of(text), 0644, NULL) == COR_OK);
    assert_int_equal(rename(first, path), 0);
}

static void write_pod(struct cloud *cloud, const char *name, int round)
{
    auto_(cor_freep) char *text = cor_sprintf(MANIFEST, name, round, round, name, cloud->dir);
    write_file(cloud, name, text);
}

static void remove_file(const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/manifests/%s.yaml", getenv("TEST_DIR"), name);
    assert_int_equal(unlink(path), 0);
}

static bool has_folder(struct cloud *cloud, void *with)
{
    (void)cloud;
    (void)with;
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/manifests", getenv("TEST_DIR"));
    return stat(path, &st) == 0;
}

/* What the container has written says how often it was started, and in which round. */
struct written {
    const char *name;
    const char *text;
};

static bool has_written(struct cloud *cloud, void *with)
{
    const struct written *expected = with;
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_freep) char *path = cor_sprintf("%s/out/%s", cloud->dir, expected->name);
    return cor_file_read(path, 100, &text, NULL) == COR_OK &&
           cor_view_is(cor_buf_as_view(&text), expected->text);
}

static void check_written(struct cloud *cloud, const char *name, const char *text)
{
    struct written expected = {name, text};
    (void)cloud_await(cloud, has_written, &expected, PATIENCE, "the container has run");
}

static const struct cor_json *mirror_of(struct cloud *cloud, const char *name)
{
    auto_(cor_freep) char *key = cor_sprintf("default/pod/%s", name);
    return cor_map_get(cloud->objects, cor_view_of(key));
}

static const char *mark(const struct cor_json *pod, const char *name)
{
    return cor_json_as_str(cor_json_get(cor_json_at(pod, "metadata.annotations"), name), "");
}

static bool is_shown(struct cloud *cloud, void *name)
{
    return mirror_of(cloud, name) != NULL && cloud_is_running(cloud, name);
}

static bool is_shown_no_more(struct cloud *cloud, void *name)
{
    return mirror_of(cloud, name) == NULL;
}

/* It is told to this mirror. */
static bool is_shown_by(struct cloud *cloud, void *uid)
{
    const char *now = cor_json_str_at(mirror_of(cloud, WEB), "metadata.uid", "");
    return strcmp(now, uid) == 0 &&
           strcmp(cor_json_str_at(mirror_of(cloud, WEB), "status.phase", ""), "Running") == 0;
}

static bool is_told_again(struct cloud *cloud, void *before)
{
    return cloud->patches > *(size_t *)before;
}

/* Nobody to be asked, not even metamanager: it runs. Then it is shown, and found again. */
static void test_runs_without_a_cloud(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_folder, NULL, PATIENCE, "the folder is made");
    cloud_kill_edged(cloud, SIGTERM);
    cloud_close(cloud);
    cloud_start_edged(cloud);
    write_pod(cloud, "web", 1);
    check_written(cloud, "web", "1\n");
    cloud_open(cloud);
    (void)cloud_await(cloud, is_shown, CLOUD_NAME(WEB), PATIENCE, "it is shown");
    const struct cor_json *mirror = mirror_of(cloud, WEB);
    const struct cor_json *owner =
        cor_json_item(cor_json_at(mirror, "metadata.ownerReferences"), 0);
    assert_string_equal(mark(mirror, "kubernetes.io/config.source"), "file");
    assert_string_equal(mark(mirror, "kubernetes.io/config.mirror"),
                        mark(mirror, "kubernetes.io/config.hash"));
    assert_string_equal(cor_json_str_at(owner, "uid", ""), "node-uid");
    assert_string_equal(cor_json_str_at(mirror, "metadata.labels.round", ""), "1");
    size_t patches = cloud->patches;
    cloud_kill_edged(cloud, SIGKILL);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_told_again, &patches, PATIENCE, "it is told again");
    assert_true(is_shown_by(cloud, CLOUD_NAME("made-1")));
    check_written(cloud, "web", "1\n"); /* it was not started again */
    remove_file("web");
    (void)cloud_await(cloud, is_shown_no_more, CLOUD_NAME(WEB), PATIENCE, "it is gone");
    assert_int_equal(cloud->made, 1);
}

/* Whatever the cloud does to the mirror, the Pod runs on and has one. */
static void test_mirrors_come_back(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_folder, NULL, PATIENCE, "the folder is made");
    write_pod(cloud, "web", 1);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-1"), PATIENCE, "it is shown");
    cloud_mark_deleted(cloud, WEB, 30);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-2"), PATIENCE, "it is made again");
    cloud_gone(cloud, "default/pod/" WEB);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-3"), PATIENCE, "and again");
    cloud_kill_edged(cloud, SIGTERM);
    cloud_gone(cloud, "default/pod/" WEB); /* it is told of no mirror */
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-4"), PATIENCE, "after a restart");
    check_written(cloud, "web", "1\n");
    cloud_put(cloud, "default/pod/left-n1",
              json_of("{'apiVersion':'v1','kind':'Pod','metadata':{'name':'left-n1','namespace':"
                      "'default','uid':'u','annotations':{'kubernetes.io/config.mirror':'x'}},"
                      "'spec':{'nodeName':'n1','containers':[{'name':'c','image':'i'}]}}"));
    (void)cloud_await(cloud, is_shown_no_more, CLOUD_NAME("left-n1"), PATIENCE,
                      "a mirror of nothing goes");
    remove_file("web");
    (void)cloud_await(cloud, is_shown_no_more, CLOUD_NAME(WEB), PATIENCE, "it is gone");
}

/* A bad file changes nothing, a changed one replaces the Pod: the old one ends first. */
static void test_files_are_followed(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_folder, NULL, PATIENCE, "the folder is made");
    write_pod(cloud, "web", 1);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-1"), PATIENCE, "it is shown");
    write_file(cloud, "web", "apiVersion: v1\nkind: Pod\nmetadata: {name: web\n");
    write_pod(cloud, "two", 1);
    (void)cloud_await(cloud, is_shown, CLOUD_NAME("two-n1"), PATIENCE, "the next file counts");
    assert_true(is_shown_by(cloud, CLOUD_NAME("made-1")));
    check_written(cloud, "web", "1\n");
    write_pod(cloud, "web", 2);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-3"), PATIENCE, "the new one is shown");
    check_written(cloud, "web", "1\n2\n");
    assert_string_equal(cor_json_str_at(mirror_of(cloud, WEB), "metadata.labels.round", ""), "2");
    assert_non_null(strstr(cloud->last_delete, "\"uid\":\"made-1\""));
    auto_(cor_freep) char *text = cor_sprintf(MANIFEST, "web", 3, 3, "web", cloud->dir);
    write_file(cloud, "again", text); /* another file of the same name waits */
    write_pod(cloud, "two", 2);
    check_written(cloud, "two", "1\n2\n");
    check_written(cloud, "web", "1\n2\n");
    remove_file("web");
    check_written(cloud, "web", "1\n2\n3\n");
    remove_file("again");
    remove_file("two");
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, PATIENCE, "all gone");
}

static bool is_refused(struct cloud *cloud, void *path)
{
    for (size_t i = 0; i < cor_json_count(cloud->events); i++) {
        const struct cor_json *event = cor_json_item(cloud->events, i);
        if (strcmp(cor_json_str_at(event, "reason", ""), "FailedValidation") == 0 &&
            strstr(cor_json_str_at(event, "message", ""), path) != NULL) {
            return true;
        }
    }
    return false;
}

static void restart_edged(struct cloud *cloud, int number)
{
    size_t patches = cloud->patches;
    cloud_kill_edged(cloud, number);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_told_again, &patches, PATIENCE, "it is told again");
}

static void write_too_big(struct cloud *cloud, const char *name)
{
    enum { MORE = (1024 * 1024) + 1 };
    auto_(cor_freep) char *text = cor_alloc(MORE + 1);
    memset(text, '#', MORE);
    write_file(cloud, name, text);
}

/* Files that say nothing while edged starts end nothing: what they said last goes on. */
static void test_bad_files_at_start_end_nothing(void **state)
{
    struct cloud *cloud = *state;
    (void)cloud_await(cloud, has_folder, NULL, PATIENCE, "the folder is made");
    write_pod(cloud, "web", 1);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-1"), PATIENCE, "it is shown");
    write_pod(cloud, "two", 1);
    (void)cloud_await(cloud, is_shown, CLOUD_NAME("two-n1"), PATIENCE, "the second, too");
    cloud_kill_edged(cloud, SIGKILL);
    write_file(cloud, "web", "apiVersion: v1\nkind: Pod\nmetadata: {name: web\n");
    write_too_big(cloud, "two");
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_refused, CLOUD_NAME("/web.yaml: "), PATIENCE, "it says why");
    (void)cloud_await(cloud, is_refused, CLOUD_NAME("/two.yaml: "), PATIENCE, "the second, too");
    write_pod(cloud, "three", 1);
    (void)cloud_await(cloud, is_shown, CLOUD_NAME("three-n1"), PATIENCE, "others are run");
    restart_edged(cloud, SIGTERM); /* again: it was not good in between */
    assert_true(is_shown_by(cloud, CLOUD_NAME("made-1")));
    check_written(cloud, "web", "1\n");
    check_written(cloud, "two", "1\n");
    cloud_kill_edged(cloud, SIGTERM);
    remove_file("two");
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_shown_no_more, CLOUD_NAME("two-n1"), PATIENCE, "no file, no Pod");
    assert_true(is_shown_by(cloud, CLOUD_NAME("made-1")));
    write_pod(cloud, "web", 2);
    check_written(cloud, "web", "1\n2\n");
    remove_file("web");
    remove_file("three");
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, PATIENCE, "all gone");
}

/* While the folder itself cannot be read nobody knows what is in it. */
static void test_an_unreadable_folder_ends_nothing(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_freep) char *folder = cor_sprintf("%s/manifests", getenv("TEST_DIR"));
    auto_(cor_freep) char *away = cor_sprintf("%s/away", cloud->dir);
    (void)cloud_await(cloud, has_folder, NULL, PATIENCE, "the folder is made");
    write_pod(cloud, "web", 1);
    (void)cloud_await(cloud, is_shown_by, CLOUD_NAME("made-1"), PATIENCE, "it is shown");
    cloud_kill_edged(cloud, SIGKILL);
    assert_int_equal(rename(folder, away), 0);
    must(cor_file_write(folder, COR_VIEW("no folder"), 0600, NULL) == COR_OK);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_refused, CLOUD_NAME("/web.yaml: "), PATIENCE, "it says why");
    restart_edged(cloud, SIGKILL);
    assert_true(is_shown_by(cloud, CLOUD_NAME("made-1")));
    assert_int_equal(unlink(folder), 0);
    assert_int_equal(rename(away, folder), 0); /* edged looks every ten seconds */
    write_pod(cloud, "web", 2);
    check_written(cloud, "web", "1\n2\n");
    remove_file("web");
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, PATIENCE, "all gone");
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_runs_without_a_cloud, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_mirrors_come_back, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_files_are_followed, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_bad_files_at_start_end_nothing, set_up,
                                        cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_an_unreadable_folder_ends_nothing, set_up,
                                        cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged static", tests, NULL, NULL);
}
