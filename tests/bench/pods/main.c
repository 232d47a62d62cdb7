// SPDX-License-Identifier: Apache-2.0
// bench-pods [NODES PODS CHANGES]: what a large cluster costs edgecontroller: the full list,
// sending it to all nodes, and how long a change of a Pod takes from the API to the hub. cloudhub
// is this process; the API is kubelite, or that of CORACLE_TEST_KUBECONFIG.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "tests/contract/edgecontroller/harness.h"
#include "tests/support/usage/usage.h"

enum { AT_ONCE = 48 };

struct bench {
    struct world *w;
    int nodes, pods;
    int next, flying, wrong; /* objects that are made */
    char *(*path)(const struct bench *bench, int number);
    char *(*body)(const struct bench *bench, int number);
    const char *method;
    int count;
    int puts; /* so many are waited for */
};

/* ---- making it ---- */

static char *node_path(const struct bench *bench, int number)
{
    (void)bench;
    (void)number;
    return cor_strdup("/api/v1/nodes");
}

static char *node_body(const struct bench *bench, int number)
{
    (void)bench;
    return cor_sprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"metadata\":{\"name\":\"n%d\",\"labels\":{"
        "\"node-role.kubernetes.io/edge\":\"\",\"kubernetes.io/hostname\":\"n%d\","
        "\"kubernetes.io/arch\":\"arm64\",\"kubernetes.io/os\":\"linux\"}}}",
        number, number);
}

static char *pod_path(const struct bench *bench, int number)
{
    (void)bench;
    (void)number;
    return cor_strdup("/api/v1/namespaces/default/pods");
}

#define TOLERATION(key)                                                                            \
    "{\"key\":\"node.kubernetes.io/" key "\",\"operator\":\"Exists\",\"effect\":\"NoExecute\","    \
    "\"tolerationSeconds\":300}"

/* As a ReplicaSet would. */
static char *pod_body(const struct bench *bench, int number)
{
    return cor_sprintf(
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"collector-7dc8f7d6c9-%"
        "05d\","
        "\"generateName\":\"collector-7dc8f7d6c9-\",\"labels\":{\"app.kubernetes.io/name\":"
        "\"collector\",\"pod-template-hash\":\"7dc8f7d6c9\"},\"annotations\":{\"round\":\"0\"},"
        "\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":"
        "\"collector-7dc8f7d6c9\",\"uid\":\"0b9f4f6e-35c9-4d4e-8ed2-6f0cf9a3c1de\",\"controller\":"
        "true,"
        "\"blockOwnerDeletion\":true}]},\"spec\":{\"nodeName\":\"n%d\",\"containers\":[{\"name\":"
        "\"collector\",\"image\":\"registry.example.com/plant/"
        "collector:2.14.3\",\"imagePullPolicy\":"
        "\"IfNotPresent\",\"args\":[\"--interval=5s\",\"--broker=mqtt://127.0.0.1:1883\"],\"env\":["
        "{\"name\":\"LOG_LEVEL\",\"value\":\"info\"},{\"name\":\"NODE\",\"valueFrom\":{"
        "\"fieldRef\":{"
        "\"apiVersion\":\"v1\",\"fieldPath\":\"spec.nodeName\"}}}],\"ports\":[{\"name\":"
        "\"metrics\","
        "\"containerPort\":9100,\"protocol\":\"TCP\"}],\"resources\":{\"limits\":{\"cpu\":\"200m\","
        "\"memory\":\"64Mi\"},\"requests\":{\"cpu\":\"20m\",\"memory\":\"32Mi\"}}}],"
        "\"tolerations\":[" TOLERATION("not-ready") "," TOLERATION("unreachable") "]}}",
        number, number % bench->nodes);
}

static char *status_path(const struct bench *bench, int number)
{
    (void)bench;
    return cor_sprintf("/api/v1/namespaces/default/pods/collector-7dc8f7d6c9-%05d/status", number);
}

#define CONDITION(type)                                                                            \
    "{\"type\":\"" type "\",\"status\":\"True\",\"lastTransitionTime\":\"2026-11-25T20:00:00Z\"}"

