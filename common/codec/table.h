// SPDX-License-Identifier: Apache-2.0
// Field tables: the one description of a message that its codec, printer, documentation and tests
// derive from. Rows come from .def files (see proto/).
#ifndef COR_CODEC_TABLE_H
#define COR_CODEC_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/view.h"

enum cor_type {
    COR_T_BOOL, /* bool */
    COR_T_U64,  /* uint64_t */
    COR_T_I64,  /* int64_t */
    COR_T_STR,  /* struct cor_view, UTF-8, at most max bytes */
    COR_T_BIN,  /* struct cor_view, any bytes, at most max */
    COR_T_STRS, /* struct cor_views, at most max strings of at most COR_STRS_LEN bytes */
    COR_T_LIST, /* struct cor_list of sub, at most max elements */
};

enum { COR_STRS_LEN = 1024, COR_FIELDS_MAX = 32, COR_DEPTH_MAX = 8 };

struct cor_views {
    const struct cor_view *items;
    size_t count;
};

/* Elements are structs of the field's sub-table, one behind the other. */
struct cor_list {
    const void *items;
    size_t count;
};

struct cor_table;

struct cor_field {
    const char *name;
    const struct cor_table *sub; /* COR_T_LIST */
    const char *doc;
    uint32_t max;
    uint16_t offset;
    uint8_t key; /* on the wire; 1..127, never reused */
    uint8_t type;
    bool required; /* absent is an error; else absent reads as zero and zero is not sent */
    bool is_key;   /* STATE messages: newest wins among equal values of this string field */
};

struct cor_table {
    const char *name;
    const struct cor_field *fields; /* by ascending key */
    size_t count;                   /* at most COR_FIELDS_MAX */
    size_t size;                    /* of the struct */
};

#endif
