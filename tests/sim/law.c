// SPDX-License-Identifier: Apache-2.0
// The law, as the services' own books have it: asks each for its ledger, as `coracle ledger` does.
#include "common/base/arena.h"
#include "common/base/mem.h"
#include "common/bus/wire.h"
#include "common/bus/zsock.h"
#include "inner.h"
#include "people.h"

enum { TRY_US = 5000, PATIENCE_US = 2000000, JSON_MAX = 1 << 22, ARENA = 1 << 22, HWM = 16 };

struct question {
    const char *service;
    struct cor_zsock *z;
    struct cor_timer *timer;
    int64_t until;
    bool asked;
    bool answered;
    sim_balance_fn fn;
};

static void end(struct question *q)
{
    cor_zsock_close(&q->z);
    cor_timer_free(&q->timer);
    cor_free(q);
}

static bool ask(struct question *q)
{
    struct cor_wire_ctl_call call = {.verb = COR_VIEW("ledger"), .args = COR_VIEW("{}")};
    struct cor_wire_header header = {.number = COR_WIRE_CTL_CALL, .id = 1};
    struct cor_peer nobody = {.len = 0};
    auto_(cor_buf_free) struct cor_buf frame = {0};
    cor_frame_write(&header, &cor_wire_ctl_call_table, &call, &frame);
    return cor_zsock_send(q->z, &nobody, cor_buf_as_view(&frame));
}

static void on_timer(void *self)
{
    struct question *q = self;
    if (q->answered) {
        end(q);
    } else if (sim_now() > q->until) {
        q->fn(q->service, -1);
        end(q);
    } else {
        q->asked = q->asked || ask(q);
        cor_timer_start(q->timer, TRY_US);
    }
}

static void on_message(void *self, const struct cor_peer *peer, int uid, struct cor_view frame)
{
    struct question *q = self;
    struct cor_wire_header head;
    struct cor_view raw;
    struct cor_wire_ctl_reply reply;
    auto_(cor_arena_free) struct cor_arena *arena = cor_arena_new(ARENA);
    auto_(cor_json_free) struct cor_json *json = NULL;
    (void)peer;
    (void)uid;
    if (q->answered || cor_frame_read(frame, &head, &raw, NULL) != COR_OK ||
        head.number != COR_WIRE_CTL_REPLY ||
        cor_decode(&cor_wire_ctl_reply_table, raw, arena, &reply, NULL) != COR_OK ||
        cor_json_parse(reply.result, JSON_MAX, 0, &json, NULL) != COR_OK) {
        return;
    }
    q->answered = true; /* the timer closes */
    q->fn(q->service, cor_json_int_at(json, "balance", -1));
}

/* Runs on the people's core. */
static void begin(void *self)
{
    static const struct cor_zsock_ops OPS = {.message = on_message};
    struct question *q = self;
    struct cor_loop *loop = sim_core(SIM_PEOPLE)->loop;
    auto_(cor_freep) char *path = cor_sprintf("%s/ctl/%s", sim_dir(), q->service);
    struct cor_zsock_spec spec = {.path = path, .max_bytes = JSON_MAX, .hwm = HWM};
    if (cor_zsock_open(loop, &spec, &OPS, q, &q->z, NULL) != COR_OK) {
        q->fn(q->service, -1);
        cor_free(q);
        return;
    }
    q->timer = cor_timer_new(loop, on_timer, q);
    cor_timer_start(q->timer, TRY_US);
}

void sim_ask_balance(const char *service, sim_balance_fn fn)
{
    struct question *q = cor_alloc(sizeof(*q));
    q->service = service;
    q->fn = fn;
    q->until = sim_now() + PATIENCE_US;
    sim_post(sim_core(SIM_PEOPLE), 0, begin, q);
}
