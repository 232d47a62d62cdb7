// SPDX-License-Identifier: Apache-2.0
#include "services/edged/logs/logfiles.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
// clang-format off
#include <cmocka.h>
// clang-format on

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "services/edged/api/logfollow.h"
#include "tests/support/process.h"

static const struct rotate_rules RULES = {.max_size = 10, .max_files = 3, .look_us = 1};

static void put(const char *dir, const char *name, const char *text)
{
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", dir, name);
    must(cor_file_write(path, cor_view_of(text), 0640, &err) == COR_OK);
}

static int64_t size_of(const char *dir, const char *name)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", dir, name);
    return logfiles_size(path);
}

static void a_name_is_not_taken(void **state)
{
    const char *dir = *state;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_freep) char *log = cor_sprintf("%s/0.log", dir);
    auto_(cor_freep) char *aside = cor_sprintf("%s/0.log.1", dir);
    put(dir, "0.log", "new");
    put(dir, "0.log.1", "older");
    assert_int_equal(logfiles_move(log, aside, &err), COR_IO);
    assert_int_equal(size_of(dir, "0.log.1"), 5);
    assert_int_equal(unlink(aside), 0);
    assert_int_equal(logfiles_move(log, aside, &err), COR_OK);
    assert_int_equal(size_of(dir, "0.log"), -1);
    assert_int_equal(size_of(dir, "0.log.1"), 3);
}

/* gzip -t would say the same of the whole; the magic number and the size at the end do here. */
static void old_ones_become_gzip(void **state)
{
    const char *dir = *state;
    auto_(cor_freep) char *log = cor_sprintf("%s/0.log", dir);
    auto_(cor_freep) char *path = cor_sprintf("%s/0.log.20260101-000001.gz", dir);
    auto_(cor_buf_free) struct cor_buf text = {0};
    put(dir, "0.log", "x");
    put(dir, "0.log.20260101-000000", "removed");
    put(dir, "0.log.20260101-000001", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    put(dir, "0.log.20260101-000002", "stays");
    logfiles_tidy(&RULES, log);
    assert_int_equal(size_of(dir, "0.log.20260101-000000"), -1);
    assert_int_equal(size_of(dir, "0.log.20260101-000001"), -1);
    assert_int_equal(size_of(dir, "0.log.20260101-000002"), 5);
    assert_int_equal(cor_file_read(path, 4096, &text, NULL), COR_OK);
    assert_int_equal((unsigned char)text.data[0], 0x1f);
    assert_int_equal((unsigned char)text.data[1], 0x8b);
    assert_int_equal((unsigned char)text.data[text.len - 4], 57);
    assert_true(text.len < 40);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void check_rest(const struct logfollow *f, const char *text)
{
    char buf[64];
    ssize_t n = read(logfollow_file(f), buf, sizeof(buf));
    assert_int_equal(n, (ssize_t)strlen(text));
    assert_memory_equal(buf, text, strlen(text));
}

static struct logwatch *watch_new(void)
{
    struct logwatch *watch = NULL;
    assert_int_equal(logwatch_new(&watch, NULL), COR_OK);
    return watch;
}

/* The writer, as containerd does it, makes the new file before it ends the old one. */
static void a_follower_reads_each_file_to_its_end(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_mono now = {COR_SEC(100)};
    auto_(cor_freep) char *log = cor_sprintf("%s/0.log", (const char *)*state);
    auto_(cor_freep) char *aside = cor_sprintf("%s.20260101-000001", log);
    auto_(logwatch_free) struct logwatch *watch = watch_new();
    auto_(logfollow_free) struct logfollow *f = NULL;
    assert_int_equal(logfollow_open(watch, log, NULL, NULL, &f, &err), COR_NOTFOUND);
    int old = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    say(old, "one");
    assert_int_equal(logfollow_open(watch, log, NULL, NULL, &f, &err), COR_OK);
    check_rest(f, "one");
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_LAST);
    assert_int_equal(logfiles_move(log, aside, &err), COR_OK);
    int new = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    say(new, "three");
    logwatch_look(watch);
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_WAIT);
    say(old, "two");
    (void)close(old);
    logwatch_look(watch);
    check_rest(f, "two");
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_NEXT);
    check_rest(f, "three");
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_LAST);
    (void)close(new);
}

