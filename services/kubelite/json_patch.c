// SPDX-License-Identifier: Apache-2.0
#include "json_patch.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"

enum { DEPTH_MAX = 512 };

static const char missing[] = "missing value";

/* Where a pointer leads: the last container and the last token. */
struct place {
    struct cor_json *in; /* borrowed; NULL: the way does not exist */
    char *key;           /* owned */
};

struct patching {
    struct cor_json *root; /* owned */
    size_t copied;         /* bytes */
    struct cor_err *err;
};

static void place_free(struct place *place)
{
    cor_freep(&place->key);
}

/* "~1" is "/", "~0" is "~" (RFC 6901). Returns owned. */
static char *token(struct cor_view part)
{
    struct cor_buf out = {0};
    for (size_t i = 0; i < part.len; i++) {
        bool escape = part.ptr[i] == '~' && i + 1 < part.len &&
                      (part.ptr[i + 1] == '0' || part.ptr[i + 1] == '1');
        char c = !escape ? part.ptr[i] : part.ptr[i + 1] == '1' ? '/' : '~';
        cor_buf_add(&out, &c, 1);
        i += escape ? 1 : 0;
    }
    cor_buf_str(&out, "");
    return out.data == NULL ? cor_strdup("") : cor_buf_take(&out);
}

/* The index that text is; -1: none. */
static long index_of(const char *text)
{
    char *end = NULL;
    if (text == NULL || text[0] == '\0') {
        return -1;
    }
    long at = strtol(text, &end, 10);
    return *end != '\0' || text[0] == '+' || text[0] == ' ' ? -1 : at;
}

static struct cor_json *child_of(const struct cor_json *in, const char *key)
{
    if (!cor_json_is_array(in)) {
        return cor_json_get(in, key);
    }
    long at = index_of(key);
    return at < 0 ? NULL : cor_json_item(in, (size_t)at);
}

static struct place find(const struct patching *patching, const char *path)
{
    struct place place = {.in = patching->root};
    struct cor_view rest = cor_view_of(path);
    struct cor_view part;
    if (!cor_view_split(&rest, '/', &part) || rest.ptr == NULL) {
        return (struct place){0};
    }
    while (cor_view_split(&rest, '/', &part)) {
        if (place.key != NULL) {
            place.in = child_of(place.in, place.key);
            cor_freep(&place.key);
        }
        place.key = token(part);
        if (!cor_json_is_object(place.in) && !cor_json_is_array(place.in)) {
            place.in = NULL;
        }
    }
    return place;
}

static enum cor_code bad_index(struct cor_err *err, const char *what, const char *path,
                               const char *key)
{
    return cor_err_set(err, COR_INVALID,
                       "error in %s for path: '%s': Unable to access invalid index: %s: invalid "
                       "index referenced",
                       what, path, key);
}

static size_t depth_of(const struct cor_json *value)
{
    size_t most = 0;
    for (size_t i = 0; cor_json_is_array(value) && i < cor_json_count(value); i++) {
        size_t one = depth_of(cor_json_item(value, i));
        most = one > most ? one : most;
    }
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *child = NULL;
    while (cor_json_each(value, &at, &key, &child)) {
        size_t one = depth_of(child);
        most = one > most ? one : most;
    }
    return most + 1;
}

/* Nothing gets deeper than what can be read: others recurse over it. */
static enum cor_code check_depth(const char *path, const struct cor_json *value,
                                 struct cor_err *err)
{
    size_t depth = depth_of(value);
    for (const char *c = path; *c != '\0'; c++) {
        depth += *c == '/' ? 1 : 0;
    }
    return depth <= DEPTH_MAX
               ? COR_OK
               : cor_err_set(err, COR_TOOBIG, "the patch makes the object deeper than %d levels",
                             DEPTH_MAX);
}

