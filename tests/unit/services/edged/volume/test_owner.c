// SPDX-License-Identifier: Apache-2.0
// Volumes become their Pod's group's, on real files.
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "common/base/file.h"
#include "services/edged/volume/owner.h"

enum { GROUP = 4321 };

static char folder[] = "/tmp/test-owner.XXXXXX";

static void make(const char *name, mode_t mode)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, name);
    assert_int_equal(cor_file_write(path, COR_VIEW("x"), mode, &err), COR_OK);
}

static void make_folder(const char *name, mode_t mode)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, name);
    assert_int_equal(mkdir(path, mode), 0);
}

static void expect(const char *name, gid_t group, mode_t mode)
{
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, name);
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_gid, group);
    if (!S_ISLNK(st.st_mode)) {
        assert_int_equal(st.st_mode & 07777, mode);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        return 0;
    }
    assert_non_null(mkdtemp(folder));
    auto_(cor_freep) char *link = cor_sprintf("%s/volume/sub/away", folder);
    auto_(cor_freep) char *target = cor_sprintf("%s/outside", folder);
    make("outside", 0600);
    make_folder("volume", 0700);
    make_folder("volume/sub", 0755);
    make("volume/sub/file", 0400);
    make("volume/tool", 0755);
    return symlink(target, link);
}

static int tear_down(void **state)
{
    static const char *const names[] = {"volume/sub/away", "volume/sub/file", "volume/sub",
                                        "volume/tool",     "volume",          "outside"};
    (void)state;
    for (size_t i = 0; geteuid() == 0 && i < COR_COUNT(names); i++) {
        auto_(cor_freep) char *path = cor_sprintf("%s/%s", folder, names[i]);
        (void)remove(path);
    }
    return geteuid() == 0 ? rmdir(folder) : 0;
}

static int give(bool on_mismatch)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/volume", folder);
    return owner_give_now(path, GROUP, on_mismatch);
}

static void test_all_below_is_given(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(give(true), 0); /* the root does not match */
    expect("volume", GROUP, 02770);
    expect("volume/sub", GROUP, 02775);
    expect("volume/sub/file", GROUP, 0660);
    expect("volume/tool", GROUP, 0775);
    expect("volume/sub/away", GROUP, 0);
    expect("outside", 0, 0600); /* the link is given, not what it names */
}

static void test_a_root_that_matches(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    auto_(cor_freep) char *path = cor_sprintf("%s/volume/sub/file", folder);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(chown(path, 0, 0), 0);
    assert_int_equal(give(true), 0);
    expect("volume/sub/file", 0, 0400);
    assert_int_equal(give(false), 0);
    expect("volume/sub/file", GROUP, 0660);
}

static void test_nothing_is_there(void **state)
{
    (void)state;
    assert_int_equal(owner_give_now("/nonexistent/volume", GROUP, false), ENOENT);
    assert_int_equal(owner_give_now("/nonexistent/volume", GROUP, true), ENOENT);
}

struct told {
    struct cor_loop *loop;
    int error;
    int times;
};

static void on_given(void *self, int error)
{
    struct told *told = self;
    told->error = error;
    told->times++;
    cor_loop_stop(told->loop);
}

static void test_by_a_child(void **state)
{
    (void)state;
    struct told told = {.loop = cor_loop_new()};
    owner_give(told.loop, "/nonexistent/volume", GROUP, false, on_given, &told);
    assert_int_equal(told.times, 0);
    cor_loop_run(told.loop);
    assert_int_equal(told.times, 1);
    assert_int_equal(told.error, ENOENT);
    cor_loop_free(&told.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_below_is_given),
        cmocka_unit_test(test_a_root_that_matches),
        cmocka_unit_test(test_nothing_is_there),
        cmocka_unit_test(test_by_a_child),
    };
    return cmocka_run_group_tests_name("owner", tests, set_up, tear_down);
}
