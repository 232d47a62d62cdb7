// SPDX-License-Identifier: Apache-2.0
// metadata of objects: checks and what the server sets. Pure.
#ifndef KUBELITE_META_H
#define KUBELITE_META_H

#include "common/clock/clock.h"
#include "common/json/json.h"
#include "fail.h"

/* Text that a validation function gives for a bad DNS subdomain and label. */
extern const char *const kl_text_subdomain;
extern const char *const kl_text_label;

/* Finalizers that the garbage collector works off. */
extern const char *const kl_finalizer_orphan;
extern const char *const kl_finalizer_foreground;

/* Takes a finalizer out of object; harmless when it is not there. */
void kl_meta_drop_finalizer(struct cor_json *object, const char *finalizer);

/* Whether metadata.finalizers holds finalizer. */
bool kl_meta_has_finalizer(const struct cor_json *object, const char *finalizer);

/* The owner reference with controller: true; NULL when there is none. Borrowed. */
const struct cor_json *kl_meta_controller(const struct cor_json *object);

/* What a name must be. */
enum kl_name_rule {
    KL_NAME_SUBDOMAIN,
    KL_NAME_LABEL,
    KL_NAME_SERVICE, /* a label of RFC 1035 */
    KL_NAME_PATH,    /* anything that can stand in a path */
};

/* metadata of object, made when absent. Borrowed. */
struct cor_json *kl_meta(struct cor_json *object);

/* String member of metadata, "" when absent. Borrowed. */
const char *kl_meta_str(const struct cor_json *object, const char *name);

/* Whether metadata.deletionTimestamp is set. */
bool kl_meta_deleting(const struct cor_json *object);

/* What the server sets in a new object: uid, creationTimestamp; clears what only it may set. */
void kl_meta_create(struct cor_json *object, struct cor_wall now, const char *uid);

/* Makes a name from generateName: five characters from random numbers (at least 5). */
void kl_meta_generate_name(struct cor_json *object, const uint8_t random[5]);

/* Keeps in object what an update cannot change. */
void kl_meta_update(struct cor_json *object, const struct cor_json *old);

/* Checks metadata of a new or changed object
 * (k8s.io/apimachinery/pkg/api/validation/objectmeta.go). */
void kl_meta_check(const struct cor_json *object, bool namespaced, enum kl_name_rule rule,
                   struct kl_causes *causes);

/* Checks labels (borrows) at the field path. */
void kl_meta_check_labels(const struct cor_json *labels, const char *path,
                          struct kl_causes *causes);

/* Whether text is a qualified name ("example.com/app"). */
bool kl_is_qualified_name(struct cor_view text);

#endif
