// SPDX-License-Identifier: Apache-2.0
// /stats/summary and /metrics: asks the runtime, reads cgroups a few pods a turn, and tells all who
// have asked meanwhile.
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "common/base/arena.h"
#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "services/edged/csi/csi.h"
#include "services/edged/disk/disk.h"
#include "services/edged/probe/prober.h"
#include "services/edged/stats/rates.h"
#include "services/edged/stats/usage.h"

/* Pods that are read before it is somebody else's turn; what one gathering is about at most. */
enum { TURN_PODS = 4, PODS_MAX = 1024, USAGES_MAX = 64 * 1024, ARENA_MAX = 256 * 1024 * 1024 };

static const char TEXT_TYPE[] = "text/plain; version=0.0.4; charset=utf-8";

typedef void (*tell_fn)(struct api_call *call, const struct stats *stats);

/* Who waits for what is being gathered. */
struct ask {
    struct cor_link link;
    struct api_call *call;
    tell_fn tell;
};

struct gathering {
    struct stats_source *source; /* NULL: it is gone */
    struct cor_arena *arena;
    struct cor_map *usages; /* id -> struct cri_usage, in the arena */
    const char **uids;      /* of pods, in the arena */
    size_t count, at;
    struct cor_timer *turn;
    unsigned calls; /* under way */
    struct stats stats;
};

struct stats_source {
    struct agent *agent;
    struct usage_place place;
    struct rates *rates;
    struct cor_link asks;
    struct gathering *now; /* NULL: none is under way */
    int64_t booted_ns;
    int64_t started_ns;
};

/* ---- one pod ---- */

static char *copy(struct gathering *g, const char *text)
{
    return cor_arena_dup(g->arena, cor_view_of(text == NULL ? "" : text));
}

static void *copy_bytes(struct gathering *g, const void *from, size_t size)
{
    void *to = cor_arena_alloc(g->arena, size);
    memcpy(to, from, size);
    return to;
}

static uint64_t told(uint64_t runtime, uint64_t cgroup)
{
    return runtime == CRI_UNTOLD ? cgroup : runtime;
}

/* What the runtime tells comes before what the cgroup's files do: with another cgroup driver they
 * are elsewhere. */
static void take_usage(struct stats_container *c, const struct cri_usage *usage)
{
    if (usage == NULL) {
        return;
    }
    if (usage->cpu_total_ns != CRI_UNTOLD && usage->cpu_ns > 0) {
        c->cpu.total_ns = usage->cpu_total_ns;
        c->cpu.time_ns = usage->cpu_ns;
    }
    c->memory.time_ns = usage->memory_ns > 0 ? usage->memory_ns : c->memory.time_ns;
    c->memory.working_set = told(usage->working_set, c->memory.working_set);
    c->memory.usage = told(usage->usage, c->memory.usage);
    c->memory.rss = told(usage->rss, c->memory.rss);
    c->memory.faults = told(usage->faults, c->memory.faults);
    c->memory.major_faults = told(usage->major_faults, c->memory.major_faults);
    c->layer_bytes = usage->layer_bytes;
    c->layer_inodes = usage->layer_inodes;
}

static uint64_t log_size(const struct agent_pod *pod, size_t index, struct cor_arena *arena)
{
    struct stat st;
    auto_(cor_freep) char *path =
        cor_sprintf("%s/%s/%" PRIu32 ".log", crispec_log_dir(arena, &pod->agent->node, pod->pod),
                    pod_container(pod->pod, index)->name, pod->run->containers[index].attempt);
    return stat(path, &st) == 0 ? (uint64_t)st.st_size : STATS_UNKNOWN;
}

static void read_container(struct gathering *g, const struct agent_pod *pod, size_t index,
                           const char *cgroup, struct stats_container *c)
{
    const struct run_container *run = &pod->run->containers[index];
    const struct pod_container *spec = pod_container(pod->pod, index);
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", cgroup, run->id);
    *c = (struct stats_container){.name = copy(g, spec->name),
                                  .id = copy(g, run->id),
                                  .image = copy(g, spec->image),
                                  .cgroup = copy(g, path),
                                  .started_ns = run->end.started_ns > 0 ? run->end.started_ns
                                                                        : run->created_ns,
                                  .layer_bytes = STATS_UNKNOWN,
                                  .layer_inodes = STATS_UNKNOWN,
                                  .log_bytes = log_size(pod, index, g->arena),
                                  .memory_limit = spec->resources.memory_limit.n,
                                  .cpu_limit_milli = spec->resources.cpu_limit.n,
                                  .cpu_request_milli = spec->resources.cpu_request.n};
    usage_of_cgroup(&g->source->place, path, cor_wall_now().us * 1000, &c->cpu, &c->memory, NULL);
    take_usage(c, cor_map_get(g->usages, cor_view_of(run->id)));
    if (spec->resources.memory_limit.given && c->memory.working_set != STATS_UNKNOWN) {
        uint64_t limit = (uint64_t)spec->resources.memory_limit.n;
        c->memory.limit = limit;
        c->memory.available = limit > c->memory.working_set ? limit - c->memory.working_set : 0;
    }
    rates_apply(g->source->rates, c->id, &c->cpu);
}

