// SPDX-License-Identifier: Apache-2.0
#include "selector.h"

#include <string.h>

#include "common/base/mem.h"

enum { TERMS_MAX = 64, VALUES_MAX = 256, TEXT_MAX = 16384 };

enum op { OP_EQUALS, OP_DIFFERS, OP_IN, OP_NOTIN, OP_EXISTS, OP_ABSENT };

struct term {
    enum op op;
    bool field;
    char *key;
    struct cor_json *values; /* array */
};

struct kl_selector {
    struct term terms[TERMS_MAX];
    size_t count;
};

void kl_selector_free(struct kl_selector **selector)
{
    if (*selector == NULL) {
        return;
    }
    for (size_t i = 0; i < (*selector)->count; i++) {
        cor_free((*selector)->terms[i].key);
        cor_json_free(&(*selector)->terms[i].values);
    }
    cor_freep(selector);
}

static struct term *add_term(struct kl_selector *selector, enum op op, bool field,
                             struct cor_view key)
{
    struct term *term = &selector->terms[selector->count++];
    *term = (struct term){op, field, cor_view_dup(cor_view_trim(key)), cor_json_array()};
    return term;
}

static bool key_ok(struct cor_view key)
{
    key = cor_view_trim(key);
    if (key.len == 0 || key.len > 317) {
        return false;
    }
    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '_' || c == '.' || c == '/';
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* The next term of a list: commas within parentheses do not separate. */
static bool next_term(struct cor_view *rest, struct cor_view *term_r)
{
    if (rest->ptr == NULL) {
        return false;
    }
    int depth = 0;
    for (size_t i = 0; i < rest->len; i++) {
        char c = rest->ptr[i];
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ',' && depth <= 0) {
            *term_r = cor_view_trim((struct cor_view){rest->ptr, i});
            *rest = (struct cor_view){rest->ptr + i + 1, rest->len - i - 1};
            return true;
        }
    }
    *term_r = cor_view_trim(*rest);
    *rest = (struct cor_view){0};
    return true;
}

/* "key in (a,b)" and "key notin (a,b)". */
static bool parse_set(struct kl_selector *selector, struct cor_view text)
{
    const char *open = memchr(text.ptr, '(', text.len);
    if (open == NULL || text.ptr[text.len - 1] != ')') {
        return false;
    }
    struct cor_view head = cor_view_trim((struct cor_view){text.ptr, (size_t)(open - text.ptr)});
    struct cor_view inside = {open + 1, (size_t)(text.ptr + text.len - open) - 2};
    bool notin = cor_view_ends(head, " notin");
    if (!notin && !cor_view_ends(head, " in")) {
        return false;
    }
    head.len -= notin ? 6 : 3;
    if (!key_ok(head)) {
        return false;
    }
    struct term *term = add_term(selector, notin ? OP_NOTIN : OP_IN, false, head);
    struct cor_view value;
    while (cor_view_split(&inside, ',', &value) && cor_json_count(term->values) < VALUES_MAX) {
        cor_json_add(term->values, cor_json_view(cor_view_trim(value)));
    }
    return true;
}

/* "k=v", "k==v", "k!=v". */
static bool parse_equality(struct kl_selector *selector, bool field, struct cor_view text)
{
    const char *equals = memchr(text.ptr, '=', text.len);
    if (equals == NULL || equals == text.ptr) {
        return false;
    }
    bool differs = equals[-1] == '!';
    struct cor_view key = {text.ptr, (size_t)(equals - text.ptr) - (differs ? 1 : 0)};
    struct cor_view value = {equals + 1, (size_t)(text.ptr + text.len - equals) - 1};
    if (!differs && cor_view_starts(value, "=")) {
        value = (struct cor_view){value.ptr + 1, value.len - 1};
    }
    if (!key_ok(key)) {
        return false;
    }
    struct term *term = add_term(selector, differs ? OP_DIFFERS : OP_EQUALS, field, key);
    cor_json_add(term->values, cor_json_view(cor_view_trim(value)));
    return true;
}

static bool parse_label(struct kl_selector *selector, struct cor_view text)
{
    if (text.ptr[text.len - 1] == ')') {
        return parse_set(selector, text);
    }
    if (memchr(text.ptr, '=', text.len) != NULL) {
        return parse_equality(selector, false, text);
    }
    bool absent = text.ptr[0] == '!';
    struct cor_view key = absent ? (struct cor_view){text.ptr + 1, text.len - 1} : text;
    if (!key_ok(key)) {
        return false;
    }
    (void)add_term(selector, absent ? OP_ABSENT : OP_EXISTS, false, key);
    return true;
}

static bool field_known(const struct kl_kind *kind, const char *key)
{
    if (strcmp(key, "metadata.name") == 0 || strcmp(key, "metadata.namespace") == 0) {
        return true;
    }
    for (size_t i = 0; kind->fields != NULL && kind->fields[i] != NULL; i++) {
        if (strcmp(kind->fields[i], key) == 0) {
            return true;
        }
    }
    return false;
}

