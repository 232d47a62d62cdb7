// SPDX-License-Identifier: Apache-2.0
#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"

/* The one world of the process: the seams have no other way to it, their interfaces are those of
 * the adapters they stand for. */
struct sim_world *sim_world(void)
{
    static struct sim_world world;
    return &world;
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_roll(enum sim_dice dice)
{
    return splitmix(&sim_world()->dice[dice]);
}

uint64_t sim_pick(enum sim_dice dice, uint64_t n)
{
    must(n > 0);
    return sim_roll(dice) % n;
}

bool sim_chance(enum sim_dice dice, uint64_t in_million)
{
    return in_million > 0 && sim_pick(dice, 1000000) < in_million;
}

int64_t sim_now(void)
{
    return sim_world()->now;
}

const char *sim_dir(void)
{
    return sim_world()->dir;
}

uint64_t sim_seed(void)
{
    return sim_world()->seed;
}

struct sim_core *sim_self(void)
{
    return sim_world()->running;
}

struct sim_core *sim_core(enum sim_id id)
{
    return &sim_world()->cores[id];
}

uint64_t sim_hash(void)
{
    return sim_world()->hash;
}

uint64_t sim_events(void)
{
    return sim_world()->events;
}

bool sim_verbose(void)
{
    return sim_world()->verbose;
}

static void mix(uint64_t value)
{
    struct sim_world *w = sim_world();
    w->hash = (w->hash ^ value) * 0x100000001b3u;
    w->hash ^= w->hash >> 29;
}

void sim_trace(const char *what, uint64_t a, uint64_t b)
{
    mix((uint64_t)sim_now());
    for (const char *c = what; *c != '\0'; c++) {
        mix((uint64_t)(unsigned char)*c);
    }
    mix(a);
    mix(b);
}

void sim_say(const char *fmt, ...)
{
    if (!sim_verbose()) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void)fprintf(stderr, "%12.6f ", (double)sim_now() / 1e6);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
}

void sim_broken(const char *property, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    sim_world()->broken++;
    printf("seed %" PRIu64 " at %.3f s: BROKEN %s: %s\n", sim_seed(), (double)sim_now() / 1e6,
           property, text);
    (void)fflush(stdout);
}

unsigned sim_broken_count(void)
{
    return sim_world()->broken;
}

/* ---- the queue: a binary heap, first by time, then by chance, then by number ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

static void place(struct sim_world *w, struct sim_event *event, size_t index)
{
    w->heap[index] = event;
    event->index = index;
}

static void sift_up(struct sim_world *w, struct sim_event *event, size_t index)
{
    while (index > 1 && before(event, w->heap[index / 2])) {
        place(w, w->heap[index / 2], index);
        index /= 2;
    }
    place(w, event, index);
}

static void sift_down(struct sim_world *w, struct sim_event *event, size_t index)
{
    for (;;) {
        size_t child = index * 2;
        if (child > w->count) {
            break;
        }
        if (child < w->count && before(w->heap[child + 1], w->heap[child])) {
            child++;
        }
        if (!before(w->heap[child], event)) {
            break;
        }
        place(w, w->heap[child], index);
        index = child;
    }
    place(w, event, index);
}

static void push(struct sim_event *event)
{
    struct sim_world *w = sim_world();
    must(event->index == 0);
    if (w->count + 2 > w->room) {
        w->room = w->room == 0 ? 256 : w->room * 2;
        w->heap = cor_realloc(w->heap, w->room, sizeof(struct sim_event *));
    }
    sift_up(w, event, ++w->count);
}

void sim_schedule(struct sim_event *event, struct sim_core *core, int64_t after_us)
{
    struct sim_world *w = sim_world();
    event->core = core;
    event->life = core == NULL ? 0 : core->life;
    event->at = w->now + (after_us < 0 ? 0 : after_us);
    event->order = sim_roll(SIM_NET) << 32 | (uint32_t)++w->numbered;
    push(event);
}

static void unpark(const struct sim_event *event)
{
    struct sim_core *core = event->core;
    size_t kept = 0;
    for (size_t i = 0; i < core->parked_count; i++) {
        if (core->parked[i] != event) {
            core->parked[kept++] = core->parked[i];
        }
    }
    core->parked_count = kept;
}

void sim_cancel(struct sim_event *event)
{
    struct sim_world *w = sim_world();
    size_t index = event->index;
    event->index = 0;
    if (index == 0) {
        return;
    }
    if (index == SIZE_MAX) {
        unpark(event);
        return;
    }
    struct sim_event *last = w->heap[w->count--];
    if (last == event) {
        return;
    }
    if (index > 1 && before(last, w->heap[index / 2])) {
        sift_up(w, last, index);
    } else {
        sift_down(w, last, index);
    }
}

void sim_post(struct sim_core *core, int64_t after_us, void (*fn)(void *self), void *self)
{
    struct sim_event *event = cor_alloc(sizeof(*event));
    event->fn = fn;
    event->self = self;
    event->owned = true;
    sim_schedule(event, core, after_us);
}

static void on_kick(void *self)
{
    struct sim_core *core = self;
    core->kicked = false;
}

void sim_kick(struct sim_core *core)
{
    if (core->loop != NULL && !core->kicked && sim_self() != core) {
        core->kicked = true;
        sim_post(core, 0, on_kick, core);
    }
}

/* ---- running ---- */

