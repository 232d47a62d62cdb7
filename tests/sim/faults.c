// SPDX-License-Identifier: Apache-2.0
// What goes wrong in this seed: each seed has a temper, which says how often and what.
#include "inner.h"
#include "people.h"
#include "runtime.h"

enum { KINDS = 14 };

struct temper {
    int64_t until;
    int64_t mean_us;         /* between faults */
    uint64_t weights[KINDS]; /* of the kinds */
    uint64_t total;
};

static struct temper *temper(void)
{
    static struct temper it;
    return &it;
}

static bool is_over(void)
{
    return sim_now() >= temper()->until;
}

static struct sim_core *any_core(void)
{
    return sim_core((enum sim_id)sim_pick(SIM_FAULT, SIM_PEOPLE));
}

static struct sim_core *any_edge_core(void)
{
    return sim_core((enum sim_id)(SIM_EDGEHUB + sim_pick(SIM_FAULT, SIM_PEOPLE - SIM_EDGEHUB)));
}

/* 0.1 s to ten minutes, short ones more often. */
static int64_t some_time(void)
{
    static const int64_t SCALES[] = {COR_SEC(1), COR_SEC(5), COR_SEC(40), COR_SEC(600)};
    return COR_MS(100) + (int64_t)sim_pick(SIM_FAULT, (uint64_t)SCALES[sim_pick(SIM_FAULT, 4)]);
}

static void kill_one(void)
{
    sim_core_crash(any_core(), false);
}

static void kill_at_point(void)
{
    sim_core_crash_in(any_core(), 1 + (unsigned)sim_pick(SIM_FAULT, 40));
}

static void kill_edge_at_point(void)
{
    sim_core_crash_in(any_edge_core(), 1 + (unsigned)sim_pick(SIM_FAULT, 15));
}

static void stop_one(void)
{
    sim_core_stop(any_core());
}

static void freeze_one(void)
{
    int64_t us = some_time();
    sim_core_freeze(any_core(), us > COR_SEC(60) ? COR_SEC(60) : us);
}

static void reset_link(void)
{
    sim_say("the link is reset");
    sim_ws_cut(false);
}

static void lose_link(void)
{
    sim_say("the link's connections fall silent");
    sim_ws_cut(true);
}

static void on_link_back(void *self)
{
    (void)self;
    sim_net_set(SIM_LINK_UP);
}

static void partition(void)
{
    if (sim_net_get() == SIM_LINK_UP) {
        sim_net_set(sim_chance(SIM_FAULT, 500000) ? SIM_LINK_CUT : SIM_LINK_SILENT);
        sim_post(NULL, some_time(), on_link_back, NULL);
    }
}

static void power(enum sim_machine machine)
{
    sim_say("power cut of the %s", machine == SIM_EDGE ? "edge" : "cloud");
    for (enum sim_id id = 0; id < SIM_PEOPLE; id++) {
        if (sim_core(id)->machine == machine) {
            sim_core_crash(sim_core(id), true);
        }
    }
    sim_files_power(machine);
    if (machine == SIM_EDGE) {
        sim_runtime_off();
    }
}

static void power_edge(void)
{
    power(SIM_EDGE);
}

static void power_cloud(void)
{
    power(SIM_CLOUD);
}

static void on_disk_well(void *self)
{
    (void)self;
    sim_say("the disks are well");
    for (enum sim_machine m = 0; m < SIM_MACHINES; m++) {
        sim_disk_set(m, SIM_DISK_WELL);
    }
}

static void hurt_disk(void)
{
    static const enum sim_disk STATES[] = {SIM_DISK_FULL, SIM_DISK_ERROR_ONCE, SIM_DISK_SLOW};
    enum sim_disk state = STATES[sim_pick(SIM_FAULT, COR_COUNT(STATES))];
    enum sim_machine machine = sim_chance(SIM_FAULT, 700000) ? SIM_EDGE : SIM_CLOUD;
    sim_say("disk of the %s: %d", machine == SIM_EDGE ? "edge" : "cloud", state);
    sim_disk_set(machine, state);
    sim_post(NULL, some_time(), on_disk_well, NULL);
}

