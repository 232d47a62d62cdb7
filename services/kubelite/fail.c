// SPDX-License-Identifier: Apache-2.0
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/base/mem.h"

void kl_fail_free(struct kl_fail *fail)
{
    cor_freep(&fail->message);
    cor_json_free(&fail->details);
    *fail = (struct kl_fail){0};
}

struct cor_json *kl_fail_json(const struct kl_fail *fail)
{
    struct cor_json *status = cor_json_object();
    cor_json_set(status, "kind", cor_json_str("Status"));
    cor_json_set(status, "apiVersion", cor_json_str("v1"));
    cor_json_set(status, "metadata", cor_json_object());
    cor_json_set(status, "status", cor_json_str("Failure"));
    cor_json_set(status, "message", cor_json_str(fail->message == NULL ? "" : fail->message));
    if (fail->reason != NULL) {
        cor_json_set(status, "reason", cor_json_str(fail->reason));
    }
    cor_json_set(status, "details", cor_json_copy(fail->details));
    cor_json_set(status, "code", cor_json_int(fail->status));
    return status;
}

static struct cor_json *details_of(const struct kl_kind *kind, const char *name, const char *word)
{
    struct cor_json *details = cor_json_object();
    if (name != NULL && name[0] != '\0') {
        cor_json_set(details, "name", cor_json_str(name));
    }
    if (kind != NULL && kind->group[0] != '\0') {
        cor_json_set(details, "group", cor_json_str(kind->group));
    }
    if (word != NULL) {
        cor_json_set(details, "kind", cor_json_str(word));
    }
    return details;
}

struct cor_json *kl_success_json(const struct kl_kind *kind, const char *name, const char *uid)
{
    struct cor_json *status = cor_json_object();
    struct cor_json *details = details_of(kind, name, kind->plural);
    if (uid != NULL) {
        cor_json_set(details, "uid", cor_json_str(uid));
    }
    cor_json_set(status, "kind", cor_json_str("Status"));
    cor_json_set(status, "apiVersion", cor_json_str("v1"));
    cor_json_set(status, "metadata", cor_json_object());
    cor_json_set(status, "status", cor_json_str("Success"));
    cor_json_set(status, "details", details);
    return status;
}

/* Replaces what fail says; message and details are taken. */
static void fill(struct kl_fail *fail, int status, const char *reason, char *message,
                 struct cor_json *details)
{
    kl_fail_free(fail);
    *fail = (struct kl_fail){status, reason, message, details};
}

static COR_PRINTF(1, 0) char *vtext(const char *fmt, va_list args)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, args);
    return n < 0 ? cor_strdup("") : text;
}

enum cor_code kl_fail_bad(struct kl_fail *fail, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = vtext(fmt, args);
    va_end(args);
    fill(fail, 400, "BadRequest", text, NULL);
    return COR_INVALID;
}

/* "pods" or "leases.coordination.k8s.io". Returns owned. */
static char *resource_of(const struct kl_kind *kind)
{
    return kind->group[0] == '\0' ? cor_strdup(kind->plural)
                                  : cor_sprintf("%s.%s", kind->plural, kind->group);
}

enum cor_code kl_fail_notfound(struct kl_fail *fail, const struct kl_kind *kind, const char *name)
{
    auto_(cor_freep) char *resource = resource_of(kind);
    fill(fail, 404, "NotFound", cor_sprintf("%s \"%s\" not found", resource, name),
         details_of(kind, name, kind->plural));
    return COR_NOTFOUND;
}

enum cor_code kl_fail_exists(struct kl_fail *fail, const struct kl_kind *kind, const char *name)
{
    auto_(cor_freep) char *resource = resource_of(kind);
    fill(fail, 409, "AlreadyExists", cor_sprintf("%s \"%s\" already exists", resource, name),
         details_of(kind, name, kind->plural));
    return COR_EXISTS;
}

enum cor_code kl_fail_conflict(struct kl_fail *fail, const struct kl_kind *kind, const char *name,
                               const char *why)
{
    auto_(cor_freep) char *resource = resource_of(kind);
    fill(fail, 409, "Conflict",
         cor_sprintf("Operation cannot be fulfilled on %s \"%s\": %s", resource, name, why),
         details_of(kind, name, kind->plural));
    return COR_CONFLICT;
}

