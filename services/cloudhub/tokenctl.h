// SPDX-License-Identifier: Apache-2.0
// What people ask about tokens, over the ctl socket: makes, lists and revokes them. What it says
// holds for every cloudhub of the cluster at once: the Secrets are read each time. Loop thread
// only.
#ifndef CLOUDHUB_TOKENCTL_H
#define CLOUDHUB_TOKENCTL_H

#include "authority.h"
#include "common/bus/bus.h"
#include "common/log/log.h"
#include "vault.h"

struct tokenctl;

/* What it needs; all borrowed, must outlive it. */
struct tokenctl_spec {
    struct cor_bus *bus;
    const struct cor_log *log;
    struct vault *vault;
    const struct authority *authority;
    int64_t hours; /* validity, unless asked otherwise */
    size_t most;   /* open at once */
    bool reusable; /* tokens for any node are allowed */
};

/* Returns owned. */
struct tokenctl *tokenctl_new(const struct tokenctl_spec *spec);

/* Frees, after the vault; *ctl becomes NULL. */
void tokenctl_free(struct tokenctl **ctl);

/* The authority is loaded: tokens can be made. */
void tokenctl_begin(struct tokenctl *ctl);

/* Answers later, with {"node","id","token"}, or an error. args: see cloudhub's verbs. COR_INVALID,
 * COR_DENIED, COR_RETRY at once. */
COR_NODISCARD enum cor_code tokenctl_create(struct tokenctl *ctl, struct cor_ctl_in *in,
                                            struct cor_view args, struct cor_err *err);

/* Answers later, as tokens_list. */
void tokenctl_list(struct tokenctl *ctl, struct cor_ctl_in *in);

/* Answers later, with {"id"}. COR_INVALID at once. */
COR_NODISCARD enum cor_code tokenctl_revoke(struct tokenctl *ctl, struct cor_ctl_in *in,
                                            struct cor_view args, struct cor_err *err);

#endif
