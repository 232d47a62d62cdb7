// SPDX-License-Identifier: Apache-2.0
// Sets of fields and merging for server-side apply (sigs.k8s.io/structured-merge-diff). A set is an
// object: the keys are paths of fieldsV1 ("f:spec", "k:{\"name\":\"c\"}", "v:\"x\"") joined by
// 0x01, the values are those of leaves. Pure.
#ifndef KUBELITE_FIELDS_H
#define KUBELITE_FIELDS_H

#include "common/json/json.h"
#include "kind.h"

/* What is known of a value: a field or type of the tables, or a structural schema. */
struct kl_shape_of {
    const struct k8s_type *type;
    const struct k8s_field *field; /* list or map of the type; NULL: one value */
    const struct cor_json *schema; /* of custom resources */
};

/* The shape of a whole object of kind. */
struct kl_shape_of kl_shape_of_kind(const struct kl_kind *kind);

/* The set of the fields of object, without those that nobody can own. Returns owned. */
struct cor_json *kl_fields_of(struct kl_shape_of shape, const struct cor_json *object);

/* live with config laid over it: objects merge by member, associative lists by their keys, the
 * rest is replaced. Returns owned. */
struct cor_json *kl_fields_merge(struct kl_shape_of shape, const struct cor_json *live,
                                 const struct cor_json *config);

/* Takes the fields of doomed out of object; elements of lists stay while a field of kept is in
 * them. */
void kl_fields_prune(struct kl_shape_of shape, struct cor_json *object,
                     const struct cor_json *doomed, const struct cor_json *kept);

/* A set as fieldsV1, and back. Return owned. */
struct cor_json *kl_fields_v1(const struct cor_json *set);
struct cor_json *kl_fields_from_v1(const struct cor_json *fields);

/* Takes the paths of other out of set; adds them. */
void kl_fields_subtract(struct cor_json *set, const struct cor_json *other);
void kl_fields_add(struct cor_json *set, const struct cor_json *other);

/* The paths that both have. Returns owned. */
struct cor_json *kl_fields_common(const struct cor_json *a, const struct cor_json *b);

/* What changed between two sets of the same object: *changed_r new or with another value,
 * *removed_r not there any more. Both owned. */
void kl_fields_compare(const struct cor_json *before, const struct cor_json *after,
                       struct cor_json **changed_r, struct cor_json **removed_r);

/* A path as people read it: ".spec.containers[name=\"c\"].image". Appended. */
void kl_fields_text(const char *path, struct cor_buf *out);

#endif
