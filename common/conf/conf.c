// SPDX-License-Identifier: Apache-2.0
#include "common/conf/conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/must.h"
#include "common/conf/yaml.h"

enum { FILE_MAX = 256 * 1024 };

/* A file being read: where each key stands. */
struct reading {
    const struct cor_conf *conf;
    const char *path;
    struct cor_map *lines; /* dotted key -> line number as text, owned */
    void *cfg;
    struct cor_err *err;
};

static void *slot(const struct cor_conf_row *row, void *cfg)
{
    return (char *)cfg + row->offset;
}

static void strs_clear(struct cor_conf_strs *strs)
{
    for (size_t i = 0; i < strs->count; i++) {
        cor_free(strs->items[i]);
    }
    cor_free(strs->items);
    *strs = (struct cor_conf_strs){0};
}

static void strs_add(struct cor_conf_strs *strs, struct cor_view text)
{
    strs->items = cor_realloc(strs->items, strs->count + 1, sizeof(*strs->items));
    strs->items[strs->count++] = cor_view_dup(text);
}

static void set_str(const struct cor_conf_row *row, void *cfg, struct cor_view text)
{
    char **at = slot(row, cfg);
    cor_free(*at);
    *at = cor_view_dup(text);
}

static void set_default(const struct cor_conf_row *row, void *cfg)
{
    struct cor_view rest = cor_view_of(row->otherwise);
    struct cor_view part;
    switch (row->type) {
    case COR_CONF_STR:
        set_str(row, cfg, rest);
        break;
    case COR_CONF_INT:
        must(cor_view_i64(rest, slot(row, cfg)));
        break;
    case COR_CONF_BOOL:
        *(bool *)slot(row, cfg) = cor_view_is(rest, "true");
        break;
    case COR_CONF_STRS:
        while (rest.len > 0 && cor_view_split(&rest, ',', &part)) {
            strs_add(slot(row, cfg), part);
        }
        break;
    }
}

static enum cor_code expected(struct reading *r, const char *key, const char *what)
{
    const char *line = cor_map_get(r->lines, cor_view_of(key));
    return cor_err_set(r->err, COR_INVALID, "%s:%s: %s: expected %s", r->path,
                       line == NULL ? "1" : line, key, what);
}

static enum cor_code set_int(struct reading *r, const struct cor_conf_row *row,
                             const struct cor_json *value)
{
    int64_t number = cor_json_as_int(value, INT64_MIN);
    if (cor_json_type(value) != COR_JSON_INT || number < row->min || number > row->max) {
        char what[96];
        (void)snprintf(what, sizeof(what), "a number from %" PRId64 " to %" PRId64, row->min,
                       row->max);
        return expected(r, row->name, what);
    }
    *(int64_t *)slot(row, r->cfg) = number;
    return COR_OK;
}

static enum cor_code set_strs(struct reading *r, const struct cor_conf_row *row,
                              const struct cor_json *value)
{
    struct cor_conf_strs *strs = slot(row, r->cfg);
    if (!cor_json_is_array(value)) {
        return expected(r, row->name, "a list of strings");
    }
    strs_clear(strs);
    for (size_t i = 0; i < cor_json_count(value); i++) {
        if (!cor_json_is_string(cor_json_item(value, i))) {
            return expected(r, row->name, "a list of strings");
        }
        strs_add(strs, cor_json_as_view(cor_json_item(value, i)));
    }
    return COR_OK;
}

static enum cor_code set_value(struct reading *r, const struct cor_conf_row *row,
                               const struct cor_json *value)
{
    switch (row->type) {
    case COR_CONF_INT:
        return set_int(r, row, value);
    case COR_CONF_STRS:
        return set_strs(r, row, value);
    case COR_CONF_BOOL:
        if (cor_json_type(value) != COR_JSON_BOOL) {
            return expected(r, row->name, "true or false");
        }
        *(bool *)slot(row, r->cfg) = cor_json_as_bool(value, false);
        return COR_OK;
    case COR_CONF_STR:
        break;
    }
    if (!cor_json_is_string(value)) {
        return expected(r, row->name, "a string");
    }
    set_str(row, r->cfg, cor_json_as_view(value));
    return COR_OK;
}

static const struct cor_conf_row *row_of(const struct cor_conf *conf, const char *name)
{
    for (size_t i = 0; i < conf->count; i++) {
        if (strcmp(conf->rows[i].name, name) == 0) {
            return &conf->rows[i];
        }
    }
    return NULL;
}

static bool is_section(const struct cor_conf *conf, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < conf->count; i++) {
        if (strncmp(conf->rows[i].name, name, len) == 0 && conf->rows[i].name[len] == '.') {
            return true;
        }
    }
    return false;
}

static enum cor_code unknown(struct reading *r, const char *key)
{
    auto_(cor_buf_free) struct cor_buf what = {0};
    cor_buf_str(&what, "one of");
    for (size_t i = 0; i < r->conf->count; i++) {
        cor_buf_fmt(&what, " %s", r->conf->rows[i].name);
    }
    return expected(r, key, what.data);
}