/* What happens to a process that is stopped waits, in order. */
static bool is_late(struct sim_event *event)
{
    struct sim_core *core = event->core;
    if (core == NULL || (core->frozen_until <= sim_now() && core->parked_count == 0)) {
        return false;
    }
    core->parked = cor_realloc(core->parked, core->parked_count + 1, sizeof(struct sim_event *));
    core->parked[core->parked_count++] = event;
    event->index = SIZE_MAX; /* waits, though not in the heap */
    return true;
}

void sim_thaw(struct sim_core *core)
{
    for (size_t i = 0; i < core->parked_count; i++) {
        struct sim_event *event = core->parked[i];
        event->index = 0;
        event->at = sim_now();
        event->order = ++sim_world()->numbered;
        push(event);
    }
    core->parked_count = 0;
}

static void call(struct sim_event *event)
{
    struct sim_world *w = sim_world();
    struct sim_core *core = event->core;
    void (*fn)(void *self) = event->fn;
    void *self = event->self;
    if (event->owned) {
        cor_free(event);
    }
    w->running = core;
    if (core == NULL) {
        fn(self);
    } else if (setjmp(w->death) == 0) {
        fn(self);
        sim_core_round(core);
    }
    w->running = NULL;
}

static bool step(int64_t until)
{
    struct sim_world *w = sim_world();
    struct sim_event *event = w->count == 0 ? NULL : w->heap[1];
    if (event == NULL || event->at > until) {
        return false;
    }
    sim_cancel(event);
    w->now = event->at;
    bool is_void =
        event->core != NULL && (event->core->loop == NULL || event->life != event->core->life);
    if (is_void && event->owned) {
        cor_free(event);
    }
    if (!is_void && !is_late(event)) {
        w->events++;
        mix((uint64_t)w->now);
        mix(event->core == NULL ? 99 : (uint64_t)event->core->id);
        call(event);
    }
    return true;
}

void sim_run_until(int64_t us)
{
    while (step(us)) {}
    sim_world()->now = us;
}

static void throw_in(struct sim_world *w, uint64_t seed)
{
    w->seed = seed;
    for (size_t i = 0; i < SIM_DICE; i++) {
        uint64_t state = seed * 0x100000001b3u + i;
        w->dice[i] = splitmix(&state);
    }
}

void sim_seed_again(uint64_t seed)
{
    struct sim_world *w = sim_world();
    w->link_delay_us = 0;
    mix(seed);
    throw_in(w, seed);
}

void sim_begin(uint64_t seed, const char *dir, bool verbose)
{
    struct sim_world *w = sim_world();
    must(w->dir == NULL);
    w->dir = cor_strdup(dir);
    w->verbose = verbose;
    w->hash = 0xcbf29ce484222325u;
    throw_in(w, seed);
    sim_cores_begin();
}
