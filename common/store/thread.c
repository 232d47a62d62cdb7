// SPDX-License-Identifier: Apache-2.0
// The commit thread: a batch is what arrived during the last commit. A simulation links its own in
// place of this file, in which a commit is an event.
#include <signal.h>

#include "common/base/must.h"
#include "private.h"

static void wait_for_work(struct cor_store *store)
{
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    while (cor_list_empty(&store->waiting) && !store->stopping) {
        must(pthread_cond_wait(&store->queue_filled, &store->queue_lock) == 0);
    }
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
}

static void *commit_thread(void *arg)
{
    struct cor_store *store = arg;
    struct cor_link batch;
    cor_list_init(&batch);
    for (;;) {
        wait_for_work(store);
        if (!cor_store_take(store, &batch)) {
            return NULL;
        }
        cor_store_commit(store, &batch);
        cor_store_finish(store, &batch);
        cor_wakeup_send(store->wakeup);
    }
}

static void on_wakeup(void *self)
{
    cor_store_report(self);
}

const struct cor_store_way *cor_store_way(void)
{
    static const struct cor_store_way way = {true, ""};
    return &way;
}

void cor_store_start(struct cor_store *store, struct cor_loop *loop)
{
    must(!store->started);
    store->loop = loop;
    store->wakeup = cor_wakeup_new(loop, on_wakeup, store);
    /* Signals are the loop thread's business. */
    sigset_t all;
    sigset_t before;
    (void)sigfillset(&all);
    must(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    if (pthread_create(&store->thread, NULL, commit_thread, store) != 0) {
        cor_die("cannot start the commit thread of %s", store->path);
    }
    must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    store->started = true;
}

void cor_store_wake_thread(struct cor_store *store)
{
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    must(pthread_cond_signal(&store->queue_filled) == 0);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
}

void cor_store_end_thread(struct cor_store *store)
{
    must(pthread_mutex_lock(&store->queue_lock) == 0);
    store->stopping = true;
    must(pthread_cond_signal(&store->queue_filled) == 0);
    must(pthread_mutex_unlock(&store->queue_lock) == 0);
    must(pthread_join(store->thread, NULL) == 0);
    store->started = false;
    cor_store_report(store);
    cor_wakeup_free(&store->wakeup);
}
