// SPDX-License-Identifier: Apache-2.0
// bench-swarm: thousands of simulated edges, in this process, at one real cloudhub. See README.md.
#include <argp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cloud.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/pki/tls.h"
#include "fleet.h"
#include "floor.h"
#include "watch.h"

enum { OPT_NODES = 256, OPT_KUBEEDGE, OPT_MESSAGES, OPT_SECONDS, OPT_ROUNDS, OPT_FLOOR, OPT_LAST };
enum { PATIENCE_S = 120, WATCHERS = 20, SPREAD = 7919, SETTLE_MS = 1000, LAST_ACK_MS = 50 };

static const struct argp_option OPTIONS[] = {
    {"nodes", OPT_NODES, "N", 0, "simulated edges (300)", 0},
    {"kubeedge", OPT_KUBEEDGE, "PERCENT", 0, "of them speak KubeEdge's dialect (0)", 0},
    {"messages", OPT_MESSAGES, "N", 0, "one at a time (1000)", 0},
    {"seconds", OPT_SECONDS, "N", 0, "of idleness (5)", 0},
    {"rounds", OPT_ROUNDS, "N", 0, "broadcasts, restarts, herds (3)", 0},
    {"floor", OPT_FLOOR, NULL, 0, "only a server that is OpenSSL and epoll alone", 0},
    {0},
};

struct options {
    uint64_t nodes, kubeedge, messages, seconds, rounds;
    bool floor;
    char *rows; /* " NAME NAME "; NULL: all */
};

struct swarm {
    struct options o;
    struct cloud *cloud;
    struct fleet *fleet;
    struct watch *watch;
    uint64_t version; /* the newest of any object */
    int64_t alone_kib;
    uint64_t sent; /* one at a time */
    struct cor_mono sent_at;
    struct stats took;
    uint64_t losses;        /* of links, that come before all are up again */
    struct cor_mono all_up; /* when they were; 0: not yet */
    bool bad;
};

/* ---- waiting ---- */

static bool until(struct swarm *swarm, bool (*cond)(void *self))
{
    struct cor_mono began = cor_mono_now();
    while (!stage_until(swarm->cloud->stage, cond, swarm)) {
        if (cor_mono_since(cor_mono_now(), began) > COR_SEC(PATIENCE_S)) {
            return false;
        }
    }
    return true;
}

static void expect(struct swarm *swarm, bool well, const char *what)
{
    if (!well) {
        (void)printf("wrong: %s\n", what);
        swarm->bad = true;
    }
}

/* Begins to wait for all nodes, so many of which are yet to be lost. */
static void await_all(struct swarm *swarm, uint64_t losses)
{
    swarm->losses = losses;
    swarm->all_up = (struct cor_mono){0};
}

static bool all_are_up(void *self)
{
    struct swarm *swarm = self;
    const struct fleet *fleet = swarm->fleet;
    if (fleet->up == fleet->size && fleet->n.losses >= swarm->losses && swarm->all_up.us == 0) {
        swarm->all_up = cor_mono_now();
    }
    return swarm->all_up.us != 0;
}

static bool all_have_it(void *self)
{
    struct swarm *swarm = self;
    return all_are_up(swarm) && swarm->fleet->reached == swarm->fleet->size;
}

static double seconds_since(struct cor_mono from, struct cor_mono to)
{
    return (double)cor_mono_since(to, from) / 1e6;
}

static int64_t hub_us(const struct swarm *swarm)
{
    return stats_cpu_us(swarm->cloud->hub);
}

/* ---- rows ---- */

static void tell_memory(struct swarm *swarm, const char *when)
{
    int64_t kib = stats_kib(swarm->cloud->hub, "RssAnon");
    int64_t more = kib - swarm->alone_kib;
    (void)printf("memory %s: %" PRId64 " KiB anonymous, %" PRId64
                 " without nodes: %.1f KiB a node\n",
                 when, kib, swarm->alone_kib, (double)more / (double)swarm->cloud->nodes);
}

