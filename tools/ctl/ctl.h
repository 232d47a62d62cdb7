// SPDX-License-Identifier: Apache-2.0
// What the tools for people share: finding services by their ctl sockets and talking to them.
// Blocks, with a time limit. One thread.
#ifndef TOOL_CTL_H
#define TOOL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/bus/wire.h"
#include "common/json/json.h"

/* A service found under a run folder. */
struct tool_service {
    char *name; /* owned */
    char *path; /* of its ctl socket, owned */
    char *run;  /* the run folder, owned */
};

struct tool_services {
    struct tool_service *items; /* owned */
    size_t count;
};

/* Finds the ctl sockets in run/ctl and run/X/ctl; sorted by folder and name. */
void tool_find(const char *run, struct tool_services *services_r);

/* Frees what tool_find made. For auto_(). */
void tool_services_free(struct tool_services *services);

struct tool_ctl;

/* Connects to a ctl socket. COR_NOTFOUND: no such socket. COR_IO. Returns owned. */
COR_NODISCARD enum cor_code tool_ctl_open(const char *path, struct tool_ctl **ctl_r,
                                          struct cor_err *err);

/* Closes. *ctl becomes NULL. For auto_(). */
void tool_ctl_close(struct tool_ctl **ctl);

/* Asks verb with args (JSON, may be absent); appends the answer (JSON). The service's own error, or
 * COR_TIMEOUT after within_ms. */
COR_NODISCARD enum cor_code tool_ctl_ask(struct tool_ctl *ctl, const char *verb,
                                         struct cor_view args, int within_ms,
                                         struct cor_buf *answer, struct cor_err *err);

/* Starts watching the service's traffic. */
COR_NODISCARD enum cor_code tool_ctl_watch(struct tool_ctl *ctl, struct cor_err *err);

/* The next message of a watched service if one is there: a TAPPED body; its views are valid until
 * the next call. False: none now. */
bool tool_ctl_next(struct tool_ctl *ctl, struct cor_wire_tapped *tapped_r);

/* Waits until one of the services has something, or within_ms (-1: for ever). False: a signal came.
 */
bool tool_ctl_wait(struct tool_ctl *const *ctls, size_t count, int within_ms);

/* Asks one service once: open, ask, close. */
COR_NODISCARD enum cor_code tool_ask(const char *path, const char *verb, struct cor_view args,
                                     int within_ms, struct cor_buf *answer, struct cor_err *err);

/* The same, and reads the answer. Returns owned in *answer_r; NULL on error. */
COR_NODISCARD enum cor_code tool_ask_json(const char *path, const char *verb, struct cor_view args,
                                          int within_ms, struct cor_json **answer_r,
                                          struct cor_err *err);

#endif
