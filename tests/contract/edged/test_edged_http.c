// SPDX-License-Identifier: Apache-2.0
// edged's API as programs on the node ask it: on the unix socket and on the port, with a real
// containerd.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "cloud.h"
#include "contained.h"
#include "tests/support/bus/stats.h"

enum { PATIENCE = 30 * 1000 * 1000, PORT = 10350, TOKEN_LEN = 64 };

#define POD                                                                                        \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'echo hello; while :; do sleep 0.1; done'],'resources':{'limits':{'memory':'64Mi','cpu':"     \
    "'500m'}},'readinessProbe':{'exec':{'command':['true']}}}],'volumes':[{'name':'tmp','"         \
    "emptyDir':{'medium':'Memory'}}]}"

/* ---- a client ---- */

/* -1: nobody listens. */
static int try_connect(const struct cloud *cloud, bool port)
{
    int fd = socket(port ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval patience = {.tv_sec = PATIENCE / 1000000};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    (void)snprintf(local.sun_path, sizeof(local.sun_path), "%s/r/edged.sock", cloud->dir);
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
    int result = port ? connect(fd, (const struct sockaddr *)&in, sizeof(in))
                      : connect(fd, (const struct sockaddr *)&local, sizeof(local));
    if (result != 0) {
        (void)close(fd);
    }
    return result == 0 ? fd : -1;
}

static int send_request(const struct cloud *cloud, bool port, const char *request)
{
    int fd = try_connect(cloud, port);
    assert_true(fd >= 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), (ssize_t)strlen(request));
    return fd;
}

/* Reads until text is there, or, with NULL, to the end. */
static void read_until(int fd, const char *text, struct cor_buf *out)
{
    ssize_t n = 1;
    (void)cor_buf_as_view(out);
    while (n > 0 && (text == NULL || out->len == 0 ||
                     memmem(out->data, out->len, text, strlen(text)) == NULL)) {
        n = recv(fd, cor_buf_room(out, 65536), 65536, 0);
        assert_true(n >= 0);
        out->len += (size_t)n;
    }
    if (text != NULL && n == 0) {
        fail_msg("no %s in %.*s", text, (int)out->len, out->data == NULL ? "" : out->data);
    }
    cor_buf_str(out, "");
}

/* Takes the chunks' sizes out of a body. */
static void join_chunks(struct cor_view body, struct cor_buf *out)
{
    size_t size = 1;
    while (size > 0) {
        char *end = NULL;
        size = strtoul(body.ptr, &end, 16);
        assert_true(end != NULL && end + 2 + size <= body.ptr + body.len);
        cor_buf_add(out, end + 2, size);
        body.len -= (size_t)(end + 2 + size + 2 - body.ptr);
        body.ptr = end + 2 + size + 2;
    }
    cor_buf_str(out, "");
}

/* Asks and returns the status; the body goes to out. */
static int ask(const struct cloud *cloud, bool port, const char *method, const char *target,
               const char *headers, struct cor_buf *out)
{
    auto_(cor_buf_free) struct cor_buf answer = {0};
    auto_(cor_freep) char *request = cor_sprintf(
        "%s %s HTTP/1.1\r\nHost: n1\r\nConnection: close\r\n%s\r\n", method, target, headers);
    auto_(cor_fd_close) int fd = send_request(cloud, port, request);
    cor_buf_clear(out);
    read_until(fd, NULL, &answer);
    const char *body = strstr(answer.data, "\r\n\r\n");
    assert_true(strncmp(answer.data, "HTTP/1.1 ", 9) == 0 && body != NULL);
    struct cor_view rest = {body + 4, answer.len - (size_t)(body + 4 - answer.data)};
    if (strcasestr(answer.data, "transfer-encoding: chunked") != NULL) {
        join_chunks(rest, out);
    } else {
        cor_buf_view(out, rest);
    }
    return atoi(answer.data + 9);
}