static void read_containers(struct gathering *g, const struct agent_pod *pod, struct stats_pod *out)
{
    out->containers = cor_arena_alloc(g->arena, (pod->run->count + 1) * sizeof(*out->containers));
    for (size_t i = 0; i < pod->run->count; i++) {
        const struct run_container *run = &pod->run->containers[i];
        if (run->state == RUN_RUNNING && run->id != NULL) {
            read_container(g, pod, i, out->cgroup, &out->containers[out->container_count++]);
        }
    }
}

/* Interfaces of the network that a process of the cgroup is in. */
static struct stats_nets read_nets(struct gathering *g, long pid)
{
    struct stats_net nets[STATS_NETS_MAX];
    struct stats_nets out = {.time_ns = cor_wall_now().us * 1000,
                             .count = usage_nets(&g->source->place, pid, nets)};
    out.items = copy_bytes(g, nets, out.count * sizeof(*nets));
    return out;
}

/* Of a volume with a file system of its own: others would have to be walked through. A server that
 * is away would hold statvfs up, so NFS is left out. */
static bool read_volume(const struct agent_pod *pod, const struct pod_volume *volume,
                        struct stats_fs *out)
{
    if (volume->type == POD_VOLUME_EMPTY_DIR && volume->memory) {
        auto_(cor_freep) char *path = disk_volume_path(pod->agent->cfg->root_dir, pod->pod, volume);
        *out = usage_fs(path);
        return true;
    }
    if (volume->external == POD_EXTERNAL_CSI) {
        return csi_volume_stats(pod->agent->csi, pod->uid, volume->name, out);
    }
    if (volume->type == POD_VOLUME_CLAIM && volume->external == POD_EXTERNAL_NONE &&
        !volume->block && cor_json_at(volume->persistent, "spec.local") != NULL) {
        *out = usage_fs(volume->path);
        return true;
    }
    return false;
}

static void read_volumes(struct gathering *g, const struct agent_pod *pod, struct stats_pod *out)
{
    out->volumes = cor_arena_alloc(g->arena, (pod->pod->volume_count + 1) * sizeof(*out->volumes));
    for (size_t i = 0; i < pod->pod->volume_count; i++) {
        const struct pod_volume *volume = &pod->pod->volumes[i];
        struct stats_fs fs;
        if (read_volume(pod, volume, &fs)) {
            bool claimed = volume->type == POD_VOLUME_CLAIM;
            out->volumes[out->volume_count++] = (struct stats_volume){
                copy(g, volume->name), claimed ? copy(g, volume->claim) : NULL, fs};
        }
    }
}

/* A pod whose sandbox is there. */
static void read_pod(struct gathering *g, const struct agent_pod *pod)
{
    const struct run_sandbox *sandbox = &pod->run->sandbox;
    struct stats_pod *out = &g->stats.pods[g->stats.pod_count++];
    *out = (struct stats_pod){
        .name = copy(g, pod->pod->name),
        .ns = copy(g, pod->pod->ns),
        .uid = copy(g, pod->uid),
        .sandbox = copy(g, sandbox->id),
        .cgroup = crispec_cgroup(g->arena, &pod->agent->node, pod->pod),
        .started_ns = sandbox->created_ns,
        .processes = STATS_UNKNOWN,
    };
    auto_(cor_freep) char *key = cor_sprintf("pod/%s", pod->uid);
    usage_of_cgroup(&g->source->place, out->cgroup, cor_wall_now().us * 1000, &out->cpu,
                    &out->memory, &out->processes);
    rates_apply(g->source->rates, key, &out->cpu);
    read_containers(g, pod, out);
    read_volumes(g, pod, out);
    auto_(cor_freep) char *path = cor_sprintf("%s/%s", out->cgroup, sandbox->id);
    long pid = pod->pod->host_network ? 0 : usage_process(&g->source->place, path);
    if (pid > 0) {
        out->nets = read_nets(g, pid);
    }
}

/* ---- the node ---- */