/* Adds value (takes) at the place. */
static enum cor_code put(const struct place *place, const char *path, struct cor_json *value,
                         struct cor_err *err)
{
    enum cor_code code = check_depth(path, value, err);
    if (code != COR_OK) {
        cor_json_free(&value);
        return code;
    }
    if (!cor_json_is_array(place->in)) {
        cor_json_set(place->in, place->key, value);
        return COR_OK;
    }
    if (place->key == NULL) {
        cor_json_free(&value);
        return bad_index(err, "add", path, "");
    }
    long at = strcmp(place->key, "-") == 0 ? (long)cor_json_count(place->in) : index_of(place->key);
    if (at < 0 || (size_t)at > cor_json_count(place->in)) {
        cor_json_free(&value);
        return bad_index(err, "add", path, place->key);
    }
    cor_json_insert(place->in, (size_t)at, value);
    return COR_OK;
}

static enum cor_code take_out(const struct place *place, const char *path, struct cor_err *err)
{
    if (cor_json_is_array(place->in)) {
        if (child_of(place->in, place->key) == NULL) {
            return bad_index(err, "remove", path, place->key);
        }
        cor_json_put(place->in, (size_t)index_of(place->key), NULL);
        return COR_OK;
    }
    if (cor_json_get(place->in, place->key) == NULL) {
        return cor_err_set(err, COR_INVALID,
                           "error in remove for path: '%s': Unable to remove nonexistent key: %s: "
                           "%s",
                           path, place->key, missing);
    }
    cor_json_del(place->in, place->key);
    return COR_OK;
}

static enum cor_code no_path(struct cor_err *err, const char *text, const char *path)
{
    return cor_err_set(err, COR_INVALID, "%s: %s: %s", text, path, missing);
}

static struct cor_json *value_of(const struct cor_json *op)
{
    struct cor_json *value = cor_json_get(op, "value");
    return value == NULL ? cor_json_null() : cor_json_copy(value);
}

static enum cor_code op_add(struct patching *patching, const struct cor_json *op, const char *path)
{
    auto_(place_free) struct place place = find(patching, path);
    if (place.in == NULL) {
        return cor_err_set(patching->err, COR_INVALID,
                           "add operation does not apply: doc is missing path: \"%s\": %s", path,
                           missing);
    }
    return put(&place, path, value_of(op), patching->err);
}

static enum cor_code op_remove(struct patching *patching, const struct cor_json *op,
                               const char *path)
{
    (void)op;
    auto_(place_free) struct place place = find(patching, path);
    if (place.in == NULL) {
        return cor_err_set(patching->err, COR_INVALID,
                           "remove operation does not apply: doc is missing path: \"%s\": %s", path,
                           missing);
    }
    return take_out(&place, path, patching->err);
}

static enum cor_code op_replace(struct patching *patching, const struct cor_json *op,
                                const char *path)
{
    auto_(place_free) struct place place = find(patching, path);
    if (place.in == NULL) {
        return no_path(patching->err, "replace operation does not apply: doc is missing path",
                       path);
    }
    enum cor_code code = check_depth(path, cor_json_get(op, "value"), patching->err);
    if (code != COR_OK) {
        return code;
    }
    if (!cor_json_is_array(place.in)) {
        cor_json_set(place.in, place.key, value_of(op)); /* the library sets a new key, too */
        return COR_OK;
    }
    if (child_of(place.in, place.key) == NULL) {
        return no_path(patching->err, "replace operation does not apply: doc is missing key", path);
    }
    cor_json_put(place.in, (size_t)index_of(place.key), value_of(op));
    return COR_OK;
}

static enum cor_code op_test(struct patching *patching, const struct cor_json *op, const char *path)
{
    auto_(place_free) struct place place = find(patching, path);
    if (place.in == NULL) {
        return no_path(patching->err, "test operation does not apply: is missing path", path);
    }
    auto_(cor_json_free) struct cor_json *wanted = value_of(op);
    const struct cor_json *is = child_of(place.in, place.key);
    bool same = cor_json_is_null(wanted) ? cor_json_is_null(is) : cor_json_equal(is, wanted);
    return same ? COR_OK
                : cor_err_set(patching->err, COR_INVALID, "testing value %s failed: test failed",
                              path);
}

