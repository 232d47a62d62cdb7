// SPDX-License-Identifier: Apache-2.0
// In place of common/loop: timers and wake-ups are events of the world.
#include <unistd.h>

#include "common/base/mem.h"
#include "common/base/must.h"
#include "inner.h"
#include "seams.h"

struct cor_loop {
    struct sim_core *core;
    struct cor_link hooks;
};

struct cor_loop *sim_loop_new(struct sim_core *core)
{
    struct cor_loop *loop = cor_alloc(sizeof(*loop));
    loop->core = core;
    cor_list_init(&loop->hooks);
    return loop;
}

struct cor_loop *cor_loop_new(void)
{
    return sim_loop_new(sim_self());
}

void cor_loop_free(struct cor_loop **loop)
{
    cor_freep(loop);
}

void cor_loop_run(struct cor_loop *loop)
{
    (void)loop;
    cor_die("a core runs a loop of its own");
}

void cor_loop_stop(struct cor_loop *loop)
{
    loop->core->stopping = true;
}

struct cor_mono cor_loop_now(const struct cor_loop *loop)
{
    (void)loop;
    return cor_mono_now();
}

void *cor_loop_native(struct cor_loop *loop)
{
    (void)loop;
    return NULL;
}

/* ---- file descriptors: nothing here has any that are watched ---- */

struct cor_io {
    int fd;
};

struct cor_io *cor_io_new(struct cor_loop *loop, int fd, int events, cor_io_fn fn, void *self)
{
    (void)loop;
    (void)events;
    (void)fn;
    (void)self;
    struct cor_io *io = cor_alloc(sizeof(*io));
    io->fd = fd;
    return io;
}

void cor_io_set(struct cor_io *io, int events)
{
    (void)io;
    (void)events;
}

void cor_io_feed(struct cor_io *io, int events)
{
    (void)io;
    (void)events;
}

void cor_io_free(struct cor_io **io)
{
    cor_freep(io);
}

/* ---- timers ---- */

/* A timer is never early, and late by what the scheduler takes. */
enum { LATE_US = 300 };

struct cor_timer {
    struct sim_event event;
    struct sim_core *core;
    cor_timer_fn fn;
    void *self;
    int64_t every_us;
};

static void arm(struct cor_timer *timer, int64_t after_us)
{
    sim_cancel(&timer->event);
    sim_schedule(&timer->event, timer->core, after_us + (int64_t)sim_pick(SIM_NET, LATE_US));
}

static void on_timer(void *self)
{
    struct cor_timer *timer = self;
    if (timer->every_us > 0) {
        arm(timer, timer->every_us);
    }
    timer->fn(timer->self);
}

struct cor_timer *cor_timer_new(struct cor_loop *loop, cor_timer_fn fn, void *self)
{
    struct cor_timer *timer = cor_alloc(sizeof(*timer));
    timer->core = loop->core;
    timer->fn = fn;
    timer->self = self;
    timer->event.fn = on_timer;
    timer->event.self = timer;
    return timer;
}

void cor_timer_start(struct cor_timer *timer, int64_t after_us)
{
    timer->every_us = 0;
    arm(timer, after_us < 0 ? 0 : after_us);
}

void cor_timer_repeat(struct cor_timer *timer, int64_t every_us)
{
    must(every_us > 0);
    timer->every_us = every_us;
    arm(timer, every_us);
}

void cor_timer_stop(struct cor_timer *timer)
{
    timer->every_us = 0;
    sim_cancel(&timer->event);
}

bool cor_timer_running(const struct cor_timer *timer)
{
    return timer->event.index != 0;
}

void cor_timer_free(struct cor_timer **timer)
{
    if (*timer != NULL) {
        sim_cancel(&(*timer)->event);
        cor_freep(timer);
    }
}

/* ---- signals and children ---- */

struct cor_signal {
    int number;
};

struct cor_signal *cor_signal_new(struct cor_loop *loop, int number, cor_signal_fn fn, void *self)
{
    (void)loop;
    (void)fn;
    (void)self;
    struct cor_signal *sig = cor_alloc(sizeof(*sig));
    sig->number = number;
    return sig;
}

