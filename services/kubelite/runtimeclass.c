// SPDX-License-Identifier: Apache-2.0
#include "runtimeclass.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/base/text.h"
#include "meta.h"
#include "strategy.h"

void kl_runtime_class_check(struct kl_draft *draft)
{
    const char *handler = cor_json_str_at(draft->object, "handler", "");
    if (handler[0] == '\0') {
        kl_cause_required(&draft->causes, "handler", NULL);
    } else if (!cor_is_dns_label(cor_view_of(handler))) {
        kl_cause_invalid_str(&draft->causes, "handler", handler,
                             "a lowercase RFC 1123 label must consist of lower case alphanumeric "
                             "characters or '-', and must start and end with an alphanumeric "
                             "character");
    }
}

void kl_runtime_class_check_update(struct kl_draft *draft)
{
    const char *handler = cor_json_str_at(draft->object, "handler", "");
    if (strcmp(handler, cor_json_str_at(draft->old, "handler", "")) != 0) {
        kl_cause_invalid_str(&draft->causes, "handler", handler, "field is immutable");
    }
}

static enum cor_code refuse(struct cor_json *pod, struct kl_fail *fail, const char *text)
{
    auto_(cor_freep) char *why = cor_sprintf("pod rejected: %s", text);
    return kl_fail_forbidden(fail, kl_builtin(KL_POD), kl_meta_str(pod, "name"), why);
}

static enum cor_code set_overhead(struct cor_json *pod, const struct cor_json *class,
                                  struct kl_fail *fail)
{
    struct cor_json *spec = cor_json_get(pod, "spec");
    const struct cor_json *fixed = cor_json_at(class, "overhead.podFixed");
    const struct cor_json *own = cor_json_get(spec, "overhead");
    if (cor_json_count(fixed) == 0 && cor_json_count(own) > 0) {
        return refuse(pod, fail,
                      "Pod Overhead set without corresponding RuntimeClass defined Overhead");
    }
    if (cor_json_count(own) > 0 && !cor_json_equal(own, fixed)) {
        return refuse(pod, fail, "Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    }
    if (cor_json_count(fixed) > 0) {
        cor_json_set(spec, "overhead", cor_json_copy(fixed));
    }
    return COR_OK;
}

static enum cor_code add_selector(struct cor_json *pod, const struct cor_json *class,
                                  struct kl_fail *fail)
{
    struct cor_json *spec = cor_json_get(pod, "spec");
    const struct cor_json *more = cor_json_at(class, "scheduling.nodeSelector");
    void *at = NULL;
    const char *key = NULL;
    struct cor_json *value = NULL;
    while (cor_json_each(more, &at, &key, &value)) {
        struct cor_json *own = cor_json_get(spec, "nodeSelector");
        const struct cor_json *old = cor_json_get(own, key);
        if (old != NULL && !cor_json_equal(old, value)) {
            auto_(cor_freep) char *text =
                cor_sprintf("conflict: runtimeClass.scheduling.nodeSelector[%s] = %s; "
                            "pod.spec.nodeSelector[%s] = %s",
                            key, cor_json_as_str(value, ""), key, cor_json_as_str(old, ""));
            return refuse(pod, fail, text);
        }
        if (!cor_json_is_object(own)) {
            own = cor_json_object();
            cor_json_set(spec, "nodeSelector", own);
        }
        cor_json_set(own, key, cor_json_copy(value));
    }
    return COR_OK;
}

static void add_tolerations(struct cor_json *pod, const struct cor_json *class)
{
    struct cor_json *spec = cor_json_get(pod, "spec");
    const struct cor_json *more = cor_json_at(class, "scheduling.tolerations");
    for (size_t i = 0; i < cor_json_count(more); i++) {
        if (!cor_json_is_array(cor_json_get(spec, "tolerations"))) {
            cor_json_set(spec, "tolerations", cor_json_array());
        }
        cor_json_add(cor_json_get(spec, "tolerations"), cor_json_copy(cor_json_item(more, i)));
    }
}

enum cor_code kl_admit_runtime_class(struct kl_api *api, struct cor_json *pod, struct kl_fail *fail)
{
    const char *name = cor_json_str_at(pod, "spec.runtimeClassName", "");
    if (name[0] == '\0') {
        return set_overhead(pod, NULL, fail);
    }
    auto_(cor_json_free) struct cor_json *class =
        kl_storage_look(api->storage, kl_builtin(KL_RUNTIMECLASS), NULL, name);
    if (class == NULL) {
        auto_(cor_freep) char *text = cor_sprintf("RuntimeClass \"%s\" not found", name);
        return refuse(pod, fail, text);
    }
    enum cor_code code = set_overhead(pod, class, fail);
    code = code == COR_OK ? add_selector(pod, class, fail) : code;
    if (code == COR_OK) {
        add_tolerations(pod, class);
    }
    return code;
}
