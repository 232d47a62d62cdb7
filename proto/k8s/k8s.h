// SPDX-License-Identifier: Apache-2.0
// Field tables of Kubernetes types: what the Go API of Kubernetes 1.20 (of Pods: 1.32) says with
// struct tags. Shape checks, defaults, strategic merge and OpenAPI derive from them. Constant data.
//
// Rows of a .def file:
//   TYPE(C name, "OpenAPI name")
//   FIELD("json name", number, kind, type of STRUCT and SCHEMA or NULL, flags, merge key or NULL,
//         default as JSON or NULL)
//   END(C name, "OpenAPI name")
// number: of the field in protobuf (generated.proto); 256 * outer + inner for the fields of a
// struct that JSON shows in line; 0 when there is none.
#ifndef PX_K8S_K8S_H
#define PX_K8S_K8S_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

enum k8s_kind {
    K8S_STR,
    K8S_BOOL,
    K8S_INT32,
    K8S_INT64,
    K8S_REAL,
    K8S_BYTES,     /* base64 text */
    K8S_TIME,      /* RFC 3339, seconds; null when zero */
    K8S_MICROTIME, /* RFC 3339, microseconds; null when zero */
    K8S_QUANTITY,  /* text or number, canonical text when stored */
    K8S_INTSTR,    /* number or text */
    K8S_STRUCT,
    K8S_SCHEMA, /* JSONSchemaProps, or a boolean or list in its place */
    K8S_RAW,    /* any JSON */
};

enum k8s_flags {
    K8S_PTR = 1,       /* a Go pointer: zero values are kept, absent is absent */
    K8S_KEEP = 2,      /* no omitempty: written even when zero */
    K8S_LIST = 4,      /* of kind */
    K8S_MAP = 8,       /* from strings to kind */
    K8S_REQUIRED = 16, /* in OpenAPI */
    K8S_MERGE = 32,    /* patchStrategy merge, by merge key (lists of STRUCT) or as a set */
    K8S_RETAIN = 64,   /* patchStrategy retainKeys */
    K8S_LISTMAP = 128, /* x-kubernetes-list-type map */
};

struct k8s_type;

struct k8s_field {
    const char *name;
    const struct k8s_type *type; /* of STRUCT and SCHEMA */
    const char *merge_key;
    const char *otherwise; /* default, JSON text */
    uint16_t number;       /* in protobuf */
    uint8_t kind;          /* enum k8s_kind */
    uint8_t flags;
};

struct k8s_type {
    const char *name; /* in OpenAPI: "io.k8s.api.core.v1.Pod" */
    const struct k8s_field *fields;
    size_t count;
};

#define TYPE(c, name) extern const struct k8s_type k8s_##c;
#define FIELD(...)
#define END(c, name)
#include "proto/k8s/all.def"
#undef TYPE
#undef FIELD
#undef END

/* Field of type by its JSON name; NULL when there is none. */
const struct k8s_field *k8s_field_of(const struct k8s_type *type, struct cor_view name);

/* Type number index of all; NULL at the end. */
const struct k8s_type *k8s_type_at(size_t index);

#endif
