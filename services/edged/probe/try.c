// SPDX-License-Identifier: Apache-2.0
// What all actions have in common: the time-out, and that the answer comes later.
#include "try.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

struct probe_try {
    struct cor_loop *loop;
    const struct probe_act *kind;
    void *act; /* NULL: it has ended */
    struct cor_timer *timer;
    probe_fn fn;
    void *self;
    bool told;
    enum probe_outcome outcome;
    struct cor_buf text;
};

static const struct probe_act *const kinds[POD_ACTS] = {
    [POD_ACT_EXEC] = &probe_act_exec,   [POD_ACT_HTTP] = &probe_act_http,
    [POD_ACT_TCP] = &probe_act_tcp,     [POD_ACT_GRPC] = &probe_act_grpc,
    [POD_ACT_SLEEP] = &probe_act_sleep,
};

static void on_timer(void *self)
{
    struct probe_try *attempt = self;
    if (!attempt->told) {
        attempt->told = true;
        attempt->outcome = PROBE_FAILED;
        attempt->kind->timeout(attempt->act, &attempt->text);
    }
    auto_(cor_buf_free) struct cor_buf text = attempt->text;
    attempt->text = (struct cor_buf){0};
    attempt->fn(attempt->self, attempt->outcome, text.len == 0 ? "" : text.data);
}

struct probe_try *probe_try_new(struct cor_loop *loop, const struct probe_ask *ask, probe_fn fn,
                                void *self)
{
    struct probe_try *attempt = cor_alloc(sizeof(*attempt));
    attempt->loop = loop;
    attempt->kind = kinds[ask->handler->act];
    attempt->fn = fn;
    attempt->self = self;
    attempt->timer = cor_timer_new(loop, on_timer, attempt);
    if (ask->timeout_seconds > 0) {
        cor_timer_start(attempt->timer, COR_SEC(ask->timeout_seconds));
    }
    attempt->act = attempt->kind->begin(attempt, ask);
    return attempt;
}

void probe_try_free(struct probe_try **attempt)
{
    if (*attempt == NULL) {
        return;
    }
    (*attempt)->kind->end((*attempt)->act);
    cor_timer_free(&(*attempt)->timer);
    cor_buf_free(&(*attempt)->text);
    cor_freep(attempt);
}

void probe_try_tell(struct probe_try *attempt, enum probe_outcome outcome, struct cor_view text)
{
    if (attempt->told) {
        return;
    }
    attempt->told = true;
    attempt->outcome = outcome;
    cor_buf_view(&attempt->text, text);
    cor_timer_start(attempt->timer, 0);
}

void probe_try_tell_fmt(struct probe_try *attempt, enum probe_outcome outcome, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    probe_try_tell(attempt, outcome, cor_view_of(text));
}

struct cor_loop *probe_try_loop(const struct probe_try *attempt)
{
    return attempt->loop;
}

bool probe_try_address(struct probe_try *attempt, const struct probe_ask *ask, struct cor_buf *out)
{
    const struct pod_handler *handler = ask->handler;
    const char *host = handler->host[0] != '\0' ? handler->host : ask->ip;
    if (handler->port == 0) { /* kubelet takes the name for a number then */
        probe_try_tell_fmt(attempt, PROBE_ERRORED, "strconv.Atoi: parsing \"%s\": invalid syntax",
                           handler->port_name);
        return false;
    }
    if (host[0] == '\0') {
        probe_try_tell(attempt, PROBE_ERRORED, COR_VIEW("the pod has no address"));
        return false;
    }
    host = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    cor_buf_fmt(out, strchr(host, ':') != NULL ? "[%s]:%d" : "%s:%d", host, handler->port);
    return true;
}
