// SPDX-License-Identifier: Apache-2.0
// Inside of pod*.c: reading lists and numbers of a Pod with bounds.
#ifndef EDGED_POD_READ_H
#define EDGED_POD_READ_H

#include "common/base/arena.h"
#include "pod.h"

struct pod_reader {
    struct cor_arena *arena;
    struct cor_err *err; /* of the first failure */
    enum cor_code code;
};

/* Notes the first failure. Returns false, for "return pod_bad(...)". */
bool pod_bad(struct pod_reader *reader, enum cor_code code, const char *fmt, ...) COR_PRINTF(3, 4);

/* String member, "" when absent. Borrowed from json. */
const char *pod_text(const struct cor_json *json, const char *key);

/* Room for the elements of the list (absent is empty), zeroed; NULL after a failure: not a list,
 * more than max. what names it. */
void *pod_rows(struct pod_reader *reader, const struct cor_json *list, size_t row, size_t max,
               const char *what, size_t *count_r);

/* The strings of a list. */
struct pod_strings pod_strings(struct pod_reader *reader, const struct cor_json *list,
                               const char *what);

/* Copy in the arena; "" after a failure. */
const char *pod_copy(struct pod_reader *reader, struct cor_view text);

/* Integer member that may be absent. */
struct pod_amount pod_number(const struct cor_json *json, const char *key);

/* Reads a profile of AppArmor as annotations have it: "runtime/default", "localhost/NAME",
 * "unconfined". */
void pod_apparmor_note(const char *text, struct pod_security *out);

/* Reads one container; defaults is the pod's securityContext. */
bool pod_read_container(struct pod_reader *reader, const struct cor_json *json,
                        const struct cor_json *defaults, struct pod_container *out);

/* Reads spec.overhead. */
void pod_read_overhead(struct pod_reader *reader, const struct cor_json *json, struct pod *out);

/* Names of the probes' fields. */
extern const char *const pod_probe_keys[POD_CHECKS];

/* Reads probes and hooks of a container whose ports are known; the fields have been checked. */
void pod_read_handlers(struct pod_reader *reader, const struct cor_json *json,
                       struct pod_container *out);

/* Reads spec.volumes into pod. */
bool pod_read_volumes(struct pod_reader *reader, const struct cor_json *list, struct pod *pod);

#endif
