// SPDX-License-Identifier: Apache-2.0
#include "proto/kubeedge/calls.h"

#include <string.h>

#include "common/base/mem.h"
#include "proto/status.h"

/* How an answer looks. */
enum shape {
    OBJECT_RESP, /* {"Object":..,"Err":..} */
    BARE,        /* the object, or the error value */
    JUST_OK,     /* "OK", or the error value */
};

/* Types on the wire (cloud/pkg/edgecontroller/controller/upstream.go). */
static const struct type {
    const char *wire;
    const char *object;      /* type in a key */
    const char *api_version; /* of its objects; NULL: not known */
    const char *kind;
    enum shape query;
    enum shape insert;
    enum shape update;
    enum shape remove;
} TYPES[] = {
    {"node", "node", "v1", "Node", BARE, OBJECT_RESP, JUST_OK, JUST_OK},
    {"nodepatch", "node", "v1", "Node", OBJECT_RESP, OBJECT_RESP, OBJECT_RESP, OBJECT_RESP},
    {"pod", "pod", "v1", "Pod", BARE, OBJECT_RESP, OBJECT_RESP, JUST_OK},
    {"podpatch", "pod", "v1", "Pod", OBJECT_RESP, OBJECT_RESP, OBJECT_RESP, OBJECT_RESP},
    {"lease", "lease", "coordination.k8s.io/v1", "Lease", OBJECT_RESP, OBJECT_RESP, OBJECT_RESP,
     OBJECT_RESP},
    {"certificatesigningrequest", "certificatesigningrequest", "certificates.k8s.io/v1",
     "CertificateSigningRequest", BARE, OBJECT_RESP, OBJECT_RESP, JUST_OK},
    {"configmap", "configmap", "v1", "ConfigMap", BARE, BARE, BARE, JUST_OK},
    {"secret", "secret", "v1", "Secret", BARE, BARE, BARE, JUST_OK},
    {"persistentvolume", "persistentvolume", "v1", "PersistentVolume", BARE, BARE, BARE, JUST_OK},
    {"persistentvolumeclaim", "persistentvolumeclaim", "v1", "PersistentVolumeClaim", BARE, BARE,
     BARE, JUST_OK},
    {"volumeattachment", "volumeattachment", "storage.k8s.io/v1", "VolumeAttachment", BARE, BARE,
     BARE, JUST_OK},
    {"serviceaccounttoken", "serviceaccounttoken", "authentication.k8s.io/v1", "TokenRequest", BARE,
     BARE, BARE, JUST_OK},
    {"event", "event", "v1", "Event", BARE, BARE, BARE, JUST_OK},
};

static const struct {
    const char *operation;
    enum px_verb verb;
} VERBS[] = {
    {"query", PX_VERB_GET},   {"insert", PX_VERB_CREATE}, {"update", PX_VERB_UPDATE},
    {"patch", PX_VERB_PATCH}, {"delete", PX_VERB_DELETE},
};

static const struct type *by_wire(struct cor_view wire)
{
    for (size_t i = 0; i < COR_COUNT(TYPES); i++) {
        if (cor_view_is(wire, TYPES[i].wire)) {
            return &TYPES[i];
        }
    }
    return NULL;
}

/* The type that says verb about an object type: patches have types of their own. */
static const struct type *by_object(struct cor_view object, enum px_verb verb)
{
    for (size_t i = 0; i < COR_COUNT(TYPES); i++) {
        bool is_patch = strcmp(TYPES[i].wire, TYPES[i].object) != 0;
        if (cor_view_is(object, TYPES[i].object) && is_patch == (verb == PX_VERB_PATCH)) {
            return &TYPES[i];
        }
    }
    return by_wire(object);
}

static const char *operation_of(enum px_verb verb)
{
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        if (VERBS[i].verb == verb) {
            return VERBS[i].operation;
        }
    }
    return NULL;
}

static bool is_token(const struct type *type)
{
    return strcmp(type->wire, "serviceaccounttoken") == 0;
}

void px_kubeedge_call_free(struct px_kubeedge_call *call)
{
    cor_freep(&call->key);
    cor_buf_free(&call->body);
}

bool px_kubeedge_ask(enum px_verb verb, struct cor_view key, struct cor_view body,
                     const char **operation_r, char **resource_r, struct cor_buf *content)
{
    struct px_key parts;
    *resource_r = NULL;
    *operation_r = operation_of(verb);
    if (*operation_r == NULL || !px_key_parse(key, &parts) || parts.name.ptr == NULL) {
        return false;
    }
    const struct type *type = by_object(parts.type, verb);
    if (type == NULL) {
        return false;
    }
    if (is_token(type)) {
        *operation_r = "query"; /* a token request is a question here, with a body */
    }
    *resource_r =
        cor_sprintf("%.*s/%s/%.*s", COR_VIEW_ARG(parts.ns), type->wire, COR_VIEW_ARG(parts.name));
    if (verb == PX_VERB_PATCH) {
        px_kubeedge_quote(body, content); /* patches travel as strings */
    } else {
        cor_buf_view(content, body.len == 0 ? COR_VIEW("null") : body);
    }
    return true;
}

static bool verb_of(const char *operation, enum px_verb *verb_r)
{
    for (size_t i = 0; i < COR_COUNT(VERBS); i++) {
        if (strcmp(VERBS[i].operation, operation) == 0) {
            *verb_r = VERBS[i].verb;
            return true;
        }
    }
    return false;
}