enum cor_code kl_fail_forbidden(struct kl_fail *fail, const struct kl_kind *kind, const char *name,
                                const char *why)
{
    auto_(cor_freep) char *resource = kind == NULL ? NULL : resource_of(kind);
    char *message = NULL;
    if (resource == NULL) {
        message = cor_sprintf("forbidden: %s", why);
    } else if (name == NULL || name[0] == '\0') {
        message = cor_sprintf("%s is forbidden: %s", resource, why);
    } else {
        message = cor_sprintf("%s \"%s\" is forbidden: %s", resource, name, why);
    }
    fill(fail, 403, "Forbidden", message,
         details_of(kind, name, kind == NULL ? NULL : kind->plural));
    return COR_DENIED;
}

enum cor_code kl_fail_nopath(struct kl_fail *fail, const char *what)
{
    fill(fail, 404, "NotFound",
         cor_sprintf("the server could not find the requested resource%s%s%s",
                     what == NULL ? "" : " (", what == NULL ? "" : what, what == NULL ? "" : ")"),
         cor_json_object());
    return COR_NOTFOUND;
}

enum cor_code kl_fail_method(struct kl_fail *fail)
{
    fill(fail, 405, "MethodNotAllowed",
         cor_strdup("the server does not allow this method on the requested resource"),
         cor_json_object());
    return COR_UNSUPPORTED;
}

enum cor_code kl_fail_other(struct kl_fail *fail, int status, const char *reason, const char *fmt,
                            ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = vtext(fmt, args);
    va_end(args);
    fill(fail, status, reason, text, NULL);
    return COR_INVALID;
}

enum cor_code kl_fail_store(struct kl_fail *fail, enum cor_code code, const struct cor_err *err)
{
    if (code == COR_BUSY || code == COR_RETRY) {
        fill(fail, 503, "ServiceUnavailable", cor_strdup(err->text), NULL);
    } else {
        fill(fail, 500, "InternalError", cor_sprintf("Internal error occurred: %s", err->text),
             NULL);
    }
    return code;
}

void kl_causes_free(struct kl_causes *causes)
{
    cor_json_free(&causes->list);
}

static void add(struct kl_causes *causes, const char *reason, const char *field, char *message)
{
    struct cor_json *cause = cor_json_object();
    cor_json_set(cause, "reason", cor_json_str(reason));
    cor_json_set(cause, "message", cor_json_str(message));
    cor_json_set(cause, "field", cor_json_str(field));
    if (causes->list == NULL) {
        causes->list = cor_json_array();
    }
    cor_json_add(causes->list, cause);
    cor_free(message);
}

void kl_cause_required(struct kl_causes *causes, const char *field, const char *detail)
{
    add(causes, "FieldValueRequired", field,
        detail == NULL ? cor_strdup("Required value") : cor_sprintf("Required value: %s", detail));
}

void kl_cause_invalid(struct kl_causes *causes, const char *field, const struct cor_json *value,
                      const char *detail)
{
    auto_(cor_freep) char *text = value == NULL ? cor_strdup("null") : cor_json_text(value);
    add(causes, "FieldValueInvalid", field, cor_sprintf("Invalid value: %s: %s", text, detail));
}

void kl_cause_invalid_text(struct kl_causes *causes, const char *field, const char *value,
                           const char *detail)
{
    add(causes, "FieldValueInvalid", field, cor_sprintf("Invalid value: %s: %s", value, detail));
}

void kl_causes_move(struct kl_causes *causes, struct kl_causes *from, const char *prefix)
{
    for (size_t i = 0; i < cor_json_count(from->list); i++) {
        const struct cor_json *one = cor_json_item(from->list, i);
        auto_(cor_freep) char *field =
            cor_sprintf("%s%s", prefix, cor_json_str_at(one, "field", ""));
        add(causes, cor_json_str_at(one, "reason", ""), field,
            cor_strdup(cor_json_str_at(one, "message", "")));
    }
    cor_json_free(&from->list);
}

