// SPDX-License-Identifier: Apache-2.0
// Which nodes' certificates count no more: a Secret with a time for each node; what was issued
// before that is refused by every cloudhub that watches the Secret. A node that is to come back
// needs a token. Loop thread only.
#ifndef CLOUDHUB_REVOKED_H
#define CLOUDHUB_REVOKED_H

#include "common/kube/client.h"
#include "common/log/log.h"
#include "common/pki/cert.h"

#define REVOKED_SECRET "coracle-revoked"

/* Certificates are issued as of so long ago, for clocks differ. */
enum { ISSUED_BEFORE_S = 60 };

struct revoked;

/* What it needs; all borrowed, must outlive it. */
struct revoked_spec {
    struct cor_loop *loop;
    struct cor_kube *kube;
    const struct cor_log *log;
    const char *ns;
    void (*known)(void *self);   /* what there is has been read; once */
    void (*changed)(void *self); /* some node may be revoked now; not before known */
    void *self;
};

/* Begins to watch. Returns owned. */
struct revoked *revoked_new(const struct revoked_spec *spec);

/* Ends what is under way with COR_RETRY and frees; *revoked becomes NULL. */
void revoked_free(struct revoked **revoked);

/* Whether a certificate of node that says it is good from then on counts no more. */
bool revoked_has(const struct revoked *revoked, const char *node, struct cor_wall from);

/* Told once: COR_OK: written. COR_RETRY: the API does not answer, or not as it should. */
typedef void (*revoked_fn)(void *self, enum cor_code code);

/* Revokes what node has, now; fn runs later. */
void revoked_add(struct revoked *revoked, const char *node, revoked_fn fn, void *self);

/* The decision, pure: what the Secret (NULL: none) says about a certificate of node that is good
 * from then on. */
bool revoked_judge(const struct cor_json *secret, const char *node, struct cor_wall from);

#endif