static void expect(const struct cloud *cloud, const char *target, int status, struct cor_buf *out)
{
    int got = ask(cloud, false, "GET", target, "", out);
    if (got != status) {
        fail_msg("%s: %d %s", target, got, out->data);
    }
}

static void must_have(const struct cor_buf *text, const char *part)
{
    if (strstr(text->data, part) == NULL) {
        fail_msg("no %s in: %s", part, text->data);
    }
}

static struct cor_json *json_at(const struct cloud *cloud, const char *target)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct cor_json *json = NULL;
    expect(cloud, target, 200, &text);
    assert_int_equal(cor_json_parse(cor_buf_as_view(&text), 1 << 20, 0, &json, NULL), COR_OK);
    return json;
}

static int64_t open_streams(const struct cloud *cloud)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/r/ctl/edged", cloud->dir);
    return test_stat(path, "streams");
}

static bool no_streams(struct cloud *cloud, void *with)
{
    (void)with;
    return open_streams(cloud) == 0;
}

static bool is_listening(struct cloud *cloud, void *with)
{
    int fd = try_connect(cloud, false);
    (void)with;
    if (fd >= 0) {
        (void)close(fd);
    }
    return fd >= 0;
}

static void start_pod(struct cloud *cloud)
{
    cloud_put_pod(cloud, "p", POD);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("p"), PATIENCE, "it runs");
}

/* ---- the tests ---- */

