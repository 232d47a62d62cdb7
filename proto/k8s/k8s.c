// SPDX-License-Identifier: Apache-2.0
#include "proto/k8s/k8s.h"

#define TYPE(c, openapi) static const struct k8s_field fields_of_##c[] = {
#define FIELD(name_, number_, kind_, type_, flags_, key_, otherwise_)                              \
    {.name = (name_),                                                                              \
     .type = (type_),                                                                              \
     .merge_key = (key_),                                                                          \
     .otherwise = (otherwise_),                                                                    \
     .number = (number_),                                                                          \
     .kind = K8S_##kind_,                                                                          \
     .flags = (flags_)},
/* A type without fields would be an empty array. */
#define END(c, openapi)                                                                            \
    {                                                                                              \
        .name = NULL                                                                               \
    }                                                                                              \
    }                                                                                              \
    ;
#include "proto/k8s/all.def"
#undef TYPE
#undef FIELD
#undef END

#define TYPE(c, name_)                                                                             \
    const struct k8s_type k8s_##c = {.name = (name_),                                              \
                                     .fields = fields_of_##c,                                      \
                                     .count =                                                      \
                                         sizeof(fields_of_##c) / sizeof(fields_of_##c[0]) - 1};
#define FIELD(...)
#define END(c, name)
#include "proto/k8s/all.def"
#undef TYPE
#undef END

#define TYPE(c, name) &k8s_##c,
#define END(c, name)
static const struct k8s_type *const types[] = {
#include "proto/k8s/all.def"
    NULL};

const struct k8s_field *k8s_field_of(const struct k8s_type *type, struct cor_view name)
{
    for (size_t i = 0; i < type->count; i++) {
        if (cor_view_is(name, type->fields[i].name)) {
            return &type->fields[i];
        }
    }
    return NULL;
}

const struct k8s_type *k8s_type_at(size_t index)
{
    return index < sizeof(types) / sizeof(types[0]) ? types[index] : NULL;
}
