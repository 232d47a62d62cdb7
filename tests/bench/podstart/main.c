// SPDX-License-Identifier: Apache-2.0
// bench-podstart [SINGLE [ATONCE [STORED]]]: from the object to Running, of SINGLE (20) Pods one
// after the other and of ATONCE (50) at once, by edged and by a bare client that makes the same
// calls of CRI; what ATONCE Pods cost edged in memory; and how long an edged that starts with
// STORED (100) Pods takes to hand the last to the runtime. On a containerd of its own.
// EDGED_PROGRAM: another edged.
#include <time.h>

#include "common/base/arena.h"
#include "services/edged/cri/crispec.h"
#include "tests/contract/edged/cloud.h"
#include "tests/contract/edged/contained.h"
#include "tests/support/usage/usage.h"

enum { MOST = 256, ARENA_BYTES = 1 << 20, PATIENCE_S = 120 };

#define SPEC                                                                                       \
    "{'terminationGracePeriodSeconds':0,'containers':[{'name':'web','image':'coracle.local/web:1'" \
    "}]}"

/* ---- a bare client ---- */

struct bare {
    struct cor_loop *loop;
    struct cri *cri;
    struct crispec_node node;
    size_t waiting;
    bool up;
};

struct chain {
    struct bare *bare;
    struct pod *pod;
    struct cor_arena *arena;
    struct cri_sandbox_config sandbox_config;
    struct cri_container_config config;
    char sandbox[80], container[80];
    size_t next; /* step */
};

static void step(struct chain *chain);

static void on_step(void *self, const struct cri_answer *answer)
{
    struct chain *chain = self;
    if (answer->code != COR_OK) {
        fail_msg("bare client, step %zu: %s", chain->next, answer->text);
    }
    if (answer->id != NULL && answer->id[0] != '\0') {
        char *to = chain->sandbox[0] == '\0' ? chain->sandbox : chain->container;
        (void)snprintf(to, sizeof(chain->sandbox), "%s", answer->id);
    }
    chain->next++;
    step(chain);
}

/* The calls of edged for a Pod whose image is there, in its order. */
static void step(struct chain *chain)
{
    struct cri *cri = chain->bare->cri;
    switch (chain->next) {
    case 0:
        cri_image_status(cri, "coracle.local/web:1", on_step, chain);
        break;
    case 1:
        cri_run_sandbox(cri, &chain->sandbox_config, on_step, chain);
        break;
    case 2:
        cri_sandbox_status(cri, chain->sandbox, on_step, chain);
        break;
    case 3:
        cri_create_container(cri, chain->sandbox, &chain->config, &chain->sandbox_config, on_step,
                             chain);
        break;
    case 4:
        cri_start_container(cri, chain->container, on_step, chain);
        break;
    case 5:
        cri_container_status(cri, chain->container, on_step, chain);
        break;
    default:
        chain->bare->waiting--;
        cor_loop_stop(chain->bare->loop);
    }
}

static void on_removed(void *self, const struct cri_answer *answer)
{
    struct bare *bare = self;
    assert_int_equal(answer->code, COR_OK);
    bare->waiting--;
    cor_loop_stop(bare->loop);
}

static void on_stopped(void *self, const struct cri_answer *answer)
{
    struct chain *chain = self;
    assert_int_equal(answer->code, COR_OK);
    cri_remove_sandbox(chain->bare->cri, chain->sandbox, on_removed, chain->bare);
}

static void settle(struct bare *bare)
{
    while (bare->waiting > 0) {
        cor_loop_run(bare->loop);
    }
}

static void chain_init(struct chain *chain, struct bare *bare, const char *name)
{
    struct cor_err err = COR_ERR_NONE;
    struct cor_json *object =
        json_of("{'metadata':{'name':'%s','namespace':'default','uid':'bare-%s'},'spec':" SPEC "}",
                name, name);
    static const struct env none = {0};
    struct crispec_attempt attempt = {.env = &none};
    *chain = (struct chain){.bare = bare, .arena = cor_arena_new(ARENA_BYTES)};
    must(pod_parse(object, &chain->pod, &err) == COR_OK);
    crispec_sandbox(chain->arena, &bare->node, chain->pod, 0, &chain->sandbox_config);
    crispec_container(chain->arena, &bare->node, chain->pod, &attempt, &chain->config);
    auto_(cor_freep) char *logs =
        cor_sprintf("%s/web", crispec_log_dir(chain->arena, &bare->node, chain->pod));
    must(cor_mkdirs(logs, 0755, &err) == COR_OK);
}

/* ---- what containerd has been asked ---- */

/* Reads on from where it was: seen counts RunPodSandbox, at is when the last of them came. */
struct asked {
    FILE *file;
    size_t seen;
    double at;
};