static void assert_mode(const struct cloud *cloud, const char *name, mode_t mode)
{
    struct stat st;
    auto_(cor_freep) char *path = cor_sprintf("%s/r/%s", cloud->dir, name);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void who_may_ask(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf token = {0};
    auto_(cor_freep) char *path = cor_sprintf("%s/r/edged-api.token", cloud->dir);
    start_pod(cloud);
    assert_mode(cloud, "edged.sock", 0600);
    assert_mode(cloud, "edged-api.token", 0600);
    assert_int_equal(cor_file_read(path, 4096, &token, NULL), COR_OK);
    assert_int_equal(token.len, TOKEN_LEN);
    auto_(cor_freep) char *right = cor_sprintf("Authorization: Bearer %s\r\n", token.data);
    auto_(cor_freep) char *longer = cor_sprintf("Authorization: Bearer %s0\r\n", token.data);
    token.data[TOKEN_LEN - 1] = token.data[TOKEN_LEN - 1] == '0' ? '1' : '0';
    auto_(cor_freep) char *wrong = cor_sprintf("Authorization: Bearer %s\r\n", token.data);
    assert_int_equal(ask(cloud, true, "GET", "/healthz", "", &text), 200);
    assert_string_equal(text.data, "ok");
    assert_int_equal(ask(cloud, true, "GET", "/pods", "", &text), 401);
    assert_int_equal(ask(cloud, true, "GET", "/pods", wrong, &text), 401);
    assert_int_equal(ask(cloud, true, "GET", "/pods", longer, &text), 401);
    assert_int_equal(ask(cloud, true, "GET", "/pods", "Authorization: Bearer \r\n", &text), 401);
    assert_int_equal(ask(cloud, true, "GET", "/pods", right, &text), 200);
    assert_int_equal(ask(cloud, false, "GET", "/pods", "", &text), 200);
    assert_int_equal(ask(cloud, false, "DELETE", "/pods", "", &text), 405);
    assert_int_equal(
        ask(cloud, false, "POST", "/pods", "Content-Length: 9\r\n\r\nabcdefghi", &text), 413);
    cloud_delete_pods(cloud);
}

static void pods_are_told(struct cloud *cloud)
{
    auto_(cor_json_free) struct cor_json *pods = json_at(cloud, "/pods");
    const struct cor_json *pod = cor_json_item(cor_json_get(pods, "items"), 0);
    assert_string_equal(cor_json_str_at(pods, "kind", ""), "PodList");
    assert_string_equal(cor_json_str_at(pod, "metadata.name", ""), "p");
    assert_string_equal(cor_json_str_at(pod, "status.phase", ""), "Running");
    assert_int_equal(cor_json_count(cor_json_at(pod, "spec.containers")), 1);
    auto_(cor_json_free) struct cor_json *running = json_at(cloud, "/runningpods/");
    pod = cor_json_item(cor_json_get(running, "items"), 0);
    assert_string_equal(cor_json_str_at(pod, "metadata.uid", ""), "uid-p");
    auto_(cor_json_free) struct cor_json *config = json_at(cloud, "/configz");
    assert_int_equal(cor_json_int_at(config, "kubeletconfig.maxPods", 0), 110);
}

static void use_is_told(struct cloud *cloud)
{
    auto_(cor_json_free) struct cor_json *all = json_at(cloud, "/stats/summary");
    const struct cor_json *pod = cor_json_item(cor_json_get(all, "pods"), 0);
    const struct cor_json *c = cor_json_item(cor_json_get(pod, "containers"), 0);
    assert_string_equal(cor_json_str_at(all, "node.nodeName", ""), "n1");
    assert_true(cor_json_int_at(all, "node.cpu.usageCoreNanoSeconds", 0) > 0);
    assert_true(cor_json_int_at(all, "node.memory.workingSetBytes", 0) > 0);
    assert_true(cor_json_int_at(all, "node.fs.capacityBytes", 0) > 0);
    assert_true(cor_json_int_at(all, "node.runtime.imageFs.capacityBytes", 0) > 0);
    assert_string_equal(cor_json_str_at(pod, "podRef.name", ""), "p");
    assert_true(cor_json_int_at(pod, "cpu.usageCoreNanoSeconds", 0) > 0);
    assert_true(cor_json_int_at(pod, "process_stats.process_count", 0) > 0);
    assert_string_equal(cor_json_str_at(pod, "network.name", ""), "eth0");
    assert_true(cor_json_int_at(c, "cpu.usageCoreNanoSeconds", 0) > 0);
    assert_true(cor_json_int_at(c, "memory.workingSetBytes", 0) > 0);
    assert_true(cor_json_int_at(c, "memory.availableBytes", 0) > 0);
    assert_true(cor_json_int_at(c, "memory.availableBytes", 0) < 64 << 20);
    assert_true(cor_json_int_at(c, "logs.usedBytes", 0) > 0);
    auto_(cor_json_free) struct cor_json *some =
        json_at(cloud, "/stats/summary?only_cpu_and_memory=true");
    assert_null(cor_json_at(some, "node.fs"));
    assert_true(cor_json_int_at(some, "node.memory.workingSetBytes", 0) > 0);
}

static void metrics_are_told(struct cloud *cloud)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    expect(cloud, "/metrics/resource", 200, &text);
    must_have(&text, "container_cpu_usage_seconds_total{container=\"c\",namespace=\"default\",pod="
                     "\"p\"} ");
    must_have(&text, "pod_memory_working_set_bytes{namespace=\"default\",pod=\"p\"} ");
    must_have(&text, "node_cpu_usage_seconds_total ");
    must_have(&text, "\nresource_scrape_error 0\n");
    expect(cloud, "/metrics/cadvisor", 200, &text);
    must_have(&text, "container_network_receive_bytes_total{container=\"\",id=\"");
    must_have(&text, "namespace=\"default\",pod=\"p\",interface=\"eth0\"} ");
    must_have(&text, "container_spec_memory_limit_bytes{container=\"c\"");
    expect(cloud, "/metrics", 200, &text);
    must_have(&text, "\nkubelet_running_pods 1\n");
    must_have(&text, "\ncoracle_edged_runtime_up 1\n");
    expect(cloud, "/metrics/probes", 200, &text);
    must_have(&text, "prober_probe_total{container=\"c\",namespace=\"default\",pod=\"p\",pod_uid="
                     "\"uid-p\",probe_type=\"Readiness\",result=\"successful\"} ");
    expect(cloud, "/metrics/what", 404, &text);
}

