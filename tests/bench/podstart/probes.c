// SPDX-License-Identifier: Apache-2.0
// bench-probes [PODS [SECONDS]]: what probes cost edged: PODS (100) Pods, each with a liveness and
// a readiness probe every 5 s, by HTTP and then by a command; processor time over SECONDS (30) and
// memory, beside the same Pods without probes. On a containerd of its own. EDGED_PROGRAM: another
// edged.
#include <time.h>

#include "tests/contract/edged/cloud.h"
#include "tests/contract/edged/contained.h"
#include "tests/support/usage/usage.h"

enum { MOST = 200, PATIENCE_S = 300 };

#define POD(probes)                                                                                \
    "{'terminationGracePeriodSeconds':0,'containers':[{'name':'web','image':'coracle.local/web:1'" \
    "" probes "}]}"
#define BOTH(handler)                                                                              \
    ",'livenessProbe':{" handler ",'periodSeconds':5},'readinessProbe':{" handler                  \
    ",'periodSeconds':5}"

static const struct {
    const char *name, *spec;
} KINDS[] = {
    {"without probes", POD("")},
    {"httpGet", POD(BOTH("'httpGet':{'path':'/','port':80}"))},
    {"exec", POD(BOTH("'exec':{'command':['/bin/true']}"))},
};

struct names {
    const char *prefix;
    size_t count;
};

static bool all_run(struct cloud *cloud, void *with)
{
    const struct names *names = with;
    for (size_t i = names->count; i > 0; i--) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", names->prefix, i - 1);
        if (!cloud_is_running(cloud, name)) {
            return false;
        }
    }
    return true;
}

/* Processor time of all threads, in microseconds. */
static int64_t used_us(pid_t pid)
{
    char path[64];
    unsigned long long ns = 0;
    (void)snprintf(path, sizeof(path), "/proc/%d/schedstat", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu", &ns), 1);
    (void)fclose(file);
    return (int64_t)(ns / 1000);
}

static bool is_over(struct cloud *cloud, void *end)
{
    (void)cloud;
    return cor_mono_now().us >= *(const int64_t *)end;
}

static void measure(struct cloud *cloud, size_t kind, size_t count, int64_t seconds)
{
    auto_(cor_freep) char *prefix = cor_sprintf("k%zu-", kind);
    struct names names = {prefix, count};
    for (size_t i = 0; i < count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", prefix, i);
        cloud_put_pod(cloud, name, KINDS[kind].spec);
    }
    (void)cloud_await(cloud, all_run, &names, COR_SEC(PATIENCE_S), "all run");
    int64_t end = cor_mono_now().us + COR_SEC(seconds);
    int64_t before = used_us(cloud->edged);
    (void)cloud_await(cloud, is_over, &end, COR_SEC(seconds + 60), "the time has passed");
    int64_t used = used_us(cloud->edged) - before;
    print_message("%zu Pods, %s: edged uses %.2f %% of a core, %ld KiB PSS\n", count,
                  KINDS[kind].name, 100 * (double)used / (double)COR_SEC(seconds),
                  (long)test_usage_pss_kib(cloud->edged));
    for (size_t i = 0; i < count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", prefix, i);
        cloud_mark_deleted(cloud, name, 0);
    }
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, COR_SEC(PATIENCE_S), "all are gone");
}

/* contained runs this program again without its arguments: they are in the environment then. */
static size_t setting(int argc, char **argv, int index, const char *name, size_t otherwise)
{
    const char *told = getenv(name);
    const char *text = told != NULL ? told : (argc > index ? argv[index] : "");
    unsigned long value = strtoul(text, NULL, 10);
    size_t is = value > 0 && value <= MOST ? (size_t)value : otherwise;
    char said[16];
    (void)snprintf(said, sizeof(said), "%zu", is);
    (void)setenv(name, said, 1);
    return is;
}

int main(int argc, char **argv)
{
    size_t pods = setting(argc, argv, 1, "BENCH_PODS", 100);
    size_t seconds = setting(argc, argv, 2, "BENCH_SECONDS", 30);
    be_contained(argv);
    void *state = NULL;
    must(cloud_set_up_with(&state, "") == 0);
    struct cloud *cloud = state;
    cor_timer_start(cloud->late, COR_SEC(1800));
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME("Starting"), COR_SEC(10), "edged is up");
    for (size_t kind = 0; kind < COR_COUNT(KINDS); kind++) {
        measure(cloud, kind, pods, (int64_t)seconds);
    }
    return cloud_tear_down(&state);
}