static enum cor_code read_section(struct reading *r, const struct cor_json *object,
                                  const char *prefix)
{
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(object, &at, &key, &value)) {
        auto_(cor_freep) char *name =
            prefix[0] == '\0' ? cor_strdup(key) : cor_sprintf("%s.%s", prefix, key);
        const struct cor_conf_row *row = row_of(r->conf, name);
        enum cor_code code = COR_OK;
        if (row != NULL) {
            code = set_value(r, row, value);
        } else if (!is_section(r->conf, name)) {
            code = unknown(r, name);
        } else if (!cor_json_is_object(value)) {
            code = expected(r, name, "a section with options");
        } else if (strlen(name) < 256) {
            code = read_section(r, value, name);
        }
        if (code != COR_OK) {
            return code;
        }
    }
    return COR_OK;
}

static void note_line(void *self, const char *path, size_t line)
{
    struct reading *r = self;
    cor_map_set(r->lines, cor_view_of(path), cor_sprintf("%zu", line));
}

static enum cor_code read_file(struct reading *r)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *root = NULL;
    enum cor_code code = cor_file_read(r->path, FILE_MAX, &text, r->err);
    if (code != COR_OK) {
        return code;
    }
    code = cor_yaml_parse(cor_buf_as_view(&text), FILE_MAX, note_line, r, &root, r->err);
    if (code != COR_OK) {
        (void)cor_err_wrap(r->err, "%s", r->path);
        return code;
    }
    if (!cor_json_is_object(root)) {
        return cor_err_set(r->err, COR_INVALID, "%s:1: expected options, one a line", r->path);
    }
    return read_section(r, root, "");
}

static enum cor_code check_required(struct reading *r)
{
    for (size_t i = 0; i < r->conf->count; i++) {
        const struct cor_conf_row *row = &r->conf->rows[i];
        if (row->required && row->type == COR_CONF_STR &&
            (*(char **)slot(row, r->cfg))[0] == '\0') {
            return cor_err_set(r->err, COR_INVALID, "%s: %s is missing: %s",
                               r->path == NULL ? "configuration" : r->path, row->name, row->doc);
        }
    }
    return COR_OK;
}

enum cor_code cor_conf_load(const struct cor_conf *conf, const char *path, void *cfg,
                            struct cor_err *err)
{
    struct reading r = {.conf = conf, .path = path, .cfg = cfg, .err = err};
    for (size_t i = 0; i < conf->count; i++) {
        set_default(&conf->rows[i], cfg);
    }
    enum cor_code code = COR_OK;
    r.lines = cor_map_new(cor_free);
    if (path != NULL) {
        code = read_file(&r);
    }
    cor_map_free(&r.lines);
    return code == COR_OK ? check_required(&r) : code;
}

static void dump_string(struct cor_view text, struct cor_buf *out)
{
    auto_(cor_json_free) struct cor_json *value = cor_json_view(text);
    cor_json_write(value, out); /* a JSON string is a YAML string */
}

static void dump_value(const struct cor_conf_row *row, const void *at, struct cor_buf *out)
{
    const struct cor_conf_strs *strs = at;
    switch (row->type) {
    case COR_CONF_STR:
        dump_string(cor_view_of(*(char *const *)at), out);
        break;
    case COR_CONF_INT:
        cor_buf_fmt(out, "%" PRId64, *(const int64_t *)at);
        break;
    case COR_CONF_BOOL:
        cor_buf_str(out, *(const bool *)at ? "true" : "false");
        break;
    case COR_CONF_STRS:
        cor_buf_str(out, "[");
        for (size_t i = 0; i < strs->count; i++) {
            cor_buf_str(out, i == 0 ? "" : ", ");
            dump_string(cor_view_of(strs->items[i]), out);
        }
        cor_buf_str(out, "]");
        break;
    }
}

void cor_conf_dump(const struct cor_conf *conf, const void *cfg, struct cor_buf *out)
{
    auto_(cor_freep) char *section = cor_strdup("");
    for (size_t i = 0; i < conf->count; i++) {
        const struct cor_conf_row *row = &conf->rows[i];
        const char *dot = strchr(row->name, '.');
        size_t len = dot == NULL ? 0 : (size_t)(dot - row->name);
        if (strlen(section) != len || strncmp(section, row->name, len) != 0) {
            cor_free(section);
            section = cor_memdup(row->name, len);
            if (len > 0) {
                cor_buf_fmt(out, "%s:\n", section);
            }
        }
        const char *indent = len > 0 ? "  " : "";
        cor_buf_fmt(out, "%s# %s\n%s%s: ", indent, row->doc, indent,
                    dot == NULL ? row->name : dot + 1);
        dump_value(row, (const char *)cfg + row->offset, out);
        cor_buf_str(out, "\n");
    }
}

void cor_conf_free(const struct cor_conf *conf, void *cfg)
{
    for (size_t i = 0; i < conf->count; i++) {
        const struct cor_conf_row *row = &conf->rows[i];
        if (row->type == COR_CONF_STR) {
            cor_freep(slot(row, cfg));
        } else if (row->type == COR_CONF_STRS) {
            strs_clear(slot(row, cfg));
        }
    }
}
