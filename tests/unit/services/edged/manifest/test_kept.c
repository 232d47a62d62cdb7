// SPDX-License-Identifier: Apache-2.0
// The last good forms of manifests, on real files.
#include "services/edged/manifest/kept.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "common/base/file.h"

#define ONE "/etc/m/one.yaml"
#define TWO "/etc/m/two.yaml"

struct set {
    char top[32];
    char *dir;
    char told[256];
};

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    (void)snprintf(set->top, sizeof(set->top), "/tmp/kept-XXXXXX");
    assert_non_null(mkdtemp(set->top));
    set->dir = cor_sprintf("%s/kept", set->top);
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *remove = cor_sprintf("rm -rf %s", set->top);
    assert_int_equal(system(remove), 0); /* of this test only */
    cor_free(set->dir);
    cor_free(set);
    return 0;
}

static void check(struct set *set, const char *path, const char *text)
{
    auto_(cor_buf_free) struct cor_buf got = {0};
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = kept_get(set->dir, path, &got, &err);
    if (text == NULL) {
        assert_int_equal(code, COR_NOTFOUND);
    } else {
        assert_int_equal(code, COR_OK);
        assert_true(cor_view_is(cor_buf_as_view(&got), text));
    }
}

static void put(struct set *set, const char *path, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(kept_put(set->dir, path, cor_view_of(text), &err), COR_OK);
}

static void on_path(void *self, const char *path)
{
    struct set *set = self;
    size_t len = strlen(set->told);
    (void)snprintf(set->told + len, sizeof(set->told) - len, "%s;", path);
    kept_drop(set->dir, path);
}

/* The one file of the folder. */
static char *file_of(const struct set *set)
{
    char *path = NULL;
    auto_(cor_freep) char *command = cor_sprintf("ls -d %s/*.json", set->dir);
    char line[128] = "";
    FILE *pipe = popen(command, "r"); /* of this test only */
    assert_non_null(fgets(line, sizeof(line), pipe));
    assert_int_equal(pclose(pipe), 0);
    line[strcspn(line, "\n")] = '\0';
    path = cor_strdup(line);
    return path;
}

static void what_is_put_is_there(void **state)
{
    struct set *set = *state;
    check(set, ONE, NULL);
    put(set, ONE, "kind: Pod # \"\n");
    put(set, TWO, "2");
    check(set, ONE, "kind: Pod # \"\n");
    put(set, ONE, "1");
    check(set, ONE, "1");
    check(set, TWO, "2");
    kept_drop(set->dir, ONE);
    kept_drop(set->dir, ONE);
    check(set, ONE, NULL);
    check(set, TWO, "2");
    kept_each(set->dir, on_path, set);
    assert_string_equal(set->told, TWO ";");
    check(set, TWO, NULL);
}

/* The same again writes nothing: flash wears out. */
static void the_same_is_not_written_again(void **state)
{
    struct set *set = *state;
    struct stat first;
    struct stat then;
    put(set, ONE, "1");
    auto_(cor_freep) char *file = file_of(set);
    assert_int_equal(stat(file, &first), 0);
    put(set, ONE, "1");
    assert_int_equal(stat(file, &then), 0);
    assert_int_equal(first.st_ino, then.st_ino); /* a file written is another one */
}

static void a_broken_file_is_told_and_replaced(void **state)
{
    struct set *set = *state;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_buf_free) struct cor_buf got = {0};
    put(set, ONE, "1");
    auto_(cor_freep) char *file = file_of(set);
    assert_int_equal(cor_file_write(file, COR_VIEW("{\"file\": \"/etc"), 0600, NULL), COR_OK);
    assert_int_equal(kept_get(set->dir, ONE, &got, &err), COR_INVALID);
    assert_int_equal(got.len, 0);
    kept_each(set->dir, on_path, set);
    assert_string_equal(set->told, "");
    put(set, ONE, "2");
    check(set, ONE, "2");
}

static void a_folder_that_cannot_be_is_told(void **state)
{
    struct set *set = *state;
    struct cor_err err = COR_ERR_NONE;
    assert_int_equal(cor_file_write(set->dir, COR_VIEW(""), 0600, NULL), COR_OK);
    assert_int_equal(kept_put(set->dir, ONE, COR_VIEW("1"), &err), COR_IO);
    assert_int_not_equal(err.text[0], '\0');
    kept_each(set->dir, on_path, set);
    assert_string_equal(set->told, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_there, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_is_not_written_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_broken_file_is_told_and_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
