// SPDX-License-Identifier: Apache-2.0
// Inside of pod/: what a Pod's fields may hold, as tables, and the one walk that checks an object
// against them. What does not hold is refused with the field's path, in the words of the API
// server's validation (k8s.io/kubernetes pkg/apis/core/validation). Pure. Any thread.
#ifndef EDGED_SHAPE_H
#define EDGED_SHAPE_H

#include "pod_read.h"

enum shape_kind {
    SHAPE_TEXT,
    SHAPE_BOOL,
    SHAPE_INT,
    SHAPE_PORT, /* a number or a name */
    SHAPE_QUANTITY,
    SHAPE_OBJECT,
    SHAPE_LIST,       /* of objects */
    SHAPE_TEXTS,      /* list of texts */
    SHAPE_INTS,       /* list of numbers */
    SHAPE_TEXT_MAP,   /* object of texts */
    SHAPE_QUANTITIES, /* object of quantities */
    SHAPE_KINDS
};

struct shape {
    const char *key; /* NULL ends a table */
    enum shape_kind kind;
    bool required; /* "" and null count as absent */
    int64_t least; /* numbers */
    int64_t most;  /* numbers; bytes of a text; entries of a list; 0: as the kind has it */
    const char *(*wrong)(struct cor_view text); /* what is wrong with a text; NULL: nothing */
    const char *const *values;                  /* texts that are known; ended by NULL */
    const struct shape *fields;                 /* of an object, or of a list's elements */
    bool one_of;                                /* of its members that are objects, exactly one */
};

enum {
    SHAPE_TEXT_MAX = 131071, /* the kernel takes no longer argument (MAX_ARG_STRLEN) */
    SHAPE_MAP_MAX = 262144,  /* bytes of all annotations (apimachinery TotalAnnotationSizeLimit) */
};

/* A place in an object, for its path. On the stack of who walks. */
struct shape_at {
    const struct shape_at *up; /* NULL: the top */
    const char *key;           /* NULL: an index */
    size_t index;
};

/* Appends "spec.containers[0].name". */
void shape_path(const struct shape_at *at, struct cor_buf *out);

/* Refuses the value at that place: "PATH: WHAT". False, for "return shape_bad(..)". */
bool shape_bad(struct pod_reader *reader, const struct shape_at *at, const char *fmt, ...)
    COR_PRINTF(3, 4);

/* Refuses text: "PATH: Invalid value: "TEXT": WHY"; a long text is cut. */
bool shape_bad_text(struct pod_reader *reader, const struct shape_at *at, struct cor_view text,
                    const char *why);

/* Checks object's members by the table; unknown ones are let be. False after the first that is
 * refused (COR_INVALID in reader). at is NULL for the top. */
bool shape_check(struct pod_reader *reader, const struct shape_at *at,
                 const struct cor_json *object, const struct shape *fields);

/* The fields of a Pod that are used. */
extern const struct shape pod_fields[];

/* What concerns several fields of a Pod that has been read: names that are there twice, volumes
 * that are not there, limits below requests. False as above. */
bool pod_rules(struct pod_reader *reader, const struct pod *pod);

#endif
