// SPDX-License-Identifier: Apache-2.0
// Why a request failed, as a Status object of the API (k8s.io/apimachinery/pkg/api/errors): HTTP
// code, reason, message, details. Pure.
#ifndef KUBELITE_FAIL_H
#define KUBELITE_FAIL_H

#include "common/base/err.h"
#include "common/json/json.h"
#include "kind.h"

/* Zeroed is empty and ready. */
struct kl_fail {
    int status;               /* HTTP */
    const char *reason;       /* static */
    char *message;            /* owned */
    struct cor_json *details; /* owned, may be NULL */
};

/* Frees what it owns; empty after. For auto_(). */
void kl_fail_free(struct kl_fail *fail);

/* The Status object. Returns owned. */
struct cor_json *kl_fail_json(const struct kl_fail *fail);

/* A Status object that says that kind/name was deleted (uid may be NULL). Returns owned. */
struct cor_json *kl_success_json(const struct kl_kind *kind, const char *name, const char *uid);

/* A Status object that says that it was done (201). Returns owned. */
struct cor_json *kl_created_json(void);

/* Adds a cause to details: why, and a text about it. */
void kl_fail_cause(struct kl_fail *fail, const char *reason, const char *text);

/* Each fills *fail (replacing what is there) and returns the code that fits. */
enum cor_code kl_fail_bad(struct kl_fail *fail, const char *fmt, ...) COR_PRINTF(2, 3);
enum cor_code kl_fail_notfound(struct kl_fail *fail, const struct kl_kind *kind, const char *name);
enum cor_code kl_fail_exists(struct kl_fail *fail, const struct kl_kind *kind, const char *name);
enum cor_code kl_fail_conflict(struct kl_fail *fail, const struct kl_kind *kind, const char *name,
                               const char *why);
enum cor_code kl_fail_forbidden(struct kl_fail *fail, const struct kl_kind *kind, const char *name,
                                const char *why);
/* No such path. what (may be NULL): "get widgets.example.com", as clients name it. */
enum cor_code kl_fail_nopath(struct kl_fail *fail, const char *what);
/* The path is there, the method is not. */
enum cor_code kl_fail_method(struct kl_fail *fail);
/* Any other: reason is static. */
enum cor_code kl_fail_other(struct kl_fail *fail, int status, const char *reason, const char *fmt,
                            ...) COR_PRINTF(4, 5);
/* An error of the store. */
enum cor_code kl_fail_store(struct kl_fail *fail, enum cor_code code, const struct cor_err *err);

/* Errors in fields, gathered while checking (k8s.io/apimachinery/pkg/util/validation/field). */
struct kl_causes {
    struct cor_json *list; /* owned; NULL while empty */
};

/* Frees what it owns. For auto_(). */
void kl_causes_free(struct kl_causes *causes);

/* Add one error of the field. value is quoted. */
void kl_cause_required(struct kl_causes *causes, const char *field, const char *detail);
void kl_cause_invalid(struct kl_causes *causes, const char *field, const struct cor_json *value,
                      const char *detail);
void kl_cause_invalid_str(struct kl_causes *causes, const char *field, const char *value,
                          const char *detail);
/* value is written as it is. */
void kl_cause_invalid_text(struct kl_causes *causes, const char *field, const char *value,
                           const char *detail);
void kl_cause_unsupported(struct kl_causes *causes, const char *field, const char *value,
                          const char *const *supported);
/* metadata.resourceVersion is missing in an update. */
void kl_cause_unversioned(struct kl_causes *causes);
void kl_cause_duplicate(struct kl_causes *causes, const char *field, const char *value);
void kl_cause_forbidden(struct kl_causes *causes, const char *field, const char *detail);
void kl_cause_notfound(struct kl_causes *causes, const char *field, const char *value);

/* Moves the causes of from to causes, their fields below prefix. */
void kl_causes_move(struct kl_causes *causes, struct kl_causes *from, const char *prefix);

/* COR_OK without causes; else fills *fail with 422 Invalid of kind/name. */
enum cor_code kl_causes_end(const struct kl_causes *causes, const struct kl_kind *kind,
                            const char *name, struct kl_fail *fail);

#endif
