// SPDX-License-Identifier: Apache-2.0
// The one event loop of a process; the door to libev. Handlers run to completion on the loop thread
// and never block. Every registration is owned by the registrant and freed by it, before the loop.
// Loop thread only, except cor_wakeup_send.
#ifndef COR_LOOP_LOOP_H
#define COR_LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/clock/clock.h"

struct cor_loop;

/* A loop. Returns owned. */
struct cor_loop *cor_loop_new(void);

/* Frees; everything registered must have been freed. *loop becomes NULL. For auto_(). */
void cor_loop_free(struct cor_loop **loop);

/* Runs handlers until cor_loop_stop. Blocks. */
void cor_loop_run(struct cor_loop *loop);

/* Makes cor_loop_run return after the current handler. */
void cor_loop_stop(struct cor_loop *loop);

/* Now, on the clock that the loop's timers use. */
struct cor_mono cor_loop_now(const struct cor_loop *loop);

/* The library's own loop (struct ev_loop *), for libraries that are guests of libev. */
void *cor_loop_native(struct cor_loop *loop);

enum { COR_READ = 1, COR_WRITE = 2 };

struct cor_io;
typedef void (*cor_io_fn)(void *self, int fd, int events);

/* Watches fd (borrows) for events (COR_READ | COR_WRITE; 0 starts paused). Level-triggered. Returns
 * owned. */
struct cor_io *cor_io_new(struct cor_loop *loop, int fd, int events, cor_io_fn fn, void *self);

/* Changes what is watched. */
void cor_io_set(struct cor_io *io, int events);

/* Makes fn see the given events in this round, as if the fd had them. */
void cor_io_feed(struct cor_io *io, int events);

/* Stops and frees; the fd stays open. *io becomes NULL. */
void cor_io_free(struct cor_io **io);

struct cor_timer;
typedef void (*cor_timer_fn)(void *self);

/* A timer, not started. Returns owned. */
struct cor_timer *cor_timer_new(struct cor_loop *loop, cor_timer_fn fn, void *self);

/* Fires once, after_us from now (>= 0); a running timer is moved. */
void cor_timer_start(struct cor_timer *timer, int64_t after_us);

/* Fires every every_us (> 0), first after that time. */
void cor_timer_repeat(struct cor_timer *timer, int64_t every_us);

/* Stops; may be started again. */
void cor_timer_stop(struct cor_timer *timer);

/* Whether it will fire. */
bool cor_timer_running(const struct cor_timer *timer);

/* Stops and frees; *timer becomes NULL. */
void cor_timer_free(struct cor_timer **timer);

struct cor_signal;
typedef void (*cor_signal_fn)(void *self, int number);

/* Calls fn on the loop when the signal arrives. Returns owned. */
struct cor_signal *cor_signal_new(struct cor_loop *loop, int number, cor_signal_fn fn, void *self);

/* Stops and frees; the signal has its default action again. *sig becomes NULL. */
void cor_signal_free(struct cor_signal **sig);

struct cor_child;
typedef void (*cor_child_fn)(void *self, int pid, int status);

/* Calls fn once when child process pid ends, with the status of waitpid(2). Returns owned. */
struct cor_child *cor_child_new(struct cor_loop *loop, int pid, cor_child_fn fn, void *self);

/* Stops watching and frees. *child becomes NULL. */
void cor_child_free(struct cor_child **child);

struct cor_wakeup;

/* Lets another thread wake the loop: fn runs on the loop, once for many sends. Returns owned. */
struct cor_wakeup *cor_wakeup_new(struct cor_loop *loop, void (*fn)(void *self), void *self);

/* Any thread. Never blocks. */
void cor_wakeup_send(struct cor_wakeup *wakeup);

/* Stops and frees; no thread may send any more. *wakeup becomes NULL. */
void cor_wakeup_free(struct cor_wakeup **wakeup);

struct cor_hook;

/* Calls fn at the end of every round, before the loop sleeps: for flushing what the round gathered
 * and for sources whose readiness is edge-triggered. If fn returns true the loop does not sleep but
 * goes round again. Returns owned. */
struct cor_hook *cor_hook_new(struct cor_loop *loop, bool (*fn)(void *self), void *self);

/* The loop does not sleep before the hook's fn has run once more. */
void cor_hook_again(struct cor_hook *hook);

/* Stops and frees. *hook becomes NULL. */
void cor_hook_free(struct cor_hook **hook);

#endif
