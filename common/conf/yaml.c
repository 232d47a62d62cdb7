// SPDX-License-Identifier: Apache-2.0
#include "common/conf/yaml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/base/must.h"

enum { DEPTH = 32 };

struct reading {
    yaml_document_t *doc;
    cor_yaml_line_fn lines;
    void *self;
    bool old; /* scalars as in YAML 1.1 */
    struct cor_err *err;
};

static struct cor_json *node_value(struct reading *r, yaml_node_t *node, const char *path,
                                   int depth);

static bool is_real(struct cor_view text)
{
    return memchr(text.ptr, '.', text.len) != NULL || memchr(text.ptr, 'e', text.len) != NULL ||
           memchr(text.ptr, 'E', text.len) != NULL;
}

static struct cor_json *plain(struct cor_view text)
{
    int64_t number = 0;
    if (text.len == 0 || cor_view_is(text, "~") || cor_view_is(text, "null")) {
        return cor_json_null();
    }
    if (cor_view_is(text, "true") || cor_view_is(text, "false")) {
        return cor_json_bool(text.ptr[0] == 't');
    }
    if (cor_view_i64(text, &number)) {
        return cor_json_int(number);
    }
    if (text.len < 64 && is_real(text) && (strchr("-+.0123456789", text.ptr[0]) != NULL)) {
        auto_(cor_freep) char *copy = cor_view_dup(text);
        char *end = NULL;
        double real = strtod(copy, &end);
        if (*end == '\0' && end != copy) {
            return cor_json_real(real);
        }
    }
    return cor_json_view(text);
}

static bool is_word(struct cor_view text, const char *const *words)
{
    while (*words != NULL && !cor_view_is(text, *words)) {
        words++;
    }
    return *words != NULL;
}

/* Digits of a base other than ten, which the text's beginning names. */
static bool based_number(struct cor_view text, int64_t *out_r)
{
    char digits[32] = "";
    char *end = NULL;
    int base = 8;
    size_t skip = 1;
    if (text.len < 2 || text.len >= sizeof(digits) || text.ptr[0] != '0') {
        return false;
    }
    if (text.ptr[1] == 'x' || text.ptr[1] == 'o') {
        base = text.ptr[1] == 'x' ? 16 : 8;
        skip = 2;
    }
    memcpy(digits, text.ptr + skip, text.len - skip);
    errno = 0;
    *out_r = strtoll(digits, &end, base);
    return errno == 0 && digits[0] != '-' && digits[0] != '+' && end != digits && *end == '\0';
}

/* What YAML 1.1 and Kubernetes' reader (sigs.k8s.io/yaml) take for more than a text. */
static struct cor_json *plain_old(struct cor_view text)
{
    static const char *const yes[] = {"yes", "Yes", "YES", "on", "On", "ON", "True", "TRUE", NULL};
    static const char *const no[] = {"no", "No", "NO", "off", "Off", "OFF", "False", "FALSE", NULL};
    static const char *const nothing[] = {"Null", "NULL", NULL};
    int64_t number = 0;
    if (is_word(text, yes) || is_word(text, no)) {
        return cor_json_bool(is_word(text, yes));
    }
    if (is_word(text, nothing)) {
        return cor_json_null();
    }
    return based_number(text, &number) ? cor_json_int(number) : plain(text);
}

static struct cor_json *scalar_value(const struct reading *r, const yaml_node_t *node)
{
    struct cor_view text = {(const char *)node->data.scalar.value, node->data.scalar.length};
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return cor_json_view(text);
    }
    return r->old ? plain_old(text) : plain(text);
}

static struct cor_json *sequence_value(struct reading *r, yaml_node_t *node, const char *path,
                                       int depth)
{
    struct cor_json *array = cor_json_array();
    for (yaml_node_item_t *item = node->data.sequence.items.start;
         item < node->data.sequence.items.top; item++) {
        struct cor_json *value =
            node_value(r, yaml_document_get_node(r->doc, *item), path, depth + 1);
        if (value == NULL) {
            cor_json_free(&array);
            return NULL;
        }
        cor_json_add(array, value);
    }
    return array;
}

static bool add_pair(struct reading *r, struct cor_json *object, const yaml_node_pair_t *pair,
                     const char *path, int depth)
{
    yaml_node_t *key = yaml_document_get_node(r->doc, pair->key);
    size_t line = key->start_mark.line + 1;
    if (key->type != YAML_SCALAR_NODE) {
        (void)cor_err_set(r->err, COR_INVALID, "line %zu: a key must be a word", line);
        return false;
    }
    const char *name = (const char *)key->data.scalar.value;
    if (cor_json_get(object, name) != NULL) {
        (void)cor_err_set(r->err, COR_INVALID, "line %zu: %s is given twice", line, name);
        return false;
    }
    auto_(cor_freep) char *below =
        path[0] == '\0' ? cor_strdup(name) : cor_sprintf("%s.%s", path, name);
    if (r->lines != NULL) {
        r->lines(r->self, below, line);
    }
    struct cor_json *value =
        node_value(r, yaml_document_get_node(r->doc, pair->value), below, depth + 1);
    if (value == NULL) {
        return false;
    }
    cor_json_set(object, name, value);
    return true;
}

