// SPDX-License-Identifier: Apache-2.0
// While the CA is being changed: which CA each node's certificate is of, and whether the node
// trusts the new one. What one cloudhub sees the others see, too, after a restart as well: it is
// kept in a Secret, some seconds late. Only while a rotation is on. Loop thread only.
#ifndef CLOUDHUB_CENSUS_H
#define CLOUDHUB_CENSUS_H

#include "common/kube/client.h"
#include "common/log/log.h"
#include "rotation.h"

#define CENSUS_SECRET "coracle-ca-nodes"

enum census_trust {
    CENSUS_UNABLE = 'u', /* its edgehub is too old to learn of another CA: it would take no
                          * certificate of the new one */
    CENSUS_NO = 'n',
    CENSUS_YES = 'y',
    CENSUS_CROSS = 'x', /* speaks KubeEdge's dialect: it goes by the cross-certificate */
};

/* What is known of a node. */
struct census_row {
    char ca[ROTATION_ID_LEN + 1]; /* that its certificate is of */
    enum census_trust trust;
};

struct census;

/* What it needs; all borrowed, must outlive it. */
struct census_spec {
    struct cor_loop *loop;
    struct cor_kube *kube;
    const struct cor_log *log;
    const char *ns;
};

/* Knows nothing yet. Returns owned. */
struct census *census_new(const struct census_spec *spec);

/* Frees; what was not written yet is lost until the node comes again. *census becomes NULL. */
void census_free(struct census **census);

/* A rotation to the CA of this id is on (copied): what was known for another one is forgotten.
 * NULL: none is. */
void census_begin(struct census *census, const char *next);

/* A node is so. */
void census_note(struct census *census, const char *node, const struct census_row *row);

/* A node is gone for good: nobody waits for it. */
void census_forget(struct census *census, const char *node);

/* Walks over all nodes, as cor_map_next. */
bool census_next(const struct census *census, size_t *at, struct cor_view *node_r,
                 const struct census_row **row_r);

/* Pure: whether a node would be left behind by a step. */
bool census_is_against(const struct census_row *row, const struct rotation *rotation,
                       const struct rotation_wish *wish);

/* Pure: a row as it is kept for the rotation to next. */
void census_write(const struct census_row *row, const char *next, struct cor_buf *out);

/* Pure: reads it. False: it is none, or of another rotation. */
bool census_read(struct cor_view text, const char *next, struct census_row *row_r);

#endif