static char *status_body(const struct bench *bench, int number)
{
    (void)bench;
    return cor_sprintf(
        "{\"status\":{\"phase\":\"Running\",\"hostIP\":\"10.0.0.1\",\"podIP\":\"10.88.%d.%d\","
        "\"podIPs\":[{\"ip\":\"10.88.%d.%d\"}],\"startTime\":\"2026-11-25T20:00:00Z\","
        "\"conditions\":[" CONDITION("Initialized") "," CONDITION("Ready") "," CONDITION(
            "ContainersReady") "," CONDITION("PodScheduled") "],\"containerStatuses\":[{\"name\":"
                                                             "\"collector\",\"image\":\"registry."
                                                             "example.com/plant/"
                                                             "collector:2.14.3\",\"imageID\":"
                                                             "\"registry.example.com/plant/"
                                                             "collector@sha256:"
                                                             "5891b5b522d5df086d0ff0b110fbd9d21bb4f"
                                                             "c7163af34d08286a2e846f6be03\","
                                                             "\"containerID\":"
                                                             "\"containerd://"
                                                             "5891b5b522d5df086d0ff0b110fbd9d21bb4f"
                                                             "c7163af34d08286a2e846f%05x\","
                                                             "\"restartCount\":0,\"ready\":true,"
                                                             "\"started\":true,\"lastState\":{},"
                                                             "\"state\":{\"running\":{"
                                                             "\"startedAt\":\"2026-11-25T20:00:"
                                                             "00Z\"}}}]}}",
        number / 250, number % 250 + 1, number / 250, number % 250 + 1, (unsigned)number);
}

static void make_more(struct bench *bench);

static void on_made(void *self, const struct cor_kube_response *response)
{
    struct bench *bench = self;
    bench->flying--;
    if (response->code != COR_OK) {
        bench->wrong++;
        (void)fprintf(stderr, "%d %s\n", response->status, response->text);
    }
    make_more(bench);
}

static void make_more(struct bench *bench)
{
    while (bench->flying < AT_ONCE && bench->next < bench->count) {
        auto_(cor_freep) char *path = bench->path(bench, bench->next);
        auto_(cor_freep) char *body = bench->body(bench, bench->next);
        struct cor_kube_request request = {.method = bench->method,
                                           .path = path,
                                           .content_type = COR_KUBE_MERGE,
                                           .body = cor_view_of(body)};
        if (strcmp(bench->method, "POST") == 0) {
            request.content_type = COR_KUBE_JSON;
        }
        bench->next++;
        bench->flying++;
        (void)cor_kube_send(bench->w->kube, &request, on_made, bench);
    }
}

static bool is_some_more(void *self)
{
    const struct bench *bench = self;
    return bench->flying == 0 || bench->next >= bench->puts;
}

/* In parts, for nothing may take longer than a test would wait. */
static void make(struct bench *bench, const char *method, int count,
                 char *(*path)(const struct bench *bench, int number),
                 char *(*body)(const struct bench *bench, int number))
{
    bench->method = method;
    bench->path = path;
    bench->body = body;
    bench->count = count;
    bench->next = 0;
    make_more(bench);
    while (bench->flying > 0) {
        bench->puts = bench->next + 100;
        world_until(bench->w, is_some_more, bench);
    }
    must(bench->wrong == 0);
}

/* ---- figures ---- */

static bool has_puts(void *self)
{
    const struct bench *bench = self;
    return bench->w->puts >= bench->puts;
}

static void say(const struct bench *bench, const char *what, int64_t took_us, int64_t used)
{
    pid_t pid = bench->w->controller;
    int64_t anon = test_usage_kib(pid, "RssAnon");
    (void)printf("%s: %.1f s, %.2f s of processor, %" PRId64 " KiB anonymous now, %" PRId64
                 " KiB resident at most\n",
                 what, (double)took_us / 1e6, (double)used / 1e6, anon,
                 test_usage_kib(pid, "VmHWM"));
    (void)fflush(stdout);
}

static bool has_come(void *self)
{
    return ((struct bench *)self)->w->awaited_us != 0;
}

