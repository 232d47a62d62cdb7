// SPDX-License-Identifier: Apache-2.0
// JSON values; the door to jansson, which reads what is not plain. Integers keep 64 bits. Values
// are reference counted: cor_json_free drops one reference, cor_json_ref takes one. "Takes" means
// the callee drops it. Objects keep insertion order when written. Sizes and depth are bounded when
// reading. One thread at a time per value.
#ifndef COR_JSON_JSON_H
#define COR_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/base/view.h"

struct cor_json;

enum cor_json_type {
    COR_JSON_NULL,
    COR_JSON_BOOL,
    COR_JSON_INT,
    COR_JSON_REAL,
    COR_JSON_STRING,
    COR_JSON_ARRAY,
    COR_JSON_OBJECT
};

enum {
    COR_JSON_STRICT = 1, /* a key twice in one object is an error */
    COR_JSON_PREFIX = 2, /* ignore what follows the first value */
    COR_JSON_NUL = 4,    /* strings may hold \u0000: read them as views */
};

/* Reads one value from text (at most max bytes, depth at most 512). COR_TOOBIG, COR_INVALID (with
 * line and column). Returns owned in *out_r; NULL on error. */
COR_NODISCARD enum cor_code cor_json_parse(struct cor_view text, size_t max, int flags,
                                           struct cor_json **out_r, struct cor_err *err);

/* Appends the compact text of value. */
void cor_json_write(const struct cor_json *value, struct cor_buf *out);

/* Appends text indented by two blanks. */
void cor_json_write_pretty(const struct cor_json *value, struct cor_buf *out);

/* Compact text; returns owned (cor_free). */
char *cor_json_text(const struct cor_json *value) COR_MALLOC;

/* Another reference to value (NULL gives NULL). */
struct cor_json *cor_json_ref(struct cor_json *value);

/* Drops a reference; *value becomes NULL. For auto_(). */
void cor_json_free(struct cor_json **value);

/* Copy of all objects and arrays; scalars, which never change, are shared. Returns owned; NULL for
 * NULL. */
struct cor_json *cor_json_copy(const struct cor_json *value);

/* Same content; order of keys does not count, 1 and 1.0 differ. Two NULLs are equal. */
bool cor_json_equal(const struct cor_json *a, const struct cor_json *b);

/* Constructors; return owned. */
struct cor_json *cor_json_null(void);
struct cor_json *cor_json_bool(bool value);
struct cor_json *cor_json_int(int64_t value);
struct cor_json *cor_json_real(double value);
/* text must be UTF-8 without NUL; bad bytes become '?'. */
struct cor_json *cor_json_str(const char *text);
struct cor_json *cor_json_view(struct cor_view text);
struct cor_json *cor_json_fmt(const char *fmt, ...) COR_PRINTF(1, 2);
struct cor_json *cor_json_object(void);
struct cor_json *cor_json_array(void);

/* Type of value; NULL pointers count as COR_JSON_NULL. */
enum cor_json_type cor_json_type(const struct cor_json *value);

/* Predicates; false for NULL. */
bool cor_json_is_object(const struct cor_json *value);
bool cor_json_is_array(const struct cor_json *value);
bool cor_json_is_string(const struct cor_json *value);
bool cor_json_is_null(const struct cor_json *value); /* NULL or a JSON null */

/* Value of a scalar, or the default when it is absent or of another type. Strings are borrowed. */
const char *cor_json_as_str(const struct cor_json *value, const char *otherwise);
struct cor_view cor_json_as_view(const struct cor_json *value); /* absent view if no string */
int64_t cor_json_as_int(const struct cor_json *value, int64_t otherwise);
double cor_json_as_real(const struct cor_json *value, double otherwise); /* integers too */
bool cor_json_as_bool(const struct cor_json *value, bool otherwise);

/* Member of an object; NULL when absent or when value is no object. Borrowed. */
struct cor_json *cor_json_get_view(const struct cor_json *value, struct cor_view key);

/* The same; inline, for the length of most keys is known to the compiler. */
static inline struct cor_json *cor_json_get(const struct cor_json *value, const char *key)
{
    return key == NULL ? NULL : cor_json_get_view(value, (struct cor_view){key, strlen(key)});
}

/* Member by a dotted path: "metadata.labels". Borrowed, NULL when any step is absent. Keys that
 * contain dots need cor_json_get. */
struct cor_json *cor_json_at(const struct cor_json *value, const char *path);

/* String at a dotted path or the default. Borrowed. */
const char *cor_json_str_at(const struct cor_json *value, const char *path, const char *otherwise);
int64_t cor_json_int_at(const struct cor_json *value, const char *path, int64_t otherwise);
bool cor_json_bool_at(const struct cor_json *value, const char *path, bool otherwise);

/* Sets member key (takes child; NULL removes the key). value must be an object. */
void cor_json_set_view(struct cor_json *value, struct cor_view key, struct cor_json *child);

static inline void cor_json_set(struct cor_json *value, const char *key, struct cor_json *child)
{
    const char *name = key == NULL ? "" : key;
    cor_json_set_view(value, (struct cor_view){name, strlen(name)}, child);
}

/* Sets the value at a dotted path, making objects on the way (replacing what is no object). Takes.
 */
void cor_json_set_at(struct cor_json *value, const char *path, struct cor_json *child);

/* Removes member key; harmless when absent. */
void cor_json_del(struct cor_json *value, const char *key);

/* Removes all members that are null, at any depth; elements of arrays stay. */
void cor_json_drop_nulls(struct cor_json *value);

/* Number of members or elements; 0 for scalars and NULL. */
size_t cor_json_count(const struct cor_json *value);

/* Element of an array; NULL beyond its end. Borrowed. */
struct cor_json *cor_json_item(const struct cor_json *value, size_t index);

/* Appends to an array (takes child, not NULL). */
void cor_json_add(struct cor_json *value, struct cor_json *child);

/* Puts child at index (<= count) of an array (takes). */
void cor_json_insert(struct cor_json *value, size_t index, struct cor_json *child);

/* Replaces (takes child) or, with NULL, removes the element at index. */
void cor_json_put(struct cor_json *value, size_t index, struct cor_json *child);

/* Walks the members of an object: at starts as NULL, false at the end. The current key may be set
 * to a new value; none may be removed or added while walking. key and child are borrowed. */
bool cor_json_each(const struct cor_json *value, void **at, const char **key_r,
                   struct cor_json **child_r);

/* Applies a JSON merge patch (RFC 7386) to target (takes; may be NULL) and returns the result. */
struct cor_json *cor_json_merge_patch(struct cor_json *target, const struct cor_json *patch);

#endif