/* All dial, without a TLS session to resume. */
static void come(struct swarm *swarm)
{
    struct cor_mono began = cor_mono_now();
    int64_t used = hub_us(swarm);
    await_all(swarm, 0);
    fleet_await(swarm->fleet, 0);
    fleet_dial(swarm->fleet, 0);
    expect(swarm, until(swarm, all_are_up), "not all nodes have come");
    stage_idle(swarm->cloud->stage, SETTLE_MS);
    const struct fleet_counts *n = &swarm->fleet->n;
    (void)printf("come: %zu nodes in %.2f s; %.2f dials and %.0f us of the hub's "
                 "processor each, %" PRIu64 " refused\n",
                 swarm->fleet->size, seconds_since(began, swarm->all_up),
                 (double)n->dials / (double)swarm->fleet->size,
                 (double)(hub_us(swarm) - used) / (double)swarm->fleet->size, n->refused);
    tell_memory(swarm, "after they came");
}

static void idle(struct swarm *swarm)
{
    uint64_t beats = swarm->fleet->n.beats;
    int64_t used = hub_us(swarm);
    stage_idle(swarm->cloud->stage, (int)swarm->o.seconds * 1000);
    used = hub_us(swarm) - used;
    beats = swarm->fleet->n.beats - beats;
    (void)printf("idle: %.2f %% of a processor in %" PRIu64 " s, %" PRIu64 " heartbeats, %.0f us "
                 "each\n",
                 (double)used / (double)swarm->o.seconds / 1e4, swarm->o.seconds, beats,
                 beats == 0 ? 0 : (double)used / (double)beats);
    tell_memory(swarm, "idle");
}

static void send_next(struct swarm *swarm)
{
    uint32_t number = (uint32_t)(swarm->sent++ * SPREAD % swarm->fleet->size);
    swarm->sent_at = cor_mono_now();
    cloud_put(swarm->cloud, number, ++swarm->version);
}

static void on_got(void *self, struct node *node)
{
    struct swarm *swarm = self;
    if (node->version != swarm->version) {
        return;
    }
    stats_add(&swarm->took, cor_mono_since(cor_mono_now(), swarm->sent_at));
    if (swarm->sent < swarm->o.messages) {
        send_next(swarm);
    }
}

static bool is_answered(void *self)
{
    const struct swarm *swarm = self;
    return swarm->took.count >= swarm->o.messages;
}

static void one_at_a_time(struct swarm *swarm)
{
    int64_t used = hub_us(swarm);
    swarm->sent = 0;
    swarm->fleet->got = on_got;
    send_next(swarm);
    expect(swarm, until(swarm, is_answered), "a message did not arrive");
    swarm->fleet->got = NULL;
    (void)printf("one at a time: p50 %" PRId64 " us, p99 %" PRId64 " us from the controller's port "
                 "to the node; %.0f us of the hub's processor each\n",
                 stats_at(&swarm->took, 500), stats_at(&swarm->took, 990),
                 (double)(hub_us(swarm) - used) / (double)swarm->o.messages);
    stats_free(&swarm->took);
}

/* What broadcasts cost: until the hub has the last acknowledgement. */
struct broadcasts {
    struct stats hub_us, own_us;
};

static void one_broadcast(struct swarm *swarm, struct broadcasts *sum)
{
    struct cor_mono began = cor_mono_now();
    int64_t hub = hub_us(swarm);
    int64_t own = stats_cpu_us(getpid());
    fleet_await(swarm->fleet, ++swarm->version);
    for (uint32_t i = 0; i < swarm->fleet->size; i++) {
        cloud_put(swarm->cloud, i, swarm->version);
    }
    expect(swarm, until(swarm, all_have_it), "a node did not get a broadcast");
    stats_add(&swarm->took, cor_mono_since(swarm->fleet->at, began));
    stage_idle(swarm->cloud->stage, LAST_ACK_MS);
    stats_add(&sum->hub_us, hub_us(swarm) - hub);
    stats_add(&sum->own_us, stats_cpu_us(getpid()) - own);
}

