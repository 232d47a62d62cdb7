// SPDX-License-Identifier: Apache-2.0
// Configuration of a service: a table of options gives the struct, the defaults, the checks, the
// dump and the documentation. Errors name file, line, key and what was expected. Start-up only.
#ifndef COR_CONF_CONF_H
#define COR_CONF_CONF_H

#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"

enum cor_conf_type {
    COR_CONF_STR,  /* char *, owned */
    COR_CONF_INT,  /* int64_t, min..max */
    COR_CONF_BOOL, /* bool */
    COR_CONF_STRS, /* struct cor_conf_strs */
};

struct cor_conf_strs {
    char **items; /* owned */
    size_t count;
};

/* One option. */
struct cor_conf_row {
    const char *name;      /* dotted: "listen.port" stands under listen: in the file */
    size_t offset;         /* in the service's struct */
    const char *otherwise; /* default, as text; lists: comma-separated; "" is empty */
    const char *doc;
    int64_t min, max;
    enum cor_conf_type type;
    bool required; /* must not be empty */
};

/* The options of a service. */
struct cor_conf {
    const struct cor_conf_row *rows;
    size_t count;
};

#define COR_CONF_STR_ROW(type_, member, name_, otherwise_, doc_)                                   \
    {                                                                                              \
        .name = (name_), .offset = offsetof(type_, member), .otherwise = (otherwise_),             \
        .doc = (doc_), .type = COR_CONF_STR                                                        \
    }
#define COR_CONF_INT_ROW(type_, member, name_, otherwise_, min_, max_, doc_)                       \
    {                                                                                              \
        .name = (name_), .offset = offsetof(type_, member), .otherwise = (otherwise_),             \
        .doc = (doc_), .min = (min_), .max = (max_), .type = COR_CONF_INT                          \
    }
#define COR_CONF_BOOL_ROW(type_, member, name_, otherwise_, doc_)                                  \
    {                                                                                              \
        .name = (name_), .offset = offsetof(type_, member), .otherwise = (otherwise_),             \
        .doc = (doc_), .type = COR_CONF_BOOL                                                       \
    }
#define COR_CONF_STRS_ROW(type_, member, name_, otherwise_, doc_)                                  \
    {                                                                                              \
        .name = (name_), .offset = offsetof(type_, member), .otherwise = (otherwise_),             \
        .doc = (doc_), .type = COR_CONF_STRS                                                       \
    }

/* Fills cfg (the service's struct, zeroed) with defaults, then with what the file says (path NULL:
 * no file). Unknown keys, wrong types and values out of range are COR_INVALID: "FILE:LINE: KEY:
 * expected
 * ...". COR_NOTFOUND, COR_IO for the file itself. cfg must be freed with cor_conf_free in any case.
 */
COR_NODISCARD enum cor_code cor_conf_load(const struct cor_conf *conf, const char *path, void *cfg,
                                          struct cor_err *err);

/* Appends cfg as a YAML file with the documentation of each option as comments. */
void cor_conf_dump(const struct cor_conf *conf, const void *cfg, struct cor_buf *out);

/* Frees the strings in cfg. */
void cor_conf_free(const struct cor_conf *conf, void *cfg);

#endif