bool px_kubeedge_asked(const struct px_kubeedge_in *in, struct px_kubeedge_call *call_r)
{
    struct px_key parts;
    *call_r = (struct px_kubeedge_call){.patch = PX_PATCH_STRATEGIC};
    if (!verb_of(in->operation, &call_r->verb) ||
        !px_key_parse(cor_view_of(in->resource), &parts) || parts.name.ptr == NULL ||
        parts.name.len == 0) {
        return false;
    }
    const struct type *type = by_wire(parts.type);
    if (type == NULL) {
        return false;
    }
    if (is_token(type)) {
        call_r->verb = PX_VERB_CREATE;
    }
    call_r->key =
        cor_sprintf("%.*s/%s/%.*s", COR_VIEW_ARG(parts.ns), type->object, COR_VIEW_ARG(parts.name));
    if (in->content != NULL) {
        px_kubeedge_bytes(in->content, &call_r->body);
    }
    return true;
}

bool px_kubeedge_is_answered(struct cor_view key)
{
    struct px_key parts;
    return !px_key_parse(key, &parts) || !cor_view_is(parts.type, "event");
}

static enum shape shape_of(const char *operation, const char *resource)
{
    struct px_key parts;
    enum px_verb verb = PX_VERB_GET;
    const struct type *type =
        px_key_parse(cor_view_of(resource), &parts) ? by_wire(parts.type) : NULL;
    if (type == NULL || !verb_of(operation, &verb)) {
        return BARE;
    }
    switch (verb) {
    case PX_VERB_CREATE:
        return type->insert;
    case PX_VERB_UPDATE:
    case PX_VERB_PATCH:
        return type->update;
    case PX_VERB_DELETE:
        return type->remove;
    default:
        return type->query;
    }
}

/* {"ErrStatus":{...}}, the shape of an API error in Go; never {}, which EdgeCore reads as success.
 */
static void add_error(const struct px_kubeedge_answer *answer, struct cor_buf *content)
{
    cor_buf_str(content, "{\"ErrStatus\":");
    if (answer->body.len > 0) {
        cor_buf_view(content, answer->body);
    } else {
        px_status(answer->status, "InternalError", "no reason given", content);
    }
    cor_buf_str(content, "}");
}

void px_kubeedge_answer(const char *operation, const char *resource,
                        const struct px_kubeedge_answer *answer, struct cor_buf *content,
                        bool *is_ok_r, bool *is_error_r)
{
    enum shape shape = shape_of(operation, resource);
    bool good = answer->status >= 200 && answer->status < 300;
    /* A pod that is gone already was deleted, as far as the node is concerned (upstream.go). */
    if (shape == JUST_OK && (answer->status == 404 || answer->status == 409) &&
        strcmp(operation, "delete") == 0) {
        good = true;
    }
    *is_ok_r = good && shape == JUST_OK;
    *is_error_r = !good && shape != OBJECT_RESP;
    if (*is_ok_r) {
        cor_buf_str(content, "\"OK\"");
    } else if (*is_error_r) {
        add_error(answer, content);
    } else if (shape == OBJECT_RESP) {
        cor_buf_str(content, "{\"Object\":");
        cor_buf_view(content, good && answer->body.len > 0 ? answer->body : COR_VIEW("null"));
        cor_buf_str(content, ",\"Err\":");
        if (good && answer->body.len > 0) {
            cor_buf_str(content, "null");
        } else {
            add_error(answer, content);
        }
        cor_buf_str(content, "}");
    } else {
        cor_buf_view(content, answer->body.len > 0 ? answer->body : COR_VIEW("null"));
    }
}

static uint64_t failed(const struct cor_json *status, struct cor_buf *out)
{
    int64_t code = cor_json_int_at(status, "code", 0);
    if (code < 400 || code > 599) {
        px_status(500, "InternalError", "the cloud gave an error without a status", out);
        return 500;
    }
    cor_json_write(status, out);
    return (uint64_t)code;
}

/* Typed results of Go clients come without kind and apiVersion. */
static void complete(struct cor_view key, struct cor_json *object)
{
    struct px_key parts;
    const struct type *type = px_key_parse(key, &parts) ? by_wire(parts.type) : NULL;
    if (type != NULL && cor_json_get(object, "kind") == NULL) {
        cor_json_set(object, "kind", cor_json_str(type->kind));
        cor_json_set(object, "apiVersion", cor_json_str(type->api_version));
    }
}

static uint64_t succeeded(struct cor_view key, struct cor_json *object, struct cor_buf *out)
{
    complete(key, object);
    cor_json_write(object, out);
    return 200;
}

uint64_t px_kubeedge_answered(struct cor_view key, struct cor_json *content, struct cor_buf *out)
{
    if (cor_view_is(cor_json_as_view(content), "OK")) {
        return 200;
    }
    auto_(cor_json_free) struct cor_json *object = px_kubeedge_object(content);
    if (object == NULL || cor_json_count(object) == 0) {
        return failed(NULL, out); /* {} is a Go error, a text is one, too */
    }
    struct cor_json *status = cor_json_get(object, "ErrStatus");
    if (status != NULL) {
        return failed(status, out);
    }
    struct cor_json *inner = cor_json_get(object, "Object");
    struct cor_json *problem = cor_json_get(object, "Err");
    if (inner == NULL || problem == NULL) {
        return succeeded(key, object, out);
    }
    if (!cor_json_is_null(problem) || !cor_json_is_object(inner)) {
        return failed(cor_json_get(problem, "ErrStatus"), out);
    }
    return succeeded(key, inner, out);
}
