// SPDX-License-Identifier: Apache-2.0
// What people ask about changing the CA, over the ctl socket. Each step is one write, on the
// version that was read; every cloudhub of the cluster follows. Loop thread only.
#ifndef CLOUDHUB_CACTL_H
#define CLOUDHUB_CACTL_H

#include "authority.h"
#include "census.h"
#include "common/bus/bus.h"
#include "common/log/log.h"
#include "vault.h"

struct cactl;

/* What it needs; all borrowed, must outlive it. */
struct cactl_spec {
    struct cor_bus *bus;
    const struct cor_log *log;
    struct vault *vault;
    struct authority *authority;
    const struct census *census;
};

/* Returns owned. */
struct cactl *cactl_new(const struct cactl_spec *spec);

/* Frees, after the vault; *ctl becomes NULL. */
void cactl_free(struct cactl **ctl);

/* The authority is loaded. */
void cactl_begin(struct cactl *ctl);

/* Appends {"phase","since","withinSeconds","signer","cas":[{"id","name","expires","role"}],"nodes":
 * [{"node","ca","trusts"}],"summary":{...}}. COR_RETRY: not loaded yet. */
COR_NODISCARD enum cor_code cactl_status(const struct cactl *ctl, struct cor_buf *result,
                                         struct cor_err *err);

/* The authority has loaded what was written: steps are answered. */
void cactl_followed(struct cactl *ctl);

/* Answers when it is written and this cloudhub has followed, with {"phase"}: the one that is now.
 * args: {"force","withinSeconds","renewOnly"}, all optional. COR_INVALID, COR_RETRY at once; later
 * also COR_CONFLICT: not in this phase, or nodes would be left behind. */
COR_NODISCARD enum cor_code cactl_step(struct cactl *ctl, struct cor_ctl_in *in,
                                       enum rotation_step step, struct cor_view args,
                                       struct cor_err *err);

#endif
