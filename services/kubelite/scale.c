// SPDX-License-Identifier: Apache-2.0
// GET, PUT and PATCH of deployments/NAME/scale and replicasets/NAME/scale: an autoscaling/v1 Scale
// (ScaleREST of pkg/registry/apps).
#include <string.h>

#include "common/base/mem.h"
#include "labels.h"
#include "meta.h"
#include "shape.h"
#include "write.h"

static const struct kl_kind scale_kind = {.group = "autoscaling",
                                          .version = "v1",
                                          .kind = "Scale",
                                          .plural = "scales",
                                          .namespaced = true,
                                          .type = &k8s_autoscaling_v1_Scale};

static struct cor_json *scale_of(const struct cor_json *object)
{
    static const char *const members[] = {"name", "namespace", "uid", "resourceVersion",
                                          "creationTimestamp"};
    struct cor_json *scale = cor_json_object();
    struct cor_json *meta = cor_json_object();
    auto_(cor_buf_free) struct cor_buf selector = {0};
    for (size_t i = 0; i < COR_COUNT(members); i++) {
        cor_json_set(meta, members[i], cor_json_str(kl_meta_str(object, members[i])));
    }
    kl_set_type(&scale_kind, scale);
    cor_json_set(scale, "metadata", meta);
    cor_json_set(scale, "spec", cor_json_object());
    int64_t replicas = cor_json_int_at(object, "spec.replicas", 0);
    if (replicas != 0) {
        cor_json_set_at(scale, "spec.replicas", cor_json_int(replicas));
    }
    cor_json_set_at(scale, "status.replicas",
                    cor_json_int(cor_json_int_at(object, "status.replicas", 0)));
    kl_labels_text(cor_json_at(object, "spec.selector"), &selector);
    cor_json_set_at(scale, "status.selector", cor_json_view(cor_buf_as_view(&selector)));
    return scale;
}

void kl_read_scale(struct kl_request *request)
{
    const struct kl_route *route = &request->route;
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_buf_free) struct cor_buf text = {0};
    auto_(cor_json_free) struct cor_json *object = NULL;
    if (!kl_storage_read(request->api->storage, route->kind, route->ns, route->name, &text) ||
        cor_json_parse(cor_buf_as_view(&text), SIZE_MAX, 0, &object, NULL) != COR_OK) {
        (void)kl_fail_notfound(&fail, route->kind, route->name);
        kl_reply_fail(request, &fail);
        return;
    }
    auto_(cor_json_free) struct cor_json *scale = scale_of(object);
    kl_reply(request, 200, NULL, scale);
}

/* The Scale that the client wants: the body of a PUT, or the patched one. */
static enum cor_code read_wanted(struct kl_request *request, const struct cor_json *old,
                                 struct cor_json **out_r, struct kl_fail *fail)
{
    auto_(cor_json_free) struct cor_json *body = NULL;
    auto_(kl_shape_free) struct kl_shape shape = {0};
    bool whole = strcmp(cor_exchange_method(request->exchange), "PUT") == 0;
    auto_(cor_json_free) struct cor_json *before = scale_of(old);
    enum cor_code code = whole ? kl_write_parse(request, scale_kind.type, "Scale", &body, fail)
                               : kl_write_patched(request, &scale_kind, before, &body, fail);
    if (code != COR_OK) {
        return code;
    }
    *out_r = kl_shape_object(&shape, scale_kind.type, body);
    if (shape.error != NULL) {
        cor_json_free(out_r);
        return kl_fail_bad(fail, "Scale in version \"v1\" cannot be handled as a Scale: %s",
                           shape.error);
    }
    return COR_OK;
}

static enum cor_code check_scale(const struct kl_draft *draft, const struct cor_json *scale,
                                 struct kl_fail *fail)
{
    auto_(kl_causes_free) struct kl_causes causes = {0};
    const struct cor_json *replicas = cor_json_at(scale, "spec.replicas");
    const char *rv = kl_meta_str(scale, "resourceVersion");
    const char *name = kl_meta_str(draft->old, "name");
    if (cor_json_as_int(replicas, 0) < 0) {
        kl_cause_invalid(&causes, "spec.replicas", replicas, "must be greater than or equal to 0");
        return kl_causes_end(&causes, &scale_kind, name, fail);
    }
    if (rv[0] != '\0' && strcmp(rv, kl_meta_str(draft->old, "resourceVersion")) != 0) {
        return kl_fail_conflict(fail, draft->kind, name,
                                "the object has been modified; please apply your changes to the "
                                "latest version and try again");
    }
    return COR_OK;
}

void kl_write_scale(struct kl_request *request)
{
    auto_(kl_fail_free) struct kl_fail fail = {0};
    auto_(cor_json_free) struct cor_json *scale = NULL;
    auto_(kl_draft_free) struct kl_draft draft = {.kind = request->route.kind};
    enum cor_code code = kl_write_find(request, &draft.old, &fail);
    if (code == COR_OK) {
        code = read_wanted(request, draft.old, &scale, &fail);
    }
    if (code == COR_OK) {
        code = check_scale(&draft, scale, &fail);
    }
    if (code == COR_OK) {
        draft.object = cor_json_copy(draft.old);
        cor_json_set_at(draft.object, "spec.replicas",
                        cor_json_int(cor_json_int_at(scale, "spec.replicas", 0)));
        code = kl_draft_update(&draft, &fail);
    }
    if (code != COR_OK) {
        kl_reply_fail(request, &fail);
        return;
    }
    request->shown = scale_of;
    kl_write_store(request, &draft, KL_MODIFIED);
}
