// SPDX-License-Identifier: Apache-2.0
// The kinds of objects that are served: the built-in ones and those of CustomResourceDefinitions.
#ifndef KUBELITE_KIND_H
#define KUBELITE_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/buf.h"
#include "common/base/view.h"
#include "common/json/json.h"
#include "proto/k8s/k8s.h"

struct kl_crd_version; /* crd.h */

enum kl_sub {
    KL_SUB_NONE = 0,
    KL_SUB_STATUS = 1,
    KL_SUB_BINDING = 2,
    KL_SUB_TOKEN = 4,
    KL_SUB_FINALIZE = 8,
    KL_SUB_UNKNOWN = 16,
    KL_SUB_SCALE = 32,
    KL_SUB_LOG = 64,
    KL_SUB_EXEC = 128,
    KL_SUB_ATTACH = 256,
    KL_SUB_PORTFORWARD = 512,
    KL_SUB_PROXY = 1024,
    KL_SUB_EPHEMERAL = 2048,
    KL_SUB_EVICTION = 4096,
};

struct kl_kind {
    const char *group; /* "" for the core */
    const char *version;
    const char *kind;      /* "Pod" */
    const char *list_kind; /* "PodList" */
    const char *plural;
    const char *singular;
    const char *const *shorts;     /* ends with NULL; or NULL */
    const char *const *categories; /* likewise */
    bool namespaced;
    bool review;                         /* never stored: POST answers a question */
    bool computed;                       /* never stored: made when it is read */
    unsigned subs;                       /* enum kl_sub, or-ed */
    const struct k8s_type *type;         /* NULL for custom resources */
    const char *const *fields;           /* selectable by fieldSelector beside name and namespace */
    const struct kl_crd_version *custom; /* NULL for built-in kinds */
};

enum kl_builtin {
    KL_NAMESPACE,
    KL_NODE,
    KL_POD,
    KL_CONFIGMAP,
    KL_SECRET,
    KL_SERVICEACCOUNT,
    KL_EVENT,
    KL_LEASE,
    KL_CRD,
    KL_SERVICE,
    KL_ENDPOINTS,
    KL_ENDPOINTSLICE,
    KL_DEPLOYMENT,
    KL_REPLICASET,
    KL_DAEMONSET,
    KL_CONTROLLERREVISION,
    KL_JOB,
    KL_ROLE,
    KL_CLUSTERROLE,
    KL_ROLEBINDING,
    KL_CLUSTERROLEBINDING,
    KL_PERSISTENTVOLUME,
    KL_PERSISTENTVOLUMECLAIM,
    KL_DISRUPTIONBUDGET,
    KL_RUNTIMECLASS,
    KL_CSIDRIVER,
    KL_CSINODE,
    KL_VOLUMEATTACHMENT,
    KL_STORAGECLASS,
    KL_SELF_ACCESS_REVIEW,
    KL_ACCESS_REVIEW,
    KL_TOKEN_REVIEW,
    KL_NODE_METRICS,
    KL_POD_METRICS,
    KL_BUILTIN_COUNT
};

/* The built-in kind. */
const struct kl_kind *kl_builtin(enum kl_builtin which);

/* Whether kind is that built-in one. */
bool kl_is(const struct kl_kind *kind, enum kl_builtin which);

/* Storage key of a kind: "pods" or "devices.devices.kubeedge.io". Appended to out. */
void kl_kind_key(const struct kl_kind *kind, struct cor_buf *out);

/* "v1" or "coordination.k8s.io/v1". Appended to out. */
void kl_kind_api_version(const struct kl_kind *kind, struct cor_buf *out);

/* All served kinds. */
struct kl_kinds;

/* The built-in kinds. Returns owned. */
struct kl_kinds *kl_kinds_new(void);

/* Frees; *kinds becomes NULL. For auto_(). */
void kl_kinds_free(struct kl_kinds **kinds);

/* Adds a custom kind (takes the strings of the version it points to: borrows, must outlive it). */
void kl_kinds_add(struct kl_kinds *kinds, const struct kl_kind *kind);

/* Takes all custom kinds of group and plural out. */
void kl_kinds_remove(struct kl_kinds *kinds, const char *group, const char *plural);

/* Kind of a path; NULL when not served. Borrowed. */
const struct kl_kind *kl_kinds_find(const struct kl_kinds *kinds, struct cor_view group,
                                    struct cor_view version, struct cor_view plural);

/* Kind of an owner reference or of a body: apiVersion ("apps/v1") and kind; NULL when not served.
 */
const struct kl_kind *kl_kinds_named(const struct kl_kinds *kinds, const char *api_version,
                                     const char *name);

/* Any version of the kind with that storage key; NULL when there is none. */
const struct kl_kind *kl_kinds_of_key(const struct kl_kinds *kinds, const char *key);

/* Walk by index; NULL at the end. */
const struct kl_kind *kl_kinds_at(const struct kl_kinds *kinds, size_t index);

#endif
