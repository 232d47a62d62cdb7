// SPDX-License-Identifier: Apache-2.0
// PATCH with application/apply-patch+yaml: server-side apply. JSON is YAML; other YAML is not read.
#include <string.h>

#include "apply.h"
#include "common/base/mem.h"
#include "common/httpd/uri.h"
#include "meta.h"
#include "write.h"

enum { MANAGER_MAX = 128 };

bool kl_is_apply(const struct kl_request *request)
{
    const char *type = cor_exchange_header(request->exchange, "Content-Type");
    return type != NULL && strncmp(type, "application/apply-patch+yaml", 28) == 0;
}

char *kl_write_manager(const struct kl_request *request)
{
    auto_(cor_freep) char *given = cor_query_get(request->query, "fieldManager");
    if (given != NULL && given[0] != '\0') {
        return take(&given);
    }
    const char *agent = cor_exchange_header(request->exchange, "User-Agent");
    struct cor_view rest = cor_view_of(agent == NULL ? "" : agent);
    struct cor_view program = {0};
    (void)cor_view_split(&rest, '/', &program);
    program.len = program.len > MANAGER_MAX ? MANAGER_MAX : program.len;
    return program.len == 0 ? cor_strdup("unknown") : cor_view_dup(program);
}

/* ValidatePatchOptions of k8s.io/apimachinery/pkg/apis/meta/v1/validation. */
static enum cor_code check_options(const struct kl_request *request, struct kl_fail *fail)
{
    static const struct kl_kind kind = {.group = "meta.k8s.io", .kind = "PatchOptions"};
    auto_(kl_causes_free) struct kl_causes causes = {0};
    auto_(cor_freep) char *manager = cor_query_get(request->query, "fieldManager");
    if (manager == NULL || manager[0] == '\0') {
        kl_cause_required(&causes, "fieldManager", "is required for apply patch");
    } else if (strlen(manager) > MANAGER_MAX) {
        kl_cause_invalid_str(&causes, "fieldManager", manager, "may not be longer than 128");
    }
    return kl_causes_end(&causes, &kind, "", fail);
}

static enum cor_code read_config(const struct kl_request *request, struct cor_json **config_r,
                                 struct kl_fail *fail)
{
    const struct kl_route *route = &request->route;
    struct cor_err err = COR_ERR_NONE;
    auto_(cor_json_free) struct cor_json *config = NULL;
    if (cor_json_parse(cor_exchange_body(request->exchange), KL_BODY_MAX, 0, &config, &err) !=
        COR_OK) {
        return kl_fail_bad(fail, "error decoding YAML: %s", err.text);
    }
    if (cor_json_get(config, "apiVersion") == NULL || cor_json_get(config, "kind") == NULL) {
        return kl_fail_bad(fail, "Object 'Kind' is missing");
    }
    enum cor_code code = kl_write_check_type(route->kind, config, fail);
    if (code != COR_OK) {
        return code;
    }
    if (cor_json_count(cor_json_at(config, "metadata.managedFields")) > 0) {
        return kl_fail_bad(fail, "metadata.managedFields must be nil");
    }
    if (kl_meta_str(config, "name")[0] == '\0') {
        cor_json_set(kl_meta(config), "name", cor_json_str(route->name));
    }
    *config_r = take(&config);
    return COR_OK;
}

/* The object that results, in shape; its managedFields stay. */
static enum cor_code decode(struct kl_request *request, struct cor_json *merged,
                            struct kl_draft *draft, struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *unknown = NULL;
    struct cor_json *managed = cor_json_copy(cor_json_at(merged, "metadata.managedFields"));
    cor_json_del(kl_meta(merged), "managedFields");
    enum cor_code code = kl_decode(draft->kind, merged, &draft->object, &unknown, fail);
    if (code == COR_OK) {
        code = kl_write_tell_unknown(request, unknown, fail);
    }
    if (code != COR_OK) {
        cor_json_free(&managed);
        return code;
    }
    cor_json_set(kl_meta(draft->object), "managedFields", managed);
    return COR_OK;
}

static enum cor_code prepare(struct kl_request *request, struct kl_draft *draft,
                             struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *config = NULL;
    auto_(cor_json_free) struct cor_json *merged = NULL;
    auto_(cor_freep) char *manager = kl_write_manager(request);
    enum cor_code code = check_options(request, fail);
    if (code == COR_OK) {
        code = read_config(request, &config, fail);
    }
    if (code != COR_OK) {
        return code;
    }
    const struct kl_route *route = &request->route;
    draft->old = kl_storage_look(request->api->storage, route->kind, route->ns, route->name);
    if (draft->old == NULL && route->sub != KL_SUB_NONE) {
        return kl_fail_notfound(fail, route->kind, route->name);
    }
    struct kl_applying applying = {route->kind, manager, cor_query_is(request->query, "force"),
                                   cor_wall_now()};
    code = kl_apply(&applying, draft->old, config, &merged, fail);
    return code == COR_OK ? decode(request, merged, draft, fail) : code;
}

void kl_write_apply(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind,
                                                  .sub = request->route.sub};
    if (prepare(request, &draft, &fail) != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    request->applied = true;
    if (draft.old == NULL) {
        kl_write_new(request, &draft);
    } else {
        kl_write_finish(request, &draft);
    }
}