static void broadcast(struct swarm *swarm)
{
    struct broadcasts sum = {0};
    for (uint64_t i = 0; i < swarm->o.rounds; i++) {
        one_broadcast(swarm, &sum);
        stage_idle(swarm->cloud->stage, SETTLE_MS);
    }
    double nodes = (double)swarm->fleet->size;
    (void)printf(
        "broadcast: 300 bytes to all in %.0f ms, the middle of %" PRIu64
        " (%.0f to %.0f); %.1f us of the hub's processor a node (at best %.1f), %.1f us of "
        "the nodes' and the controller's (%.1f)\n",
        (double)stats_at(&swarm->took, 500) / 1e3, swarm->o.rounds,
        (double)stats_at(&swarm->took, 0) / 1e3, (double)stats_at(&swarm->took, 1000) / 1e3,
        (double)stats_at(&sum.hub_us, 500) / nodes, (double)stats_at(&sum.hub_us, 0) / nodes,
        (double)stats_at(&sum.own_us, 500) / nodes, (double)stats_at(&sum.own_us, 0) / nodes);
    stats_free(&swarm->took);
    stats_free(&sum.hub_us);
    stats_free(&sum.own_us);
    tell_memory(swarm, "after broadcasts");
}

/* What the nodes and the hub went through since the counters were 0. */
static void tell_storm(struct swarm *swarm, const char *what, struct cor_mono began, int64_t used)
{
    const struct watch_trips trips = watch_end(swarm->watch);
    const struct fleet *fleet = swarm->fleet;
    const struct fleet_counts *n = &fleet->n;
    (void)printf("%s: %" PRIu64 " handshakes (%" PRIu64 " resumed) of %" PRIu64
                 " dials, all up after %.2f s, all in step after %.2f s; %.0f us of the hub's "
                 "processor a handshake\n",
                 what, n->handshakes, n->resumed, n->dials, seconds_since(began, swarm->all_up),
                 seconds_since(began, fleet->at), (double)used / (double)n->handshakes);
    (void)printf("%s: round trips of nodes that are connected: p50 %.1f ms, p99 %.1f ms, slowest "
                 "%.1f ms of %" PRIu64 "\n",
                 what, (double)trips.p50_us / 1e3, (double)trips.p99_us / 1e3,
                 (double)trips.most_us / 1e3, trips.count);
    expect(swarm, n->backwards == 0, "a node was sent an older version than it had");
}

static bool is_ready(void *self)
{
    return ((struct swarm *)self)->cloud->hub_ready;
}

/* The hub is killed; while it is away the controller has something new for every node. */
static void restart(struct swarm *swarm)
{
    struct fleet *fleet = swarm->fleet;
    fleet_count_anew(fleet);
    fleet_await(fleet, ++swarm->version);
    await_all(swarm, fleet->size);
    struct cor_mono began = cor_mono_now();
    watch_begin(swarm->watch);
    cloud_kill(swarm->cloud);
    for (size_t i = 0; i < fleet->size; i++) {
        swarm->cloud->versions[i] = swarm->version;
    }
    cloud_start(swarm->cloud);
    expect(swarm, until(swarm, is_ready), "cloudhub does not start");
    double ready = seconds_since(began, cor_mono_now());
    expect(swarm, until(swarm, all_have_it), "not all nodes are back and in step");
    tell_storm(swarm, "restart", began, hub_us(swarm));
    (void)printf("restart: cloudhub was ready after %.2f s\n", ready);
    tell_memory(swarm, "after a restart");
}

/* Half of the nodes are cut and come back. */
static void herd(struct swarm *swarm)
{
    struct fleet *fleet = swarm->fleet;
    for (size_t i = 0; i < fleet->size; i += 2) {
        node_drop(&fleet->nodes[i]);
    }
    stage_idle(swarm->cloud->stage, SETTLE_MS);
    fleet_count_anew(fleet);
    fleet_await(fleet, swarm->version);
    await_all(swarm, 0);
    watch_begin(swarm->watch);
    int64_t used = hub_us(swarm);
    struct cor_mono began = cor_mono_now();
    fleet->at = began;
    fleet_dial(fleet, 0);
    expect(swarm, until(swarm, all_are_up), "not all nodes are back");
    expect(swarm, fleet->n.losses == 0, "a connected node lost its link to the herd");
    tell_storm(swarm, "herd", began, hub_us(swarm) - used);
}

static void repeat(struct swarm *swarm, void (*row)(struct swarm *swarm))
{
    for (uint64_t i = 0; i < swarm->o.rounds; i++) {
        row(swarm);
        stage_idle(swarm->cloud->stage, SETTLE_MS);
    }
}

