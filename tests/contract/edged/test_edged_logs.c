// SPDX-License-Identifier: Apache-2.0
// Logs that are put aside while a container floods them and somebody follows, with a real
// containerd.
#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cloud.h"
#include "contained.h"

enum { PATIENCE = 30 * 1000 * 1000, LINES = 40000, MAX_SIZE = 262144, MAX_FILES = 3 };

/* Numbered lines; about 1.8 MiB in the log, in two floods and some that come slowly between. */
/* Says nothing before /out/go is there, so that who follows it then has the first file. */
#define FLOOD                                                                                      \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'while [ ! -e /out/go ]; do sleep 0.1; done; seq 1 20000; "                                   \
    "for i in 20001 20002 20003 20004 20005 20006 20007 20008 20009 20010 20011 20012; do "        \
    "echo $i; sleep 0.3; done; seq 20013 40000; while :; do sleep 1; done'],"                      \
    "'volumeMounts':[{'name':'out','mountPath':'/out'}]}],"                                        \
    "'volumes':[{'name':'out','hostPath':{'path':'%s/out','type':'DirectoryOrCreate'}}]}"

static void put_flood(struct cloud *cloud)
{
    auto_(cor_freep) char *spec = cor_sprintf(FLOOD, cloud->dir);
    cloud_put_pod(cloud, "flood", spec);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("flood"), PATIENCE, "it runs");
}

static void let_go(const struct cloud *cloud)
{
    auto_(cor_freep) char *go = cor_sprintf("%s/out/go", cloud->dir);
    assert_int_equal(cor_file_write(go, COR_VIEW(""), 0644, NULL), COR_OK);
}

/* A client of edged's unix socket that reads what it is sent. */
struct client {
    struct cloud *cloud;
    struct cor_io *io;
    int fd;
    struct cor_buf text;
    size_t lines;
};

static void on_text(void *self, int fd, int events)
{
    (void)events;
    struct client *client = self;
    ssize_t n = recv(fd, cor_buf_room(&client->text, 65536), 65536, MSG_DONTWAIT);
    assert_true(n >= 0);
    client->text.len += (size_t)n;
    if (n == 0) { /* the container has ended */
        cor_io_set(client->io, 0);
    }
    cor_loop_stop(client->cloud->loop);
}

static void follow(struct client *client, struct cloud *cloud)
{
    static const char REQUEST[] = "GET /containerLogs/default/flood/c?follow=true HTTP/1.0\r\n\r\n";
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s/r/edged.sock", cloud->dir);
    client->cloud = cloud;
    client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client->fd, (const struct sockaddr *)&local, sizeof(local)), 0);
    assert_int_equal(send(client->fd, REQUEST, strlen(REQUEST), MSG_NOSIGNAL), strlen(REQUEST));
    client->io = cor_io_new(cloud->loop, client->fd, COR_READ, on_text, client);
}

static void client_free(struct client *client)
{
    cor_io_free(&client->io);
    cor_fd_close(&client->fd);
    cor_buf_free(&client->text);
}

static bool is_answered(struct cloud *cloud, void *with)
{
    struct cor_view text = cor_buf_as_view(&((struct client *)with)->text);
    (void)cloud;
    if (text.len == 0 || memmem(text.ptr, text.len, "\r\n\r\n", 4) == NULL) {
        return false;
    }
    if (memmem(text.ptr, text.len, " 200 ", 5) == NULL) {
        fail_msg("it was answered: %.*s", COR_VIEW_ARG(text));
    }
    return true;
}

/* Each line must be the one after the last. */
static bool has_all_lines(struct cloud *cloud, void *with)
{
    (void)cloud;
    struct client *client = with;
    struct cor_view rest = cor_buf_as_view(&client->text);
    const char *body = memmem(rest.ptr, rest.len, "\r\n\r\n", 4);
    size_t lines = 0;
    rest = (struct cor_view){body + 4, rest.len - (size_t)(body + 4 - rest.ptr)};
    while (memchr(rest.ptr, '\n', rest.len) != NULL) {
        struct cor_view line;
        int64_t n = 0;
        (void)cor_view_split(&rest, '\n', &line);
        lines++;
        if (!cor_view_i64(line, &n) || n != (int64_t)lines) {
            fail_msg("line %zu is %.*s", lines, COR_VIEW_ARG(line));
        }
    }
    client->lines = lines;
    return lines == LINES;
}

/* What is in the container's folder. */
struct folder {
    size_t files, compressed;
    off_t largest;
};

static struct folder look(const struct cloud *cloud)
{
    struct folder folder = {0};
    auto_(cor_freep) char *path = cor_sprintf("%s/logs/default_flood_uid-flood/c", cloud->dir);
    DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode)) {
            folder.files++;
            folder.compressed += strstr(entry->d_name, ".gz") != NULL ? 1 : 0;
            folder.largest = st.st_size > folder.largest ? st.st_size : folder.largest;
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return folder;
}

static bool is_tidy(struct cloud *cloud, void *with)
{
    (void)with;
    struct folder folder = look(cloud);
    return folder.files == MAX_FILES && folder.compressed == MAX_FILES - 2;
}

static void test_a_follower_misses_nothing(void **state)
{
    struct cloud *cloud = *state;
    auto_(client_free) struct client client = {.fd = -1};
    put_flood(cloud);
    follow(&client, cloud);
    (void)cloud_await(cloud, is_answered, &client, PATIENCE, "it is answered");
    let_go(cloud);
    int64_t us = cloud_await(cloud, has_all_lines, &client, PATIENCE, "all lines");
    print_message("%zu lines after %lld ms\n", client.lines, (long long)us / 1000);
    us = cloud_await(cloud, is_tidy, NULL, PATIENCE, "old files compressed and removed");
    print_message("tidy %lld ms later: %zu files, %zu compressed\n", (long long)us / 1000,
                  look(cloud).files, look(cloud).compressed);
    assert_true(has_all_lines(cloud, &client));
    cloud_delete_pods(cloud);
    assert_int_equal(look(cloud).files, 0);
}

static bool has_log(struct cloud *cloud, void *with)
{
    (void)with;
    auto_(cor_freep) char *path =
        cor_sprintf("%s/logs/default_flood_uid-flood/c/0.log", cloud->dir);
    return access(path, F_OK) == 0;
}

/* As edged leaves it when it is killed between putting the file aside and telling the runtime. */
static void test_a_lost_log_is_begun_anew(void **state)
{
    struct cloud *cloud = *state;
    put_flood(cloud);
    cloud_kill_edged(cloud, SIGKILL);
    auto_(cor_freep) char *log = cor_sprintf("%s/logs/default_flood_uid-flood/c/0.log", cloud->dir);
    auto_(cor_freep) char *aside = cor_sprintf("%s.20260101-000000", log);
    assert_int_equal(rename(log, aside), 0);
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, has_log, NULL, PATIENCE, "there is a log again");
    cloud_delete_pods(cloud);
}

static int set_up(void **state)
{
    return cloud_set_up_with(state,
                             "logs:\n  max-size: 256Ki\n  max-files: 3\n  look-seconds: 1\n");
}

int main(int argc, char **argv)
{
    (void)argc;
    be_contained(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_follower_misses_nothing, set_up, cloud_tear_down),
        cmocka_unit_test_setup_teardown(test_a_lost_log_is_begun_anew, set_up, cloud_tear_down),
    };
    return cmocka_run_group_tests_name("edged logs", tests, NULL, NULL);
}
