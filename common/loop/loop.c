// SPDX-License-Identifier: Apache-2.0
#include "common/loop/loop.h"

#include <ev.h>

#include "common/base/mem.h"
#include "common/base/must.h"

/* libev's macros cast between watcher types; that is its documented interface. */
#pragma GCC diagnostic ignored "-Wcast-align"

struct cor_loop {
    struct ev_loop *ev;
};

/* As libev wants it; its own aborts when there is no memory. */
static void *allocate(void *ptr, long size) /* NOLINT(google-runtime-int) */
{
    if (size > 0) {
        return cor_realloc(ptr, (size_t)size, 1);
    }
    cor_free(ptr);
    return NULL;
}

struct cor_loop *cor_loop_new(void)
{
    struct cor_loop *loop = cor_alloc(sizeof(*loop));
    ev_set_allocator(allocate);
    /* The default loop is the only one that can reap children (libev). */
    loop->ev = ev_default_loop(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (loop->ev == NULL) {
        cor_die("epoll is not available");
    }
    return loop;
}

void cor_loop_free(struct cor_loop **loop)
{
    if (*loop != NULL) {
        ev_loop_destroy((*loop)->ev);
        cor_freep(loop);
    }
}

void cor_loop_run(struct cor_loop *loop)
{
    ev_run(loop->ev, 0);
}

void cor_loop_stop(struct cor_loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

struct cor_mono cor_loop_now(const struct cor_loop *loop)
{
    (void)loop;
    return cor_mono_now();
}

void *cor_loop_native(struct cor_loop *loop)
{
    return loop->ev;
}

struct cor_io {
    ev_io w;
    struct ev_loop *ev;
    cor_io_fn fn;
    void *self;
};

static int to_ev(int events)
{
    return ((events & COR_READ) != 0 ? EV_READ : 0) | ((events & COR_WRITE) != 0 ? EV_WRITE : 0);
}

static void on_io(struct ev_loop *ev, ev_io *w, int revents)
{
    (void)ev;
    struct cor_io *io = w->data;
    int events = ((revents & EV_READ) != 0 ? COR_READ : 0) |
                 ((revents & EV_WRITE) != 0 ? COR_WRITE : 0) |
                 ((revents & EV_ERROR) != 0 ? COR_READ | COR_WRITE : 0);
    io->fn(io->self, w->fd, events);
}

struct cor_io *cor_io_new(struct cor_loop *loop, int fd, int events, cor_io_fn fn, void *self)
{
    struct cor_io *io = cor_alloc(sizeof(*io));
    io->ev = loop->ev;
    io->fn = fn;
    io->self = self;
    ev_io_init(&io->w, on_io, fd, to_ev(events));
    io->w.data = io;
    if (events != 0) {
        ev_io_start(io->ev, &io->w);
    }
    return io;
}

void cor_io_set(struct cor_io *io, int events)
{
    if (ev_is_active(&io->w) && (io->w.events & (EV_READ | EV_WRITE)) == to_ev(events)) {
        return;
    }
    ev_io_stop(io->ev, &io->w);
    ev_io_set(&io->w, io->w.fd, to_ev(events));
    if (events != 0) {
        ev_io_start(io->ev, &io->w);
    }
}

void cor_io_feed(struct cor_io *io, int events)
{
    ev_feed_event(io->ev, &io->w, to_ev(events));
}

void cor_io_free(struct cor_io **io)
{
    if (*io != NULL) {
        ev_io_stop((*io)->ev, &(*io)->w);
        ev_clear_pending((*io)->ev, &(*io)->w);
        cor_freep(io);
    }
}

struct cor_timer {
    ev_timer w;
    struct ev_loop *ev;
    cor_timer_fn fn;
    void *self;
};

static void on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
    (void)ev;
    (void)revents;
    struct cor_timer *timer = w->data;
    timer->fn(timer->self);
}

struct cor_timer *cor_timer_new(struct cor_loop *loop, cor_timer_fn fn, void *self)
{
    struct cor_timer *timer = cor_alloc(sizeof(*timer));
    timer->ev = loop->ev;
    timer->fn = fn;
    timer->self = self;
    ev_timer_init(&timer->w, on_timer, 0., 0.);
    timer->w.data = timer;
    return timer;
}

static void arm(struct cor_timer *timer, int64_t after_us, int64_t every_us)
{
    ev_timer_stop(timer->ev, &timer->w);
    /* libev counts from the start of the round; ours counts from now. */
    ev_now_update(timer->ev);
    ev_timer_set(&timer->w, (double)after_us / 1e6, (double)every_us / 1e6);
    ev_timer_start(timer->ev, &timer->w);
}

void cor_timer_start(struct cor_timer *timer, int64_t after_us)
{
    arm(timer, after_us < 0 ? 0 : after_us, 0);
}

void cor_timer_repeat(struct cor_timer *timer, int64_t every_us)
{
    must(every_us > 0);
    arm(timer, every_us, every_us);
}

void cor_timer_stop(struct cor_timer *timer)
{
    ev_timer_stop(timer->ev, &timer->w);
}

bool cor_timer_running(const struct cor_timer *timer)
{
    return ev_is_active(&timer->w);
}

void cor_timer_free(struct cor_timer **timer)
{
    if (*timer != NULL) {
        ev_timer_stop((*timer)->ev, &(*timer)->w);
        cor_freep(timer);
    }
}

struct cor_signal {
    ev_signal w;
    struct ev_loop *ev;
    cor_signal_fn fn;
    void *self;
};

static void on_signal(struct ev_loop *ev, ev_signal *w, int revents)
{
    (void)ev;
    (void)revents;
    struct cor_signal *sig = w->data;
    sig->fn(sig->self, w->signum);
}

struct cor_signal *cor_signal_new(struct cor_loop *loop, int number, cor_signal_fn fn, void *self)
{
    struct cor_signal *sig = cor_alloc(sizeof(*sig));
    sig->ev = loop->ev;
    sig->fn = fn;
    sig->self = self;
    ev_signal_init(&sig->w, on_signal, number);
    sig->w.data = sig;
    ev_signal_start(sig->ev, &sig->w);
    return sig;
}

void cor_signal_free(struct cor_signal **sig)
{
    if (*sig != NULL) {
        ev_signal_stop((*sig)->ev, &(*sig)->w);
        cor_freep(sig);
    }
}

struct cor_child {
    ev_child w;
    struct ev_loop *ev;
    cor_child_fn fn;
    void *self;
};

static void on_child(struct ev_loop *ev, ev_child *w, int revents)
{
    (void)revents;
    struct cor_child *child = w->data;
    ev_child_stop(ev, w);
    child->fn(child->self, w->rpid, w->rstatus);
}

struct cor_child *cor_child_new(struct cor_loop *loop, int pid, cor_child_fn fn, void *self)
{
    struct cor_child *child = cor_alloc(sizeof(*child));
    child->ev = loop->ev;
    child->fn = fn;
    child->self = self;
    ev_child_init(&child->w, on_child, pid, 0);
    child->w.data = child;
    ev_child_start(child->ev, &child->w);
    return child;
}

void cor_child_free(struct cor_child **child)
{
    if (*child != NULL) {
        ev_child_stop((*child)->ev, &(*child)->w);
        cor_freep(child);
    }
}

struct cor_wakeup {
    ev_async w;
    struct ev_loop *ev;
    void (*fn)(void *self);
    void *self;
};

static void on_wakeup(struct ev_loop *ev, ev_async *w, int revents)
{
    (void)ev;
    (void)revents;
    struct cor_wakeup *wakeup = w->data;
    wakeup->fn(wakeup->self);
}

struct cor_wakeup *cor_wakeup_new(struct cor_loop *loop, void (*fn)(void *self), void *self)
{
    struct cor_wakeup *wakeup = cor_alloc(sizeof(*wakeup));
    wakeup->ev = loop->ev;
    wakeup->fn = fn;
    wakeup->self = self;
    ev_async_init(&wakeup->w, on_wakeup);
    wakeup->w.data = wakeup;
    ev_async_start(wakeup->ev, &wakeup->w);
    return wakeup;
}

void cor_wakeup_send(struct cor_wakeup *wakeup)
{
    ev_async_send(wakeup->ev, &wakeup->w);
}

void cor_wakeup_free(struct cor_wakeup **wakeup)
{
    if (*wakeup != NULL) {
        ev_async_stop((*wakeup)->ev, &(*wakeup)->w);
        cor_freep(wakeup);
    }
}

/* prepare runs fn before the loop sleeps; idle, while active, keeps it from sleeping. */
struct cor_hook {
    ev_prepare w;
    ev_idle idle;
    struct ev_loop *ev;
    bool (*fn)(void *self);
    void *self;
};

static void on_idle(struct ev_loop *ev, ev_idle *w, int revents)
{
    (void)revents;
    ev_idle_stop(ev, w);
}

static void on_hook(struct ev_loop *ev, ev_prepare *w, int revents)
{
    (void)revents;
    struct cor_hook *hook = w->data;
    if (hook->fn(hook->self)) {
        ev_idle_start(ev, &hook->idle);
    }
}

struct cor_hook *cor_hook_new(struct cor_loop *loop, bool (*fn)(void *self), void *self)
{
    struct cor_hook *hook = cor_alloc(sizeof(*hook));
    hook->ev = loop->ev;
    hook->fn = fn;
    hook->self = self;
    ev_prepare_init(&hook->w, on_hook);
    hook->w.data = hook;
    ev_idle_init(&hook->idle, on_idle);
    ev_prepare_start(hook->ev, &hook->w);
    ev_unref(hook->ev);
    return hook;
}

void cor_hook_again(struct cor_hook *hook)
{
    ev_idle_start(hook->ev, &hook->idle);
}

void cor_hook_free(struct cor_hook **hook)
{
    if (*hook != NULL) {
        ev_ref((*hook)->ev);
        ev_prepare_stop((*hook)->ev, &(*hook)->w);
        ev_idle_stop((*hook)->ev, &(*hook)->idle);
        cor_freep(hook);
    }
}