/* Kinds with fields of their own and kinds without say it differently
 * (k8s.io/apimachinery/pkg/runtime/conversion.go). */
static enum cor_code unknown_field(const struct kl_kind *kind, const char *key, struct cor_err *err)
{
    if (kind->fields != NULL) {
        return cor_err_set(err, COR_INVALID, "field label not supported: %s", key);
    }
    return cor_err_set(err, COR_INVALID,
                       "\"%s\" is not a known field selector: only \"metadata.name\", "
                       "\"metadata.namespace\"",
                       key);
}

/* "a b": a second word where an operator should be. */
static enum cor_code unparsable(struct cor_view part, struct cor_err *err)
{
    struct cor_view rest = part;
    struct cor_view word;
    struct cor_view second;
    if (cor_view_split(&rest, ' ', &word) && key_ok(word) && cor_view_split(&rest, ' ', &second) &&
        key_ok(second)) {
        return cor_err_set(err, COR_INVALID,
                           "unable to parse requirement: found '%.*s', expected: '=', '!=', '==', "
                           "'in', notin'",
                           COR_VIEW_ARG(second));
    }
    return cor_err_set(err, COR_INVALID, "unable to parse requirement: %.*s", COR_VIEW_ARG(part));
}

static enum cor_code parse_list(struct kl_selector *selector, const struct kl_kind *kind,
                                const char *text, bool field, struct cor_err *err)
{
    struct cor_view rest = cor_view_of(text);
    struct cor_view part;
    while (next_term(&rest, &part)) {
        if (part.len == 0) {
            continue;
        }
        bool ok = selector->count < TERMS_MAX &&
                  (field ? parse_equality(selector, true, part) : parse_label(selector, part));
        if (!ok) {
            return unparsable(part, err);
        }
        const char *key = selector->terms[selector->count - 1].key;
        if (field && !field_known(kind, key)) {
            return unknown_field(kind, key, err);
        }
    }
    return COR_OK;
}

enum cor_code kl_selector_parse(const struct kl_kind *kind, const char *labels, const char *fields,
                                struct kl_selector **selector_r, struct cor_err *err)
{
    *selector_r = NULL;
    if ((labels != NULL && strlen(labels) > TEXT_MAX) ||
        (fields != NULL && strlen(fields) > TEXT_MAX)) {
        return cor_err_set(err, COR_INVALID, "the selector is too long");
    }
    auto_(kl_selector_free) struct kl_selector *selector = cor_alloc(sizeof(*selector));
    enum cor_code code = parse_list(selector, kind, labels == NULL ? "" : labels, false, err);
    if (code == COR_OK) {
        code = parse_list(selector, kind, fields == NULL ? "" : fields, true, err);
    }
    if (code == COR_OK && selector->count > 0) {
        *selector_r = take(&selector);
    }
    return code;
}

static bool among(const struct cor_json *values, struct cor_view value)
{
    for (size_t i = 0; i < cor_json_count(values); i++) {
        if (cor_view_eq(cor_json_as_view(cor_json_item(values, i)), value)) {
            return true;
        }
    }
    return false;
}

/* Text of a selectable field; "" when absent. */
static struct cor_view field_text(const struct cor_json *object, const char *key)
{
    if (strcmp(key, "source") == 0) {
        key = "source.component";
    } else if (strcmp(key, "status.podIPs") == 0) {
        key = "status.podIP";
    }
    const struct cor_json *value = cor_json_at(object, key);
    if (cor_json_type(value) == COR_JSON_BOOL || strcmp(key, "spec.unschedulable") == 0) {
        return cor_json_as_bool(value, false) ? COR_VIEW("true") : COR_VIEW("false");
    }
    struct cor_view text = cor_json_as_view(value);
    return text.ptr == NULL ? COR_VIEW("") : text;
}

static bool term_matches(const struct term *term, const struct cor_json *object)
{
    if (term->field) {
        return among(term->values, field_text(object, term->key)) == (term->op == OP_EQUALS);
    }
    const struct cor_json *value = cor_json_get(cor_json_at(object, "metadata.labels"), term->key);
    switch (term->op) {
    case OP_EXISTS:
        return value != NULL;
    case OP_ABSENT:
        return value == NULL;
    case OP_EQUALS:
    case OP_IN:
        return value != NULL && among(term->values, cor_json_as_view(value));
    case OP_DIFFERS:
    case OP_NOTIN:
        break;
    }
    return value == NULL || !among(term->values, cor_json_as_view(value));
}

bool kl_selector_matches(const struct kl_selector *selector, const struct cor_json *object)
{
    if (object == NULL) {
        return false;
    }
    for (size_t i = 0; selector != NULL && i < selector->count; i++) {
        if (!term_matches(&selector->terms[i], object)) {
            return false;
        }
    }
    return true;
}
