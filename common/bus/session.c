// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <inttypes.h>
#include <string.h>

enum { WINDOW_MAX = 1 << 20, RELAY_LEAVES = 4 };

void cor_session_init(struct cor_session *s, bool is_binder, uint64_t boot, uint32_t window)
{
    *s = (struct cor_session){
        .is_binder = is_binder, .boot = boot, .window = window, .minor = COR_BUS_MINOR};
}

static void fill(const struct cor_session *s, struct cor_wire_hello *hello)
{
    *hello = (struct cor_wire_hello){
        .service = cor_view_of(s->service),
        .major = COR_BUS_MAJOR,
        .minor = s->minor,
        .boot = s->boot,
        .epoch = s->epoch,
        .window = s->window,
    };
}

static void start_counting(struct cor_session *s)
{
    s->sent = 0;
    s->limit = 0;
    s->received = 0;
    s->granted = s->window;
}

void cor_session_greet(struct cor_session *s, uint64_t epoch, struct cor_wire_hello *hello_r)
{
    s->state = COR_SESSION_GREETED;
    s->epoch = epoch;
    start_counting(s);
    fill(s, hello_r);
}

static bool acceptable(const struct cor_session *s, const struct cor_wire_hello *in,
                       struct cor_err *err)
{
    if (in->major != COR_BUS_MAJOR) {
        (void)cor_err_set(err, COR_UNSUPPORTED,
                          "protocol %" PRIu64 ".%" PRIu64 " of %s, here it is %d.%d", in->major,
                          in->minor, s->peer, COR_BUS_MAJOR, COR_BUS_MINOR);
        return false;
    }
    if (!cor_view_is(in->service, s->peer)) {
        (void)cor_err_set(err, COR_DENIED, "peer calls itself \"%.*s\", expected %s",
                          COR_VIEW_ARG(in->service), s->peer);
        return false;
    }
    if (in->window == 0 || in->window > WINDOW_MAX) {
        (void)cor_err_set(err, COR_INVALID, "window of %" PRIu64 " messages", in->window);
        return false;
    }
    return true;
}

enum cor_session_do cor_session_hello(struct cor_session *s, const struct cor_wire_hello *in,
                                      struct cor_wire_hello *answer_r, struct cor_err *err)
{
    if (s->is_binder && (s->state != COR_SESSION_GREETED || in->epoch != s->epoch)) {
        return COR_SESSION_IGNORE;
    }
    if (!acceptable(s, in, err)) {
        s->state = COR_SESSION_DOWN;
        return COR_SESSION_REFUSE;
    }
    if (!s->is_binder) {
        s->epoch = in->epoch;
        start_counting(s);
        fill(s, answer_r);
    }
    s->peer_boot = in->boot;
    s->peer_minor = in->minor < s->minor ? in->minor : s->minor;
    s->limit = in->window;
    s->state = COR_SESSION_UP;
    return s->is_binder ? COR_SESSION_BEGIN : COR_SESSION_ANSWER;
}

bool cor_session_may_send(const struct cor_session *s)
{
    return s->state == COR_SESSION_UP && s->sent < s->limit;
}

bool cor_session_may_relay(const struct cor_session *s)
{
    return s->state == COR_SESSION_UP && s->sent + s->window / RELAY_LEAVES < s->limit;
}

void cor_session_sent(struct cor_session *s)
{
    s->sent++;
}

bool cor_session_consumed(struct cor_session *s, uint64_t *limit_r)
{
    s->received++;
    uint64_t limit = s->received + s->window;
    if (limit - s->granted < (s->window + 1) / 2) {
        return false;
    }
    s->granted = limit;
    *limit_r = limit;
    return true;
}

bool cor_session_credit(struct cor_session *s, uint64_t limit, bool *room_r)
{
    *room_r = false;
    if (s->state != COR_SESSION_UP || limit < s->limit || limit > s->sent + WINDOW_MAX) {
        return false;
    }
    *room_r = s->sent >= s->limit && limit > s->limit;
    s->limit = limit;
    return true;
}

void cor_session_end(struct cor_session *s)
{
    s->state = COR_SESSION_DOWN;
}
