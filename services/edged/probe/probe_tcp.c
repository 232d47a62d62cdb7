// SPDX-License-Identifier: Apache-2.0
// Whether a TCP connection can be made. Source: k8s.io/kubernetes pkg/probe/tcp.
#include <errno.h>

#include "common/base/mem.h"
#include "common/pipe/pipe.h"
#include "try.h"

struct dialing {
    struct probe_try *attempt;
    struct cor_pipe *pipe;
    struct cor_buf address;
};

static void on_open(void *self)
{
    struct dialing *dialing = self;
    probe_try_tell(dialing->attempt, PROBE_PASSED, COR_VIEW(""));
}

static void on_closed(void *self, const struct cor_err *err)
{
    struct dialing *dialing = self;
    probe_try_tell_fmt(dialing->attempt, PROBE_FAILED, "dial tcp %s: connect: %s",
                       dialing->address.data,
                       err->sys == ECONNREFUSED ? "connection refused" : err->text);
}

static void *begin(struct probe_try *attempt, const struct probe_ask *ask)
{
    struct dialing *dialing = cor_alloc(sizeof(*dialing));
    struct cor_err err = COR_ERR_NONE;
    dialing->attempt = attempt;
    if (!probe_try_address(attempt, ask, &dialing->address)) {
        return dialing;
    }
    dialing->pipe = cor_pipe_new(
        probe_try_loop(attempt),
        &(struct cor_pipe_spec){.open = on_open, .closed = on_closed, .self = dialing});
    if (cor_pipe_connect(dialing->pipe, dialing->address.data, &err) != COR_OK) {
        on_closed(dialing, &err);
    }
    return dialing;
}

static void timed_out(void *act, struct cor_buf *text)
{
    const struct dialing *dialing = act;
    cor_buf_fmt(text, "dial tcp %s: i/o timeout", dialing->address.data);
}

static void end(void *act)
{
    struct dialing *dialing = act;
    cor_pipe_free(&dialing->pipe);
    cor_buf_free(&dialing->address);
    cor_free(dialing);
}

const struct probe_act probe_act_tcp = {begin, timed_out, end};
