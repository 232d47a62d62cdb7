// SPDX-License-Identifier: Apache-2.0
// POST, PUT and PATCH.
#include "write.h"

#include <string.h>

#include "apply.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "common/httpd/uri.h"
#include "common/pki/digest.h"
#include "json_patch.h"
#include "meta.h"
#include "protobuf.h"
#include "strategic.h"

static void on_stored(void *self, enum cor_code code, const struct cor_err *err,
                      const struct kl_change *change)
{
    struct kl_request *request = self;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (code == COR_EXISTS) {
        (void)kl_fail_exists(&fail, request->route.kind, change->name);
    } else if (code == COR_CONFLICT) {
        (void)kl_fail_conflict(&fail, request->route.kind, change->name, err->text);
    } else if (code != COR_OK) {
        (void)kl_fail_store(&fail, code, err);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    if (request->shown != NULL) {
        auto_(cor_json_free) struct cor_json *shown = request->shown(change->object);
        kl_reply(request, request->status, NULL, shown);
    } else if (request->unchanged) {
        auto_(cor_json_free) struct cor_json *same = take(&request->answer);
        kl_reply(request, request->status, request->route.kind, same);
    } else if (request->answer != NULL) {
        auto_(cor_json_free) struct cor_json *answer = take(&request->answer);
        kl_reply(request, request->status, NULL, answer);
    } else if (request->show_status) {
        auto_(cor_json_free) struct cor_json *status =
            kl_success_json(request->route.kind, change->name, kl_meta_str(change->object, "uid"));
        kl_reply(request, request->status, NULL, status);
    } else {
        kl_reply_change(request, request->status, change);
    }
}

bool kl_deletable(const struct kl_draft *draft)
{
    const struct cor_json *meta = cor_json_get(draft->object, "metadata");
    if (!kl_meta_deleting(draft->object) || cor_json_count(cor_json_get(meta, "finalizers")) > 0) {
        return false;
    }
    if (kl_is(draft->kind, KL_NAMESPACE)) {
        return cor_json_count(cor_json_at(draft->object, "spec.finalizers")) == 0;
    }
    return cor_json_int_at(meta, "deletionGracePeriodSeconds", 0) == 0;
}

void kl_write_store(struct kl_request *request, struct kl_draft *draft, enum kl_change_type type)
{
    if (type == KL_MODIFIED && kl_deletable(draft)) {
        type = KL_DELETED;
    }
    kl_set_type(draft->kind, draft->object);
    if (request->dry_run || (type == KL_MODIFIED && cor_json_equal(draft->object, draft->old))) {
        auto_(cor_json_free) struct cor_json *shown =
            request->shown != NULL ? request->shown(draft->object) : cor_json_ref(draft->object);
        kl_reply(request, request->status, request->shown != NULL ? NULL : draft->kind, shown);
        return;
    }
    struct kl_edit edit = {type, draft->kind, take(&draft->object), take(&draft->old)};
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = kl_storage_commit(request->api->storage, edit, on_stored, request, &err);
    if (code != COR_OK) {
        auto_(kl_fail_free) struct kl_fail fail = {0};
        (void)kl_fail_store(&fail, code, &err);
        kl_reply_fail(request, &fail);
    }
}

enum cor_code kl_write_check_type(const struct kl_kind *kind, const struct cor_json *body,
                                  struct kl_fail *fail)
{
    auto_(cor_buf_free) struct cor_buf version = {0};
    kl_kind_api_version(kind, &version);
    const char *has_version = cor_json_str_at(body, "apiVersion", "");
    const char *has_kind = cor_json_str_at(body, "kind", "");
    if (!cor_json_is_object(body)) {
        return kl_fail_bad(fail, "the body is not a JSON object");
    }
    if (has_kind[0] != '\0' && strcmp(has_kind, kind->kind) != 0) {
        return kl_fail_bad(fail, "%s in version \"%s\" cannot be handled as a %s", has_kind,
                           has_version, kind->kind);
    }
    if (has_version[0] != '\0' && strcmp(has_version, version.data) != 0) {
        return kl_fail_bad(fail,
                           "the API version in the data (%s) does not match the expected API "
                           "version (%s)",
                           has_version, version.data);
    }
    return COR_OK;
}

enum cor_code kl_write_tell_unknown(struct kl_request *request, const struct cor_json *unknown,
                                    struct kl_fail *fail)
{
    auto_(cor_buf_free) struct cor_buf text = {0};
    for (size_t i = 0; i < cor_json_count(unknown); i++) {
        const char *one = cor_json_as_str(cor_json_item(unknown, i), "");
        cor_buf_fmt(&text, "%s%s", i == 0 ? "" : ", ", one);
        if (request->strict == KL_WARN) {
            auto_(cor_json_free) struct cor_json *quoted = cor_json_str(one);
            auto_(cor_freep) char *value = cor_json_text(quoted);
            auto_(cor_freep) char *header = cor_sprintf("299 - %s", value);
            cor_exchange_add_header(request->exchange, "Warning", header);
        }
    }
    if (text.len == 0 || request->strict != KL_STRICT) {
        return COR_OK;
    }
    return kl_fail_bad(fail,
                       "%s in version \"%s\" cannot be handled as a %s: strict decoding "
                       "error: %s",
                       request->route.kind->kind, request->route.kind->version,
                       request->route.kind->kind, text.data);
}

enum cor_code kl_write_parse(struct kl_request *request, const struct k8s_type *type,
                             const char *what, struct cor_json **out_r, struct kl_fail *fail)
{
    const char *media = cor_exchange_header(request->exchange, "Content-Type");
    struct cor_view body = cor_exchange_body(request->exchange);
    struct cor_err err = COR_ERR_NONE;
    enum cor_code code = COR_OK;
    if (media == NULL || strncmp(media, "application/json", 16) == 0) {
        code = cor_json_parse(body, KL_BODY_MAX, request->strict == KL_STRICT ? COR_JSON_STRICT : 0,
                              out_r, &err);
    } else if (type != NULL && strncmp(media, "application/vnd.kubernetes.protobuf", 35) == 0) {
        code = kl_protobuf_read(type, body, out_r, &err);
    } else {
        (void)kl_fail_other(fail, 415, "UnsupportedMediaType",
                            "the body of the request was in an unknown format - accepted media "
                            "types include: application/json, application/vnd.kubernetes.protobuf");
        return COR_UNSUPPORTED;
    }
    return code == COR_OK ? COR_OK
                          : kl_fail_bad(fail,
                                        "the object provided is unrecognized (must be of "
                                        "type %s): %s",
                                        what, err.text);
}

enum cor_code kl_write_body(struct kl_request *request, struct cor_json **object_r,
                            struct kl_fail *fail)
{
    *object_r = NULL;
    const struct kl_kind *kind = request->route.kind;
    auto_(cor_json_free) struct cor_json *body = NULL;
    auto_(cor_json_free) struct cor_json *object = NULL;
    auto_(cor_json_free) struct cor_json *unknown = NULL;
    enum cor_code code =
        kl_write_parse(request, kl_is(kind, KL_CRD) ? NULL : kind->type, kind->kind, &body, fail);
    if (code == COR_OK) {
        code = kl_write_check_type(kind, body, fail);
    }
    if (code == COR_OK) {
        code = kl_decode(kind, body, &object, &unknown, fail);
    }
    if (code == COR_OK) {
        code = kl_write_tell_unknown(request, unknown, fail);
    }
    if (code == COR_OK) {
        *object_r = take(&object);
    }
    return code;
}

enum cor_code kl_write_find(struct kl_request *request, struct cor_json **object_r,
                            struct kl_fail *fail)
{
    const struct kl_route *route = &request->route;
    *object_r = kl_storage_look(request->api->storage, route->kind, route->ns, route->name);
    return *object_r == NULL ? kl_fail_notfound(fail, route->kind, route->name) : COR_OK;
}

/* The namespace must be there and not on its way out (plugin/namespace/lifecycle). */
static enum cor_code check_namespace(struct kl_request *request, const char *name,
                                     struct kl_fail *fail)
{
    const struct kl_route *route = &request->route;
    if (!route->kind->namespaced) {
        return COR_OK;
    }
    auto_(cor_json_free) struct cor_json *ns =
        kl_storage_look(request->api->storage, kl_builtin(KL_NAMESPACE), NULL, route->ns);
    if (ns == NULL) {
        return kl_fail_notfound(fail, kl_builtin(KL_NAMESPACE), route->ns);
    }
    if (!kl_meta_deleting(ns)) {
        return COR_OK;
    }
    auto_(cor_freep) char *why = cor_sprintf(
        "unable to create new content in namespace %s because it is being terminated", route->ns);
    return kl_fail_forbidden(fail, route->kind, name, why);
}

/* Namespace and name of a new or changed object against those of the path. */
static enum cor_code check_place(const struct kl_route *route, struct cor_json *object,
                                 struct kl_fail *fail)
{
    struct cor_json *meta = kl_meta(object);
    const char *ns = kl_meta_str(object, "namespace");
    const char *name = kl_meta_str(object, "name");
    if (route->kind->namespaced && ns[0] != '\0' && strcmp(ns, route->ns) != 0) {
        return kl_fail_bad(fail, "the namespace of the provided object does not match the "
                                 "namespace sent on the request");
    }
    if (route->name != NULL && name[0] != '\0' && strcmp(name, route->name) != 0) {
        return kl_fail_bad(fail,
                           "the name of the object (%s) does not match the name on the URL (%s)",
                           name, route->name);
    }
    if (route->kind->namespaced) {
        cor_json_set(meta, "namespace", cor_json_str(route->ns));
    }
    if (route->name != NULL) {
        cor_json_set(meta, "name", cor_json_str(route->name));
    }
    return COR_OK;
}

static void name_it(struct cor_json *object)
{
    uint8_t random[5];
    if (kl_meta_str(object, "name")[0] == '\0' && kl_meta_str(object, "generateName")[0] != '\0') {
        cor_random(random, sizeof(random));
        kl_meta_generate_name(object, random);
    }
}

static enum cor_code prepare_create(struct kl_request *request, struct kl_draft *draft,
                                    struct kl_fail *fail)
{
    const struct kl_route *route = &request->route;
    enum cor_code code = check_place(route, draft->object, fail);
    if (code != COR_OK) {
        return code;
    }
    name_it(draft->object);
    const char *name = kl_meta_str(draft->object, "name");
    if (kl_meta_str(draft->object, "resourceVersion")[0] != '\0') {
        (void)kl_fail_other(fail, 500, "InternalError",
                            "resourceVersion should not be set on objects to be created");
        return COR_INVALID;
    }
    code = check_namespace(request, name, fail);
    if (code == COR_OK && kl_is(route->kind, KL_POD)) {
        code = kl_admit_pod(request->api, draft->object, fail);
    } else if (code == COR_OK && kl_is(route->kind, KL_SERVICE)) {
        code = kl_admit_service(request->api, draft->object, fail);
    }
    char uid[COR_UUID_LEN + 1];
    cor_uuid_new(uid);
    if (code == COR_OK) {
        code = kl_draft_create(draft, cor_wall_now(), uid, fail);
    }
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_json_free) struct cor_json *there =
        kl_storage_look(request->api->storage, route->kind, route->ns, name);
    return there != NULL ? kl_fail_exists(fail, route->kind, name) : COR_OK;
}