void kl_cause_invalid_str(struct kl_causes *causes, const char *field, const char *value,
                          const char *detail)
{
    auto_(cor_json_free) struct cor_json *text = cor_json_str(value);
    kl_cause_invalid(causes, field, text, detail);
}

void kl_cause_unsupported(struct kl_causes *causes, const char *field, const char *value,
                          const char *const *supported)
{
    auto_(cor_json_free) struct cor_json *quoted = cor_json_str(value);
    auto_(cor_freep) char *text = cor_json_text(quoted);
    struct cor_buf message = {0};
    cor_buf_fmt(&message, "Unsupported value: %s", text);
    for (size_t i = 0; supported[i] != NULL; i++) {
        cor_buf_fmt(&message, "%s\"%s\"", i == 0 ? ": supported values: " : ", ", supported[i]);
    }
    add(causes, "FieldValueNotSupported", field, cor_buf_take(&message));
}

void kl_cause_unversioned(struct kl_causes *causes)
{
    add(causes, "FieldValueInvalid", "metadata.resourceVersion",
        cor_strdup("Invalid value: 0x0: must be specified for an update"));
}

void kl_cause_duplicate(struct kl_causes *causes, const char *field, const char *value)
{
    auto_(cor_json_free) struct cor_json *quoted = cor_json_str(value);
    auto_(cor_freep) char *text = cor_json_text(quoted);
    add(causes, "FieldValueDuplicate", field, cor_sprintf("Duplicate value: %s", text));
}

void kl_cause_forbidden(struct kl_causes *causes, const char *field, const char *detail)
{
    add(causes, "FieldValueForbidden", field, cor_sprintf("Forbidden: %s", detail));
}

void kl_cause_notfound(struct kl_causes *causes, const char *field, const char *value)
{
    auto_(cor_json_free) struct cor_json *quoted = cor_json_str(value);
    auto_(cor_freep) char *text = cor_json_text(quoted);
    add(causes, "FieldValueNotFound", field, cor_sprintf("Not found: %s", text));
}

enum cor_code kl_causes_end(const struct kl_causes *causes, const struct kl_kind *kind,
                            const char *name, struct kl_fail *fail)
{
    size_t count = cor_json_count(causes->list);
    if (count == 0) {
        return COR_OK;
    }
    struct cor_buf message = {0};
    if (kind->group[0] == '\0') {
        cor_buf_fmt(&message, "%s \"%s\" is invalid: %s", kind->kind, name, count > 1 ? "[" : "");
    } else {
        cor_buf_fmt(&message, "%s.%s \"%s\" is invalid: %s", kind->kind, kind->group, name,
                    count > 1 ? "[" : "");
    }
    for (size_t i = 0; i < count; i++) {
        const struct cor_json *cause = cor_json_item(causes->list, i);
        cor_buf_fmt(&message, "%s%s: %s", i == 0 ? "" : ", ", cor_json_str_at(cause, "field", ""),
                    cor_json_str_at(cause, "message", ""));
    }
    cor_buf_str(&message, count > 1 ? "]" : "");
    struct cor_json *details = details_of(kind, name, kind->kind);
    cor_json_set(details, "causes", cor_json_copy(causes->list));
    fill(fail, 422, "Invalid", cor_buf_take(&message), details);
    return COR_INVALID;
}

struct cor_json *kl_created_json(void)
{
    struct cor_json *status = cor_json_object();
    cor_json_set(status, "kind", cor_json_str("Status"));
    cor_json_set(status, "apiVersion", cor_json_str("v1"));
    cor_json_set(status, "metadata", cor_json_object());
    cor_json_set(status, "status", cor_json_str("Success"));
    cor_json_set(status, "code", cor_json_int(201));
    return status;
}

void kl_fail_cause(struct kl_fail *fail, const char *reason, const char *text)
{
    struct cor_json *cause = cor_json_object();
    struct cor_json *causes = cor_json_array();
    cor_json_set(cause, "reason", cor_json_str(reason));
    cor_json_set(cause, "message", cor_json_str(text));
    cor_json_add(causes, cause);
    if (fail->details == NULL) {
        fail->details = cor_json_object();
    }
    cor_json_set(fail->details, "causes", causes);
}