static void restarts(struct swarm *swarm)
{
    repeat(swarm, restart);
}

static void herds(struct swarm *swarm)
{
    repeat(swarm, herd);
}

static const struct {
    const char *name;
    void (*fn)(struct swarm *swarm);
} ROWS[] = {
    {"idle", idle},  {"one", one_at_a_time}, {"broadcast", broadcast},
    {"herd", herds}, {"restart", restarts},
};

/* ---- main ---- */

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
    struct options *o = state->input;
    uint64_t *const numbers[] = {&o->nodes, &o->kubeedge, &o->messages, &o->seconds, &o->rounds};
    if (key == ARGP_KEY_ARG) {
        char *rows = cor_sprintf("%s%s ", o->rows == NULL ? " " : o->rows, arg);
        cor_free(o->rows);
        o->rows = rows;
        return 0;
    }
    if (key == OPT_FLOOR) {
        o->floor = true;
        return 0;
    }
    if (key < OPT_NODES || key >= OPT_LAST) {
        return ARGP_ERR_UNKNOWN;
    }
    uint64_t *number = numbers[key - OPT_NODES];
    if (!cor_view_u64(cor_view_of(arg), number) || *number > 1000000) {
        argp_error(state, "expected a number: %s", arg);
    }
    return 0;
}

static bool is_asked(const struct options *o, const char *name)
{
    auto_(cor_freep) char *word = cor_sprintf(" %s ", name);
    return o->rows == NULL || strstr(o->rows, word) != NULL;
}

static bool watchers_are_there(void *self)
{
    return ((struct swarm *)self)->cloud->n.came >= WATCHERS;
}

static void prepare(void)
{
    struct rlimit files;
    (void)getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    (void)cor_tls_keep_records();
}

static void begin(struct swarm *swarm)
{
    swarm->cloud = cloud_new(swarm->o.nodes + WATCHERS);
    swarm->alone_kib = stats_kib(swarm->cloud->hub, "RssAnon");
    struct fleet_spec spec = {.loop = swarm->cloud->stage->loop,
                              .ca = swarm->cloud->ca,
                              .ca_key = swarm->cloud->ca_key,
                              .size = swarm->o.nodes,
                              .kubeedge = swarm->o.kubeedge,
                              .port = swarm->cloud->link_port};
    struct fleet_spec watchers = spec;
    watchers.first = (uint32_t)spec.size;
    watchers.size = WATCHERS;
    watchers.kubeedge = 0;
    swarm->watch = watch_new(&watchers);
    must(until(swarm, watchers_are_there));
    swarm->fleet = fleet_new(&spec);
    swarm->fleet->self = swarm;
}

int main(int argc, char **argv)
{
    static const char DOC[] =
        "Simulated edges at one cloudhub: what they cost it, how fast "
        "messages reach them, how they come back. Rows: idle, one, broadcast, "
        "herd, restart (all).";
    struct swarm swarm = {.o = {.nodes = 300, .messages = 1000, .seconds = 5, .rounds = 3}};
    const struct argp argp = {OPTIONS, parse_option, "[ROW...]", DOC, NULL, NULL, NULL};
    (void)argp_parse(&argp, argc, argv, 0, NULL, &swarm.o);
    if (swarm.o.nodes == 0 || swarm.o.kubeedge > 100 || swarm.o.messages == 0 ||
        swarm.o.rounds == 0 || swarm.o.seconds == 0) {
        (void)fprintf(stderr, "bench-swarm: an option is out of range\n");
        return 2;
    }
    prepare();
    if (swarm.o.floor) {
        floor_run(swarm.o.nodes, swarm.o.rounds, swarm.o.seconds);
        return 0;
    }
    begin(&swarm);
    come(&swarm);
    for (size_t i = 0; i < COR_COUNT(ROWS); i++) {
        if (is_asked(&swarm.o, ROWS[i].name)) {
            ROWS[i].fn(&swarm);
        }
    }
    fleet_free(&swarm.fleet);
    watch_free(&swarm.watch);
    cloud_free(&swarm.cloud);
    cor_free(swarm.o.rows);
    return swarm.bad ? 1 : 0;
}