void kl_write_new(struct kl_request *request, struct kl_draft *draft)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    if (prepare_create(request, draft, &fail) != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    request->status = 201;
    kl_write_store(request, draft, KL_ADDED);
}

void kl_write_create(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind};
    enum cor_code code = kl_write_body(request, &draft.object, &fail);
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_write_new(request, &draft);
}

/* uid and resourceVersion that the client gives must be those of the stored object. */
static enum cor_code check_version(const struct kl_draft *draft, struct kl_fail *fail)
{
    const char *uid = kl_meta_str(draft->object, "uid");
    const char *old_uid = kl_meta_str(draft->old, "uid");
    const char *rv = kl_meta_str(draft->object, "resourceVersion");
    const char *name = kl_meta_str(draft->old, "name");
    if (uid[0] != '\0' && strcmp(uid, old_uid) != 0) {
        auto_(cor_freep) char *why = cor_sprintf(
            "Precondition failed: UID in precondition: %s, UID in object meta: %s", uid, old_uid);
        return kl_fail_conflict(fail, draft->kind, name, why);
    }
    if (rv[0] == '\0' && kl_strategy_of(draft->kind)->conditional) {
        auto_(kl_causes_free) struct kl_causes causes = {0};
        kl_cause_unversioned(&causes);
        return kl_causes_end(&causes, draft->kind, name, fail);
    }
    if (rv[0] != '\0' && strcmp(rv, "0") != 0 &&
        strcmp(rv, kl_meta_str(draft->old, "resourceVersion")) != 0) {
        return kl_fail_conflict(fail, draft->kind, name,
                                "the object has been modified; please apply your changes to the "
                                "latest version and try again");
    }
    return COR_OK;
}