void cor_signal_free(struct cor_signal **sig)
{
    cor_freep(sig);
}

struct cor_child {
    struct cor_timer *timer;
    cor_child_fn fn;
    void *self;
    int pid;
};

/* What a child process of a service does is not simulated: it only takes its time. */
pid_t fork(void)
{
    return 1000 + (pid_t)sim_pick(SIM_NET, 1000);
}

static void on_child(void *self)
{
    struct cor_child *child = self;
    child->fn(child->self, child->pid, 0);
}

struct cor_child *cor_child_new(struct cor_loop *loop, int pid, cor_child_fn fn, void *self)
{
    struct cor_child *child = cor_alloc(sizeof(*child));
    child->fn = fn;
    child->self = self;
    child->pid = pid;
    child->timer = cor_timer_new(loop, on_child, child);
    cor_timer_start(child->timer, COR_MS(1) + (int64_t)sim_pick(SIM_NET, COR_MS(50)));
    return child;
}

void cor_child_free(struct cor_child **child)
{
    if (*child != NULL) {
        cor_timer_free(&(*child)->timer);
        cor_freep(child);
    }
}

/* ---- wake-ups ---- */

struct cor_wakeup {
    struct sim_event event;
    struct sim_core *core;
    void (*fn)(void *self);
    void *self;
};

static void on_wakeup(void *self)
{
    struct cor_wakeup *wakeup = self;
    wakeup->fn(wakeup->self);
}

struct cor_wakeup *cor_wakeup_new(struct cor_loop *loop, void (*fn)(void *self), void *self)
{
    struct cor_wakeup *wakeup = cor_alloc(sizeof(*wakeup));
    wakeup->core = loop->core;
    wakeup->fn = fn;
    wakeup->self = self;
    wakeup->event.fn = on_wakeup;
    wakeup->event.self = wakeup;
    return wakeup;
}

void cor_wakeup_send(struct cor_wakeup *wakeup)
{
    if (wakeup->event.index == 0) {
        sim_schedule(&wakeup->event, wakeup->core, (int64_t)sim_pick(SIM_NET, 50));
    }
}

void sim_wakeup_in(struct cor_wakeup *wakeup, int64_t us)
{
    sim_cancel(&wakeup->event);
    sim_schedule(&wakeup->event, wakeup->core, us);
}

bool sim_wakeup_is_due(const struct cor_wakeup *wakeup)
{
    return wakeup->event.index != 0;
}

void cor_wakeup_free(struct cor_wakeup **wakeup)
{
    if (*wakeup != NULL) {
        sim_cancel(&(*wakeup)->event);
        cor_freep(wakeup);
    }
}

/* ---- hooks ---- */

struct cor_hook {
    struct cor_link link;
    bool (*fn)(void *self);
    void *self;
    bool dead; /* freed while the hooks run */
};

struct cor_hook *cor_hook_new(struct cor_loop *loop, bool (*fn)(void *self), void *self)
{
    struct cor_hook *hook = cor_alloc(sizeof(*hook));
    hook->fn = fn;
    hook->self = self;
    cor_list_add(&loop->hooks, &hook->link);
    return hook;
}

void cor_hook_free(struct cor_hook **hook)
{
    if (*hook != NULL) {
        /* Kept until the hooks have run: a walk may stand on it. */
        (*hook)->dead = true;
        *hook = NULL;
    }
}

bool sim_loop_hooks(struct cor_loop *loop)
{
    bool again = false;
    struct cor_link *next = NULL;
    for (struct cor_link *node = loop->hooks.next; node != &loop->hooks; node = next) {
        struct cor_hook *hook = COR_LIST_OBJECT(node, struct cor_hook, link);
        if (!hook->dead) {
            again = hook->fn(hook->self) || again;
        }
        next = node->next;
        if (hook->dead) {
            cor_list_del(node);
            cor_free(hook);
        }
    }
    return again;
}
