// SPDX-License-Identifier: Apache-2.0
// pods/NAME/ephemeralcontainers: containers that are added to a Pod that runs, for people to look
// at it. They are never changed and never removed (pkg/registry/core/pod/strategy.go
// podEphemeralContainersStrategy, pkg/apis/core/validation ValidatePodEphemeralContainersUpdate).
#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "strategy.h"

static const char PATH[] = "spec.ephemeralContainers";

void kl_ephemeral_keep(struct kl_draft *draft)
{
    struct cor_json *object = cor_json_copy(draft->old);
    const struct cor_json *list = cor_json_at(draft->object, PATH);
    cor_json_set(object, "metadata", cor_json_ref(cor_json_get(draft->object, "metadata")));
    cor_json_set_at(object, PATH, cor_json_copy(list));
    cor_json_free(&draft->object);
    draft->object = object;
}

static const struct cor_json *named(const struct cor_json *list, const char *name)
{
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (strcmp(cor_json_str_at(cor_json_item(list, i), "name", ""), name) == 0) {
            return cor_json_item(list, i);
        }
    }
    return NULL;
}

static const struct cor_json *of_pod(const struct cor_json *pod, const char *name)
{
    const struct cor_json *found = named(cor_json_at(pod, "spec.containers"), name);
    return found != NULL ? found : named(cor_json_at(pod, "spec.initContainers"), name);
}

static void check_fields(struct kl_draft *draft, const struct cor_json *container, size_t index)
{
    static const char *const never[] = {"ports", "livenessProbe", "readinessProbe", "startupProbe",
                                        "lifecycle"};
    for (size_t i = 0; i < COR_COUNT(never); i++) {
        auto_(cor_freep) char *field = cor_sprintf("%s[%zu].%s", PATH, index, never[i]);
        if (!cor_json_is_null(cor_json_get(container, never[i]))) {
            kl_cause_forbidden(&draft->causes, field, "cannot be set for an Ephemeral Container");
        }
    }
    auto_(cor_freep) char *limits = cor_sprintf("%s[%zu].resources", PATH, index);
    if (cor_json_count(cor_json_get(container, "resources")) > 0) {
        kl_cause_forbidden(&draft->causes, limits, "cannot be set for an Ephemeral Container");
    }
}

static void check_new(struct kl_draft *draft, const struct cor_json *list, size_t index)
{
    const struct cor_json *container = cor_json_item(list, index);
    const char *name = cor_json_str_at(container, "name", "");
    const char *target = cor_json_str_at(container, "targetContainerName", "");
    auto_(cor_freep) char *at_name = cor_sprintf("%s[%zu].name", PATH, index);
    auto_(cor_freep) char *at_image = cor_sprintf("%s[%zu].image", PATH, index);
    auto_(cor_freep) char *at_target = cor_sprintf("%s[%zu].targetContainerName", PATH, index);
    if (!cor_is_dns_label(cor_view_of(name))) {
        kl_cause_invalid_str(&draft->causes, at_name, name, "must be a lowercase RFC 1123 label");
    } else if (of_pod(draft->object, name) != NULL || named(list, name) != container) {
        kl_cause_duplicate(&draft->causes, at_name, name);
    }
    if (cor_json_str_at(container, "image", "")[0] == '\0') {
        kl_cause_required(&draft->causes, at_image, "");
    }
    if (target[0] != '\0' && of_pod(draft->object, target) == NULL) {
        kl_cause_notfound(&draft->causes, at_target, target);
    }
    check_fields(draft, container, index);
}

void kl_ephemeral_check(struct kl_draft *draft)
{
    enum { MOST = 64 };
    const struct cor_json *list = cor_json_at(draft->object, PATH);
    const struct cor_json *old = cor_json_at(draft->old, PATH);
    if (cor_json_count(list) > MOST) {
        kl_cause_forbidden(&draft->causes, PATH, "too many ephemeral containers");
        return;
    }
    for (size_t i = 0; i < cor_json_count(old); i++) {
        const struct cor_json *before = cor_json_item(old, i);
        const struct cor_json *now = named(list, cor_json_str_at(before, "name", ""));
        if (now == NULL) {
            kl_cause_forbidden(&draft->causes, PATH,
                               "existing ephemeral containers may not be removed");
        } else if (!cor_json_equal(now, before)) {
            kl_cause_forbidden(&draft->causes, PATH,
                               "existing ephemeral containers may not be changed");
        }
    }
    for (size_t i = 0; i < cor_json_count(list); i++) {
        if (named(old, cor_json_str_at(cor_json_item(list, i), "name", "")) == NULL) {
            check_new(draft, list, i);
        }
    }
}
