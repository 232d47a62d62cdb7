// SPDX-License-Identifier: Apache-2.0
// Private to edged: one try of an action on a container (a probe's, or a hook's): asynchronous,
// ends in exactly one answer, later, on the loop; not when it is freed before. Loop thread only.
#ifndef EDGED_PROBE_TRY_H
#define EDGED_PROBE_TRY_H

#include "common/loop/loop.h"
#include "services/edged/cri/cri.h"
#include "services/edged/probe/probe.h"

/* What is to be done to whom. All borrowed for the call, but cri. */
struct probe_ask {
    struct cri *cri;
    const struct pod_handler *handler;
    const char *container_id;
    const char *ip;          /* of the pod; "" while it has none */
    int64_t timeout_seconds; /* 0: none */
    const char *agent;       /* User-Agent */
    bool any_status;         /* of HTTP: each is good, as kubelet's hooks have it */
};

/* text: what it said, or why it failed, in kubelet's words; never NULL. */
typedef void (*probe_fn)(void *self, enum probe_outcome outcome, const char *text);

struct probe_try;

/* Begins. Returns owned. */
struct probe_try *probe_try_new(struct cor_loop *loop, const struct probe_ask *ask, probe_fn fn,
                                void *self);

/* Gives it up; *attempt becomes NULL. For auto_(). */
void probe_try_free(struct probe_try **attempt);

/* ---- inside of try.c and probe_*.c ---- */

enum { PROBE_TEXT_MAX = 10 << 10 }; /* of an answer that is kept */

/* The action's own state, made by begin; end frees it. */
struct probe_act {
    void *(*begin)(struct probe_try *attempt, const struct probe_ask *ask);
    void (*timeout)(void *act, struct cor_buf *text); /* why it was not in time */
    void (*end)(void *act);
};

/* How it ended (borrows text); the first word counts. */
void probe_try_tell(struct probe_try *attempt, enum probe_outcome outcome, struct cor_view text);

/* The same with a formatted text. */
void probe_try_tell_fmt(struct probe_try *attempt, enum probe_outcome outcome, const char *fmt, ...)
    COR_PRINTF(3, 4);

struct cor_loop *probe_try_loop(const struct probe_try *attempt);

/* "HOST:PORT" of the action into out, host in brackets where it is of IPv6. False: it has been
 * told why there is none. */
bool probe_try_address(struct probe_try *attempt, const struct probe_ask *ask, struct cor_buf *out);

/* The kinds of actions. */
extern const struct probe_act probe_act_exec;
extern const struct probe_act probe_act_http;
extern const struct probe_act probe_act_tcp;
extern const struct probe_act probe_act_grpc;
extern const struct probe_act probe_act_sleep;

#endif
