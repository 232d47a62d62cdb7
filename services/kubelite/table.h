// SPDX-License-Identifier: Apache-2.0
// Objects as meta.k8s.io/v1 Tables: the columns that kubectl get shows
// (pkg/printers/internalversion). Pure.
#ifndef KUBELITE_TABLE_H
#define KUBELITE_TABLE_H

#include "api.h"

/* A Table without rows, with the columns of kind. Returns owned. */
struct cor_json *kl_table_new(const struct kl_kind *kind, enum kl_show show);

/* Adds object (borrows) as a row. */
void kl_table_add(struct cor_json *table, const struct kl_kind *kind, const struct cor_json *object,
                  enum kl_include include, struct cor_wall now);

/* A Table of one object. Returns owned. */
struct cor_json *kl_table_of(const struct kl_kind *kind, const struct cor_json *object,
                             enum kl_show show, enum kl_include include, struct cor_wall now);

/* How long ago time was, as people say it: "5m10s" (k8s.io/apimachinery/pkg/util/duration). */
void kl_age(const struct cor_json *time, struct cor_wall now, struct cor_buf *out);

/* Appends the cells of a row. */
typedef void (*kl_cells_fn)(const struct cor_json *object, struct cor_wall now,
                            struct cor_json *cells);

struct kl_column {
    const char *name;
    const char *type;
    int priority; /* 1: only with -o wide */
};

struct kl_columns {
    const struct kl_column *columns; /* ends with a NULL name */
    kl_cells_fn cells;
};

/* Columns of a built-in kind. */
const struct kl_columns *kl_columns_of(const struct kl_kind *kind);

/* Cells of the other kinds. */
void kl_deployment_cells(const struct cor_json *object, struct cor_wall now,
                         struct cor_json *cells);
void kl_replicaset_cells(const struct cor_json *object, struct cor_wall now,
                         struct cor_json *cells);
void kl_daemonset_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_job_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_revision_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_service_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_endpoints_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_slice_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_role_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_binding_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_volume_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_budget_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_csi_driver_cells(const struct cor_json *object, struct cor_wall now,
                         struct cor_json *cells);
void kl_csi_node_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);
void kl_attachment_cells(const struct cor_json *object, struct cor_wall now,
                         struct cor_json *cells);
void kl_storage_class_cells(const struct cor_json *object, struct cor_wall now,
                            struct cor_json *cells);
void kl_claim_cells(const struct cor_json *object, struct cor_wall now, struct cor_json *cells);

/* Cells of Pods and Nodes. */
void kl_pod_cells(const struct cor_json *pod, struct cor_wall now, struct cor_json *cells);
void kl_node_cells(const struct cor_json *node, struct cor_wall now, struct cor_json *cells);

#endif