static void commands_are_run(const struct cloud *cloud)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    assert_int_equal(ask(cloud, false, "POST", "/run/default/p/c?cmd=echo+a+b", "", &text), 200);
    assert_string_equal(text.data, "a b\n");
    assert_int_equal(ask(cloud, false, "POST", "/run/default/p/c?cmd=cat+/none", "", &text), 500);
    must_have(&text, "command 'cat /none' exited with 1: cat: can't open '/none'");
    assert_int_equal(ask(cloud, false, "POST", "/run/default/p/c", "", &text), 400);
    assert_int_equal(ask(cloud, false, "POST", "/run/default/p/x?cmd=ls", "", &text), 404);
    assert_int_equal(ask(cloud, false, "GET", "/run/default/p/c?cmd=ls", "", &text), 405);
}

static void what_the_node_has_is_told(void **state)
{
    struct cloud *cloud = *state;
    start_pod(cloud);
    pods_are_told(cloud);
    use_is_told(cloud);
    metrics_are_told(cloud);
    commands_are_run(cloud);
    cloud_delete_pods(cloud);
}

static void streams_end_with_their_clients(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_buf_free) struct cor_buf log = {0};
    auto_(cor_buf_free) struct cor_buf shell = {0};
    start_pod(cloud);
    int follower = send_request(
        cloud, false, "GET /containerLogs/default/p/c?follow=true HTTP/1.1\r\nHost: n1\r\n\r\n");
    read_until(follower, "hello\n", &log);
    int exec = send_request(
        cloud, false,
        "GET /exec/default/p/c?command=sh&command=-c&command=echo+inside%3Bsleep+100&output=1 "
        "HTTP/1.1\r\nHost: n1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: v4.channel.k8s.io\r\n\r\n");
    read_until(exec, "inside\n", &shell);
    must_have(&shell, "HTTP/1.1 101 ");
    assert_int_equal(open_streams(cloud), 2);
    (void)close(follower);
    (void)close(exec);
    (void)cloud_await(cloud, no_streams, NULL, PATIENCE, "no stream is left");
    cloud_delete_pods(cloud);
}

#define BIG                                                                                        \
    "{'containers':[{'name':'c','image':'coracle.local/busybox:1','command':['/bin/sh','-c',"      \
    "'seq 1 600000; echo done; sleep 1000']}]}"

/* Far more than what waits for a client anywhere. */
static void long_answers_are_whole(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_buf_free) struct cor_buf log = {0};
    cloud_put_pod(cloud, "p", BIG);
    (void)cloud_await(cloud, cloud_is_running, CLOUD_NAME("p"), PATIENCE, "it runs");
    int follower = send_request(
        cloud, false, "GET /containerLogs/default/p/c?follow=true HTTP/1.1\r\nHost: n1\r\n\r\n");
    read_until(follower, "done\n", &log);
    (void)close(follower);
    expect(cloud, "/containerLogs/default/p/c", 200, &text);
    assert_true(text.len > 4000000);
    must_have(&text, "\n600000\ndone\n");
    (void)cloud_await(cloud, no_streams, NULL, PATIENCE, "no stream is left");
    cloud_delete_pods(cloud);
}

/* A socket that a killed edged has left is in nobody's way. */
static void a_killed_edged_comes_back(void **state)
{
    struct cloud *cloud = *state;
    auto_(cor_buf_free) struct cor_buf text = {0};
    start_pod(cloud);
    (void)cloud_await(cloud, is_listening, NULL, PATIENCE, "it listens");
    cloud_kill_edged(cloud, SIGKILL);
    assert_mode(cloud, "edged.sock", 0600);
    assert_false(is_listening(cloud, NULL));
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, is_listening, NULL, PATIENCE, "it listens again");
    expect(cloud, "/healthz", 200, &text);
    cloud_delete_pods(cloud);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, cloud_set_up, cloud_tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        CASE(who_may_ask),
        CASE(what_the_node_has_is_told),
        CASE(streams_end_with_their_clients),
        CASE(long_answers_are_whole),
        CASE(a_killed_edged_comes_back),
    };
    (void)argc;
    be_contained(argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