/* The value at "from". Returns a copy, owned; NULL with the error set. */
static struct cor_json *source_of(struct patching *patching, const struct cor_json *op,
                                  const char *verb, struct place *from_r)
{
    const char *from = cor_json_str_at(op, "from", "");
    *from_r = find(patching, from);
    const struct cor_json *is = from_r->in == NULL ? NULL : child_of(from_r->in, from_r->key);
    if (is == NULL) {
        auto_(cor_freep) char *text =
            cor_sprintf("%s operation does not apply: doc is missing from path", verb);
        (void)!no_path(patching->err, text, from);
        return NULL;
    }
    return cor_json_copy(is);
}

static enum cor_code op_move(struct patching *patching, const struct cor_json *op, const char *path)
{
    auto_(place_free) struct place from = {0};
    auto_(cor_json_free) struct cor_json *value = source_of(patching, op, "move", &from);
    if (value == NULL ||
        take_out(&from, cor_json_str_at(op, "from", ""), patching->err) != COR_OK) {
        return COR_INVALID;
    }
    auto_(place_free) struct place to = find(patching, path);
    if (to.in == NULL) {
        return no_path(patching->err,
                       "move operation does not apply: doc is missing destination path", path);
    }
    return put(&to, path, take(&value), patching->err);
}

static enum cor_code op_copy(struct patching *patching, const struct cor_json *op, const char *path)
{
    auto_(place_free) struct place from = {0};
    auto_(cor_json_free) struct cor_json *value = source_of(patching, op, "copy", &from);
    if (value == NULL) {
        return COR_INVALID;
    }
    auto_(cor_buf_free) struct cor_buf text = {0};
    cor_json_write(value, &text);
    patching->copied += text.len;
    if (patching->copied > KL_JSON_PATCH_COPY_MAX) {
        return cor_err_set(patching->err, COR_TOOBIG,
                           "Unable to complete the copy, the accumulated size increase of copy is "
                           "%zu, exceeding the limit %d",
                           patching->copied, KL_JSON_PATCH_COPY_MAX);
    }
    auto_(place_free) struct place to = find(patching, path);
    if (to.in == NULL) {
        return no_path(patching->err,
                       "copy operation does not apply: doc is missing destination path", path);
    }
    return put(&to, path, take(&value), patching->err);
}

static const struct {
    const char *name;
    enum cor_code (*run)(struct patching *patching, const struct cor_json *op, const char *path);
} ops[] = {
    {"add", op_add},   {"remove", op_remove}, {"replace", op_replace},
    {"move", op_move}, {"test", op_test},     {"copy", op_copy},
};

static enum cor_code run(struct patching *patching, const struct cor_json *op)
{
    const char *name = cor_json_str_at(op, "op", "unknown");
    const struct cor_json *path = cor_json_get(op, "path");
    for (size_t i = 0; i < COR_COUNT(ops); i++) {
        if (strcmp(ops[i].name, name) != 0) {
            continue;
        }
        return cor_json_is_string(path)
                   ? ops[i].run(patching, op, cor_json_as_str(path, ""))
                   : cor_err_set(patching->err, COR_INVALID,
                                 "%s operation failed to decode path: %s", name, missing);
    }
    return cor_err_set(patching->err, COR_INVALID, "Unexpected kind: %s", name);
}

enum cor_code kl_json_patch(struct cor_json *target, const struct cor_json *patch,
                            struct cor_json **out_r, struct cor_err *err)
{
    struct patching patching = {.root = target, .err = err};
    size_t count = cor_json_count(patch);
    enum cor_code code = COR_OK;
    *out_r = NULL;
    if (count > KL_JSON_PATCH_OPS_MAX) {
        code = cor_err_set(err, COR_TOOBIG,
                           "The allowed maximum operations in a JSON patch is %d, got %zu",
                           KL_JSON_PATCH_OPS_MAX, count);
    }
    for (size_t i = 0; i < count && code == COR_OK; i++) {
        code = run(&patching, cor_json_item(patch, i));
    }
    if (code == COR_OK) {
        *out_r = take(&patching.root);
    }
    cor_json_free(&patching.root);
    return code;
}
