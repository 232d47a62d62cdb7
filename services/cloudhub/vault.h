// SPDX-License-Identifier: Apache-2.0
// Reading and changing one Secret of the hub's namespace: it is written on the version that was
// read, so that of two replicas one loses, reads again and decides anew. Loop thread only.
#ifndef CLOUDHUB_VAULT_H
#define CLOUDHUB_VAULT_H

#include "common/base/err.h"
#include "common/json/json.h"
#include "common/kube/client.h"

struct vault;

/* kube and ns are borrowed and must outlive it. Returns owned. */
struct vault *vault_new(struct cor_kube *kube, const char *ns);

/* Ends what is under way with COR_RETRY and frees; *vault becomes NULL. */
void vault_free(struct vault **vault);

enum vault_next {
    VAULT_WRITE, /* write what was made of the Secret */
    VAULT_LEAVE, /* all is well as it is */
    VAULT_DENY,  /* end with COR_DENIED */
};

/* What is to be done. name is borrowed for ever. */
struct vault_op {
    const char *name;
    /* Looks at the Secret (borrows; an empty one if there is none) and may change it. Called again
     * when somebody else was quicker. */
    enum vault_next (*change)(void *self, struct cor_json *secret);
    /* Once, later: COR_OK, COR_DENIED; COR_RETRY: the API does not answer, or not as it should. */
    void (*done)(void *self, enum cor_code code);
    void *self;
};

/* Begins. */
void vault_do(struct vault *vault, const struct vault_op *op);

#endif
