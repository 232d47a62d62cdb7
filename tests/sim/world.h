// SPDX-License-Identifier: Apache-2.0
// The simulated world: one queue of events under a virtual clock for all cores of the process, one
// seed for everything that happens by chance. A core is one service with a loop of its own; it dies
// at any point at which it touches the world (its objects are abandoned) and starts anew on its
// files. Whatever stands in place of an adapter (the seam_*.c) goes through here.
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/list.h"
#include "common/loop/loop.h"
#include "common/service/service.h"

enum sim_machine { SIM_CLOUD, SIM_EDGE, SIM_MACHINES };

/* The last one is no service: it does what people and programs around Coracle do. */
enum sim_id {
    SIM_KUBELITE,
    SIM_CLOUDHUB,
    SIM_CONTROLLER,
    SIM_EDGEHUB,
    SIM_META,
    SIM_TWIN,
    SIM_BUS,
    SIM_EDGED,
    SIM_PEOPLE,
    SIM_CORES
};

/* Sources of chance that do not disturb each other. */
enum sim_dice { SIM_NET, SIM_DISK, SIM_FAULT, SIM_WORK, SIM_SECRET, SIM_DICE };

struct sim_core {
    enum sim_id id;
    const char *name;
    enum sim_machine machine;
    const struct cor_service_spec *spec; /* NULL: people */
    struct cor_loop *loop;               /* NULL: not running */
    struct cor_service service;
    void *cfg;
    void *self;
    uint64_t life; /* number of this start; events of an earlier one are void */
    bool stopping; /* the loop was stopped: stop() comes when the handler returns */
    bool draining;
    bool kicked;               /* a round of hooks is on its way */
    int64_t frozen_until;      /* SIGSTOP */
    struct sim_event **parked; /* what came meanwhile, in order */
    size_t parked_count;
    unsigned crashes;
    unsigned refused; /* starts in a row that failed */
};

struct sim_event {
    int64_t at;
    uint64_t order;
    size_t index;          /* in the heap, from 1; 0: in none */
    struct sim_core *core; /* NULL: the world's own */
    uint64_t life;
    void (*fn)(void *self);
    void *self;
    bool owned; /* by the queue: freed after it ran */
};

/* The world begins: time, chance, cores that do not run yet. dir: folder of real files. */
void sim_begin(uint64_t seed, const char *dir, bool verbose);

/* The world goes on with the chance and the distances of another seed. */
void sim_seed_again(uint64_t seed);

/* Runs events until the given time of the virtual clock. */
void sim_run_until(int64_t us);

/* Virtual microseconds since the beginning. */
int64_t sim_now(void);

const char *sim_dir(void);
uint64_t sim_seed(void);

/* The core that is running now; NULL: the world itself. */
struct sim_core *sim_self(void);
struct sim_core *sim_core(enum sim_id id);

/* Chance: 0..n-1 (n > 0), and whether something of that many in a million happens. */
uint64_t sim_pick(enum sim_dice dice, uint64_t n);
bool sim_chance(enum sim_dice dice, uint64_t in_million);

/* Puts an event into the queue; it must be in none. core NULL: the world's. */
void sim_schedule(struct sim_event *event, struct sim_core *core, int64_t after_us);
void sim_cancel(struct sim_event *event);

/* Runs fn(self) on core later, unless the core has died by then. */
void sim_post(struct sim_core *core, int64_t after_us, void (*fn)(void *self), void *self);

/* Has core go through its hooks soon. */
void sim_kick(struct sim_core *core);

/* Notes what happens for the trace, whose hash says whether two runs are the same. */
void sim_trace(const char *what, uint64_t a, uint64_t b);
uint64_t sim_hash(void);
uint64_t sim_events(void);

/* One line with the virtual time, only when verbose. */
void sim_say(const char *fmt, ...) COR_PRINTF(1, 2);
bool sim_verbose(void);

/* A property does not hold: notes it, prints it; the seed has failed. */
void sim_broken(const char *property, const char *fmt, ...) COR_PRINTF(2, 3);
unsigned sim_broken_count(void);

/* ---- life of cores (cores.c) ---- */

/* Starts a core that does not run. When it fails, it is tried again later. */
void sim_core_start(struct sim_core *core);

/* The process is killed here and now: from within itself this does not return. power: so is the
 * machine's disk cache; call it for every core of the machine. The supervisor starts it again. */
void sim_core_crash(struct sim_core *core, bool power);

/* SIGTERM. */
void sim_core_stop(struct sim_core *core);

/* SIGSTOP for so long. */
void sim_core_freeze(struct sim_core *core, int64_t us);

/* A point at which a process may be killed; crash_in counts them down. */
void sim_point(void);

/* Kills core at its nth next point. */
void sim_core_crash_in(struct sim_core *core, unsigned points);

/* After each handler of a core: its hooks, and its end if it was asked for. */
void sim_core_round(struct sim_core *core);

/* Whether it runs and is not frozen. */
bool sim_core_is_well(const struct sim_core *core);

/* ---- what the seams are told when a core has died ---- */

void sim_zsock_died(struct sim_core *core);
void sim_ws_died(struct sim_core *core);
void sim_http_died(struct sim_core *core);
void sim_mqtt_died(struct sim_core *core);
void sim_files_died(struct sim_core *core);

/* The machine's power is cut: what was not synced may be lost, torn or kept, in any combination. */
void sim_files_power(enum sim_machine machine);

/* A number that changes when a file whose path begins so may have changed. */
uint64_t sim_files_version(const char *path);

/* Hooks of a loop, once over all; whether one of them wants another round. */
bool sim_loop_hooks(struct cor_loop *loop);
struct cor_loop *sim_loop_new(struct sim_core *core);

/* ---- the network (net.c) ---- */

/* How long one message takes from core to core; -1: it does not arrive (the link is cut). */
int64_t sim_net_delay(const struct sim_core *from, const struct sim_core *to);

/* Between edge and cloud: up; cut (connections break, dials fail); silent (nothing arrives and
 * nobody is told). */
enum sim_link { SIM_LINK_UP, SIM_LINK_CUT, SIM_LINK_SILENT };
void sim_net_set(enum sim_link state);
enum sim_link sim_net_get(void);

/* Breaks the connections that cross the link: at once (both ends hear of it), or silently. */
void sim_ws_cut(bool silent);

/* One request or answer of HTTP in so many million is lost with its connection. */
void sim_http_lossy(uint64_t in_million);

/* ---- the disk ---- */

enum sim_disk { SIM_DISK_WELL, SIM_DISK_FULL, SIM_DISK_ERROR_ONCE, SIM_DISK_SLOW };
void sim_disk_set(enum sim_machine machine, enum sim_disk state);
enum sim_disk sim_disk_get(enum sim_machine machine);

/* The machine's wall clock jumps: right, ten years ahead or behind, as after a start without a
 * battery. */
enum sim_clock { SIM_CLOCK_RIGHT, SIM_CLOCK_AHEAD, SIM_CLOCK_BEHIND, SIM_CLOCK_1970 };
void sim_clock_set(enum sim_machine machine, enum sim_clock state);

/* Registers the file system of the simulation with SQLite, once per process. */
void sim_vfs_register(void);

#endif