void kl_write_finish(struct kl_request *request, struct kl_draft *draft)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    enum cor_code code = check_place(&request->route, draft->object, &fail);
    if (code == COR_OK) {
        code = check_version(draft, &fail);
    }
    auto_(cor_json_free) struct cor_json *managed =
        cor_json_ref(cor_json_at(draft->object, "metadata.managedFields"));
    if (code == COR_OK) {
        code = kl_draft_update(draft, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    if (request->applied) {
        cor_json_set(kl_meta(draft->object), "managedFields", take(&managed));
    } else {
        auto_(cor_freep) char *manager = kl_write_manager(request);
        struct kl_applying applying = {draft->kind, manager, true, cor_wall_now()};
        kl_apply_track(&applying, draft->old, draft->object);
    }
    kl_write_store(request, draft, KL_MODIFIED);
}

void kl_write_update(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind,
                                                  .sub = request->route.sub};
    enum cor_code code = kl_write_body(request, &draft.object, &fail);
    if (code == COR_OK) {
        code = kl_write_find(request, &draft.old, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_write_finish(request, &draft);
}

static enum cor_code merge_patch(const struct kl_kind *kind, struct cor_json *target,
                                 const struct cor_json *patch, struct cor_json **out_r,
                                 struct kl_fail *fail)
{
    (void)kind;
    if (!cor_json_is_object(patch)) {
        cor_json_free(&target);
        return kl_fail_bad(fail, "a merge patch must be a JSON object");
    }
    *out_r = cor_json_merge_patch(target, patch);
    return COR_OK;
}

/* As encoding/json names what it found. */
static const char *go_type(const struct cor_json *value)
{
    static const char *const names[] = {
        [COR_JSON_NULL] = "null",     [COR_JSON_BOOL] = "bool",     [COR_JSON_INT] = "number",
        [COR_JSON_REAL] = "number",   [COR_JSON_STRING] = "string", [COR_JSON_ARRAY] = "array",
        [COR_JSON_OBJECT] = "object",
    };
    return names[cor_json_type(value)];
}

static enum cor_code strategic_patch(const struct kl_kind *kind, struct cor_json *target,
                                     const struct cor_json *patch, struct cor_json **out_r,
                                     struct kl_fail *fail)
{
    struct cor_err err = COR_ERR_NONE;
    if (!cor_json_is_object(patch)) {
        cor_json_free(&target);
        return kl_fail_bad(fail,
                           "json: cannot unmarshal %s into Go value of type "
                           "map[string]interface {}",
                           go_type(patch));
    }
    if (kind->type == NULL) {
        cor_json_free(&target);
        (void)kl_fail_other(fail, 415, "UnsupportedMediaType",
                            "the body of the request was in an unknown format - accepted media "
                            "types include: application/merge-patch+json");
        return COR_UNSUPPORTED;
    }
    enum cor_code code = kl_strategic_apply(kind->type, target, patch, out_r, &err);
    if (code == COR_INTERNAL) {
        return kl_fail_other(fail, 500, NULL, "%s", err.text);
    }
    return code == COR_OK ? COR_OK : kl_fail_bad(fail, "%s", err.text);
}

/* jsonPatcher of k8s.io/apiserver/pkg/endpoints/handlers/patch.go. */
static enum cor_code json_patch(const struct kl_kind *kind, struct cor_json *target,
                                const struct cor_json *patch, struct cor_json **out_r,
                                struct kl_fail *fail)
{
    (void)kind;
    struct cor_err err = COR_ERR_NONE;
    if (!cor_json_is_array(patch)) {
        cor_json_free(&target);
        return kl_fail_bad(fail, "json: cannot unmarshal %s into Go value of type jsonpatch.Patch",
                           go_type(patch));
    }
    enum cor_code code = kl_json_patch(target, patch, out_r, &err);
    if (code == COR_TOOBIG) {
        return kl_fail_other(fail, 413, "RequestEntityTooLarge", "%s", err.text);
    }
    return code == COR_OK ? COR_OK
                          : kl_fail_other(fail, 422, "Invalid",
                                          "the server rejected our request due to an error in our "
                                          "request");
}

static const struct {
    const char *type;
    enum cor_code (*apply)(const struct kl_kind *kind, struct cor_json *target,
                           const struct cor_json *patch, struct cor_json **out_r,
                           struct kl_fail *fail);
} patches[] = {
    {"application/json-patch+json", json_patch},
    {"application/merge-patch+json", merge_patch},
    {"application/strategic-merge-patch+json", strategic_patch},
};

enum cor_code kl_write_patched(struct kl_request *request, const struct kl_kind *kind,
                               const struct cor_json *old, struct cor_json **out_r,
                               struct kl_fail *fail)
{
    const char *header = cor_exchange_header(request->exchange, "Content-Type");
    struct cor_view rest = cor_view_of(header == NULL ? "" : header);
    struct cor_view type;
    (void)cor_view_split(&rest, ';', &type);
    for (size_t i = 0; i < COR_COUNT(patches); i++) {
        if (!cor_view_is(cor_view_trim(type), patches[i].type)) {
            continue;
        }
        auto_(cor_json_free) struct cor_json *patch = NULL;
        struct cor_err err = COR_ERR_NONE;
        if (cor_json_parse(cor_exchange_body(request->exchange), KL_BODY_MAX, 0, &patch, &err) !=
            COR_OK) {
            return kl_fail_bad(fail, "error decoding patch: %s", err.text);
        }
        return patches[i].apply(kind, cor_json_copy(old), patch, out_r, fail);
    }
    (void)kl_fail_other(fail, 415, "UnsupportedMediaType",
                        "the body of the request was in an unknown format - accepted media types "
                        "include: application/json-patch+json, application/merge-patch+json, "
                        "application/strategic-merge-patch+json");
    return COR_UNSUPPORTED;
}

/* What a JSON or merge patch made cannot be read: 422, where a strategic one gives 400. */
static enum cor_code wrong_patch(const struct kl_request *request, const struct cor_json *patched,
                                 struct kl_fail *fail)
{
    static const struct kl_kind nameless = {.group = "", .kind = ""};
    const char *type = cor_exchange_header(request->exchange, "Content-Type");
    if (type != NULL && strstr(type, "strategic") != NULL) {
        return COR_INVALID;
    }
    auto_(kl_causes_free) struct kl_causes causes = {0};
    auto_(cor_freep) char *text = cor_json_text(patched);
    auto_(cor_freep) char *why = take(&fail->message);
    kl_cause_invalid_str(&causes, "patch", text, why);
    return kl_causes_end(&causes, &nameless, "", fail);
}

void kl_write_patch(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *patched = NULL;
    auto_(cor_json_free) struct cor_json *unknown = NULL;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind,
                                                  .sub = request->route.sub};
    if (kl_is_apply(request)) {
        kl_write_apply(request);
        return;
    }
    enum cor_code code = kl_write_find(request, &draft.old, &fail);
    if (code == COR_OK) {
        code = kl_write_patched(request, draft.kind, draft.old, &patched, &fail);
    }
    if (code == COR_OK) {
        code = kl_write_check_type(draft.kind, patched, &fail);
    }
    if (code == COR_OK) {
        code = kl_decode(draft.kind, patched, &draft.object, &unknown, &fail);
        code = code == COR_OK ? COR_OK : wrong_patch(request, patched, &fail);
    }
    if (code == COR_OK) {
        code = kl_write_tell_unknown(request, unknown, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    kl_write_finish(request, &draft);
}