/* From its start until the node of the last Pod of the list was told of it. */
static void list(struct bench *bench, int64_t before_kib)
{
    struct world *w = bench->w;
    int64_t began = cor_mono_now().us;
    auto_(cor_freep) char *last = cor_sprintf("n%d", (bench->pods - 1) % bench->nodes);
    auto_(cor_freep) char *key =
        cor_sprintf("default/pod/collector-7dc8f7d6c9-%05d", bench->pods - 1);
    w->awaited = key;
    w->awaited_us = 0;
    world_kill(w);
    world_node(w, last);
    world_until(w, has_come, bench);
    w->awaited = NULL;
    say(bench, "full list", cor_mono_now().us - began, test_usage_us(w->controller));
    (void)printf("it takes %" PRId64 " bytes a Pod, with the nodes\n",
                 (test_usage_kib(w->controller, "RssAnon") - before_kib) * 1024 / bench->pods);
}

static void send_all(struct bench *bench)
{
    int64_t began = cor_mono_now().us;
    int64_t used = test_usage_us(bench->w->controller);
    bench->w->puts = 0;
    for (int i = 0; i < bench->nodes; i++) {
        auto_(cor_freep) char *node = cor_sprintf("n%d", i);
        world_node(bench->w, node);
    }
    bench->puts = bench->nodes + bench->pods;
    world_until(bench->w, has_puts, bench);
    say(bench, "all nodes come", cor_mono_now().us - began,
        test_usage_us(bench->w->controller) - used);
}

static int by_size(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return x < y ? -1 : x > y ? 1 : 0;
}

static void changes(struct bench *bench, int count)
{
    struct world *w = bench->w;
    int64_t *took = cor_calloc((size_t)count, sizeof(*took));
    int64_t *floor = cor_calloc((size_t)count, sizeof(*floor));
    int64_t used = test_usage_us(w->controller);
    for (int i = 0; i < count; i++) {
        int number = i * 37 % bench->pods;
        auto_(cor_freep) char *key = cor_sprintf("default/pod/collector-7dc8f7d6c9-%05d", number);
        auto_(cor_freep) char *path =
            cor_sprintf("/api/v1/namespaces/default/pods/collector-7dc8f7d6c9-%05d", number);
        auto_(cor_freep) char *body =
            cor_sprintf("{\"metadata\":{\"annotations\":{\"round\":\"%d\"}}}", i + 1);
        w->awaited = key;
        w->awaited_us = 0;
        int64_t began = cor_mono_now().us;
        world_patch(w, path, body);
        floor[i] = cor_mono_now().us - began;
        world_until(w, has_come, bench);
        took[i] = w->awaited_us - began;
        w->awaited = NULL;
    }
    qsort(took, (size_t)count, sizeof(*took), by_size);
    qsort(floor, (size_t)count, sizeof(*floor), by_size);
    (void)printf(
        "a change of a Pod to the hub: p50 %.2f ms, p99 %.2f ms (the API's own answer: p50 "
        "%.2f ms); %.0f us of processor each\n",
        (double)took[count / 2] / 1e3, (double)took[count * 99 / 100] / 1e3,
        (double)floor[count / 2] / 1e3, (double)(test_usage_us(w->controller) - used) / count);
    cor_free(took);
    cor_free(floor);
}

static int number_of(int argc, char **argv, int which, int otherwise)
{
    return argc > which ? (int)strtol(argv[which], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    struct bench bench = {.nodes = number_of(argc, argv, 1, 1000),
                          .pods = number_of(argc, argv, 2, 10000)};
    bench.w = world_new(false);
    say(&bench, "nothing there", 0, test_usage_us(bench.w->controller));
    int64_t before_kib = test_usage_kib(bench.w->controller, "RssAnon");
    make(&bench, "POST", bench.nodes, node_path, node_body);
    make(&bench, "POST", bench.pods, pod_path, pod_body);
    make(&bench, "PATCH", bench.pods, status_path, status_body);
    say(&bench, "as they were made", 0, test_usage_us(bench.w->controller));
    list(&bench, before_kib);
    send_all(&bench);
    changes(&bench, number_of(argc, argv, 3, 300));
    world_free(&bench.w);
    return 0;
}
