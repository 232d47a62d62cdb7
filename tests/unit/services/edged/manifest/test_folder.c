// SPDX-License-Identifier: Apache-2.0
// The folder of manifests, on real files: the loop runs until what is awaited has been told.
#include "services/edged/manifest/folder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../fixture.h"
#include "common/base/file.h"

struct set {
    char top[32];
    char *path; /* of the folder */
    struct cor_loop *loop;
    struct cor_log *log;
    struct cor_timer *late;
    struct folder *folder;
    char told[512]; /* "name=content;", "name!;" unreadable, "name-;" gone */
};

static const char *last_part(const char *path)
{
    return strrchr(path, '/') + 1;
}

static void tell(struct set *set, const char *path, const char *text)
{
    size_t len = strlen(set->told);
    (void)snprintf(set->told + len, sizeof(set->told) - len, "%s%s;", last_part(path), text);
    cor_loop_stop(set->loop);
}

static void on_file(void *self, const char *path, struct cor_view text)
{
    auto_(cor_freep) char *said = cor_sprintf("=%.*s", COR_VIEW_ARG(text));
    tell(self, path, said);
}

static void on_unreadable(void *self, const char *path, const struct cor_err *err)
{
    assert_int_not_equal(err->text[0], '\0');
    tell(self, path, "!");
}

static void on_gone(void *self, const char *path)
{
    tell(self, path, "-");
}

static const struct folder_events events = {on_file, on_unreadable, on_gone};

static void on_late(void *self)
{
    struct set *set = self;
    print_error("too late; told: %s\n", set->told);
    abort();
}

static int setup(void **state)
{
    struct set *set = cor_alloc(sizeof(*set));
    (void)snprintf(set->top, sizeof(set->top), "/tmp/folder-XXXXXX");
    assert_non_null(mkdtemp(set->top));
    set->path = cor_sprintf("%s/manifests", set->top);
    set->loop = cor_loop_new();
    set->log = cor_log_new("folder", COR_LEVEL_ERROR);
    set->late = cor_timer_new(set->loop, on_late, set);
    cor_timer_start(set->late, COR_SEC(60));
    *state = set;
    return 0;
}

static int teardown(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *remove = cor_sprintf("rm -rf %s", set->top);
    folder_close(&set->folder);
    cor_timer_free(&set->late);
    cor_loop_free(&set->loop);
    cor_log_free(&set->log);
    assert_int_equal(system(remove), 0); /* of this test only */
    cor_free(set->path);
    cor_free(set);
    return 0;
}

static void open_folder(struct set *set)
{
    struct cor_err err = COR_ERR_NONE;
    if (folder_open(set->loop, set->log, set->path, &events, set, &set->folder, &err) != COR_OK) {
        fail_msg("%s", err.text);
    }
}

static void open_and_look(struct set *set)
{
    open_folder(set);
    folder_look(set->folder);
}

static char *at(const struct set *set, const char *name)
{
    return cor_sprintf("%s/%s", set->path, name);
}

static void put(const struct set *set, const char *name, const char *text)
{
    auto_(cor_freep) char *path = at(set, name);
    auto_(cor_freep) char *first = cor_sprintf("%s/first", set->top);
    assert_int_equal(cor_file_write(first, cor_view_of(text), 0644, NULL), COR_OK);
    assert_int_equal(rename(first, path), 0);
}

static void await(struct set *set, const char *told)
{
    while (strcmp(set->told, told) != 0) {
        if (strlen(set->told) > strlen(told)) {
            fail_msg("told %s, not %s", set->told, told);
        }
        cor_loop_run(set->loop);
    }
    set->told[0] = '\0';
}

static void what_is_there_is_told(void **state)
{
    struct set *set = *state;
    assert_int_equal(mkdir(set->path, 0700), 0);
    put(set, "b.yaml", "2");
    put(set, "a.yaml", "1");
    put(set, ".hidden", "3");
    auto_(cor_freep) char *below = at(set, "below");
    assert_int_equal(mkdir(below, 0700), 0);
    open_and_look(set);
    assert_string_equal(set->told, "a.yaml=1;b.yaml=2;");
}

/* A file that is renamed to its place is told once; one that is written in place when it is closed;
 * so is a link. */
static void changes_are_told(void **state)
{
    struct set *set = *state;
    open_and_look(set);
    assert_string_equal(set->told, "");
    put(set, "a", "1");
    await(set, "a=1;");
    auto_(cor_freep) char *path = at(set, "b");
    FILE *file = fopen(path, "w");
    assert_true(fputs("half", file) >= 0);
    assert_int_equal(fflush(file), 0);
    put(set, "a", "2");
    await(set, "a=2;");
    assert_int_equal(fclose(file), 0);
    await(set, "b=half;");
    auto_(cor_freep) char *link = at(set, "l");
    assert_int_equal(symlink(path, link), 0);
    await(set, "l=half;");
    assert_int_equal(unlink(link), 0);
    await(set, "l-;");
    auto_(cor_freep) char *away = cor_sprintf("%s/away", set->top);
    assert_int_equal(rename(path, away), 0);
    await(set, "b-;");
}

static void too_big_a_file_is_told(void **state)
{
    struct set *set = *state;
    enum { MORE = 1024 * 1024 + 1 };
    auto_(cor_freep) char *text = cor_alloc(MORE + 1);
    memset(text, 'x', MORE);
    open_and_look(set);
    put(set, "big", text);
    await(set, "big!;");
    put(set, "big", "1");
    await(set, "big=1;");
}

/* A folder that goes away is made again. */
static void the_folder_comes_back(void **state)
{
    struct set *set = *state;
    auto_(cor_freep) char *away = cor_sprintf("%s/away", set->top);
    open_and_look(set);
    put(set, "a", "1");
    await(set, "a=1;");
    assert_int_equal(rename(set->path, away), 0);
    await(set, "a-;");
    put(set, "a", "2");
    await(set, "a=2;");
}

/* What was there before is gone when it is not there now, but not when nobody can tell. */
static void known_files_are_gone_or_unreadable(void **state)
{
    struct set *set = *state;
    assert_int_equal(cor_file_write(set->path, COR_VIEW("no folder"), 0600, NULL), COR_OK);
    open_folder(set);
    folder_know(set->folder, "a");
    folder_look(set->folder);
    assert_string_equal(set->told, "a!;");
    set->told[0] = '\0';
    folder_look(set->folder);
    assert_string_equal(set->told, "a!;");
    set->told[0] = '\0';
    folder_close(&set->folder);
    assert_int_equal(unlink(set->path), 0);
    open_folder(set);
    put(set, "b", "1");
    folder_know(set->folder, "a");
    folder_look(set->folder);
    assert_string_equal(set->told, "a-;b=1;");
    set->told[0] = '\0';
    folder_look(set->folder);
    assert_string_equal(set->told, "b=1;");
    set->told[0] = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_there_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(changes_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(too_big_a_file_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(the_folder_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(known_files_are_gone_or_unreadable, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