static void read_node(struct gathering *g)
{
    struct stats_source *source = g->source;
    const struct agent *agent = source->agent;
    struct stats_node *node = &g->stats.node;
    int64_t now_ns = cor_wall_now().us * 1000;
    g->stats.time_ns = now_ns;
    node->name = agent->cfg->node_name;
    node->booted_ns = source->booted_ns;
    node->cpus = (uint64_t)agent->host.cpus;
    node->memory_total = (uint64_t)agent->host.memory;
    node->main_net = agent->host.interface;
    node->fs = usage_fs(agent->cfg->root_dir);
    usage_of_node(&source->place, now_ns, node->memory_total, &node->cpu, &node->memory);
    usage_pids(&source->place, &node->pids_max, &node->pids);
    rates_apply(source->rates, "node", &node->cpu);
    node->nets = read_nets(g, 0);
}

/* ---- a gathering ---- */

static void free_gathering(struct gathering *g)
{
    cor_timer_free(&g->turn);
    cor_map_free(&g->usages);
    cor_arena_free(&g->arena);
    cor_free(g);
}

static void tell_all(struct stats_source *source, const struct stats *stats)
{
    while (!cor_list_empty(&source->asks)) {
        struct ask *ask = COR_LIST_OBJECT(source->asks.next, struct ask, link);
        struct api_call *call = ask->call;
        tell_fn tell = ask->tell;
        cor_list_del(&ask->link);
        cor_free(ask);
        tell(call, stats);
    }
}

static void on_turn(void *self)
{
    struct gathering *g = self;
    struct stats_source *source = g->source;
    for (size_t i = 0; i < TURN_PODS && g->at < g->count; i++, g->at++) {
        const struct agent_pod *pod = agent_find(source->agent, g->uids[g->at]);
        if (pod != NULL && pod->run->sandbox.state == RUN_BOX_READY &&
            pod->run->sandbox.id != NULL) {
            read_pod(g, pod);
        }
    }
    if (g->at < g->count) {
        cor_timer_start(g->turn, 0);
        return;
    }
    read_node(g);
    rates_turn(source->rates);
    source->now = NULL;
    tell_all(source, &g->stats);
    free_gathering(g);
}

/* One of the calls has ended. */
static void call_done(struct gathering *g)
{
    g->calls--;
    if (g->source == NULL && g->calls == 0) {
        free_gathering(g);
    } else if (g->calls == 0) {
        cor_timer_start(g->turn, 0);
    }
}

static void on_usages(void *self, const struct cri_answer *answer)
{
    struct gathering *g = self;
    g->stats.failed = answer->code != COR_OK;
    for (size_t i = 0; i < answer->usage_count && i < USAGES_MAX; i++) {
        const struct cri_usage *usage = &answer->usages[i];
        cor_map_set(g->usages, cor_view_of(usage->id), copy_bytes(g, usage, sizeof(*usage)));
    }
    call_done(g);
}

static void on_image_fs(void *self, const struct cri_answer *answer)
{
    struct gathering *g = self;
    if (answer->code == COR_OK && answer->mountpoint != NULL) {
        struct stats_fs *fs = &g->stats.node.image_fs;
        *fs = usage_fs(answer->mountpoint);
        fs->used = answer->used_bytes;
        fs->inodes_used = answer->used_inodes;
    }
    call_done(g);
}

static void begin(struct stats_source *source)
{
    struct gathering *g = cor_alloc(sizeof(*g));
    const struct agent *agent = source->agent;
    size_t at = 0;
    struct cor_view uid;
    g->source = source;
    g->arena = cor_arena_new(ARENA_MAX);
    g->usages = cor_map_new(NULL);
    g->turn = cor_timer_new(agent->loop, on_turn, g);
    g->stats.node.image_fs = stats_no_fs();
    size_t most = cor_map_count(agent->pods);
    most = most < PODS_MAX ? most : PODS_MAX;
    g->uids = cor_arena_alloc(g->arena, (most + 1) * sizeof(*g->uids));
    g->stats.pods = cor_arena_alloc(g->arena, (most + 1) * sizeof(*g->stats.pods));
    while (g->count < most && cor_map_next(agent->pods, &at, &uid, NULL)) {
        g->uids[g->count++] = cor_arena_dup(g->arena, uid);
    }
    source->now = g;
    if (cri_is_up(agent->cri)) {
        g->calls = 2; /* they may end at once */
        cri_list_usages(agent->cri, on_usages, g);
        cri_image_fs(agent->cri, on_image_fs, g);
    } else {
        g->stats.failed = true;
        cor_timer_start(g->turn, 0);
    }
}

/* ---- for the API ---- */

static void on_gone(void *self)
{
    struct ask *ask = self;
    cor_list_del(&ask->link);
    cor_free(ask);
}

static void ask_for(struct api_call *call, tell_fn tell)
{
    static const struct api_handler HANDLER = {.gone = on_gone};
    struct stats_source *source = api_source(api_agent(call)->api);
    struct ask *ask = cor_alloc(sizeof(*ask));
    *ask = (struct ask){.call = call, .tell = tell};
    cor_list_init(&ask->link);
    cor_list_add(&source->asks, &ask->link);
    api_handle(call, &HANDLER, ask);
    if (source->now == NULL) {
        begin(source);
    }
}