static void asked_line(struct asked *asked, const char *line)
{
    struct cor_wall time;
    const char *stamp = strstr(line, "time=\"");
    if (stamp == NULL || strstr(line, "RunPodSandbox for ") == NULL ||
        strstr(line, "returns") != NULL) {
        return;
    }
    struct cor_view text = {stamp + 6, strcspn(stamp + 6, "\"")};
    must(cor_wall_parse(text, &time));
    asked->seen++;
    asked->at = (double)time.us / 1e6;
}

static void asked_read(struct asked *asked)
{
    char line[65536];
    long at = ftell(asked->file);
    clearerr(asked->file);
    while (fgets(line, sizeof(line), asked->file) != NULL && strchr(line, '\n') != NULL) {
        asked_line(asked, line);
        at = ftell(asked->file);
    }
    must(fseek(asked->file, at, SEEK_SET) == 0); /* the rest of a line is still to come */
}

/* From now on. */
static void asked_open(struct asked *asked)
{
    auto_(cor_freep) char *path = cor_sprintf("%s/log/containerd.log", getenv("CONTAINERS_RUN"));
    *asked = (struct asked){.file = fopen(path, "re")};
    must(asked->file != NULL);
    must(fseek(asked->file, 0, SEEK_END) == 0);
}

static double wall_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Returns how long it took until all of count run; handed: until the last was handed over. They are
 * removed after. */
static int64_t bare_start(struct bare *bare, size_t first, size_t count, double *handed)
{
    struct chain *chains = cor_calloc(count, sizeof(*chains));
    for (size_t i = 0; i < count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("bare%zu", first + i);
        chain_init(&chains[i], bare, name);
    }
    struct asked asked;
    asked_open(&asked);
    double began = wall_now();
    struct cor_mono start = cor_mono_now();
    bare->waiting = count;
    for (size_t i = 0; i < count; i++) {
        step(&chains[i]);
    }
    settle(bare);
    int64_t us = cor_mono_since(cor_mono_now(), start);
    asked_read(&asked);
    must(asked.seen == count);
    (void)fclose(asked.file);
    *handed = asked.at - began;
    bare->waiting = count;
    for (size_t i = 0; i < count; i++) {
        cri_stop_sandbox(bare->cri, chains[i].sandbox, on_stopped, &chains[i]);
    }
    settle(bare);
    for (size_t i = 0; i < count; i++) {
        pod_free(&chains[i].pod);
        cor_arena_free(&chains[i].arena);
    }
    cor_free(chains);
    return us;
}

static void on_state(void *self, bool up)
{
    struct bare *bare = self;
    bare->up = up;
    cor_loop_stop(bare->loop);
}

static void on_exited(void *self, const char *id)
{
    (void)self;
    (void)id;
}

static void on_resynced(void *self)
{
    (void)self;
}

static const struct cri_events EVENTS = {on_state, on_exited, on_resynced};

static void bare_open(struct bare *bare, struct cloud *cloud)
{
    bare->loop = cloud->loop;
    bare->node = (struct crispec_node){.root_dir = cloud->dir,
                                       .log_dir = cor_sprintf("%s/bare", cloud->dir),
                                       .cgroup_root = getenv("TEST_CGROUP"),
                                       .domain = "cluster.local",
                                       .memory = 1 << 30};
    bare->cri = cri_new(bare->loop, getenv("CRI_SOCKET"), &EVENTS, bare);
    while (!bare->up) {
        cor_loop_run(bare->loop);
    }
}

/* ---- edged ---- */

struct names {
    const char *prefix;
    size_t first, count;
};

static bool all_run(struct cloud *cloud, void *with)
{
    const struct names *names = with;
    for (size_t i = names->count; i > 0; i--) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", names->prefix, names->first + i - 1);
        if (!cloud_is_running(cloud, name)) {
            return false;
        }
    }
    return true;
}

static int64_t edged_start(struct cloud *cloud, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", names->prefix, names->first + i);
        cloud_put_pod(cloud, name, SPEC);
    }
    return cloud_await(cloud, all_run, (void *)(uintptr_t)names, COR_SEC(PATIENCE_S), "all run");
}

static void edged_end(struct cloud *cloud, const struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("%s%zu", names->prefix, names->first + i);
        cloud_mark_deleted(cloud, name, 0);
    }
    (void)cloud_await(cloud, cloud_has_no_pods, NULL, COR_SEC(PATIENCE_S), "all are gone");
}

struct handed {
    struct asked asked;
    size_t count;
};

static bool are_handed(struct cloud *cloud, void *with)
{
    struct handed *handed = with;
    (void)cloud;
    asked_read(&handed->asked);
    return handed->asked.seen >= handed->count;
}

