// SPDX-License-Identifier: Apache-2.0
// In place of the store's commit thread: a commit is an event. A batch is what arrived during the
// last commit; its end is told some time after the commit itself, so that a crash falls before,
// into and behind it.
#include "common/base/must.h"
#include "common/store/private.h"
#include "inner.h"
#include "seams.h"

enum { START_US = 100, SYNC_US = 2000, SLOW_US = 500000 };

static void on_step(void *self)
{
    struct cor_store *store = self;
    struct cor_link batch;
    cor_list_init(&batch);
    cor_store_report(store);
    if (!cor_store_take(store, &batch)) {
        return;
    }
    sim_point();
    cor_store_commit(store, &batch);
    cor_store_finish(store, &batch);
    bool slow = sim_disk_get(sim_self()->machine) == SIM_DISK_SLOW;
    sim_wakeup_in(store->wakeup, 100 + (int64_t)sim_pick(SIM_DISK, slow ? SLOW_US : SYNC_US));
}

/* Each event reads or commits as a whole: one connection sees what two would. Small pages: less to
 * copy and to add up. */
const struct cor_store_way *cor_store_way(void)
{
    static const struct cor_store_way way = {false, "PRAGMA page_size=2048; "};
    return &way;
}

void cor_store_start(struct cor_store *store, struct cor_loop *loop)
{
    must(!store->started);
    store->loop = loop;
    store->wakeup = cor_wakeup_new(loop, on_step, store);
    store->started = true;
}

void cor_store_wake_thread(struct cor_store *store)
{
    if (!sim_wakeup_is_due(store->wakeup)) {
        sim_wakeup_in(store->wakeup, (int64_t)sim_pick(SIM_DISK, START_US));
    }
}

void cor_store_end_thread(struct cor_store *store)
{
    struct cor_link batch;
    cor_list_init(&batch);
    store->stopping = true;
    while (cor_store_take(store, &batch)) {
        cor_store_commit(store, &batch);
        cor_store_finish(store, &batch);
    }
    store->started = false;
    cor_store_report(store);
    cor_wakeup_free(&store->wakeup);
}