static void tell_summary(struct api_call *call, const struct stats *stats)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_freep) char *only = cor_query_get(api_query(call), "only_cpu_and_memory");
    auto_(cor_json_free) struct cor_json *summary =
        stats_summary(stats, only != NULL && strcmp(only, "true") == 0);
    cor_json_write(summary, &text);
    api_answer(call, 200, "application/json", cor_buf_as_view(&text));
}

void api_stats(struct api_call *call)
{
    if (strcmp(api_part(call, 1), "summary") == 0) {
        ask_for(call, tell_summary);
    } else {
        api_refuse(call, 404, "404 page not found\n");
    }
}

static void tell_resource(struct api_call *call, const struct stats *stats)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    stats_resource(stats, &text);
    api_answer(call, 200, TEXT_TYPE, cor_buf_as_view(&text));
}

static void tell_cadvisor(struct api_call *call, const struct stats *stats)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    stats_cadvisor(stats, &text);
    api_answer(call, 200, TEXT_TYPE, cor_buf_as_view(&text));
}

static void resource(struct api_call *call)
{
    ask_for(call, tell_resource);
}

static void cadvisor(struct api_call *call)
{
    ask_for(call, tell_cadvisor);
}

/* ---- of this process ---- */

static uint64_t open_files(void)
{
    uint64_t count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir != NULL && readdir(dir) != NULL) {
        count++;
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return count > 3 ? count - 3 : STATS_UNKNOWN; /* ".", ".." and this one */
}

static void count_pods(const struct agent *agent, struct stats_self *self)
{
    size_t at = 0;
    void *value = NULL;
    while (cor_map_next(agent->pods, &at, NULL, &value)) {
        const struct agent_pod *pod = value;
        self->desired += pod->desired ? 1 : 0;
        self->pods += pod->run->sandbox.state == RUN_BOX_READY ? 1 : 0;
        for (size_t i = 0; i < pod->run->count; i++) {
            self->containers += pod->run->containers[i].state == RUN_RUNNING ? 1 : 0;
        }
    }
}

static uint64_t micros(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static void own(struct api_call *call)
{
    const struct agent *agent = api_agent(call);
    const struct stats_source *source = api_source(agent->api);
    auto_(cor_buf_free) struct cor_buf text = {0};
    struct rusage used = {0};
    (void)getrusage(RUSAGE_SELF, &used);
    struct stats_self self = {.node = agent->cfg->node_name,
                              .starts = agent->starts,
                              .restarts = agent->restarts,
                              .patches = agent->patches,
                              .events_sent = agent->events_sent,
                              .events_lost = agent->events_lost,
                              .streams = api_count(agent->api),
                              .runtime_up = cri_is_up(agent->cri),
                              .link_up = agent->link,
                              .cpu_ns = (micros(used.ru_utime) + micros(used.ru_stime)) * 1000,
                              .rss = usage_own_rss(&source->place),
                              .fds = open_files(),
                              .started_s = (uint64_t)(source->started_ns / 1000000000)};
    count_pods(agent, &self);
    stats_own(&self, &text);
    api_answer(call, 200, TEXT_TYPE, cor_buf_as_view(&text));
}

static void probes(struct api_call *call)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    prober_metrics(api_agent(call), &text);
    api_answer(call, 200, TEXT_TYPE, cor_buf_as_view(&text));
}

void api_metrics(struct api_call *call)
{
    static const struct {
        const char *part;
        void (*fn)(struct api_call *call);
    } ROWS[] = {{"", own}, {"resource", resource}, {"cadvisor", cadvisor}, {"probes", probes}};
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (strcmp(api_part(call, 1), ROWS[i].part) == 0) {
            ROWS[i].fn(call);
            return;
        }
    }
    api_refuse(call, 404, "404 page not found\n");
}

struct stats_source *stats_source_new(struct agent *agent)
{
    struct stats_source *source = cor_alloc(sizeof(*source));
    source->agent = agent;
    source->place = usage_place_at("/sys/fs/cgroup", "/proc");
    source->rates = rates_new();
    cor_list_init(&source->asks);
    source->booted_ns = usage_booted_ns(&source->place);
    source->started_ns = cor_wall_now().us * 1000;
    return source;
}

void stats_source_free(struct stats_source **source_p)
{
    struct stats_source *source = *source_p;
    if (source == NULL) {
        return;
    }
    if (source->now != NULL && source->now->calls > 0) {
        source->now->source = NULL; /* the last of its calls frees it */
    } else if (source->now != NULL) {
        free_gathering(source->now);
    }
    rates_free(&source->rates);
    cor_freep(source_p);
}
