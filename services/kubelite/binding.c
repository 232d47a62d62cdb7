// SPDX-License-Identifier: Apache-2.0
// POST pods/NAME/binding: gives a Pod its node (pkg/registry/core/pod/storage, BindingREST).
#include <string.h>

#include "common/base/mem.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

static enum cor_code read_binding(struct kl_request *request, struct cor_json **out_r,
                                  struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {0};
    enum cor_code code = kl_write_parse(request, &k8s_core_v1_Binding, "Binding", &body, fail);
    if (code != COR_OK) {
        return code;
    }
    auto_(cor_json_free) struct cor_json *object =
        kl_shape_object(&shape, &k8s_core_v1_Binding, body);
    if (shape.error != NULL) {
        return kl_fail_bad(fail, "Binding: %s", shape.error);
    }
    if (cor_json_str_at(object, "target.name", "")[0] == '\0') {
        return kl_fail_bad(fail, "Binding: target.name: Required value");
    }
    *out_r = take(&object);
    return COR_OK;
}

static enum cor_code bind(struct kl_draft *draft, const struct cor_json *binding,
                          struct kl_fail *fail)
{
    const char *name = kl_meta_str(draft->old, "name");
    const char *node = cor_json_str_at(draft->old, "spec.nodeName", "");
    if (kl_meta_deleting(draft->old)) {
        auto_(cor_freep) char *why =
            cor_sprintf("pod %s is being deleted, cannot be assigned to a host", name);
        return kl_fail_conflict(fail, draft->kind, name, why);
    }
    if (node[0] != '\0') {
        auto_(cor_freep) char *why =
            cor_sprintf("pod %s is already assigned to node \"%s\"", name, node);
        return kl_fail_conflict(fail, draft->kind, name, why);
    }
    kl_pod_bind(draft->object, cor_json_str_at(binding, "target.name", ""), cor_wall_now());
    return COR_OK;
}

void kl_write_binding(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *binding = NULL;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind,
                                                  .sub = KL_SUB_BINDING};
    enum cor_code code = read_binding(request, &binding, &fail);
    if (code == COR_OK) {
        code = kl_write_find(request, &draft.old, &fail);
    }
    if (code == COR_OK) {
        draft.object = cor_json_copy(draft.old);
        code = bind(&draft, binding, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    request->status = 201;
    request->answer = kl_created_json();
    kl_write_store(request, &draft, KL_MODIFIED);
}
