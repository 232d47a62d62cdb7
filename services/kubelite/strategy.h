// SPDX-License-Identifier: Apache-2.0
// What is particular to a kind when its objects are written (pkg/registry of kube-apiserver): what
// the server sets, what it checks. Pure: the world around the object comes with the draft.
#ifndef KUBELITE_STRATEGY_H
#define KUBELITE_STRATEGY_H

#include "common/clock/clock.h"
#include "common/json/json.h"
#include "fail.h"
#include "kind.h"
#include "meta.h"

struct kl_draft {
    const struct kl_kind *kind;
    enum kl_sub sub;
    struct cor_json *object; /* owned: what shall be stored */
    struct cor_json *old;    /* owned: what is stored, not to be changed; NULL: new */
    struct kl_causes causes;
};

/* Frees what it owns. For auto_(). */
void kl_draft_free(struct kl_draft *draft);

struct kl_strategy {
    enum kl_name_rule name;
    bool generation;                       /* metadata.generation counts changes of the spec */
    bool returns_deleted;                  /* DELETE answers with the object */
    bool conditional;                      /* PUT must name the resourceVersion it replaces */
    bool annotated;                        /* generation counts changes of annotations, too */
    bool keeps_status;                     /* a new object may bring its status */
    void (*fill)(struct cor_json *object); /* defaults that tables cannot say */
    void (*create)(struct kl_draft *draft);
    void (*update)(struct kl_draft *draft); /* not for subresources */
    void (*check)(struct kl_draft *draft);  /* new and changed objects */
    void (*check_update)(struct kl_draft *draft);
};

/* The strategy of a kind. */
const struct kl_strategy *kl_strategy_of(const struct kl_kind *kind);

/* Brings decoded JSON (borrows) into the shape of kind, with defaults; strict: notes unknown fields
 * in *unknown_r (owned, NULL when none; may be NULL). COR_INVALID with a 400. Returns owned. */
COR_NODISCARD enum cor_code kl_decode(const struct kl_kind *kind, const struct cor_json *body,
                                      struct cor_json **object_r, struct cor_json **unknown_r,
                                      struct kl_fail *fail);

/* Fills in and checks draft->object as a new object: everything but storing. */
COR_NODISCARD enum cor_code kl_draft_create(struct kl_draft *draft, struct cor_wall now,
                                            const char *uid, struct kl_fail *fail);

/* The same for a change of draft->old. Versions were compared before. */
COR_NODISCARD enum cor_code kl_draft_update(struct kl_draft *draft, struct kl_fail *fail);

/* Particular kinds. */
void kl_pod_fill(struct cor_json *pod);
/* Of a Pod or a PodTemplateSpec: what both get. */
void kl_template_fill(struct cor_json *pod);
void kl_pod_create(struct kl_draft *draft);
void kl_pod_update(struct kl_draft *draft);
void kl_pod_check(struct kl_draft *draft);
void kl_pod_check_update(struct kl_draft *draft);
/* Changes a Pod's ephemeral containers, nothing else of it. */
void kl_ephemeral_keep(struct kl_draft *draft);
void kl_ephemeral_check(struct kl_draft *draft);
/* Gives a Pod its node: spec.nodeName and the condition PodScheduled. */
void kl_pod_bind(struct cor_json *pod, const char *node, struct cor_wall now);
void kl_node_fill(struct cor_json *node);
void kl_node_check(struct kl_draft *draft);
void kl_crd_fill(struct cor_json *crd);
void kl_crd_create(struct kl_draft *draft);
void kl_crd_check(struct kl_draft *draft);
void kl_crd_check_update(struct kl_draft *draft);

void kl_deployment_fill(struct cor_json *object);
void kl_deployment_check(struct kl_draft *draft);
void kl_replicaset_fill(struct cor_json *object);
void kl_replicaset_check(struct kl_draft *draft);
void kl_daemonset_fill(struct cor_json *object);
void kl_daemonset_create(struct kl_draft *draft);
void kl_daemonset_update(struct kl_draft *draft);
void kl_daemonset_check(struct kl_draft *draft);
void kl_apps_check_update(struct kl_draft *draft);
void kl_job_fill(struct cor_json *object);
void kl_job_create(struct kl_draft *draft);
void kl_job_check(struct kl_draft *draft);
void kl_job_check_update(struct kl_draft *draft);
void kl_service_fill(struct cor_json *service);
void kl_service_update(struct kl_draft *draft);
void kl_service_check(struct kl_draft *draft);
void kl_service_check_update(struct kl_draft *draft);
void kl_endpoints_check(struct kl_draft *draft);
void kl_binding_fill(struct cor_json *binding);
void kl_role_check(struct kl_draft *draft);
void kl_role_binding_check(struct kl_draft *draft);
void kl_volume_check(struct kl_draft *draft);
void kl_storage_create(struct kl_draft *draft);
void kl_csi_driver_fill(struct cor_json *driver);
void kl_csi_driver_check(struct kl_draft *draft);
void kl_csi_driver_check_update(struct kl_draft *draft);
void kl_csi_node_check(struct kl_draft *draft);
void kl_csi_node_check_update(struct kl_draft *draft);
void kl_attachment_create(struct kl_draft *draft);
void kl_attachment_check(struct kl_draft *draft);
void kl_attachment_check_update(struct kl_draft *draft);
void kl_storage_class_check(struct kl_draft *draft);
void kl_storage_class_check_update(struct kl_draft *draft);
void kl_runtime_class_check(struct kl_draft *draft);
void kl_runtime_class_check_update(struct kl_draft *draft);
void kl_claim_check(struct kl_draft *draft);
void kl_claim_check_update(struct kl_draft *draft);
void kl_role_binding_check_update(struct kl_draft *draft);

/* Schema of a custom resource: prunes (unknown: array of what went), defaults; checks. */
void kl_custom_fill(const struct kl_kind *kind, struct cor_json *object, struct cor_json *unknown);
void kl_custom_check(struct kl_draft *draft);

#endif