static struct cor_json *mapping_value(struct reading *r, yaml_node_t *node, const char *path,
                                      int depth)
{
    struct cor_json *object = cor_json_object();
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        if (!add_pair(r, object, pair, path, depth)) {
            cor_json_free(&object);
            return NULL;
        }
    }
    return object;
}

static struct cor_json *node_value(struct reading *r, yaml_node_t *node, const char *path,
                                   int depth)
{
    size_t line = node->start_mark.line + 1;
    if (depth > DEPTH) {
        (void)cor_err_set(r->err, COR_INVALID, "line %zu: nested deeper than %d", line, DEPTH);
        return NULL;
    }
    switch (node->type) {
    case YAML_SCALAR_NODE:
        return scalar_value(r, node);
    case YAML_SEQUENCE_NODE:
        return sequence_value(r, node, path, depth);
    case YAML_MAPPING_NODE:
        return mapping_value(r, node, path, depth);
    case YAML_NO_NODE:
        break;
    }
    (void)cor_err_set(r->err, COR_INVALID, "line %zu: unreadable", line);
    return NULL;
}

/* Takes the result of a call of libyaml: without memory the process ends, as everywhere; a wrong
 * file, for which a service is not started again, is another thing, and has a problem. */
static bool went(const yaml_parser_t *parser, int result)
{
    if (result == 0 && (parser->error == YAML_MEMORY_ERROR || parser->problem == NULL)) {
        cor_die("out of memory (YAML)");
    }
    return result != 0;
}

static void begin(yaml_parser_t *parser, struct cor_view text)
{
    if (yaml_parser_initialize(parser) == 0) { /* it leaves no error in the parser */
        cor_die("out of memory (YAML)");
    }
    yaml_parser_set_input_string(parser, (const unsigned char *)text.ptr, text.len);
}

/* Aliases can make a small text expand without bound: refuse them before building anything. */
static bool has_alias(struct cor_view text, struct cor_err *err)
{
    yaml_parser_t parser;
    yaml_event_t event;
    bool found = false;
    bool end = false;
    begin(&parser, text);
    while (!found && !end && went(&parser, yaml_parser_parse(&parser, &event))) {
        found = event.type == YAML_ALIAS_EVENT;
        end = event.type == YAML_STREAM_END_EVENT;
        if (found) {
            (void)cor_err_set(err, COR_INVALID, "line %zu: aliases are not allowed",
                              event.start_mark.line + 1);
        }
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return found;
}

static enum cor_code read_document(yaml_parser_t *parser, struct reading *r,
                                   struct cor_json **out_r)
{
    yaml_document_t doc;
    if (!went(parser, yaml_parser_load(parser, &doc))) {
        return cor_err_set(r->err, COR_INVALID, "line %zu: %s", parser->problem_mark.line + 1,
                           parser->problem);
    }
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    r->doc = &doc;
    *out_r = root == NULL ? cor_json_object() : node_value(r, root, "", 0);
    r->doc = NULL;
    yaml_document_delete(&doc);
    return *out_r == NULL ? COR_INVALID : COR_OK;
}

/* What follows the first document is not to be ignored in silence. */
static enum cor_code read_end(yaml_parser_t *parser, struct cor_err *err)
{
    yaml_document_t doc;
    if (!went(parser, yaml_parser_load(parser, &doc))) {
        return cor_err_set(err, COR_INVALID, "line %zu: %s", parser->problem_mark.line + 1,
                           parser->problem);
    }
    const yaml_node_t *root = yaml_document_get_root_node(&doc);
    bool more = root != NULL && !(root->type == YAML_SCALAR_NODE && root->data.scalar.length == 0);
    size_t line = more ? root->start_mark.line + 1 : 0;
    yaml_document_delete(&doc);
    return more ? cor_err_set(err, COR_INVALID, "line %zu: a second document", line) : COR_OK;
}

static enum cor_code parse(struct cor_view text, size_t max, struct reading *r,
                           struct cor_json **out_r)
{
    *out_r = NULL;
    if (text.len > max) {
        return cor_err_set(r->err, COR_TOOBIG, "YAML of %zu bytes, at most %zu", text.len, max);
    }
    if (text.ptr == NULL || has_alias(text, r->err)) {
        return text.ptr == NULL ? cor_err_set(r->err, COR_INVALID, "no text") : COR_INVALID;
    }
    yaml_parser_t parser;
    begin(&parser, text);
    enum cor_code code = read_document(&parser, r, out_r);
    code = code == COR_OK ? read_end(&parser, r->err) : code;
    if (code != COR_OK) {
        cor_json_free(out_r);
    }
    yaml_parser_delete(&parser);
    return code;
}

enum cor_code cor_yaml_parse(struct cor_view text, size_t max, cor_yaml_line_fn lines, void *self,
                             struct cor_json **out_r, struct cor_err *err)
{
    struct reading r = {.lines = lines, .self = self, .err = err};
    return parse(text, max, &r, out_r);
}

enum cor_code cor_yaml_parse_kube(struct cor_view text, size_t max, struct cor_json **out_r,
                                  struct cor_err *err)
{
    struct reading r = {.old = true, .err = err};
    return parse(text, max, &r, out_r);
}