/* Between putting the file aside and the runtime's new one there is none of the name. */
static void who_comes_meanwhile_reads_too(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_mono now = {COR_SEC(100)};
    auto_(cor_freep) char *log = cor_sprintf("%s/0.log", (const char *)*state);
    auto_(logwatch_free) struct logwatch *watch = watch_new();
    auto_(logfollow_free) struct logfollow *f = NULL;
    put(*state, "0.log.20260101-000001", "older");
    put(*state, "0.log.20260101-000001.gz", "no text");
    put(*state, "1.log.20260101-000003", "of another life");
    auto_(cor_freep) char *aside = cor_sprintf("%s.20260101-000002", log);
    int old = open(aside, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    say(old, "one");
    assert_int_equal(logfollow_open(watch, log, NULL, NULL, &f, &err), COR_OK);
    check_rest(f, "one");
    put(*state, "0.log", "two");
    (void)close(old);
    logwatch_look(watch);
    check_rest(f, "");
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_NEXT);
    check_rest(f, "two");
}

/* One that is never closed is waited for for a second only. */
static void a_follower_does_not_wait_for_ever(void **state)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_mono now = {COR_SEC(100)};
    auto_(cor_freep) char *log = cor_sprintf("%s/0.log", (const char *)*state);
    auto_(cor_freep) char *aside = cor_sprintf("%s.20260101-000001", log);
    auto_(logwatch_free) struct logwatch *watch = watch_new();
    auto_(logfollow_free) struct logfollow *f = NULL;
    put(*state, "0.log", "one");
    assert_int_equal(logfollow_open(watch, log, NULL, NULL, &f, &err), COR_OK);
    assert_int_equal(logfiles_move(log, aside, &err), COR_OK);
    put(*state, "0.log", "two");
    logwatch_look(watch);
    check_rest(f, "one");
    assert_int_equal(logfollow_turn(f, now), LOGFOLLOW_WAIT);
    assert_int_equal(logfollow_turn(f, cor_mono_add(now, COR_MS(999))), LOGFOLLOW_WAIT);
    assert_int_equal(logfollow_turn(f, cor_mono_add(now, COR_SEC(1))), LOGFOLLOW_NEXT);
    check_rest(f, "two");
}

static void count(void *self)
{
    (*(int *)self)++;
}

/* The system gives a user some hundred watches, and each follower hears of his own log alone. */
static void hundreds_follow(void **state)
{
    enum { LOGS = 2, FOLLOWERS = 300 };
    struct logfollow *all[FOLLOWERS] = {NULL};
    int heard[LOGS] = {0};
    auto_(logwatch_free) struct logwatch *watch = watch_new();
    auto_(cor_freep) char *one = cor_sprintf("%s/one", (const char *)*state);
    auto_(cor_freep) char *two = cor_sprintf("%s/two", (const char *)*state);
    const char *const folders[LOGS] = {one, two};
    for (int i = 0; i < LOGS; i++) {
        assert_int_equal(mkdir(folders[i], 0750), 0);
        put(folders[i], "0.log", "one");
    }
    for (int i = 0; i < FOLLOWERS; i++) {
        auto_(cor_freep) char *log = cor_sprintf("%s/0.log", folders[i % LOGS]);
        assert_int_equal(logfollow_open(watch, log, count, &heard[i % LOGS], &all[i], NULL),
                         COR_OK);
    }
    put(one, "0.log", "two");
    logwatch_look(watch);
    assert_int_equal(heard[0], FOLLOWERS / LOGS);
    assert_int_equal(heard[1], 0);
    for (int i = LOGS; i < FOLLOWERS; i++) { /* one of each stays, and still hears */
        logfollow_free(&all[i]);
    }
    put(two, "0.log", "two");
    logwatch_look(watch);
    assert_int_equal(heard[0], FOLLOWERS / LOGS);
    assert_int_equal(heard[1], 1);
    logfollow_free(&all[0]);
    logfollow_free(&all[1]);
    put(one, "0.log", "three");
    logwatch_look(watch);
    assert_int_equal(heard[0], FOLLOWERS / LOGS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static int set_up(void **state)
{
    *state = test_dir_new();
    return 0;
}

static int tear_down(void **state)
{
    test_dir_free((char **)state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_name_is_not_taken),
        TEST(old_ones_become_gzip),
        TEST(a_follower_reads_each_file_to_its_end),
        TEST(a_follower_does_not_wait_for_ever),
        TEST(who_comes_meanwhile_reads_too),
        TEST(hundreds_follow),
    };
    return cmocka_run_group_tests_name("logfiles", tests, NULL, NULL);
}