static void cold_start(struct cloud *cloud, struct bare *bare, size_t count)
{
    struct names names = {"stored", 0, count};
    double by_bare; /* without edged, which would take these Pods for strays */
    cloud_kill_edged(cloud, SIGTERM);
    (void)bare_start(bare, 2 * MOST, count, &by_bare);
    for (size_t i = 0; i < count; i++) {
        auto_(cor_freep) char *name = cor_sprintf("stored%zu", i);
        cloud_put_pod(cloud, name, SPEC);
    }
    struct handed handed = {.count = count};
    asked_open(&handed.asked);
    double start = wall_now();
    cloud_start_edged(cloud);
    (void)cloud_await(cloud, are_handed, &handed, COR_SEC(PATIENCE_S), "all are handed over");
    (void)fclose(handed.asked.file);
    print_message("cold start with %zu Pods: the last is handed to the runtime after %.0f ms, by a "
                  "bare client that has them ready after %.0f ms\n",
                  count, (handed.asked.at - start) * 1e3, by_bare * 1e3);
    (void)cloud_await(cloud, all_run, &names, COR_SEC(PATIENCE_S), "all run");
    edged_end(cloud, &names);
}

/* ---- figures ---- */

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int64_t middle(int64_t *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_size);
    return values[count / 2];
}

static void one_by_one(struct cloud *cloud, struct bare *bare, size_t count)
{
    int64_t by_bare[MOST], by_edged[MOST];
    double handed;
    for (size_t i = 0; i < count; i++) {
        struct names names = {"single", i, 1};
        by_bare[i] = bare_start(bare, i, 1, &handed);
        by_edged[i] = edged_start(cloud, &names);
        edged_end(cloud, &names);
    }
    int64_t b = middle(by_bare, count), e = middle(by_edged, count);
    print_message(
        "one Pod to Running, p50 of %zu: bare client %.1f ms, edged %.1f ms, %.1f ms more\n", count,
        (double)b / 1e3, (double)e / 1e3, (double)(e - b) / 1e3);
}

static void on_calm(void *self)
{
    cor_loop_stop(self);
}

static bool is_calm(struct cloud *cloud, void *with)
{
    (void)cloud;
    return !cor_timer_running(with);
}

/* What it keeps: it gives back what the start needed after 5 s. */
static long kept_kib(struct cloud *cloud)
{
    struct cor_timer *timer = cor_timer_new(cloud->loop, on_calm, cloud->loop);
    cor_timer_start(timer, COR_SEC(12));
    (void)cloud_await(cloud, is_calm, timer, COR_SEC(PATIENCE_S), "it is calm");
    cor_timer_free(&timer);
    return (long)test_usage_pss_kib(cloud->edged);
}

static void at_once(struct cloud *cloud, struct bare *bare, size_t count)
{
    struct names names = {"many", 0, count};
    double handed;
    int64_t b = bare_start(bare, MOST, count, &handed);
    long before = kept_kib(cloud);
    int64_t e = edged_start(cloud, &names);
    long after = kept_kib(cloud);
    print_message("%zu Pods at once, all Running: bare client %.0f ms, edged %.0f ms, %.0f %%\n",
                  count, (double)b / 1e3, (double)e / 1e3, 100 * (double)e / (double)b);
    print_message("memory of edged: %ld KiB PSS, with %zu Pods %ld KiB: %.1f KiB a Pod\n", before,
                  count, after, (double)(after - before) / (double)count);
    edged_end(cloud, &names);
}

static size_t argument(int argc, char **argv, int index, size_t otherwise)
{
    long value = argc > index ? strtol(argv[index], NULL, 10) : 0;
    return value > 0 && value <= MOST ? (size_t)value : otherwise;
}

static void sizes(int argc, char **argv, size_t out[3])
{
    static const char *const NAMES[] = {"BENCH_SINGLE", "BENCH_ATONCE", "BENCH_STORED"};
    static const size_t OTHERWISE[] = {20, 50, 100};
    for (int i = 0; i < 3; i++) { /* contained runs this program again without its arguments */
        const char *told = getenv(NAMES[i]);
        size_t size = argument(argc, argv, i + 1, OTHERWISE[i]);
        char text[16];
        (void)snprintf(text, sizeof(text), "%zu", size);
        if (told == NULL) {
            (void)setenv(NAMES[i], text, 1);
        }
        out[i] = told == NULL ? size : (size_t)strtoul(told, NULL, 10);
    }
}

int main(int argc, char **argv)
{
    size_t size[3];
    sizes(argc, argv, size);
    be_contained(argv);
    void *state = NULL;
    struct bare bare = {0};
    must(cloud_set_up_with(&state, "") == 0);
    struct cloud *cloud = state;
    cor_timer_start(cloud->late, COR_SEC(600));
    (void)cloud_await(cloud, cloud_has_event, CLOUD_NAME("Starting"), COR_SEC(10), "edged is up");
    bare_open(&bare, cloud);
    one_by_one(cloud, &bare, size[0]);
    at_once(cloud, &bare, size[1]);
    cold_start(cloud, &bare, size[2]);
    cri_free(&bare.cri);
    cor_free((void *)(uintptr_t)bare.node.log_dir);
    return cloud_tear_down(&state);
}