static void on_http_well(void *self)
{
    (void)self;
    sim_http_lossy(0);
}

static void lose_http(void)
{
    sim_say("the API's connections break");
    sim_http_lossy(20000 + sim_pick(SIM_FAULT, 300000));
    sim_post(NULL, some_time(), on_http_well, NULL);
}

static void on_clock_right(void *self)
{
    (void)self;
    sim_say("the clock of the edge is right");
    sim_clock_set(SIM_EDGE, SIM_CLOCK_RIGHT);
}

/* The cloud's clock is somebody's business; the edge's may have no battery. */
static void shift_clock(void)
{
    static const enum sim_clock STATES[] = {SIM_CLOCK_AHEAD, SIM_CLOCK_BEHIND, SIM_CLOCK_1970};
    enum sim_clock state = STATES[sim_pick(SIM_FAULT, COR_COUNT(STATES))];
    sim_say("clock of the edge: %d", state);
    sim_clock_set(SIM_EDGE, state);
    sim_post(NULL, some_time(), on_clock_right, NULL);
}

static const struct {
    const char *name;
    void (*fn)(void);
} ACTIONS[KINDS] = {
    {"kill", kill_one},
    {"point", kill_at_point},
    {"edge-point", kill_edge_at_point},
    {"stop", stop_one},
    {"freeze", freeze_one},
    {"reset", reset_link},
    {"silence", lose_link},
    {"partition", partition},
    {"power-edge", power_edge},
    {"power-cloud", power_cloud},
    {"disk", hurt_disk},
    {"http", lose_http},
    {"exit", sim_runtime_exit_one},
    {"clock", shift_clock},
};

static void on_fault(void *self);

static void plan(void)
{
    struct temper *t = temper();
    sim_post(NULL, COR_MS(10) + (int64_t)sim_pick(SIM_FAULT, (uint64_t)(2 * t->mean_us)), on_fault,
             NULL);
}

static void on_fault(void *self)
{
    (void)self;
    struct temper *t = temper();
    if (is_over()) {
        return;
    }
    uint64_t at = sim_pick(SIM_FAULT, t->total);
    size_t kind = 0;
    while (at >= t->weights[kind]) {
        at -= t->weights[kind++];
    }
    sim_trace("fault", kind, 0);
    ACTIONS[kind].fn();
    plan();
}

/* Whether name is in the list "a,b,c"; NULL lists all. */
static bool is_listed(const char *name, const char *list)
{
    struct cor_view rest = cor_view_of(list);
    struct cor_view one;
    while (list != NULL && cor_view_split(&rest, ',', &one)) {
        if (cor_view_is(one, name)) {
            return true;
        }
    }
    return list == NULL;
}

void sim_faults_begin(int64_t until_us, const char *only)
{
    static const int64_t MEANS[] = {COR_SEC(10),  COR_SEC(60),  COR_SEC(60),  COR_SEC(200),
                                    COR_SEC(200), COR_SEC(600), COR_SEC(600), COR_SEC(600)};
    struct temper *t = temper();
    t->until = until_us;
    t->mean_us = MEANS[sim_pick(SIM_FAULT, COR_COUNT(MEANS))];
    for (size_t i = 0; i < KINDS; i++) {
        t->weights[i] = sim_chance(SIM_FAULT, 500000) ? 1 + sim_pick(SIM_FAULT, 8) : 0;
        t->weights[i] = is_listed(ACTIONS[i].name, only) ? t->weights[i] : 0;
        t->total += t->weights[i];
    }
    if (t->total > 0) {
        plan();
    }
}

void sim_faults_end(void)
{
    temper()->until = sim_now();
    sim_net_set(SIM_LINK_UP);
    sim_http_lossy(0);
    on_disk_well(NULL);
    on_clock_right(NULL);
    for (enum sim_id id = 0; id < SIM_CORES; id++) {
        sim_core_crash_in(sim_core(id), 0);
    }
}
